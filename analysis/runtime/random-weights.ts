/**
 * @file Random weights for parameters without values: generic, so that no symmetry of a special point is seen, and of a
 * size that keeps activations of order one through deep networks. Equal seeds give equal weights, parameter by parameter.
 */
import { consumers, type Graph, type Node, numberAttribute, type Parameter } from "../graph/graph";
import { elementCount, isFloating, type Shape } from "../graph/tensor";
import { operatorsThat } from "../operators/movers";
import { Random } from "../numerics/random";
import type { ParameterValues } from "../symmetry/symmetry";

/** What a parameter is for, as far as its size is concerned. */
export type Role =
  | { readonly kind: "weight"; readonly fanIn: number }
  | { readonly kind: "table" | "gain" | "bias" | "slope" | "mean" | "variance" };

/** Parameters above this many values are not made up: certification at that size needs the twin. */
const MAX_VALUES = 2 ** 30;

/**
 * Values for all parameters of a graph. Weights are uniform with variance 2 / fan-in (He), embeddings with variance 1
 * (normal numbers would cost five times as much and are no more generic), gains and variances uniform in [0.5, 1.5], slopes in
 * [0.1, 0.4], biases and means normal with deviation 0.3; parameters that are not floating are zero (an index that is always in
 * range).
 * @param graph with inferred types
 * @throws RangeError when the parameters have more than 2^30 values in all
 */
export function randomWeights(graph: Graph, seed: number, names?: Iterable<string>): ParameterValues {
  const readers = consumers(graph);
  const out = new Map<string, Float64Array>();
  let total = 0;
  for (const name of names ?? graph.parameters.keys()) {
    const parameter = graph.parameters.get(name);
    if (!parameter || parameter.type === "string") continue;
    const count = elementCount(parameter.shape);
    total += count;
    if (total > MAX_VALUES)
      throw new RangeError(`${graph.name} has too many parameters for random weights (over ${MAX_VALUES} values)`);
    out.set(
      name,
      isFloating(parameter.type) ? draw(parameter, roleOf(parameter, graph, readers), seed) : new Float64Array(count),
    );
  }
  return out;
}

/** FNV-1a, so that a parameter's values depend on its name and not on its place among the others. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}

/** A source of random numbers for one parameter. */
export function randomFor(parameter: string, seed: number): Random {
  return new Random(hash(parameter) ^ Math.imul(seed | 0, 0x9e3779b1));
}

function draw(parameter: Parameter, role: Role, seed: number): Float64Array {
  const random = randomFor(parameter.name, seed);
  const count = elementCount(parameter.shape);
  switch (role.kind) {
    case "weight":
      return symmetric(random, count, Math.sqrt(2 / Math.max(1, role.fanIn)));
    case "table":
      return symmetric(random, count, 1);
    case "gain":
    case "variance":
      return random.uniforms(count, 0.5, 1.5);
    case "slope":
      return random.uniforms(count, 0.1, 0.4);
    case "bias":
    case "mean":
      return random.normals(count, 0.3);
  }
}

/** Uniform numbers with mean zero. */
function symmetric(random: Random, count: number, deviation: number): Float64Array {
  const most = Math.sqrt(3) * deviation;
  return random.coarse(count, -most, most);
}

const MOVEMENT: ReadonlySet<string> = new Set([
  ...operatorsThat("reshapes", "transposes", "picks", "splits", "repeats", "joins"),
  "Cast",
]);
/** Uses looked at per parameter. */
const MAX_STEPS = 64;

/** The role that the first telling use gives, looking through movement of entries. */
export function roleOf(parameter: Parameter, graph: Graph, readers: ReadonlyMap<string, readonly Node[]>): Role {
  const values = new Set([parameter.name]);
  let steps = 0;
  let movedTable = false;
  for (const value of values) {
    for (const node of readers.get(value) ?? []) {
      if (++steps > MAX_STEPS) break;
      const index = node.inputs.indexOf(value);
      const role = roleInUse(node, index, graph.types.get(value)?.shape ?? parameter.shape, parameter, movedTable);
      if (role) return role;
      // Rows picked by data are an embedding unless something downstream says more.
      if (node.operator === "Gather" && index === 0 && !graph.constants.has(node.inputs[1] ?? "")) movedTable = true;
      if (MOVEMENT.has(node.operator)) for (const o of node.outputs) if (o !== "") values.add(o);
    }
  }
  if (movedTable) return { kind: "table" };
  return byShape(parameter);
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

function roleInUse(node: Node, index: number, shape: Shape, parameter: Parameter, gathered: boolean): Role | undefined {
  const weight = (fanIn: number): Role => ({ kind: "weight", fanIn });
  switch (node.operator) {
    case "MatMul":
    case "FusedMatMul":
      if (shape.length < 2) return weight(shape[0] ?? 1);
      return weight((index === 0 ? shape.at(-1) : shape.at(-2)) ?? 1);
    case "Gemm": {
      if (index === 2) return { kind: "bias" };
      const transposed = numberAttribute(node, index === 0 ? "transA" : "transB", 0) !== 0;
      return weight((index === 0) === transposed ? (shape[0] ?? 1) : (shape[1] ?? 1));
    }
    case "Einsum":
      return weight(contractedSize(node, index, shape));
    case "Conv":
    case "FusedConv":
      return index === 1 ? weight(product(shape.slice(1))) : { kind: "bias" };
    case "ConvTranspose": {
      if (index !== 1) return { kind: "bias" };
      const strides = node.attributes["strides"];
      const density = Array.isArray(strides) ? product(strides.map(Number)) : 1;
      return weight(product(shape) / Math.max(1, shape[1] ?? 1) / numberAttribute(node, "group", 1) / density);
    }
    case "RNN":
    case "GRU":
    case "LSTM":
      return index === 1 || index === 2 ? weight(2 * (shape.at(-1) ?? 1)) : { kind: "bias" };
    case "BatchNormalization":
      return { kind: index === 1 ? "gain" : index === 4 ? "variance" : index === 3 ? "mean" : "bias" };
    case "LayerNormalization":
    case "GroupNormalization":
    case "InstanceNormalization":
    case "RMSNormalization":
    case "SimplifiedLayerNormalization":
      return index === 1 ? { kind: "gain" } : index === 2 ? { kind: "bias" } : undefined;
    case "SkipLayerNormalization":
    case "SkipSimplifiedLayerNormalization":
      return { kind: index === 2 ? "gain" : "bias" };
    case "PRelu":
      return index === 1 ? { kind: "slope" } : undefined;
    case "Attention":
    case "MultiHeadAttention":
      return shape.length === 2 ? weight(shape[0] ?? 1) : { kind: "bias" };
    case "Add":
    case "Sub":
      return gathered ? undefined : { kind: "bias" };
    case "Mul":
    case "Div":
      // A matrix that is multiplied with itself or by a norm is a weight (weight normalisation); a vector is a gain.
      return gathered || manySized(parameter.shape) ? undefined : { kind: "gain" };
    default:
      return undefined;
  }
}

/** Whether more than one axis has more than one entry. */
function manySized(shape: Shape): boolean {
  return shape.filter((d) => d > 1).length > 1;
}

/** Product of the sizes whose letters do not occur in the output of an Einsum. */
function contractedSize(node: Node, index: number, shape: Shape): number {
  const equation = node.attributes["equation"];
  if (typeof equation !== "string") return shape.at(-1) ?? 1;
  const [left = "", right] = equation.replaceAll(" ", "").split("->");
  const term = left.split(",")[index] ?? "";
  if (right === undefined || term.includes(".") || term.length !== shape.length) return shape.at(-1) ?? 1;
  return product(Array.from(term, (letter, axis) => (right.includes(letter) ? 1 : (shape[axis] ?? 1))));
}

function byShape(parameter: Parameter): Role {
  if (manySized(parameter.shape)) return { kind: "weight", fanIn: product(parameter.shape.slice(1)) };
  const last = parameter.name.split(/[./]/).at(-1) ?? "";
  return { kind: /^(weight|scale|gamma|g|gain)(_\w+)?$/.test(last) ? "gain" : "bias" };
}

/**
 * @file Biases of norms before products without biases of their own. What a norm writes adds up to a constant n (g z + beta) =
 * n beta, for n = 1 / g, so that a product may read that constant as if it were a bias: W (y + delta) is made up for by
 * W - (W delta) n' / (n (beta + delta)).
 */
import type { Graph, Node } from "../../graph/graph";
import { operatorsThat } from "../../operators/movers";
import type { ParameterValues } from "../symmetry";
import { annihilator, type ConstantSum, constantSums } from "./constant-sums";
import { Flow } from "./follow";
import type { ShiftFamily } from "./shift-families";
import { parameterBehind } from "./unreadable";

/** A product that reads what a norm writes. */
interface Reader {
  readonly weight: string;
  /** Whether the weight is stored as outputs x inputs. */
  readonly turned: boolean;
  readonly outputs: number;
  /** The bias that is added to what it writes, if one is. */
  readonly bias: string | undefined;
}

/** A norm's bias, and all that reads the norm. */
interface NormalisedBias {
  readonly bias: string;
  readonly size: number;
  readonly sum: ConstantSum;
  readonly readers: readonly Reader[];
}

/** Operators that choose places, move them, or take their mean: what adds up to a constant along the features still does. */
const PLACES: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes", "picks"), "Cast", "ReduceMean"]);

/** Families of norms' biases that products make up for, at least one of them without a bias; `taken` are free anyway. */
export function normalisedBiasFamilies(graph: Graph, flow: Flow, taken: ReadonlySet<string>): ShiftFamily[] {
  return normalisedBiases(graph, flow, taken).map((n) => family(graph, n));
}

function normalisedBiases(graph: Graph, flow: Flow, taken: ReadonlySet<string>): NormalisedBias[] {
  const uses = new Map<string, number>();
  for (const n of graph.nodes) for (const i of n.inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
  for (const o of graph.outputs) uses.set(o, (uses.get(o) ?? 0) + 1);
  const isBias = (value: string): boolean => {
    const p = graph.parameters.get(value);
    return p !== undefined && p.trainable && uses.get(value) === 1 && p.shape.length === 1;
  };
  let sums: ReadonlyMap<string, ConstantSum> | undefined;
  const out: NormalisedBias[] = [];
  for (const node of graph.nodes) {
    if (node.operator !== "Add" || node.domain !== "") continue;
    const bias = node.inputs.find((i) => isBias(i) && !taken.has(i));
    if (bias === undefined) continue;
    sums ??= constantSums(flow);
    const sum = sums.get(node.outputs[0]!);
    if (sum?.total !== 0 || sum.shifts.length !== 1 || sum.shifts[0]!.value !== bias) continue;
    const size = flow.shape(node.outputs[0]!)[sum.axis]!;
    const readers = readersOf(flow, sums, node.outputs[0]!, uses, isBias);
    if (size > 1 && flow.shape(bias)[0] === size && readers?.some((r) => r.bias === undefined))
      out.push({ bias, size, sum, readers });
  }
  return out;
}

/** The products that read a value, moved about at most; undefined where anything else does. */
function readersOf(
  flow: Flow,
  sums: ReadonlyMap<string, ConstantSum>,
  from: string,
  uses: ReadonlyMap<string, number>,
  isBias: (value: string) => boolean,
): readonly Reader[] | undefined {
  const out: Reader[] = [];
  const pending = [from];
  while (pending.length > 0) {
    const value = pending.pop()!;
    const nodes = flow.readersOf(value);
    // Outputs of the network are read too.
    if (uses.get(value) !== nodes.reduce((n, node) => n + node.inputs.filter((i) => i === value).length, 0)) return undefined;
    for (const node of nodes) {
      const to = node.outputs[0]!;
      if (node.domain !== "" || node.inputs[0] !== value || node.inputs.lastIndexOf(value) !== 0) return undefined;
      if (PLACES.has(node.operator) && sums.get(to)?.shifts.length === 1) pending.push(to);
      else {
        const reader = readerOf(flow, sums.get(value)!, node, uses, isBias);
        if (!reader) return undefined;
        out.push(reader);
      }
    }
  }
  return out;
}

function readerOf(
  flow: Flow,
  sum: ConstantSum,
  node: Node,
  uses: ReadonlyMap<string, number>,
  isBias: (value: string) => boolean,
): Reader | undefined {
  const [x, w] = [node.inputs[0]!, node.inputs[1]!];
  if (node.operator !== "MatMul" || flow.isActivation(w) || flow.shape(w).length !== 2) return undefined;
  if (sum.axis !== flow.shape(x).length - 1) return undefined;
  const place = parameterBehind(flow, w, uses);
  if (!place || !flow.graph.parameters.get(place.parameter)!.trainable) return undefined;
  const outputs = flow.shape(w)[1]!;
  const to = node.outputs[0]!;
  const next = uses.get(to) === 1 ? flow.readersOf(to)[0] : undefined;
  const added = next?.operator === "Add" && next.domain === "" ? next.inputs.find((i) => i !== to) : undefined;
  const bias = added !== undefined && isBias(added) && flow.shape(added)[0] === outputs ? added : undefined;
  return { weight: place.parameter, turned: place.axisOf(0) === 1, outputs, bias };
}

/**
 * The bias changes by its constant times the coordinates. At a bias of zero, as models begin, it does not change at all: then
 * there is nothing that the weights along n would read.
 */
function family(graph: Graph, { bias, size, sum, readers }: NormalisedBias): ShiftFamily {
  const moved = (weights: ParameterValues, coordinates: ArrayLike<number>, isTangent: boolean): ParameterValues => {
    const { vector, total } = annihilator(new Flow(graph, weights), sum, size);
    const out = new Map<string, Float64Array>([[bias, new Float64Array(size)]]);
    const squares = vector.reduce((s, n) => s + n * n, 0);
    // A gain of zero leaves nothing of its feature, and no such vector.
    const unit = Number.isFinite(squares) ? 1 / Math.sqrt(squares * size) : 0;
    let along = 0;
    if (unit > 0) for (let i = 0; i < size; i++) along += vector[i]! * unit * coordinates[i]!;
    for (let i = 0; i < size; i++) out.get(bias)![i] = total * unit * coordinates[i]!;
    for (const reader of readers) {
      const data = weights.get(reader.weight)!;
      const at = (i: number, j: number): number => (reader.turned ? j * size + i : i * reader.outputs + j);
      const seen = new Float64Array(reader.outputs);
      for (let i = 0; i < size; i++)
        for (let j = 0; j < reader.outputs; j++) seen[j]! -= unit * coordinates[i]! * data[at(i, j)]!;
      if (reader.bias !== undefined) {
        out.set(
          reader.bias,
          seen.map((s) => total * s),
        );
        continue;
      }
      const delta = new Float64Array(data.length);
      const share = isTangent ? 1 : 1 / (1 + along);
      if (unit > 0)
        for (let i = 0; i < size; i++) for (let j = 0; j < reader.outputs; j++) delta[at(i, j)] = vector[i]! * share * seen[j]!;
      out.set(reader.weight, delta);
    }
    return out;
  };
  return {
    family: "translation",
    parameter: bias,
    parameters: [bias, ...readers.map((r) => r.bias ?? r.weight)],
    sizes: [size],
    dimension: size,
    delta: (weights, coordinates) => moved(weights, coordinates, false),
    tangent: (weights, coordinates) => moved(weights, coordinates, true),
  };
}

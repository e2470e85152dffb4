/**
 * @file What a product without a bias of its own does not see: where it writes less than it reads (patches that are merged, a
 * narrow layer), there are biases before it that it maps to nothing, and others that make up for what its weights do with an
 * input that adds up to a constant. Which they are hangs on the weights; that they are there does not.
 */
import type { Graph } from "../../graph/graph";
import { leastLength } from "../../numerics/leastSquares";
import { Matrix } from "../../numerics/matrix";
import type { ParameterValues } from "../symmetry";
import { known } from "./change";
import { Flow } from "./follow";
import type { ShiftFamily } from "./shift-families";
import { annihilator, type ConstantSum, constantSums } from "./constant-sums";
import { parameterBehind } from "./unreadable";

/** A bias that a product reads, and nothing else. */
interface Merge {
  readonly bias: string;
  readonly weight: string;
  /** Whether the weight is stored as outputs x inputs. */
  readonly turned: boolean;
  readonly inputs: number;
  readonly outputs: number;
  readonly result: string;
  /** What the product's input adds up to, where that is a constant. */
  readonly sum: ConstantSum | undefined;
}

/** Families of biases before products that write fewer features than they read; `taken` are biases that are free anyway. */
export function kernelFamilies(graph: Graph, flow: Flow, taken: ReadonlySet<string>): ShiftFamily[] {
  return mergesOf(graph, flow).flatMap((m) => {
    if (taken.has(m.bias)) return [];
    const unseen = unseenBias(m, isForgotten(flow, m));
    return m.sum ? [unreadWeight(graph, m, m.sum), unseen] : [unseen];
  });
}

function mergesOf(graph: Graph, flow: Flow): Merge[] {
  const out: Merge[] = [];
  let sums: ReadonlyMap<string, ConstantSum> | undefined;
  const uses = new Map<string, number>();
  for (const n of graph.nodes) for (const i of n.inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
  for (const o of graph.outputs) uses.set(o, (uses.get(o) ?? 0) + 1);
  for (const node of graph.nodes) {
    if (node.operator !== "MatMul" || node.domain !== "") continue;
    const [x, w] = [node.inputs[0]!, node.inputs[1]!];
    const sum = flow.writerOf(x);
    if (sum?.operator !== "Add" || uses.get(x) !== 1 || !flow.isActivation(x) || flow.isActivation(w)) continue;
    const [inputs = 0, outputs = 0] = flow.shape(w);
    if (flow.shape(w).length !== 2 || outputs < 1 || inputs <= outputs) continue;
    const bias = sum.inputs.find((i) => isBias(graph, uses, i, inputs));
    const place = parameterBehind(flow, w, uses);
    if (bias === undefined || !place || !graph.parameters.get(place.parameter)!.trainable) continue;
    sums ??= constantSums(flow);
    const total = sums.get(x);
    // The bias comes last: what the rest adds up to is nothing, and weights annihilate it whatever the bias is.
    const isLast =
      total?.total === 0 &&
      total.axis === flow.shape(x).length - 1 &&
      total.shifts.length === 1 &&
      total.shifts[0]!.value === bias;
    const turned = place.axisOf(0) === 1;
    out.push({
      bias,
      weight: place.parameter,
      turned,
      inputs,
      outputs,
      result: node.outputs[0]!,
      sum: isLast ? total : undefined,
    });
  }
  return out;
}

function isBias(graph: Graph, uses: ReadonlyMap<string, number>, value: string, size: number): boolean {
  const p = graph.parameters.get(value);
  return p !== undefined && p.trainable && uses.get(value) === 1 && p.shape.length === 1 && p.shape[0] === size;
}

/** Whether nothing behind notices when all features of the result grow by the same. */
function isForgotten(flow: Flow, { result, outputs }: Merge): boolean {
  if (outputs === 1) return false;
  const one = known(
    flow.shape(result).map(() => 1),
    Float64Array.of(flow.random()),
    Int32Array.of(0),
  );
  const { blocked, lost } = flow.follow(new Map([[result, one]]), new Set());
  return !lost && blocked.size === 0;
}

/** The weight as inputs x outputs. */
function matrixOf({ weight, turned, inputs, outputs }: Merge, weights: ParameterValues): Matrix {
  const data = weights.get(weight)!;
  return turned ? new Matrix(outputs, inputs, data).transpose() : new Matrix(inputs, outputs, data);
}

/** Biases that the product maps to nothing, or to what is forgotten: projections of the first unit vectors onto them. */
function unseenBias(m: Merge, forgets: boolean): ShiftFamily {
  const own = m.inputs - m.outputs;
  const dimension = own + (forgets ? 1 : 0);
  return {
    family: "translation",
    parameter: m.bias,
    parameters: [m.bias],
    sizes: [dimension],
    dimension,
    delta(weights, coordinates) {
      const w = matrixOf(m, weights);
      const wanted = new Float64Array(m.inputs);
      for (let k = 0; k < own; k++) wanted[k] = coordinates[k]!;
      const seen = w.transpose().apply(wanted);
      if (forgets) for (let j = 0; j < seen.length; j++) seen[j]! -= coordinates[own]!;
      const correction = leastLength(w, seen);
      return new Map([[m.bias, wanted.map((x, i) => x - correction[i]!)]]);
    },
  };
}

/**
 * Weights along the vector that annihilates the input, but for its bias; another bias makes up for what they make of that one.
 * It is orthogonal to the vector, so that its own change does not matter.
 */
function unreadWeight(graph: Graph, m: Merge, sum: ConstantSum): ShiftFamily {
  return {
    family: "unread",
    parameter: m.weight,
    parameters: [m.weight, m.bias],
    sizes: [m.outputs],
    dimension: m.outputs,
    delta(weights, coordinates) {
      const w = matrixOf(m, weights);
      const { vector, total } = annihilator(new Flow(graph, weights), sum, m.inputs);
      const both = new Matrix(m.inputs, m.outputs + 1);
      const wanted = new Float64Array(m.outputs + 1);
      const delta = new Float64Array(m.inputs * m.outputs);
      for (let j = 0; j < m.outputs; j++) wanted[j] = -total * coordinates[j]!;
      for (let i = 0; i < m.inputs; i++) {
        for (let j = 0; j < m.outputs; j++) {
          both.data[i * (m.outputs + 1) + j] = w.data[i * m.outputs + j]!;
          delta[m.turned ? j * m.inputs + i : i * m.outputs + j] = vector[i]! * coordinates[j]!;
        }
        both.data[i * (m.outputs + 1) + m.outputs] = vector[i]!;
      }
      return new Map([
        [m.weight, delta],
        [m.bias, leastLength(both, wanted)],
      ]);
    },
  };
}

/**
 * @file Unread directions: changes of a weight (and of the bias added right after it) that its input never shows. A layer norm
 * hands on vectors orthogonal to 1; a reader's component along it is invisible.
 */
import { elementCount } from "../../graph/tensor";
import { Matrix } from "../../numerics/matrix";
import { nullSpace } from "../../numerics/rank";
import { operatorsThat } from "../../operators/movers";
import type { ParameterSpace } from "../counting/families";
import type { Network, Step } from "../counting/network";
import { Program } from "../counting/program";
import { connected } from "../fields/equations";
import { type CutNetwork, readers } from "./cells";

const TOLERANCE = { relative: 1e-9, absolute: 1e-12 } as const;
const ROWS_PER_COLUMN = 3.5;

/** All unread directions, per contraction with weights of its own. */
export function unreadDirections(cut: CutNetwork, space: ParameterSpace): Float64Array[] {
  const { network } = cut;
  const uses = countUses(network);
  const trainable = new Set(network.trainable);
  const single = (p: string): boolean => trainable.has(p) && uses.get(p) === 1;
  return readers(network).flatMap((step) => {
    const input = step.node.inputs.find((i) => network.isActivation(i))!;
    if (step.node.inputs.filter((i) => network.isActivation(i)).length > 1) return [];
    const target = withBias(network, step, single);
    const reader = new Program(network, [target], new Set([input]));
    const parameters = reader.leaves.filter(single);
    return parameters.length === 0 ? [] : directionsOf(cut, space, input, target, reader, parameters);
  });
}

/** Number of operators on activations that read each parameter, directly or through what is made of parameters. */
function countUses(network: Network): Map<string, number> {
  const out = new Map<string, number>();
  const sources = new Map<string, readonly string[]>();
  const behind = (value: string): readonly string[] => {
    if (network.graph.parameters.has(value)) return [value];
    return sources.get(value) ?? [];
  };
  for (const { node } of network.steps) {
    if (network.kind(node.outputs[0] ?? "") === "parameter") {
      const all = [...new Set(node.inputs.flatMap(behind))];
      for (const o of node.outputs) sources.set(o, all);
    } else {
      for (const i of node.inputs) for (const p of behind(i)) out.set(p, (out.get(p) ?? 0) + 1);
    }
  }
  for (const node of network.opaque) for (const i of node.inputs) for (const p of behind(i)) out.set(p, (out.get(p) ?? 0) + 1);
  for (const o of network.outputs) for (const p of behind(o)) out.set(p, (out.get(p) ?? 0) + 1);
  return out;
}

/** The contraction's output, or the sum with a bias that alone reads it. */
function withBias(network: Network, { node }: Step, single: (parameter: string) => boolean): string {
  const output = node.outputs[0]!;
  const consumers = network.consumers(output);
  const add = consumers[0];
  if (consumers.length !== 1 || add?.operator !== "Add" || network.outputs.includes(output)) return output;
  const other = add.inputs.find((i) => i !== output);
  if (other === undefined || network.kind(other) !== "parameter") return output;
  const leaves = new Program(network, [other]).leaves;
  return leaves.every(single) ? add.outputs[0]! : output;
}

/**
 * Directions in which the parameters leave the weight itself as it is (two factors of a low-rank weight, the length behind a
 * weight norm). They are symmetries, but nothing is unread by them: as further equations they keep the rest orthogonal.
 */
function redundancies(cut: CutNetwork, last: Step, parameters: readonly string[], columns: number): Float64Array[] {
  const { network, weights } = cut;
  const operands = new Set<string>();
  for (const step of [last, ...last.node.inputs.flatMap((i) => network.producer(i) ?? [])]) {
    if (!network.isActivation(step.node.outputs[0]!)) continue;
    for (const i of step.node.inputs) if (network.kind(i) === "parameter") operands.add(i);
  }
  const made = [...operands].filter((value) => !isCarried(network, value));
  if (made.length === 0) return [];
  const program = new Program(network, [...operands]);
  const values = program.evaluate((leaf) => cut.leaf(leaf));
  const own = new Set(program.leaves);
  const images: Float64Array[] = [];
  for (const p of parameters) {
    const direction = new Float64Array(weights.get(p)!.length);
    for (let k = 0; k < direction.length; k++) {
      direction[k] = 1;
      const parts = own.has(p) ? program.differentiate(values, p, direction) : [];
      const results = program.results(values);
      images.push(Float64Array.from(results.flatMap((r, i) => Array.from(parts[i]?.data ?? new Float64Array(r.data.length)))));
      direction[k] = 0;
    }
  }
  const kernel = nullSpace(Matrix.fromColumns(images), TOLERANCE);
  return Array.from({ length: columns === kernel.rows ? kernel.columns : 0 }, (_, c) => kernel.column(c));
}

/** Operators that hand on every entry of their input, once. */
const CARRYING: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes"), "Cast"]);

/** Whether a value is one parameter, entry by entry. */
function isCarried(network: Network, value: string): boolean {
  let at = value;
  for (let producer = network.producer(at); producer; producer = network.producer(at)) {
    if (!CARRYING.has(producer.node.operator)) return false;
    at = producer.node.inputs[0]!;
  }
  return network.graph.parameters.has(at);
}

function directionsOf(
  cut: CutNetwork,
  space: ParameterSpace,
  input: string,
  target: string,
  reader: Program,
  parameters: readonly string[],
): Float64Array[] {
  const { network, weights } = cut;
  const columns = parameters.reduce((n, p) => n + weights.get(p)!.length, 0);
  const size = elementCount(network.shape(target));
  // Each output channel sees its own share of the columns; the rows are spread evenly over them.
  const runs = Math.max(3, Math.ceil((ROWS_PER_COLUMN * columns) / size) + 1);
  const feeder = network.producer(input) ? cut.cell(input) : undefined;
  const vectors: number[][] = Array.from({ length: columns }, () => []);
  for (let run = 0; run < runs; run++) {
    const given = feeder ? feeder.results(cut.sample(feeder))[0]! : undefined;
    const values = reader.evaluate((leaf) => (leaf === input && given ? given : cut.leaf(leaf)));
    let column = 0;
    for (const p of parameters) {
      const direction = new Float64Array(weights.get(p)!.length);
      for (let k = 0; k < direction.length; k++, column++) {
        direction[k] = 1;
        const tangent = reader.differentiate(values, p, direction)[0]?.data;
        for (let r = 0; r < size; r++) vectors[column]!.push(tangent?.[r] ?? 0);
        direction[k] = 0;
      }
    }
  }
  const redundant = redundancies(cut, network.producer(target)!, parameters, vectors.length);
  for (const direction of redundant) vectors.forEach((v, i) => void v.push(direction[i]!));
  const flat = parameters.flatMap((p) => Array.from({ length: weights.get(p)!.length }, (_, k) => space.offset(p) + k));
  return connected(vectors.map((v) => Float64Array.from(v))).flatMap((piece) => {
    const kernel = nullSpace(Matrix.fromColumns(piece.vectors, piece.rows.length), TOLERANCE);
    return Array.from({ length: kernel.columns }, (_, c) => {
      const out = new Float64Array(space.size);
      piece.columns.forEach((column, i) => {
        out[flat[column]!] = kernel.get(i, c);
      });
      return out;
    });
  });
}

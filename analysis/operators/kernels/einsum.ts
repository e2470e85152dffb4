/** @file Einstein sums, evaluated by pairwise contraction into matrix products. */
import { type Shape, type Tensor, elementCount, strides } from "../../graph/tensor";
import { type EinsumEquation, parseEinsum } from "../einsum";
import { matmul } from "./matmul";
import { copyStrided, permute } from "./strided";

/** Sizes of all labels; ellipsis labels broadcast. Throws Error when two axes with one letter differ. */
export function einsumSizes(plan: EinsumEquation, shapes: readonly Shape[]): Map<string, number> {
  const sizes = new Map<string, number>();
  plan.inputs.forEach((labels, i) => {
    labels.forEach((label, axis) => {
      const size = shapes[i]![axis]!;
      const known = sizes.get(label);
      if (known === undefined || known === 1) sizes.set(label, size);
      else if (size !== known && size !== 1) {
        throw new Error(`Einsum: axes of sizes ${known} and ${size} share the label ${label}`);
      }
    });
  });
  for (const label of plan.output) {
    if (!sizes.has(label)) throw new Error(`Einsum: the output has the label ${label}, which no input has`);
  }
  return sizes;
}

/** Elements of an intermediate product; a guard against equations that no network has. */
const PRODUCT_LIMIT = 2 ** 28;

/** A tensor whose axes carry labels. */
interface Labelled {
  readonly labels: readonly string[];
  readonly shape: number[];
  readonly data: Float64Array;
}

/** Takes diagonals of repeated labels and drops broadcast (size 1) axes of labels that are larger elsewhere. */
function diagonal(labels: readonly string[], tensor: Tensor, sizes: ReadonlyMap<string, number>): Labelled {
  const own = strides(tensor.shape);
  const kept: string[] = [];
  const steps: number[] = [];
  labels.forEach((label, axis) => {
    if (tensor.shape[axis] === 1 && sizes.get(label) !== 1) return;
    const at = kept.indexOf(label);
    if (at < 0) {
      kept.push(label);
      steps.push(own[axis]!);
    } else steps[at] = steps[at]! + own[axis]!;
  });
  const shape = kept.map((label) => sizes.get(label)!);
  if (kept.length === labels.length) return { labels: kept, shape, data: tensor.data };
  return { labels: kept, shape, data: copyStrided(tensor.data, shape, steps) };
}

/** The operand with its axes in the given order of labels. */
function arranged(x: Labelled, order: readonly string[]): Float64Array {
  return permute(
    x.data,
    x.shape,
    order.map((label) => x.labels.indexOf(label)),
  );
}

/** Sums away the labels that `needed` does not have. */
function summed(x: Labelled, needed: ReadonlySet<string>): Labelled {
  const kept = x.labels.filter((label) => needed.has(label));
  if (kept.length === x.labels.length) return x;
  const gone = x.labels.filter((label) => !needed.has(label));
  const data = arranged(x, [...kept, ...gone]);
  const shape = kept.map((label) => x.shape[x.labels.indexOf(label)]!);
  const rows = elementCount(shape);
  const columns = data.length / Math.max(rows, 1);
  const out = new Float64Array(rows);
  for (let i = 0, p = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += data[p++]!;
    out[i] = sum;
  }
  return { labels: kept, shape, data: out };
}

/** Contracts two operands, keeping the labels in `needed`, as one batched matrix product. */
function contract(a: Labelled, b: Labelled, needed: ReadonlySet<string>): Labelled {
  const left = summed(a, new Set([...needed, ...b.labels]));
  const right = summed(b, new Set([...needed, ...left.labels]));
  const size = (label: string): number => {
    const at = left.labels.indexOf(label);
    return at >= 0 ? left.shape[at]! : right.shape[right.labels.indexOf(label)]!;
  };
  const shared = left.labels.filter((label) => right.labels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const inner = shared.filter((label) => !needed.has(label));
  const rows = left.labels.filter((label) => !shared.includes(label));
  const columns = right.labels.filter((label) => !shared.includes(label));
  const count = (labels: readonly string[]): number => elementCount(labels.map(size));
  const labels = [...batch, ...rows, ...columns];
  if (count(labels) > PRODUCT_LIMIT)
    throw new Error(`Einsum: an intermediate product has ${count(labels)} elements, too many to compute`);
  const product = matmul(
    {
      type: "float64",
      shape: [count(batch), count(rows), count(inner)],
      data: arranged(left, [...batch, ...rows, ...inner]),
    },
    {
      type: "float64",
      shape: [count(batch), count(inner), count(columns)],
      data: arranged(right, [...batch, ...inner, ...columns]),
    },
  );
  return { labels, shape: labels.map(size), data: product.data };
}

/** The value of an Einstein sum. */
export function einsum(equation: string, inputs: readonly Tensor[]): Tensor {
  const plan = parseEinsum(
    equation,
    inputs.map((x) => x.shape.length),
  );
  const sizes = einsumSizes(
    plan,
    inputs.map((x) => x.shape),
  );
  const operands = inputs.map((x, i) => diagonal(plan.inputs[i]!, x, sizes));
  let result = operands[0]!;
  for (let i = 1; i < operands.length; i++) {
    const later = operands.slice(i + 1).flatMap((x) => x.labels);
    result = contract(result, operands[i]!, new Set([...plan.output, ...later]));
  }
  result = summed(result, new Set(plan.output));
  const shape = plan.output.map((label) => sizes.get(label)!);
  return { type: inputs[0]!.type, shape, data: withBroadcast(result, plan.output, shape) };
}

/** The result in output order; a label whose every axis was broadcast away is repeated. */
function withBroadcast(x: Labelled, output: readonly string[], shape: readonly number[]): Float64Array {
  const own = strides(x.shape);
  const steps = output.map((label) => {
    const at = x.labels.indexOf(label);
    return at < 0 ? 0 : own[at]!;
  });
  return copyStrided(x.data, shape, steps);
}

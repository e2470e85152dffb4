/**
 * @file Between which numbers the numbers lie that are computed of whole numbers: positions counted along a sequence, classes of a
 * comparison. Rows of a table outside are never read, whatever the inputs.
 */
import type { Node } from "../../graph/graph";
import { operatorsThat } from "../../operators/movers";
import type { Network } from "./network";

/** Operators that move or copy entries of their first input and leave them as they are. */
export const MOVEMENT: ReadonlySet<string> = new Set([
  ...operatorsThat("reshapes", "transposes", "picks", "repeats", "joins"),
  "Cast",
]);

/** From the least to the largest. */
export type Interval = readonly [least: number, largest: number];

const ANY: Interval = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
const TRUTH: Interval = [0, 1];

const TRUTHS: ReadonlySet<string> = new Set(
  "Equal Less Greater LessOrEqual GreaterOrEqual And Or Xor Not IsNaN IsInf".split(" "),
);

/** ONNX's numbers of element types: bool, and those that hold all numbers that look rows up (float, int32, int64, double). */
const BOOL = 9;
const WIDE: ReadonlySet<number> = new Set([1, 6, 7, 11]);

/** The interval of a value of a network; all numbers where nothing is known. */
export function intervalOf(network: Network, value: string): Interval {
  const found = new Map<string, Interval>();
  const stack = [value];
  while (stack.length > 0) {
    const at = stack.at(-1)!;
    const node = network.producer(at)?.node;
    const open = found.has(at) || node === undefined ? [] : node.inputs.filter((i) => i !== "" && !found.has(i));
    if (open.length > 0) {
      stack.push(...open);
      continue;
    }
    stack.pop();
    if (!found.has(at))
      found.set(at, node ? computed(network, node, (k) => found.get(node.inputs[k] ?? "")) : given(network, at));
  }
  return found.get(value)!;
}

/** The interval of a value that nothing computes. */
function given(network: Network, value: string): Interval {
  const data = network.constant(value)?.data;
  if (data === undefined) return network.inputs.find((i) => i.name === value)?.type === "bool" ? TRUTH : ANY;
  let [least, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const x of data) [least, largest] = [Math.min(least, x), Math.max(largest, x)];
  return least <= largest ? [least, largest] : ANY;
}

function computed(network: Network, node: Node, input: (k: number) => Interval | undefined): Interval {
  const [a, b] = [input(0) ?? ANY, input(1) ?? ANY];
  if (TRUTHS.has(node.operator)) return TRUTH;
  switch (node.operator) {
    case "Add":
      return sound([a[0] + b[0], a[1] + b[1]]);
    case "Sub":
      return sound([a[0] - b[1], a[1] - b[0]]);
    case "Neg":
      return [-a[1], -a[0]];
    case "Mul":
      return hull([times(a[0], b[0]), times(a[0], b[1]), times(a[1], b[0]), times(a[1], b[1])]);
    case "Min":
    case "Max": {
      const all = node.inputs.map((_, k) => input(k) ?? ANY);
      const pick = node.operator === "Min" ? Math.min : Math.max;
      return [pick(...all.map((i) => i[0])), pick(...all.map((i) => i[1]))];
    }
    case "Clip": {
      const [low, high] = [input(1) ?? [ANY[0], ANY[0]], input(2) ?? [ANY[1], ANY[1]]];
      return [Math.min(Math.max(a[0], low[0]), high[0]), Math.min(Math.max(a[1], low[1]), high[1])];
    }
    case "Mod":
      // The sign of the divisor; with fmod that of the dividend.
      if (node.attributes.fmod === 1 || !(b[0] > 0)) return ANY;
      return [0, b[1] - 1];
    case "Where":
      return hull([...b, ...(input(2) ?? ANY)]);
    case "CumSum":
    case "ReduceSum": {
      const shape = network.shape(node.inputs[0]!);
      const along = network.constant(node.inputs[1] ?? "")?.data;
      const axes =
        along === undefined || along.length === 0 ? shape.keys() : Array.from(along, (k) => (k < 0 ? k + shape.length : k));
      let n = 1;
      for (const axis of axes) n *= shape[axis]!;
      return hull([a[0], a[1], times(n, a[0]), times(n, a[1]), ...(node.attributes.exclusive === 1 ? [0] : [])]);
    }
    case "MatMul": {
      // A cumulative sum, among others, is a product with a triangle of ones.
      const n = network.shape(node.inputs[0]!).at(-1) ?? 1;
      const [least, largest] = hull([times(a[0], b[0]), times(a[0], b[1]), times(a[1], b[0]), times(a[1], b[1])]);
      return [times(n, least), times(n, largest)];
    }
    case "Concat":
      return hull(node.inputs.flatMap((_, k) => input(k) ?? ANY));
    case "Cast":
      if (node.attributes.to === BOOL) return TRUTH;
      return WIDE.has(Number(node.attributes.to)) ? [Math.floor(a[0]), Math.ceil(a[1])] : ANY;
    case "GatherElements":
    case "ReduceMax":
    case "ReduceMin":
      return a;
  }
  return MOVEMENT.has(node.operator) ? a : ANY;
}

/** A product in which nothing is nothing, even of what is unbounded. */
function times(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
}

function hull(numbers: readonly number[]): Interval {
  return sound([Math.min(...numbers), Math.max(...numbers)]);
}

/** All numbers where infinities have cancelled. */
function sound(interval: Interval): Interval {
  return interval.some(Number.isNaN) ? ANY : interval;
}

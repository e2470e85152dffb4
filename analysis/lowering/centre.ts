/**
 * @file What a softmax cross-entropy sees of an output: y - mean(y) over its last axis. Addends that are constant along that axis
 * cancel, whatever they hang on, and so do channels of a pointwise convolution that are; they are left out of y before.
 */
import { type Node, numberAttribute, numbersAttribute } from "../graph/graph";
import { filled, isFloating } from "../graph/tensor";
import type { Workspace } from "./workspace";

/** Centres each floating output. */
export function centreOutputs(w: Workspace): void {
  let dropped = false;
  w.outputs = w.outputs.map((y) => {
    const { type, shape } = w.type(y);
    if (shape === undefined || shape.length === 0 || !isFloating(type)) return y;
    if (shape.at(-1) === 1) {
      // The only class has probability one whatever the weights are.
      dropped = true;
      return w.addConstant(filled(shape, 0, type));
    }
    const seen = withoutConstants(w, y);
    if (seen !== y) dropped = true;
    const axes = w.addConstant({ type: "int64", shape: [1], data: Float64Array.of(shape.length - 1) });
    const mean = add(w, y, "ReduceMean", [seen, axes], { keepdims: 1, noop_with_empty_axes: 0 });
    return add(w, y, "Sub", [seen, mean], {});
  });
  if (dropped) w.removeDeadCode();
}

function add(w: Workspace, output: string, operator: string, inputs: readonly string[], attributes: Node["attributes"]): string {
  const value = w.fresh(`${output}/centred`);
  const origin = w.writer(output)?.origin ?? {};
  w.add({ name: value, operator, domain: "", inputs, outputs: [value], attributes, origin });
  return w.resolve(value);
}

/** Whether a value that is broadcast to others is the same along their last axis. */
function isConstantAlongLast(w: Workspace, value: string): boolean {
  const { shape } = w.type(value);
  return shape !== undefined && (shape.length === 0 || shape.at(-1) === 1);
}

/** Whether all entries along the last axis are equal, in a value that has them all: a broadcast one. */
function isSpreadAlongLast(w: Workspace, value: string): boolean {
  const node = w.writer(value);
  return node?.operator === "Expand" && node.domain === "" && isConstantAlongLast(w, node.inputs[0]!);
}

/** How deep sums are looked into. */
const MOST_SUMMANDS = 64;

/**
 * A value that differs from the given one by something constant along the last axis only; the value itself where nothing is found
 * to leave out. Its shape is the same.
 */
function withoutConstants(w: Workspace, value: string, depth = 0): string {
  const node = w.writer(value);
  const { shape } = w.type(value);
  if (!node || node.domain !== "" || node.outputs.length > 1 || shape === undefined || depth > MOST_SUMMANDS) return value;
  const again = (at: string): string => withoutConstants(w, at, depth + 1);
  const isWhole = (at: string): boolean => w.type(at).shape?.join() === shape.join();
  const rebuilt = (inputs: readonly string[]): string =>
    inputs.every((x, i) => x === node.inputs[i]) ? value : add(w, value, node.operator, inputs, node.attributes);
  const [a, b] = node.inputs as readonly [string, string];
  switch (node.operator) {
    case "Add":
    case "Sub": {
      if (isConstantAlongLast(w, b) && isWhole(a)) return again(a);
      if (isConstantAlongLast(w, a) && isWhole(b))
        return node.operator === "Add" ? again(b) : add(w, value, "Neg", [again(b)], {});
      return rebuilt([a, b].map((x) => (isWhole(x) ? again(x) : x)));
    }
    case "Neg":
      return rebuilt([again(a)]);
    case "Mul":
      if (isConstantAlongLast(w, b) && isWhole(a)) return rebuilt([again(a), b]);
      return isConstantAlongLast(w, a) && isWhole(b) ? rebuilt([a, again(b)]) : value;
    case "Div":
      return isConstantAlongLast(w, b) && isWhole(a) ? rebuilt([again(a), b]) : value;
    case "Conv":
      return pointwise(w, value, node);
    default:
      return value;
  }
}

/** A pointwise convolution without the channels that are constant along the last axis. */
function pointwise(w: Workspace, value: string, node: Node): string {
  const weight = w.type(node.inputs[1]!).shape;
  const joined = w.writer(node.inputs[0]!);
  const isPointwise =
    weight !== undefined &&
    weight.length > 2 &&
    weight.slice(2).every((n) => n === 1) &&
    numberAttribute(node, "group", 1) === 1 &&
    node.inputs.length === 2 &&
    [...(numbersAttribute(node, "pads") ?? [])].every((n) => n === 0) &&
    [...(numbersAttribute(node, "strides") ?? [])].every((n) => n === 1);
  if (!isPointwise || joined?.operator !== "Concat" || joined.domain !== "" || numberAttribute(joined, "axis", 0) !== 1)
    return value;
  const kept: string[] = [];
  const rows: [start: number, end: number][] = [];
  let start = 0;
  for (const part of joined.inputs) {
    const channels = w.type(part).shape?.[1];
    if (channels === undefined) return value;
    if (!isSpreadAlongLast(w, part)) {
      kept.push(part);
      rows.push([start, start + channels]);
    }
    start += channels;
  }
  if (kept.length === 0 || kept.length === joined.inputs.length) return value;
  const constant = (n: number): string => w.addConstant({ type: "int64", shape: [1], data: Float64Array.of(n) });
  const slices = rows.map(([from, to]) =>
    add(w, value, "Slice", [node.inputs[1]!, constant(from), constant(to), constant(1), constant(1)], {}),
  );
  const input = kept.length === 1 ? kept[0]! : add(w, value, "Concat", kept, { axis: 1 });
  const filters = slices.length === 1 ? slices[0]! : add(w, value, "Concat", slices, { axis: 1 });
  return add(w, value, "Conv", [input, filters], node.attributes);
}

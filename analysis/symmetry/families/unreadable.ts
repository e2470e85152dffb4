/** @file Changes of weights that are not read, because what they meet adds up to a constant. */
import { type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import type { InferredAxes } from "../spaces/infer";
import { type Change, known, MIXED } from "./change";
import type { Flow } from "./follow";
import { type ConstantSum, annihilator, constantSums } from "./constant-sums";
import { MOST_ENTRIES, type Source, partOf, spread } from "./sources";

/** Weights whose input has entries that add up to a constant: they may change along the vector that adds them. */
export function unreadable(flow: Flow, axes: InferredAxes): Source[] {
  const out: Source[] = [];
  const sums = constantSums(flow);
  const uses = new Map<string, number>();
  for (const n of flow.graph.nodes) for (const i of n.inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
  for (const node of flow.graph.nodes) {
    if (node.domain !== "" || (node.operator !== "MatMul" && node.operator !== "Conv")) continue;
    for (const operand of node.operator === "Conv" ? [1] : [0, 1]) {
      const own = node.inputs[operand]!;
      if (flow.isActivation(own) || !flow.isActivation(node.inputs[1 - operand]!)) continue;
      const sum = sums.get(node.inputs[1 - operand]!);
      const place = sum && parameterBehind(flow, own, uses);
      if (!sum || !place || !flow.graph.parameters.get(place.parameter)!.trainable) continue;
      const rank = flow.shape(node.inputs[1 - operand]!).length;
      const weightRank = flow.shape(own).length;
      if (node.operator === "MatMul" && (rank < 2 || weightRank !== 2)) continue;
      const contracted =
        node.operator === "Conv" ? { x: 1, w: 1 } : operand === 1 ? { x: rank - 1, w: 0 } : { x: rank - 2, w: 1 };
      if (node.operator === "Conv" && numberAttribute(node, "group", 1) !== 1) continue;
      if (sum.axis !== contracted.x) continue;
      out.push(...unreadSources(flow, axes, node, sum, place, contracted.w));
    }
  }
  return out;
}

/** The parameter behind a weight that was transposed at most, and where its axes are. */
export function parameterBehind(
  flow: Flow,
  value: string,
  uses: ReadonlyMap<string, number>,
): { readonly parameter: string; readonly axisOf: (axis: number) => number } | undefined {
  if (uses.get(value) !== 1) return undefined;
  if (flow.graph.parameters.has(value)) return { parameter: value, axisOf: (axis) => axis };
  const writer = flow.writerOf(value);
  if (writer?.operator !== "Transpose" || !flow.graph.parameters.has(writer.inputs[0]!) || uses.get(writer.inputs[0]!) !== 1)
    return undefined;
  // Nobody has looked at the attributes of an operator that is not understood.
  const given = writer.attributes["perm"];
  if (given !== undefined && !Array.isArray(given)) return undefined;
  const rank = flow.shape(value).length;
  const perm = numbersAttribute(writer, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return { parameter: writer.inputs[0]!, axisOf: (axis) => perm[axis]! };
}

function unreadSources(
  flow: Flow,
  axes: InferredAxes,
  node: Node,
  sum: ConstantSum,
  place: { readonly parameter: string; readonly axisOf: (axis: number) => number },
  contractedInWeight: number,
): Source[] {
  const { parameter } = place;
  const axis = place.axisOf(contractedInWeight);
  const shape = flow.graph.parameters.get(parameter)!.shape;
  if (elementCount(shape) / shape[axis]! > MOST_ENTRIES) return [];
  // Taps of a kernel change one by one; what they add up to is the same everywhere only without a border.
  const isConstant = sum.total === 0 && sum.shifts.length === 0;
  const isPadded = node.operator === "Conv" && (numbersAttribute(node, "pads") ?? []).some((p) => p !== 0);
  if (!isConstant && isPadded) return [];
  const layout = axes.layout(parameter);
  const cut = layout?.findIndex((segments, i) => i !== axis && segments.length > 1) ?? -1;
  const segments: { axis: number; start: number; end: number }[] = [];
  if (cut >= 0) {
    let start = 0;
    for (const segment of layout![cut]!) {
      const end = start + segment.reduce((n, f) => n * f.size, 1);
      segments.push({ axis: cut, start, end });
      start = end;
    }
  }
  return (segments.length > 0 ? segments : [undefined]).map((segment): Source => {
    const part = partOf(shape, parameter, new Set([axis]), segment);
    const direction = (at: Flow): { readonly vector: Float64Array; readonly total: number } => annihilator(at, sum, shape[axis]!);
    return {
      ...part,
      family: "unread",
      start(at, coordinates) {
        if (isConstant) return new Map();
        const [own] = part.start(at, coordinates).values();
        return new Map([
          [node.outputs[0]!, effect(at, node, own as Change & { readonly data: Float64Array }, shape, axis, place.axisOf, sum)],
        ]);
      },
      // The part is one entry long along the axis; out of its segment it is zero.
      delta: (at, coordinates) => spread(part.entries(coordinates), shape, axis, direction(at).vector),
    };
  });
}

/** What an unread change does where the input adds up to something: a constant for each row of the weight. */
function effect(
  flow: Flow,
  node: Node,
  own: Change & { readonly data: Float64Array },
  shape: readonly number[],
  axis: number,
  axisOf: (axis: number) => number,
  sum: ConstantSum,
): Change {
  const total = flow.exact ? annihilator(flow, sum, shape[axis]!).total : flow.random();
  const to = flow.shape(node.outputs[0]!);
  // Rows of the weight are channels of the result; taps of a kernel add up.
  const row = node.operator === "Conv" ? 0 : axisOf(0) === axis ? axisOf(1) : axisOf(0);
  const channel = node.operator === "Conv" ? 1 : flow.isActivation(node.inputs[0]!) ? to.length - 1 : to.length - 2;
  const rows = shape[row]!;
  const data = new Float64Array(rows);
  const from = new Int32Array(rows).fill(-1);
  const inner = own.shape.slice(row + 1).reduce((n, d) => n * d, 1);
  own.data.forEach((x, i) => {
    const r = Math.floor(i / inner) % rows;
    data[r]! += total * x;
    const source = own.from?.[i] ?? MIXED;
    if (source >= -1) from[r] = from[r] === -1 ? source : MIXED;
  });
  return known(
    to.map((_, i) => (i === channel ? rows : 1)),
    data,
    from,
  );
}

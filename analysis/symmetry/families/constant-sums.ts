/**
 * @file Values whose entries are known to add up to a constant along an axis: behind a mean taken off, behind a softmax.
 */
import { numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import type { Flow } from "./follow";

/** A sum of a value's entries along an axis, weighted by what divides or multiplies weights, that is constant. */
export interface ConstantSum {
  readonly axis: number;
  /** Gains that the entries have been multiplied by, as values of the graph with the axis they have. */
  readonly gains: readonly { readonly value: string; readonly inverse: boolean }[];
  /** What the entries add up to without shifts, and what has been added: each after the first `gains` of the gains. */
  readonly total: number;
  readonly shifts: readonly { readonly value: string; readonly after: number }[];
}

/** The values whose entries are known to add up to a constant. */
export function constantSums(flow: Flow): Map<string, ConstantSum> {
  const out = new Map<string, ConstantSum>();
  const { graph } = flow;
  for (const node of graph.nodes) {
    if (node.domain !== "") continue;
    const [a, b] = [node.inputs[0]!, node.inputs[1] ?? ""];
    const to = node.outputs[0]!;
    const put = (sum: ConstantSum | undefined): void => {
      if (sum) out.set(to, sum);
    };
    const given = out.get(a) ?? (node.operator === "Mul" || node.operator === "Add" ? out.get(b) : undefined);
    const other = out.get(a) ? b : a;
    switch (node.operator) {
      case "Sub": {
        const mean = flow.writerOf(b);
        const rank = flow.shape(a).length;
        if (
          mean?.operator !== "ReduceMean" ||
          mean.domain !== "" ||
          mean.inputs[0] !== a ||
          numberAttribute(mean, "keepdims", 1) === 0
        )
          break;
        const listed = numbersAttribute(mean, "axes") ?? Array.from(graph.constants.get(mean.inputs[1] ?? "")?.data ?? []);
        if (listed.length === 1) put({ axis: (listed[0]! + rank) % rank, gains: [], total: 0, shifts: [] });
        break;
      }
      case "Softmax": {
        const rank = flow.shape(a).length;
        put({ axis: (numberAttribute(node, "axis", -1) + rank) % rank, gains: [], total: 1, shifts: [] });
        break;
      }
      case "Mul":
      case "Div":
        if (given) put(multiplied(flow, given, other, node.operator === "Div", to));
        break;
      case "Add":
        if (given && isAlong(flow, other, given.axis, to))
          put({ ...given, shifts: [...given.shifts, { value: other, after: given.gains.length }] });
        break;
      case "Identity":
      case "Cast":
        put(given);
        break;
      case "Gather": {
        // Places are chosen, not entries of the sum.
        const sum = out.get(a);
        const rank = flow.shape(a).length;
        const at = (numberAttribute(node, "axis", 0) + rank) % rank;
        if (sum && at !== sum.axis) put({ ...sum, axis: sum.axis + (at < sum.axis ? flow.shape(to).length - rank : 0) });
        break;
      }
      case "Concat": {
        // Places side by side (a picture that is rolled), each of which adds up to the same.
        const sums = node.inputs.map((i) => out.get(i));
        const [sum] = sums;
        const rank = flow.shape(a).length;
        if (sum && (numberAttribute(node, "axis", 0) + rank) % rank !== sum.axis && sums.every((s) => isSameSum(s, sum)))
          put(sum);
        break;
      }
      case "Pad": {
        // Zeros add up to zero.
        const sum = out.get(a);
        const isNothing = sum?.total === 0 && sum.shifts.length === 0 && stringAttribute(node, "mode", "constant") === "constant";
        const value = node.inputs[2] === undefined || node.inputs[2] === "" ? 0 : graph.constants.get(node.inputs[2])?.data[0];
        const rank = flow.shape(a).length;
        const pads = numbersAttribute(node, "pads") ?? Array.from(graph.constants.get(node.inputs[1] ?? "")?.data ?? []);
        const isUntouched = pads.length === 2 * rank && sum !== undefined && pads[sum.axis] === 0 && pads[sum.axis + rank] === 0;
        if (isNothing && value === 0 && isUntouched) put(sum);
        break;
      }
      case "Slice": {
        const sum = out.get(a);
        // Backwards, gains and shifts would belong to others.
        const steps = node.inputs[4] === undefined || node.inputs[4] === "" ? [] : graph.constants.get(node.inputs[4])?.data;
        const isForwards = steps !== undefined && [...steps].every((s) => s > 0);
        if (sum && isForwards && flow.shape(a)[sum.axis] === flow.shape(to)[sum.axis]) put(sum);
        break;
      }
      case "ReduceMean": {
        const sum = out.get(a);
        const rank = flow.shape(a).length;
        const listed = numbersAttribute(node, "axes") ?? Array.from(graph.constants.get(node.inputs[1] ?? "")?.data ?? []);
        const axes = listed.map((x) => (x + rank) % rank);
        if (!sum || axes.length === 0 || axes.includes(sum.axis)) break;
        const dropped = numberAttribute(node, "keepdims", 1) === 0 ? axes.filter((x) => x < sum.axis).length : 0;
        put({ ...sum, axis: sum.axis - dropped });
        break;
      }
      case "Reshape": {
        // The axis stays as it is: what is outside of it, and inside, is regrouped.
        const sum = out.get(a);
        if (!sum) break;
        const [from, into] = [flow.shape(a), flow.shape(to)];
        const inside = elementCount(from.slice(sum.axis + 1));
        const axis = into.findIndex((n, i) => n === from[sum.axis] && elementCount(into.slice(i + 1)) === inside);
        if (axis >= 0) put({ ...sum, axis });
        break;
      }
      case "Transpose": {
        const perm = numbersAttribute(node, "perm");
        // Gains and shifts are vectors along the axis: where it goes does not matter to them.
        if (given && perm) put({ ...given, axis: perm.indexOf(given.axis) });
        break;
      }
      default:
    }
  }
  return out;
}

function isSameSum(a: ConstantSum | undefined, b: ConstantSum): boolean {
  return (
    a !== undefined &&
    a.axis === b.axis &&
    a.total === b.total &&
    a.gains.length === b.gains.length &&
    a.gains.every((g, i) => g.value === b.gains[i]!.value && g.inverse === b.gains[i]!.inverse) &&
    a.shifts.length === b.shifts.length &&
    a.shifts.every((s, i) => s.value === b.shifts[i]!.value && s.after === b.shifts[i]!.after)
  );
}

/** Whether a fixed value is a vector along an axis of another one (or a single number). */
export function isAlong(flow: Flow, value: string, axis: number, of: string): boolean {
  if (flow.isActivation(value)) return false;
  const [shape, rank] = [flow.shape(value), flow.shape(of).length];
  return shape.every((n, i) => n === 1 || i + rank - shape.length === axis);
}

function multiplied(flow: Flow, sum: ConstantSum, other: string, inverse: boolean, to: string): ConstantSum | undefined {
  const [shape, rank] = [flow.shape(other), flow.shape(to).length];
  const along = shape[sum.axis - rank + shape.length] ?? 1;
  if (flow.isActivation(other)) {
    // A number per place: nothing stays nothing.
    return along === 1 && sum.total === 0 && sum.shifts.length === 0 ? sum : undefined;
  }
  return isAlong(flow, other, sum.axis, to) ? { ...sum, gains: [...sum.gains, { value: other, inverse }] } : undefined;
}

/** The vector along which a weight is not read, and what the input adds up to along it. */
export function annihilator(
  flow: Flow,
  sum: ConstantSum,
  size: number,
): { readonly vector: Float64Array; readonly total: number } {
  const vector = new Float64Array(size).fill(1);
  const along = (value: string): Float64Array => {
    const { data } = flow.fixed(value);
    return data.length === 1 ? new Float64Array(size).fill(data[0]!) : data;
  };
  // n.(g x) is constant for n / g; shifts add what n finds in them.
  sum.gains.forEach(({ value, inverse }) => {
    along(value).forEach((g, i) => {
      vector[i]! *= inverse ? g : 1 / g;
    });
  });
  let total = sum.total;
  for (const { value, after } of sum.shifts) {
    const shift = Float64Array.from(along(value));
    for (const { value: gain, inverse } of sum.gains.slice(after)) {
      along(gain).forEach((g, i) => {
        shift[i]! *= inverse ? 1 / g : g;
      });
    }
    shift.forEach((b, i) => {
      total += b * vector[i]!;
    });
  }
  return { vector, total };
}

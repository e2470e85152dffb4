/** @file Where an axis of a value comes from: whether its entries differ by data only, or also by parameters. */
import { positive } from "../operators/lower/build";
import type { Workspace } from "./workspace";

/** An axis of a value. */
export interface ValueAxis {
  readonly value: string;
  readonly axis: number;
}

/** Element-wise operators, whose axes are aligned from the right. */
export const POINTWISE: ReadonlySet<string> = new Set(
  `Add Sub Mul Div Pow Max Min Neg Abs Sqrt Exp Log Reciprocal Relu LeakyRelu PRelu Elu Sigmoid HardSigmoid Tanh Erf Sin Cos
  Softplus Clip Where Cast Floor Ceil Round Sign Not Equal Greater Less And Or`.split(/\s+/),
);

/**
 * Whether the entries of a value along an axis differ by data only: no parameter, on the way here, has an extent along
 * it. What cannot be followed counts as not uniform. `limit` is the number of steps that will be looked at.
 */
export function isUniformAlong(w: Workspace, value: string, axis: number, limit: number): boolean {
  const seen = new Set<string>();
  const todo: ValueAxis[] = [{ value, axis }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const key = `${next.axis} ${next.value}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const sources = follow(w, next.value, next.axis, limit);
    if (sources === undefined) return false;
    todo.push(...sources);
  }
  return true;
}

/** The values and axes from which an axis comes; undefined where a parameter has it or it cannot be followed. */
function follow(w: Workspace, value: string, axis: number, limit: number): readonly ValueAxis[] | undefined {
  const shape = w.type(value).shape;
  if (shape === undefined) return undefined;
  if (shape[axis] === 1 || w.constant(value) !== undefined || w.inputs.some((i) => i.name === value)) return [];
  if (w.parameters.get(value)?.trainable === false) return [];
  const node = w.writer(value);
  if (node === undefined || node.domain !== "") return undefined;
  const rank = shape.length;
  const [x, second] = node.inputs as [string, string];
  const xRank = w.type(x).shape?.length;
  if (xRank === undefined) return undefined;
  if (POINTWISE.has(node.operator)) {
    const sources: ValueAxis[] = [];
    for (const i of node.inputs) {
      if (i === "") continue;
      const r = w.type(i).shape?.length;
      if (r === undefined) return undefined;
      const k = axis - (rank - r);
      if (k >= 0) sources.push({ value: i, axis: k });
    }
    return sources;
  }
  switch (node.operator) {
    case "Transpose": {
      const perm = node.attributes["perm"];
      return Array.isArray(perm) ? [{ value: x, axis: (perm as readonly number[])[axis]! }] : undefined;
    }
    case "MatMul": {
      const yRank = w.type(second).shape?.length ?? 0;
      if (xRank < 2 || yRank < 2 || axis === rank - 1) return undefined;
      const left = { value: x, axis: axis - (rank - xRank) };
      if (axis === rank - 2) return [left];
      const right = { value: second, axis: axis - (rank - yRank) };
      return [left, right].filter((s) => s.axis >= 0);
    }
    case "Gather": {
      const at = positive(typeof node.attributes["axis"] === "number" ? node.attributes["axis"] : 0, xRank);
      const width = rank - xRank + 1;
      if (axis < at) return [{ value: x, axis }];
      return axis < at + width ? [{ value: second, axis: axis - at }] : [{ value: x, axis: axis - width + 1 }];
    }
    case "Reshape":
      return followReshape(w, x, shape, axis);
    case "Slice": {
      const axes = w.constant(node.inputs[3] ?? "")?.data;
      return axes === undefined || axes.includes(axis) ? undefined : [{ value: x, axis }];
    }
    case "Concat": {
      const along = positive(typeof node.attributes["axis"] === "number" ? node.attributes["axis"] : 0, rank);
      // Parts joined along the axis itself are steps, of another recurrence for instance: those left out must be repeats.
      if (along === axis) return node.inputs.every((i, k) => k < limit || i === node.inputs[limit - 1]) ? [] : undefined;
      return node.inputs.map((i) => ({ value: i, axis }));
    }
    case "Conv":
    case "AveragePool":
    case "MaxPool":
      return axis === 1 ? undefined : [{ value: x, axis }];
    case "Softmax":
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "ReduceSumSquare":
      // With kept dimensions the axes correspond; the reduced ones have size 1 and were answered above.
      return xRank === rank ? [{ value: x, axis }] : undefined;
    default:
      return undefined;
  }
}

/** An axis that a Reshape leaves alone: as large before as after, behind equally many entries. */
function followReshape(w: Workspace, x: string, shape: readonly number[], axis: number) {
  const from = w.type(x).shape!;
  const before = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  let passed = 1;
  for (const [k, n] of from.entries()) {
    if (passed === before && n === shape[axis]) return [{ value: x, axis: k }];
    passed *= n;
  }
  return undefined;
}

/** @file How changes pass operators that move entries about: no arithmetic, only places. */
import { type Graph, type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import type { Shape } from "../../graph/tensor";
import { sliceParts } from "../../operators/axes/movement";
import {
  type Change,
  inRuns,
  isKnown,
  listed,
  narrowed,
  NONE,
  ofRank,
  type Runs,
  stretched,
  Unfollowable,
  unknown,
  withoutRuns,
} from "./change";

/** The operators that `moved` knows; a new one needs a case there. */
export const MOVEMENT: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Transpose",
  "Slice",
  "Concat",
  "Gather",
  "Expand",
]);

type ShapeOf = (value: string) => Shape;

/**
 * What the node makes of the changes of its inputs; undefined for no change, "unclear" where the rule does not say. Names of
 * functions stay only where the value does.
 */
export function moved(
  graph: Graph,
  node: Node,
  changes: readonly (Change | undefined)[],
  shape: ShapeOf,
): Change | undefined | "unclear" {
  const to = shape(node.outputs[0]!);
  const first = changes[0];
  if (node.operator === "Concat") return concatenated(node, changes, shape, to);
  if (changes.some((c, i) => i > 0 && c !== undefined) || !first) return "unclear";
  const from = shape(node.inputs[0]!);
  switch (node.operator) {
    case "Identity":
    case "Cast":
      return first;
    case "Reshape":
      return reshaped(first, from, to, node.name);
    case "Expand":
      return expanded(first, to);
    case "Transpose": {
      const perm = numbersAttribute(node, "perm") ?? from.map((_, i) => from.length - 1 - i);
      return transposed(first, perm, node.name);
    }
    case "Slice": {
      const absent = (i: number) => (node.inputs[i] ?? "") === "";
      const parts = sliceParts({ node, shape: () => from, absent, constant: (i) => graph.constants.get(node.inputs[i] ?? "") });
      if (!parts) return "unclear";
      let out = first;
      for (const { axis, start, step } of parts) {
        const indices = new Int32Array(to[axis]!);
        for (let i = 0; i < indices.length; i++) indices[i] = start + i * step;
        out = picked(out, axis, indices, node.name);
      }
      return without(out);
    }
    case "Gather":
      return gathered(graph, node, first, from);
    default:
      return "unclear";
  }
}

/** The change, or none where all its entries are zero. */
function without(c: Change): Change | undefined {
  if (!isKnown(c)) return c;
  for (let i = 0; i < c.data.length; i++) if (c.data[i] !== 0) return c;
  return undefined;
}

function expanded(c: Change, to: Shape): Change {
  // New entries are copies: the change is constant along them.
  return ofRank(c, to.length);
}

function transposed(c: Change, perm: readonly number[], token: string): Change {
  const shape = perm.map((p) => c.shape[p]!);
  if (!isKnown(c)) {
    return inRuns(unknown(shape, token, c.origins!), c.runs && { ...c.runs, axis: perm.indexOf(c.runs.axis) });
  }
  const stride = new Array<number>(c.shape.length);
  for (let i = c.shape.length - 1, n = 1; i >= 0; i--) {
    stride[i] = n;
    n *= c.shape[i]!;
  }
  const long = perm.filter((p) => c.shape[p] !== 1);
  // Axes of size 1 that trade places leave the order of entries as it is.
  if (long.every((p, i) => i === 0 || p > long[i - 1]!)) return { ...c, shape };
  const order = new Int32Array(c.data.length);
  const steps = perm.map((p) => stride[p]!);
  const index = new Int32Array(shape.length);
  let at = 0;
  for (let k = 0; k < order.length; k++) {
    order[k] = at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) {
        at += steps[axis]!;
        break;
      }
      at -= steps[axis]! * (shape[axis]! - 1);
      index[axis] = 0;
    }
  }
  return listed(c, order, shape);
}

/** The listed entries along an axis. */
function picked(c: Change, axis: number, indices: ArrayLike<number>, token: string): Change {
  if (c.shape[axis] === 1) return isKnown(c) ? c : unknown(c.shape, `${token}:${c.token}`, c.origins!);
  const shape = c.shape.map((n, i) => (i === axis ? indices.length : n));
  if (!isKnown(c)) return unknown(shape, token, c.origins!);
  const inner = c.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const n = c.shape[axis]!;
  const outer = c.data.length / (inner * n);
  // What is inside of the axis moves in one piece.
  const data = new Float64Array(outer * indices.length * inner);
  const from = c.from && new Int32Array(data.length);
  let to = 0;
  for (let o = 0; o < outer; o++) {
    for (let k = 0; k < indices.length; ) {
      const first = indices[k]!;
      let run = 1;
      while (k + run < indices.length && indices[k + run] === first + run) run++;
      const [start, length] = [(o * n + first) * inner, run * inner];
      data.set(c.data.subarray(start, start + length), to);
      from?.set(c.from!.subarray(start, start + length), to);
      to += length;
      k += run;
    }
  }
  return from ? { shape, data, from } : { shape, data };
}

function gathered(graph: Graph, node: Node, c: Change, from: Shape): Change | undefined | "unclear" {
  const given = numberAttribute(node, "axis", 0);
  const axis = given < 0 ? given + from.length : given;
  const indices = graph.constants.get(node.inputs[1]!);
  const rank = indices?.shape.length ?? graph.types.get(node.inputs[1]!)?.shape?.length;
  if (rank === undefined) return "unclear";
  const n = from[axis]!;
  if (c.shape[axis] !== 1 && !indices) return "unclear";
  const out =
    c.shape[axis] === 1
      ? c
      : picked(
          c,
          axis,
          Array.from(indices!.data, (i) => (i < 0 ? i + n : i)),
          node.name,
        );
  const own = c.shape[axis] === 1 ? new Array<number>(rank).fill(1) : [...indices!.shape];
  const shape = [...out.shape.slice(0, axis), ...own, ...out.shape.slice(axis + 1)];
  return without(isKnown(out) ? { ...out, shape } : unknown(shape, `${node.name}:${c.token}`, c.origins!));
}

function concatenated(node: Node, changes: readonly (Change | undefined)[], shape: ShapeOf, to: Shape): Change | undefined {
  const given = numberAttribute(node, "axis", 0);
  const axis = given < 0 ? given + to.length : given;
  const present = changes.filter((c): c is Change => c !== undefined);
  if (present.length === 0) return undefined;
  const wide = to.map((_, i) => Math.max(...present.map((c) => c.shape[i]!)));
  const outer = wide.slice(0, axis).reduce((a, b) => a * b, 1);
  const inner = wide.slice(axis + 1).reduce((a, b) => a * b, 1);
  if (!present.every(isKnown)) {
    const full = wide.map((n, i) => (i === axis ? to[i]! : n));
    return unknown(full, node.name, [...new Set(present.flatMap((c) => c.origins ?? []))]);
  }
  // Parts of one value, put together again in another order (windows that are shifted): all of them change alike.
  const [one] = present as (Change & { readonly data: Float64Array })[];
  if (present.length === changes.length && present.every((c) => c.shape[axis] === 1 && isSame(c, one!))) return narrowed(one!);
  const total = to[axis]!;
  if (changes.reduce((n, _, k) => n + (shape(node.inputs[k]!)[axis] ?? 0), 0) !== total)
    throw new Unfollowable("sizes that do not add up");
  const data = new Float64Array(outer * total * inner);
  const from = new Int32Array(data.length).fill(NONE);
  let start = 0;
  changes.forEach((c, k) => {
    const n = shape(node.inputs[k]!)[axis]!;
    if (c && isKnown(c)) {
      const own = stretched(
        c,
        wide.map((d, i) => (i === axis ? n : d)),
      );
      for (let o = 0; o < outer; o++) {
        data.set(own.data.subarray(o * n * inner, (o + 1) * n * inner), (o * total + start) * inner);
        if (own.from) from.set(own.from.subarray(o * n * inner, (o + 1) * n * inner), (o * total + start) * inner);
      }
    }
    start += n;
  });
  return narrowed({ shape: wide.map((n, i) => (i === axis ? total : n)), data, from });
}

/** Whether two known changes are equal, entry by entry. */
function isSame(a: Change, b: Change): boolean {
  if (a === b) return true;
  if (a.data!.length !== b.data!.length || (a.from === undefined) !== (b.from === undefined)) return false;
  if (a.shape.some((n, i) => n !== b.shape[i])) return false;
  for (let i = 0; i < a.data!.length; i++) if (a.data![i] !== b.data![i] || a.from?.[i] !== b.from?.[i]) return false;
  return true;
}

/** The finest axes of which both shapes are products, with the number of them in each axis; undefined where there are none. */
function refinement(
  from: Shape,
  to: Shape,
): { readonly sizes: number[]; readonly ofFrom: readonly number[]; readonly ofTo: readonly number[] } | undefined {
  const bounds = (shape: Shape) => {
    let n = 1;
    return shape.map((d) => (n *= d));
  };
  const [a, b] = [bounds(from), bounds(to)];
  const all = [...new Set([...a, ...b])].sort((x, y) => x - y).filter((x) => x > 1);
  const sizes: number[] = [];
  let before = 1;
  for (const x of all) {
    if (x % before !== 0) return undefined;
    sizes.push(x / before);
    before = x;
  }
  const counts = (shape: Shape): number[] => {
    let k = 0;
    let reached = 1;
    let bound = 1;
    return shape.map((d) => {
      bound *= d;
      let n = 0;
      while (reached < bound) {
        reached *= sizes[k++]!;
        n++;
      }
      return n;
    });
  };
  return { sizes, ofFrom: counts(from), ofTo: counts(to) };
}

/** Which axis has a factor, given the number of factors of each. */
function axisWith(counts: readonly number[], factor: number): number {
  let left = factor;
  return counts.findIndex((n) => {
    left -= n;
    return left < 0;
  });
}

/** Axes whose sizes are products of others': constant ones stay constant as far as they can be told apart. */
function reshaped(c: Change, from: Shape, to: Shape, token: string): Change | "unclear" {
  const fine = refinement(from, to);
  if (!fine) return "unclear";
  // What is constant along an axis is so along its parts.
  let at = 0;
  let runs: Runs | undefined;
  const parts = fine.ofFrom.flatMap((n, i) => {
    const own = fine.sizes.slice(at, at + n);
    const first = at;
    at += n;
    if (c.shape[i] === 1) return own.map(() => 1);
    if (c.runs?.axis !== i) return own;
    // The last factors of an axis are its runs, or a part of them.
    let left = c.runs.length;
    for (let k = own.length - 1; k >= 0 && left > 1 && left % own[k]! === 0; k--) {
      left /= own[k]!;
      own[k] = 1;
    }
    const axis = axisWith(fine.ofTo, first);
    if (left > 1 && n === 1 && fine.ofTo[axis] === 1 && own[0]! % left === 0) runs = { axis, length: left };
    return own;
  });
  const split = isKnown(c) ? narrowed({ ...c, shape: parts }) : withoutRuns({ ...c, shape: parts });
  at = 0;
  const wide = [...split.shape];
  const shape = fine.ofTo.map((n, i) => {
    const isConstant = split.shape.slice(at, at + n).every((d) => d === 1);
    if (!isConstant) for (let k = at; k < at + n; k++) wide[k] = fine.sizes[k]!;
    at += n;
    return isConstant ? 1 : to[i]!;
  });
  if (!isKnown(split)) return inRuns(unknown(shape, token, split.origins!), runs);
  return { ...stretched(split, wide), shape };
}

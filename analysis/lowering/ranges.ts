/**
 * @file Which part of its inputs an operator needs for a part of its output, where it treats the places of an axis one by one:
 * the row of a class token needs its own row of every sum, and no more than that.
 */
import { elementCount, type Shape } from "../graph/tensor";
import { parseEinsum } from "../operators/einsum";
import { smallConstant } from "./constants";
import type { Item, Value } from "./values";

/** Entries [start, end) of one axis. */
export type Range = readonly [start: number, end: number];

/** The entries of a tensor that are needed, axis by axis. */
export type Part = readonly Range[];

/** What an operator needs of its inputs. */
export interface Demand {
  /** The part of the output that comes out: what is asked for, but whole along axes whose places hang together. */
  readonly output: Part;
  /** The part of each input; undefined where all of it is needed, or no part at all ("none"). */
  readonly inputs: readonly (Part | "none" | undefined)[];
}

/** The ranges that hold a whole tensor. */
export function wholeOf(shape: Shape): Part {
  return shape.map((size) => [0, size]);
}

/** Whether a part is all of a tensor. */
export function isWhole(part: Part, shape: Shape): boolean {
  return part.every(([start, end], k) => start === 0 && end === shape[k]);
}

/** The smallest part that holds two. */
export function hull(a: Part, b: Part): Part {
  return a.map(([start, end], k) => [Math.min(start, b[k]![0]), Math.max(end, b[k]![1])]);
}

const ELEMENTWISE: ReadonlySet<string> = new Set([
  "Abs",
  "Add",
  "Cast",
  "Celu",
  "Cos",
  "Div",
  "Elu",
  "Erf",
  "Exp",
  "Gelu",
  "HardSigmoid",
  "HardSwish",
  "Identity",
  "LeakyRelu",
  "Log",
  "Max",
  "Min",
  "Mish",
  "Mul",
  "Neg",
  "PRelu",
  "Pow",
  "Reciprocal",
  "Relu",
  "Selu",
  "Sigmoid",
  "Sign",
  "Sin",
  "Softplus",
  "Softsign",
  "Sqrt",
  "Sub",
  "Tanh",
  "Where",
]);

const REDUCTIONS: ReadonlySet<string> = new Set(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceSumSquare"]);

/**
 * What a node needs of its inputs for a part of its only output; undefined where it needs all of them.
 * @param isFixed whether a value is made of weights and constants only: those are not cut along what they contract
 */
export function demandOf(item: Item, part: Part, isFixed: (value: Value) => boolean): Demand | undefined {
  const { node, inputs, outputs } = item;
  const shape = outputs[0]?.type.shape;
  if (node.domain !== "" || outputs.length !== 1 || shape === undefined || elementCount(shape) === 0) return undefined;
  if (inputs.some((i) => i.name === "" || i.type.shape === undefined)) return undefined;
  if (ELEMENTWISE.has(node.operator)) return { output: part, inputs: inputs.map((i) => broadcastPart(part, i.type.shape!)) };
  if (REDUCTIONS.has(node.operator)) return reduction(item, part);
  switch (node.operator) {
    case "Softmax":
      return alongOthers(item, part, [numberOf(item, "axis", -1)]);
    case "Transpose":
      return transposition(item, part);
    case "Reshape":
      return reshaping(inputs[0]!.type.shape!, shape, part);
    case "Expand":
      return { output: part, inputs: [broadcastPart(part, inputs[0]!.type.shape!), undefined] };
    case "Concat":
      return concatenation(item, part);
    case "Slice":
    case "Gather":
      return selection(item, part);
    case "MatMul":
      return product(item, part);
    case "Einsum":
      return einsum(item, part, isFixed);
    default:
      return undefined;
  }
}

/** The part of an operand that a part of a broadcast result needs. */
function broadcastPart(part: Part, shape: Shape): Part {
  const missing = part.length - shape.length;
  return shape.map((size, k) => (size === 1 ? [0, 1] : part[k + missing]!));
}

function numberOf({ node }: Item, name: string, otherwise: number): number {
  const value = node.attributes[name];
  return typeof value === "number" ? value : otherwise;
}

function positive(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** The part with the given axes whole. */
function wholeAlong(part: Part, shape: Shape, axes: readonly number[]): Part {
  return part.map((range, k) => (axes.includes(k) ? [0, shape[k]!] : range));
}

function alongOthers({ inputs }: Item, part: Part, axes: readonly number[]): Demand {
  const shape = inputs[0]!.type.shape!;
  const output = wholeAlong(
    part,
    shape,
    axes.map((a) => positive(a, shape.length)),
  );
  return { output, inputs: [output] };
}

function reduction(item: Item, part: Part): Demand | undefined {
  const shape = item.inputs[0]!.type.shape!;
  const given = item.inputs[1] === undefined ? item.node.attributes["axes"] : smallConstant(item.inputs[1]);
  if (!given || typeof given !== "object" || !("length" in given)) return undefined;
  const axes = Array.from(given as ArrayLike<number>, (a) => positive(a, shape.length));
  if (axes.length === 0) return undefined;
  const keeps = numberOf(item, "keepdims", 1) === 1;
  let at = 0;
  const needed = shape.map((size, k): Range => {
    if (axes.includes(k)) {
      if (keeps) at++;
      return [0, size];
    }
    return part[at++]!;
  });
  return { output: part, inputs: [needed, undefined] };
}

function transposition({ node }: Item, part: Part): Demand | undefined {
  const { perm } = node.attributes;
  if (!Array.isArray(perm)) return undefined;
  const needed: Range[] = [];
  (perm as readonly number[]).forEach((from, k) => {
    needed[from] = part[k]!;
  });
  return { output: part, inputs: [needed] };
}

/**
 * Axes that a reshape leaves as they are are cut on both sides. Where it merges or splits axes, a cut along the outermost of them
 * is one run of entries, which is cut on the other side too if it is whole there; other cuts are not made.
 */
function reshaping(from: Shape, to: Shape, part: Part): Demand {
  const needed: Range[] = from.map((size) => [0, size]);
  const output: Range[] = to.map((size) => [0, size]);
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    const [first, second] = [i, j];
    let [a, b] = [i < from.length ? from[i++]! : 1, j < to.length ? to[j++]! : 1];
    while (a !== b && i <= from.length && j <= to.length) {
      if (a < b && i < from.length) a *= from[i++]!;
      else if (b < a && j < to.length) b *= to[j++]!;
      else return { output: wholeOf(to), inputs: [wholeOf(from), undefined] };
    }
    if (i - first === 1 && j - second === 1) {
      needed[first] = part[second]!;
      output[second] = part[second]!;
      continue;
    }
    const [before, after] = [outermost(from, first, i), outermost(to, second, j)];
    const others = part.slice(second, j).every(([s, e], k) => second + k === after.axis || (s === 0 && e === to[second + k]));
    if (!others || before.axis < 0 || after.axis < 0) continue;
    const [s, e] = part[after.axis]!.map((entry) => (entry * after.inner) / before.inner) as [number, number];
    if (!Number.isInteger(s) || !Number.isInteger(e)) continue;
    needed[before.axis] = [s, e];
    output[after.axis] = part[after.axis]!;
  }
  return { output, inputs: [needed, undefined] };
}

/** The first axis of [start, end) with more than one entry, -1 if there is none, and how many entries lie inside of it. */
function outermost(shape: Shape, start: number, end: number): { readonly axis: number; readonly inner: number } {
  let axis = start;
  while (axis < end && shape[axis] === 1) axis++;
  return axis === end ? { axis: -1, inner: 1 } : { axis, inner: elementCount(shape.slice(axis + 1, end)) };
}

function concatenation(item: Item, part: Part): Demand {
  const axis = positive(numberOf(item, "axis", 0), part.length);
  const [start, end] = part[axis]!;
  let offset = 0;
  const inputs = item.inputs.map((input) => {
    const size = input.type.shape![axis]!;
    const own: Range = [Math.max(0, start - offset), Math.min(size, end - offset)];
    offset += size;
    return own[0] >= own[1] ? "none" : part.map((range, k) => (k === axis ? own : range));
  });
  return { output: part, inputs };
}

/** The entries that a Slice of step one or a Gather by constants selects along each axis of its input. */
function selection(item: Item, part: Part): Demand | undefined {
  const { inputs, node } = item;
  const shape = inputs[0]!.type.shape!;
  const rest = inputs.slice(1).map(() => undefined);
  if (node.operator === "Gather") {
    const indices = smallConstant(inputs[1]);
    if (!indices || indices.length === 0) return undefined;
    const axis = positive(numberOf(item, "axis", 0), shape.length);
    const along = inputs[1]!.type.shape!.length;
    const at = Array.from(indices, (x) => positive(x, shape[axis]!));
    const range: Range = [Math.min(...at), Math.max(...at) + 1];
    const output = part.map((r, k): Range => (k >= axis && k < axis + along ? [0, item.outputs[0]!.type.shape![k]!] : r));
    const needed = shape.map((_, k): Range => (k === axis ? range : output[k < axis ? k : k + along - 1]!));
    return { output, inputs: [needed, ...rest] };
  }
  const offsets = sliceStarts(item);
  if (!offsets) return undefined;
  return { output: part, inputs: [part.map(([s, e], k): Range => [s + offsets[k]!, e + offsets[k]!]), ...rest] };
}

/** Where a Slice of step one begins along each axis; undefined for others. */
function sliceStarts({ inputs, outputs }: Item): number[] | undefined {
  const shape = inputs[0]!.type.shape!;
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((k) => smallConstant(inputs[k]));
  if (!starts || !ends || (inputs[3] && !axes) || (inputs[4] && !steps) || steps?.some((s) => s !== 1)) return undefined;
  const out = shape.map(() => 0);
  starts.forEach((s, k) => {
    const axis = positive(axes ? axes[k]! : k, shape.length);
    out[axis] = Math.min(Math.max(positive(s, shape[axis]!), 0), shape[axis]!);
  });
  const cut = outputs[0]!.type.shape!;
  return out.every((s, k) => s + cut[k]! <= shape[k]!) ? out : undefined;
}

/** Rows are independent of each other, and so are the members of a batch; columns are the weights' business. */
function product({ inputs }: Item, part: Part): Demand | undefined {
  const [a, b] = inputs.map((i) => i.type.shape!) as [Shape, Shape];
  if (a.length < 2 || b.length < 2) return undefined;
  const rank = part.length;
  const output = wholeAlong(part, [...part.map(() => 0).slice(0, -1), b.at(-1)!], [rank - 1]);
  const rows: Range[] = [...output.slice(0, -1), [0, a.at(-1)!]];
  const columns: Range[] = [...output.slice(0, -2), [0, b.at(-2)!], [0, b.at(-1)!]];
  const fit = (needed: readonly Range[], shape: Shape): Range[] =>
    shape.map((size, k): Range => {
      const at = k + rank - shape.length;
      return k < shape.length - 2 && size === 1 ? [0, 1] : needed[at]!;
    });
  return { output, inputs: [fit(rows, a), fit(columns, b)] };
}

function einsum({ inputs, node, outputs }: Item, part: Part, isFixed: (value: Value) => boolean): Demand | undefined {
  const { equation } = node.attributes;
  if (typeof equation !== "string") return undefined;
  const shapes = inputs.map((i) => i.type.shape!);
  const parsed = parseEinsum(
    equation,
    shapes.map((s) => s.length),
  );
  const sizes = outputs[0]!.type.shape!;
  const isCut = (letter: string): boolean =>
    parsed.inputs.every((letters, i) => {
      const at = letters.indexOf(letter);
      return at < 0 || (at === letters.lastIndexOf(letter) && !isFixed(inputs[i]!));
    });
  const output = part.map((range, k): Range => (isCut(parsed.output[k]!) ? range : [0, sizes[k]!]));
  const needed = parsed.inputs.map((letters, i) =>
    letters.map((letter, k): Range => {
      const at = parsed.output.indexOf(letter);
      return at < 0 || shapes[i]![k] !== sizes[at] ? [0, shapes[i]![k]!] : output[at]!;
    }),
  );
  return { output, inputs: needed };
}

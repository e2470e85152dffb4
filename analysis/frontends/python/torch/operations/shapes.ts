/** @file Operations that move entries without changing them: reshape, permute, cut, join, repeat, gather, pad. */
import { elementCount } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { listLength, notUnderstood, raise } from "../../evaluator/errors";
import { broadcastShapes } from "../../values/constant";
import { intOf, is } from "../../values/inspect";
import { int, list, tuple } from "../../values/make";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, Reader, shapeOf } from "../arguments";
import { unbind } from "../indexing";
import type { OperationTable } from "../operation";
import { asView, permute, resolveShape, swapAxes, viewed } from "./views";
import { concat, equalParts, split, splitSizes } from "./parts";
import { pad } from "./padding";

/** Parts of a tensor beyond which a split is not followed: each is a value of its own. */
export const MOST_PARTS = 20_000;

function expand(a: Reader, sizes: readonly number[]): Value {
  const b = a.builder;
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const drop = sizes.length - shape.length;
  if (drop < 0) raise("RuntimeError", "expand to fewer dimensions");
  const target = sizes.map((d, i) => (d === -1 ? shape[i - drop]! : d));
  if (target.length === shape.length && target.every((d, i) => d === shape[i])) return t;
  return b.node("Expand", [t, b.ints(target)]);
}

function squeeze(a: Reader): Value {
  const b = a.builder;
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const dims = a.ints("dim")?.map((d) => axisOf(d, shape.length)) ?? shape.map((_, i) => i);
  const gone = dims.filter((d) => shape[d] === 1);
  if (gone.length === 0) return t;
  const out = b.node("Squeeze", [t, b.ints(gone)]);
  return asView(
    t,
    out,
    (base) => b.node("Squeeze", [base, b.ints(gone)]),
    (_, value) => b.unsqueeze(value, gone),
  );
}

function unsqueeze(a: Reader): Value {
  const b = a.builder;
  const t = a.tensor("input");
  const rank = shapeOf(a.interpreter, t).length + 1;
  const axis = axisOf(a.int("dim"), rank);
  const out = b.unsqueeze(t, [axis]);
  return asView(
    t,
    out,
    (base) => b.unsqueeze(base, [axis]),
    (_, value) => b.node("Squeeze", [value, b.ints([axis])]),
  );
}

function repeatTile(a: Reader, repeats: readonly number[]): Value {
  const b = a.builder;
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const missing = repeats.length - shape.length;
  const lifted = missing > 0 ? b.reshape(t, [...new Array<number>(missing).fill(1), ...shape]) : t;
  const full = missing < 0 ? [...new Array<number>(-missing).fill(1), ...repeats] : [...repeats];
  return full.every((r) => r === 1) ? lifted : b.node("Tile", [lifted, b.ints(full)]);
}

function flatten(a: Reader): Value {
  const t = a.tensor("input");
  const start0 = a.int("start_dim", 0);
  if (t.shape === undefined) a.builder.needShape(t, { minimumRank: Math.max(1, start0 + 1) });
  const shape = shapeOf(a.interpreter, t);
  if (shape.length === 0) return a.builder.reshape(t, [1]);
  const start = axisOf(start0, shape.length);
  const end = axisOf(a.int("end_dim", -1), shape.length);
  if (start >= end) return t;
  return viewed(a, [...shape.slice(0, start), elementCount(shape.slice(start, end + 1)), ...shape.slice(end + 1)]);
}

function flip(a: Reader): Value {
  const b = a.builder;
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  let out = t;
  for (const d of a.sizes("dims")) {
    const axis = axisOf(d, shape.length);
    out = b.slice(out, axis, -1, -shape[axis]! - 1, -1);
  }
  return out;
}

function roll(a: Reader): Value {
  const b = a.builder;
  let t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const shifts = a.ints("shifts") ?? [];
  const dims = a.ints("dims");
  if (!dims) {
    const n = elementCount(shape);
    const s = (((shifts[0] ?? 0) % n) + n) % n;
    const flat = b.reshape(t, [n]);
    const rolled = s === 0 ? flat : b.node("Concat", [b.slice(flat, 0, n - s, n), b.slice(flat, 0, 0, n - s)], { axis: 0 });
    return b.reshape(rolled, shape);
  }
  dims.forEach((d, i) => {
    const axis = axisOf(d, shape.length);
    const n = shape[axis]!;
    const s = (((shifts[i] ?? 0) % n) + n) % n;
    if (s !== 0) t = b.node("Concat", [b.slice(t, axis, n - s, n), b.slice(t, axis, 0, n - s)], { axis });
  });
  return t;
}

/** Adds operations that move, cut and join. */
export function addShapes(table: OperationTable): void {
  table.add("view reshape", "input shape", (a) => {
    if (is(a.value("shape"), "dtype")) return notUnderstood("view as another element type");
    return viewed(a, a.sizes("shape"));
  });
  table.add("view_as reshape_as", "input other", (a) => viewed(a, shapeOf(a.interpreter, a.tensor("other"))));
  table.add("flatten ravel", "input start_dim end_dim", (a) => flatten(a));
  table.add("unflatten", "input dim sizes", (a) => {
    const shape = shapeOf(a.interpreter, a.tensor("input"));
    const axis = axisOf(a.int("dim"), shape.length);
    const inner = resolveShape([shape[axis]!], a.sizes("sizes"));
    return viewed(a, [...shape.slice(0, axis), ...inner, ...shape.slice(axis + 1)]);
  });
  table.add("permute", "input dims", (a) => {
    const t = a.tensor("input");
    const dims = a.sizes("dims");
    if (t.shape === undefined) a.builder.needShape(t, { rank: dims.length });
    const rank = shapeOf(a.interpreter, t).length;
    if (dims.length !== rank) raise("RuntimeError", `permute of ${dims.length} dimensions on a tensor with ${rank}`);
    return permute(
      a,
      t,
      dims.map((d) => axisOf(d, rank)),
    );
  });
  table.add("transpose transpose_ swapaxes swapdims", "input dim0 dim1", (a) => swapAxes(a, a.int("dim0"), a.int("dim1")));
  table.add("t", "input", (a) => {
    const rank = shapeOf(a.interpreter, a.tensor("input")).length;
    return rank < 2 ? a.tensor("input") : swapAxes(a, 0, 1);
  });
  table.add("adjoint", "input", (a) => swapAxes(a, -2, -1));
  table.add("movedim moveaxis", "input source destination", (a) => {
    const t = a.tensor("input");
    const rank = shapeOf(a.interpreter, t).length;
    const from = (a.ints("source") ?? []).map((d) => axisOf(d, rank));
    const to = (a.ints("destination") ?? []).map((d) => axisOf(d, rank));
    const rest = Array.from({ length: rank }, (_, i) => i).filter((i) => !from.includes(i));
    const perm: number[] = [];
    for (let i = 0; i < rank; i++) perm.push(to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!);
    return permute(a, t, perm);
  });
  table.add("squeeze squeeze_", "input dim", (a) => squeeze(a));
  table.add("unsqueeze unsqueeze_", "input dim", (a) => unsqueeze(a));
  table.add("expand broadcast_to", "input size", (a) => expand(a, a.sizes("size")));
  table.add("expand_as", "input other", (a) => expand(a, shapeOf(a.interpreter, a.tensor("other"))));
  table.add("repeat tile", "input repeats", (a) => repeatTile(a, a.sizes("repeats")));
  table.add("repeat_interleave", "input repeats dim", (a, b) => {
    let t = a.tensor("input");
    let shape = shapeOf(a.interpreter, t);
    const r = a.int("repeats");
    if (!a.has("dim")) {
      t = b.reshape(t, [elementCount(shape)]);
      shape = shapeOf(a.interpreter, t);
    }
    const axis = a.has("dim") ? axisOf(a.int("dim"), shape.length) : 0;
    const wide = [...shape.slice(0, axis + 1), r, ...shape.slice(axis + 1)];
    const repeated = b.node("Expand", [b.unsqueeze(t, [axis + 1]), b.ints(wide)]);
    return b.reshape(repeated, [...shape.slice(0, axis), shape[axis]! * r, ...shape.slice(axis + 1)]);
  });
  table.add("cat concat concatenate", "tensors dim", (a) => concat(a, a.tensors("tensors"), a.int("dim", 0)));
  table.add("stack", "tensors dim", (a, b) => {
    const ts = a.tensors("tensors");
    const first = ts[0] ?? raise("RuntimeError", "stack of no tensors");
    const rank = shapeOf(a.interpreter, first).length + 1;
    const axis = axisOf(a.int("dim", 0), rank);
    const lifted = ts.map((t) => b.unsqueeze(t, [axis]));
    return lifted.length === 1 ? lifted[0]! : concat(a, lifted, axis);
  });
  table.add("hstack", "tensors", (a) =>
    concat(a, a.tensors("tensors"), shapeOf(a.interpreter, a.tensors("tensors")[0]!).length > 1 ? 1 : 0),
  );
  table.add("vstack", "tensors", (a) => concat(a, a.tensors("tensors"), 0));
  table.add("split", "input split_size dim", (a) => {
    if (a.has("split_size_or_sections")) a.set("split_size", a.value("split_size_or_sections"));
    return split(a);
  });
  table.add("split_with_sizes", "input split_size dim", (a) => split(a));
  table.add("tensor_split", "input indices_or_sections dim", (a) => {
    const t = a.tensor("input");
    const shape = shapeOf(a.interpreter, t);
    const dim = a.int("dim", 0);
    const size = shape[axisOf(dim, shape.length)]!;
    const given = a.value("indices_or_sections");
    const n = intOf(given);
    if (n !== undefined) {
      if (n <= 0) raise("RuntimeError", "the number of sections must be positive");
      const base = Math.floor(size / n);
      return tuple(
        splitSizes(
          a,
          t,
          dim,
          Array.from({ length: listLength(n, MOST_PARTS) }, (_, i) => base + (i < size % n ? 1 : 0)),
        ),
      );
    }
    const indices =
      a.ints("indices_or_sections") ?? a.ints("indices") ?? notUnderstood("the indices of tensor_split are not known");
    const cuts = [0, ...indices, size];
    return tuple(
      splitSizes(
        a,
        t,
        dim,
        cuts.slice(1).map((c, i) => c - cuts[i]!),
      ),
    );
  });
  table.add("chunk", "input chunks dim", (a) => {
    const t = a.tensor("input");
    const shape = shapeOf(a.interpreter, t);
    const dim = a.int("dim", 0);
    const size = shape[axisOf(dim, shape.length)]!;
    const chunks = a.int("chunks");
    if (chunks <= 0) raise("RuntimeError", "chunk expects a number of chunks above zero");
    return tuple(splitSizes(a, t, dim, equalParts(size, Math.ceil(size / chunks))));
  });
  table.add("unbind", "input dim", (a) => tuple(unbind(a.interpreter, a.tensor("input"), a.int("dim", 0))));
  table.add("narrow", "input dim start length", (a, b) => {
    const t = a.tensor("input");
    const axis = axisOf(a.int("dim"), shapeOf(a.interpreter, t).length);
    return b.slice(t, axis, a.int("start"), a.int("start") + a.int("length"));
  });
  table.add("select", "input dim index", (a, b) => {
    const t = a.tensor("input");
    const shape = shapeOf(a.interpreter, t);
    const axis = axisOf(a.int("dim"), shape.length);
    const i = a.int("index");
    return b.node("Gather", [t, b.scalar(i < 0 ? i + shape[axis]! : i, "int64")], { axis });
  });
  table.add("index_select", "input dim index", (a, b) => {
    const t = a.tensor("input");
    return b.node("Gather", [t, b.cast(a.tensor("index"), "int64")], {
      axis: axisOf(a.int("dim"), shapeOf(a.interpreter, t).length),
    });
  });
  table.add("take_along_dim", "input indices dim", (a, b) => {
    const t = a.tensor("input");
    const shape = shapeOf(a.interpreter, t);
    const axis = axisOf(a.int("dim"), shape.length);
    const index = b.cast(a.tensor("indices"), "int64");
    // The other axes broadcast.
    const wanted = shapeOf(a.interpreter, index);
    const common = shape.map((d, i) => (i === axis ? wanted[i]! : Math.max(d, wanted[i]!)));
    const spread = (x: TensorValue, sizes: readonly number[]): TensorValue => b.node("Expand", [x, b.ints(sizes)]);
    const source = spread(
      t,
      common.map((d, i) => (i === axis ? shape[i]! : d)),
    );
    return b.node("GatherElements", [source, spread(index, common)], { axis });
  });
  table.add("gather", "input dim index sparse_grad", (a, b) => {
    const t = a.tensor("input");
    const swap = is(a.value("dim"), "tensor");
    const index = a.tensor(swap ? "dim" : "index");
    const axis = axisOf(swap ? a.int("index") : a.int("dim"), shapeOf(a.interpreter, t).length);
    return b.node("GatherElements", [t, b.cast(index, "int64")], { axis });
  });
  const scatter = (names: string, reduction: string): void => {
    table.add(names, "input dim index src", (a, b) => {
      const t = a.tensor("input");
      const axis = axisOf(a.int("dim"), shapeOf(a.interpreter, t).length);
      const index = b.cast(a.tensor("index"), "int64");
      const given = a.has("value") ? a.value("value") : a.value("src");
      let updates = b.cast(b.tensorOf(given, t.type) ?? notUnderstood("the source of scatter is not known"), t.type);
      const shape = shapeOf(a.interpreter, index);
      if (shapeOf(a.interpreter, updates).length === 0) updates = b.node("Expand", [updates, b.ints(shape)]);
      else {
        shapeOf(a.interpreter, updates).forEach((d, k) => {
          if (d > shape[k]!) updates = b.slice(updates, k, 0, shape[k]!);
        });
      }
      return b.node("ScatterElements", [t, index, updates], { axis, ...(reduction !== "none" ? { reduction } : {}) });
    });
  };
  scatter("scatter scatter_", "none");
  scatter("scatter_add scatter_add_", "add");
  table.add("roll", "input shifts dims", (a) => roll(a));
  table.add("flip fliplr flipud", "input dims", (a) => flip(a));
  table.add("rot90", "input k dims", (a) => {
    const t = a.tensor("input");
    const [from, to] = (a.ints("dims") ?? [0, 1]).map((d) => axisOf(d, shapeOf(a.interpreter, t).length));
    const turned = (x: TensorValue, axis: number): TensorValue => {
      const reader = new Reader(a.interpreter, ["input", "dims"], { positional: [x, int(axis)], keywords: new Map() });
      const flipped = flip(reader);
      return is(flipped, "tensor") ? flipped : notUnderstood("rot90");
    };
    const k = ((a.int("k", 1) % 4) + 4) % 4;
    if (k === 0) return t;
    if (k === 2) return turned(turned(t, from!), to!);
    const perm = Array.from({ length: shapeOf(a.interpreter, t).length }, (_, i) => (i === from ? to! : i === to ? from! : i));
    return k === 1 ? a.builder.transpose(turned(t, to!), perm) : turned(a.builder.transpose(t, perm), to!);
  });
  table.add("pad", "input pad mode value", (a, b) => {
    const t = a.tensor("input");
    shapeOf(a.interpreter, t);
    const pads = a.ints("pad") ?? [];
    return pad(b, t, pads, a.text("mode", "constant"), a.number("value", 0));
  });
  table.add("broadcast_tensors", "tensors", (a, b) => {
    const ts = [a.value("tensors"), ...a.rest].filter((v) => is(v, "tensor"));
    let shape: readonly number[] = [];
    for (const t of ts)
      shape = broadcastShapes(shape, shapeOf(a.interpreter, t)) ?? raise("RuntimeError", "the tensors do not broadcast");
    return tuple(ts.map((t) => b.node("Expand", [t, b.ints(shape)])));
  });
  table.add("meshgrid", "tensors", (a, b) => {
    const given = a.value("tensors");
    const ts = is(given, "list") || is(given, "tuple") ? a.tensors("tensors") : [given, ...a.rest].filter((v) => is(v, "tensor"));
    const xy = a.text("indexing", "ij") === "xy";
    const order = xy && ts.length >= 2 ? [ts[1]!, ts[0]!, ...ts.slice(2)] : ts;
    const sizes = order.map((t) => shapeOf(a.interpreter, t)[0] ?? 1);
    const grids = order.map((t, k) =>
      b.node("Expand", [
        b.reshape(
          t,
          sizes.map((s, i) => (i === k ? s : 1)),
        ),
        b.ints(sizes),
      ]),
    );
    return list(xy && grids.length >= 2 ? [grids[1]!, grids[0]!, ...grids.slice(2)] : grids);
  });
  table.add("tril tril_", "input diagonal", (a, b) =>
    b.node("Trilu", [a.tensor("input"), b.scalar(a.int("diagonal", 0), "int64")], { upper: 0 }),
  );
  table.add("triu triu_", "input diagonal", (a, b) =>
    b.node("Trilu", [a.tensor("input"), b.scalar(a.int("diagonal", 0), "int64")], { upper: 1 }),
  );
  table.add("diagonal", "input offset dim1 dim2", (a, b) => {
    const t = a.tensor("input");
    const shape = shapeOf(a.interpreter, t);
    const [first, second] = [axisOf(a.int("dim1", 0), shape.length), axisOf(a.int("dim2", 1), shape.length)];
    const others = shape.map((_, k) => k).filter((k) => k !== first && k !== second);
    const [m, n, offset] = [shape[first]!, shape[second]!, a.int("offset", 0)];
    const [row, column] = [Math.max(0, -offset), Math.max(0, offset)];
    const entries = Array.from({ length: Math.max(0, Math.min(m - row, n - column)) }, (_, i) => (i + row) * n + i + column);
    const flat = b.reshape(b.transpose(t, [...others, first, second]), [...others.map((k) => shape[k]!), m * n]);
    return b.node("Gather", [flat, b.ints(entries)], { axis: others.length });
  });
  table.add("one_hot", "input num_classes", (a, b) => {
    const t = a.tensor("input");
    shapeOf(a.interpreter, t);
    const depth = a.int("num_classes", -1);
    if (depth < 0) return notUnderstood("one_hot without num_classes");
    return b.node("OneHot", [b.cast(t, "int64"), b.scalar(depth, "int64"), b.ints([0, 1])], { axis: -1 });
  });
  table.add("unfold", "input dimension size step", (a, b) => unfold(a, b));
  table.add("pixel_shuffle", "input upscale_factor", (a, b) =>
    b.node("DepthToSpace", [a.tensor("input")], { blocksize: a.int("upscale_factor"), mode: "CRD" }),
  );
  table.add("pixel_unshuffle", "input downscale_factor", (a, b) => {
    const t = a.tensor("input");
    const [n, c, h, w] = shapeOf(a.interpreter, t);
    const r = a.int("downscale_factor");
    const split = b.reshape(t, [n!, c!, h! / r, r, w! / r, r]);
    return b.reshape(b.transpose(split, [0, 1, 3, 5, 2, 4]), [n!, c! * r * r, h! / r, w! / r]);
  });
  table.add("channel_shuffle", "input groups", (a, b) => {
    const t = a.tensor("input");
    const [n, c, ...rest] = shapeOf(a.interpreter, t);
    const g = a.int("groups");
    const cut = b.reshape(t, [n!, g, c! / g, ...rest]);
    return b.reshape(b.transpose(cut, [0, 2, 1, ...rest.map((_, i) => i + 3)]), [n!, c!, ...rest]);
  });
  table.add("size", "input dim", (a) => sizeOf(a));
  table.add("numel nelement", "input", (a) => int(elementCount(shapeOf(a.interpreter, a.tensor("input")))));
  table.add("dim ndimension", "input", (a) => int(shapeOf(a.interpreter, a.tensor("input")).length));
}

function sizeOf(a: Reader): Value {
  const t = a.tensor("input");
  if (a.has("dim")) {
    const d = a.int("dim");
    if (t.shape === undefined) a.builder.needShape(t, { minimumRank: d < 0 ? -d : d + 1 });
    const shape = shapeOf(a.interpreter, t);
    return int(shape[axisOf(d, shape.length)]!);
  }
  return tuple(shapeOf(a.interpreter, t).map(int));
}

/** Tensor.unfold: windows along one axis become a new last axis. */
function unfold(a: Reader, b: GraphBuilder): Value {
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const axis = axisOf(a.int("dimension"), shape.length);
  const size = a.int("size");
  const step = a.int("step");
  const n = Math.floor((shape[axis]! - size) / step) + 1;
  if (n < 1) raise("RuntimeError", "unfold of a window longer than the axis");
  const rows = Array.from({ length: listLength(n * size) }, (_, i) => Math.floor(i / size) * step + (i % size));
  const gathered = b.node("Gather", [t, b.constant({ shape: [n, size], at: (i) => rows[i]! }, "int64")], { axis });
  const rank = shape.length + 1;
  const perm = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis + 1);
  return b.transpose(gathered, [...perm, axis + 1]);
}

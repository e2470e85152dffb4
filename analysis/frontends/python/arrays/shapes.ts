/** @file NumPy's functions that move entries: reshape, transpose, join, cut, repeat, pad, pick. */
import { listLength, notUnderstood, raise } from "../evaluator/errors";
import { iterate } from "../evaluator/iterate";
import { axisOf, type Reader, shapeOf } from "../torch/arguments";
import type { OperationTable } from "../torch/operation";
import { concat, splitSizes } from "../torch/operations/parts";
import { MOST_PARTS } from "../torch/operations/shapes";
import { pad } from "../torch/operations/padding";
import { permute } from "../torch/operations/views";
import { intOf, is } from "../values/inspect";
import { int, list, tuple } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { rankOf, torch, torchTensor } from "./support";

/** `transpose(x, axes)`; as a method also `x.transpose(0, 2, 1)`. Without axes their order is reversed. */
function transpose(a: Reader): Value {
  const x = a.tensor("x");
  const axes = a.has("axes") || a.rest.length > 0 ? a.sizes("axes") : undefined;
  if (axes && x.shape === undefined) a.builder.needShape(x, { rank: axes.length });
  const rank = rankOf(a.interpreter, x);
  const perm = axes ? axes.map((d) => axisOf(d, rank)) : Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (perm.length !== rank) raise("ValueError", `axes [${perm.join(", ")}] do not fit a tensor of rank ${rank}`);
  return permute(a, x, perm);
}

function expandDims(a: Reader): Value {
  const x = a.tensor("x");
  const rank = rankOf(a.interpreter, x);
  const axes = a.ints("axis") ?? [0];
  const total = rank + axes.length;
  return a.builder.unsqueeze(
    x,
    axes.map((d) => axisOf(d, total)).sort((p, q) => p - q),
  );
}

function squeeze(a: Reader): Value {
  const x = a.tensor("x");
  const shape = shapeOf(a.interpreter, x);
  const axes = a.ints("axis")?.map((d) => axisOf(d, shape.length)) ?? shape.flatMap((d, i) => (d === 1 ? [i] : []));
  return axes.length === 0 ? x : a.builder.node("Squeeze", [x, a.builder.ints(axes)]);
}

function stack(a: Reader): Value {
  const b = a.builder;
  const tensors = a.tensors("xs");
  const first = tensors[0] ?? notUnderstood("a stack of nothing");
  const axis = axisOf(a.int("axis", 0), rankOf(a.interpreter, first) + 1);
  return concat(
    a,
    tensors.map((t) => b.unsqueeze(t, [axis])),
    axis,
  );
}

/** `split(x, 3)` in equal parts, or `split(x, [2, 5])` at places. */
function split(a: Reader, what: "places" | "sizes"): Value {
  const x = a.tensor("x");
  const shape = shapeOf(a.interpreter, x);
  const axis = axisOf(a.int("axis", what === "sizes" ? 0 : 0), shape.length);
  const n = shape[axis]!;
  const given = a.value("parts");
  const parts = intOf(given);
  if (parts !== undefined) {
    if (parts <= 0 || n % parts !== 0) raise("ValueError", `an axis of size ${n} does not split into ${parts} equal parts`);
    return list(splitSizes(a, x, axis, new Array<number>(listLength(parts, MOST_PARTS)).fill(n / parts)));
  }
  const numbers = a.ints("parts") ?? notUnderstood("the places of a split are not known");
  if (what === "sizes") {
    const rest = n - numbers.reduce((s, k) => (k < 0 ? s : s + k), 0);
    return list(
      splitSizes(
        a,
        x,
        axis,
        numbers.map((k) => (k < 0 ? rest : k)),
      ),
    );
  }
  const ends = [...numbers.map((k) => (k < 0 ? k + n : k)), n];
  return list(
    splitSizes(
      a,
      x,
      axis,
      ends.map((e, i) => e - (ends[i - 1] ?? 0)),
    ),
  );
}

/** Pairs of pads per axis: `((0, 0), (1, 1))`, `(1, 1)` for every axis, or one number for all. */
function padWidths(a: Reader, rank: number): [number, number][] {
  const v = a.value("pad_width");
  const n = intOf(v);
  if (n !== undefined) return Array.from({ length: rank }, () => [n, n]);
  if (is(v, "tensor") && v.constant && v.shape?.length === 2) {
    const { constant } = v;
    return Array.from({ length: v.shape[0]! }, (_, i) => [constant.at(2 * i), constant.at(2 * i + 1)]);
  }
  const items = v === null ? undefined : iterate(a.interpreter, v);
  if (!items) return notUnderstood("the widths of a padding are not known");
  const pairs = items.map((p): [number, number] => {
    const one = intOf(p);
    if (one !== undefined) return [one, one];
    const two = p === null ? [] : (iterate(a.interpreter, p) ?? []).map(intOf);
    const [before, after] = two;
    return before !== undefined && after !== undefined ? [before, after] : notUnderstood("the widths of a padding are not known");
  });
  if (items.every((p) => intOf(p) !== undefined) && items.length === 2 && rank !== 2) {
    const [before, after] = items.map((p) => intOf(p)!);
    return Array.from({ length: rank }, () => [before!, after!]);
  }
  return pairs.length === 1 ? Array.from({ length: rank }, () => pairs[0]!) : pairs;
}

function padded(a: Reader): Value {
  const x = a.tensor("x");
  const rank = rankOf(a.interpreter, x);
  const widths = padWidths(a, rank);
  const pairs = [...widths].reverse().flat();
  const modes: Readonly<Record<string, string>> = {
    constant: "constant",
    reflect: "reflect",
    edge: "replicate",
    wrap: "circular",
    symmetric: "symmetric",
  };
  const mode = modes[a.text("mode", "constant").toLowerCase()] ?? "unknown";
  return pad(a.builder, x, pairs, mode, a.has("constant_values") ? a.number("constant_values") : 0);
}

function take(a: Reader): Value {
  const b = a.builder;
  const x = a.tensor("x");
  const indices = a.value("indices");
  const ids = a.tensor("indices");
  if (ids.shape === undefined) b.needShape(ids, { rank: 2, integer: true });
  if (!a.has("axis")) {
    const flat = b.reshape(x, [shapeOf(a.interpreter, x).reduce((m, d) => m * d, 1)]);
    return b.node("Gather", [flat, b.cast(ids, "int64")], { axis: 0 });
  }
  const axis = axisOf(a.int("axis"), rankOf(a.interpreter, x));
  const picked = b.node("Gather", [x, b.cast(ids, "int64")], { axis });
  return is(indices, "int") && picked.shape?.length === rankOf(a.interpreter, x)
    ? b.node("Squeeze", [picked, b.ints([axis])])
    : picked;
}

function tile(a: Reader): Value {
  const b = a.builder;
  const x = a.tensor("x");
  const reps = a.sizes("reps");
  const rank = rankOf(a.interpreter, x);
  const lifted =
    reps.length > rank
      ? b.unsqueeze(
          x,
          Array.from({ length: reps.length - rank }, (_, i) => i),
        )
      : x;
  const full = [...new Array<number>(Math.max(0, rank - reps.length)).fill(1), ...reps];
  return full.every((n) => n === 1) ? lifted : b.node("Tile", [lifted, b.ints(full)]);
}

/** Adds functions of NumPy's names that move, cut and join. */
export function addArrayShapes(table: OperationTable): void {
  table.add("reshape", "x shape", (a) => {
    if (a.has("newshape")) a.set("shape", a.value("newshape"));
    const x = a.tensor("x");
    return torch(a.interpreter, "reshape", [x, tuple(a.sizes("shape").map(int))]);
  });
  table.add("ravel flatten", "x", (a) => torch(a.interpreter, "reshape", [a.tensor("x"), int(-1)]));
  table.add("transpose permute_dims", "x axes", (a) => transpose(a));
  table.add("matrix_transpose", "x", (a) => torch(a.interpreter, "transpose", [a.tensor("x"), int(-1), int(-2)]));
  table.add("swapaxes", "x axis1 axis2", (a) =>
    torch(a.interpreter, "transpose", [a.tensor("x"), a.value("axis1"), a.value("axis2")]),
  );
  table.add("moveaxis", "x source destination", (a) =>
    torch(a.interpreter, "movedim", [a.tensor("x"), a.value("source"), a.value("destination")]),
  );
  table.add("rollaxis", "x axis start", (a) =>
    torch(a.interpreter, "movedim", [a.tensor("x"), a.value("axis"), int(a.int("start", 0))]),
  );
  table.add("expand_dims", "x axis", (a) => expandDims(a));
  table.add("squeeze", "x axis", (a) => squeeze(a));
  table.add("concatenate concat", "xs axis", (a) => {
    const tensors = a.tensors("xs");
    const axis = a.value("axis");
    if (axis === null && a.has("xs")) return concat(a, tensors, 0);
    return concat(a, tensors, a.int("axis", 0));
  });
  table.add("append", "x values axis", (a) => {
    const flat = (t: TensorValue): TensorValue => (a.has("axis") ? t : torchTensor(a.interpreter, "reshape", [t, int(-1)]));
    return concat(a, [flat(a.tensor("x")), flat(a.tensor("values"))], a.int("axis", 0));
  });
  table.add("stack", "xs axis", (a) => stack(a));
  table.add("hstack", "xs", (a) => {
    const tensors = a.tensors("xs");
    return concat(a, tensors, tensors[0]?.shape?.length === 1 ? 0 : 1);
  });
  table.add("vstack", "xs", (a) => concat(a, a.tensors("xs"), 0));
  table.add("split array_split", "x parts axis", (a) => {
    if (a.has("indices_or_sections")) a.set("parts", a.value("indices_or_sections"));
    return split(a, "places");
  });
  table.add("split_sizes", "x parts axis", (a) => split(a, "sizes"));
  table.add("unstack", "x num axis", (a) => torch(a.interpreter, "unbind", [a.tensor("x"), int(a.int("axis", 0))]));
  table.add("tile", "x reps", (a) => {
    if (a.has("repeats")) a.set("reps", a.value("repeats"));
    return tile(a);
  });
  table.add("repeat", "x repeats axis", (a) =>
    torch(a.interpreter, "repeat_interleave", [a.tensor("x"), a.value("repeats"), a.value("axis")]),
  );
  table.add("broadcast_to", "x shape", (a) => a.builder.node("Expand", [a.tensor("x"), a.builder.ints(a.sizes("shape"))]));
  table.add("flip", "x axis", (a) => {
    const x = a.tensor("x");
    const rank = rankOf(a.interpreter, x);
    const axes = a.ints("axis") ?? Array.from({ length: rank }, (_, i) => i);
    return torch(a.interpreter, "flip", [x, tuple(axes.map(int))]);
  });
  table.add("roll", "x shift axis", (a) => torch(a.interpreter, "roll", [a.tensor("x"), a.value("shift"), a.value("axis")]));
  table.add("pad", "x pad_width mode constant_values", (a) => padded(a));
  table.add("take", "x indices axis", (a) => take(a));
  table.add("take_along_axis", "x indices axis", (a) =>
    torch(a.interpreter, "take_along_dim", [a.tensor("x"), a.tensor("indices"), a.value("axis")]),
  );
  table.add("tril", "x k", (a) => torch(a.interpreter, "tril", [a.tensor("x"), int(a.int("k", 0))]));
  table.add("triu", "x k", (a) => torch(a.interpreter, "triu", [a.tensor("x"), int(a.int("k", 0))]));
  table.add("diagonal diag", "x offset", (a) => torch(a.interpreter, "diagonal", [a.tensor("x"), int(a.int("offset", 0))]));
  table.add("meshgrid", "xs", (a) => {
    const xs = [a.value("xs"), ...a.rest];
    return torch(a.interpreter, "meshgrid", xs, { indexing: a.text("indexing", "xy") });
  });
  table.add("shape", "x", (a) => tuple(shapeOf(a.interpreter, a.tensor("x")).map(int)));
  table.add("ndim rank", "x", (a) => int(rankOf(a.interpreter, a.tensor("x"))));
  table.add("size", "x", (a) => int(shapeOf(a.interpreter, a.tensor("x")).reduce((m, d) => m * d, 1)));
}

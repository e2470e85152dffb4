/** @file Indexing of tensors, reading and storing. */
import { elementCount } from "../../../graph/tensor";
import { listLength, NotUnderstood, notUnderstood, PythonError, raise, raiseRank } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { sliceBounds } from "../evaluator/subscripts";
import { rangeLength } from "../evaluator/iterate";
import { broadcastShapes } from "../values/constant";
import { intOf, is } from "../values/inspect";
import type { SliceValue, TensorValue, Value } from "../values/value";
import { scalarTensor, shapeOf } from "./arguments";
import { promote } from "./arithmetic";
import { pickedIndices } from "./picked";

/** One step of a normalised index, with the axis of the original tensor that it reads. */
type Step =
  | { readonly kind: "int"; readonly axis: number; readonly index: number }
  | { readonly kind: "slice"; readonly axis: number; readonly start: number; readonly stop: number; readonly step: number }
  | { readonly kind: "new"; readonly axis: number }
  | { readonly kind: "tensor"; readonly axis: number; readonly tensor: TensorValue }
  | { readonly kind: "mask"; readonly axis: number; readonly tensor: TensorValue };

function listTensor(interpreter: Interpreter, v: Value): TensorValue | undefined {
  if (is(v, "tensor")) return v;
  if (is(v, "list") || is(v, "tuple")) {
    const ints = v.items.map((i) => (typeof i === "boolean" ? undefined : (intOf(i) ?? scalarTensor(i))));
    if (ints.every((i) => i !== undefined)) return interpreter.builder.ints(ints);
  }
  if (is(v, "range")) {
    return interpreter.builder.ints(
      Array.from({ length: listLength(rangeLength(v.start, v.stop, v.step)) }, (_, i) => v.start + i * v.step),
    );
  }
  return undefined;
}

function normalise(interpreter: Interpreter, shape: readonly number[], index: Value): Step[] {
  const items = is(index, "tuple") ? [...index.items] : [index];
  const consumed = items.reduce<number>((n, i) => {
    if (i === null || is(i, "ellipsis") || typeof i === "boolean") return n;
    if (is(i, "tensor") && i.type === "bool") return n + (i.shape?.length ?? 1);
    return n + 1;
  }, 0);
  if (!items.some((i) => is(i, "ellipsis"))) items.push({ k: "ellipsis" });
  const steps: Step[] = [];
  let axis = 0;
  for (const item of items) {
    if (item === null) {
      steps.push({ kind: "new", axis });
      continue;
    }
    if (is(item, "ellipsis")) {
      axis += shape.length - consumed;
      continue;
    }
    if (typeof item === "boolean") return notUnderstood("indexing by True or False");
    if (axis >= shape.length && !(is(item, "tensor") && item.type === "bool")) {
      raiseRank(`too many indices for a tensor with ${shape.length} dimensions`, shape.length, axis + 1);
    }
    if (is(item, "slice")) {
      steps.push({ kind: "slice", axis, ...boundsOf(item, shape[axis]!) });
      axis++;
      continue;
    }
    const scalar =
      intOf(item) ?? (is(item, "tensor") && item.shape?.length === 0 && item.type !== "bool" ? scalarTensor(item) : undefined);
    if (scalar !== undefined) {
      const size = shape[axis]!;
      const at = scalar < 0 ? scalar + size : scalar;
      if (at < 0 || at >= size) {
        const needed = scalar < 0 ? -scalar : scalar + 1;
        const message = `index ${scalar} is out of range for an axis of size ${size}`;
        throw new PythonError("IndexError", message, undefined, [{ got: size, expected: needed }]);
      }
      steps.push({ kind: "int", axis, index: at });
      axis++;
      continue;
    }
    const tensor = listTensor(interpreter, item);
    if (!tensor) return notUnderstood("an index is not known");
    if (tensor.type === "bool") {
      steps.push({ kind: "mask", axis, tensor });
      axis += tensor.shape?.length ?? 1;
    } else {
      steps.push({ kind: "tensor", axis, tensor });
      axis++;
    }
  }
  return steps;
}

function boundsOf(s: SliceValue, size: number): { start: number; stop: number; step: number } {
  const plain = (v: Value): Value => {
    const n = scalarTensor(v);
    return n === undefined ? v : { k: "int", v: n };
  };
  const b = sliceBounds({ ...s, lower: plain(s.lower), upper: plain(s.upper), step: plain(s.step) }, size);
  return b ?? notUnderstood("the bounds of a slice are not known");
}

function isBasic(steps: readonly Step[]): boolean {
  return steps.every((s) => s.kind !== "tensor" && s.kind !== "mask");
}

/** Masks replaced by the positions that they pick. */
function withoutMasks(interpreter: Interpreter, steps: readonly Step[]): Step[] {
  return steps.flatMap((s): Step[] => {
    if (s.kind !== "mask") return [s];
    return pickedIndices(interpreter, s.tensor).map((tensor, i) => ({ kind: "tensor", axis: s.axis + i, tensor }));
  });
}

function applySteps(interpreter: Interpreter, t: TensorValue, steps: readonly Step[]): TensorValue {
  const { builder } = interpreter;
  let out = t;

  const advanced: { position: number; tensor: TensorValue }[] = [];
  let position = 0;
  let axis = 0;
  for (const s of steps) {
    position += s.axis - axis;
    axis = s.axis;
    if (s.kind === "new") {
      out = builder.unsqueeze(out, [position]);
      position++;
      continue;
    }
    if (s.kind === "int") {
      out = builder.node("Gather", [out, builder.scalar(s.index, "int64")], { axis: position });
      axis++;
    } else if (s.kind === "slice") {
      const size = out.shape?.[position];
      if (!(s.start === 0 && s.step === 1 && s.stop === size)) {
        const end = s.step < 0 && s.stop < 0 ? -(size ?? 0) - 1 : Math.max(s.stop, s.step > 0 ? s.start : s.stop);
        out = builder.slice(out, position, s.start, end, s.step);
      }
      position++;
      axis++;
    } else if (s.kind === "tensor") {
      advanced.push({ position, tensor: s.tensor });
      position++;
      axis++;
    } else return notUnderstood("indexing by a mask: the size of the result depends on the data");
  }
  if (advanced.length === 0) return out;
  if (advanced.length === 1) {
    const [one] = advanced;
    return builder.node("Gather", [out, builder.cast(one!.tensor, "int64")], { axis: one!.position });
  }
  return gatherSeveral(interpreter, out, advanced);
}

/** Several index tensors: numpy's rules, through GatherND. */
function gatherSeveral(
  interpreter: Interpreter,
  t: TensorValue,
  advanced: readonly { position: number; tensor: TensorValue }[],
): TensorValue {
  const { builder } = interpreter;
  const shape = shapeOf(interpreter, t);
  const axes = advanced.map((a) => a.position);
  const rest = shape.map((_, i) => i).filter((i) => !axes.includes(i));
  let common: readonly number[] = [];
  for (const a of advanced) {
    common = broadcastShapes(common, shapeOf(interpreter, a.tensor)) ?? raise("IndexError", "index tensors do not broadcast");
  }
  const indices = advanced.map((a) => {
    const size = shape[a.position]!;
    let i = builder.cast(a.tensor, "int64");
    if (a.tensor.constant && elementCount(shapeOf(interpreter, a.tensor)) <= 65536) {
      const { constant } = a.tensor;
      i = builder.constant(
        { shape: constant.shape, at: (k) => (constant.at(k) < 0 ? constant.at(k) + size : constant.at(k)) },
        "int64",
      );
    }
    return builder.unsqueeze(builder.node("Expand", [i, builder.ints(common)]), [common.length]);
  });
  const moved = builder.transpose(t, [...axes, ...rest]);
  const gathered = builder.node("GatherND", [moved, builder.node("Concat", indices, { axis: common.length })]);
  const adjacent = axes.every((a, i) => i === 0 || a === axes[i - 1]! + 1);
  const first = axes[0]!;
  if (!adjacent || first === 0) return gathered;
  const n = common.length;
  const total = n + rest.length;
  const before = Array.from({ length: first }, (_, i) => n + i);
  const after = Array.from({ length: total - n - first }, (_, i) => n + first + i);
  return builder.transpose(gathered, [...before, ...Array.from({ length: n }, (_, i) => i), ...after]);
}

/** `tensor[index]`. Throws PythonError (IndexError) outside of the shape. */
export function indexTensor(interpreter: Interpreter, t: TensorValue, index: Value): Value {
  interpreter.calls++;
  const { builder } = interpreter;
  if (t.shape === undefined && builder.isOpen(t)) {
    const items = is(index, "tuple") ? index.items : [index];
    if (typeof index === "string") builder.needShape(t, { record: true });
    const count = items.filter((i) => i !== null && !is(i, "ellipsis")).length;
    const open = items.some((i) => is(i, "ellipsis"));
    builder.needShape(t, { minimumRank: Math.max(open ? count + 1 : count, 1) });
  }
  const shape = shapeOf(interpreter, t);
  const steps = normalise(interpreter, shape, index);
  if (steps.length === 1 && steps[0]?.kind === "mask" && steps[0].tensor.constant) {
    return constantMask(interpreter, t, steps[0].tensor);
  }
  const out = applySteps(interpreter, t, withoutMasks(interpreter, steps));
  if (isBasic(steps) && out !== t) {
    return {
      ...out,
      view: {
        base: t,
        version: t.version,
        read: (i, base) => applySteps(i, base, steps),
        write: (i, base, value) => storeSteps(i, base, steps, value),
      },
    };
  }
  return out === t
    ? { ...t, parameter: undefined, view: { base: t, version: t.version, read: (_, b) => b, write: (_, __, v) => v } }
    : out;
}

/** A mask whose entries are known selects known rows. */
function constantMask(interpreter: Interpreter, t: TensorValue, mask: TensorValue): TensorValue {
  const { builder } = interpreter;
  const shape = shapeOf(interpreter, t);
  const maskShape = shapeOf(interpreter, mask);
  const n = elementCount(maskShape);
  if (n > 65536) return notUnderstood("indexing by a large mask");
  const rows: number[] = [];
  for (let i = 0; i < n; i++) if (mask.constant!.at(i)) rows.push(i);
  const flat = builder.reshape(t, [n, ...shape.slice(maskShape.length)]);
  return builder.node("Gather", [flat, builder.ints(rows)], { axis: 0 });
}

/** The base with a part replaced, for basic indices. */
function storeSteps(interpreter: Interpreter, base: TensorValue, steps: readonly Step[], value: TensorValue): TensorValue {
  const { builder } = interpreter;
  const shape = shapeOf(interpreter, base);
  const parts = steps.filter((s) => s.kind === "int" || s.kind === "slice");
  // The value in the shape of the selected part, with the axes of integer indices kept as size 1.
  const selected = shape.map((size, axis) => {
    const s = parts.find((p) => p.axis === axis);
    if (!s) return size;
    return s.kind === "int" ? 1 : rangeLength(s.start, s.stop, s.step);
  });
  const seen = steps.filter((s) => s.kind === "int").map((s) => s.axis);
  const visible = selected.filter((_, axis) => !seen.includes(axis));
  let v = builder.cast(value, base.type);
  if (steps.some((s) => s.kind === "new")) v = builder.reshape(v, visible);
  const full = broadcastShapes(visible, shapeOf(interpreter, v));
  if (!full || full.length !== visible.length || full.some((d, i) => d !== visible[i])) {
    raise("RuntimeError", `a value of shape [${v.shape?.join(", ")}] does not fit the part of shape [${visible.join(", ")}]`);
  }
  if (v.shape!.length !== visible.length || v.shape!.some((d, i) => d !== visible[i]))
    v = builder.node("Expand", [v, builder.ints(visible)]);
  v = builder.reshape(v, selected);
  const place = (target: TensorValue, i: number): TensorValue => {
    const s = parts[i];
    if (!s) return v;
    const size = shape[s.axis]!;
    const start = s.kind === "int" ? s.index : s.start;
    const stop = s.kind === "int" ? s.index + 1 : s.stop;
    const step = s.kind === "int" ? 1 : s.step;
    if (step !== 1) return storeStrided(interpreter, target, s.axis, start, stop, step, (part) => place(part, i + 1));
    const middle = start === 0 && stop === size ? target : builder.slice(target, s.axis, start, stop);
    const pieces: TensorValue[] = [];
    if (start > 0) pieces.push(builder.slice(target, s.axis, 0, start));
    pieces.push(place(middle, i + 1));
    if (stop < size) pieces.push(builder.slice(target, s.axis, stop, size));
    return pieces.length === 1 ? pieces[0]! : builder.node("Concat", pieces, { axis: s.axis });
  };
  return place(base, 0);
}

/** Replaces every n-th row: the new and old rows are joined and put in order by a constant Gather. */
function storeStrided(
  interpreter: Interpreter,
  target: TensorValue,
  axis: number,
  start: number,
  stop: number,
  step: number,
  replace: (part: TensorValue) => TensorValue,
): TensorValue {
  const { builder } = interpreter;
  const size = shapeOf(interpreter, target)[axis]!;
  const rows = Array.from({ length: listLength(rangeLength(start, stop, step)) }, (_, i) => start + i * step);
  const places = new Map(rows.map((row, i) => [row, size + i]));
  const part = builder.node("Gather", [target, builder.ints(rows)], { axis });
  const joined = builder.node("Concat", [target, replace(part)], { axis });
  const order = Array.from({ length: listLength(size) }, (_, i) => places.get(i) ?? i);
  return builder.node("Gather", [joined, builder.ints(order)], { axis });
}

/** Places along the leading axes as ScatterND wants them, shape [..., axes]; undefined for other kinds of index. */
function rowsOf(interpreter: Interpreter, steps: readonly Step[]): TensorValue | undefined {
  const { builder } = interpreter;
  const columns: TensorValue[] = [];
  let common: readonly number[] | undefined = [];
  for (const [k, s] of steps.entries()) {
    if ((s.kind !== "tensor" && s.kind !== "int") || s.axis !== k) return undefined;
    const column = s.kind === "int" ? builder.ints([s.index]) : builder.cast(s.tensor, "int64");
    columns.push(column);
    common = common && broadcastShapes(common, shapeOf(interpreter, column));
  }
  if (!common) return undefined;
  const { length } = common;
  const spread = columns.map((c) => builder.unsqueeze(builder.node("Expand", [c, builder.ints(common)]), [length]));
  return spread.length === 1 ? spread[0] : builder.node("Concat", spread, { axis: length });
}

/** `tensor[index] = value`. */
export function storeTensor(interpreter: Interpreter, t: TensorValue, index: Value, value: Value): void {
  interpreter.calls++;
  const { builder } = interpreter;
  if (t.shape === undefined && builder.isOpen(t)) builder.needShape(t, { minimumRank: 1 });
  const opaquely = (reason: string): void => {
    const inputs = interpreter.tensorsIn([t, index, value]);
    interpreter.noteOpaque("item assignment", reason);
    const type = t.shape ? { type: t.type, shape: t.shape } : undefined;
    builder.overwrite(t, builder.opaque("item assignment", inputs, type));
  };
  if (t.shape === undefined) {
    opaquely("the shape of the tensor is not known");
    return;
  }
  const tensor = builder.tensorOf(
    value,
    is(value, "int") || is(value, "float") || typeof value === "boolean" ? t.type : undefined,
  );
  if (!tensor) {
    opaquely("the stored value is not known");
    return;
  }
  let steps: Step[];
  try {
    steps = normalise(interpreter, t.shape, index);
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
    opaquely(error.message);
    return;
  }
  const [single] = steps;
  if (steps.length === 1 && single?.kind === "mask") {
    const mask = single.tensor;
    const rank = tensor.shape?.length;
    if (rank === 0 || (tensor.shape && elementCount(tensor.shape) === 1)) {
      const [a, b] = promote(interpreter, builder.cast(tensor, t.type), t);
      const extra = t.shape.length - shapeOf(interpreter, mask).length;
      const shaped =
        extra > 0
          ? builder.unsqueeze(
              mask,
              Array.from({ length: extra }, (_, i) => (mask.shape?.length ?? 0) + i),
            )
          : mask;
      builder.overwrite(t, builder.node("Where", [shaped, builder.reshape(a, []), b]));
      return;
    }
  }
  if (!isBasic(steps)) {
    const { shape } = t;
    const isAll = (s: Step) => s.kind === "slice" && s.start === 0 && s.step === 1 && s.stop === shape[s.axis];
    // Axes behind the last index that are taken whole (`x[rows, :]`) need not be named.
    const last = steps.findLastIndex((s) => !isAll(s));
    const picked = rowsOf(interpreter, withoutMasks(interpreter, steps.slice(0, last + 1)));
    if (picked && tensor.shape) {
      const written = shapeOf(interpreter, picked).slice(0, -1);
      const updates = builder.node("Expand", [
        builder.cast(tensor, t.type),
        builder.ints([...written, ...t.shape.slice(picked.shape!.at(-1)!)]),
      ]);
      builder.overwrite(t, builder.node("ScatterND", [t, picked, updates]));
      return;
    }
    opaquely("storing through index tensors");
    return;
  }
  if (steps.length === 0) {
    builder.overwrite(t, tensor);
    return;
  }
  builder.overwrite(t, storeSteps(interpreter, t, steps, tensor));
}

/** Longest axis whose entries become values of their own. */
const MOST_UNBOUND = 20_000;

/** The parts of a tensor along an axis, that axis removed. */
export function unbind(interpreter: Interpreter, t: TensorValue, dim: number): TensorValue[] {
  const shape = shapeOf(interpreter, t);
  const axis = dim < 0 ? dim + shape.length : dim;
  const { builder } = interpreter;
  const count = listLength(shape[axis] ?? 0, MOST_UNBOUND);
  return Array.from({ length: count }, (_, i) => builder.node("Gather", [t, builder.scalar(i, "int64")], { axis }));
}

/** @file Writes and reads along one axis at given indices, and rearrangements that need no operator of their own. */
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood } from "../../evaluator/errors";
import { is } from "../../values/inspect";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, type Reader, shapeOf } from "../arguments";
import { tensorBinary } from "../arithmetic";
import type { OperationTable } from "../operation";

/** Indices of rows, repeated over the other axes so that they have the shape of what is written. */
function spreadIndices(a: Reader, b: GraphBuilder, index: TensorValue, axis: number, shape: readonly number[]): TensorValue {
  const n = shapeOf(a.interpreter, index)[0] ?? 1;
  const column = b.reshape(
    b.cast(index, "int64"),
    shape.map((_, i) => (i === axis ? n : 1)),
  );
  return b.node("Expand", [column, b.ints(shape)]);
}

/** `index_add`, `index_copy`, `index_fill`: rows of the tensor at the indices get the source. */
function writeRows(a: Reader, b: GraphBuilder, reduction: "add" | "none"): Value {
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const axis = axisOf(a.int("dim"), shape.length);
  const index = a.tensor("index");
  const rows = shapeOf(a.interpreter, index)[0] ?? 1;
  const written = shape.map((d, i) => (i === axis ? rows : d));
  let source = a.tensor("source", t.type);
  if (a.has("alpha")) {
    const scaled = tensorBinary(a.interpreter, "*", source, a.value("alpha"));
    if (is(scaled, "tensor")) source = scaled;
  }
  const updates = b.node("Expand", [b.cast(source, t.type), b.ints(written)]);
  const attributes = { axis, ...(reduction === "add" ? { reduction } : {}) };
  return b.node("ScatterElements", [t, spreadIndices(a, b, index, axis, written), updates], attributes);
}

function scatterReduce(a: Reader, b: GraphBuilder): Value {
  const reduction = { sum: "add", prod: "mul", amax: "max", amin: "min" }[a.text("reduce", "")];
  if (reduction === undefined || !a.bool("include_self", true)) return notUnderstood("this kind of scatter_reduce");
  const t = a.tensor("input");
  const axis = axisOf(a.int("dim"), shapeOf(a.interpreter, t).length);
  return b.node("ScatterElements", [t, b.cast(a.tensor("index"), "int64"), b.cast(a.tensor("src"), t.type)], { axis, reduction });
}

/** Products along an axis, one after the other. */
function cumulativeProduct(a: Reader, b: GraphBuilder): Value {
  const t = a.tensor("input");
  const shape = shapeOf(a.interpreter, t);
  const axis = axisOf(a.int("dim"), shape.length);
  const n = shape[axis] ?? 1;
  if (n > 64) return notUnderstood(`a cumulative product over ${n} entries`);
  const out: TensorValue[] = [];
  for (let i = 0; i < n; i++) {
    const part = b.slice(t, axis, i, i + 1);
    const before = out[i - 1];
    out.push(before ? b.node("Mul", [before, part]) : part);
  }
  return out.length === 1 ? out[0]! : b.node("Concat", out, { axis });
}

/** The cross product of vectors of three. */
function cross(a: Reader, b: GraphBuilder): Value {
  const x = a.tensor("input");
  const y = a.tensor("other");
  const shape = shapeOf(a.interpreter, x);
  const axis = a.has("dim") ? axisOf(a.int("dim"), shape.length) : shape.indexOf(3);
  if (shape[axis] !== 3) return notUnderstood("a cross product of vectors that are not three long");
  const turned = (t: TensorValue, order: readonly number[]): TensorValue => b.node("Gather", [t, b.ints(order)], { axis });
  const left = b.node("Mul", [turned(x, [1, 2, 0]), turned(y, [2, 0, 1])]);
  return b.node("Sub", [left, b.node("Mul", [turned(x, [2, 0, 1]), turned(y, [1, 2, 0])])]);
}

/** Kronecker product of matrices of one rank. */
function kron(a: Reader, b: GraphBuilder): Value {
  const x = a.tensor("input");
  const y = a.tensor("other");
  const sx = shapeOf(a.interpreter, x);
  const sy = shapeOf(a.interpreter, y);
  if (sx.length !== sy.length) return notUnderstood("a Kronecker product of tensors of different rank");
  const left = b.reshape(
    x,
    sx.flatMap((d) => [d, 1]),
  );
  const right = b.reshape(
    y,
    sy.flatMap((d) => [1, d]),
  );
  return b.reshape(
    b.node("Mul", [left, right]),
    sx.map((d, i) => d * sy[i]!),
  );
}

/** The angle of (x, y), with the signs of both. */
function atan2(a: Reader, b: GraphBuilder): Value {
  const y = a.tensor("input");
  const x = a.tensor("other");
  const plain = b.node("Atan", [b.node("Div", [y, x])]);
  const zero = b.scalar(0, y.type);
  const half = b.node("Where", [b.node("Less", [y, zero]), b.scalar(-Math.PI, y.type), b.scalar(Math.PI, y.type)]);
  return b.node("Where", [b.node("Less", [x, zero]), b.node("Add", [plain, half]), plain]);
}

/** Adds operations that read and write at indices. */
export function addIndexed(table: OperationTable): void {
  table.add("index_add", "input dim index source", (a, b) => writeRows(a, b, "add"));
  table.add("index_copy", "input dim index source", (a, b) => writeRows(a, b, "none"));
  table.add("index_fill", "input dim index source", (a, b) => {
    if (a.has("value")) a.set("source", a.value("value"));
    return writeRows(a, b, "none");
  });
  table.add("scatter_reduce", "input dim index src reduce", scatterReduce);
  table.add("cumprod", "input dim", cumulativeProduct);
  table.add("cross linalg_cross", "input other dim", cross);
  table.add("kron", "input other", kron);
  table.add("atan2 arctan2", "input other", atan2);
  table.add("grid_sample", "input grid mode padding_mode align_corners", (a, b) => {
    const mode = a.text("mode", "bilinear");
    const x = a.tensor("input");
    const known =
      shapeOf(a.interpreter, x).length === 4
        ? { bilinear: "linear", nearest: "nearest", bicubic: "cubic" }
        : { bilinear: "linear", nearest: "nearest" };
    return b.node("GridSample", [x, a.tensor("grid")], {
      mode: known[mode as keyof typeof known] ?? "linear",
      padding_mode: a.text("padding_mode", "zeros"),
      align_corners: a.bool("align_corners", false) ? 1 : 0,
    });
  });
  table.add("affine_grid", "theta size align_corners", (a, b) =>
    b.node("AffineGrid", [a.tensor("theta"), b.ints(a.ints("size") ?? [])], {
      align_corners: a.bool("align_corners", false) ? 1 : 0,
    }),
  );
}

/** @file Attributes and methods of tensors. */
import { raise } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { getItem, setItem } from "../evaluator/subscripts";
import { binary, unary } from "../evaluator/operators";
import { is } from "../values/inspect";
import { int, native, tuple, unknown } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { operations } from "./operations/index";
import { DEVICE } from "./devices";
import { Reader, shapeOf } from "./arguments";
import { asView, permute } from "./operations/views";
import { functionNamed } from "./written";

/** Methods that change the tensor; all others that end in one underscore do so too. */
function isInPlace(name: string): boolean {
  return name.endsWith("_") && !name.startsWith("__") && !KEEPS.has(name);
}

const KEEPS = new Set(["requires_grad_", "detach_", "share_memory_", "is_contiguous_"]);

const OPERATORS: Readonly<Record<string, string>> = {
  __add__: "+",
  __radd__: "+",
  __sub__: "-",
  __mul__: "*",
  __rmul__: "*",
  __truediv__: "/",
  __matmul__: "@",
  __pow__: "**",
  __and__: "&",
  __or__: "|",
};

/** An attribute or bound method of a tensor; undefined where torch has none. */
export function readTensorAttribute(interpreter: Interpreter, t: TensorValue, name: string): Value | undefined {
  const own = t.attributes?.get(name);
  if (own !== undefined) return own;
  const other = interpreter.arrayAttribute?.(interpreter, t, name);
  if (other !== undefined) return other;
  const { builder } = interpreter;
  switch (name) {
    case "shape":
      if (t.shape === undefined && builder.isOpen(t)) return openShape(interpreter, t);
      if (t.shape === undefined) return unknown("the shape of a tensor behind an opaque operator", t);
      return tuple(t.shape.map(int));
    case "dtype":
      return { k: "dtype", type: t.type };
    case "device":
      return DEVICE;
    case "ndim":
      return int(shapeOf(interpreter, t).length);
    case "T":
    case "mT":
    case "H": {
      const rank = shapeOf(interpreter, t).length;
      if (rank < 2) return t;
      const perm = Array.from({ length: rank }, (_, i) => i);
      if (name === "T") perm.reverse();
      else [perm[rank - 1], perm[rank - 2]] = [rank - 2, rank - 1];
      return permute(new Reader(interpreter, ["input"], { positional: [t], keywords: new Map() }), t, perm);
    }
    case "data":
      return asView(
        t,
        t,
        (base) => base,
        (_, value) => value,
      );
    case "grad":
    case "grad_fn":
    case "names":
      return null;
    case "requires_grad":
      return t.parameter ? t.parameter.trainable && !t.parameter.buffer : false;
    case "is_leaf":
      return t.parameter !== undefined;
    case "is_cuda":
    case "is_sparse":
    case "is_quantized":
    case "is_nested":
    case "is_meta":
    case "is_mps":
      return false;
    case "itemsize":
      return int(4);
    case "layout":
      return unknown("layout");
    case "__len__":
      return native(name, () => int(shapeOf(interpreter, t)[0] ?? raise("TypeError", "len() of a 0-d tensor")));
    case "requires_grad_":
      return native(name, (i, a) => {
        writeTensorAttribute(i, t, "requires_grad", a.positional[0] ?? a.keywords.get("requires_grad") ?? true);
        return t;
      });
    case "__getitem__":
      return native(name, (i, a) => getItem(i, t, a.positional[0] ?? null));
    case "__setitem__":
      return native(name, (i, a) => {
        setItem(i, t, a.positional[0] ?? null, a.positional[1] ?? null);
        return null;
      });
    case "__iter__":
      return native(name, (i) => ({ k: "iterator", items: iterate(i, t) ?? [], at: 0 }));
    case "__neg__":
      return native(name, (i) => unary(i, "-", t));
    case "size":
      if (t.shape === undefined && builder.isOpen(t)) {
        return native("size", (i, a) => {
          const d = a.positional[0] ?? a.keywords.get("dim");
          return d === undefined
            ? openShape(i, t)
            : operations.callable("size")!.call(i, { ...a, positional: [t, ...a.positional] });
        });
      }
      break;
    default:
  }
  const operator = OPERATORS[name];
  if (operator !== undefined) return native(name, (i, a) => binary(i, operator, t, a.positional[0] ?? null));
  const callable =
    functionNamed(interpreter, name) ?? (isInPlace(name) ? functionNamed(interpreter, name.slice(0, -1)) : undefined);
  if (!callable) {
    if (name.startsWith("_")) return undefined;
    // An input with attributes that tensors do not have is an object of some other kind.
    if (t.shape === undefined && builder.isOpen(t) && !TENSOR_METHODS.has(name) && interpreter.tries === 0)
      builder.needShape(t, { record: true });
    return TENSOR_METHODS.has(name) ? { k: "bound", callee: opaqueMethod(name), self: t } : undefined;
  }
  if (!isInPlace(name)) return { k: "bound", callee: callable, self: t };
  return native(name, (i, a) => {
    const result = call(i, callable, { ...a, positional: [t, ...a.positional] });
    if (is(result, "tensor")) i.builder.overwrite(t, result);
    return t;
  });
}

/** Methods that exist in torch and have no entry in the tables; anything else is an AttributeError, as `hasattr` expects. */
const TENSOR_METHODS = new Set(
  (
    "nonzero unique unique_consecutive masked_select masked_scatter masked_scatter_ " +
    "index_put index_put_ scatter_reduce_ put_ take histc bincount cummax cummin logcumsumexp diff median mode kthvalue quantile nanmedian " +
    "inverse det logdet slogdet cholesky qr svd eig matrix_power matrix_exp pinverse trace lu_solve " +
    "xlogy digamma lgamma polygamma erfc erfinv i0 sinc logit hypot heaviside allclose isclose equal count_nonzero searchsorted bucketize " +
    "addcdiv addcdiv_ addmv addr as_strided diag_embed diagflat fill_diagonal_ renorm stft istft to_sparse apply_ map_ put swapaxes_ t_ squeeze_multiple cov corrcoef " +
    "dequantize quantize_per_tensor int_repr q_scale ldexp copysign nextafter gcd lcm fmod fmod_ deg2rad rad2deg to_padded_tensor is_pinned chalf"
  ).split(" "),
);

function opaqueMethod(name: string): Value {
  return native(name, (i, a) => {
    const tensors = i.tensorsIn([...a.positional, ...a.keywords.values()]);
    i.calls++;
    i.noteOpaque(name, `${name} has no entry in the tables`);
    return i.builder.opaque(name, tensors);
  });
}

/**
 * The shape of a graph input that is still open: unpacking it tells the rank, indexing it asks for the size.
 */
function openShape(interpreter: Interpreter, t: TensorValue): Value {
  const cls = interpreter.environment.builtin("object");
  if (!is(cls, "class")) return unknown("shape");
  const need = (hint: Parameters<typeof interpreter.builder.needShape>[1]): Value => {
    interpreter.builder.needShape(t, hint);
    return tuple((t.shape ?? []).map(int));
  };
  const attributes = new Map<string, Value>();
  const shapeClass = { ...cls, name: "Size", attributes };
  const order = [shapeClass, ...cls.order];
  Object.assign(shapeClass, { order });
  attributes.set(
    "__getitem__",
    native("__getitem__", (i, a) => {
      const index = a.positional[1] ?? null;
      if (is(index, "int")) return getItem(i, need({ minimumRank: index.v < 0 ? -index.v : index.v + 1 }), index);
      return getItem(i, need({ minimumRank: 2 }), index);
    }),
  );
  attributes.set(
    "__len__",
    native("__len__", () => need({})),
  );
  attributes.set(
    "__iter__",
    native("__iter__", () => need({})),
  );
  for (const [method, operator] of [
    ["__eq__", "=="],
    ["__add__", "+"],
    ["__radd__", "+"],
  ] as const) {
    attributes.set(
      method,
      native(method, (i, a) => binary(i, operator, need({}), a.positional[1] ?? null)),
    );
  }
  return { k: "instance", id: interpreter.id(), cls: shapeClass, attributes: new Map(), native: { openShapeOf: t } };
}

/** `tensor.name = value`. */
export function writeTensorAttribute(interpreter: Interpreter, t: TensorValue, name: string, value: Value): void {
  if (name === "data") {
    interpreter.builder.assignData(t, value);
    return;
  }
  if (name === "requires_grad") {
    if (t.parameter && !t.parameter.buffer) {
      const cell = t.parameter;
      const before = cell.trainable;
      interpreter.journal.onRollback(() => {
        cell.trainable = before;
      });
      cell.trainable = value !== false;
    }
    return;
  }
  if (name === "grad") return;
  t.attributes ??= new Map();
  interpreter.journal.set(t.attributes, name, value);
}

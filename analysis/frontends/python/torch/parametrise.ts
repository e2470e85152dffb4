/** @file torch.nn.utils: weight and spectral normalisation, which compute a layer's weight from other parameters. */
import { elementCount } from "../../../graph/tensor";
import type { Interpreter } from "../evaluator/interpreter";
import { findInClass, getAttribute } from "../evaluator/attributes";
import { call, callModule } from "../evaluator/functions";
import { intOf, is } from "../values/inspect";
import { positional } from "../values/make";
import type { InstanceValue, TensorValue, Value } from "../values/value";

/** Weights that are computed whenever they are read. */
export interface Computed {
  readonly computed: Map<string, (interpreter: Interpreter) => TensorValue>;
}

/** The rule that computes an attribute of a layer, if it has one. */
export function computedWeight(m: InstanceValue, name: string): ((interpreter: Interpreter) => TensorValue) | undefined {
  return (m.native as Computed | undefined)?.computed?.get(name);
}

function compute(m: InstanceValue, name: string, rule: (interpreter: Interpreter) => TensorValue): void {
  const table = (m.native as Computed | undefined)?.computed ?? new Map();
  table.set(name, rule);
  m.native = { ...(m.native as object | undefined), computed: table };
}

function without<T>(items: readonly T[], at: number): T[] {
  return items.filter((_, i) => i !== at);
}

/** weight = g * v / |v|, the norm taken over all axes but one. */
export function weightNorm(interpreter: Interpreter, m: Value, name: string, dim: Value, modern: boolean): Value {
  if (!is(m, "instance")) return m;
  const w = m.attributes.get(name);
  if (!is(w, "tensor") || !w.shape || !w.parameter) return m;
  const rank = w.shape.length;
  const axis = dim === null ? undefined : (intOf(dim) ?? 0);
  const axes =
    axis === undefined
      ? w.shape.map((_, i) => i)
      : without(
          w.shape.map((_, i) => i),
          axis < 0 ? axis + rank : axis,
        );
  const { builder, journal } = interpreter;
  const gShape = w.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const origin = w.parameter.origin;
  const g = builder.parameter(gShape, w.type, { buffer: false, trainable: true, initialisation: { scheme: "default" }, origin });
  const v = builder.parameter(w.shape, w.type, {
    buffer: false,
    trainable: true,
    initialisation: w.parameter.initialisation ?? { scheme: "default" },
    origin,
  });
  journal.delete(m.attributes, name);
  journal.set(m.attributes, modern ? `parametrizations.${name}.original0` : `${name}_g`, g);
  journal.set(m.attributes, modern ? `parametrizations.${name}.original1` : `${name}_v`, v);
  compute(m, name, (i) => {
    const norm = i.builder.node("ReduceL2", [v, i.builder.ints(axes)], { keepdims: 1 });
    return i.builder.node("Mul", [v, i.builder.node("Div", [g, norm])]);
  });
  return m;
}

/** weight = w / (u^T w v) with u and v kept as buffers. */
export function spectralNorm(interpreter: Interpreter, m: Value, name: string, modern: boolean): Value {
  if (!is(m, "instance")) return m;
  const w = m.attributes.get(name);
  if (!is(w, "tensor") || !w.shape || !w.parameter) return m;
  const rows = w.shape[0] ?? 1;
  const columns = elementCount(w.shape) / rows;
  const { builder, journal } = interpreter;
  const u = builder.parameter([rows], w.type, { buffer: true, statistic: true, trainable: false });
  const v = builder.parameter([columns], w.type, { buffer: true, statistic: true, trainable: false });
  journal.delete(m.attributes, name);
  journal.set(m.attributes, modern ? `parametrizations.${name}.original` : `${name}_orig`, w);
  journal.set(m.attributes, modern ? `parametrizations.${name}.0._u` : `${name}_u`, u);
  journal.set(m.attributes, modern ? `parametrizations.${name}.0._v` : `${name}_v`, v);
  compute(m, name, (i) => {
    const flat = i.builder.reshape(w, [rows, columns]);
    const sigma = i.builder.node("MatMul", [u, i.builder.node("MatMul", [flat, v])]);
    return i.builder.node("Div", [w, sigma]);
  });
  return m;
}

/**
 * torch.nn.utils.parametrize.register_parametrization: the tensor is what the module's forward makes of its originals, of which
 * there are several where `right_inverse` returns several.
 */
export function registerParametrization(interpreter: Interpreter, m: Value, name: string, by: Value): Value {
  if (!is(m, "instance") || !is(by, "instance")) return m;
  const before = computedWeight(m, name);
  const w = m.attributes.get(name);
  if (before === undefined && !is(w, "tensor")) return m;
  const { journal } = interpreter;
  const key = `parametrizations.${name}`;
  const index = [...m.attributes.keys()].filter((k) => k.startsWith(`${key}.`) && /\.\d+$/.test(k)).length;
  let read: (i: Interpreter) => Value[];
  if (before !== undefined) read = (i) => [before(i)];
  else {
    const originals = originalsOf(interpreter, w as TensorValue, by);
    journal.delete(m.attributes, name);
    originals.forEach((t, i) => journal.set(m.attributes, `${key}.original${originals.length > 1 ? i : ""}`, t));
    read = () => originals;
    // How many originals there are could not be found out: nothing is claimed of what is made of them.
    if (originals.length === 1 && requiredInputs(by) > 1) {
      journal.set(m.attributes, `${key}.${index}`, by);
      compute(m, name, (i) => i.builder.opaque(by.cls.name, i.tensorsIn([...originals, by])));
      return m;
    }
  }
  journal.set(m.attributes, `${key}.${index}`, by);
  compute(m, name, (i) => {
    const inputs = read(i);
    const made = callModule(i, by, positional(...inputs));
    return is(made, "tensor") ? made : i.builder.opaque(by.cls.name, i.tensorsIn([...inputs, by]));
  });
  return m;
}

/** Number of tensors that a parametrisation's forward cannot do without. */
function requiredInputs(by: InstanceValue): number {
  const forward = findInClass(by.cls, "forward");
  return is(forward, "function")
    ? forward.params.slice(1).filter((p) => p.form === "positional" && p.defaultValue === undefined).length
    : 1;
}

/** What the module computes the tensor from: the tensor itself, or parameters of the shapes that `right_inverse` returns. */
function originalsOf(interpreter: Interpreter, w: TensorValue, by: InstanceValue): TensorValue[] {
  if (findInClass(by.cls, "right_inverse") === undefined || !w.parameter) return [w];
  const { builder } = interpreter;
  const inverse = call(interpreter, getAttribute(interpreter, by, "right_inverse"), positional(w), "right_inverse");
  const parts = is(inverse, "tuple") || is(inverse, "list") ? inverse.items : [inverse];
  const known = parts.filter((p): p is TensorValue => is(p, "tensor") && p.shape !== undefined);
  if (known.length !== parts.length) return [w];
  const [only] = known;
  if (known.length === 1 && only!.shape!.join() === w.shape?.join()) return [w];
  const { origin } = w.parameter;
  return known.map(({ shape, type }) =>
    builder.parameter([...shape!], type, {
      buffer: false,
      trainable: true,
      initialisation: { scheme: "computed", ...(origin ? { origin } : {}) },
      origin,
    }),
  );
}

/** Removes a weight normalisation: the weight is a parameter again. */
export function removeNorm(interpreter: Interpreter, m: Value, name: string): Value {
  if (!is(m, "instance")) return m;
  const v = m.attributes.get(`${name}_v`) ?? m.attributes.get(`${name}_orig`);
  (m.native as Computed | undefined)?.computed?.delete(name);
  if (v !== undefined) {
    for (const suffix of ["_g", "_v", "_orig", "_u"]) interpreter.journal.delete(m.attributes, `${name}${suffix}`);
    interpreter.journal.set(m.attributes, name, v);
  }
  return m;
}

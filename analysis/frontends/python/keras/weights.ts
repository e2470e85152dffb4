/** @file Variables of Keras layers: how they are named, how they start, and whether they train. */
import type { ElementType } from "../../../graph/tensor";
import { uniformValue } from "../emit/initialisation";
import { raise } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { elementType } from "../arrays/support";
import { intOf, is, numberOf } from "../values/inspect";
import type { InstanceValue, ParameterCell, TensorValue, Value } from "../values/value";
import { VARIABLE } from "./naming";

/** How a variable starts. */
export type Start = NonNullable<ParameterCell["initialisation"]>;

/** Keras's names of initialisers -> the schemes that rules know. */
const SCHEMES: Readonly<Record<string, Start>> = {
  zeros: { scheme: "zeros_", constant: 0 },
  zero: { scheme: "zeros_", constant: 0 },
  ones: { scheme: "ones_", constant: 1 },
  one: { scheme: "ones_", constant: 1 },
  glorot_uniform: { scheme: "xavier_uniform_" },
  glorot_normal: { scheme: "xavier_normal_" },
  he_uniform: { scheme: "kaiming_uniform_" },
  he_normal: { scheme: "kaiming_normal_" },
  lecun_uniform: { scheme: "kaiming_uniform_" },
  lecun_normal: { scheme: "kaiming_normal_" },
  random_normal: { scheme: "normal_", std: 0.05 },
  normal: { scheme: "normal_", std: 0.05 },
  random_uniform: { scheme: "uniform_" },
  uniform: { scheme: "uniform_" },
  truncated_normal: { scheme: "trunc_normal_", std: 0.05 },
  orthogonal: { scheme: "orthogonal_" },
  identity: { scheme: "eye_" },
  variance_scaling: { scheme: "kaiming_normal_" },
};

/** What an initialiser does: its name, or an instance of `keras.initializers`. */
export function startOf(v: Value, fallback: Start): Start {
  if (typeof v === "string") return SCHEMES[v.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase()] ?? { scheme: v };
  if (is(v, "instance") || is(v, "class")) {
    const cls = is(v, "instance") ? v.cls : v;
    const name = cls.name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
    const attributes = is(v, "instance") ? v.attributes : new Map<string, Value>();
    if (name === "constant") {
      const constant = numberOf(attributes.get("value"));
      return { scheme: "constant_", ...(constant !== undefined ? { constant } : {}) };
    }
    const known = SCHEMES[name];
    const std = numberOf(attributes.get("stddev"));
    return { ...(known ?? { scheme: name }), ...(std !== undefined ? { std } : {}) };
  }
  return fallback;
}

/** Where a layer was made, as the origin of its variables. */
function originOf(interpreter: Interpreter, layer: InstanceValue): ParameterCell["origin"] {
  const { made } = layer;
  if (!made) return interpreter.origin();
  return { range: made.range, related: made.callers.slice(0, 3).map((range) => ({ label: "called from here", range })) };
}

/** Makes a variable of a layer. Throws PythonError (ValueError) for a shape that is none. */
export function addVariable(
  interpreter: Interpreter,
  layer: InstanceValue,
  name: string,
  shape: readonly number[],
  start: Start,
  options: { readonly trainable?: boolean; readonly type?: ElementType; readonly attribute?: string } = {},
): TensorValue {
  if (shape.some((d) => !Number.isInteger(d) || d < 0))
    raise("ValueError", `a variable of shape [${shape.join(", ")}] cannot be made`);
  const trainable = options.trainable ?? true;
  const t = interpreter.builder.parameter([...shape], options.type ?? "float32", {
    buffer: !trainable,
    trainable: trainable && layer.attributes.get("_trainable") !== false,
    initialisation: start,
    origin: originOf(interpreter, layer),
  });
  let unique = name;
  for (let i = 1; layer.attributes.has(VARIABLE + unique); i++) unique = `${name}_${i}`;
  interpreter.journal.set(layer.attributes, VARIABLE + unique, t);
  if (options.attribute !== undefined) interpreter.journal.set(layer.attributes, options.attribute, t);
  return t;
}

/** The variables that a layer holds itself, by name. */
export function ownVariables(layer: InstanceValue): [string, TensorValue][] {
  const out: [string, TensorValue][] = [];
  const known = new Set<number>();
  for (const [k, v] of layer.attributes) {
    if (!k.startsWith(VARIABLE) || !is(v, "tensor") || !v.parameter) continue;
    out.push([k.slice(VARIABLE.length), v]);
    known.add(v.parameter.id);
  }
  // `keras.Variable` and `tf.Variable` in an attribute of one's own.
  for (const [k, v] of layer.attributes) {
    if (k.startsWith("@") || !is(v, "tensor") || !v.parameter || known.has(v.parameter.id)) continue;
    out.push([k, v]);
    known.add(v.parameter.id);
  }
  return out;
}

/** A shape argument of `add_weight`; None counts as one. */
export function shapeValue(v: Value): number[] {
  const one = intOf(v);
  if (one !== undefined) return [one];
  if (!is(v, "tuple") && !is(v, "list")) return [];
  return v.items.map((i) => intOf(i) ?? raise("ValueError", "a size of a variable's shape is not known"));
}

/** `keras.Variable(initial, trainable=...)`, `tf.Variable(...)`: a variable out of given values. */
export function variableFrom(interpreter: Interpreter, value: TensorValue, trainable: boolean): TensorValue {
  const constant = uniformValue(value.constant);
  return interpreter.builder.parameter(
    value.shape,
    value.type,
    {
      buffer: !trainable,
      trainable,
      initialisation: value.drawn
        ? { ...value.drawn, origin: interpreter.origin() }
        : { scheme: "computed", ...(constant !== undefined ? { constant } : {}), origin: interpreter.origin() },
    },
    trainable ? undefined : value.constant,
  );
}

/** The element type that `dtype=` names. */
export function typeArgument(v: Value, fallback: ElementType): ElementType {
  return elementType(v) ?? fallback;
}

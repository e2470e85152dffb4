/** @file Activations of Keras: by name, as functions, and as layers. */
import { arrays } from "../arrays/index";
import { torch } from "../arrays/support";
import { notUnderstood, raise } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { Reader, shapeOf } from "../torch/arguments";
import { gelu } from "../torch/operations/pointwise";
import { is } from "../values/inspect";
import { int, native, positional } from "../values/make";
import type { ClassValue, TensorValue, Value } from "../values/value";
import { type KerasContext, kerasLayer, type KerasSpec } from "./spec";

/** Names of keras.activations that the array table knows under the same or another name. */
const NAMES: Readonly<Record<string, string>> = {
  relu: "relu",
  leaky_relu: "leaky_relu_02",
  relu6: "relu6",
  softmax: "softmax",
  elu: "elu",
  selu: "selu",
  celu: "celu",
  softplus: "softplus",
  softsign: "softsign",
  silu: "silu",
  swish: "silu",
  tanh: "tanh",
  sigmoid: "sigmoid",
  exponential: "exponential",
  hard_sigmoid: "hard_sigmoid",
  hard_silu: "hard_silu",
  hard_swish: "hard_silu",
  hard_tanh: "hard_tanh",
  tanh_shrink: "tanh_shrink",
  linear: "linear",
  mish: "mish",
  log_softmax: "log_softmax",
  log_sigmoid: "log_sigmoid",
  glu: "glu",
};

/** keras.activations.relu takes a slope, a ceiling and a threshold. */
function relu(
  c: { interpreter: Interpreter },
  x: TensorValue,
  slope: number,
  ceiling: number | undefined,
  threshold: number,
): TensorValue {
  const b = c.interpreter.builder;
  if (threshold !== 0) return notUnderstood("a ReLU with a threshold");
  const out = slope === 0 ? b.node("Relu", [x]) : b.node("LeakyRelu", [x], { alpha: slope });
  return ceiling === undefined ? out : b.node("Clip", [out, undefined, b.scalar(ceiling, x.type)]);
}

const ACTIVATIONS = new Map<string, Value>();
for (const [name, to] of Object.entries(NAMES)) {
  const callable = arrays.callable(to);
  if (callable) ACTIVATIONS.set(name, { ...callable, name });
}
ACTIVATIONS.set(
  "gelu",
  native("gelu", (i, a) => {
    const x = a.positional[0] ?? null;
    if (!is(x, "tensor")) return notUnderstood("gelu of something that is not a tensor");
    i.calls++;
    shapeOf(i, x);
    const approximate = a.positional[1] ?? a.keywords.get("approximate") ?? false;
    return gelu(i.builder, x, approximate === true ? "tanh" : "none");
  }),
);

ACTIVATIONS.set(
  "relu",
  native("relu", (i, args) => {
    i.calls++;
    const a = new Reader(i, ["inputs", "negative_slope", "max_value", "threshold"], args);
    const ceiling = a.has("max_value") ? a.number("max_value") : undefined;
    return relu(a, a.tensor("inputs"), a.number("negative_slope", 0), ceiling, a.number("threshold", 0));
  }),
);

/** The activation of a name; undefined where Keras has none. */
export function activationNamed(name: string): Value | undefined {
  return ACTIVATIONS.get(name);
}

/** All activations by name. */
export function activationEntries(): [string, Value][] {
  return [...ACTIVATIONS];
}

/** Applies what `activation=` may be: None, a name, a function or a layer. */
export function activate(interpreter: Interpreter, activation: Value, x: TensorValue): TensorValue {
  if (activation === null) return x;
  const f = typeof activation === "string" ? activationNamed(activation) : activation;
  if (f === undefined) return raise("ValueError", `unknown activation '${String(activation)}'`);
  if (is(f, "tensor")) return notUnderstood("an activation that is a tensor");
  if (typeof activation === "string") interpreter.calls--;
  const out = call(interpreter, f, positional(x));
  return is(out, "tensor") ? out : notUnderstood("an activation that does not give a tensor");
}

function same(operation: string): KerasSpec["call"] {
  return (c: KerasContext) => torch(c.interpreter, operation, [c.x]);
}

/** The layers of keras.layers that only activate. */
export function activationLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: KerasSpec): void => {
    out.push(kerasLayer(base, name, spec));
  };
  add("Activation", { params: "activation", call: (c) => activate(c.interpreter, c.value("activation"), c.x) });
  add("ReLU", {
    params: "max_value=None negative_slope=0.0 threshold=0.0",
    call: (c) =>
      relu(
        c,
        c.x,
        c.number("negative_slope", 0),
        c.has("max_value") ? c.number("max_value") : undefined,
        c.number("threshold", 0),
      ),
  });
  add("LeakyReLU", {
    params: "negative_slope=0.3",
    call: (c) => relu(c, c.x, c.has("alpha") ? c.number("alpha") : c.number("negative_slope", 0.3), undefined, 0),
  });
  add("PReLU", {
    params: "alpha_initializer=zeros alpha_regularizer alpha_constraint shared_axes=None",
    build(c, shapes) {
      const shared = c.ints("shared_axes") ?? [];
      const shape = (shapes[0] ?? []).slice(1).map((d, i) => (shared.includes(i + 1) ? 1 : d));
      c.weight("alpha", shape);
    },
    call: (c) => c.builder.node("PRelu", [c.x, c.required("alpha")]),
  });
  add("ELU", { params: "alpha=1.0", call: (c) => c.builder.node("Elu", [c.x], { alpha: c.number("alpha", 1) }) });
  add("ThresholdedReLU", {
    params: "theta=1.0",
    call: (c) => c.builder.node("ThresholdedRelu", [c.x], { alpha: c.number("theta", 1) }),
  });
  add("Softmax", {
    params: "axis=-1",
    inputs: "inputs mask",
    call(c) {
      if (c.has("mask")) return notUnderstood("a softmax with a mask");
      return arrays.callable("softmax")!.call(c.interpreter, { positional: [c.x, int(c.int("axis", -1))], keywords: new Map() });
    },
  });
  add("GELU", { params: "approximate=False", call: (c) => gelu(c.builder, c.x, c.bool("approximate", false) ? "tanh" : "none") });
  add("SiLU", { params: "", call: same("silu") });
  return out;
}

/** @file jax, jax.numpy, jax.nn, jax.lax and jax.random, as far as models in Flax use them. */
import { arrays } from "../arrays/index";
import { ELEMENT_TYPES, torch } from "../arrays/support";
import { notUnderstood } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import { iterate } from "../evaluator/iterate";
import { poolWindows } from "../keras/pooling";
import { channelsBack, channelsFirst, samePads } from "../keras/layout";
import { counted, Reader, shapeOf } from "../torch/arguments";
import { drawnTensor } from "../torch/operations/creation";
import { gelu } from "../torch/operations/pointwise";
import { reduce } from "../torch/operations/reductions";
import { namespaceOf } from "../values/namespaces";
import { intOf, is } from "../values/inspect";
import { float, int, list, native, tuple, unknown } from "../values/make";
import type { NamespaceValue, Value } from "../values/value";
import { ATTENTION_FUNCTIONS } from "./attention";
import { ONES, type Start, STARTS, ZEROS } from "./context";

/** jax.numpy's names -> those of the array table, where they differ. */
const NUMPY: Readonly<Record<string, string>> = {
  concat: "concatenate",
  abs: "abs",
  eye: "eye",
  identity: "identity_matrix",
  array: "array",
  pow: "pow",
};

/** Functions that give their first argument, or the function that they are given. */
function identity(names: string): [string, Value][] {
  return names.split(" ").map((n) => [n, native(n, (_, a) => a.positional[0] ?? native(n, (__, b) => b.positional[0] ?? null))]);
}

const NN: readonly [string, Value][] = [
  // JAX's GELU is the one by tanh unless told otherwise, as in the array table.
  counted("gelu", "x approximate", (a) => {
    const x = a.tensor("x");
    shapeOf(a.interpreter, x);
    return gelu(a.builder, x, a.bool("approximate", true) ? "tanh" : "none");
  }),
  counted("one_hot", "x num_classes", (a) =>
    arrays.callable("one_hot")!.call(a.interpreter, { positional: [a.tensor("x"), a.value("num_classes")], keywords: new Map() }),
  ),
  counted("standardize", "x axis", (a) => {
    const b = a.builder;
    const x = a.tensor("x");
    const rank = shapeOf(a.interpreter, x).length;
    const axis = a.int("axis", -1);
    const over = [axis < 0 ? axis + rank : axis];
    const centred = b.node("Sub", [x, reduce(b, "ReduceMean", x, over, true)]);
    const variance = reduce(b, "ReduceMean", b.node("Mul", [centred, centred]), over, true);
    return b.node("Div", [centred, b.node("Sqrt", [b.node("Add", [variance, b.scalar(1e-5, x.type)])])]);
  }),
];

/** An initialiser: a function of a key and a shape. */
function initialiser(name: string, start: Start): Value {
  const made = native(name, (i, args) => {
    const a = new Reader(i, ["key", "shape", "dtype"], args);
    const shape = a.ints("shape") ?? [];
    if (start.constant !== undefined) return i.builder.constant({ shape, at: () => start.constant! }, "float32");
    return drawnTensor(shape, "float32", { scheme: start.scheme, ...(start.std !== undefined ? { std: start.std } : {}) });
  });
  STARTS.set(made, start);
  return made;
}

/** jax.nn.initializers: functions that make initialisers, and `zeros` and `ones`, which are some. */
const MAKERS: Readonly<Record<string, string>> = {
  normal: "normal_",
  truncated_normal: "trunc_normal_",
  uniform: "uniform_",
  lecun_normal: "kaiming_normal_",
  lecun_uniform: "kaiming_uniform_",
  he_normal: "kaiming_normal_",
  he_uniform: "kaiming_uniform_",
  kaiming_normal: "kaiming_normal_",
  kaiming_uniform: "kaiming_uniform_",
  xavier_normal: "xavier_normal_",
  xavier_uniform: "xavier_uniform_",
  glorot_normal: "xavier_normal_",
  glorot_uniform: "xavier_uniform_",
  orthogonal: "orthogonal_",
  variance_scaling: "kaiming_normal_",
};

/** The module `jax.nn.initializers`. */
export const INITIALIZERS: NamespaceValue = namespaceOf("jax.nn.initializers", [
  ["zeros", initialiser("zeros", ZEROS)],
  ["ones", initialiser("ones", ONES)],
  ["zeros_init", native("zeros_init", () => initialiser("zeros", ZEROS))],
  ["ones_init", native("ones_init", () => initialiser("ones", ONES))],
  [
    "constant",
    native("constant", (i, args) => {
      const a = new Reader(i, ["value"], args);
      const v = a.value("value");
      return is(v, "tensor")
        ? initialiser("constant", { scheme: "constant_" })
        : initialiser("constant", { scheme: "constant_", constant: a.number("value") });
    }),
  ],
  ...Object.entries(MAKERS).map(([name, scheme]): [string, Value] => [
    name,
    native(name, (i, args) => {
      const a = new Reader(i, ["stddev"], args);
      const std = scheme === "normal_" || scheme === "trunc_normal_" ? (a.has("stddev") ? a.number("stddev") : 0.01) : undefined;
      return initialiser(name, { scheme, ...(std !== undefined ? { std } : {}) });
    }),
  ]),
]);

/** A random draw: `normal(key, shape)`. */
function draw(name: string, scheme: string): [string, Value] {
  return [
    name,
    native(name, (i, args) => {
      const a = new Reader(i, name === "truncated_normal" ? ["key", "lower", "upper", "shape"] : ["key", "shape"], args);
      return drawnTensor(a.ints("shape") ?? [], "float32", { scheme, ...(scheme === "normal_" ? { std: 1 } : {}) });
    }),
  ];
}

const KEYS: readonly [string, Value][] = ["PRNGKey", "key", "fold_in", "wrap_key_data"].map((n) => [
  n,
  native(n, () => unknown("a key for random numbers")),
]);

const RANDOM = namespaceOf("jax.random", [
  ...KEYS,
  [
    "split",
    native("split", (_, a) => {
      const n = intOf(a.positional[1] ?? a.keywords.get("num")) ?? 2;
      return list(Array.from({ length: n }, () => unknown("a key for random numbers")));
    }),
  ],
  draw("normal", "normal_"),
  draw("uniform", "uniform_"),
  draw("truncated_normal", "trunc_normal_"),
  draw("bernoulli", "uniform_"),
  draw("categorical", "uniform_"),
]);

/** `jax.lax.scan(f, init, xs, length)`: the steps one by one, where they are few. */
function scan(a: Reader): Value {
  const i = a.interpreter;
  const xs = a.value("xs");
  const length = is(xs, "tensor") ? shapeOf(i, xs)[0] : a.has("length") ? a.int("length") : undefined;
  if (length === undefined || length > 64 || (xs !== null && !is(xs, "tensor")))
    return notUnderstood("a scan whose steps are not known");
  const items = is(xs, "tensor") ? iterate(i, xs) : new Array<Value>(length).fill(null);
  if (!items) return notUnderstood("a scan whose steps are not known");
  let carry = a.value("init");
  const outputs: Value[] = [];
  for (const x of items) {
    const result = call(i, a.value("f"), { positional: [carry, x], keywords: new Map() });
    if (!is(result, "tuple") && !is(result, "list")) return notUnderstood("a scan whose function does not give a pair");
    carry = result.items[0]!;
    outputs.push(result.items[1] ?? null);
  }
  const stacked = outputs.every((o) => is(o, "tensor"))
    ? arrays.callable("stack")!.call(i, { positional: [list(outputs)], keywords: new Map() })
    : null;
  return tuple([carry, stacked]);
}

const LAX: readonly [string, Value][] = [
  ...identity("stop_gradient with_sharding_constraint optimization_barrier"),
  counted("rsqrt", "x", (a) => torch(a.interpreter, "rsqrt", [a.tensor("x")])),
  counted("select", "pred on_true on_false", (a) =>
    torch(a.interpreter, "where", [a.tensor("pred"), a.tensor("on_true"), a.tensor("on_false")]),
  ),
  counted("scan", "f init xs length", scan),
  counted("dynamic_slice_in_dim", "operand start_index slice_size axis", (a) => {
    const start = a.int("start_index");
    return a.builder.slice(a.tensor("operand"), a.int("axis", 0), start, start + a.int("slice_size"));
  }),
];

/** Windows of `nn.avg_pool(x, window_shape, strides, padding)`: strides are 1 unless they are given. */
export function poolFunctions(): [string, Value][] {
  return (["max_pool", "avg_pool"] as const).map((name) =>
    counted(name, "inputs window_shape strides padding count_include_pad", (a) => {
      const x = a.tensor("inputs");
      const size = a.ints("window_shape") ?? notUnderstood("the window of a pooling is not known");
      if (x.shape === undefined) a.builder.needShape(x, { rank: size.length + 2, channelsLast: true });
      const strides = a.has("strides") ? a.repeated("strides", size.length, 1) : size.map(() => 1);
      const mode = a.value("padding");
      if (mode !== null && typeof mode !== "string") return notUnderstood("a pooling with pads of its own");
      const first = channelsFirst(a.interpreter, x);
      const kind = name === "max_pool" ? "MaxPool" : "AveragePool";
      const same = typeof mode === "string" && mode.toLowerCase() === "same";
      // Flax's average counts what the padding adds, Keras's does not.
      if (kind === "AveragePool" && same) {
        const { before, after } = samePads(
          shapeOf(a.interpreter, first).slice(2),
          size,
          strides,
          size.map(() => 1),
        );
        const out = a.builder.node("AveragePool", [first], {
          kernel_shape: size,
          strides,
          pads: [...before, ...after],
          count_include_pad: 1,
          ceil_mode: 0,
        });
        return channelsBack(a.interpreter, out);
      }
      return channelsBack(a.interpreter, poolWindows(a, kind, first, size, strides, same ? "same" : "valid"));
    }),
  );
}

/** All activations and functions of jax.nn by name. */
export function neuralFunction(name: string): Value | undefined {
  const own = NN.find(([n]) => n === name);
  if (own) return own[1];
  if (name === "dot_product_attention") return native(name, ATTENTION_FUNCTIONS["dot_product_attention"]!);
  return NEURAL.has(name) ? arrays.callable(name) : undefined;
}

const NEURAL = new Set(
  (
    "relu relu6 sigmoid softplus silu swish soft_sign softmax log_softmax leaky_relu elu celu selu hard_sigmoid hard_silu hard_swish hard_tanh glu tanh " +
    "log_sigmoid logsumexp normalize mish identity"
  ).split(" "),
);

/** The module tree `jax`. */
export function jaxModules(): ReadonlyMap<string, Value> {
  const numpy: NamespaceValue = namespaceOf(
    "jax.numpy",
    [
      ...ELEMENT_TYPES,
      ["pi", float(Math.PI)],
      ["inf", float(Number.POSITIVE_INFINITY)],
      ["newaxis", null],
      ["ndarray", unknown("jax.numpy.ndarray")],
      [
        "finfo",
        native("finfo", () =>
          namespaceOf("finfo", [
            ["min", float(-3.4028234663852886e38)],
            ["max", float(3.4028234663852886e38)],
            ["eps", float(1.1920928955078125e-7)],
          ]),
        ),
      ],
    ],
    (name) => (name === "linalg" ? linalg : NUMPY[name] !== undefined ? arrays.callable(NUMPY[name]) : arrays.callable(name)),
  );
  const linalg = namespaceOf("jax.numpy.linalg", [], (name) => arrays.callable(name));
  const nn = namespaceOf("jax.nn", [["initializers", INITIALIZERS]], neuralFunction);
  const lax: NamespaceValue = namespaceOf("jax.lax", LAX, (name) => arrays.callable(name));
  const tree = namespaceOf("jax.tree_util", [], (name) => native(name, () => unknown(`jax.tree_util.${name}`)));
  const jax: NamespaceValue = namespaceOf("jax", [
    ["numpy", numpy],
    ["nn", nn],
    ["lax", lax],
    ["random", RANDOM],
    ["tree_util", tree],
    ["tree", tree],
    ["Array", unknown("jax.Array")],
    ...identity("jit checkpoint remat named_call named_scope"),
    ["vmap", native("vmap", () => unknown("jax.vmap"))],
    ["grad", native("grad", () => unknown("jax.grad"))],
    ["value_and_grad", native("value_and_grad", () => unknown("jax.value_and_grad"))],
    ["devices", native("devices", () => list([]))],
    ["device_count", native("device_count", () => int(1))],
    ["local_device_count", native("local_device_count", () => int(1))],
    ["eval_shape", native("eval_shape", () => unknown("shapes"))],
  ]);
  return new Map<string, Value>([
    ["jax", jax],
    ["jax.numpy", numpy],
    ["jax.numpy.linalg", linalg],
    ["jax.nn", nn],
    ["jax.nn.initializers", INITIALIZERS],
    ["jax.lax", lax],
    ["jax.random", RANDOM],
    ["jax.tree_util", tree],
    ["jax.tree", tree],
  ]);
}

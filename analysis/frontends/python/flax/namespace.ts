/** @file The module trees `flax`, `jax` and `optax`, made of the tables. */
import { arrays } from "../arrays/index";
import { notUnderstood } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import { Reader } from "../torch/arguments";
import { tensorBinary } from "../torch/arithmetic";
import { namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { dict, list, native, unknown } from "../values/make";
import type { ClassValue, NamespaceValue, TensorValue, Value } from "../values/value";
import { ATTENTION_LAYERS, attentionFunctions } from "./attention";
import { INITIALIZERS, jaxModules, neuralFunction, poolFunctions } from "./jax";
import { BASIC_LAYERS } from "./layers";
import { constructNamed, linenLayer, linenModule } from "./linen";
import { nnxLayer, nnxModule } from "./nnx";
import { optaxModule } from "./optax";
import { RECURRENT_LAYERS } from "./recurrent";

const LAYERS = [...BASIC_LAYERS, ...ATTENTION_LAYERS, ...RECURRENT_LAYERS];

/** Decorators that say how a method makes submodules; nothing that matters here. */
function decorators(names: string): [string, Value][] {
  return names.split(" ").map((n) => [n, native(n, (_, a) => a.positional[0] ?? native(n, (__, b) => b.positional[0] ?? null))]);
}

/** `nn.remat(Block)`: makes the same modules, under another name; with options only, a decorator. */
function transform(name: string, prefix: string): [string, Value] {
  const wrapped = (target: Value): Value =>
    is(target, "class")
      ? native(`${name}(${target.name})`, (i, a) =>
          target.order.some((c) => c.framework?.name === "linen") ? constructNamed(i, target, a, prefix) : call(i, target, a),
        )
      : target;
  return [
    name,
    native(name, (_, a) => {
      const target = a.positional[0] ?? a.keywords.get("target");
      return target === undefined ? native(name, (__, b) => wrapped(b.positional[0] ?? null)) : wrapped(target);
    }),
  ];
}

/** Transforms that change what a module computes or how its variables look: what they make is not known. */
function opaqueTransform(name: string): [string, Value] {
  return [name, native(name, () => unknown(`nn.${name} is not followed`))];
}

function combineMasks(args: readonly Value[], a: Reader): Value {
  const masks = args.filter((m) => m !== null);
  if (masks.length === 0) return null;
  const tensors = masks.map((m) => (is(m, "tensor") ? a.builder.cast(m, "bool") : notUnderstood("a mask that is not a tensor")));
  return tensors.reduce((x: TensorValue, y) => a.builder.node("And", [x, y]));
}

function commonFunctions(): [string, Value][] {
  return [
    ...poolFunctions(),
    ...attentionFunctions(),
    ["initializers", INITIALIZERS],
    ["combine_masks", native("combine_masks", (i, a) => combineMasks(a.positional, new Reader(i, [], a)))],
    [
      "make_attention_mask",
      native("make_attention_mask", (i, args) => {
        const a = new Reader(i, ["query", "key"], args);
        const b = a.builder;
        const product = tensorBinary(i, "*", b.unsqueeze(a.tensor("query"), [-1]), b.unsqueeze(a.tensor("key"), [-2]));
        return is(product, "tensor") ? b.unsqueeze(product, [-3]) : product;
      }),
    ],
  ];
}

/** All modules of Flax, JAX and optax by their dotted names. `root` is the class `object`. */
export function makeFlax(root: ClassValue): ReadonlyMap<string, Value> {
  const linenBase = linenModule(root);
  const linen: NamespaceValue = namespaceOf(
    "flax.linen",
    [
      ["Module", linenBase],
      ...LAYERS.filter((s) => s.params !== "").map((s): [string, Value] => [s.name, linenLayer(linenBase, s)]),
      ...commonFunctions(),
      ...decorators("compact nowrap"),
      transform("remat", "Checkpoint"),
      transform("checkpoint", "Checkpoint"),
      transform("jit", "Jit"),
      opaqueTransform("scan"),
      opaqueTransform("vmap"),
      opaqueTransform("while_loop"),
      opaqueTransform("share_scope"),
      ["with_partitioning", native("with_partitioning", (_, a) => a.positional[0] ?? null)],
      ["with_logical_partitioning", native("with_logical_partitioning", (_, a) => a.positional[0] ?? null)],
      ["with_logical_constraint", native("with_logical_constraint", (_, a) => a.positional[0] ?? null)],
      ["merge_param", native("merge_param", (_, a) => a.positional.slice(1).findLast((v) => v !== null) ?? null)],
    ],
    (name) => neuralFunction(name) ?? (name === "module" || name === "linear" ? linen : undefined),
  );
  const nnxBase = nnxModule(root);
  const variable = (trainable: boolean): Value =>
    native(trainable ? "Param" : "Variable", (i, args) => {
      const given = args.positional[0] ?? args.keywords.get("value") ?? null;
      const value = is(given, "tensor") ? given : arrays.callable("array")!.call(i, { positional: [given], keywords: new Map() });
      if (!is(value, "tensor")) return unknown("a variable of unknown shape", given);
      return i.builder.parameter(
        value.shape,
        value.type,
        {
          buffer: !trainable,
          trainable,
          initialisation: value.drawn ? { ...value.drawn, origin: i.origin() } : { scheme: "computed", origin: i.origin() },
        },
        trainable ? undefined : value.constant,
      );
    });
  const rngs = native("Rngs", () => unknown("keys for random numbers"));
  const nnx: NamespaceValue = namespaceOf(
    "flax.nnx",
    [
      ["Module", nnxBase],
      ...LAYERS.flatMap((s): [string, Value][] => {
        const cls = nnxLayer(nnxBase, s);
        return cls ? [[s.name, cls]] : [];
      }),
      ...commonFunctions(),
      ["Param", variable(true)],
      ["Variable", variable(false)],
      ["BatchStat", variable(false)],
      ["Cache", variable(false)],
      ["Rngs", rngs],
      ["List", native("List", (_, a) => (is(a.positional[0], "list") ? a.positional[0] : list([...a.positional])))],
      ["Dict", native("Dict", (_, a) => a.positional[0] ?? dict([...a.keywords]))],
      ["data", native("data", (_, a) => a.positional[0] ?? null)],
      ["static", native("static", (_, a) => a.positional[0] ?? null)],
      ["with_partitioning", native("with_partitioning", (_, a) => a.positional[0] ?? null)],
      ...decorators("jit remat compact nowrap"),
      opaqueTransform("scan"),
      opaqueTransform("vmap"),
      ...["split", "merge", "state", "update", "display", "grad", "value_and_grad", "eval_shape", "graphdef"].map(
        (n): [string, Value] => [n, native(n, () => unknown(`nnx.${n}`))],
      ),
      ...["Optimizer", "ModelAndOptimizer"].map((n): [string, Value] => [
        n,
        native(n, (i, a) => {
          i.onFact?.(`flax.nnx.${n}`, a, null);
          return unknown(n);
        }),
      ]),
    ],
    (name) => neuralFunction(name),
  );
  const training = namespaceOf("flax.training", [
    [
      "train_state",
      namespaceOf("flax.training.train_state", [
        [
          "TrainState",
          namespaceOf("TrainState", [
            [
              "create",
              native("create", (i, a) => {
                i.onFact?.("flax.training.TrainState.create", a, null);
                return unknown("a train state");
              }),
            ],
          ]),
        ],
      ]),
    ],
  ]);
  const struct = namespaceOf("flax.struct", [
    ...decorators("dataclass"),
    ["field", native("field", (_, a) => a.keywords.get("default") ?? null)],
  ]);
  const flax = namespaceOf("flax", [
    ["linen", linen],
    ["nnx", nnx],
    ["training", training],
    ["struct", struct],
  ]);
  const optax = optaxModule();
  return new Map<string, Value>([
    ["flax", flax],
    ["flax.linen", linen],
    ["flax.linen.initializers", INITIALIZERS],
    ["flax.linen.attention", linen],
    ["flax.linen.module", linen],
    ["flax.nnx", nnx],
    ["flax.training", training],
    ["flax.training.train_state", training.get("train_state")!],
    ["flax.struct", struct],
    ["optax", optax],
    ...jaxModules(),
  ]);
}

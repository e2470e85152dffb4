/** @file The module tree `torch`: nn, functional, init, optim, utils and the rest, made of the tables. */
import { makeClass } from "../evaluator/classes";
import { raise } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { COMPLEX_FUNCTIONS } from "../modules/prelude/complex";
import { instanceOf } from "../stdlib/instances";
import { functions, namespaceOf } from "../values/namespaces";
import { intOf, is } from "../values/inspect";
import { float, int, native, positional, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, Value } from "../values/value";
import { applyFunction } from "./autograd";
import { DEVICE_CLASS } from "./devices";
import { activationLayers } from "./layers/activations";
import { basicLayers } from "./layers/basic";
import { containerLayers } from "./layers/containers";
import { moduleClass } from "./layers/module";
import { normalisationLayers } from "./layers/normalisation";
import { recurrentLayers } from "./layers/recurrent";
import { constant, factCall, identity, wrapper } from "./natives";
import { neuralModules } from "./neural";
import { operations } from "./operations/index";
import { optimiserNamespace } from "./optimisers";
import { DTYPES, limits, tensorClasses } from "./tensor-classes";

/** What the rest of the evaluator needs of torch. */
export interface Torch {
  readonly modules: ReadonlyMap<string, Value>;
  readonly tensorClass: ClassValue;
  readonly parameterClass: ClassValue;
  readonly moduleClass: ClassValue;
  readonly dtypeClass: ClassValue;
  readonly classes: ReadonlyMap<string, ClassValue>;
}

/** Builds the tree. `root` is the class `object`; `written` gives the layers that are written in Python. */
export function makeTorch(root: ClassValue, written: (name: string) => Value | undefined): Torch {
  const context = makeClass({
    name: "context",
    bases: [root],
    fields: [],
    attributes: new Map<string, Value>([["__init__", native("__init__", () => null)]]),
  });
  const contexts = (names: string): [string, Value][] => names.split(" ").map((n) => [n, context]);
  const tensors = tensorClasses(root);
  const { tensorClass, parameterClass, dtypeClass, sizeClass } = tensors;
  const module = moduleClass(root);
  const layers = [
    ...containerLayers(module),
    ...basicLayers(module),
    ...normalisationLayers(module),
    ...activationLayers(module),
    ...recurrentLayers(module),
  ];
  const classes = new Map<string, ClassValue>([["Module", module], ...layers.map((c) => [c.name, c] as const)]);
  const neural = neuralModules(module, { layers, tensors, context, written });

  const checkpoint = native("checkpoint", (i, a) => {
    const [f, ...rest] = a.positional;
    const keywords = new Map(
      [...a.keywords].filter(
        ([k]) => !["use_reentrant", "preserve_rng_state", "determinism_check", "debug", "context_fn", "early_stop"].includes(k),
      ),
    );
    return f === undefined ? null : call(i, f, { positional: rest, keywords });
  });
  const checkpointSequential = native("checkpoint_sequential", (i, a) => {
    const [functionsArgument, , ...rest] = a.positional;
    let x: Value = rest[0] ?? null;
    for (const f of iterate(i, functionsArgument ?? null) ?? []) x = call(i, f, positional(x));
    return x;
  });
  const checkpointing = namespaceOf("torch.utils.checkpoint", [
    ["checkpoint", checkpoint],
    ["checkpoint_sequential", checkpointSequential],
  ]);
  const datasetClass = makeClass({ name: "Dataset", bases: [root], fields: [] });
  const data = namespaceOf("torch.utils.data", [
    ["Dataset", datasetClass],
    ["IterableDataset", datasetClass],
    ["DataLoader", factCall("torch.utils.data.DataLoader")],
  ]);
  const jit = namespaceOf("torch.jit", [
    constant("is_scripting", false),
    constant("is_tracing", false),
    ["script", wrapper("script")],
    ["script_method", wrapper("script_method")],
    ["trace", identity("trace")],
    ["ignore", wrapper("ignore")],
    ["unused", wrapper("unused")],
    ["export", wrapper("export")],
    ["interface", wrapper("interface")],
    ["Final", unknown("Final")],
    ["annotate", native("annotate", (_, a) => a.positional[1] ?? null)],
    [
      "isinstance",
      native("isinstance", (i, a) => instanceOf(i, a.positional[0] ?? null, a.positional[1] ?? null) ?? unknown("isinstance")),
    ],
  ]);
  const cuda = namespaceOf("torch.cuda", [
    constant("is_available", false),
    constant("device_count", int(1)),
    constant("current_device", int(0)),
    constant("is_bf16_supported", true),
    ...["empty_cache", "synchronize", "set_device", "manual_seed", "manual_seed_all", "reset_peak_memory_stats"].map((n) =>
      constant(n, null),
    ),
    [
      "amp",
      namespaceOf("torch.cuda.amp", [
        ...contexts("autocast"),
        ["custom_fwd", wrapper("custom_fwd")],
        ["custom_bwd", wrapper("custom_bwd")],
        ["GradScaler", factCall("torch.cuda.amp.GradScaler")],
      ]),
    ],
  ]);
  const autograd = namespaceOf("torch.autograd", [
    [
      "Function",
      makeClass({
        name: "Function",
        bases: [root],
        fields: [],
        attributes: new Map<string, Value>([["apply", { k: "wrapper", form: "class", callee: native("apply", applyFunction) }]]),
      }),
    ],
    ["Variable", identity("Variable")],
    ...contexts("no_grad enable_grad set_grad_enabled detect_anomaly"),
  ]);
  const linalg = namespaceOf(
    "torch.linalg",
    functions("torch.linalg", {
      norm: (i, a) => operations.callable("vector_norm")!.call(i, a),
      vector_norm: (i, a) => operations.callable("vector_norm")!.call(i, a),
    }),
    (n) => operations.callable(n) ?? written(n),
  );
  const special = namespaceOf("torch.special", [], (n) => operations.callable(n) ?? written(n));
  const compiler = namespaceOf("torch.compiler", [
    constant("is_compiling", false),
    constant("is_exporting", false),
    constant("is_dynamo_compiling", false),
    ["disable", wrapper("disable")],
    ["allow_in_graph", wrapper("allow_in_graph")],
  ]);
  const distributed = namespaceOf("torch.distributed", [
    constant("is_available", false),
    constant("is_initialized", false),
    constant("get_world_size", int(1)),
    constant("get_rank", int(0)),
  ]);
  const backends = namespaceOf("torch.backends", [], (n) =>
    namespaceOf(`torch.backends.${n}`, [constant("is_available", false), constant("is_built", false), ["enabled", true]]),
  );
  const dynamo = namespaceOf("torch._dynamo", [
    constant("is_compiling", false),
    ["disable", wrapper("disable")],
    ["allow_in_graph", wrapper("allow_in_graph")],
    ["config", unknown("torch._dynamo.config")],
  ]);
  const optim = optimiserNamespace(root);

  const members: [string, Value][] = [
    ["nn", neural.get("torch.nn") ?? null],
    ["Tensor", tensorClass],
    ["FloatTensor", tensorClass],
    ["Size", sizeClass],
    ["dtype", dtypeClass],
    ["device", DEVICE_CLASS],
    ["jit", jit],
    ["cuda", cuda],
    ["autograd", autograd],
    ["linalg", linalg],
    ["special", special],
    ["compiler", compiler],
    ["distributed", distributed],
    ["backends", backends],
    ["_dynamo", dynamo],
    ["optim", optim],
    [
      "utils",
      namespaceOf("torch.utils", [
        ["checkpoint", checkpointing],
        ["data", data],
      ]),
    ],
    [
      "amp",
      namespaceOf("torch.amp", [
        ...contexts("autocast"),
        ["custom_fwd", wrapper("custom_fwd")],
        ["custom_bwd", wrapper("custom_bwd")],
        ["GradScaler", factCall("torch.amp.GradScaler")],
      ]),
    ],
    ["compile", wrapper("compile")],
    ["inf", float(Number.POSITIVE_INFINITY)],
    ["pi", float(Math.PI)],
    ["nan", float(Number.NaN)],
    ["newaxis", null],
    ["__version__", "2.9.0"],
    ["strided", unknown("layout")],
    ["channels_last", unknown("memory format")],
    ["contiguous_format", unknown("memory format")],
    ["preserve_format", unknown("memory format")],
    ["finfo", native("finfo", (_, a) => limits(a, true))],
    ["iinfo", native("iinfo", (_, a) => limits(a, false))],
    ["is_tensor", native("is_tensor", (_, a) => is(a.positional[0], "tensor"))],
    ["fx", namespaceOf("torch.fx", [["wrap", wrapper("wrap")]])],
    ["_assert", native("_assert", (i, a) => assertion(i, a))],
    ["get_default_dtype", native("get_default_dtype", () => ({ k: "dtype", type: "float32" }))],
    constant("is_grad_enabled", true),
    constant("is_autocast_enabled", false),
    constant("is_inference_mode_enabled", false),
    constant("are_deterministic_algorithms_enabled", false),
    ...[
      "manual_seed",
      "seed",
      "set_default_dtype",
      "set_default_device",
      "set_float32_matmul_precision",
      "set_printoptions",
      "save",
      "set_num_threads",
      "use_deterministic_algorithms",
    ].map((n) => constant(n, null)),
    ["load", native("load", () => unknown("a file"))],
    ["broadcast_shapes", native("broadcast_shapes", (i, a) => broadcastShapesOf(i, a))],
    ...contexts("no_grad enable_grad set_grad_enabled inference_mode autocast"),
    ...Object.entries(DTYPES).map(([n, type]): [string, Value] => [n, { k: "dtype", type }]),
  ];
  const torch = namespaceOf("torch", members, (n) =>
    COMPLEX_FUNCTIONS.has(n)
      ? written(n)
      : (operations.callable(n) ??
        written(["ao", "quantization", "fft", "func", "distributions"].includes(n) ? `torch.${n}` : n)),
  );

  const modules = new Map<string, Value>([
    ["torch", torch],
    ...neural,
    ["torch.optim", optim],
    ["torch.optim.lr_scheduler", optim.get("lr_scheduler") ?? optim],
    ["torch.optim.optimizer", optim],
    ["torch.utils.checkpoint", checkpointing],
    ["torch.utils.data", data],
    ["torch.jit", jit],
    ["torch.cuda", cuda],
    ["torch.cuda.amp", cuda.get("amp") ?? cuda],
    ["torch.amp", torch.get("amp") ?? torch],
    ["torch.autograd", autograd],
    ["torch.linalg", linalg],
    ["torch.special", special],
    ["torch.distributed", distributed],
    ["torch.compiler", compiler],
    ["torch._dynamo", dynamo],
    ["torch.fx", torch.get("fx") ?? torch],
    ["torch._jit_internal", jit],
    ["torch.backends", backends],
  ]);
  return { modules, tensorClass, parameterClass, moduleClass: module, dtypeClass, classes };
}

function assertion(_: Interpreter, a: Arguments): Value {
  const message = a.positional[1];
  if (a.positional[0] === false) raise("AssertionError", typeof message === "string" ? message : "assertion fails");
  return null;
}

function broadcastShapesOf(i: Interpreter, a: Arguments): Value {
  const shapes = a.positional.map((s) => (iterate(i, s) ?? []).map((d) => intOf(d) ?? 1));
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out: number[] = new Array<number>(rank).fill(1);
  for (const s of shapes) s.forEach((d, k) => (out[rank - s.length + k] = Math.max(out[rank - s.length + k]!, d)));
  return tuple(out.map(int));
}

/** @file The module tree `torch`: nn, functional, init, optim, utils and the rest, made of the tables. */
import type { ElementType } from "../../../graph/tensor";
import { makeClass } from "../evaluator/classes";
import { notUnderstood, raise } from "../evaluator/errors";
import { tryAttribute } from "../evaluator/attributes";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { functions, namespaceOf } from "../values/namespaces";
import {
  type Arguments,
  type ClassValue,
  float,
  int,
  intOf,
  is,
  native,
  type NamespaceValue,
  positional,
  type TensorValue,
  tuple,
  unknown,
  type Value,
} from "../values/value";
import { instanceOf } from "../stdlib/instances";
import { Reader, shapeOf } from "./arguments";
import { DEVICE_CLASS } from "./devices";
import { initialisers } from "./initialisation";
import { activationLayers } from "./layers/activations";
import { basicLayers } from "./layers/basic";
import { containerLayers } from "./layers/containers";
import { moduleClass } from "./layers/module";
import { normalisationLayers } from "./layers/normalisation";
import { recurrentLayers } from "./layers/recurrent";
import { operations } from "./operations/index";
import { drawnTensor, tensorFrom } from "./operations/creation";
import { optimiserNamespace } from "./optimisers";
import { packing } from "./packing";
import { COMPLEX_FUNCTIONS } from "../modules/prelude/complex";
import { registerParametrization, removeNorm, spectralNorm, weightNorm } from "./parametrise";

const DTYPES: Readonly<Record<string, ElementType>> = {
  float32: "float32",
  float: "float32",
  float64: "float64",
  double: "float64",
  float16: "float16",
  half: "float16",
  bfloat16: "bfloat16",
  int8: "int8",
  int16: "int16",
  short: "int16",
  int32: "int32",
  int: "int32",
  int64: "int64",
  long: "int64",
  uint8: "uint8",
  uint16: "uint16",
  uint32: "uint32",
  bool: "bool",
  complex64: "complex64",
  cfloat: "complex64",
  complex128: "complex128",
  float8_e4m3fn: "other",
  float8_e5m2: "other",
  quint8: "uint8",
  qint8: "int8",
};

/** What the rest of the evaluator needs of torch. */
export interface Torch {
  readonly modules: ReadonlyMap<string, Value>;
  readonly tensorClass: ClassValue;
  readonly parameterClass: ClassValue;
  readonly moduleClass: ClassValue;
  readonly dtypeClass: ClassValue;
  readonly classes: ReadonlyMap<string, ClassValue>;
}

/** A function that returns its first argument. */
function identity(name: string): Value {
  return native(name, (_, a) => a.positional[0] ?? null);
}

/** A decorator or a wrapper: `f(module)` gives the module, `f(option=...)` gives a decorator. */
function wrapper(name: string): Value {
  return native(name, (_, a) => a.positional[0] ?? identity(name));
}

function constant(name: string, value: Value): [string, Value] {
  return [name, native(name, () => value)];
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

  const tensorClass = makeClass({ name: "Tensor", bases: [root], fields: [], construct: constructTensor });
  const parameterClass = makeClass({ name: "Parameter", bases: [tensorClass], fields: [], construct: constructParameter });
  const bufferClass = makeClass({
    name: "Buffer",
    bases: [tensorClass],
    fields: [],
    construct: (i, _, a) => {
      const t = a.positional[0] ?? a.keywords.get("data") ?? null;
      return is(t, "tensor") ? i.builder.parameter(t.shape, t.type, { buffer: true, trainable: false }, t.constant) : t;
    },
  });
  const dtypeClass = makeClass({ name: "dtype", bases: [root], fields: [] });
  const sizeClass = makeClass({
    name: "Size",
    bases: [root],
    fields: [],
    construct: (i, _, a) => tuple(iterate(i, a.positional[0] ?? tuple([])) ?? []),
  });
  const module = moduleClass(root);
  const layers = [
    ...containerLayers(module),
    ...basicLayers(module),
    ...normalisationLayers(module),
    ...activationLayers(module),
    ...recurrentLayers(module),
  ];
  const classes = new Map<string, ClassValue>([["Module", module], ...layers.map((c) => [c.name, c] as const)]);

  const functionalMembers = functions("F", {
    unfold: (i, a) => operations.callable("im2col")!.call(i, a),
    has_torch_function: () => false,
    has_torch_function_unary: () => false,
    has_torch_function_variadic: () => false,
    _mha_shape_check: (i, a) => {
      const q = a.positional[0];
      return is(q, "tensor") ? shapeOf(i, q).length === 3 : true;
    },
    _canonical_mask: (_, a) => a.positional[0] ?? a.keywords.get("mask") ?? null,
    _none_or_dtype: () => null,
  });
  const functional = namespaceOf("torch.nn.functional", functionalMembers, (n) => operations.callable(n));
  const init = namespaceOf("torch.nn.init", initialisers());
  const norm = (names: readonly string[], a: Arguments, i: Interpreter): Reader => new Reader(i, names, a);
  const utilities = namespaceOf(
    "torch.nn.utils",
    functions("torch.nn.utils", {
      weight_norm: (i, a) => {
        const r = norm(["module", "name", "dim"], a, i);
        return weightNorm(i, r.value("module"), r.text("name", "weight"), r.has("dim") ? r.value("dim") : int(0), false);
      },
      spectral_norm: (i, a) => {
        const r = norm(["module", "name"], a, i);
        return spectralNorm(i, r.value("module"), r.text("name", "weight"), false);
      },
      remove_weight_norm: (i, a) => removeNorm(i, a.positional[0] ?? null, "weight"),
      remove_spectral_norm: (i, a) => removeNorm(i, a.positional[0] ?? null, "weight"),
      fuse_conv_bn_eval: (_, a) => a.positional[0] ?? null,
    }),
    (n) =>
      n === "rnn"
        ? sequences
        : n === "parametrize"
          ? parametrize
          : n === "parametrizations"
            ? parametrizations
            : n.startsWith("clip_grad")
              ? factCall(`torch.nn.utils.${n}`)
              : undefined,
  );
  const parametrizations = namespaceOf(
    "torch.nn.utils.parametrizations",
    functions("torch.nn.utils.parametrizations", {
      weight_norm: (i, a) => {
        const r = norm(["module", "name", "dim"], a, i);
        return weightNorm(i, r.value("module"), r.text("name", "weight"), r.has("dim") ? r.value("dim") : int(0), true);
      },
      spectral_norm: (i, a) => spectralNorm(i, a.positional[0] ?? null, "weight", true),
    }),
  );
  const parametrize = namespaceOf(
    "torch.nn.utils.parametrize",
    functions("torch.nn.utils.parametrize", {
      register_parametrization: (i, a) => {
        const r = norm(["module", "tensor_name", "parametrization"], a, i);
        return registerParametrization(i, r.value("module"), r.text("tensor_name", "weight"), r.value("parametrization"));
      },
      is_parametrized: (_, a) => {
        const [m] = a.positional;
        return is(m, "instance") && [...m.attributes.keys()].some((k) => k.startsWith("parametrizations."));
      },
    }),
  );
  const sequences = namespaceOf("torch.nn.utils.rnn", packing());
  const attention = namespaceOf("torch.nn.attention", [...contexts("sdpa_kernel"), ["SDPBackend", unknown("SDPBackend")]]);
  const nnMembers: [string, Value][] = [
    ...layers.map((c): [string, Value] => [c.name, c]),
    ["Module", module],
    ["Parameter", parameterClass],
    ["Buffer", bufferClass],
    ["functional", functional],
    ["init", init],
    ["utils", utilities],
    ["attention", attention],
    ["DataParallel", identity("DataParallel")],
  ];
  const nn: NamespaceValue = namespaceOf("torch.nn", nnMembers, (name) =>
    name === "parameter" || name === "modules" ? nn : written(name === "quantized" ? "torch.nn.quantized" : name),
  );

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
      matmul: (i, a) => operations.callable("matmul")!.call(i, a),
    }),
  );
  const special = namespaceOf("torch.special", [], (n) => operations.callable(n));
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
    ["nn", nn],
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
        (["ao", "quantization", "fft", "distributions"].includes(n) ? written(`torch.${n}`) : undefined)),
  );

  const modules = new Map<string, Value>([
    ["torch", torch],
    ["torch.nn", nn],
    ["torch.nn.functional", functional],
    ["torch.nn.init", init],
    ["torch.nn.utils", utilities],
    ["torch.nn.utils.parametrizations", parametrizations],
    ["torch.nn.utils.parametrize", parametrize],
    ["torch.nn.attention", attention],
    ["torch.nn.utils.rnn", sequences],
    ["torch.nn.modules", nn],
    ["torch.nn.parameter", nn],
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
  for (const part of [
    "module",
    "container",
    "linear",
    "conv",
    "batchnorm",
    "normalization",
    "activation",
    "pooling",
    "dropout",
    "sparse",
    "rnn",
    "loss",
    "utils",
    "padding",
    "upsampling",
    "instancenorm",
    "flatten",
  ]) {
    modules.set(`torch.nn.modules.${part}`, part === "utils" ? moduleUtilities() : nn);
  }
  return { modules, tensorClass, parameterClass, moduleClass: module, dtypeClass, classes };
}

/** A call that matters for training facts and computes nothing here. */
export function factCall(name: string): Value {
  return native(name, (i, a) => {
    const value = unknown(name);
    i.onFact?.(name, a, value);
    return value;
  });
}

function moduleUtilities(): NamespaceValue {
  const repeated = (n: number): Value =>
    native("_ntuple", (i, a) => {
      const v = a.positional[0] ?? null;
      if (is(v, "tuple") || is(v, "list")) return tuple(iterate(i, v) ?? []);
      return tuple(new Array<Value>(n).fill(v));
    });
  return namespaceOf("torch.nn.modules.utils", [
    ["_single", repeated(1)],
    ["_pair", repeated(2)],
    ["_triple", repeated(3)],
    ["_ntuple", native("_ntuple", (_, a) => repeated(intOf(a.positional[0]) ?? 1))],
  ]);
}

function assertion(_: Interpreter, a: Arguments): Value {
  const message = a.positional[1];
  if (a.positional[0] === false) raise("AssertionError", typeof message === "string" ? message : "assertion fails");
  return null;
}

function limits(a: Arguments, floats: boolean): Value {
  const d = a.positional[0];
  const type = is(d, "dtype") ? d.type : floats ? "float32" : "int64";
  const table: Readonly<Record<string, readonly [number, number]>> = {
    float32: [3.4028234663852886e38, 1.1920928955078125e-7],
    float64: [Number.MAX_VALUE, Number.EPSILON],
    float16: [65504, 0.0009765625],
    bfloat16: [3.3895313892515355e38, 0.0078125],
    int64: [2 ** 63 - 1, 1],
    int32: [2 ** 31 - 1, 1],
    int8: [127, 1],
    uint8: [255, 1],
  };
  const [max, eps] = table[type] ?? [3.4e38, 1e-7];
  const make = floats ? float : int;
  return namespaceOf("finfo", [
    ["max", make(max)],
    ["min", make(type === "uint8" ? 0 : -max)],
    ["eps", float(eps)],
    ["tiny", float(1.1754943508222875e-38)],
    ["smallest_normal", float(1.1754943508222875e-38)],
    ["bits", int(32)],
  ]);
}

function broadcastShapesOf(i: Interpreter, a: Arguments): Value {
  const shapes = a.positional.map((s) => (iterate(i, s) ?? []).map((d) => intOf(d) ?? 1));
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out: number[] = new Array<number>(rank).fill(1);
  for (const s of shapes) s.forEach((d, k) => (out[rank - s.length + k] = Math.max(out[rank - s.length + k]!, d)));
  return tuple(out.map(int));
}

/** `torch.Tensor(...)`: sizes or values. */
function constructTensor(i: Interpreter, _: ClassValue, args: Arguments): Value {
  const sizes = args.positional.map(intOf);
  if (sizes.length > 0 && sizes.every((s) => s !== undefined)) return drawnTensor(sizes, "float32", { scheme: "empty" });
  const first = args.positional[0];
  if (first === undefined) return drawnTensor([0], "float32", { scheme: "empty" });
  return tensorFrom(new Reader(i, ["data"], args), first, "float32");
}

/** `nn.Parameter(tensor, requires_grad)`. */
function constructParameter(i: Interpreter, _: ClassValue, args: Arguments): Value {
  const a = new Reader(i, ["data", "requires_grad"], args);
  const data = a.value("data");
  if (data !== null && !is(data, "tensor") && !is(data, "float") && !is(data, "int"))
    return unknown("a parameter made of an unknown value", data);
  const t: TensorValue = data === null ? drawnTensor([0], "float32", { scheme: "empty" }) : a.tensor("data", "float32");
  const trainable = a.bool("requires_grad", true);
  const first = t.constant && t.shape ? uniform(t) : undefined;
  const initialisation = t.drawn
    ? { ...t.drawn, origin: i.origin() }
    : {
        scheme: first === 0 ? "zeros_" : first === 1 ? "ones_" : first !== undefined ? "constant_" : "computed",
        ...(first !== undefined ? { constant: first } : {}),
        origin: i.origin(),
      };
  return i.builder.parameter(t.shape, t.type, { buffer: false, trainable, initialisation });
}

function uniform(t: TensorValue): number | undefined {
  const n = (t.shape ?? []).reduce((x, y) => x * y, 1);
  if (!t.constant || n === 0) return undefined;
  const first = t.constant.at(0);
  const step = Math.max(1, Math.floor(n / 1000));
  for (let k = 0; k < n; k += step) if (t.constant.at(k) !== first) return undefined;
  return first;
}

/** `autograd.Function.apply`: opaque, with the shape of the first tensor. */
function applyFunction(i: Interpreter, args: Arguments): Value {
  const [cls, ...rest] = args.positional;
  const forward = is(cls, "class") && cls.module ? tryAttribute(i, cls, "forward") : undefined;
  const context = is(forward, "function") && i.environment.builtin("object");
  if (forward !== undefined && is(context, "class")) {
    // What it computes is what its forward computes; only its gradient is its own.
    i.notes.add(`${is(cls, "class") ? cls.name : "a function"} has a gradient of its own`);
    const ignore = (name: string): Value => native(name, () => null);
    const kept = makeClass({
      name: "context",
      bases: [context],
      fields: [],
      attributes: new Map(
        ["save_for_backward", "mark_non_differentiable", "set_materialize_grads", "mark_dirty"].map((n) => [n, ignore(n)]),
      ),
      missing: (_, __, name) => (name === "needs_input_grad" ? tuple(rest.map(() => true)) : undefined),
    });
    return call(i, forward, {
      positional: [{ k: "instance", id: i.id(), cls: kept, attributes: new Map() }, ...rest],
      keywords: args.keywords,
    });
  }
  const tensors = i.tensorsIn(rest);
  const name = is(cls, "class") ? `${cls.name}.apply` : "apply";
  if (tensors.length === 0) return notUnderstood(`${name} without tensors`);
  i.calls++;
  i.noteOpaque(name, "a custom autograd function");
  const first = tensors[0]!;
  return i.builder.opaque(name, tensors, first.shape ? { type: first.type, shape: first.shape } : undefined);
}

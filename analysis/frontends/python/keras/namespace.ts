/** @file The module trees `keras` and `tensorflow`, made of the tables. */
import { arrays } from "../arrays/index";
import { Reader } from "../torch/arguments";
import { namespaceOf } from "../values/namespaces";
import { is } from "../values/inspect";
import { float, native, tuple, unknown } from "../values/make";
import type { ClassValue, NamespaceValue, Value } from "../values/value";
import { activationEntries, activationLayers, activationNamed } from "./activations";
import { attentionLayers } from "./attention";
import { basicLayers } from "./basic";
import { convolutionLayers } from "./convolution";
import { KERAS } from "./framework";
import { layerBase } from "./layer";
import { mergeFunctions, mergingLayers } from "./merging";
import { makeInput, modelClasses } from "./model";
import { normalisationLayers } from "./normalisation";
import { recordNamespace } from "./objects";
import { isTensor, opsNamespace, randomNamespace } from "./ops";
import { poolingLayers } from "./pooling";
import { recurrentLayers } from "./recurrent";
import { tensorflowModules } from "./tensorflow";
import { startOf, variableFrom } from "./weights";

function constant(name: string, value: Value): [string, Value] {
  return [name, native(name, () => value)];
}

/** A decorator that gives its function or class back, with and without arguments. */
function decorator(name: string): [string, Value] {
  const give = native(name, (_, a) => a.positional[0] ?? null);
  return [
    name,
    native(name, (_, a) => (is(a.positional[0], "class") || is(a.positional[0], "function") ? a.positional[0] : give)),
  ];
}

function variableFunction(): Value {
  return native("Variable", (i, args) => {
    const a = new Reader(i, ["initializer", "shape", "dtype", "trainable"], args);
    const trainable = a.bool("trainable", true);
    const given = a.value("initializer");
    if (a.has("shape")) {
      const start = startOf(given, { scheme: "default" });
      return i.builder.parameter(a.ints("shape") ?? [], "float32", {
        buffer: !trainable,
        trainable,
        initialisation: { ...start, origin: i.origin() },
      });
    }
    const value = arrays.callable("array")!.call(i, { positional: [given], keywords: new Map() });
    i.calls--;
    return is(value, "tensor") ? variableFrom(i, value, trainable) : value;
  });
}

/** All modules of Keras and TensorFlow by their dotted names. `root` is the class `object`. */
export function makeKeras(root: ClassValue): ReadonlyMap<string, Value> {
  const base = layerBase(root, KERAS);
  const { model, sequential } = modelClasses(base);
  const merging = mergingLayers(base);
  const classes = [
    ...basicLayers(base),
    ...activationLayers(base),
    ...convolutionLayers(base),
    ...normalisationLayers(base),
    ...poolingLayers(base),
    ...attentionLayers(base),
    ...recurrentLayers(base),
    ...merging,
  ];
  const input = native("Input", makeInput);
  const layers: NamespaceValue = namespaceOf(
    "keras.layers",
    [
      ...classes.map((c): [string, Value] => [c.name, c]),
      ...mergeFunctions(merging),
      ["Layer", base],
      ["Input", input],
      ["InputLayer", input],
    ],
    (name) => (name === "experimental" || name === "preprocessing" ? layers : undefined),
  );
  const ops = opsNamespace();
  const random = randomNamespace("keras.random");
  const activations = namespaceOf("keras.activations", [
    ...activationEntries(),
    [
      "get",
      native("get", (_, a) => {
        const [name] = a.positional;
        return typeof name === "string"
          ? (activationNamed(name) ?? unknown(`the activation ${name}`))
          : (name ?? activationNamed("linear")!);
      }),
    ],
  ]);
  const saving = namespaceOf("keras.saving", [
    decorator("register_keras_serializable"),
    constant("load_model", unknown("a saved model")),
  ]);
  const initializers = recordNamespace(root, "keras.initializers", [["get", native("get", (_, a) => a.positional[0] ?? null)]]);
  const models = namespaceOf("keras.models", [
    ["Model", model],
    ["Sequential", sequential],
    ["Functional", model],
    constant("load_model", unknown("a saved model")),
    constant("clone_model", unknown("a copy of a model")),
  ]);
  const backend = namespaceOf(
    "keras.backend",
    [
      constant("clear_session", null),
      constant("image_data_format", "channels_last"),
      constant("floatx", "float32"),
      constant("epsilon", float(1e-7)),
      constant("int_shape", tuple([])),
      constant("backend", "tensorflow"),
    ],
    (name) => ops.get(name),
  );
  const utils = namespaceOf(
    "keras.utils",
    [
      decorator("register_keras_serializable"),
      constant("set_random_seed", null),
      constant("plot_model", null),
      ["get_custom_objects", unknown("custom objects")],
    ],
    (name) => (/^[A-Z]/.test(name) ? undefined : native(name, (_, a) => unknown(`keras.utils.${name}`, ...a.positional))),
  );
  const optimizers = recordNamespace(root, "keras.optimizers");
  const losses = recordNamespace(root, "keras.losses");
  const keras: NamespaceValue = namespaceOf(
    "keras",
    [
      ["layers", layers],
      ["Layer", base],
      ["Model", model],
      ["Sequential", sequential],
      ["models", models],
      ["Input", input],
      ["InputSpec", native("InputSpec", () => null)],
      ["ops", ops],
      ["random", random],
      ["activations", activations],
      ["initializers", initializers],
      ["optimizers", optimizers],
      ["losses", losses],
      ["metrics", recordNamespace(root, "keras.metrics")],
      ["callbacks", recordNamespace(root, "keras.callbacks")],
      ["regularizers", recordNamespace(root, "keras.regularizers")],
      ["constraints", recordNamespace(root, "keras.constraints")],
      ["mixed_precision", recordNamespace(root, "keras.mixed_precision")],
      ["saving", saving],
      ["backend", backend],
      ["utils", utils],
      ["config", namespaceOf("keras.config", [constant("image_data_format", "channels_last"), constant("floatx", "float32")])],
      ["Variable", variableFunction()],
      ["is_keras_tensor", isTensor],
      ["__version__", "3.8.0"],
    ],
    (name) => (["engine", "src", "api"].includes(name) ? keras : undefined),
  );
  const modules = new Map<string, Value>();
  for (const prefix of ["keras", "tensorflow.keras", "tf_keras", "tensorflow.python.keras"]) {
    modules.set(prefix, keras);
    for (const name of keras.names()) {
      const v = keras.get(name);
      if (is(v, "namespace")) modules.set(`${prefix}.${name}`, v);
    }
    modules.set(`${prefix}.layers.experimental.preprocessing`, layers);
    modules.set(`${prefix}.layers.preprocessing`, layers);
  }
  modules.set("keras.src", keras);
  for (const [name, value] of tensorflowModules(keras)) modules.set(name, value);
  return modules;
}

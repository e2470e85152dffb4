/** @file `torch.nn`: layers, functional, init and utils, made of the tables. */
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { functions, namespaceOf } from "../values/namespaces";
import { intOf, is } from "../values/inspect";
import { int, native, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, NamespaceValue, Value } from "../values/value";
import { Reader, shapeOf } from "./arguments";
import { initialisers } from "./initialisation";
import { factCall, identity } from "./natives";
import { operations } from "./operations/index";
import { packing } from "./packing";
import { registerParametrization, removeNorm, spectralNorm, weightNorm } from "./parametrise";
import type { TensorClasses } from "./tensor-classes";

/** The files of `torch.nn.modules`, all of which hold what `torch.nn` holds. */
const PARTS =
  "module container linear conv batchnorm normalization activation pooling dropout sparse rnn loss padding upsampling instancenorm flatten";

/** What `torch.nn` is made of. */
export interface NeuralParts {
  readonly layers: readonly ClassValue[];
  readonly tensors: TensorClasses;
  /** A context manager that does nothing. */
  readonly context: ClassValue;
  /** The layers that are written in Python. */
  readonly written: (name: string) => Value | undefined;
}

/** `torch.nn` and the modules below it, by their names. */
export function neuralModules(module: ClassValue, { layers, tensors, context, written }: NeuralParts): Map<string, Value> {
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
  const functional = namespaceOf("torch.nn.functional", functionalMembers, (n) => operations.callable(n) ?? written(n));
  const init = namespaceOf("torch.nn.init", initialisers());
  const norm = (names: readonly string[], a: Arguments, i: Interpreter): Reader => new Reader(i, names, a);
  const parametrizations = namespaceOf(
    "torch.nn.utils.parametrizations",
    functions("torch.nn.utils.parametrizations", {
      weight_norm: (i, a) => {
        const r = norm(["module", "name", "dim"], a, i);
        return weightNorm(i, r.value("module"), r.text("name", "weight"), r.has("dim") ? r.value("dim") : int(0), true);
      },
      spectral_norm: (i, a) => spectralNorm(i, a.positional[0] ?? null, "weight", true),
    }),
    (n) => (n === "orthogonal" ? written(n) : undefined),
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
  const below = new Map<string, Value>([
    ["rnn", sequences],
    ["parametrize", parametrize],
    ["parametrizations", parametrizations],
  ]);
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
    (n) => below.get(n) ?? (n.startsWith("clip_grad") ? factCall(`torch.nn.utils.${n}`) : undefined),
  );
  const attention = namespaceOf("torch.nn.attention", [
    ["sdpa_kernel", context],
    ["SDPBackend", unknown("SDPBackend")],
  ]);
  const nnMembers: [string, Value][] = [
    ...layers.map((c): [string, Value] => [c.name, c]),
    ["Module", module],
    ["Parameter", tensors.parameterClass],
    ["Buffer", tensors.bufferClass],
    ["functional", functional],
    ["init", init],
    ["utils", utilities],
    ["attention", attention],
    ["DataParallel", identity("DataParallel")],
  ];
  const nn: NamespaceValue = namespaceOf("torch.nn", nnMembers, (name) =>
    name === "parameter" || name === "modules" ? nn : written(name === "quantized" ? "torch.nn.quantized" : name),
  );
  return new Map<string, Value>([
    ["torch.nn", nn],
    ["torch.nn.functional", functional],
    ["torch.nn.init", init],
    ["torch.nn.utils", utilities],
    ["torch.nn.utils.parametrizations", parametrizations],
    ["torch.nn.utils.parametrize", parametrize],
    ["torch.nn.utils.rnn", sequences],
    ["torch.nn.attention", attention],
    ["torch.nn.modules", nn],
    ["torch.nn.modules.utils", moduleUtilities()],
    ["torch.nn.parameter", nn],
    ...PARTS.split(" ").map((part): [string, Value] => [`torch.nn.modules.${part}`, nn]),
  ]);
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

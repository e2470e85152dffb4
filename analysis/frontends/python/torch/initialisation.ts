/** @file torch.nn.init: how parameters start. */
import { elementCount } from "../../../graph/tensor";
import { is } from "../values/inspect";
import { native } from "../values/make";
import type { NativeValue, TensorValue, Value } from "../values/value";
import { Reader } from "./arguments";

/** Fan in and fan out of a weight, as torch counts them. */
function fans(t: TensorValue): [number, number] {
  const shape = t.shape ?? [];
  const receptive = elementCount(shape.slice(2));
  return [(shape[1] ?? shape[0] ?? 1) * receptive, (shape[0] ?? 1) * receptive];
}

function gain(nonlinearity: string, slope: number): number {
  switch (nonlinearity) {
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "selu":
      return 3 / 4;
    case "leaky_relu":
      return Math.sqrt(2 / (1 + slope * slope));
    default:
      return 1;
  }
}

type Scheme = (a: Reader, t: TensorValue) => { scheme: string; constant?: number; std?: number };

const SCHEMES: Readonly<Record<string, readonly [string, Scheme]>> = {
  zeros_: ["tensor", () => ({ scheme: "zeros_", constant: 0 })],
  ones_: ["tensor", () => ({ scheme: "ones_", constant: 1 })],
  constant_: ["tensor val", (a) => ({ scheme: "constant_", constant: a.number("val") })],
  normal_: [
    "tensor mean std",
    (a) => ({
      scheme: "normal_",
      std: a.number("std", 1),
      ...(a.number("std", 1) === 0 ? { constant: a.number("mean", 0) } : {}),
    }),
  ],
  trunc_normal_: ["tensor mean std a b", (a) => ({ scheme: "trunc_normal_", std: a.number("std", 1) })],
  uniform_: [
    "tensor a b",
    (a) => {
      const low = a.number("a", 0);
      const high = a.number("b", 1);
      return { scheme: "uniform_", std: (high - low) / Math.sqrt(12), ...(low === high ? { constant: low } : {}) };
    },
  ],
  eye_: ["tensor", () => ({ scheme: "eye_" })],
  dirac_: ["tensor groups", () => ({ scheme: "dirac_" })],
  orthogonal_: ["tensor gain", (a) => ({ scheme: "orthogonal_", ...(a.number("gain", 1) === 0 ? { constant: 0 } : {}) })],
  sparse_: ["tensor sparsity std", (a) => ({ scheme: "sparse_", std: a.number("std", 0.01) })],
  xavier_uniform_: [
    "tensor gain",
    (a, t) => {
      const [i, o] = fans(t);
      return { scheme: "xavier_uniform_", std: a.number("gain", 1) * Math.sqrt(2 / (i + o)) };
    },
  ],
  xavier_normal_: [
    "tensor gain",
    (a, t) => {
      const [i, o] = fans(t);
      return { scheme: "xavier_normal_", std: a.number("gain", 1) * Math.sqrt(2 / (i + o)) };
    },
  ],
  kaiming_uniform_: ["tensor a mode nonlinearity", (a, t) => kaiming("kaiming_uniform_", a, t)],
  kaiming_normal_: ["tensor a mode nonlinearity", (a, t) => kaiming("kaiming_normal_", a, t)],
};

function kaiming(scheme: string, a: Reader, t: TensorValue): { scheme: string; std: number } {
  const [i, o] = fans(t);
  const fan = a.text("mode", "fan_in") === "fan_out" ? o : i;
  return { scheme, std: gain(a.text("nonlinearity", "leaky_relu"), a.number("a", 0)) / Math.sqrt(Math.max(fan, 1)) };
}

function initialiser(name: string, params: string, scheme: Scheme): NativeValue {
  return native(`init.${name}`, (interpreter, args) => {
    const a = new Reader(interpreter, params.split(" "), args);
    const t = a.value("tensor");
    if (!is(t, "tensor")) return t;
    const drawn = scheme(a, t);
    const { builder, journal } = interpreter;
    if (t.parameter && !t.view) {
      const cell = t.parameter;
      const before = cell.initialisation;
      const entries = cell.entries;
      journal.onRollback(() => {
        if (entries) cell.entries = entries;
        if (before) cell.initialisation = before;
        else delete cell.initialisation;
      });
      cell.initialisation = { ...drawn, origin: interpreter.origin() };
      cell.entries = {};
      return t;
    }
    const made: TensorValue = { k: "tensor", value: "", type: t.type, shape: t.shape, version: 0, drawn };
    if (drawn.constant !== undefined && t.shape) {
      const { constant } = drawn;
      made.constant = { shape: t.shape, at: () => constant };
    }
    builder.overwrite(t, made);
    return t;
  });
}

/** The members of torch.nn.init. */
export function initialisers(): Map<string, Value> {
  const out = new Map<string, Value>();
  for (const [name, [params, scheme]] of Object.entries(SCHEMES)) {
    const f = initialiser(name, params, scheme);
    out.set(name, f);
    // Deprecated spellings without the underscore.
    out.set(name.slice(0, -1), f);
  }
  out.set(
    "calculate_gain",
    native("calculate_gain", (interpreter, args) => {
      const a = new Reader(interpreter, ["nonlinearity", "param"], args);
      return { k: "float", v: gain(a.text("nonlinearity", "linear"), a.number("param", 0.01)) };
    }),
  );
  out.set(
    "_calculate_fan_in_and_fan_out",
    native("_calculate_fan_in_and_fan_out", (_, args) => {
      const t = args.positional[0];
      const [i, o] = is(t, "tensor") ? fans(t) : [1, 1];
      return {
        k: "tuple",
        items: [
          { k: "int", v: i },
          { k: "int", v: o },
        ],
      };
    }),
  );
  out.set(
    "_calculate_correct_fan",
    native("_calculate_correct_fan", (_, args) => {
      const t = args.positional[0];
      const [i, o] = is(t, "tensor") ? fans(t) : [1, 1];
      return { k: "int", v: args.positional[1] === "fan_out" ? o : i };
    }),
  );
  return out;
}

/** @file How the built-in layers of Flax are declared, once for linen and nnx: their variables, and what a call computes. */
import { notUnderstood, raise, type ShapeHint } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { Reader, shapeOf } from "../torch/arguments";
import { is } from "../values/inspect";
import { float, int, native } from "../values/make";
import type { Arguments, InstanceValue, ParameterCell, TensorValue, Value } from "../values/value";

/** How a variable starts. */
export type Start = NonNullable<ParameterCell["initialisation"]>;

/** Where a layer keeps its variables: a scope in linen, attributes in nnx. */
export interface VariableStore {
  get(name: string): TensorValue | undefined;
  make(name: string, shape: readonly number[], start: Start, trainable: boolean): TensorValue;
}

/** What a layer's rules see: the arguments of the call, behind them the layer's fields, and its variables. */
export class FlaxContext extends Reader {
  constructor(
    interpreter: Interpreter,
    readonly self: InstanceValue,
    names: readonly string[],
    args: { positional: readonly Value[]; keywords: ReadonlyMap<string, Value> },
    private readonly store: VariableStore,
    /** Name of the field that says how wide the input is; undefined in linen, where the first input tells. */
    private readonly widthField: string | undefined,
  ) {
    super(interpreter, names, args);
  }

  override value(name: string): Value {
    return super.value(name) ?? this.self.attributes.get(name) ?? null;
  }

  /** The tensor that the layer is applied to. */
  get x(): TensorValue {
    return this.tensor("inputs");
  }

  /** The input with a known shape. */
  shaped(hint: ShapeHint): TensorValue {
    const { x } = this;
    if (x.shape === undefined) this.builder.needShape(x, hint);
    shapeOf(this.interpreter, x);
    return x;
  }

  /** The width of what comes in: what the constructor says, else the last size of the input. */
  width(): number {
    const said = this.widthField === undefined ? undefined : this.self.attributes.get(this.widthField);
    if (is(said, "int")) return said.v;
    if (this.widthField !== undefined && !super.has("inputs")) return notUnderstood(`${this.widthField} is not known`);
    return shapeOf(this.interpreter, this.x).at(-1) ?? notUnderstood("the width of the input is not known");
  }

  variable(name: string): TensorValue | undefined {
    return this.store.get(name);
  }

  /** A variable of the layer; undefined where it has none. */
  required(name: string): TensorValue {
    return this.store.get(name) ?? notUnderstood(`the layer has no ${name}`);
  }

  /** Makes a variable that trains, unless it is there. */
  weight(name: string, shape: readonly number[], start: Start): TensorValue {
    return this.store.get(name) ?? this.store.make(name, shape, start, true);
  }

  /** Makes a running statistic, unless it is there. */
  statistic(name: string, shape: readonly number[]): TensorValue {
    return this.store.get(name) ?? this.store.make(name, shape, { scheme: "default" }, false);
  }

  /** A field that says how a variable starts. */
  start(field: string, fallback: Start): Start {
    const v = this.self.attributes.get(field);
    return is(v, "native") ? (STARTS.get(v) ?? fallback) : fallback;
  }
}

/** Initialisers that are known, by the function that stands for them. */
export const STARTS = new WeakMap<object, Start>();

/** How kernels start. */
export const KERNEL: Start = { scheme: "kaiming_normal_" };
/** A start at zero. */
export const ZEROS: Start = { scheme: "zeros_", constant: 0 };
/** A start at one. */
export const ONES: Start = { scheme: "ones_", constant: 1 };

/** A built-in layer. */
export interface FlaxSpec {
  readonly name: string;
  /** Fields in order with their defaults: `features use_bias=True`. In nnx the first are given by `nnx`. */
  readonly params: string;
  /** Fields of the constructor in nnx, where the layer has one there; those after `*` are given by name only. */
  readonly nnx?: string;
  /** The field of nnx that holds the width of the input. */
  readonly widthField?: string;
  /** Parameters of the call; the first is the input. */
  readonly inputs?: string;
  /** Makes the variables. */
  build?(c: FlaxContext): void;
  call(c: FlaxContext): Value;
  /** Further methods, by name, with their parameters. */
  readonly methods?: Readonly<Record<string, { readonly params: string; run(c: FlaxContext): Value }>>;
}

function parseDefault(text: string): Value {
  if (text === "True") return true;
  if (text === "False") return false;
  if (text === "None") return null;
  if (/^-?\d+$/.test(text)) return int(Number(text));
  if (/^-?[\d.]+(?:e-?\d+)?$/.test(text)) return float(Number(text));
  return text;
}

/** Parameter names and defaults of a specification. */
export function readParams(params: string): { names: string[]; defaults: [string, Value][]; required: number } {
  const entries = params.split(" ").filter((p) => p !== "");
  const names = entries.map((p) => p.split("=")[0]!);
  const defaults = entries.flatMap((p): [string, Value][] => {
    const at = p.indexOf("=");
    return at < 0 ? [] : [[p.slice(0, at), parseDefault(p.slice(at + 1))]];
  });
  const first = entries.findIndex((p) => p.includes("="));
  return { names, defaults, required: first < 0 ? entries.length : first };
}

/** A method of the class Module, written here. */
export function method(name: string, run: (i: Interpreter, self: InstanceValue, args: Arguments) => Value): [string, Value] {
  return [
    name,
    native(`Module.${name}`, (i, a) => {
      const [self, ...rest] = a.positional;
      return is(self, "instance") ? run(i, self, { ...a, positional: rest }) : raise("TypeError", `${name} needs a module`);
    }),
  ];
}

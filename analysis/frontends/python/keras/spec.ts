/** @file How the built-in layers of Keras are declared: constructor parameters, variables, and what `call` computes. */
import { makeClass } from "../evaluator/classes";
import { notUnderstood, raise, type ShapeHint } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { is } from "../values/inspect";
import { float, int, native } from "../values/make";
import type { ClassValue, InstanceValue, TensorValue, Value } from "../values/value";
import { Reader } from "../torch/arguments";
import { addVariable, startOf } from "./weights";
import { initialiseLayer, isTraining, NATIVE_LAYERS } from "./layer";

/** What a layer's rules see: arguments of the call, and behind them the layer's attributes. */
export class KerasContext extends Reader {
  constructor(
    interpreter: Interpreter,
    readonly self: InstanceValue,
    names: readonly string[],
    args: { positional: readonly Value[]; keywords: ReadonlyMap<string, Value> },
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

  /** Several inputs, in a list. */
  get xs(): TensorValue[] {
    const v = this.value("inputs");
    if (is(v, "list") || is(v, "tuple"))
      return v.items.map((i) => this.builder.tensorOf(i) ?? notUnderstood("one of the inputs is not a tensor"));
    return [this.x];
  }

  put(name: string, value: Value): void {
    this.interpreter.journal.set(this.self.attributes, name, value);
  }

  /** Makes a variable that starts as the attribute `NAME_initializer` says. */
  weight(name: string, shape: readonly number[], initialiser = `${name}_initializer`, attribute = name): TensorValue {
    const start = startOf(this.self.attributes.get(initialiser) ?? null, { scheme: "default" });
    return addVariable(this.interpreter, this.self, name, shape, start, { attribute });
  }

  /** Makes a variable that does not train. */
  statistic(name: string, shape: readonly number[]): void {
    addVariable(this.interpreter, this.self, name, shape, { scheme: "default" }, { trainable: false, attribute: name });
  }

  /** A variable of the layer; undefined where it has none. */
  variable(name: string): TensorValue | undefined {
    const v = this.self.attributes.get(name);
    return is(v, "tensor") ? v : undefined;
  }

  /** A variable that the layer must have. */
  required(name: string): TensorValue {
    return this.variable(name) ?? notUnderstood(`the layer has no ${name}`);
  }

  get training(): boolean {
    return isTraining(this.interpreter);
  }

  get channelsLast(): boolean {
    return this.text("data_format", "channels_last") !== "channels_first";
  }
}

/** A built-in layer. */
export interface KerasSpec {
  /** Constructor parameters in order with their defaults: `units activation use_bias=True kernel_initializer=zeros`. */
  readonly params: string;
  /** Checks and completes what was given to the constructor. */
  init?(c: KerasContext): void;
  /** Makes the variables; `shapes` are those of the inputs. */
  build?(c: KerasContext, shapes: readonly (readonly number[])[]): void;
  hint?(c: KerasContext): ShapeHint;
  /** Parameters of `call`; the first is the input. */
  readonly inputs?: string;
  call(c: KerasContext): Value;
  readonly base?: ClassValue;
}

function parseDefault(text: string): Value {
  if (text === "True") return true;
  if (text === "False") return false;
  if (text === "None") return null;
  if (/^-?\d+$/.test(text)) return int(Number(text));
  if (/^-?[\d.]+(?:e-?\d+)?$/.test(text)) return float(Number(text));
  return text;
}

/** Makes the class of a built-in layer. */
export function kerasLayer(base: ClassValue, name: string, spec: KerasSpec): ClassValue {
  const entries = spec.params.split(" ").filter((p) => p !== "");
  const params = entries.map((p) => p.split("=")[0]!);
  const defaults = entries.flatMap((p): [string, Value][] => {
    const at = p.indexOf("=");
    return at < 0 ? [] : [[p.slice(0, at), parseDefault(p.slice(at + 1))]];
  });
  const inputs = (spec.inputs ?? "inputs").split(" ");
  const attributes = new Map<string, Value>();
  attributes.set(
    "__init__",
    native(`${name}.__init__`, (interpreter, args) => {
      const [self, ...rest] = args.positional;
      if (!is(self, "instance")) return null;
      if (rest.length > params.length)
        raise("TypeError", `${name}() takes ${params.length} positional arguments but ${rest.length} were given`);
      for (const [k, v] of defaults) interpreter.journal.set(self.attributes, k, v);
      rest.forEach((v, k) => interpreter.journal.set(self.attributes, params[k]!, v));
      const others = new Map<string, Value>();
      for (const [k, v] of args.keywords) {
        if (params.includes(k)) interpreter.journal.set(self.attributes, k, v);
        else others.set(k, v);
      }
      initialiseLayer(interpreter, self, others);
      spec.init?.(new KerasContext(interpreter, self, inputs, { positional: [], keywords: new Map() }));
      return null;
    }),
  );
  attributes.set(
    "call",
    native(`${name}.call`, (interpreter, args) => {
      const [self, ...rest] = args.positional;
      if (!is(self, "instance")) return raise("TypeError", `${name}.call needs a layer`);
      interpreter.calls++;
      return spec.call(new KerasContext(interpreter, self, inputs, { positional: rest, keywords: args.keywords }));
    }),
  );
  const required = entries.findIndex((p) => p.includes("="));
  const cls = makeClass({
    name,
    bases: [spec.base ?? base],
    attributes,
    fields: [],
    signature: {
      params,
      required: required < 0 ? entries.length : required,
      ...(params.includes("use_bias") ? { bias: "use_bias", biasName: "bias" } : {}),
    },
  });
  const context = (interpreter: Interpreter, self: InstanceValue): KerasContext =>
    new KerasContext(interpreter, self, inputs, { positional: [], keywords: new Map() });
  const { build, hint } = spec;
  NATIVE_LAYERS.set(cls, {
    ...(build ? { build: (i, self, shapes) => build.call(spec, context(i, self), shapes) } : {}),
    ...(hint ? { hint: (i, self) => hint.call(spec, context(i, self)) } : {}),
  });
  return cls;
}

/** The last size of the first input's shape. */
export function lastSize(shapes: readonly (readonly number[])[]): number {
  return shapes[0]?.at(-1) ?? notUnderstood("the width of the input is not known");
}

/** @file How the built-in layers of torch.nn are declared: a constructor that makes parameters, and a forward. */
import type { ElementType } from "../../../../graph/tensor";
import { makeClass } from "../../evaluator/classes";
import { raise } from "../../evaluator/errors";
import type { Interpreter } from "../../evaluator/interpreter";
import { is } from "../../values/inspect";
import { native } from "../../values/make";
import type { ClassValue, InstanceValue, ParameterCell, TensorValue, Value } from "../../values/value";
import { Reader } from "../arguments";
import { computedWeight } from "../parametrise";

/** What a layer's rules see: the instance, its arguments, and shorthands. */
export class LayerContext extends Reader {
  /** Keyword arguments as they were given. */
  readonly keywords: ReadonlyMap<string, Value>;

  constructor(
    interpreter: Interpreter,
    readonly self: InstanceValue,
    names: readonly string[],
    args: { positional: readonly Value[]; keywords: ReadonlyMap<string, Value> },
  ) {
    super(interpreter, names, args);
    this.keywords = args.keywords;
  }

  /** Sets an attribute of the layer. */
  put(name: string, value: Value): void {
    this.interpreter.journal.set(this.self.attributes, name, value);
  }

  /** Copies constructor arguments to attributes of the same name. */
  keep(names: string, defaults: Readonly<Record<string, Value>> = {}): void {
    for (const n of names.split(" ")) this.put(n, this.has(n) ? this.value(n) : (defaults[n] ?? null));
  }

  attribute(name: string): Value {
    return this.self.attributes.get(name) ?? null;
  }

  /** A parameter or buffer of the layer; undefined where it has none. */
  weight(name: string): TensorValue | undefined {
    const v = this.self.attributes.get(name);
    return is(v, "tensor") ? v : computedWeight(this.self, name)?.(this.interpreter);
  }

  /** Makes a parameter with the layer's own initialisation. */
  parameter(name: string, shape: readonly number[], initialisation: NonNullable<ParameterCell["initialisation"]>): void {
    if (shape.some((d) => !Number.isInteger(d) || d < 0))
      raise("RuntimeError", `a parameter of shape [${shape.join(", ")}] cannot be made`);
    const t = this.builder.parameter([...shape], this.dtype() ?? "float32", {
      buffer: false,
      trainable: true,
      initialisation,
      origin: this.origin(),
    });
    this.put(name, t);
  }

  /** Makes a buffer filled with one value, without known entries: it changes while training. */
  buffer(name: string, shape: readonly number[], type: ElementType = "float32"): void {
    const t = this.builder.parameter([...shape], type, {
      buffer: true,
      statistic: true,
      trainable: false,
      origin: this.origin(),
    });
    this.put(name, t);
  }

  private origin(): ParameterCell["origin"] {
    const { made } = this.self;
    if (!made) return this.interpreter.origin();
    return { range: made.range, related: made.callers.slice(0, 3).map((range) => ({ label: "called from here", range })) };
  }
}

/** How a built-in layer is declared. */
export interface LayerSpec {
  /** Constructor parameters in order, with their defaults. */
  readonly params: string;
  init?(c: LayerContext): void;
  /** Parameters of forward; the first is the input. */
  readonly inputs?: string;
  forward(c: LayerContext): Value;
  readonly base?: ClassValue;
}

/** Leading constructor parameters without defaults, by class. */
const REQUIRED: Readonly<Record<string, number>> = {
  Linear: 2,
  Bilinear: 3,
  Embedding: 2,
  Conv1d: 3,
  Conv2d: 3,
  Conv3d: 3,
  ConvTranspose1d: 3,
  ConvTranspose2d: 3,
  ConvTranspose3d: 3,
  BatchNorm1d: 1,
  BatchNorm2d: 1,
  BatchNorm3d: 1,
  SyncBatchNorm: 1,
  InstanceNorm1d: 1,
  InstanceNorm2d: 1,
  InstanceNorm3d: 1,
  LayerNorm: 1,
  RMSNorm: 1,
  GroupNorm: 2,
  RNN: 2,
  LSTM: 2,
  GRU: 2,
  RNNCell: 2,
  LSTMCell: 2,
  GRUCell: 2,
};

/** Names of the constructor parameters of a built-in layer that have no defaults. */
export function requiredLayerParameters(name: string): readonly string[] {
  return LAYER_PARAMETERS.get(name)?.slice(0, REQUIRED[name] ?? 0) ?? [];
}

/** Constructor parameters of the built-in layers by class name, for edits of their calls. */
export const LAYER_PARAMETERS = new Map<string, readonly string[]>();

/** Makes the class of a built-in layer. */
export function layerClass(module: ClassValue, name: string, spec: LayerSpec): ClassValue {
  const params = spec.params.split(" ").filter((p) => p !== "");
  const inputs = (spec.inputs ?? "input").split(" ");
  LAYER_PARAMETERS.set(name, params);
  const attributes = new Map<string, Value>();
  attributes.set(
    "__init__",
    native(`${name}.__init__`, (interpreter, args) => {
      const [self, ...rest] = args.positional;
      if (!is(self, "instance")) return null;
      spec.init?.(new LayerContext(interpreter, self, params, { positional: rest, keywords: args.keywords }));
      return null;
    }),
  );
  attributes.set(
    "forward",
    native(`${name}.forward`, (interpreter, args) => {
      const [self, ...rest] = args.positional;
      if (!is(self, "instance")) return raise("TypeError", `${name}.forward needs a layer`);
      interpreter.calls++;
      return spec.forward(new LayerContext(interpreter, self, inputs, { positional: rest, keywords: args.keywords }));
    }),
  );
  if (spec.init)
    attributes.set(
      "reset_parameters",
      native("reset_parameters", (_, args) => {
        const [self] = args.positional;
        if (is(self, "instance")) redraw(self);
        return null;
      }),
    );
  return makeClass({ name, bases: [spec.base ?? module], attributes, fields: [] });
}

/** The layer's own initialisation again: its parameters start with entries of their own. */
function redraw(layer: InstanceValue): void {
  for (const v of layer.attributes.values()) {
    if (!is(v, "tensor") || !v.parameter || v.parameter.buffer) continue;
    v.parameter.entries = {};
    const { initialisation } = v.parameter;
    if (initialisation?.scheme.startsWith("copy of "))
      v.parameter.initialisation = { ...initialisation, scheme: initialisation.scheme.slice("copy of ".length) };
  }
}

/** A layer's own way to start. */
export const DEFAULT = { scheme: "default" } as const;
/** A start at one. */
export const ONES = { scheme: "ones_", constant: 1 } as const;
/** A start at zero. */
export const ZEROS = { scheme: "zeros_", constant: 0 } as const;

/**
 * @file Training facts of Keras and optax: what `compile`, `fit` and optimisers there say, in the terms of facts.ts. Which
 * parameters an optimiser moves is decided where training starts, not where it is made, so its groups name none.
 */
import { is, numberOf } from "../values/inspect";
import type { Arguments, Value } from "../values/value";
import type { Certainty, Fact, NamedFact, OptimiserFact } from "./facts";

/** Where a call is, and whether one of its arguments is written as a number. */
export interface CallPlace {
  readonly range: OptimiserFact["range"];
  readonly source: string;
  certaintyOf(keyword: string, position: number): Certainty;
}

/** What one call says. */
export interface Said {
  readonly optimiser?: OptimiserFact;
  readonly schedule?: NamedFact;
  readonly loss?: NamedFact;
  readonly batch?: Fact<number>;
  readonly clipping?: Fact<number | undefined>;
  readonly trains?: boolean;
}

interface Defaults {
  readonly rate?: number;
  readonly decay?: number;
  readonly momentum?: number;
  readonly betas?: readonly [number, number];
}

/** Defaults of keras.optimizers that matter to rules (Keras 3). */
const KERAS: Readonly<Record<string, Defaults>> = {
  SGD: { rate: 0.01, momentum: 0 },
  Adam: { rate: 0.001, betas: [0.9, 0.999] },
  AdamW: { rate: 0.001, decay: 0.004, betas: [0.9, 0.999] },
  Nadam: { rate: 0.001, betas: [0.9, 0.999] },
  Adamax: { rate: 0.001, betas: [0.9, 0.999] },
  Lamb: { rate: 0.001, betas: [0.9, 0.999] },
  Lion: { rate: 0.001, betas: [0.9, 0.99] },
  RMSprop: { rate: 0.001, momentum: 0 },
  Adagrad: { rate: 0.001 },
  Adadelta: { rate: 0.001 },
  Ftrl: { rate: 0.001 },
  Adafactor: { rate: 0.001 },
};

/** optax's functions by their names in PyTorch, with their defaults. */
const OPTAX: Readonly<Record<string, { readonly kind: string } & Defaults>> = {
  sgd: { kind: "SGD", momentum: 0 },
  adam: { kind: "Adam", betas: [0.9, 0.999] },
  adamw: { kind: "AdamW", decay: 1e-4, betas: [0.9, 0.999] },
  nadam: { kind: "NAdam", betas: [0.9, 0.999] },
  nadamw: { kind: "NAdamW", decay: 1e-4, betas: [0.9, 0.999] },
  adamax: { kind: "Adamax", betas: [0.9, 0.999] },
  adamaxw: { kind: "AdamaxW", decay: 1e-4, betas: [0.9, 0.999] },
  lamb: { kind: "Lamb", decay: 0, betas: [0.9, 0.999] },
  lion: { kind: "Lion", decay: 1e-3, betas: [0.9, 0.99] },
  radam: { kind: "RAdam", betas: [0.9, 0.999] },
  rmsprop: { kind: "RMSprop", momentum: 0 },
  adagrad: { kind: "Adagrad" },
  adadelta: { kind: "Adadelta" },
  adafactor: { kind: "Adafactor" },
  lars: { kind: "LARS", decay: 0 },
  muon: { kind: "Muon" },
};

const SCHEDULES = /schedule$|_decay$|^(?:cosine|linear|exponential|polynomial|piecewise|warmup|join|sgdr)_/;

function optimiser(kind: string, args: Arguments, defaults: Defaults, place: CallPlace): OptimiserFact {
  const given = (name: string, position: number): Value | undefined =>
    args.keywords.get(name) ?? (position >= 0 ? args.positional[position] : undefined);
  const fact = (name: string, position: number, fallback: number | undefined): Fact<number> | undefined => {
    const v = given(name, position);
    const n = numberOf(v);
    const at = { range: place.range, source: place.source };
    if (n !== undefined) return { value: n, ...at, certainty: place.certaintyOf(name, position) };
    return v === undefined && fallback !== undefined ? { value: fallback, ...at, certainty: "default" } : undefined;
  };
  const learningRate = fact("learning_rate", 0, defaults.rate);
  const weightDecay = fact("weight_decay", -1, defaults.decay);
  const momentum = fact("momentum", -1, defaults.momentum);
  const first = fact("beta_1", -1, undefined) ?? fact("b1", -1, defaults.betas?.[0]);
  const second = fact("beta_2", -1, undefined) ?? fact("b2", -1, defaults.betas?.[1]);
  return {
    kind,
    range: place.range,
    source: place.source,
    model: undefined,
    wholeModel: undefined,
    groups: [
      {
        parameters: undefined,
        ...(learningRate ? { learningRate: learningRate.value } : {}),
        ...(weightDecay ? { weightDecay: weightDecay.value } : {}),
      },
    ],
    ...(learningRate ? { learningRate } : {}),
    ...(weightDecay ? { weightDecay } : {}),
    ...(momentum ? { momentum } : {}),
    ...(first && second ? { betas: { ...first, value: [first.value, second.value] as const } } : {}),
  };
}

/** What `model.compile(optimizer="adam", loss="mse")` says in words. */
function compiled(args: Arguments, place: CallPlace): Said {
  const { range, source } = place;
  const optimizer = args.keywords.get("optimizer") ?? args.positional[1];
  const loss = args.keywords.get("loss") ?? args.positional[2];
  const kind =
    typeof optimizer === "string"
      ? Object.keys(KERAS).find((k) => k.toLowerCase() === optimizer.toLowerCase())
      : args.positional.length === 1 && optimizer === undefined
        ? "RMSprop"
        : undefined;
  const named = typeof loss === "string" ? loss : is(loss, "function") || is(loss, "native") ? loss.name : undefined;
  return {
    ...(kind ? { optimiser: optimiser(kind, { positional: [], keywords: new Map() }, KERAS[kind]!, place) } : {}),
    ...(named !== undefined ? { loss: { kind: named, range, source } } : {}),
  };
}

function number(args: Arguments, name: string, position: number, place: CallPlace): Fact<number> | undefined {
  const value = numberOf(args.keywords.get(name) ?? (position >= 0 ? args.positional[position] : undefined));
  if (value === undefined) return undefined;
  return { value, range: place.range, source: place.source, certainty: place.certaintyOf(name, position) };
}

/** What a call of Keras or optax says about training; undefined where it says nothing. `name` is the callee's full name. */
export function readFrameworkCall(name: string, args: Arguments, place: CallPlace): Said | undefined {
  const { range, source } = place;
  const kind = name.split(".").at(-1)!;
  const named: NamedFact = { kind, range, source };
  if (
    /^keras\.optimizers\.(?:\w+\.)?schedules\./.test(name) ||
    /^keras\.callbacks\.(?:LearningRateScheduler|ReduceLROnPlateau)$/.test(name)
  )
    return { schedule: named };
  if (name.startsWith("keras.optimizers.")) {
    const limit =
      number(args, "clipnorm", -1, place) ?? number(args, "global_clipnorm", -1, place) ?? number(args, "clipvalue", -1, place);
    return { optimiser: optimiser(kind, args, KERAS[kind] ?? {}, place), ...(limit ? { clipping: limit } : {}) };
  }
  if (name.startsWith("keras.losses.")) return { loss: named };
  if (name === "keras.Model.compile") return compiled(args, place);
  if (name === "keras.Model.fit") {
    const batch = number(args, "batch_size", 3, place);
    return { trains: true, ...(batch ? { batch } : {}) };
  }
  if (!name.startsWith("optax.")) return undefined;
  const known = OPTAX[kind];
  if (known) return { optimiser: optimiser(known.kind, args, known, place) };
  if (/^(?:clip|adaptive_grad_clip|clip_by_\w+)$/.test(kind))
    return { clipping: number(args, "max_norm", 0, place) ?? { value: undefined, range, source, certainty: "default" } };
  if (SCHEDULES.test(kind)) return { schedule: named };
  if (kind.endsWith("_loss") || kind.includes("cross_entropy") || kind.includes("squared_error")) return { loss: named };
  if (kind === "apply_updates") return { trains: true };
  return undefined;
}

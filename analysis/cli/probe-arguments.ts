/** @file Reads the arguments of `noether probe`. */
import { parsed, shape, splitTarget } from "./arguments";
import { SWEEPS, type Sweep } from "../service/probe/settings";
import { oneOf, UsageError } from "./usage";

/** What `noether probe` was asked for. What is undefined comes from the code, or is the default. */
export interface ProbeArguments {
  readonly file: string;
  readonly className: string | undefined;
  readonly steps: number;
  readonly replicas: number;
  readonly seed: number;
  readonly learningRate: number | undefined;
  readonly weightDecay: number | undefined;
  readonly momentum: number | undefined;
  readonly optimiser: "sgd" | "adam" | "adamw" | undefined;
  readonly batchSize: number | undefined;
  readonly loss: "cross-entropy" | "mse" | "bce" | undefined;
  readonly data: string | undefined;
  readonly device: "auto" | "cpu" | "cuda" | "webgpu" | "dml" | "coreml";
  /** Values of one setting, each a run of its own. */
  readonly sweep: Sweep | undefined;
  /** Changes to compare with, by name (COMPARISONS or a fix), at the layer of a parameter behind @. */
  readonly compare: readonly string[];
  readonly budget: number | undefined;
  readonly cache: boolean;
  readonly format: "text" | "json" | "html";
  readonly output: string | undefined;
  readonly inputs: readonly (readonly number[])[];
}

const OPTIONS = {
  steps: { type: "string" },
  replicas: { type: "string" },
  seed: { type: "string" },
  lr: { type: "string" },
  "weight-decay": { type: "string" },
  momentum: { type: "string" },
  optimizer: { type: "string" },
  "batch-size": { type: "string" },
  loss: { type: "string" },
  data: { type: "string" },
  device: { type: "string" },
  sweep: { type: "string" },
  compare: { type: "string", multiple: true },
  budget: { type: "string" },
  "no-cache": { type: "boolean" },
  format: { type: "string" },
  output: { type: "string" },
  input: { type: "string", multiple: true },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the arguments behind `probe`; "help" where help is asked for. @throws UsageError */
export function probeArguments(args: readonly string[]): ProbeArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [target, ...more] = positionals;
  if (target === undefined) throw new UsageError("probe needs a FILE: a .py file, FILE.py::Class or an .onnx file");
  if (more.length > 0) throw new UsageError(`probe takes one FILE, and not ${more.join(" ")} as well`);
  const [file, className] = splitTarget(target);
  const format = oneOf("--format", values.format ?? "text", ["text", "json", "html"] as const);
  return {
    file,
    className,
    steps: whole("--steps", values.steps) ?? 300,
    replicas: whole("--replicas", values.replicas) ?? 4,
    seed: values.seed === undefined ? 0 : number("--seed", values.seed, 0),
    learningRate: optional("--lr", values.lr),
    weightDecay: optional("--weight-decay", values["weight-decay"]),
    momentum: optional("--momentum", values.momentum),
    optimiser:
      values.optimizer === undefined ? undefined : oneOf("--optimizer", values.optimizer, ["sgd", "adam", "adamw"] as const),
    batchSize: whole("--batch-size", values["batch-size"]),
    loss: values.loss === undefined ? undefined : oneOf("--loss", values.loss, ["cross-entropy", "mse", "bce"] as const),
    data: values.data,
    device: oneOf("--device", values.device ?? "auto", ["auto", "cpu", "cuda", "webgpu", "dml", "coreml"] as const),
    sweep: values.sweep === undefined ? undefined : sweep(values.sweep),
    compare: values.compare ?? [],
    budget: optional("--budget", values.budget),
    cache: !values["no-cache"],
    format,
    output: values.output,
    inputs: (values.input ?? []).map(shape),
  };
}

function number(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) {
    throw new UsageError(`${option} is a number from ${least} on, not ${text}`);
  }
  return value;
}

const optional = (option: string, text: string | undefined) => (text === undefined ? undefined : number(option, text, 0));

function whole(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`${option} is a whole number from 1 on, not ${text}`);
  return Number(text);
}

/** `lr=0.01,0.1,1`. */
function sweep(text: string): NonNullable<ProbeArguments["sweep"]> {
  const [name, list, ...rest] = text.split("=");
  if (name === undefined || list === undefined || rest.length > 0) {
    throw new UsageError(`--sweep is a setting with its values, such as lr=0.01,0.1,1, not ${text}`);
  }
  const what = oneOf("what --sweep varies", name.trim(), SWEEPS);
  const read = (v: string) => (what === "batch-size" ? whole("--sweep batch-size", v.trim())! : number(`--sweep ${what}`, v, 0));
  return { what, values: list.split(",").map(read) };
}

/** @file The arguments of `noether probe`. */
import { SWEEPS, type Sweep } from "../../service/probe/settings";
import { oneOf, UsageError } from "../usage";
import { number, parsed, shape, target, whole } from "./common";

export const HELP = `noether probe FILE[::CLASS] [options]

Trains the model for a few hundred steps, several replicas at once, in ONNX Runtime, and reports which of its symmetries
break, which stay and which collapse. Settings that are not given come from the training code in the file. A model too
large for the time budget is trained as its twin, which is said. The user's code is read, never run.

  --steps N             updates per run (default 300)
  --replicas N          runs per setting, with different seeds (default 4)
  --seed N              of the first replica (default 0)
  --lr X                learning rate
  --weight-decay X      weight decay
  --momentum X          momentum of SGD
  --optimizer NAME      sgd, adam or adamw
  --batch-size N        examples per step
  --loss NAME           cross-entropy, mse or bce (default: what fits the output)
  --data PATH           .npz, .npy or .csv file, or a folder with a folder of PNG images per class (default: made-up data)
  --device NAME         auto (default), cpu, cuda, webgpu, dml or coreml
  --sweep NAME=A,B,...  one setting per value; NAME is lr, weight-decay, batch-size or momentum
  --compare FIX[@PARAMETER]  the same with a fix (noether fix lists them) or with no-decay; may be repeated
  --budget SECONDS      of training (default 60)
  --input 8x3x32x32     shape of an input; repeat it for further inputs, in order
  --format FORMAT       text (default), json, or html with plots
  --output FILE         write the report there
  --no-cache            do not use or write .noether-cache`;

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

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): ProbeArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [file, className] = target("probe", positionals);
  const format = oneOf("--format", values.format ?? "text", ["text", "json", "html"] as const);
  return {
    file,
    className,
    steps: whole("--steps", values.steps) ?? 300,
    replicas: whole("--replicas", values.replicas) ?? 4,
    seed: values.seed === undefined ? 0 : number("--seed", values.seed),
    learningRate: number("--lr", values.lr),
    weightDecay: number("--weight-decay", values["weight-decay"]),
    momentum: number("--momentum", values.momentum),
    optimiser:
      values.optimizer === undefined ? undefined : oneOf("--optimizer", values.optimizer, ["sgd", "adam", "adamw"] as const),
    batchSize: whole("--batch-size", values["batch-size"]),
    loss: values.loss === undefined ? undefined : oneOf("--loss", values.loss, ["cross-entropy", "mse", "bce"] as const),
    data: values.data,
    device: oneOf("--device", values.device ?? "auto", ["auto", "cpu", "cuda", "webgpu", "dml", "coreml"] as const),
    sweep: values.sweep === undefined ? undefined : sweep(values.sweep),
    compare: values.compare ?? [],
    budget: number("--budget", values.budget),
    cache: !values["no-cache"],
    format,
    output: values.output,
    inputs: (values.input ?? []).map(shape),
  };
}

/** `lr=0.01,0.1,1`. */
function sweep(text: string): NonNullable<ProbeArguments["sweep"]> {
  const [name, list, ...rest] = text.split("=");
  if (name === undefined || list === undefined || rest.length > 0) {
    throw new UsageError(`--sweep is a setting with its values, such as lr=0.01,0.1,1, not ${text}`);
  }
  const what = oneOf("what --sweep varies", name.trim(), SWEEPS);
  const read = (v: string) => (what === "batch-size" ? whole("--sweep batch-size", v.trim()) : number(`--sweep ${what}`, v));
  return { what, values: list.split(",").map(read) };
}

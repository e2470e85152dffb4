/** @file Reads the arguments of `noether fix`. */
import { parsed, shape, splitTarget } from "./arguments";
import { oneOf, UsageError } from "./usage";

/** What `noether fix` was asked for. What is undefined comes from the code, or is the default. */
export interface FixArguments {
  readonly file: string;
  readonly className: string | undefined;
  /** Name of the fix; a list is asked for where it is absent. */
  readonly fix: string | undefined;
  readonly at: string | undefined;
  readonly verify: boolean;
  readonly diff: boolean;
  readonly output: string | undefined;
  readonly steps: number | undefined;
  readonly replicas: number | undefined;
  readonly seed: number;
  readonly learningRate: number | undefined;
  readonly weightDecay: number | undefined;
  readonly batchSize: number | undefined;
  readonly data: string | undefined;
  readonly budget: number | undefined;
  readonly inputs: readonly (readonly number[])[];
  readonly format: "text" | "json";
}

const OPTIONS = {
  fix: { type: "string" },
  at: { type: "string" },
  verify: { type: "boolean" },
  diff: { type: "boolean" },
  output: { type: "string", short: "o" },
  steps: { type: "string" },
  replicas: { type: "string" },
  seed: { type: "string" },
  lr: { type: "string" },
  "weight-decay": { type: "string" },
  "batch-size": { type: "string" },
  data: { type: "string" },
  budget: { type: "string" },
  input: { type: "string", multiple: true },
  format: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads the arguments behind `fix`; "help" where help is asked for. @throws UsageError */
export function fixArguments(args: readonly string[]): FixArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [target, ...more] = positionals;
  if (target === undefined) throw new UsageError("fix needs a FILE: a .py file, FILE.py::Class or an .onnx file");
  if (more.length > 0) throw new UsageError(`fix takes one FILE, and not ${more.join(" ")} as well`);
  const [file, className] = splitTarget(target);
  if (values.verify && (values.diff || values.output !== undefined)) {
    throw new UsageError("--verify only measures: leave out --diff and --output, and write the fix afterwards");
  }
  if (values.fix === undefined && (values.diff || values.output !== undefined)) {
    throw new UsageError(`name the fix with --fix; noether fix ${target} lists those there are`);
  }
  if (/\.onnx$/i.test(file) && values.fix !== undefined && !values.verify && values.output === undefined) {
    throw new UsageError("an ONNX model is never written over: name a new file with --output");
  }
  return {
    file,
    className,
    fix: values.fix,
    at: values.at,
    verify: values.verify ?? false,
    diff: values.diff ?? false,
    output: values.output,
    steps: whole("--steps", values.steps),
    replicas: whole("--replicas", values.replicas),
    seed: number("--seed", values.seed) ?? 0,
    learningRate: number("--lr", values.lr),
    weightDecay: number("--weight-decay", values["weight-decay"]),
    batchSize: whole("--batch-size", values["batch-size"]),
    data: values.data,
    budget: number("--budget", values.budget),
    inputs: (values.input ?? []).map(shape),
    format: oneOf("--format", values.format ?? "text", ["text", "json"] as const),
  };
}

function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) {
    throw new UsageError(`${option} is a number from 0 on, not ${text}`);
  }
  return value;
}

function whole(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`${option} is a whole number from 1 on, not ${text}`);
  return Number(text);
}

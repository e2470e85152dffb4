/** @file The arguments of `noether fix`. */
import { oneOf, UsageError } from "../usage";
import { number, parsed, shape, target, whole } from "./common";

export const HELP = `noether fix FILE[::CLASS] [options]

Lists the fixes that a model can be given, writes one of them, or measures what they gain. In Python source the edit is made
in place; of an ONNX model a new file is written, and where the fix is exact its outputs are compared with the original's.

  --fix NAME         this fix (without it: a list)
  --at PARAMETER     at the layer of this parameter
  --verify           train with and without the fix, with the same data and seeds, and say what changes; writes nothing
  --diff             show what would change in source and change nothing
  --output FILE      write the result there; needed for ONNX models, which are never written over
  --steps N          with --verify: updates per run (default 300)
  --replicas N       with --verify: runs with different seeds (default 4)
  --lr X             with --verify: learning rate, and so on as in noether probe:
  --weight-decay X, --batch-size N, --data PATH, --budget SECONDS
  --seed N           of the first replica, and of what the fix draws (default 0)
  --input 8x3x32x32  shape of an input; repeat it for further inputs, in order
  --config FILE      this configuration instead of the one found (none: --no-config): rules that it switches off, and
                     findings that a comment silences, are not fixed
  --format FORMAT    text (default) or json`;

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
  /** A configuration file, or false for none. */
  readonly configuration: string | false | undefined;
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
  config: { type: "string" },
  "no-config": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): FixArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [file, className] = target("fix", positionals);
  if (values.verify && (values.diff || values.output !== undefined)) {
    throw new UsageError("--verify only measures: leave out --diff and --output, and write the fix afterwards");
  }
  if (values.fix === undefined && (values.diff || values.output !== undefined)) {
    throw new UsageError(`name the fix with --fix; noether fix ${positionals[0]} lists those there are`);
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
    configuration: values["no-config"] ? false : values.config,
  };
}

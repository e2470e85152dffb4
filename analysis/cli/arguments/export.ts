/** @file The arguments of `noether export`. */
import { oneOf, UsageError } from "../usage";
import { parsed, shape, splitTarget } from "./common";

export const HELP = `noether export FILE.py::CLASS [options]

Runs your Python: imports the file, makes the class, exports it to ONNX in training mode, and compares the export with what
was read from the source: parameters, symmetries, outputs. Exits with 1 where they differ.

  --output FILE      where the model goes (default: CLASS.onnx)
  --python PATH      the interpreter (default: the active or the project's environment, else python3)
  --call "TEXT"      how the model is made, in Python (default: as the code says)
  --input 8x3x32x32  shape of an input; repeat it for further inputs, in order
  --timeout SECONDS  after which Python is ended (default 300)
  --dry-run          say what would be run, and run nothing
  --format FORMAT    text (default) or json`;

/** What `noether export` was asked for. */
export interface ExportArguments {
  readonly file: string;
  readonly className: string;
  readonly output: string;
  readonly python: string | undefined;
  readonly call: string | undefined;
  readonly inputs: readonly (readonly number[])[];
  /** Seconds. */
  readonly timeout: number;
  readonly format: "text" | "json";
  /** Say what would be run, and run nothing. */
  readonly dryRun: boolean;
}

const OPTIONS = {
  output: { type: "string", short: "o" },
  python: { type: "string" },
  call: { type: "string" },
  input: { type: "string", multiple: true },
  timeout: { type: "string" },
  format: { type: "string" },
  "dry-run": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const DEFAULT_TIMEOUT = 300;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): ExportArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [target, ...more] = positionals;
  if (target === undefined) throw new UsageError("export needs FILE.py::Class");
  if (more.length > 0) throw new UsageError(`export takes one FILE::Class, and not ${more.join(" ")} as well`);
  const [file, className] = splitTarget(target);
  if (className === undefined || !/\.py$/i.test(file)) throw new UsageError(`export needs FILE.py::Class, not ${target}`);
  const timeout = Number(values.timeout ?? DEFAULT_TIMEOUT);
  if (!(timeout > 0)) throw new UsageError(`--timeout is a number of seconds, not ${values.timeout}`);
  return {
    file,
    className,
    output: values.output ?? `${className}.onnx`,
    python: values.python,
    call: values.call,
    inputs: (values.input ?? []).map(shape),
    timeout,
    format: oneOf("--format", values.format ?? "text", ["text", "json"]),
    dryRun: values["dry-run"] ?? false,
  };
}

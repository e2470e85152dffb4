/** @file Reads the arguments of the commands. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { meant, oneOf, UsageError } from "./usage";

/** What `noether symmetries` was asked for. */
export interface SymmetriesArguments {
  readonly file: string;
  readonly className: string | undefined;
  readonly format: "text" | "json" | "mermaid" | "dot" | "axes";
  readonly certify: boolean;
  readonly loss: "softmax" | undefined;
  readonly inputs: readonly (readonly number[])[];
  readonly frozen: readonly string[];
  readonly all: boolean;
}

/** What `noether check` was asked for. */
export interface CheckArguments {
  readonly paths: readonly string[];
  readonly format: "text" | "json";
}

/** What `noether coverage` was asked for. */
export interface CoverageArguments {
  readonly paths: readonly string[];
  readonly format: "text" | "json";
  readonly all: boolean;
}

const SYMMETRIES = {
  format: { type: "string" },
  certify: { type: "boolean" },
  loss: { type: "string" },
  input: { type: "string", multiple: true },
  frozen: { type: "string", multiple: true },
  all: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsConfig["options"];

const CHECK = {
  format: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsConfig["options"];

const COVERAGE = {
  format: { type: "string" },
  all: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsConfig["options"];

/** parseArgs with its errors as UsageErrors that name a near option. */
function parsed<T extends NonNullable<ParseArgsConfig["options"]>>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const wrong = /'(-[^']*)'/.exec(text)?.[1]?.split(/[ =]/)[0];
    const names = Object.keys(options).map((o) => `--${o}`);
    if (wrong !== undefined && /unknown option/i.test(text)) throw new UsageError(`no option ${wrong}${meant(wrong, names)}`);
    throw new UsageError(text.split(". ")[0]!);
  }
}

/** Reads the arguments behind `symmetries`; "help" where help is asked for. @throws UsageError */
export function symmetriesArguments(args: readonly string[]): SymmetriesArguments | "help" {
  const { values, positionals } = parsed(args, SYMMETRIES);
  if (values.help) return "help";
  const [target, ...more] = positionals;
  if (target === undefined) throw new UsageError("symmetries needs a FILE: a .py file, FILE.py::Class or an .onnx file");
  if (more.length > 0) throw new UsageError(`symmetries takes one FILE, and not ${more.join(" ")} as well`);
  const [file, className] = splitTarget(target);
  return {
    file,
    className,
    format: oneOf("--format", values.format ?? "text", ["text", "json", "mermaid", "dot", "axes"]),
    certify: values.certify ?? false,
    loss: values.loss === undefined ? undefined : oneOf("--loss", values.loss, ["softmax"] as const),
    inputs: (values.input ?? []).map(shape),
    frozen: values.frozen ?? [],
    all: values.all ?? false,
  };
}

/** Reads the arguments behind `check`; "help" where help is asked for. @throws UsageError */
export function checkArguments(args: readonly string[]): CheckArguments | "help" {
  const { values, positionals } = parsed(args, CHECK);
  if (values.help) return "help";
  if (positionals.length === 0) throw new UsageError("check needs PATHS: files, folders or glob patterns");
  return { paths: positionals, format: oneOf("--format", values.format ?? "text", ["text", "json"]) };
}

/** Reads the arguments behind `coverage`; "help" where help is asked for. @throws UsageError */
export function coverageArguments(args: readonly string[]): CoverageArguments | "help" {
  const { values, positionals } = parsed(args, COVERAGE);
  if (values.help) return "help";
  if (positionals.length === 0) throw new UsageError("coverage needs PATHS: Python files, notebooks, folders or glob patterns");
  return { paths: positionals, format: oneOf("--format", values.format ?? "text", ["text", "json"]), all: values.all ?? false };
}

/** `net.py::Net` as a file and a class; a drive letter's colon is single. */
function splitTarget(target: string): readonly [file: string, className: string | undefined] {
  const at = target.lastIndexOf("::");
  if (at < 0) return [target, undefined];
  const className = target.slice(at + 2);
  if (className === "") throw new UsageError(`${target} names no class behind ::`);
  return [target.slice(0, at), className];
}

/** `8x3x32x32` as a shape. */
function shape(text: string): number[] {
  const sizes = text.split(/[x×,]/i).map((s) => s.trim());
  if (sizes.some((s) => !/^[1-9]\d{0,8}$/.test(s))) {
    throw new UsageError(`--input is a shape such as 8x3x32x32 (sizes from 1 on, joined by x), not ${text}`);
  }
  return sizes.map(Number);
}

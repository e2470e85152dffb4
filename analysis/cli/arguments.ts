/** @file Reads the arguments of the commands. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import type { RuleSetting } from "../configuration/configuration";
import { SEVERITIES } from "../configuration/keys";
import type { FixKind } from "../fixes/apply";
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
  /** The name of the text on standard input; absent when files are checked. */
  readonly stdin: string | undefined;
  readonly format: (typeof CHECK_FORMATS)[number];
  readonly output: string | undefined;
  readonly fix: FixKind | undefined;
  readonly diff: boolean;
  readonly watch: boolean;
  readonly quiet: boolean;
  readonly statistics: boolean;
  readonly verbose: boolean;
  readonly maxWarnings: number | undefined;
  readonly rules: ReadonlyMap<string, RuleSetting>;
  /** A configuration file, or false for none. */
  readonly configuration: string | false | undefined;
  readonly baseline: string | undefined;
  readonly updateBaseline: boolean;
  readonly jobs: number | undefined;
  readonly cache: boolean;
  readonly cacheFolder: string | undefined;
}

/** What `noether coverage` was asked for. */
export interface CoverageArguments {
  readonly paths: readonly string[];
  readonly format: "text" | "json";
  readonly all: boolean;
}

/** What `noether explain` was asked for. */
export interface ExplainArguments {
  readonly rule: string;
  readonly format: "text" | "json";
}

/** What `noether rules` was asked for. */
export interface RulesArguments {
  readonly format: "text" | "json";
}

/** What `noether init` was asked for. */
export interface InitArguments {
  readonly pyproject: boolean;
}

const CHECK_FORMATS = ["text", "json", "sarif", "github", "gitlab", "junit"] as const;

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
  output: { type: "string", short: "o" },
  fix: { type: "boolean" },
  "unsafe-fixes": { type: "boolean" },
  diff: { type: "boolean" },
  watch: { type: "boolean" },
  quiet: { type: "boolean", short: "q" },
  statistics: { type: "boolean" },
  verbose: { type: "boolean" },
  "max-warnings": { type: "string" },
  rule: { type: "string", multiple: true },
  config: { type: "string" },
  "no-config": { type: "boolean" },
  baseline: { type: "string" },
  "update-baseline": { type: "boolean" },
  "stdin-filename": { type: "string" },
  jobs: { type: "string" },
  "no-cache": { type: "boolean" },
  "cache-dir": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsConfig["options"];

const FORMAT_ONLY = {
  format: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsConfig["options"];

const INIT = {
  pyproject: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsConfig["options"];

const COVERAGE = {
  format: { type: "string" },
  all: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsConfig["options"];

/** What parseArgs makes of options. */
type Parsed<T extends NonNullable<ParseArgsConfig["options"]>> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
>;

/** parseArgs with its errors as UsageErrors that name a near option. */
export function parsed<T extends NonNullable<ParseArgsConfig["options"]>>(args: readonly string[], options: T): Parsed<T> {
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
  const reads = positionals.includes("-");
  if (reads && positionals.length > 1) throw new UsageError("- is standard input, and cannot be checked together with files");
  if (reads && values.watch) throw new UsageError("--watch follows files, not standard input");
  if (values.diff && !values.fix && !values["unsafe-fixes"])
    throw new UsageError("--diff shows what --fix would change; say --fix");
  const writes = values.fix || values["unsafe-fixes"] || values.output !== undefined || values["update-baseline"];
  if (values.watch && writes) throw new UsageError("--watch only reports: leave out --fix, --output and --update-baseline");
  const name = values["stdin-filename"];
  if (name !== undefined && !reads) throw new UsageError(`--stdin-filename names the text on standard input; check - reads it`);
  if (name !== undefined && !/\.(py|ipynb)$/i.test(name)) {
    throw new UsageError(`--stdin-filename is a .py or .ipynb file, not ${name}`);
  }
  return {
    paths: positionals,
    stdin: reads ? (name ?? "stdin.py") : undefined,
    format: oneOf("--format", values.format ?? "text", CHECK_FORMATS),
    output: values.output,
    fix: values["unsafe-fixes"] ? "all" : values.fix ? "exact" : undefined,
    diff: values.diff ?? false,
    watch: values.watch ?? false,
    quiet: values.quiet ?? false,
    statistics: values.statistics ?? false,
    verbose: values.verbose ?? false,
    maxWarnings: values["max-warnings"] === undefined ? undefined : whole("--max-warnings", values["max-warnings"], 0),
    rules: new Map((values.rule ?? []).map(ruleSetting)),
    configuration: values["no-config"] ? false : values.config,
    baseline: values.baseline,
    updateBaseline: values["update-baseline"] ?? false,
    jobs: values.jobs === undefined ? undefined : whole("--jobs", values.jobs, 1),
    cache: !values["no-cache"],
    cacheFolder: values["cache-dir"],
  };
}

/** Reads the arguments behind `init`; "help" where help is asked for. @throws UsageError */
export function initArguments(args: readonly string[]): InitArguments | "help" {
  const { values, positionals } = parsed(args, INIT);
  if (values.help) return "help";
  if (positionals.length > 0) throw new UsageError(`init takes no ${positionals[0]}; it writes into the current folder`);
  return { pyproject: values.pyproject ?? false };
}

/** Reads the arguments behind `explain`; "help" where help is asked for. @throws UsageError */
export function explainArguments(args: readonly string[]): ExplainArguments | "help" {
  const { values, positionals } = parsed(args, FORMAT_ONLY);
  if (values.help) return "help";
  const [rule, ...more] = positionals;
  if (rule === undefined) throw new UsageError("explain needs a RULE; noether rules lists them");
  if (more.length > 0) throw new UsageError(`explain takes one RULE, and not ${more.join(" ")} as well`);
  return { rule, format: oneOf("--format", values.format ?? "text", ["text", "json"]) };
}

/** Reads the arguments behind `rules`; "help" where help is asked for. @throws UsageError */
export function rulesArguments(args: readonly string[]): RulesArguments | "help" {
  const { values, positionals } = parsed(args, FORMAT_ONLY);
  if (values.help) return "help";
  if (positionals.length > 0)
    throw new UsageError(`rules takes no ${positionals[0]}; noether explain ${positionals[0]} says more`);
  return { format: oneOf("--format", values.format ?? "text", ["text", "json"]) };
}

/** `linear-chain=off` as a rule and its setting. */
function ruleSetting(text: string): readonly [string, RuleSetting] {
  const [id, level, ...more] = text.split("=");
  if (id === "" || level === undefined || more.length > 0)
    throw new UsageError(`--rule is RULE=LEVEL, such as linear-chain=off, not ${text}`);
  return [id!, { severity: oneOf("--rule's level", level, SEVERITIES), options: {} }];
}

function whole(option: string, text: string, least: number): number {
  const n = Number(text);
  if (!/^\d{1,9}$/.test(text) || n < least) throw new UsageError(`${option} is a whole number from ${least} on, not ${text}`);
  return n;
}

/** Reads the arguments behind `coverage`; "help" where help is asked for. @throws UsageError */
export function coverageArguments(args: readonly string[]): CoverageArguments | "help" {
  const { values, positionals } = parsed(args, COVERAGE);
  if (values.help) return "help";
  if (positionals.length === 0) throw new UsageError("coverage needs PATHS: Python files, notebooks, folders or glob patterns");
  return { paths: positionals, format: oneOf("--format", values.format ?? "text", ["text", "json"]), all: values.all ?? false };
}

/** `net.py::Net` as a file and a class; a drive letter's colon is single. */
export function splitTarget(target: string): readonly [file: string, className: string | undefined] {
  const at = target.lastIndexOf("::");
  if (at < 0) return [target, undefined];
  const className = target.slice(at + 2);
  if (className === "") throw new UsageError(`${target} names no class behind ::`);
  return [target.slice(0, at), className];
}

/** `8x3x32x32` as a shape. */
export function shape(text: string): number[] {
  const sizes = text.split(/[x×,]/i).map((s) => s.trim());
  if (sizes.some((s) => !/^[1-9]\d{0,8}$/.test(s))) {
    throw new UsageError(`--input is a shape such as 8x3x32x32 (sizes from 1 on, joined by x), not ${text}`);
  }
  return sizes.map(Number);
}

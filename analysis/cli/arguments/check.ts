/** @file The arguments of `noether check`. */
import type { RuleSetting } from "../../configuration/configuration";
import { SEVERITIES } from "../../configuration/keys";
import type { FixKind } from "../../fixes/apply";
import { oneOf, UsageError } from "../usage";
import { parsed, whole } from "./common";

export const HELP = `noether check PATHS... [options]

Reports what deserves a change in the models of files, folders and glob patterns (.py, .ipynb and .onnx; version
control, node_modules, caches and virtual environments are left out). PATHS may be - for text on standard input.

  --format FORMAT     text (default), json, sarif, github, gitlab or junit
  --output FILE       write the report there
  --fix               apply safe fixes: the function stays, or only the fault that was found goes
  --unsafe-fixes      with --fix, also those that change training
  --diff              with --fix, show what would change and change nothing
  --watch             check again when a file changes
  --quiet             errors only
  --statistics        counts by rule instead of findings (text or json)
  --max-warnings N    how many warnings are no failure (default 0)
  --verbose           also say what could not be understood, and why
  --rule RULE=LEVEL   error, warning, info, hint or off for this run; may be repeated
  --config FILE       this configuration instead of the one found (none: --no-config)
  --baseline FILE     report only what exceeds the findings accepted there
  --update-baseline   accept all findings of this run
  --stdin-filename F  the name under which standard input is checked
  --jobs N            processes for large trees (default: one per core)
  --no-cache          do not use or write .noether-cache
  --cache-dir FOLDER  keep the cache there instead`;

const CHECK_FORMATS = ["text", "json", "sarif", "github", "gitlab", "junit"] as const;

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

const OPTIONS = {
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
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): CheckArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  if (positionals.length === 0) throw new UsageError("check needs PATHS: files, folders or glob patterns");
  const reads = positionals.includes("-");
  if (reads && positionals.length > 1) throw new UsageError("- is standard input, and cannot be checked together with files");
  if (reads && values.watch) throw new UsageError("--watch follows files, not standard input");
  if (values.diff && !values.fix && !values["unsafe-fixes"])
    throw new UsageError("--diff shows what --fix would change; say --fix");
  const writes = values.fix || values["unsafe-fixes"] || values.output !== undefined || values["update-baseline"];
  if (values.watch && writes) throw new UsageError("--watch only reports: leave out --fix, --output and --update-baseline");
  const format = oneOf("--format", values.format ?? "text", CHECK_FORMATS);
  if (values.statistics && format !== "text" && format !== "json") throw new UsageError("--statistics is text or json");
  const name = values["stdin-filename"];
  if (name !== undefined && !reads) throw new UsageError(`--stdin-filename names the text on standard input; check - reads it`);
  if (name !== undefined && !/\.(py|ipynb)$/i.test(name)) {
    throw new UsageError(`--stdin-filename is a .py or .ipynb file, not ${name}`);
  }
  return {
    paths: positionals,
    stdin: reads ? (name ?? "stdin.py") : undefined,
    format,
    output: values.output,
    fix: values["unsafe-fixes"] ? "all" : values.fix ? "exact" : undefined,
    diff: values.diff ?? false,
    watch: values.watch ?? false,
    quiet: values.quiet ?? false,
    statistics: values.statistics ?? false,
    verbose: values.verbose ?? false,
    maxWarnings: whole("--max-warnings", values["max-warnings"], 0),
    rules: new Map((values.rule ?? []).map(ruleSetting)),
    configuration: values["no-config"] ? false : values.config,
    baseline: values.baseline,
    updateBaseline: values["update-baseline"] ?? false,
    jobs: whole("--jobs", values.jobs),
    cache: !values["no-cache"],
    cacheFolder: values["cache-dir"],
  };
}

/** `linear-chain=off` as a rule and its setting. */
function ruleSetting(text: string): readonly [string, RuleSetting] {
  const [id, level, ...more] = text.split("=");
  if (id === "" || level === undefined || more.length > 0)
    throw new UsageError(`--rule is RULE=LEVEL, such as linear-chain=off, not ${text}`);
  return [id!, { severity: oneOf("--rule's level", level, SEVERITIES), options: {} }];
}

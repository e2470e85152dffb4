/** @file The arguments of `noether coverage`. */
import { oneOf, UsageError } from "../usage";
import { parsed } from "./common";

export const HELP = `noether coverage PATHS... [options]

Counts the classes of modules with a forward in Python files, notebooks, folders and glob patterns: those that are fully
understood, those with opaque parts (which, and how often), those that cannot be made (why), and those that failed.

  --format FORMAT    text (default) or json
  --all              the lists in full`;

/** What `noether coverage` was asked for. */
export interface CoverageArguments {
  readonly paths: readonly string[];
  readonly format: "text" | "json";
  readonly all: boolean;
}

const OPTIONS = {
  format: { type: "string" },
  all: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): CoverageArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  if (positionals.length === 0) throw new UsageError("coverage needs PATHS: Python files, notebooks, folders or glob patterns");
  return { paths: positionals, format: oneOf("--format", values.format ?? "text", ["text", "json"]), all: values.all ?? false };
}

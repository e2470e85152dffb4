/** @file The arguments of `noether rules`. */
import { oneOf, UsageError } from "../usage";
import { parsed } from "./common";

export const HELP = `noether rules [--format json]

Lists all rules with how loud they are by default.`;

/** What `noether rules` was asked for. */
export interface RulesArguments {
  readonly format: "text" | "json";
}

const OPTIONS = {
  format: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): RulesArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  if (positionals.length > 0)
    throw new UsageError(`rules takes no ${positionals[0]}; noether explain ${positionals[0]} says more`);
  return { format: oneOf("--format", values.format ?? "text", ["text", "json"]) };
}

/** @file The arguments of `noether explain`. */
import { oneOf, UsageError } from "../usage";
import { parsed } from "./common";

export const HELP = `noether explain RULE [--format json]

Says what a rule finds, why it matters, when not to care, and shows what is reported, what is not, and how it is mended.`;

/** What `noether explain` was asked for. */
export interface ExplainArguments {
  readonly rule: string;
  readonly format: "text" | "json";
}

const OPTIONS = {
  format: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): ExplainArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [rule, ...more] = positionals;
  if (rule === undefined) throw new UsageError("explain needs a RULE; noether rules lists them");
  if (more.length > 0) throw new UsageError(`explain takes one RULE, and not ${more.join(" ")} as well`);
  return { rule, format: oneOf("--format", values.format ?? "text", ["text", "json"]) };
}

/** @file The arguments of `noether init`. */
import { UsageError } from "../usage";
import { parsed } from "./common";

export const HELP = `noether init [--pyproject]

Writes noether.toml, or [tool.noether] into pyproject.toml, with every setting explained and at its default. An existing
configuration is left alone.`;

/** What `noether init` was asked for. */
export interface InitArguments {
  readonly pyproject: boolean;
}

const OPTIONS = {
  pyproject: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): InitArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  if (positionals.length > 0) throw new UsageError(`init takes no ${positionals[0]}; it writes into the current folder`);
  return { pyproject: values.pyproject ?? false };
}

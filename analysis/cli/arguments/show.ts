/** @file The arguments of `noether show`. */
import { oneOf } from "../usage";
import { parsed, target } from "./common";

export const HELP = `noether show FILE[::CLASS] [options]

Prints the graph of a model in ONNX's text syntax: of an .onnx file as it is, of Python source as Noether reads it. Weights
are shown as their types, small constants with their values.

  --names STYLE      quoted (default): names as they are, as onnx.parser reads them since ONNX 1.17;
                     plain: names that every version of onnx.parser reads`;

/** What `noether show` was asked for. */
export interface ShowArguments {
  readonly file: string;
  readonly className: string | undefined;
  readonly names: "quoted" | "plain";
}

const OPTIONS = {
  names: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): ShowArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [file, className] = target("show", positionals, "an .onnx file, or FILE.py::Class");
  return { file, className, names: oneOf("--names", values.names ?? "quoted", ["quoted", "plain"]) };
}

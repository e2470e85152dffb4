/** @file The arguments of `noether symmetries`. */
import { oneOf } from "../usage";
import { parsed, shape, target } from "./common";

export const HELP = `noether symmetries FILE[::CLASS] [options]

Prints the channel spaces of a model with the group that acts on each, and the dimension of its continuous symmetries by
family. Of a Python file with several models all are printed, of FILE::CLASS one.

  --format FORMAT    text (default); json, the public format; mermaid or dot, a diagram;
                     axes, one label per parameter axis
  --certify          apply a random element of each symmetry to the weights and compare outputs (ONNX Runtime)
  --loss softmax     count for a softmax cross-entropy on the output instead of for the function itself
  --input 8x3x32x32  shape of an input; repeat it for further inputs, in order
  --frozen NAME      parameters that do not train, by name or pattern (encoder.*); may be repeated
  --all              all channel spaces, however many there are`;

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

const OPTIONS = {
  format: { type: "string" },
  certify: { type: "boolean" },
  loss: { type: "string" },
  input: { type: "string", multiple: true },
  frozen: { type: "string", multiple: true },
  all: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Reads them; "help" where help is asked for. @throws UsageError */
export function read(args: readonly string[]): SymmetriesArguments | "help" {
  const { values, positionals } = parsed(args, OPTIONS);
  if (values.help) return "help";
  const [file, className] = target("symmetries", positionals);
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

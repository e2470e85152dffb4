/** @file How the command line is spoken: help, exit codes, and errors in what was asked. */
import { meant } from "../configuration/nearest";

/** Exit codes, as pyright's. */
export const EXIT = {
  /** Nothing to report. */
  ok: 0,
  /** Findings of severity error or warning, or a claim that failed its certification. */
  findings: 1,
  /** A file could not be read or analysed. */
  fatal: 2,
  /** A configuration file is wrong. */
  configuration: 3,
  /** The command line is wrong. */
  usage: 4,
} as const;

/** What was asked makes no sense; ends the program with exit code 4. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What `noether --help` prints. */
export const HELP = `Noether finds the symmetries of neural networks: changes of the weights that leave the function as it is.

  noether symmetries FILE[::CLASS]   what acts on a model, and how many directions are pure symmetry
  noether check PATHS...             what in model code deserves a change, with fixes
  noether fix FILE[::CLASS]          one fix by name, in source or in an exported model; what it gains
  noether probe FILE[::CLASS]        short trainings that measure what the symmetries do
  noether show FILE[::CLASS]         the graph of a model as text, in ONNX's own syntax
  noether export FILE::CLASS         PyTorch's own export of a model, compared with what was read
  noether coverage PATHS...          how much of the model code in Python files is understood
  noether rules                      what it looks for
  noether explain RULE               why a rule matters, with examples
  noether init                       write a configuration to start from

FILE is PyTorch source (.py) or an ONNX model (.onnx). Code is read, never run, but by noether export.

  --help       this text; after a command, the help of that command
  --version    the version

Exit codes: 0 nothing to report, 1 findings, 2 a file could not be read, 3 wrong configuration, 4 wrong arguments.`;

/** One of a list of words, or a UsageError that lists them. */
export function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw new UsageError(`${option} is ${allowed.join(", ")}, not ${value}${meant(value, allowed)}`);
  return found;
}

/** @file How a model's forward pass is to be followed. */
import type { Interpreter } from "../evaluator/interpreter";
import { type Budget } from "../evaluator/interpreter";
import type { Arguments } from "../values/value";

/** A shape and element type that a test, a pragma or a caller gives for an input. */
export interface GivenInput {
  readonly shape: readonly number[];
  readonly type?: "float32" | "int64" | "bool";
}

/** How one model is to be made and called. */
export interface EvaluationOptions {
  readonly rootFile: string;
  readonly training?: boolean;
  readonly budget?: Budget;
  /** Shapes by input name, or in order. */
  readonly inputs?: readonly GivenInput[] | Readonly<Record<string, GivenInput>>;
  /** What a surrounding model calls this one with. */
  readonly called?: Arguments;
  /** What the file says it is called with, the likeliest first; used where forward runs through with it. */
  readonly examples?: readonly Arguments[];
  readonly prepare?: (interpreter: Interpreter) => void;
  /** Goes on where the construction raises, instead of giving up. */
  readonly lenient?: boolean;
  /** Called before each attempt at forward. */
  readonly onAttempt?: () => void;
}

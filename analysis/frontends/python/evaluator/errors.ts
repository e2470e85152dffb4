/** @file How an evaluation can stop. */
import type { Value } from "../values/value";

/** An exception of the evaluated program: raised by it, or by an operation that cannot succeed. */
export class PythonError extends Error {
  constructor(
    /** Python's class name, for example `ValueError`. */
    readonly type: string,
    message: string,
    readonly value?: Value,
    /** Sizes that do not fit, where that is why. */
    readonly conflicts: readonly SizeConflict[] = [],
  ) {
    super(message);
    this.name = "PythonError";
  }
}

/** A size that was found where another one was needed. */
export interface SizeConflict {
  readonly got: number;
  readonly expected: number;
  /** From a comparison that the program makes: the numbers may be sizes, ranks or anything else. */
  readonly compared?: boolean;
  /** Numbers of dimensions, not sizes. */
  readonly ranks?: true;
  /** Numbers of entries, not sizes. */
  readonly entries?: true;
}

/** Raises a RuntimeError about one size. */
export function raiseConflict(message: string, got: number, expected: number): never {
  throw new PythonError("RuntimeError", message, undefined, [{ got, expected }]);
}

/** Raises an IndexError about the number of dimensions. */
export function raiseRank(message: string, got: number, expected: number): never {
  throw new PythonError("IndexError", message, undefined, [{ got, expected, ranks: true }]);
}

/** What an operation needs to know about a graph input whose shape is still open. */
export interface ShapeHint {
  readonly rank?: number;
  /** Sizes by axis; negative axes count from the end. */
  readonly sizes?: ReadonlyMap<number, number>;
  readonly integer?: boolean;
  /** Smallest rank that makes sense. */
  readonly minimumRank?: number;
  /** Channels are the last axis, and the axes between it and the batch are spatial. */
  readonly channelsLast?: boolean;
  /** The argument is used as a plain number, not as a tensor. */
  readonly scalar?: "int" | "float" | "bool";
  /** The argument is an object with attributes, a sequence or a mapping, not a tensor. */
  readonly record?: boolean;
}

/** Stops a run of `forward`: an input's shape is needed. The driver makes a hypothesis and starts again. */
export class ShapeDemand extends Error {
  constructor(
    readonly input: string,
    readonly hint: ShapeHint,
  ) {
    super(`the shape of ${input} is needed`);
    this.name = "ShapeDemand";
  }
}

/** The evaluation took more steps or nodes than it may. */
export class BudgetExceeded extends Error {
  constructor(what: string) {
    super(what);
    this.name = "BudgetExceeded";
  }
}

/** Throws what Python would raise. */
export function raise(type: string, message: string): never {
  throw new PythonError(type, message);
}

/** An operation on tensors that the tables do not cover for these arguments: it becomes opaque, never a contradiction. */
export class NotUnderstood extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "NotUnderstood";
  }
}

/** Throws NotUnderstood: the value exists, but is not known here. */
export function notUnderstood(reason: string): never {
  throw new NotUnderstood(reason);
}

/** Longest list that an operation makes entry by entry; sizes in a text that is being typed say anything. */
const LONGEST_LIST = 1 << 20;

/** How long a list is made. Throws NotUnderstood where it has more entries than any memory should hold, or fewer than none. */
export function listLength(entries: number, most = LONGEST_LIST): number {
  if (!(entries >= 0 && entries <= most)) notUnderstood(`a list of ${entries} entries is not followed`);
  return entries;
}

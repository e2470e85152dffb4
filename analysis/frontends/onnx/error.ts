/** @file The one error that reading an ONNX file may end in. */

/** What an {@link OnnxError} says. */
export interface OnnxErrorDetails {
  /** The path or name of the model. */
  readonly file: string;
  /** What is wrong, as a sentence without the file and the place. */
  readonly problem: string;
  /** Byte offset in the file where the problem was met. */
  readonly offset?: number;
  /** Name of the node where the problem was met. */
  readonly node?: string;
  /** What should have been there. */
  readonly expected: string;
  /** What the user can do about it. */
  readonly advice: string;
}

/** A file that cannot be read as an ONNX model: says which file, where in it, what was expected and what to do. */
export class OnnxError extends Error {
  readonly file: string;
  readonly problem: string;
  readonly offset: number | undefined;
  readonly node: string | undefined;
  readonly expected: string;
  readonly advice: string;

  constructor(details: OnnxErrorDetails) {
    const place = [
      details.node === undefined ? "" : `node ${details.node}`,
      details.offset === undefined ? "" : `byte ${details.offset}`,
    ].filter((p) => p !== "");
    super(
      `${details.file}${place.length === 0 ? "" : `, ${place.join(", ")}`}: ${details.problem}. ` +
        `Expected ${details.expected}. ${details.advice}`,
    );
    this.name = "OnnxError";
    this.file = details.file;
    this.problem = details.problem;
    this.offset = details.offset;
    this.node = details.node;
    this.expected = details.expected;
    this.advice = details.advice;
  }
}

/** What to do about a damaged file. */
export const EXPORT_AGAIN = "Export or download the model again; onnx.checker.check_model tells more.";

/** @file The operators that move entries and compute nothing, listed by what they do with them. */
import type { Movement } from "./operator";
import { operators } from "./table";

/**
 * The names of ONNX's own operators that move entries in one of these ways. Who follows entries through them asks for what it
 * is ready for: a graph in normal form has Reshape, Transpose, Slice, Gather, Expand, Concat and DepthToSpace of them, and the
 * others only where a shape is not known.
 */
export function operatorsThat(...ways: readonly Movement[]): ReadonlySet<string> {
  return new Set(operators.filter((o) => (o.domain ?? "") === "" && o.moves && ways.includes(o.moves)).map((o) => o.name));
}

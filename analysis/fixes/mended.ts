/** @file What comes of a remedy: edits, or the reason why there are none. */
import type { SourceRange } from "../graph/source";
import type { Fix } from "../rules/finding";
import { lineStarts, offsetAt } from "./python-text";

/** Either the fix, or why there is none, as a sentence for the finding. */
export type Mended = { readonly fix: Fix } | { readonly reason: string };

/** The text in a range. */
export function textOf(text: string, range: SourceRange): string {
  const starts = lineStarts(text);
  return text.slice(offsetAt(starts, range.start, text.length), offsetAt(starts, range.end, text.length));
}

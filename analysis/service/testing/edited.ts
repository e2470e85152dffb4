/** @file Applies edits to a text, as an editor does. */
import { lineStarts, offsetAt } from "../../fixes/python-text";
import type { TextEdit } from "../../rules/finding";

/** The text with some ranges replaced. */
export function edited(text: string, edits: readonly TextEdit[]): string {
  const starts = lineStarts(text);
  const offsets = edits
    .map(({ range, newText }) => ({
      start: offsetAt(starts, range.start, text.length),
      end: offsetAt(starts, range.end, text.length),
      newText,
    }))
    .sort((a, b) => b.start - a.start);
  return offsets.reduce((out, e) => out.slice(0, e.start) + e.newText + out.slice(e.end), text);
}

/** @file Applies fixes to texts: each whole or not at all, none over another. */
import type { Position, SourceRange } from "../graph/source";
import type { Finding, Fix, TextEdit } from "../rules/finding";

/** Which fixes to apply. */
export type FixKind = "exact" | "all";

/**
 * The first fix of each finding that is of the kind asked for, as far as they do not touch each other; of two that do, the
 * one that stands first stays. Fixes that make the same edits count once.
 */
export function compatibleFixes(findings: readonly Finding[], kind: FixKind): { finding: Finding; fix: Fix }[] {
  const taken: SourceRange[] = [];
  const seen = new Set<string>();
  return findings.flatMap((finding) => {
    const fix = finding.fixes.find((f) => f.exact || kind === "all");
    if (!fix || fix.edits.length === 0) return [];
    const identity = JSON.stringify(fix.edits);
    if (seen.has(identity)) return [];
    if (fix.edits.some((e) => taken.some((t) => t.file === e.range.file && touch(t, e.range)))) return [];
    seen.add(identity);
    taken.push(...fix.edits.map((e) => e.range));
    return [{ finding, fix }];
  });
}

function compare(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column;
}

/** Whether ranges overlap; two insertions at one place do, since their order would matter. */
function touch(a: SourceRange, b: SourceRange): boolean {
  const sameInsertion = compare(a.start, b.start) === 0 && compare(a.end, b.end) === 0;
  return sameInsertion || (compare(a.start, b.end) < 0 && compare(b.start, a.end) < 0);
}

/**
 * A text after edits, which must not overlap. Ranges count lines ended by `\n`, `\r\n` or `\r`, as editors do.
 * @throws Error when a range lies outside of the text: the edit was made for another version of it
 */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const starts = lineStarts(text);
  const offset = ({ line, column }: Position, file: string): number => {
    const start = line === starts.length ? text.length : starts[line];
    const next = starts[line + 1] ?? text.length;
    if (start === undefined || start + column > next) {
      throw new Error(
        `${file}: line ${line + 1}, column ${column + 1} is outside of the text; it has changed since it was checked`,
      );
    }
    return start + column;
  };
  const sorted = edits
    .map((e) => ({ from: offset(e.range.start, e.range.file), to: offset(e.range.end, e.range.file), newText: e.newText }))
    .sort((a, b) => a.from - b.from || a.to - b.to);
  let out = "";
  let at = 0;
  for (const { from, to, newText } of sorted) {
    if (from < at) throw new Error("edits overlap");
    out += text.slice(at, from) + newText;
    at = to;
  }
  return out + text.slice(at);
}

function lineStarts(text: string): number[] {
  const out = [0];
  for (const match of text.matchAll(/\r\n|\n|\r/g)) out.push(match.index + match[0].length);
  return out;
}

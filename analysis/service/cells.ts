/**
 * @file Places as they leave the service. Inside, places follow the code when lines are added above it, and a notebook is one
 * Python text, the code of its cells one after the other. What leaves stays as it is and speaks of cells: file `PATH#cell=N`
 * (all cells count, from 0) and the line in the cell.
 */
import type { SourceRange } from "../graph/source";

/** Where a line of the joined text is. */
export type Cells = (line: number) => { readonly file: string; readonly line: number };

/** A copy of plain data with all places as they are now, those in a notebook's joined text turned into places in its cells. */
export function settled<T>(value: T, file: string, cells: Cells | undefined): T {
  const place = (range: SourceRange): SourceRange => {
    if (!cells || range.file !== file) return { file: range.file, start: range.start, end: range.end };
    const start = cells(range.start.line);
    const end = cells(range.end.line);
    // What would reach into the next cell ends where its own cell does.
    const last = end.file === start.file ? end.line : start.line + (range.end.line - range.start.line);
    return {
      file: start.file,
      start: { line: start.line, column: range.start.column },
      end: { line: last, column: range.end.column },
    };
  };
  const visit = (x: unknown): unknown => {
    if (typeof x !== "object" || x === null) return x;
    if (Array.isArray(x)) return x.map(visit);
    if (isRange(x)) return place(x);
    return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, visit(v)]));
  };
  return visit(value) as T;
}

/** A range of a notebook's cell as one of the notebook's joined text; undefined where the cell holds no Python there. */
export function inJoinedText(range: SourceRange, file: string, cells: Cells, text: string): SourceRange | undefined {
  const lines = text.split("\n").length - 1;
  const lineOf = (line: number): number | undefined => {
    for (let i = 0; i < lines; i++) {
      const at = cells(i);
      if (at.file === range.file && at.line === line) return i;
    }
    return undefined;
  };
  const start = lineOf(range.start.line);
  const end = lineOf(range.end.line);
  if (start === undefined || end === undefined) return undefined;
  return { file, start: { line: start, column: range.start.column }, end: { line: end, column: range.end.column } };
}

function isRange(x: object): x is SourceRange {
  return "file" in x && "start" in x && "end" in x && typeof x.start === "object" && typeof x.end === "object";
}

/**
 * @file Findings in notebooks for programs that know files only: a place in a cell becomes the line of the `.ipynb` file that
 * the line of code is written in. Services that show the file, or its diff, can point at that.
 */
import { readFileSync } from "node:fs";
import { cellOfPlace } from "../fixes/edited-files";
import { notebookCell } from "../fixes/notebook";
import type { SourceRange } from "../graph/source";
import type { Finding } from "../rules/finding";

/** The findings with places in files. Those in notebooks name their cell in the message, and have no fixes: edits are of code. */
export function inFiles(findings: readonly Finding[]): Finding[] {
  const texts = new Map<string, string>();
  const placed = (range: SourceRange): SourceRange => {
    const place = cellOfPlace(range.file);
    if (!place) return range;
    const { notebook, cell } = place;
    const nowhere = { line: 0, column: 0 };
    try {
      const text = texts.get(notebook) ?? readFileSync(notebook, "utf8");
      texts.set(notebook, text);
      const { lineInFile } = notebookCell(text, cell);
      const lines = text.split("\n");
      const [start, end] = [lineInFile(range.start.line), lineInFile(range.end.line)];
      return {
        file: notebook,
        start: { line: start, column: /\S/.exec(lines[start]!)?.index ?? 0 },
        end: { line: end, column: lines[end]!.trimEnd().length },
      };
    } catch {
      return { file: notebook, start: nowhere, end: nowhere }; // changed since, or only on standard input
    }
  };
  return findings.map((f) => {
    const place = cellOfPlace(f.file);
    if (!place || !f.range) return f;
    const [first, ...rest] = f.message.split("\n");
    return {
      ...f,
      file: place.notebook,
      range: placed(f.range),
      message: [`${first} (cell ${place.cell}, line ${f.range.start.line + 1})`, ...rest].join("\n"),
      related: f.related.map((r) => ({ ...r, range: placed(r.range) })),
      fixes: [],
    };
  });
}

/** @file Jupyter notebooks: the code cells joined to one Python text, with a map from its lines back to the cells. */
import type { LineMap } from "./document";

/** The code of a notebook. */
export interface NotebookCode {
  readonly text: string;
  /** Place of a line: file `PATH#cell=N` (N counts all cells from 0), line within the cell. */
  readonly map: LineMap;
}

interface Cell {
  readonly cell_type?: unknown;
  readonly source?: unknown;
}

/** Comments out what only IPython understands: `%magic`, `!command`, `?help`; lines keep their number. */
function plainPython(line: string): string {
  return /^\s*(?:%|!|\?)/.test(line) || /\?\s*$/.test(line) ? line.replace(/^(\s*)(.?)/, "$1#") : line;
}

/**
 * Joins the code cells of an `.ipynb` file. Throws Error naming the file when the text is not a notebook.
 */
export function readNotebook(path: string, json: string): NotebookCode {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new Error(`${path}: not a notebook: ${(error as Error).message}. Expected the JSON of an .ipynb file.`);
  }
  const cells = (parsed as { cells?: unknown } | null)?.cells;
  if (!Array.isArray(cells)) throw new Error(`${path}: not a notebook: it has no list of cells (nbformat 4 or later is read).`);
  const lines: string[] = [];
  const places: { file: string; line: number }[] = [];
  (cells as Cell[]).forEach((cell, index) => {
    if (cell?.cell_type !== "code") return;
    const source = Array.isArray(cell.source) ? cell.source.join("") : String(cell.source ?? "");
    // The line that says what a whole cell is, and cells that are no Python, are no lines of the text: edits stay clear of them.
    const isMagic = /^\s*%%/.test(source);
    if (isMagic && !/^\s*%%(?:time|timeit|capture)\b/.test(source)) return;
    const first = isMagic ? source.split("\n").findIndex((l) => l.trim() !== "") + 1 : 0;
    source.split("\n").forEach((line, k) => {
      if (k < first) return;
      lines.push(plainPython(line));
      places.push({ file: `${path}#cell=${index}`, line: k });
    });
  });
  return {
    text: `${lines.join("\n")}\n`,
    map: (line) => places[Math.min(line, places.length - 1)] ?? { file: path, line: 0 },
  };
}

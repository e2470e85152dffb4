/** @file What edits make of files on disk: Python source in whatever encoding it is written, and the cells of notebooks. */
import { readFileSync } from "node:fs";
import { decodeSource, encodeSource } from "../frontends/python/parser/encoding";
import type { TextEdit } from "../rules/finding";
import { applyEdits } from "./apply";
import { notebookCell } from "./notebook";

/** A file with its edits made, not yet written. */
export interface EditedFile {
  readonly file: string;
  /** What the file is to hold. */
  readonly content: string | Uint8Array;
  /** The texts that change, for a diff: the file itself, or cells of a notebook as `PATH#cell=N`. */
  readonly texts: readonly { readonly name: string; readonly before: string; readonly after: string }[];
}

const CELL = /^(.*\.ipynb)#cell=(\d+)$/is;

/** The file that a place is in: of a notebook's cell the notebook. */
export function fileOfPlace(place: string): string {
  return CELL.exec(place)?.[1] ?? place;
}

/** The notebook and the cell that a place is in; undefined for places in other files. */
export function cellOfPlace(place: string): { readonly notebook: string; readonly cell: number } | undefined {
  const found = CELL.exec(place);
  return found ? { notebook: found[1]!, cell: Number(found[2]) } : undefined;
}

/**
 * The files that edits change, with the edits made.
 * @throws Error naming the file when it cannot be read, has changed since, or cannot be written in its encoding
 */
export function editedFiles(edits: readonly TextEdit[]): EditedFile[] {
  return grouped(edits, (e) => fileOfPlace(e.range.file)).map(([file, own]) => {
    const bytes = readFileSync(file);
    if (/\.ipynb$/i.test(file)) return editedNotebook(file, bytes.toString("utf8"), own);
    const { text: before, encoding } = decodeSource(bytes, file);
    const after = applyEdits(before, own);
    return { file, content: encodeSource({ text: after, encoding }, file), texts: [{ name: file, before, after }] };
  });
}

/** A notebook's text with edits of its cells, whose ranges name files `PATH#cell=N`. @throws Error naming the notebook */
export function editedNotebook(file: string, text: string, edits: readonly TextEdit[]): EditedFile {
  let content = text;
  const texts = grouped(edits, (e) => e.range.file).map(([name, own]) => {
    const place = cellOfPlace(name);
    if (!place) throw new Error(`${file}: an edit names no cell; it is left as it is`);
    try {
      const code = notebookCell(content, place.cell);
      const before = code.source;
      const after = applyEdits(before, own);
      content = code.replaced(after);
      return { name, before, after };
    } catch (error) {
      throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  });
  return { file, content, texts };
}

function grouped(edits: readonly TextEdit[], by: (edit: TextEdit) => string): [string, TextEdit[]][] {
  return [...new Set(edits.map(by))].map((key) => [key, edits.filter((e) => by(e) === key)]);
}

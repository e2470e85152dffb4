/** @file Between the URIs of the protocol and the paths that the analysis works with. */
import { fileURLToPath, pathToFileURL } from "node:url";

/** Cells of open notebooks: the analysis names them `PATH#cell=N`, clients by URIs of their own. */
const cellPaths = new Map<string, string>();
const cellUris = new Map<string, string>();

/** Makes a cell's URI stand for its place in a notebook. */
export function nameCell(uri: string, path: string): void {
  cellPaths.set(uri, path);
  cellUris.set(path, uri);
}

/** Whether a path is the place of a notebook's open cell. */
export function isCell(path: string): boolean {
  return cellUris.has(path);
}

/** Forgets a cell. */
export function forgetCell(uri: string): void {
  const path = cellPaths.get(uri);
  cellPaths.delete(uri);
  if (path !== undefined && cellUris.get(path) === uri) cellUris.delete(path);
}

/** The path of a `file:` URI, the place of a notebook's cell; any other URI (untitled, virtual) stands for itself. */
export function pathOf(uri: string): string {
  const cell = cellPaths.get(uri);
  if (cell !== undefined) return cell;
  if (!uri.startsWith("file:")) return uri;
  try {
    return fileURLToPath(uri);
  } catch {
    return uri;
  }
}

/** The URI of a path that came from `pathOf` or from the analysis. */
export function uriOf(path: string): string {
  const cell = cellUris.get(path);
  if (cell !== undefined) return cell;
  return /^[a-z][a-z0-9+.-]+:/i.test(path) ? path : pathToFileURL(path).href;
}

/** Whether two URIs name one document: clients may escape characters that Node does not, and the other way round. */
export function sameDocument(a: string, b: string): boolean {
  return a === b || pathOf(a) === pathOf(b);
}

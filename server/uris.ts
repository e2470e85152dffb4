/** @file Between the URIs of the protocol and the paths that the analysis works with. */
import { fileURLToPath, pathToFileURL } from "node:url";

/** The path of a `file:` URI; any other URI (untitled, virtual) stands for itself. */
export function pathOf(uri: string): string {
  if (!uri.startsWith("file:")) return uri;
  try {
    return fileURLToPath(uri);
  } catch {
    return uri;
  }
}

/** The URI of a path that came from `pathOf` or from the analysis. */
export function uriOf(path: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(path) ? path : pathToFileURL(path).href;
}

/** Whether two URIs name one document: clients may escape characters that Node does not, and the other way round. */
export function sameDocument(a: string, b: string): boolean {
  return a === b || pathOf(a) === pathOf(b);
}

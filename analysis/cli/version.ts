/** @file The version of this program. */
import { readFileSync } from "node:fs";
import path from "node:path";

/** The version in the package's own package.json, which is above this file in the source tree and in the bundle. */
export function version(): string {
  for (let folder = import.meta.dirname; ; folder = path.dirname(folder)) {
    try {
      const found = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as { name?: string; version?: string };
      if (found.name === "noether" && found.version !== undefined) return found.version;
    } catch {
      // Not here; further up.
    }
    if (path.dirname(folder) === folder) return "unknown";
  }
}

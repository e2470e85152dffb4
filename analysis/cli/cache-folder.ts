/** @file Where the commands keep what they computed: out of version control, wherever it is. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The folder of all caches: `NOETHER_CACHE_DIR`, or `.noether-cache` in the current folder. */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>>): string {
  return environment["NOETHER_CACHE_DIR"] ?? ".noether-cache";
}

/** Makes the folder, and tells version control to leave it alone. A folder that cannot be written is no reason to fail. */
export function makeCacheFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, ".gitignore"), "*\n");
  } catch {
    // What is written there later fails likewise, and is computed again.
  }
}

/** @file `noether check --watch`: checks again when a file changes. */
import { type FSWatcher, statSync, watch as watchFolder } from "node:fs";
import path from "node:path";
import type { Linter } from "../service/linter";
import type { CheckArguments } from "./arguments/check";
import { checkOnce } from "./check";
import { CHECKED } from "./files";
import type { Console } from "./console";
import { EXIT } from "./usage";

/** Editors write a file in several steps; milliseconds to wait for the last. */
const SETTLE = 80;

/** Checks, and checks again after changes, until the process is interrupted. Returns then. */
export async function watch(args: CheckArguments, linter: Linter, console: Console): Promise<number> {
  await checkOnce(args, linter, console);
  const folders = new Set(args.paths.map((p) => (statSync(p, { throwIfNoEntry: false })?.isDirectory() ? p : fixedPart(p))));
  console.error(`noether: watching ${[...folders].join(", ")}; press Ctrl+C to end`);
  return new Promise((resolve) => {
    const watchers: FSWatcher[] = [];
    let timer: NodeJS.Timeout | undefined;
    let running: Promise<unknown> = Promise.resolve();
    const again = (): void => {
      running = running
        .then(() => {
          if (console.isTTY) console.out("\u001b[2J\u001b[H");
          return checkOnce(args, linter, console);
        })
        .catch((error: unknown) => console.error(`noether: ${error instanceof Error ? error.message : String(error)}`));
    };
    const end = (): void => {
      clearTimeout(timer);
      for (const w of watchers) w.close();
      resolve(EXIT.ok);
    };
    for (const folder of folders) {
      const watcher = watchFolder(folder, { recursive: true }, (_, name) => {
        if (name === null || !(CHECKED.test(name) || name.endsWith(".toml"))) return;
        clearTimeout(timer);
        timer = setTimeout(again, SETTLE);
      });
      watcher.on("error", (error) => console.error(`noether: ${folder} cannot be watched: ${error.message}`));
      watchers.push(watcher);
    }
    // Configuration may lie above what is checked.
    const configured = args.paths.flatMap((p) => linter.configurationFor(path.resolve(p)).configuration.files);
    for (const file of new Set(configured)) {
      const watcher = watchFolder(path.dirname(file), (_, name) => {
        if (name !== null && name !== path.basename(file)) return;
        clearTimeout(timer);
        timer = setTimeout(again, SETTLE);
      });
      watcher.on("error", (error) => console.error(`noether: ${file} cannot be watched: ${error.message}`));
      watchers.push(watcher);
    }
    process.once("SIGINT", end);
    process.once("SIGTERM", end);
  });
}

/** The folder of a file, or the one that a pattern's plain beginning names. */
function fixedPart(p: string): string {
  const parts = p.split(/[\\/]/);
  const wild = parts.findIndex((part) => /[*?[{]/.test(part));
  if (wild < 0) return path.dirname(p);
  return parts.slice(0, wild).join("/") || (p.startsWith("/") ? "/" : ".");
}

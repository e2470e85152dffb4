/** @file Which Python files of a folder mention which classes: names are read once per file and again when it changes. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

/** Folders that hold no code of the project. */
const SKIPPED =
  /^(?:\..*|node_modules|__pycache__|site-packages|dist-packages|venv|env|build|dist|out|wandb|data|datasets|checkpoints)$/;

/** Files beyond this number, and files above this size, are not looked at. */
const MOST_FILES = 3000;
const LARGEST_FILE = 500_000;

/** Milliseconds for which a listing of folders is taken as it was. */
const LISTING_HOLDS = 5000;

interface Words {
  readonly time: number;
  readonly names: ReadonlySet<string>;
}

/** An index over the Python files below a folder. Nothing is read before something is asked. */
export class WorkspaceIndex {
  readonly #words = new Map<string, Words>();
  #files: readonly string[] = [];
  #listed = Number.NEGATIVE_INFINITY;

  constructor(private readonly root: string) {}

  /** All Python files, sorted; folders that hold no code of the project are left out. */
  files(): readonly string[] {
    const now = performance.now();
    if (now - this.#listed < LISTING_HOLDS) return this.#files;
    const out: string[] = [];
    const pending = [this.root];
    for (let at = pending.shift(); at !== undefined && out.length < MOST_FILES; at = pending.shift()) {
      let entries: { name: string; isDirectory(): boolean; isFile(): boolean }[];
      try {
        entries = readdirSync(at, { withFileTypes: true });
      } catch {
        continue;
      }
      for (const e of entries) {
        const full = path.join(at, e.name);
        if (e.isDirectory()) {
          if (!SKIPPED.test(e.name) && !existsSync(path.join(full, "pyvenv.cfg"))) pending.push(full);
        } else if (e.isFile() && e.name.endsWith(".py")) out.push(full);
      }
    }
    this.#files = out.sort();
    this.#listed = now;
    return this.#files;
  }

  /** Files that mention one of the names; those in the same folder as `from` first, then the nearest above it. */
  mentioning(names: readonly string[], from: string): string[] {
    const out = this.files().filter((f) => {
      const words = this.#wordsOf(f);
      return names.some((n) => words.has(n));
    });
    const distance = (f: string): number => path.relative(path.dirname(from), path.dirname(f)).split(path.sep).length;
    return out.sort((a, b) => distance(a) - distance(b) || (a < b ? -1 : 1));
  }

  #wordsOf(file: string): ReadonlySet<string> {
    const stat = statSync(file, { throwIfNoEntry: false });
    const known = this.#words.get(file);
    if (known && known.time === stat?.mtimeMs) return known.names;
    let names = new Set<string>();
    if (stat && stat.size <= LARGEST_FILE) {
      try {
        names = new Set(readFileSync(file, "utf8").match(/\b_*[A-Z]\w*/g));
      } catch {
        // Unreadable: it mentions nothing.
      }
    }
    this.#words.set(file, { time: stat?.mtimeMs ?? 0, names });
    return names;
  }
}

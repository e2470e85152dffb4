/** @file Files to check: those named, those in folders, those that match a pattern. */
import { existsSync, readdirSync, type Stats, statSync } from "node:fs";
import path from "node:path";
import picomatch from "picomatch";
import { UsageError } from "./usage";

/** Folders that hold no code of the project at hand. */
const SKIPPED: ReadonlySet<string> = new Set([
  "node_modules",
  "__pycache__",
  "site-packages",
  "dist-packages",
  "venv",
  "env",
  ".git",
  ".hg",
  ".svn",
  ".venv",
  ".env",
  ".tox",
  ".nox",
  ".eggs",
  ".mypy_cache",
  ".pytest_cache",
  ".ruff_cache",
  ".ipynb_checkpoints",
]);

/** Files that can be checked. */
export const CHECKED = /\.(py|ipynb|onnx)$/i;

/** Whether a folder is left out when its parent is searched. */
function isSkipped(folder: string, name: string): boolean {
  return SKIPPED.has(name) || existsSync(path.join(folder, "pyvenv.cfg"));
}

/** What is known of a path; undefined where nothing is there, or a pattern could be meant. @throws UsageError where it is not to be known */
export function statOf(p: string): Stats | undefined {
  try {
    return statSync(p, { throwIfNoEntry: false });
  } catch (error) {
    if (/[*?[{]/.test(p)) return undefined;
    throw new UsageError(`${p} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The files that the paths stand for, each once, in order of the paths and sorted within a folder. A file that is named is
 * taken even from a folder that a search would leave out, and even if `excluded` says that a search should not. Folders that
 * cannot be read are passed over and told to `closed`.
 * @throws UsageError for a path that is not there, a file of another kind, or a pattern that matches nothing
 */
export function filesToCheck(
  paths: readonly string[],
  excluded: (file: string) => boolean = () => false,
  closed: (folder: string, reason: string) => void = () => {},
): string[] {
  const out = new Set<string>();
  const search = (found: readonly string[]): void => {
    for (const f of found) if (!excluded(f)) out.add(f);
  };
  for (const p of paths) {
    const stat = statOf(p);
    if (stat?.isDirectory()) search(within(p, closed));
    else if (stat) {
      if (!CHECKED.test(p)) throw new UsageError(`${p} is neither Python source (.py, .ipynb) nor an ONNX model (.onnx)`);
      out.add(p);
    } else if (/[*?[{]/.test(p)) {
      const found = matching(p, closed);
      if (found.length === 0) throw new UsageError(`${p} matches no .py, no .ipynb and no .onnx file`);
      search(found);
    } else throw new UsageError(`${p} does not exist; name files, folders or patterns such as 'src/**/*.py'`);
  }
  return [...out];
}

/** All files to check below a folder. Folders that cannot be read are passed over and told, links to folders not followed. */
function within(folder: string, closed: (folder: string, reason: string) => void = () => {}): string[] {
  const out: string[] = [];
  const pending = [folder];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    let entries: { name: string; isDirectory(): boolean; isFile(): boolean; isSymbolicLink(): boolean }[];
    try {
      entries = readdirSync(at, { withFileTypes: true });
    } catch (error) {
      closed(at, error instanceof Error ? error.message : String(error));
      continue;
    }
    const folders: string[] = [];
    for (const e of entries) {
      const full = path.join(at, e.name);
      if (e.isDirectory()) {
        if (!isSkipped(full, e.name)) folders.push(full);
      } else if (CHECKED.test(e.name) && (e.isFile() || isLinkToFile(full))) out.push(full);
    }
    pending.push(...folders.sort().reverse());
  }
  return out.sort();
}

function isLinkToFile(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false; // leads in a circle, or where nobody may look
  }
}

/** Files to check that match a pattern, below the folder that its plain beginning names. */
function matching(pattern: string, closed: (folder: string, reason: string) => void): string[] {
  const parts = pattern.split(/[\\/]/);
  const plain = parts.findIndex((part) => /[*?[{]/.test(part));
  const base = parts.slice(0, plain).join("/") || (pattern.startsWith("/") ? "/" : ".");
  if (!statOf(base)?.isDirectory()) return [];
  const test = picomatch(parts.slice(plain).join("/"), { dot: true });
  return within(base, closed).filter((f) => {
    const relative = path.relative(base, f).split(path.sep).join("/");
    return test(relative);
  });
}

/** All Python files below a folder, sorted. */
export function pythonFiles(folder: string): string[] {
  return within(folder).filter((f) => /\.py$/i.test(f));
}

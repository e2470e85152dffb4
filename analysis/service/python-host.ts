/** @file Python files on disk, as the Python front end asks for them: texts, and the folders that imports are looked up in. */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { PythonHost } from "../frontends/python/index";
import { decodeSource } from "../frontends/python/parser/encoding";
import { packageFolders } from "./python-environment";
import { WorkspaceIndex } from "./workspace-index";

/** Marks of the top folder of a project. */
const PROJECT_MARKS = ["pyproject.toml", "setup.py", "setup.cfg", ".git"];

/** Files above this size are data, not code. */
const LARGEST_SOURCE = 5_000_000;

/** The folder that absolute imports in a file start from: above all packages that it is in. */
export function importRoot(file: string): string {
  let folder = path.dirname(file);
  while (existsSync(path.join(folder, "__init__.py"))) {
    const above = path.dirname(folder);
    if (above === folder) break;
    folder = above;
  }
  return folder;
}

/** The nearest folder at or above a folder that looks like the top of a project. */
export function projectFolder(folder: string): string | undefined {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    if (PROJECT_MARKS.some((mark) => existsSync(path.join(at, mark)))) return at;
    if (path.dirname(at) === at) return undefined;
  }
}

/** Reads files for one import root, and remembers which ones, to notice when they change. */
export class DiskHost implements PythonHost {
  readonly roots: readonly string[];
  readonly #read = new Map<string, number>();
  readonly #indices = new Map<string, WorkspaceIndex>();
  readonly #top: string;
  #packages: readonly string[] | undefined;

  constructor(private readonly root: string) {
    const project = projectFolder(root);
    this.#top = project ?? root;
    this.roots = [...new Set([root, ...(project === undefined ? [] : [project, path.join(project, "src")])])];
  }

  read(file: string): string | undefined {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.size > LARGEST_SOURCE) return undefined;
    try {
      const { text } = decodeSource(readFileSync(file), file);
      this.#read.set(file, stat.mtimeMs);
      return text;
    } catch {
      return undefined;
    }
  }

  /** Found when the first import is not in the workspace. */
  get packages(): readonly string[] {
    this.#packages ??= packageFolders(this.root, this.#top, process.env);
    return this.#packages;
  }

  list(): readonly string[] {
    return this.#index(this.#top).files();
  }

  mentioning(names: readonly string[], from: string): readonly string[] {
    // Installed packages are no workspace: what one of them makes of a class is in that package.
    const [first] = path.relative(this.#top, from).split(path.sep);
    const inside = /(?:site|dist)-packages$/.test(this.#top) && first !== undefined && first !== "..";
    return this.#index(inside ? path.join(this.#top, first) : this.#top).mentioning(names, from);
  }

  #index(folder: string): WorkspaceIndex {
    let index = this.#indices.get(folder);
    if (!index) {
      index = new WorkspaceIndex(folder);
      this.#indices.set(folder, index);
    }
    return index;
  }

  exists(file: string): boolean {
    return existsSync(file);
  }

  /** Files that were read and have changed since; each is reported once. */
  changed(): string[] {
    const out: string[] = [];
    for (const [file, time] of this.#read) {
      const now = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
      if (now === time) continue;
      this.#read.delete(file);
      out.push(file);
    }
    return out;
  }
}

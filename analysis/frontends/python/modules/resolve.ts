/** @file Finds the file behind a dotted module name: beside the importing file, in the workspace's roots, in site-packages. */

/** What the front end needs of the world. Paths are as the caller names them; "/" separates. */
export interface PythonHost {
  /** The text of a file; undefined if it cannot be read. */
  read(path: string): string | undefined;
  exists?(path: string): boolean;
  /** All Python files of the workspace, for training scripts. */
  list?(): readonly string[];
  /** Files of the workspace that mention one of the names, those nearest to `from` first; for call sites in other files. */
  mentioning?(names: readonly string[], from: string): readonly string[];
  /** Folders that absolute imports are looked up in, workspace first, then site-packages. */
  readonly roots?: readonly string[];
  /** Folders of installed packages: looked into after the roots, and after what this front end knows of a package itself. */
  readonly packages?: readonly string[];
}

function parent(path: string): string {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return cut < 0 ? "" : path.slice(0, cut);
}

function join(folder: string, rest: string): string {
  return folder === "" ? rest : `${folder}/${rest}`;
}

/** Whether a file lies where package managers put what they install. */
export function isInstalled(path: string): boolean {
  return /[\\/](?:site|dist)-packages[\\/]/.test(path);
}

/** Looks modules up, with a memory of what was not found. */
export class ModuleResolver {
  private readonly cache = new Map<string, string | undefined>();
  private readonly present = new Map<string, boolean>();

  constructor(private readonly host: PythonHost) {}

  /** Forgets what was found; after files came or went. */
  clear(): void {
    this.cache.clear();
    this.present.clear();
  }

  private exists(path: string): boolean {
    let known = this.present.get(path);
    if (known === undefined) {
      known = this.host.exists ? this.host.exists(path) : this.host.read(path) !== undefined;
      this.present.set(path, known);
    }
    return known;
  }

  private inFolder(folder: string, name: string): string | undefined {
    const base = join(folder, name.replaceAll(".", "/"));
    if (this.exists(`${base}.py`)) return `${base}.py`;
    if (this.exists(`${base}/__init__.py`)) return `${base}/__init__.py`;
    return undefined;
  }

  /** The file of an absolute name, seen from a file. */
  find(name: string, fromFile: string | undefined): string | undefined {
    const key = `${fromFile ?? ""}\n${name}`;
    if (this.cache.has(key)) return this.cache.get(key);
    let found: string | undefined;
    if (fromFile !== undefined) {
      // Scripts see their own folder; files inside a package see the folders above it.
      let folder = parent(fromFile);
      for (let hops = 0; hops < 6 && !found; hops++) {
        found = this.inFolder(folder, name);
        if (folder === "" || folder === parent(folder)) break;
        folder = parent(folder);
      }
    }
    for (const root of this.host.roots ?? []) {
      if (found) break;
      found = this.inFolder(root, name) ?? this.inFolder(join(root, "src"), name);
    }
    this.cache.set(key, found);
    return found;
  }

  /** The file of a module of an installed package. */
  findInstalled(name: string): string | undefined {
    const key = `installed\n${name}`;
    if (this.cache.has(key)) return this.cache.get(key);
    let found: string | undefined;
    for (const folder of this.host.packages ?? []) found ??= this.inFolder(folder, name);
    this.cache.set(key, found);
    return found;
  }

  /** The dotted name that a file has, from the packages it lies in; a script has its bare name. */
  nameOf(file: string): string {
    const stem = file
      .slice(parent(file).length)
      .replace(/^[\\/]/, "")
      .replace(/\.(?:py|ipynb)$/, "");
    const parts = stem === "__init__" ? [] : [stem];
    let folder = parent(file);
    while (folder !== "" && this.exists(join(folder, "__init__.py"))) {
      parts.unshift(folder.slice(parent(folder).length).replace(/^[\\/]/, ""));
      folder = parent(folder);
    }
    return parts.join(".");
  }
}

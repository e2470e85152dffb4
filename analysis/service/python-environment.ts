/** @file Where a project's Python has its packages: read when a model imports from them, never searched. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Where systems keep packages of their own Python. */
const SYSTEM = ["/usr/lib/python3/dist-packages", "/usr/local/lib/python3/dist-packages"];

/** Names that virtual environments usually have in a project. */
const USUAL = [".venv", "venv", "env", ".env"];

/**
 * Folders of installed packages for a project, the nearest first: those of a virtual environment in the folder or above it
 * (up to `top`), else of the active one, else the system's.
 */
export function packageFolders(folder: string, top: string, variables: Readonly<Record<string, string | undefined>>): string[] {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    for (const name of USUAL) {
      const found = ofEnvironment(path.join(at, name));
      if (found) return found;
    }
    if (at === path.resolve(top) || path.dirname(at) === at) break;
  }
  for (const active of [variables["VIRTUAL_ENV"], variables["CONDA_PREFIX"]]) {
    const found = active === undefined || active === "" ? undefined : ofEnvironment(active, true);
    if (found) return found;
  }
  return system();
}

function system(): string[] {
  return SYSTEM.filter((f) => existsSync(f));
}

/** The folders of a virtual environment; undefined where there is none. */
function ofEnvironment(folder: string, isActive = false): string[] | undefined {
  const configuration = path.join(folder, "pyvenv.cfg");
  const isVirtual = existsSync(configuration);
  if (!isVirtual && !isActive) return undefined;
  const own: string[] = [];
  for (const library of ["lib", "Lib"]) {
    const at = path.join(folder, library);
    if (!existsSync(at)) continue;
    if (existsSync(path.join(at, "site-packages"))) own.push(path.join(at, "site-packages"));
    for (const version of readdirSync(at).filter((n) => n.startsWith("python"))) {
      const packages = path.join(at, version, "site-packages");
      if (existsSync(packages)) own.push(packages);
    }
  }
  if (own.length === 0) return undefined;
  const seesSystem = isVirtual && /include-system-site-packages\s*=\s*true/i.test(readFileSync(configuration, "utf8"));
  return [...new Set([...own, ...(seesSystem ? system() : [])])];
}

/**
 * @file Reports of earlier runs, in a folder of their own. What a file's report depends on is the file, its configuration and
 * everything that it may import or that may train it: any Python file of its project. So a report holds as long as no file
 * of the project has changed; coarse, but never wrong.
 */
import { createHash } from "node:crypto";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { FileReport } from "../service/linter";
import { projectFolder } from "../service/python-host";
import { makeCacheFolder } from "./cache-folder";
import { pythonFiles } from "./files";

/** Reports by file. */
export interface ReportCache {
  get(file: string): FileReport | undefined;
  set(report: FileReport): void;
  /** Writes what is new. A folder that cannot be written is no reason to fail. */
  save(): void;
}

interface Stored {
  readonly key: string;
  readonly reports: Record<string, FileReport>;
}

/**
 * Opens the cache in a folder. `salt`: whatever else a report depends on.
 * `configurationFiles`: the files that configure a file. `state`: of what else reports on files of its folder depend on.
 */
export function openCache(
  folder: string,
  salt: string,
  configurationFiles: (file: string) => readonly string[],
  state: (file: string) => string = () => "",
): ReportCache {
  const projects = new Map<string, { readonly stored: Stored; readonly at: string; changed: boolean }>();

  const project = (file: string): { readonly stored: Stored; readonly at: string; changed: boolean } => {
    const own = path.dirname(path.resolve(file));
    const root = projectFolder(own) ?? own;
    let known = projects.get(root);
    if (!known) {
      const key = hash([salt, state(file), ...stamps(pythonFiles(root)), ...stamps(configurationFiles(file))].join("\n"));
      const at = path.join(folder, `${hash(root)}.json`);
      known = { stored: { key, reports: read(at, key) }, at, changed: false };
      projects.set(root, known);
    }
    return known;
  };

  /** The key within a project: the file as named, and its own state where it is no Python file. */
  const entry = (file: string): string => [file, ...stamps([file, ...configurationFiles(file)])].join("\n");

  return {
    get: (file) => project(file).stored.reports[entry(file)],
    set(report) {
      // What failed may be better next time.
      if (report.failure !== undefined) return;
      const p = project(report.file);
      p.stored.reports[entry(report.file)] = report;
      p.changed = true;
    },
    save() {
      for (const { stored, at, changed } of projects.values()) {
        if (!changed) continue;
        try {
          makeCacheFolder(folder);
          // Another run may read at the same time.
          const part = `${at}.${process.pid}`;
          writeFileSync(part, JSON.stringify(stored));
          renameSync(part, at);
        } catch {
          // The next run computes again.
        }
      }
    },
  };
}

function read(at: string, key: string): Record<string, FileReport> {
  try {
    const stored = JSON.parse(readFileSync(at, "utf8")) as Stored;
    return stored.key === key ? stored.reports : {};
  } catch {
    return {};
  }
}

function stamps(files: readonly string[]): string[] {
  return files.map((f) => {
    const stat = statSync(f, { throwIfNoEntry: false });
    return `${f} ${stat?.mtimeMs} ${stat?.size}`;
  });
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 24);
}

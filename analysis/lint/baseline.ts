/**
 * @file The baseline: how many findings of each rule a file had when the project adopted Noether. Only what exceeds it is
 * reported, so that old code stays quiet and new code does not. Counts survive edits that move lines.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileOfPlace } from "../fixes/edited-files";
import { replaceFile } from "../fixes/replace-file";
import type { Finding } from "../rules/finding";

/** Counts by file (relative to the baseline's folder, with slashes) and rule. */
export type BaselineCounts = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** A baseline that cannot be read. */
export class BaselineError extends Error {
  override readonly name = "BaselineError";
}

/** Reads a baseline. @throws BaselineError naming the file and what is wrong */
export function readBaseline(file: string): BaselineCounts {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BaselineError(`${file}: the baseline cannot be read (${why}); make it with noether check --update-baseline`);
  }
  const files = isObject(parsed) ? parsed["files"] : undefined;
  if (!isObject(files))
    throw new BaselineError(`${file}: expected {"version": 1, "files": {...}}; make it with --update-baseline`);
  for (const [name, counts] of Object.entries(files)) {
    if (!isObject(counts) || Object.values(counts).some((n) => typeof n !== "number" || !Number.isInteger(n) || n < 0)) {
      throw new BaselineError(`${file}: the counts of ${name} are not whole numbers by rule`);
    }
  }
  return files as BaselineCounts;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The counts of findings, files and rules sorted. */
export function countFindings(findings: readonly Finding[], folder: string): BaselineCounts {
  const counts = new Map<string, Map<string, number>>();
  for (const f of findings) {
    const name = relativeName(folder, f.file);
    const rules = counts.get(name) ?? new Map<string, number>();
    rules.set(f.rule, (rules.get(f.rule) ?? 0) + 1);
    counts.set(name, rules);
  }
  return sorted([...counts].map(([name, rules]): [string, Record<string, number>] => [name, sorted(rules)]));
}

function sorted<T>(entries: Iterable<[string, T]>): Record<string, T> {
  return Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Writes a baseline of the findings in `checked`. What an earlier one accepts of other files that are still there stays.
 * @throws WriteError when it cannot be written
 * @throws BaselineError when the file is there and is no baseline
 */
export function writeBaseline(file: string, findings: readonly Finding[], checked: readonly string[]): void {
  const folder = path.dirname(path.resolve(file));
  const names = new Set(checked.map((f) => relativeName(folder, f)));
  const before = existsSync(file) ? Object.entries(readBaseline(file)) : [];
  const others = before.filter(([name]) => !names.has(name) && existsSync(path.join(folder, name)));
  const files = sorted([...others, ...Object.entries(countFindings(findings, folder))]);
  replaceFile(file, `${JSON.stringify({ version: 1, files }, undefined, 2)}\n`);
}

/** Findings beyond a baseline, and how much of it is no longer needed. */
export interface AgainstBaseline {
  readonly beyond: readonly Finding[];
  readonly accepted: number;
  /** Counts of the baseline above what was found: it can be tightened. */
  readonly stale: number;
  /** Files that were moved or renamed: what the baseline accepts under the first name is accepted under the second. */
  readonly moved: readonly (readonly [from: string, to: string])[];
}

/**
 * Compares findings with a baseline. Where a file has more findings of a rule than it had, all of them are reported: which
 * of them is the new one nobody knows. `files` are those that were checked; others are stale only when they are gone.
 */
export function againstBaseline(
  findings: readonly Finding[],
  baseline: BaselineCounts,
  folder: string,
  files: readonly string[],
): AgainstBaseline {
  const counts = countFindings(findings, folder);
  const checked = new Set(files.map((f) => relativeName(folder, f)));
  const isThere = (name: string): boolean => checked.has(name) || existsSync(path.join(folder, name));
  const moved = movedFiles(baseline, counts, isThere);
  const nameBefore = new Map(moved.map(([from, to]) => [to, from]));
  const allowed = (name: string, rule: string): number => baseline[nameBefore.get(name) ?? name]?.[rule] ?? 0;
  const beyond = findings.filter((f) => {
    const name = relativeName(folder, f.file);
    return (counts[name]?.[f.rule] ?? 0) > allowed(name, f.rule);
  });
  const nameNow = new Map(moved);
  let stale = 0;
  for (const [name, rules] of Object.entries(baseline)) {
    if (!checked.has(name) && isThere(name)) continue;
    for (const [rule, n] of Object.entries(rules)) stale += Math.max(0, n - (counts[nameNow.get(name) ?? name]?.[rule] ?? 0));
  }
  return { beyond, accepted: findings.length - beyond.length, stale, moved };
}

/**
 * Files of a baseline that are gone, each with the one that has taken its place: a file that the baseline does not know, with
 * the same counts, and the same name or the same folder. Where several could be meant, none is.
 */
function movedFiles(
  baseline: BaselineCounts,
  counts: BaselineCounts,
  isThere: (name: string) => boolean,
): (readonly [from: string, to: string])[] {
  const gone = Object.entries(baseline).filter(([name]) => !isThere(name));
  const fresh = Object.entries(counts).filter(([name]) => !Object.hasOwn(baseline, name));
  const key = (rules: Readonly<Record<string, number>>): string => JSON.stringify(sorted(Object.entries(rules)));
  const near = (a: string, b: string): boolean =>
    path.posix.basename(a) === path.posix.basename(b) || path.posix.dirname(a) === path.posix.dirname(b);
  const matches = (from: (typeof gone)[number], to: (typeof fresh)[number]): boolean =>
    near(from[0], to[0]) && key(from[1]) === key(to[1]);
  return gone.flatMap((from) => {
    const [to, ...more] = fresh.filter((f) => matches(from, f));
    if (!to || more.length > 0 || gone.filter((g) => matches(g, to)).length > 1) return [];
    return [[from[0], to[0]] as const];
  });
}

function relativeName(folder: string, file: string): string {
  // A notebook's findings are in its cells.
  return path
    .relative(folder, path.resolve(fileOfPlace(file)))
    .split(path.sep)
    .join("/");
}

/**
 * @file The baseline: how many findings of each rule a file had when the project adopted Noether. Only what exceeds it is
 * reported, so that old code stays quiet and new code does not. Counts survive edits that move lines.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
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
  const sorted = <T>(entries: Iterable<[string, T]>): Record<string, T> =>
    Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
  return sorted([...counts].map(([name, rules]): [string, Record<string, number>] => [name, sorted(rules)]));
}

/** Writes a baseline of the findings. @throws WriteError when it cannot be written */
export function writeBaseline(file: string, findings: readonly Finding[]): void {
  const text = `${JSON.stringify({ version: 1, files: countFindings(findings, path.dirname(path.resolve(file))) }, undefined, 2)}\n`;
  replaceFile(file, text);
}

/** Findings beyond a baseline, and how much of it is no longer needed. */
export interface AgainstBaseline {
  readonly beyond: readonly Finding[];
  readonly accepted: number;
  /** Counts of the baseline above what was found: it can be tightened. */
  readonly stale: number;
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
  const allowed = (file: string, rule: string): number => baseline[file]?.[rule] ?? 0;
  const beyond = findings.filter((f) => {
    const name = relativeName(folder, f.file);
    return (counts[name]?.[f.rule] ?? 0) > allowed(name, f.rule);
  });
  let stale = 0;
  const checked = new Set(files.map((f) => relativeName(folder, f)));
  for (const [name, rules] of Object.entries(baseline)) {
    if (!checked.has(name) && existsSync(path.join(folder, name))) continue;
    for (const [rule, n] of Object.entries(rules)) stale += Math.max(0, n - (counts[name]?.[rule] ?? 0));
  }
  return { beyond, accepted: findings.length - beyond.length, stale };
}

function relativeName(folder: string, file: string): string {
  return path.relative(folder, path.resolve(file)).split(path.sep).join("/");
}

/** @file `noether check --fix`: applies fixes until none is left, and shows or writes what changed. */
import { readFileSync } from "node:fs";
import { createTwoFilesPatch } from "diff";
import { applyEdits, compatibleFixes } from "../fixes/apply";
import { replaceFile } from "../fixes/replace-file";
import type { TextEdit } from "../rules/finding";
import type { FileReport, Linter } from "../service/linter";
import type { CheckArguments } from "./arguments";
import type { Console } from "./run";
import { EXIT } from "./usage";

/** A fix can make another one possible; after this many rounds something undoes what something else does. */
const ROUNDS = 10;

/**
 * Fixes files in place, or with `--diff` prints the changes instead; returns what is left to report.
 * Files that cannot be written are reports of failure.
 */
export async function fixFiles(
  args: CheckArguments,
  files: readonly string[],
  linter: Linter,
  console: Console,
): Promise<FileReport[]> {
  const reports: FileReport[] = [];
  let fixed = 0;
  const touched = new Set<string>();
  for (const file of files) {
    let report = await linter.lint(file);
    for (let round = 0; round < ROUNDS && /\.py$/i.test(file); round++) {
      const chosen = compatibleFixes(report.findings, args.fix!);
      if (chosen.length === 0) break;
      const texts = newTexts(chosen.flatMap((c) => c.fix.edits));
      if (args.diff) {
        for (const [name, { before, after }] of texts) console.out(patch(name, before, after));
        fixed += chosen.length;
        for (const name of texts.keys()) touched.add(name);
        break;
      }
      try {
        for (const [name, { after }] of texts) replaceFile(name, after);
      } catch (error) {
        report = { ...report, failure: error instanceof Error ? error.message : String(error) };
        break;
      }
      fixed += chosen.length;
      for (const name of texts.keys()) touched.add(name);
      report = await linter.lint(file);
    }
    reports.push(report);
  }
  const many = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`;
  if (fixed > 0) {
    const verb = args.diff ? "would be fixed" : "fixed";
    console.error(`noether: ${many(fixed, "finding")} ${verb} in ${many(touched.size, "file")}`);
  }
  return reports;
}

/** Fixes a text from standard input and prints it, or with `--diff` what would change. */
export async function fixText(
  args: CheckArguments,
  file: string,
  text: string,
  linter: Linter,
  console: Console,
): Promise<number> {
  let now = text;
  let report = await linter.lint(file, now);
  for (let round = 0; round < ROUNDS; round++) {
    const edits = compatibleFixes(report.findings, args.fix!).flatMap((c) => c.fix.edits);
    // Only this text is at hand; edits of other files are for a run over files.
    const own = edits.filter((e) => e.range.file === file);
    if (own.length === 0 || own.length < edits.length) break;
    now = applyEdits(now, own);
    report = await linter.lint(file, now);
  }
  if (report.failure !== undefined) console.error(`noether: ${report.failure}`);
  console.out((args.diff ? patch(file, text, now) : now).replace(/\n$/, ""));
  if (report.failure !== undefined) return EXIT.fatal;
  return report.findings.some((f) => f.severity === "error" || f.severity === "warning") ? EXIT.findings : EXIT.ok;
}

function newTexts(edits: readonly TextEdit[]): Map<string, { before: string; after: string }> {
  const out = new Map<string, { before: string; after: string }>();
  for (const name of new Set(edits.map((e) => e.range.file))) {
    const before = readFileSync(name, "utf8");
    const own = edits.filter((e) => e.range.file === name);
    out.set(name, { before, after: applyEdits(before, own) });
  }
  return out;
}

function patch(file: string, before: string, after: string): string {
  if (before === after) return "";
  return createTwoFilesPatch(file, file, before, after, undefined, undefined, { context: 3 })
    .replace(/^Index: .*\n=+\n/, "")
    .replace(/\n$/, "");
}

/** @file `noether check --fix`: applies fixes until none is left, and shows or writes what changed. */
import { createTwoFilesPatch } from "diff";
import { applyEdits, compatibleFixes } from "../fixes/apply";
import { editedFiles, editedNotebook, fileOfPlace } from "../fixes/edited-files";
import { replaceFile } from "../fixes/replace-file";
import { plural } from "../report/words";
import type { FileReport, Linter } from "../service/linter";
import type { CheckArguments } from "./arguments/check";
import { reportsOf } from "./reports";
import type { Console } from "./console";

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
  // Files without anything to fix, which are most, are linted by several processes and come from the cache.
  for (let report of await reportsOf(args, files, linter, console)) {
    // Another file's fix, or somebody, may have changed it since.
    if (!args.diff && compatibleFixes(report.findings, args.fix!).length > 0) report = await linter.lint(report.file);
    for (let round = 0; round < ROUNDS; round++) {
      const chosen = compatibleFixes(report.findings, args.fix!);
      if (chosen.length === 0) break;
      try {
        const edited = editedFiles(chosen.flatMap((c) => c.fix.edits));
        for (const { file, content, texts } of edited) {
          if (args.diff) for (const { name, before, after } of texts) console.out(patch(name, before, after));
          else replaceFile(file, content);
          touched.add(file);
        }
      } catch (error) {
        report = { ...report, failure: error instanceof Error ? error.message : String(error) };
        break;
      }
      fixed += chosen.length;
      if (args.diff) break;
      report = await linter.lint(report.file);
    }
    reports.push(report);
  }
  if (fixed > 0) {
    const verb = args.diff ? "would be fixed" : "fixed";
    console.error(`noether: ${plural(fixed, "finding")} ${verb} in ${plural(touched.size, "file")}`);
  }
  return reports;
}

/** Fixes a text from standard input and prints it, or with `--diff` what would change; returns what is left to report. */
export async function fixText(
  args: CheckArguments,
  file: string,
  text: string,
  linter: Linter,
  console: Console,
): Promise<FileReport> {
  let now = text;
  let report = await linter.lint(file, now);
  const before = report;
  for (let round = 0; round < ROUNDS; round++) {
    const edits = compatibleFixes(report.findings, args.fix!).flatMap((c) => c.fix.edits);
    // Only this text is at hand; edits of other files are for a run over files.
    const own = edits.filter((e) => fileOfPlace(e.range.file) === file);
    if (own.length === 0 || own.length < edits.length) break;
    now = /\.ipynb$/i.test(file) ? String(editedNotebook(file, now, own).content) : applyEdits(now, own);
    report = await linter.lint(file, now);
  }
  if (!args.diff && console.write) console.write(now);
  else console.out((args.diff ? patch(file, text, now) : now).replace(/\n$/, ""));
  return args.diff ? before : report;
}

function patch(file: string, before: string, after: string): string {
  if (before === after) return "";
  return createTwoFilesPatch(file, file, before, after, undefined, undefined, { context: 3 })
    .replace(/^Index: .*\n=+\n/, "")
    .replace(/\n$/, "");
}

/** @file Prints what `noether check` found, in the format that was asked for. */
import { replaceFile } from "../fixes/replace-file";
import { inFiles } from "../report/notebook-places";
import type { Finding } from "../rules/finding";
import type { FileReport } from "../service/linter";
import type { CheckArguments } from "./arguments/check";
import type { Console } from "./console";
import { version } from "./version";

/** Prints findings; to a file if `--output` names one. @throws WriteError when that file cannot be written */
export async function printReport(
  args: CheckArguments,
  files: readonly string[],
  reports: readonly FileReport[],
  found: readonly Finding[],
  console: Console,
): Promise<void> {
  const shown = args.quiet ? found.filter((f) => f.severity === "error") : found;
  const text = await rendered(args, files, reports, shown, found.length - shown.length, console);
  if (args.output === undefined) console.out(text);
  else replaceFile(args.output, `${text}\n`);
}

async function rendered(
  args: CheckArguments,
  files: readonly string[],
  reports: readonly FileReport[],
  findings: readonly Finding[],
  hidden: number,
  console: Console,
): Promise<string> {
  const root = process.cwd();
  const failures = reports.flatMap(({ file, failure }) => (failure === undefined ? [] : [{ file, message: failure }]));
  switch (args.format) {
    case "json": {
      if (args.statistics) {
        const { statistics } = await import("../report/statistics");
        return JSON.stringify(statistics(findings), undefined, console.isTTY ? 2 : undefined);
      }
      const { findingJson, sortFindings } = await import("../report/findings");
      return JSON.stringify(sortFindings(findings).map(findingJson), undefined, console.isTTY ? 2 : undefined);
    }
    case "sarif": {
      const [{ sarifLog }, { rules }] = await Promise.all([import("../report/sarif"), import("../rules/registry")]);
      const silenced = reports
        .flatMap((r) => r.silenced)
        .flatMap(({ finding, reason }) => inFiles([finding]).map((f) => ({ finding: f, reason })));
      const log = sarifLog({ version: version(), rules, findings: inFiles(findings), silenced, failures, root });
      return JSON.stringify(log, undefined, 2);
    }
    case "github":
      return (await import("../report/services")).githubAnnotations(inFiles(findings), root);
    case "gitlab":
      return (await import("../report/services")).gitlabReport(inFiles(findings), root);
    case "junit":
      return (await import("../report/services")).junitReport(inFiles(findings), { files, failures }, root);
    case "text": {
      const { styleFor } = await import("../report/style");
      const style = styleFor({ isTTY: console.isTTY && args.output === undefined }, console.environment);
      if (args.statistics) return (await import("../report/statistics")).statisticsText(findings, style);
      const { findingsText } = await import("../report/findings");
      const models = reports.reduce((n, r) => n + r.models, 0);
      const skipped = reports.reduce((n, r) => n + r.notes.length, 0);
      return findingsText(findings, { files: files.length, models, skipped, hidden }, style);
    }
  }
}

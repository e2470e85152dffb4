/** @file `noether check`: what in model code deserves a change. */
import { meant } from "../configuration/nearest";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ConfigurationProblem } from "../configuration/validate";
import { UNUSED_SUPPRESSION } from "../lint/suppressions";
import { plural } from "../report/words";
import type { Finding } from "../rules/finding";
import type { FileReport, Linter } from "../service/linter";
import type { CheckArguments } from "./arguments/check";
import { ConfigurationError } from "./configured";
import { filesToCheck } from "./files";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Runs the command; returns the exit code. @throws UsageError when a path is not there */
export async function check(args: CheckArguments, console: Console): Promise<number> {
  if (typeof args.configuration === "string" && !existsSync(args.configuration)) {
    throw new UsageError(`${args.configuration} does not exist; name a configuration file, or use --no-config`);
  }
  const { Linter } = await import("../service/linter");
  if (args.rules.size > 0) await knownRules([...args.rules.keys()]);
  const linter = new Linter({
    ...(args.configuration === undefined ? {} : { configuration: args.configuration }),
    over: args.rules,
  });
  if (args.watch) return (await import("./watch")).watch(args, linter, console);
  return checkOnce(args, linter, console);
}

/** @throws UsageError for an id that no rule has */
async function knownRules(ids: readonly string[]): Promise<void> {
  const { rules } = await import("../rules/registry");
  const known = ["*", UNUSED_SUPPRESSION, ...rules.map((r) => r.id)];
  for (const id of ids) if (!known.includes(id)) throw new UsageError(`there is no rule ${id}${meant(id, known)}`);
}

/** One run over all files. */
export async function checkOnce(args: CheckArguments, linter: Linter, console: Console): Promise<number> {
  const closed = new Set<string>();
  const complain = (folder: string, reason: string): void => {
    if (linter.excludes(folder)) return;
    closed.add(folder);
    console.error(`noether: ${folder} cannot be searched: ${reason}`);
  };
  const files = args.stdin === undefined ? filesToCheck(args.paths, (f) => linter.excludes(f), complain) : [args.stdin];
  const wrong = configurationProblems(files, linter);
  if (wrong.length > 0) throw new ConfigurationError(wrong);
  let reports: readonly FileReport[];
  if (args.stdin !== undefined) {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(0));
    } catch (error) {
      console.error(`noether: standard input cannot be read as UTF-8: ${error instanceof Error ? error.message : String(error)}`);
      return EXIT.fatal;
    }
    reports = [
      args.fix
        ? await (await import("./fix")).fixText(args, args.stdin, text, linter, console)
        : await linter.lint(args.stdin, text),
    ];
  } else if (args.fix) reports = await (await import("./fix")).fixFiles(args, files, linter, console);
  else reports = await (await import("./reports")).reportsOf(args, files, linter, console);
  if (files.some((f) => /\.onnx$/i.test(f)) && files.some((f) => f.endsWith(".py"))) {
    reports = await (await import("../service/merge-reports")).mergedReports(reports);
  }
  for (const { failure } of reports) if (failure !== undefined) console.error(`noether: ${failure}`);
  for (const { file, broken } of reports) {
    if (broken > 0) console.error(`noether: ${file}: ${plural(broken, "part")} that Python cannot read; the rest is checked`);
  }
  if (args.verbose) for (const note of reports.flatMap((r) => r.notes)) console.error(`noether: ${note}`);
  const found = await withoutAccepted(args, files, reports, linter, console);
  if (found === undefined) return EXIT.configuration;
  // A diff and fixed text are to be piped; what is left to report is for a run without them, or goes to a file.
  const isPiped = args.diff || (args.fix !== undefined && args.stdin !== undefined);
  if (!isPiped || args.output !== undefined) await (await import("./print")).printReport(args, files, reports, found, console);
  if (closed.size > 0 || reports.some((r) => r.failure !== undefined)) return EXIT.fatal;
  return exitCode(found, args);
}

function exitCode(found: readonly Finding[], { maxWarnings }: CheckArguments): number {
  if (found.some((f) => f.severity === "error")) return EXIT.findings;
  const warnings = found.filter((f) => f.severity === "warning").length;
  return warnings > (maxWarnings ?? 0) ? EXIT.findings : EXIT.ok;
}

function configurationProblems(files: readonly string[], linter: Linter): ConfigurationProblem[] {
  const seen = new Map<string, ConfigurationProblem>();
  for (const folder of new Set(files.map((f) => path.dirname(path.resolve(f))))) {
    for (const p of linter.configurationFor(folder).problems) {
      seen.set(`${p.range.file}:${p.range.start.line}:${p.range.start.column} ${p.message}`, p);
    }
  }
  return [...seen.values()];
}

/** The findings that no baseline accepts; undefined when a baseline cannot be read, which was said. */
async function withoutAccepted(
  args: CheckArguments,
  files: readonly string[],
  reports: readonly FileReport[],
  linter: Linter,
  console: Console,
): Promise<Finding[] | undefined> {
  const all = reports.flatMap((r) => r.findings);
  const baselineOf = (file: string): string | undefined =>
    args.baseline ?? linter.configurationFor(path.resolve(file)).configuration.baseline;
  const { againstBaseline, BaselineError, readBaseline, writeBaseline } = await import("../lint/baseline");
  if (args.updateBaseline) {
    const target = args.baseline ?? (files[0] === undefined ? undefined : baselineOf(files[0])) ?? "noether-baseline.json";
    try {
      writeBaseline(target, all, files);
    } catch (error) {
      if (!(error instanceof BaselineError)) throw error;
      console.error(`noether: ${error.message}`);
      return undefined;
    }
    console.error(`noether: ${plural(all.length, "finding")} accepted in ${target}`);
    return [];
  }
  const out: Finding[] = [];
  let stale = 0;
  for (const baseline of new Set(files.map(baselineOf))) {
    const own = reports.filter((r) => baselineOf(r.file) === baseline);
    const findings = own.flatMap((r) => r.findings);
    if (baseline === undefined) {
      out.push(...findings);
      continue;
    }
    try {
      const folder = path.dirname(path.resolve(baseline));
      const against = againstBaseline(
        findings,
        readBaseline(baseline),
        folder,
        own.map((r) => r.file),
      );
      out.push(...against.beyond);
      stale += against.stale;
      for (const [from, to] of against.moved) console.error(`noether: ${to} is taken for ${from} of the baseline`);
    } catch (error) {
      if (!(error instanceof BaselineError)) throw error;
      console.error(`noether: ${error.message}`);
      return undefined;
    }
  }
  if (stale > 0)
    console.error(
      `noether: the baseline accepts ${plural(stale, "finding")} more than there are; tighten it with --update-baseline`,
    );
  return out;
}

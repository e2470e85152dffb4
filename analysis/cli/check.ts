/** @file `noether check`: what in model code deserves a change. */
import type { Finding } from "../rules/finding";
import type { LoadedFile } from "../service/models";
import type { CheckArguments } from "./arguments";
import { filesToCheck } from "./files";
import type { Console } from "./run";
import { EXIT } from "./usage";

/** Runs the command; returns the exit code. @throws UsageError when a path is not there */
export async function check(args: CheckArguments, console: Console): Promise<number> {
  const files = filesToCheck(args.paths);
  // The paths are right; only now is it worth to load what reads them.
  const { checkedFile, Loader } = await import("../service/models");
  const { checkFile } = await import("../fixes/check");
  const { findingJson, findingsText, sortFindings } = await import("../report/findings");
  const { styleFor } = await import("../report/style");
  const loader = new Loader();
  const findings: Finding[] = [];
  let models = 0;
  let skipped = 0;
  let fatal = false;
  for (const file of files) {
    let loaded: LoadedFile;
    try {
      loaded = await loader.load(file);
    } catch (error) {
      // One bad file must not hide what is wrong in the others.
      console.error(`noether: ${error instanceof Error ? error.message : String(error)}`);
      fatal = true;
      continue;
    }
    models += loaded.models.length;
    skipped += loaded.problems.length;
    findings.push(...checkFile(checkedFile(loaded)));
  }
  const unique = withoutRepeats(findings);
  if (args.format === "json") {
    console.out(JSON.stringify(sortFindings(unique).map(findingJson), undefined, console.isTTY ? 2 : undefined));
  } else {
    const style = styleFor({ isTTY: console.isTTY }, console.environment);
    console.out(findingsText(unique, { files: files.length, models, skipped }, style));
  }
  if (fatal) return EXIT.fatal;
  return unique.some((f) => f.severity === "error" || f.severity === "warning") ? EXIT.findings : EXIT.ok;
}

/** A place that two models share is one finding. */
function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter((f) => {
    const place = f.range ? `${f.range.start.line}:${f.range.start.column}` : (f.node ?? "");
    const key = `${f.rule} ${f.file} ${place} ${f.range ? "" : f.message}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** @file Reports of one run of the command line, with findings of exports on the lines of their sources. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { Finding } from "../rules/finding";
import type { FileReport } from "./linter";
import { merged, ontoSource } from "./merge";
import { Loader } from "./models";
import { matchSource } from "./source-match";

/** The reports, with what is found in an export moved to its source where that was checked as well. */
export async function mergedReports(reports: readonly FileReport[]): Promise<FileReport[]> {
  const sources = new Map(reports.filter((r) => r.models > 0 && r.file.endsWith(".py")).map((r) => [path.resolve(r.file), r]));
  const exported = reports.filter((r) => r.file.endsWith(".onnx") && r.findings.length > 0);
  const out = new Map(reports.map((r) => [r, r]));
  if (sources.size === 0 || exported.length === 0) return [...reports];
  const loader = new Loader({ analysis: { numeric: false } });
  for (const report of exported) {
    const file = path.resolve(report.file);
    const model = (await loader.loadOnnx(file)).models[0];
    const folders = [path.dirname(file), ...ancestorsWith(path.dirname(file), [...sources.keys()])];
    const match = model && (await matchSource(model.graph, folders, loader).catch(() => undefined));
    const source = match && sources.get(path.resolve(match.file));
    if (!match || !source || !model) continue;
    const name = path.relative(path.dirname(match.file), file);
    const findings: Finding[] = [];
    const left: Finding[] = [];
    for (const finding of report.findings) {
      const [moved] = ontoSource({ name, file: report.file, model, findings: [finding] }, match.file, match);
      if (!moved) left.push(finding);
      else findings.push({ ...moved, file: source.file, range: { ...moved.range!, file: source.file } });
    }
    const known = out.get(source)!;
    // What the source silences by a comment is silenced for its export as well.
    const silenced = new Set(known.silenced.map(({ finding: f }) => `${f.rule} ${f.range?.start.line}`));
    const open = findings.filter((f) => !silenced.has(`${f.rule} ${f.range?.start.line}`));
    const text = readFileSync(match.file, "utf8");
    out.set(source, { ...known, findings: merged(known.findings, open, text) });
    out.set(report, { ...report, findings: left });
  }
  return reports.map((r) => out.get(r)!);
}

/** The nearest folder above a file's that holds a source, if any. */
function ancestorsWith(folder: string, sources: readonly string[]): string[] {
  for (let at = path.dirname(folder), depth = 0; depth < 3; at = path.dirname(at), depth++) {
    if (sources.some((s) => path.dirname(s) === at)) return [at];
  }
  return [];
}

/** @file `noether export`: a class through PyTorch's exporter in the user's own Python, compared with what was read. */
import path from "node:path";
import type { ExportReport } from "../service/export";
import type { ExportArguments } from "./arguments/export";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Runs the command; returns the exit code: findings where the two readings differ. @throws UsageError */
export async function exportModel(args: ExportArguments, console: Console): Promise<number> {
  const [{ exportAndVerify, NotExportable, planExport }, { ExportFailure }, { UnknownModel }] = await Promise.all([
    import("../service/export"),
    import("../exporting/python"),
    import("../service/loaded"),
  ]);
  const stop = new AbortController();
  const interrupted = (): void => stop.abort(new ExportFailure("the export was cancelled"));
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  try {
    const { className, file, inputs, output, timeout } = args;
    const what = {
      file,
      className,
      ...(args.python === undefined ? {} : { python: args.python }),
      ...(args.call === undefined ? {} : { call: args.call }),
      ...(inputs.length > 0 ? { inputShapes: inputs } : {}),
    };
    if (args.dryRun) {
      const { call, model, python, root } = await planExport(what);
      const shapes = model.graph.inputs.map((i) => `${i.name} [${i.shape.join(", ")}]`);
      const plan = { python, root, call, inputs: shapes };
      const text = `would run ${python} in ${root}: import ${file}, make ${call}, call it with ${shapes.join(", ")}, write ${output}`;
      console.out(args.format === "json" ? JSON.stringify(plan) : text);
      return EXIT.ok;
    }
    const report = await exportAndVerify({
      ...what,
      output,
      timeLimit: timeout * 1000,
      signal: stop.signal,
      onCommand: (command) => console.error(`noether: running ${command.map(quoted).join(" ")}`),
      onProgress: (what) => console.error(`noether: ${what}`),
    });
    console.out(
      args.format === "json"
        ? JSON.stringify({ schema: 1, agrees: agrees(report), text: reportText(report), ...report })
        : reportText(report),
    );
    return agrees(report) ? EXIT.ok : EXIT.findings;
  } catch (error) {
    if (error instanceof UnknownModel || error instanceof NotExportable) throw new UsageError(error.message);
    if (error instanceof ExportFailure) {
      console.error(`noether: ${error.message}${error.detail === undefined ? "" : `\n${error.detail.trimEnd()}`}`);
      return EXIT.fatal;
    }
    console.error(`noether: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.fatal;
  } finally {
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  }
}

/** Whether source and export are one model as far as could be compared. */
export function agrees({ comparison: { outputs, parameters, symmetries } }: ExportReport): boolean {
  const { onlyExport, onlySource, shapes } = parameters;
  const isSame = symmetries.onlySource.length + symmetries.onlyExport.length === 0;
  return onlyExport.length + onlySource.length + shapes.length === 0 && isSame && (!outputs.compared || outputs.equal);
}

/** Entries of a list that are said. */
const SAID = 6;

function reportText(report: ExportReport): string {
  const { comparison, findings, lost, model, output, torch } = report;
  const { outputs, parameters, symmetries } = comparison;
  const { continuous } = symmetries;
  const out = [
    `${model} exported to ${output} (${report.call}, PyTorch ${torch})`,
    `  parameters   ${parameters.same} agree`,
    ...listed("in the source only", parameters.onlySource),
    ...listed("in the export only", parameters.onlyExport),
    ...listed("of another shape", parameters.shapes),
    ...listed(
      "trained, but not in the exported graph",
      lost.filter((n) => !parameters.onlySource.includes(n)),
    ),
    `  symmetries   ${symmetries.same} channel spaces agree, ${continuous.equal ? "" : "but "}${continuous.source.total.toLocaleString("en")} continuous directions in the source, ${continuous.export.total.toLocaleString("en")} in the export`,
    ...listed("in the source only", symmetries.onlySource),
    ...listed("in the export only", symmetries.onlyExport),
    outputs.compared
      ? `  outputs      ${outputs.equal ? "agree" : "differ"} (largest relative deviation ${outputs.maxRelativeDeviation.toExponential(1)}, float32)`
      : `  outputs      not compared: ${outputs.reason}`,
  ];
  for (const { message, range, rule, severity } of findings) {
    const place = range
      ? `${path.relative(process.cwd(), range.file)}:${range.start.line + 1}:${range.start.column + 1}`
      : output;
    out.push(`  ${place}: ${severity}: ${message.split("\n")[0]} (${rule})`);
  }
  out.push(agrees(report) ? "The source was read as PyTorch exports it." : "The two readings differ.");
  return out.join("\n");
}

function listed(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length - SAID;
  return [`    ${title}:`, ...items.slice(0, SAID).map((i) => `      ${i}`), ...(more > 0 ? [`      and ${more} more`] : [])];
}

function quoted(argument: string): string {
  return /^[\w./:@=-]+$/.test(argument) ? argument : `"${argument}"`;
}

/** @file `noether coverage`: how much of the model code below some paths is understood. */
import type { SourceRange } from "../graph/source";
import type { Style } from "../report/style";
import type { CoveredFile, Coverage } from "../service/coverage";
import type { CoverageArguments } from "./arguments/coverage";
import { filesToCheck } from "./files";
import type { Console } from "./console";
import { EXIT } from "./usage";

/** Runs the command; returns the exit code: 2 when an exception was caught. @throws UsageError when a path is not there */
export async function coverage(args: CoverageArguments, console: Console): Promise<number> {
  const files = filesToCheck(args.paths).filter((f) => /\.(?:py|ipynb)$/i.test(f));
  const { Loader } = await import("../service/models");
  const { coverFile, coverageOf } = await import("../service/coverage");
  const { styleFor } = await import("../report/style");
  const loader = new Loader();
  const begin = performance.now();
  const covered: CoveredFile[] = [];
  for (const [i, file] of files.entries()) {
    if (console.isTTY && i % 20 === 0) console.error(`${i} of ${files.length} files, ${file}`);
    covered.push(await coverFile(loader, file));
  }
  const all = coverageOf(covered, performance.now() - begin);
  if (args.format === "json") console.out(JSON.stringify(json(all), undefined, console.isTTY ? 2 : undefined));
  else console.out(text(all, args.all, styleFor({ isTTY: console.isTTY }, console.environment)));
  return all.exceptions > 0 ? EXIT.fatal : EXIT.ok;
}

/** Lines of a list that are shown unless all were asked for. */
const SHOWN = 20;

function text(c: Coverage, all: boolean, style: Style): string {
  const share = (n: number): string => (c.classes === 0 ? "" : ` ${((100 * n) / c.classes).toFixed(1).padStart(6)} %`);
  const row = (what: string, n: number): string => `  ${what.padEnd(28)}${String(n).padStart(6)}${share(n)}`;
  const files = c.files.length === 1 ? "1 file" : `${c.files.length} files`;
  const lines = [
    style.title(`${c.classes} classes of modules with a forward in ${files}`),
    row("fully understood", c.understood),
    row("understood with opaque parts", c.opaque),
    row("not instantiable", c.uninstantiable),
    row("failed", c.failed),
  ];
  const list = (title: string, entries: readonly string[]): void => {
    if (entries.length === 0) return;
    const shown = all ? entries : entries.slice(0, SHOWN);
    lines.push("", style.title(title), ...shown);
    if (shown.length < entries.length) lines.push(style.quiet(`  and ${entries.length - shown.length} more; --all lists them`));
  };
  list(
    "Opaque, by the number of classes that it touches",
    c.operators.map(
      (o) =>
        `  ${String(o.classes).padStart(5)}  ${o.operator.padEnd(28)} ${o.example.reason}${style.quiet(place(o.example.range))}`,
    ),
  );
  const without = (status: string): string[] =>
    c.files.flatMap((f) =>
      f.classes.filter((k) => k.status === status).map((k) => `  ${k.name}: ${k.how}${style.quiet(place(k.range))}`),
    );
  list("Not instantiable", without("uninstantiable"));
  list("Failed", without("failed"));
  list(
    "Exceptions: defects, please report them",
    c.files.flatMap((f) => (f.exception === undefined ? [] : [`  ${f.file}: ${f.exception}`])),
  );
  const slowest = [...c.files].sort((a, b) => b.milliseconds - a.milliseconds)[0];
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  lines.push(
    "",
    `${c.exceptions} exceptions, ${seconds(c.milliseconds)}${slowest ? `; slowest file ${slowest.file}, ${seconds(slowest.milliseconds)}` : ""}`,
  );
  return lines.join("\n");
}

function place(range: SourceRange | undefined): string {
  return range ? `  ${range.file}:${range.start.line + 1}:${range.start.column + 1}` : "";
}

function json(c: Coverage): unknown {
  const at = (range: SourceRange | undefined) =>
    range ? { file: range.file, line: range.start.line + 1, column: range.start.column + 1 } : {};
  const { files, operators, milliseconds, ...totals } = c;
  return {
    schema: 1,
    ...totals,
    milliseconds: Math.round(milliseconds),
    operators: operators.map(({ example, ...o }) => ({ ...o, reason: example.reason, ...at(example.range) })),
    files: files.map((f) => ({
      file: f.file,
      milliseconds: Math.round(f.milliseconds),
      ...(f.exception === undefined ? {} : { exception: f.exception }),
      classes: f.classes.map((k) => ({
        name: k.name,
        line: k.range.start.line + 1,
        status: k.status,
        how: k.how,
        calls: k.calls,
        opaque: k.opaque.map((o) => ({ operator: o.operator, reason: o.reason, ...at(o.range) })),
      })),
    })),
  };
}

/** @file What a benchmark reports, and its print as a table. */
import type { Timing } from "./timing";

/** One line of a benchmark. */
export interface Row {
  readonly what: string;
  /** In the unit given; the timing's median where there is one. */
  readonly value: number;
  readonly unit: "ms" | "MB" | "µs/node" | "x";
  readonly best?: number;
  readonly runs?: number;
  /** The most that it should be. */
  readonly target?: number;
  /** The least that it should be. */
  readonly least?: number;
  readonly note?: string;
  /** What was expected, where the answer that was timed is another one: the benchmark fails. */
  readonly wrong?: string;
}

/** A group of lines. */
export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** A line for a time. */
export function timed(what: string, timing: Timing, more: { readonly target?: number; readonly note?: string } = {}): Row {
  return { what, value: timing.median, unit: "ms", best: timing.best, runs: timing.runs, ...more };
}

/** Sections as text in columns. */
export function table(sections: readonly Section[]): string {
  const lines: string[] = [];
  for (const { title, rows } of sections) {
    lines.push("", title);
    const cells = rows.map((r) => [
      r.what,
      `${number(r.value)} ${r.unit}`,
      r.best === undefined ? "" : `best ${number(r.best)}`,
      verdict(r),
      [r.note, r.wrong].filter((text) => text !== undefined).join("; "),
    ]);
    const widths = [0, 1, 2, 3].map((k) => Math.max(0, ...cells.map((c) => c[k]!.length)));
    for (const c of cells) {
      const text = c.map((v, k) => (k === 0 || k > 3 ? v.padEnd(widths[k] ?? 0) : v.padStart(widths[k]!))).join("  ");
      lines.push(`  ${text}`.trimEnd());
    }
  }
  return lines.join("\n").trimStart();
}

/** What became of a target; capitals where it was missed. */
function verdict({ value, target, least, wrong }: Row): string {
  if (wrong !== undefined) return "WRONG";
  if (target !== undefined) return `${value < target ? "below" : "ABOVE"} ${target}`;
  return least === undefined ? "" : `${value >= least ? "at least" : "LESS THAN"} ${least}`;
}

function number(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

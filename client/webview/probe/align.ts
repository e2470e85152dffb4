/** @file Lines with points of their own on one common axis, as the chart library takes them. */
import type { ChartView, Line } from "./view";

/** One column of the common table: the axis, then for each line its values, and its band where it has one. */
export interface Aligned {
  /** Sorted and distinct. */
  readonly x: readonly number[];
  readonly lines: readonly {
    readonly line: Line;
    readonly y: readonly (number | null)[];
    readonly band?: { readonly high: readonly (number | null)[]; readonly low: readonly (number | null)[] };
  }[];
}

/**
 * Aligns a chart's lines. Values that cannot be drawn (not finite, or not positive on a logarithmic axis) are null; bands on
 * a logarithmic axis stay above a hundredth of their line.
 */
export function align({ lines, logarithmic, logarithmicX }: ChartView): Aligned {
  const shown = (x: number): boolean => Number.isFinite(x) && (logarithmicX !== true || x > 0);
  const x = [...new Set(lines.flatMap((l) => l.x.filter(shown)))].sort((a, b) => a - b);
  const row = new Map(x.map((value, i) => [value, i]));
  const column = (line: Line, of: (i: number) => number): (number | null)[] => {
    const out = new Array<number | null>(x.length).fill(null);
    line.x.forEach((at, i) => {
      const place = row.get(at);
      const value = of(i);
      if (place !== undefined && Number.isFinite(value) && (logarithmic !== true || value > 0)) out[place] = value;
    });
    return out;
  };
  return {
    x,
    lines: lines.map((line) => {
      const y = column(line, (i) => line.y[i]!);
      const { error } = line;
      if (error === undefined || line.predicted === true || !error.some((e) => Number.isFinite(e) && e > 0)) return { line, y };
      const least = (i: number): number => (logarithmic === true ? line.y[i]! / 100 : Number.NEGATIVE_INFINITY);
      return {
        line,
        y,
        band: {
          high: column(line, (i) => line.y[i]! + error[i]!),
          low: column(line, (i) => Math.max(least(i), line.y[i]! - error[i]!)),
        },
      };
    }),
  };
}

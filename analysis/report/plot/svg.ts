/**
 * @file Line charts as SVG text: axes with round numbers, bands for standard errors, names at the end of the lines. Colours
 * are Okabe and Ito's, told apart by everyone; lines differ in dashes as well. Text takes the colour of its surroundings.
 */

/** One point of a line; `error` draws a band of that half height. */
export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  readonly error?: number;
}

/** One line. */
export interface Series {
  readonly name: string;
  readonly points: readonly PlotPoint[];
  /** Points without a line between them. */
  readonly scattered?: boolean;
  /** A prediction: dashed, without band. */
  readonly predicted?: boolean;
}

/** What a chart shows. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  readonly xScale?: "linear" | "log";
  readonly yScale?: "linear" | "log";
  /** Included in the range of y in any case (for example 0 and 1 for degrees). */
  readonly yInclude?: readonly number[];
  readonly width?: number;
  readonly height?: number;
}

/** Colours of curves, apart from each other for colour-blind readers too (Okabe and Ito's without yellow, and two more). */
export const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#555555"] as const;
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "5 5", "1 2", "12 4", "4 2 1 2"] as const;
const MARGIN = { left: 62, right: 16, top: 30, bottom: 44 };

interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** The chart as one <svg> element. Values that are not finite (or not positive on a logarithmic axis) are left out. */
export function lineChart(chart: Chart): string {
  const width = chart.width ?? 480;
  // Long names need a row of their own.
  const columns = chart.series.some((s) => s.name.length > 28) ? 1 : 2;
  const legend = chart.series.length > 1 ? Math.ceil(chart.series.length / columns) * 16 : 0;
  const height = (chart.height ?? 260) + legend;
  const isShown = ({ x, y }: PlotPoint) =>
    Number.isFinite(x) && Number.isFinite(y) && (chart.xScale !== "log" || x > 0) && (chart.yScale !== "log" || y > 0);
  const series = chart.series.map((s) => ({ ...s, points: s.points.filter(isShown) }));
  const all = series.flatMap((s) => s.points);
  const lows = all.flatMap((p) => [
    p.y,
    ...(p.error !== undefined && p.y - p.error > (chart.yScale === "log" ? 0 : -Infinity) ? [p.y - p.error] : []),
  ]);
  const highs = all.map((p) => p.y + (Number.isFinite(p.error) ? p.error! : 0));
  const x = scale(
    chart.xScale ?? "linear",
    all.map((p) => p.x),
    MARGIN.left,
    width - MARGIN.right,
  );
  const y = scale(
    chart.yScale ?? "linear",
    [...lows.filter(Number.isFinite), ...highs, ...(chart.yInclude ?? [])],
    height - MARGIN.bottom - legend,
    MARGIN.top,
  );
  const bottom = height - MARGIN.bottom - legend;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(chart.title)}" font-family="system-ui, sans-serif" font-size="11" fill="currentColor">`,
    `<text x="${MARGIN.left}" y="16" font-size="13" font-weight="600">${escapeText(chart.title)}</text>`,
  ];
  for (const t of x.ticks) {
    parts.push(
      `<line x1="${n(x.at(t))}" x2="${n(x.at(t))}" y1="${MARGIN.top}" y2="${bottom}" stroke="currentColor" opacity="0.1"/>`,
      `<text x="${n(x.at(t))}" y="${bottom + 14}" text-anchor="middle">${label(t)}</text>`,
    );
  }
  for (const t of y.ticks) {
    parts.push(
      `<line x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${n(y.at(t))}" y2="${n(y.at(t))}" stroke="currentColor" opacity="0.1"/>`,
      `<text x="${MARGIN.left - 6}" y="${n(y.at(t) + 4)}" text-anchor="end">${label(t)}</text>`,
    );
  }
  parts.push(
    `<text x="${n((MARGIN.left + width - MARGIN.right) / 2)}" y="${bottom + 32}" text-anchor="middle">${escapeText(chart.xLabel)}</text>`,
    `<text transform="translate(13 ${n((MARGIN.top + bottom) / 2)}) rotate(-90)" text-anchor="middle">${escapeText(chart.yLabel)}</text>`,
  );
  series.forEach((s, i) => parts.push(...drawSeries(s, i, x, y, chart.yScale === "log")));
  if (legend > 0) {
    chart.series.forEach((s, i) => {
      const [cx, cy] = [MARGIN.left + (i % columns) * ((width - MARGIN.left) / 2), bottom + 52 + 16 * Math.floor(i / columns)];
      parts.push(
        s.scattered
          ? `<circle cx="${cx + 10}" cy="${cy - 4}" r="3" fill="${colour(i)}"/>`
          : `<line x1="${cx}" x2="${cx + 20}" y1="${cy - 4}" y2="${cy - 4}" stroke="${colour(i)}" stroke-width="2"${dash(s, i)}/>`,
        `<text x="${cx + 26}" y="${cy}">${escapeText(s.name)}</text>`,
      );
    });
  }
  return `${parts.join("")}</svg>`;
}

function drawSeries(s: Series, index: number, x: Scale, y: Scale, isLog: boolean): string[] {
  const out: string[] = [];
  const banded = s.points.filter((p) => p.error !== undefined && Number.isFinite(p.error));
  const lower = (p: PlotPoint) => (isLog ? Math.max(p.y - p.error!, p.y / 100) : p.y - p.error!);
  if (s.scattered) {
    for (const p of banded) {
      out.push(
        `<line x1="${n(x.at(p.x))}" x2="${n(x.at(p.x))}" y1="${n(y.at(lower(p)))}" y2="${n(y.at(p.y + p.error!))}" stroke="${colour(index)}"/>`,
      );
    }
    for (const p of s.points) out.push(`<circle cx="${n(x.at(p.x))}" cy="${n(y.at(p.y))}" r="3" fill="${colour(index)}"/>`);
    return out;
  }
  if (banded.length > 1 && !s.predicted) {
    const upper = banded.map((p) => `${n(x.at(p.x))},${n(y.at(p.y + p.error!))}`);
    const under = banded.map((p) => `${n(x.at(p.x))},${n(y.at(lower(p)))}`).reverse();
    out.push(`<polygon points="${[...upper, ...under].join(" ")}" fill="${colour(index)}" opacity="0.18"/>`);
  }
  const points = s.points.map((p) => `${n(x.at(p.x))},${n(y.at(p.y))}`).join(" ");
  out.push(`<polyline points="${points}" fill="none" stroke="${colour(index)}" stroke-width="1.8"${dash(s, index)}/>`);
  return out;
}

function colour(i: number): string {
  return COLOURS[i % COLOURS.length]!;
}

function dash(s: Series, i: number): string {
  const pattern = s.predicted ? "4 4" : DASHES[i % DASHES.length]!;
  return pattern === "" ? "" : ` stroke-dasharray="${pattern}"`;
}

function scale(kind: "linear" | "log", values: readonly number[], from: number, to: number): Scale {
  const low = values.length > 0 ? Math.min(...values) : 0;
  const high = values.length > 0 ? Math.max(...values) : 1;
  return kind === "log" ? logScale(low, high, from, to) : linearScale(low, high, from, to);
}

function linearScale(low: number, high: number, from: number, to: number): Scale {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const step = niceStep(span / 5);
  const start = high > low ? Math.floor(low / step + 1e-9) * step : low - span / 2;
  const end = high > low ? Math.ceil(high / step - 1e-9) * step : high + span / 2;
  const ticks: number[] = [];
  for (let k = Math.ceil(start / step - 1e-9); k * step <= end + 1e-9 * span; k++) ticks.push(Number((k * step).toPrecision(12)));
  return { ticks, at: (v) => from + ((v - start) / (end - start)) * (to - from) };
}

function logScale(low: number, high: number, from: number, to: number): Scale {
  const start = Math.floor(Math.log10(low) + 1e-9);
  const end = Math.max(start + 1, Math.ceil(Math.log10(high) - 1e-9));
  const every = Math.max(1, Math.ceil((end - start) / 6));
  const ticks: number[] = [];
  for (let k = start; k <= end; k += every) ticks.push(10 ** k);
  return { ticks, at: (v) => from + ((Math.log10(v) - start) / (end - start)) * (to - from) };
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const unit = 10 ** Math.floor(Math.log10(least));
  for (const f of [1, 2, 5, 10]) if (f * unit >= least * (1 - 1e-9)) return f * unit;
  return 10 * unit;
}

function label(v: number): string {
  if (v !== 0 && (Math.abs(v) >= 1e5 || Math.abs(v) < 1e-3)) return v.toExponential(0).replace("e+", "e");
  return String(Number(v.toPrecision(6)));
}

function n(v: number): string {
  return String(Math.round(v * 10) / 10);
}

/** Text inside of markup. */
export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

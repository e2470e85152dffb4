/**
 * @file A chart of lines with bands: drawn by uPlot on a canvas, walked along with the arrow keys as a slider, spoken by screen
 * readers as text, with its numbers in a table behind it.
 */
import uPlot from "uplot";
import { element, identifier, vector } from "../elements";
import { t } from "../text";
import { align, type Aligned } from "./align";
import { DASHES, type Palette, PREDICTED } from "./colours";
import { small } from "./numbers";
import { tableElement } from "./table";
import type { ChartView } from "./view";

const HEIGHT = 220;
/** Rows of the table behind a chart; longer courses are thinned out. */
const MOST_ROWS = 40;

/** One chart on the page. Call `dispose` when it leaves. */
export class Chart {
  readonly element: HTMLElement;
  readonly #about: HTMLElement;
  readonly #plot: HTMLElement;
  readonly #legend: HTMLElement;
  readonly #readout: HTMLElement;
  readonly #behind: HTMLElement;
  readonly #resized: ResizeObserver;
  #view: ChartView;
  #palette: Palette;
  #aligned: Aligned;
  #chart: uPlot | undefined;
  /** What the drawn chart was made for: a chart of other lines has to be made anew. */
  #made = "";
  /** Where the reader is on the axis, by number of the point. */
  #at: number | undefined;

  constructor(view: ChartView, palette: Palette) {
    this.#view = view;
    this.#palette = palette;
    this.#aligned = align(view);
    const id = identifier("chart", view.id);
    this.#about = element("p", { class: "about", id: `${id}-about` });
    this.#plot = element("div", {
      class: "plot",
      tabindex: 0,
      role: "slider",
      "aria-labelledby": `${id}-title`,
      "aria-describedby": `${id}-about`,
      "aria-orientation": "horizontal",
    });
    this.#legend = element("ul", { class: "legend", "aria-hidden": "true" });
    this.#readout = element("p", { class: "readout", "aria-hidden": "true" });
    this.#behind = element("div", { class: "scroll" });
    const details = element("details", {}, [element("summary", {}, [t("Numbers")]), this.#behind]);
    details.addEventListener("toggle", () => this.#fillTable());
    this.element = element("figure", { class: "chart", "data-id": view.id }, [
      element("figcaption", {}, [element("h3", { id: `${id}-title` }, [view.title]), this.#about]),
      this.#plot,
      this.#readout,
      this.#legend,
      details,
    ]);
    this.#plot.addEventListener("keydown", (event) => this.#key(event));
    this.#plot.addEventListener("focus", () => this.#moveTo(this.#at ?? this.#aligned.x.length - 1));
    this.#resized = new ResizeObserver(() => this.#resize());
    this.#resized.observe(this.#plot);
    this.update(view, palette);
  }

  /** Shows other values; lines may come and go. */
  update(view: ChartView, palette: Palette): void {
    this.#view = view;
    this.#aligned = align(view);
    this.#about.textContent = view.about;
    const shapes = this.#aligned.lines.map(({ band, line }) => [line.name, band !== undefined, line.x.length === 1]);
    const key = JSON.stringify([shapes, view.logarithmic, palette]);
    if (!this.#chart || this.#made !== key) {
      this.#palette = palette;
      this.#made = key;
      this.#make();
      this.#fillLegend();
    } else this.#chart.setData(this.#data());
    this.#describe();
    this.#fillTable();
  }

  dispose(): void {
    this.#resized.disconnect();
    this.#chart?.destroy();
    this.element.remove();
  }

  /** The drawn canvas, for pictures; undefined before it has a size. */
  get canvas(): HTMLCanvasElement | undefined {
    return this.#chart?.ctx.canvas;
  }

  /** Lines as the legend shows them, for pictures. */
  get legend(): readonly { readonly name: string; readonly colour: string; readonly dash: readonly number[] }[] {
    return this.#view.lines.map((line, i) => ({ name: line.name, colour: this.#colour(i), dash: this.#dash(i) }));
  }

  get title(): string {
    return this.#view.title;
  }

  /** Predictions lie over what they predict, in the colour of the text. */
  #colour(i: number): string {
    const { lines, text } = this.#palette;
    return this.#view.lines[i]!.predicted === true ? text : lines[this.#place(i) % lines.length]!;
  }

  #dash(i: number): readonly number[] {
    return this.#view.lines[i]!.predicted === true ? PREDICTED : DASHES[this.#place(i) % DASHES.length]!;
  }

  /** The number of a line among those that are measured. */
  #place(i: number): number {
    return this.#view.lines.slice(0, i).filter((line) => line.predicted !== true).length;
  }

  #data(): uPlot.AlignedData {
    const { x, lines } = this.#aligned;
    return [x as number[], ...lines.flatMap(({ y, band }) => (band ? [y, band.high, band.low] : [y]))] as uPlot.AlignedData;
  }

  #make(): void {
    this.#chart?.destroy();
    this.#plot.replaceChildren();
    const { grid, text } = this.#palette;
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const series: uPlot.Series[] = [{ label: this.#view.x }];
    const bands: uPlot.Band[] = [];
    this.#aligned.lines.forEach(({ line, band }, i) => {
      const stroke = this.#colour(i);
      const single = line.x.length === 1;
      series.push({
        label: line.name,
        stroke,
        width: line.predicted === true ? 1.25 : 2,
        dash: [...this.#dash(i)],
        spanGaps: true,
        points: { show: single },
      });
      if (!band) return;
      const edge = { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } };
      series.push({ label: `${line.name} +`, ...edge }, { label: `${line.name} -`, ...edge });
      bands.push({
        series: [series.length - 2, series.length - 1],
        fill: faint(stroke, this.#palette.highContrast ? 0.4 : 0.19),
      });
    });
    const axis: uPlot.Axis = {
      stroke: text,
      font,
      labelFont: font,
      labelSize: 18,
      ticks: { stroke: grid, width: 1, size: 4 },
      grid: {
        stroke: this.#palette.highContrast ? "transparent" : grid,
        width: 1,
      },
    };
    const include = this.#view.include ?? [];
    const options: uPlot.Options = {
      width: Math.max(240, this.#plot.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      series,
      bands,
      padding: [8, 12, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      scales: {
        x: { time: false, ...(this.#view.logarithmicX === true ? { distr: 3 as const } : {}) },
        y:
          this.#view.logarithmic === true
            ? { distr: 3 }
            : {
                range: (_u, low, high) => {
                  const [from, to] = [Math.min(low ?? 0, ...include), Math.max(high ?? 1, ...include)];
                  const room = (to - from || Math.abs(to) || 1) * 0.05;
                  return [include.includes(from) ? from : from - room, to + room];
                },
              },
      },
      axes: [
        {
          ...axis,
          label: this.#view.x,
          size: 28,
          values: (_u, ticks) => ticks.map(tick),
          ...(this.#view.names ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] } : {}),
        },
        {
          ...axis,
          label: this.#view.y,
          size: 52,
          values: (_u, ticks) => ticks.map(tick),
          ...(this.#view.logarithmic === true ? powersOfTen(axis) : {}),
        },
      ],
      hooks: { setCursor: [(chart) => this.#followCursor(chart)] },
    };
    this.#chart = new uPlot(options, this.#data(), this.#plot);
    this.#chart.root.setAttribute("aria-hidden", "true");
  }

  #resize(): void {
    const width = this.#plot.clientWidth;
    if (this.#chart && width > 0 && Math.abs(width - this.#chart.width) > 1) this.#chart.setSize({ width, height: HEIGHT });
  }

  #fillLegend(): void {
    const several = this.#view.lines.length > 1;
    this.#legend.replaceChildren(
      ...(several ? this.legend : []).map(({ name, colour, dash }) =>
        element("li", {}, [
          vector("svg", { width: 26, height: 8, viewBox: "0 0 26 8" }, [
            vector("line", {
              x1: 0,
              x2: 26,
              y1: 4,
              y2: 4,
              stroke: colour,
              "stroke-width": 2,
              "stroke-dasharray": dash.join(" "),
            }),
          ]),
          element("span", {}, [name]),
        ]),
      ),
    );
  }

  /** The pointer moved over the chart, or the keys moved the cursor. */
  #followCursor(chart: uPlot): void {
    const { idx } = chart.cursor;
    if (idx === null || idx === undefined) return;
    this.#at = idx;
    this.#readout.textContent = this.#words(idx);
  }

  #key(event: KeyboardEvent): void {
    const last = this.#aligned.x.length - 1;
    const at = this.#at ?? last;
    const page = Math.max(1, Math.round(last / 10));
    const to: Readonly<Record<string, number>> = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      PageUp: at + page,
      PageDown: at - page,
      Home: 0,
      End: last,
    };
    const next = to[event.key];
    if (next === undefined || last < 0) return;
    event.preventDefault();
    this.#moveTo(Math.min(last, Math.max(0, next)));
  }

  #moveTo(index: number): void {
    const x = this.#aligned.x[index];
    if (x === undefined || !this.#chart) return;
    this.#at = index;
    this.#chart.setCursor({ left: this.#chart.valToPos(x, "x"), top: 8 });
    this.#readout.textContent = this.#words(index);
    this.#describe();
  }

  /** What stands at one point of the axis, in words. */
  #words(index: number): string {
    const values = this.#aligned.lines.flatMap(({ line, y, band }) => {
      const value = y[index];
      if (value === null || value === undefined) return [];
      const high = band?.high[index];
      const error = high === null || high === undefined ? "" : ` ± ${small(high - value)}`;
      return [`${line.name} ${small(value)}${error}`];
    });
    return `${this.#where(this.#aligned.x[index] ?? Number.NaN)}: ${values.join(", ")}`;
  }

  /** A point of the horizontal axis in words. */
  #where(x: number): string {
    return this.#view.names?.[x - 1] ?? `${this.#view.x} ${small(x)}`;
  }

  #describe(): void {
    const last = this.#aligned.x.length - 1;
    const at = Math.min(this.#at ?? last, last);
    this.#plot.setAttribute("aria-valuemin", "0");
    this.#plot.setAttribute("aria-valuemax", String(Math.max(0, last)));
    this.#plot.setAttribute("aria-valuenow", String(Math.max(0, at)));
    this.#plot.setAttribute("aria-valuetext", last < 0 ? t("no values yet") : this.#words(at));
  }

  /** Tables are only filled while they are open: they are long. */
  #fillTable(): void {
    if (this.#behind.parentElement instanceof HTMLDetailsElement && !this.#behind.parentElement.open) return;
    const { x, lines } = this.#aligned;
    const every = Math.max(1, Math.ceil(x.length / MOST_ROWS));
    const rows = x.flatMap((at, i) =>
      i % every === 0 || i === x.length - 1
        ? [
            [
              { text: this.#view.names?.[at - 1] ?? small(at), number: true },
              ...lines.map(({ y }) => ({ text: y[i] === null || y[i] === undefined ? "" : small(y[i]), number: true })),
            ],
          ]
        : [],
    );
    const head = [this.#view.x, ...lines.map(({ line }) => line.name)];
    this.#behind.replaceChildren(tableElement({ id: this.#view.id, title: this.#view.title, head, rows }, true));
  }
}

/** A colour that lets what is behind it through; `share` of it stays. */
function faint(colour: string, share: number): string {
  const hex = Math.round(255 * share)
    .toString(16)
    .padStart(2, "0");
  return /^#[0-9a-f]{6}$/i.test(colour)
    ? `${colour}${hex}`
    : `color-mix(in srgb, ${colour} ${Math.round(100 * share)}%, transparent)`;
}

/** Between powers of ten a grid would be a wall. */
function powersOfTen({ grid, ticks }: uPlot.Axis): uPlot.Axis {
  const filter = (_u: uPlot, splits: readonly number[]): (number | null)[] => splits.map((v) => (isPowerOfTen(v) ? v : null));
  return { filter, grid: { ...grid, filter }, ticks: { ...ticks, filter } };
}

function isPowerOfTen(value: number): boolean {
  return Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
}

function tick(value: number | null): string {
  if (value === null) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(0).replace("e+", "e");
  return String(Number(value.toPrecision(6)));
}

/** @file A matrix of numbers as a picture whose cells can be walked with the arrow keys, with its strongest pairs as a table. */
import { element, identifier } from "../elements";
import { t } from "../text";
import { channels, type Palette } from "./colours";
import { small } from "./numbers";
import { tableElement } from "./table";
import type { HeatMapView } from "./view";

const SIDE = 220;
const MOST_PAIRS = 20;

/** One map on the page. */
export class HeatMap {
  readonly element: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly #about: HTMLElement;
  readonly #frame: HTMLElement;
  readonly #mark: HTMLElement;
  readonly #readout: HTMLElement;
  readonly #behind: HTMLElement;
  #view: HeatMapView;
  #at: readonly [row: number, column: number] = [0, 0];

  constructor(view: HeatMapView, palette: Palette) {
    this.#view = view;
    const id = identifier("map", view.id);
    this.#about = element("p", { class: "about", id: `${id}-about` });
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.#mark = element("div", { class: "mark", hidden: "" });
    this.#frame = element(
      "div",
      {
        class: "map",
        tabindex: 0,
        role: "slider",
        "aria-labelledby": `${id}-title`,
        "aria-describedby": `${id}-about`,
        "aria-valuemin": 0,
      },
      [this.canvas, this.#mark],
    );
    this.#readout = element("p", { class: "readout", "aria-hidden": "true" });
    this.#behind = element("div", { class: "scroll" });
    const scale = element("div", { class: "scale", "aria-hidden": "true" }, [
      element("span", {}, [small(view.low)]),
      element("canvas", { width: 120, height: 1 }),
      element("span", {}, [small(view.high)]),
    ]);
    this.element = element("figure", { class: "chart", "data-id": view.id }, [
      element("figcaption", {}, [element("h3", { id: `${id}-title` }, [view.title]), this.#about]),
      element("div", { class: "beside" }, [this.#frame, scale]),
      this.#readout,
      element("details", {}, [element("summary", {}, [t("Strongest pairs")]), this.#behind]),
    ]);
    this.#frame.addEventListener("keydown", (event) => this.#key(event));
    this.#frame.addEventListener("focus", () => this.#moveTo(...this.#at));
    this.#frame.addEventListener("blur", () => this.#mark.setAttribute("hidden", ""));
    this.canvas.addEventListener("mousemove", ({ offsetX, offsetY }) => {
      const n = this.#view.values.length;
      const cell = (offset: number, length: number): number => Math.min(n - 1, Math.max(0, Math.floor((offset / length) * n)));
      this.#moveTo(cell(offsetY, this.canvas.clientHeight), cell(offsetX, this.canvas.clientWidth), false);
    });
    this.update(view, palette);
  }

  update(view: HeatMapView, palette: Palette): void {
    this.#view = view;
    this.#about.textContent = view.about;
    const n = view.values.length;
    // Whole pixels per cell, so that no cell is wider than another.
    const cell = Math.max(1, Math.floor((SIDE * devicePixelRatio) / n));
    this.canvas.width = this.canvas.height = n * cell;
    this.canvas.style.width = this.canvas.style.height = `${Math.max(SIDE / 2, (n * cell) / devicePixelRatio)}px`;
    const context = this.canvas.getContext("2d")!;
    const colour = scaleOf(view, palette);
    view.values.forEach((row, r) =>
      row.forEach((value, c) => {
        context.fillStyle = colour(value);
        context.fillRect(c * cell, r * cell, cell, cell);
      }),
    );
    const bar = this.element.querySelector<HTMLCanvasElement>(".scale canvas")!;
    const barContext = bar.getContext("2d")!;
    for (let x = 0; x < bar.width; x++) {
      barContext.fillStyle = colour(view.low + ((view.high - view.low) * x) / (bar.width - 1));
      barContext.fillRect(x, 0, 1, 1);
    }
    this.#frame.setAttribute("aria-valuemax", String(n * n - 1));
    this.#describe();
    this.#behind.replaceChildren(pairsTable(view));
  }

  get title(): string {
    return this.#view.title;
  }

  dispose(): void {
    this.element.remove();
  }

  #key(event: KeyboardEvent): void {
    const [row, column] = this.#at;
    const steps: Readonly<Record<string, readonly [number, number]>> = {
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      Home: [row, 0],
      End: [row, this.#view.values.length - 1],
    };
    const to = steps[event.key];
    if (!to) return;
    event.preventDefault();
    const within = (i: number): number => Math.min(this.#view.values.length - 1, Math.max(0, i));
    this.#moveTo(within(to[0]), within(to[1]));
  }

  #moveTo(row: number, column: number, marked = true): void {
    this.#at = [row, column];
    const part = 100 / this.#view.values.length;
    this.#mark.style.cssText = `top:${row * part}%;left:${column * part}%;width:${part}%;height:${part}%`;
    this.#mark.toggleAttribute("hidden", !marked);
    this.#readout.textContent = this.#words();
    this.#describe();
  }

  #words(): string {
    const [row, column] = this.#at;
    const value = this.#view.values[row]?.[column] ?? Number.NaN;
    return t("{0} {1} and {2}: {3}", this.#view.of, row, column, small(value));
  }

  #describe(): void {
    const [row, column] = this.#at;
    this.#frame.setAttribute("aria-valuenow", String(row * this.#view.values.length + column));
    this.#frame.setAttribute("aria-valuetext", this.#words());
  }
}

/** Background in the middle of a scale with both signs, at the low end of others. */
function scaleOf({ high, low }: HeatMapView, palette: Palette): (value: number) => string {
  const [from, none, to] = [channels(palette.low), channels(palette.background), channels(palette.high)];
  const size = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return (value) => {
    const share = Math.min(1, Math.abs(value) / size);
    const end = value < 0 ? from : to;
    const mixed = none.map((n, i) => Math.round(n + (end[i]! - n) * share));
    return Number.isFinite(value) ? `rgb(${mixed.join(",")})` : palette.grid;
  };
}

function pairsTable({ id, of, title, values }: HeatMapView): HTMLTableElement {
  const pairs = values
    .flatMap((row, r) => row.slice(0, r).map((value, c) => ({ r, c, value })))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, MOST_PAIRS);
  return tableElement(
    {
      id,
      title,
      head: [t("{0} and {0}", of), t("similarity")],
      rows: pairs.map(({ r, c, value }) => [{ text: `${c}, ${r}` }, { text: small(value), number: true }]),
    },
    true,
  );
}

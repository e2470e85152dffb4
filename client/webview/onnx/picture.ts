/**
 * @file The picture: boxes and lines as SVG, of which only what is in sight is in the document; pan and zoom. Far away, boxes
 * lose their text.
 */
import type { Layout } from "../../../server/protocol";
import { vector } from "../elements";
import type { Box, Scene } from "./scene";
import { colour, dashes, letter } from "./spaces";

/** What a box says besides itself. */
export interface Marks {
  /** The worst finding of the nodes in a box, and how many there are. */
  finding(box: Box): { readonly severity: string; readonly count: number } | undefined;
  /** What a screen reader says. */
  label(box: Box): string;
}

type Placed = Layout["boxes"][number];

/** Below this scale boxes have no text; nobody could read it. */
const READABLE = 0.4;
/** Pixels around the sight that are drawn already. */
const MARGIN = 150;
const SMALLEST = 0.01;
const LARGEST = 2.5;

/** A picture in an element. */
export class Picture {
  readonly #svg: SVGElement;
  readonly #world: SVGElement;
  readonly #lineLayer: SVGElement;
  readonly #boxLayer: SVGElement;
  readonly #drawn = new Map<string, SVGElement>();
  #scene: Scene = { boxes: new Map(), lines: [], boxOf: [] };
  #layout: Layout = { width: 0, height: 0, boxes: [], lines: [] };
  #placed = new Map<string, Placed>();
  #x = 0;
  #y = 0;
  #scale = 1;
  #selected: string | undefined;
  #members: ReadonlySet<string> = new Set();
  #space: number | undefined;
  #pending = false;
  #readable = true;

  constructor(
    private readonly host: HTMLElement,
    private readonly marks: Marks,
    /** A box was chosen by a click (`toggle` by a double click, or a click on a module's triangle), or none. */
    private readonly chosen: (id: string | undefined, toggle: boolean) => void,
  ) {
    this.#lineLayer = vector("g", { class: "lines" });
    this.#boxLayer = vector("g", {});
    this.#world = vector("g", {}, [this.#lineLayer, this.#boxLayer]);
    const arrow = vector("path", { d: "M0,0 L8,4 L0,8 z", class: "arrow" });
    const marker = vector(
      "marker",
      {
        id: "arrow",
        viewBox: "0 0 8 8",
        markerUnits: "userSpaceOnUse",
        refX: 7,
        refY: 4,
        markerWidth: 9,
        markerHeight: 9,
        orient: "auto-start-reverse",
      },
      [arrow],
    );
    this.#svg = vector("svg", { "aria-hidden": "true", focusable: "false" }, [vector("defs", {}, [marker]), this.#world]);
    host.append(this.#svg);
    this.#listen();
    new ResizeObserver(() => this.#refresh()).observe(host);
  }

  /** Shows another scene. `keep`: a box whose place on the screen stays as it was. */
  show(scene: Scene, layout: Layout, keep?: string): void {
    const before = keep === undefined ? undefined : this.#placed.get(keep);
    this.#scene = scene;
    this.#layout = layout;
    this.#placed = new Map(layout.boxes.map((b) => [b.id, b]));
    for (const element of this.#drawn.values()) element.remove();
    this.#drawn.clear();
    const after = keep === undefined ? undefined : this.#placed.get(keep);
    if (before && after) {
      this.#x += (before.x + before.width / 2 - after.x - after.width / 2) * this.#scale;
      this.#y += (before.y - after.y) * this.#scale;
    } else this.home();
    this.#refresh();
  }

  /** Marks a selected box, the boxes that share its symmetry, and the lines of one space. */
  mark(selected: string | undefined, members: ReadonlySet<string>, space: number | undefined): void {
    this.#selected = selected;
    this.#members = members;
    this.#space = space;
    for (const [id, element] of this.#drawn) this.#markBox(id, element);
    this.#drawLines();
  }

  /** The upper end of the picture at a scale at which it fits into the width, but never enlarged. */
  home(): void {
    const { width } = this.#size();
    this.#scale = Math.min(1, Math.max(SMALLEST, (width - 40) / Math.max(1, this.#layout.width)));
    if (this.#scale < 0.6) this.#scale = Math.max(this.#scale, 0.6);
    const first = [...this.#placed.values()].sort((a, b) => a.y - b.y)[0];
    const middle = first ? first.x + first.width / 2 : this.#layout.width / 2;
    const fits = this.#layout.width * this.#scale <= width - 40;
    this.#x = width / 2 - (fits ? this.#layout.width / 2 : middle) * this.#scale;
    this.#y = 24;
    this.#refresh();
  }

  /** All of it. */
  fit(): void {
    const { width, height } = this.#size();
    this.#scale = Math.min(
      1,
      Math.max(SMALLEST, Math.min((width - 40) / this.#layout.width, (height - 40) / this.#layout.height)),
    );
    this.#x = (width - this.#layout.width * this.#scale) / 2;
    this.#y = (height - this.#layout.height * this.#scale) / 2;
    this.#refresh();
  }

  zoom(factor: number, at?: { readonly x: number; readonly y: number }): void {
    const { width, height } = this.#size();
    const { x, y } = at ?? { x: width / 2, y: height / 2 };
    const scale = Math.min(LARGEST, Math.max(SMALLEST, this.#scale * factor));
    this.#x = x - ((x - this.#x) * scale) / this.#scale;
    this.#y = y - ((y - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#refresh();
  }

  pan(dx: number, dy: number): void {
    this.#x += dx;
    this.#y += dy;
    this.#refresh();
  }

  /** Brings a box into sight, in the middle if it was out of it. */
  reveal(id: string): void {
    const box = this.#placed.get(id);
    if (!box) return;
    const { width, height } = this.#size();
    if (this.#scale < READABLE) this.#scale = 0.8;
    const left = box.x * this.#scale + this.#x;
    const top = box.y * this.#scale + this.#y;
    const inside = left > 10 && top > 10 && left + box.width * this.#scale < width - 10 && top + 60 * this.#scale < height - 10;
    if (inside) return this.#refresh();
    this.#x = width / 2 - (box.x + box.width / 2) * this.#scale;
    this.#y = height / 2 - (box.y + Math.min(box.height, 60) / 2) * this.#scale;
    this.#refresh();
  }

  /** The box nearest to the left (-1) or right (1) of one, at about its height. */
  beside(id: string, step: -1 | 1): string | undefined {
    const here = this.#placed.get(id);
    if (!here) return undefined;
    let best: Placed | undefined;
    for (const b of this.#placed.values()) {
      if (b.id === id || this.#scene.boxes.get(b.id)?.kind === "open") continue;
      const overlaps = b.y < here.y + here.height && here.y < b.y + b.height;
      const distance = (b.x - here.x) * step;
      if (overlaps && distance > 0 && (best === undefined || distance < (best.x - here.x) * step)) best = b;
    }
    return best?.id;
  }

  /** Number of SVG elements in the document. */
  get elements(): number {
    return this.#svg.querySelectorAll("*").length;
  }

  #size(): { width: number; height: number } {
    return { width: this.host.clientWidth || 800, height: this.host.clientHeight || 600 };
  }

  #refresh(): void {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#draw();
    });
  }

  #draw(): void {
    this.#world.setAttribute("transform", `translate(${this.#x},${this.#y}) scale(${this.#scale})`);
    const readable = this.#scale >= READABLE;
    if (readable !== this.#readable) {
      this.#readable = readable;
      for (const element of this.#drawn.values()) element.remove();
      this.#drawn.clear();
    }
    const { width, height } = this.#size();
    const left = (-this.#x - MARGIN) / this.#scale;
    const top = (-this.#y - MARGIN) / this.#scale;
    const right = (width - this.#x + MARGIN) / this.#scale;
    const bottom = (height - this.#y + MARGIN) / this.#scale;
    for (const placed of this.#layout.boxes) {
      const isInSight = placed.x < right && placed.x + placed.width > left && placed.y < bottom && placed.y + placed.height > top;
      const known = this.#drawn.get(placed.id);
      if (isInSight && !known) {
        const box = this.#scene.boxes.get(placed.id);
        if (!box) continue;
        const element = this.#box(box, placed, readable);
        this.#drawn.set(placed.id, element);
        // Frames are below what is in them, which comes later in the list.
        if (box.kind === "open") this.#boxLayer.prepend(element);
        else this.#boxLayer.append(element);
        this.#markBox(placed.id, element);
      } else if (!isInSight && known) {
        known.remove();
        this.#drawn.delete(placed.id);
      }
    }
    this.#orderFrames();
    this.#sight = { left, top, right, bottom };
    this.#drawLines();
  }

  #sight = { left: 0, top: 0, right: 0, bottom: 0 };

  /** Outer frames below inner ones. */
  #orderFrames(): void {
    const frames = this.#layout.boxes.filter((b) => this.#drawn.has(b.id) && this.#scene.boxes.get(b.id)?.kind === "open");
    for (const frame of frames.reverse()) this.#boxLayer.prepend(this.#drawn.get(frame.id)!);
  }

  /** Lines by space, those of one look in one element; lines of the marked space above the others. */
  #drawLines(): void {
    const { left, top, right, bottom } = this.#sight;
    const paths = new Map<string, string[]>();
    this.#scene.lines.forEach(({ space, from, to }, i) => {
      const points = this.#layout.lines[i];
      if (!points || points.length < 4) return;
      let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity];
      for (let k = 0; k < points.length; k += 2) {
        minX = Math.min(minX, points[k]!);
        maxX = Math.max(maxX, points[k]!);
        minY = Math.min(minY, points[k + 1]!);
        maxY = Math.max(maxY, points[k + 1]!);
      }
      if (minX > right || maxX < left || minY > bottom || maxY < top) return;
      const isNear = from === this.#selected || to === this.#selected;
      const key = `${isNear ? 2 : space !== undefined && space === this.#space ? 1 : 0} ${space ?? ""}`;
      let d = `M${points[0]},${points[1]}`;
      for (let k = 2; k < points.length; k += 2) d += `L${points[k]},${points[k + 1]}`;
      const known = paths.get(key);
      if (known) known.push(d);
      else paths.set(key, [d]);
    });
    const elements = [...paths]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, list]) => {
        const [level, space] = key.split(" ");
        const id = space === "" ? undefined : Number(space);
        const path = vector("path", { d: list.join(""), class: level === "0" ? "line" : "line strong" });
        if (id !== undefined) path.classList.add("coloured");
        if (id !== undefined) {
          path.style.stroke = colour(id);
          if (dashes(id) !== "") path.setAttribute("stroke-dasharray", dashes(id));
        }
        if (this.#readable) path.setAttribute("marker-end", "url(#arrow)");
        return path;
      });
    this.#lineLayer.replaceChildren(...elements);
  }

  #markBox(id: string, element: SVGElement): void {
    element.classList.toggle("selected", id === this.#selected);
    element.classList.toggle("member", this.#members.has(id));
    const faded = this.#members.size > 0 && !this.#members.has(id) && id !== this.#selected;
    element.classList.toggle("faded", faded && this.#scene.boxes.get(id)?.kind !== "open");
  }

  #box(box: Box, { x, y, width, height }: Placed, readable: boolean): SVGElement {
    const group = vector("g", { class: `box ${box.kind}`, transform: `translate(${x},${y})`, "data-id": box.id });
    const round = box.kind === "input" || box.kind === "output" ? height / 2 : box.kind === "operator" ? 4 : 8;
    // Modules that are built alike lie on a pile.
    for (const behind of box.repeats === undefined ? [] : [6, 3])
      group.append(vector("rect", { class: "body pile", x: behind, y: behind, width, height, rx: round }));
    group.append(vector("rect", { class: "body", width, height, rx: round }));
    if (box.kind === "open") {
      if (readable) group.append(this.#text(`▾ ${box.title}`, 10, 19, "title"));
      return group;
    }
    this.#bands(group, box.reads, width, 0);
    this.#bands(group, box.writes, width, height);
    if (!readable) return group;
    const title = box.kind === "closed" ? `▸ ${box.title}` : box.title;
    const room = width - 40;
    group.append(
      this.#text(cut(title, room / 7), 10, 19, "title"),
      this.#text(cut(box.detail, room / 6.2), 10, 35, "detail"),
      ...this.#letters(box, width),
    );
    const finding = this.marks.finding(box);
    if (finding) {
      const sign = finding.severity === "error" || finding.severity === "warning" ? "!" : "i";
      group.append(
        vector("g", { class: `finding ${finding.severity}`, transform: `translate(${width - 4},4)` }, [
          vector("circle", { r: 8 }),
          this.#text(finding.count > 1 ? String(finding.count) : sign, 0, 4, "sign"),
        ]),
      );
    }
    return group;
  }

  /** A band along the upper or lower edge, a piece for each space. */
  #bands(group: SVGElement, spaces: readonly number[], width: number, y: number): void {
    const shown = spaces.slice(0, 4);
    const inner = width - 16;
    shown.forEach((space, i) => {
      const from = 8 + (inner * i) / shown.length;
      const band = vector("line", { x1: from, x2: from + inner / shown.length - 2, y1: y, y2: y, class: "band" });
      band.style.stroke = colour(space);
      if (dashes(space) !== "") band.setAttribute("stroke-dasharray", dashes(space));
      group.append(band);
    });
  }

  /** The letters of what is read, above, and written, below. */
  #letters(box: Box, width: number): SVGElement[] {
    const text = (spaces: readonly number[]): string => spaces.slice(0, 2).map(letter).join("") + (spaces.length > 2 ? "…" : "");
    return [
      [box.reads, 17],
      [box.writes, 37],
    ].flatMap(([spaces, y]) => {
      const list = spaces as readonly number[];
      if (list.length === 0) return [];
      return [this.#text(text(list), width - 8, y as number, "letter")];
    });
  }

  #text(text: string, x: number, y: number, name: string): SVGElement {
    const made = vector("text", { x, y, class: name });
    made.textContent = text;
    return made;
  }

  #listen(): void {
    const { host } = this;
    host.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const { left, top } = host.getBoundingClientRect();
        if (event.ctrlKey || event.metaKey)
          this.zoom(Math.exp(-event.deltaY / 150), { x: event.clientX - left, y: event.clientY - top });
        else if (event.shiftKey) this.pan(-event.deltaY, 0);
        else this.pan(-event.deltaX, -event.deltaY);
      },
      { passive: false },
    );
    let start: { x: number; y: number; moved: boolean } | undefined;
    host.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      start = { x: event.clientX, y: event.clientY, moved: false };
    });
    host.addEventListener("pointermove", (event) => {
      if (!start) return;
      const dx = event.clientX - start.x;
      const dy = event.clientY - start.y;
      if (!start.moved && Math.hypot(dx, dy) < 4) return;
      if (!start.moved) host.setPointerCapture(event.pointerId);
      start = { x: event.clientX, y: event.clientY, moved: true };
      this.pan(dx, dy);
    });
    host.addEventListener("pointerup", (event) => {
      const wasClick = start && !start.moved;
      start = undefined;
      if (!wasClick) return;
      const target = event.target instanceof Element ? event.target.closest("[data-id]") : null;
      this.chosen(target?.getAttribute("data-id") ?? undefined, event.detail === 2);
    });
    host.addEventListener("pointercancel", () => (start = undefined));
  }
}

function cut(text: string, letters: number): string {
  const most = Math.max(4, Math.floor(letters));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

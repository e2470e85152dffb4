/**
 * @file From a drawing and the modules that are open to the boxes and lines that are shown: a module that is closed is one box,
 * one that is open is a frame around what is in it.
 */
import type { Drawing, LayoutRequest } from "../../../server/protocol";
import { t } from "../text";

/** A box of the picture. */
export interface Box {
  /** `n12` for node 12 of the drawing, `m3` for module 3. */
  readonly id: string;
  readonly kind: "operator" | "input" | "output" | "closed" | "open";
  /** Index of the node or module in the drawing. */
  readonly index: number;
  readonly title: string;
  readonly detail: string;
  /** Nodes that it stands for. */
  readonly nodes: readonly number[];
  /** Channel spaces of what goes in and out. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  readonly parent?: string;
  /** Number of modules that are built alike, where it stands for such. */
  readonly repeats?: number;
  readonly width: number;
  readonly height: number;
}

/** A line from one box to another. */
export interface Line {
  readonly from: string;
  readonly to: string;
  /** The channel space of what flows, where there is one. */
  readonly space?: number;
}

/** What is shown. */
export interface Scene {
  readonly boxes: ReadonlyMap<string, Box>;
  readonly lines: readonly Line[];
  /** The box that shows a node, by node. */
  readonly boxOf: readonly string[];
}

const HEIGHT = 44;
const LETTER = 7.2;
const NARROWEST = 96;
const WIDEST = 260;
const LONGEST_PATH = 26;

/** Modules from the outside in, so that those above a module come first. */
function chain(drawing: Drawing, module: number | undefined): number[] {
  const out: number[] = [];
  for (let at = module; at !== undefined; at = drawing.modules[at]!.parent) out.unshift(at);
  return out;
}

/** What is shown with some modules open. */
export function sceneOf(drawing: Drawing, open: ReadonlySet<number>): Scene {
  const chains = drawing.modules.map((_, i) => chain(drawing, i));
  const boxOf: string[] = [];
  const members = new Map<string, number[]>();
  const frames = new Set<number>();
  drawing.nodes.forEach((node, i) => {
    const above = node.module === undefined ? [] : chains[node.module]!;
    const closed = above.findIndex((m) => !open.has(m));
    const id = closed < 0 ? `n${i}` : `m${above[closed]!}`;
    for (const m of closed < 0 ? above : above.slice(0, closed)) frames.add(m);
    boxOf.push(id);
    const known = members.get(id);
    if (known) known.push(i);
    else members.set(id, [i]);
  });
  const lines = linesOf(drawing, boxOf);
  const flows = flowsOf(drawing, boxOf);
  const boxes = new Map<string, Box>();
  const parentOf = (module: number | undefined): { parent?: string } => (module === undefined ? {} : { parent: `m${module}` });
  for (const m of frames) {
    const { path, parent, repeats } = drawing.modules[m]!;
    const nodes = drawing.nodes.flatMap((n, i) => (n.module !== undefined && chains[n.module]!.includes(m) ? [i] : []));
    const box = { id: `m${m}`, kind: "open", index: m, title: titleOf(path, repeats), detail: "", nodes } as const;
    boxes.set(box.id, { ...box, reads: [], writes: [], ...parentOf(parent), width: 0, height: 0 });
  }
  for (const [id, nodes] of members) {
    const index = Number(id.slice(1));
    if (id.startsWith("n")) {
      const node = drawing.nodes[index]!;
      const { kind, title, detail, shape, reads, writes } = node;
      const text = kind === "operator" ? [title, detail].filter((part) => part !== "").join(" ") : title;
      const sub = [kind === "operator" ? last(node.scope) : kindText(kind), shape].filter((text) => text !== "").join(" · ");
      const own = { id, kind, index, title: text, detail: sub, nodes, reads, writes, ...parentOf(node.module) };
      boxes.set(id, { ...own, width: widthOf(text, sub), height: HEIGHT });
    } else {
      const { path, parent, repeats } = drawing.modules[index]!;
      const weights = nodes.reduce((n, i) => n + drawing.nodes[i]!.weights, 0);
      const title = titleOf(path, repeats);
      const detail = [t("{0} operators", nodes.length), ...(weights > 0 ? [t("{0} weights", short(weights))] : [])].join(" · ");
      const alike = repeats === undefined ? {} : { repeats: repeats.blocks };
      const { reads, writes } = flows.get(id) ?? { reads: [], writes: [] };
      const own = { id, kind: "closed", index, title, detail, nodes, reads, writes, ...alike, ...parentOf(parent) } as const;
      boxes.set(id, { ...own, width: widthOf(`▸ ${title}`, detail), height: HEIGHT });
    }
  }
  return { boxes, lines, boxOf };
}

function linesOf(drawing: Drawing, boxOf: readonly string[]): Line[] {
  const seen = new Map<string, Line>();
  for (const [a, b] of drawing.edges) {
    const from = boxOf[a]!;
    const to = boxOf[b]!;
    const key = `${from} ${to}`;
    if (from === to || seen.has(key)) continue;
    const space = drawing.nodes[a]!.writes[0];
    seen.set(key, { from, to, ...(space === undefined ? {} : { space }) });
  }
  return [...seen.values()];
}

/** What goes into and out of each box. */
function flowsOf(drawing: Drawing, boxOf: readonly string[]): Map<string, { reads: number[]; writes: number[] }> {
  const out = new Map<string, { reads: number[]; writes: number[] }>();
  const add = (box: string, side: "reads" | "writes", spaces: readonly number[]): void => {
    const known = out.get(box) ?? { reads: [], writes: [] };
    out.set(box, known);
    for (const s of spaces) if (!known[side].includes(s)) known[side].push(s);
  };
  for (const [a, b] of drawing.edges) {
    if (boxOf[a] === boxOf[b]) continue;
    add(boxOf[a]!, "writes", drawing.nodes[a]!.writes);
    add(boxOf[b]!, "reads", drawing.nodes[a]!.writes);
  }
  return out;
}

/** `encoder.layers ×12` for a module that repeats what is in it. */
function titleOf(path: string, repeats: Drawing["modules"][number]["repeats"]): string {
  return repeats === undefined ? name(path) : `${name(path)} ×${repeats.blocks}`;
}

/** A module's path, its end where it is long. */
function name(path: string): string {
  const end = path.split(".").slice(-2).join(".");
  return path.length <= LONGEST_PATH || end === path ? path : `…${end}`;
}

function kindText(kind: "input" | "output"): string {
  return kind === "input" ? t("input") : t("output");
}

function last(scope: string | undefined): string {
  if (scope === undefined) return "";
  const parts = scope.split(".");
  const from = /^\d+$/.test(parts.at(-1)!) ? -2 : -1;
  return parts.slice(from).join(".");
}

function widthOf(title: string, detail: string): number {
  return Math.min(WIDEST, Math.max(NARROWEST, Math.ceil(Math.max(title.length * LETTER, detail.length * LETTER * 0.9)) + 44));
}

/** 11689512 as `11.7 M`. */
export function short(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(1)} B`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} M`;
  return n.toLocaleString("en");
}

/**
 * The modules to open at first: level by level, the smaller ones of a level first, as long as no more boxes are shown than
 * given. Repeated modules stay folded.
 */
export function firstOpen(drawing: Drawing, most: number): Set<number> {
  const open = new Set<number>();
  const shown = (): number => sceneOf(drawing, open).boxes.size;
  if (drawing.modules.length === 0) return open;
  const depth = drawing.modules.map((_, i) => chain(drawing, i).length);
  const size = drawing.modules.map(() => 0);
  for (const n of drawing.nodes) for (const m of chain(drawing, n.module)) size[m]!++;
  for (let level = 1; ; level++) {
    const here = drawing.modules.flatMap((m, i) =>
      depth[i] === level && m.repeats === undefined && (m.parent === undefined || open.has(m.parent)) ? [i] : [],
    );
    if (here.length === 0) return open;
    here.sort((a, b) => size[a]! - size[b]!);
    for (const m of here) {
      open.add(m);
      if (shown() <= most) continue;
      open.delete(m);
      if (level > 1) return open;
    }
  }
}

/** What ELK is asked. */
export function layoutRequest(scene: Scene): LayoutRequest {
  return {
    boxes: [...scene.boxes.values()].map(({ id, width, height, parent }) => ({
      id,
      width,
      height,
      ...(parent === undefined ? {} : { parent }),
    })),
    lines: scene.lines.map(({ from, to }) => [from, to] as const),
  };
}

/**
 * @file Blocks that a network repeats: modules side by side that are built alike, one behind the other. Twelve encoder layers are
 * one box then, until somebody opens it.
 */
import type { Node } from "../graph/graph";
import type { Module, ModuleTree } from "./scopes";

/** How a module repeats what is in it. */
export interface Repeats {
  /** Number of modules. */
  readonly blocks: number;
  /** Kinds of modules, which take turns: 2 for windows that are shifted in every other block. */
  readonly kinds: number;
}

/** A module that may stand for repeated ones. */
export interface FoldedModule extends Module {
  /** All that is in it are these repeated modules. */
  readonly repeats?: Repeats;
}

/** Modules, and which each node is in. */
export interface FoldedTree {
  readonly modules: readonly FoldedModule[];
  /** Index of the innermost module of each node, in the nodes' order; undefined at the top. */
  readonly of: readonly (number | undefined)[];
}

/** Times that something is there before it is folded; two are seen at a glance. */
const FEWEST_TURNS = 3;
const MOST_KINDS = 3;
/** Separates the first name of a row from the last number. */
const TO = "–";

/** A module among its siblings. */
interface Block {
  readonly module: number;
  /** Its name with the number left out. */
  readonly name: string;
  /** What it is built of and what it writes; equal for modules that are built alike. */
  readonly build: string;
  /** Indices of its first and last node. */
  readonly first: number;
  readonly last: number;
  /** Number of its nodes: as many as from the first to the last where no other node is between them. */
  readonly size: number;
}

/**
 * Puts rows of modules that are built alike into a module of their own.
 * @param shapeOf the shape of what a node writes, in words: stages that halve an image are not repeats, however alike
 */
export function foldRepeats({ modules, of }: ModuleTree, nodes: readonly Node[], shapeOf: (node: Node) => string): FoldedTree {
  const out: { path: string; parent?: number; repeats?: Repeats }[] = modules.map((m) => ({ ...m }));
  for (const [parent, blocks] of blocksByParent(modules, of, nodes, shapeOf)) {
    for (let at = 0; at < blocks.length; ) {
      const row = rowAt(blocks, at);
      if (!row) {
        at++;
        continue;
      }
      const own = blocks.slice(at, at + row.blocks);
      at += row.blocks;
      const size = own.reduce((n, b) => n + b.size, 0);
      if (parent !== undefined && sizeOf(parent, modules, of) === size) {
        out[parent]!.repeats = row;
        continue;
      }
      const path = rowPath(modules[own[0]!.module]!.path, modules[own.at(-1)!.module]!.path);
      const index = out.push({ path, ...(parent === undefined ? {} : { parent }), repeats: row }) - 1;
      for (const b of own) out[b.module]!.parent = index;
    }
  }
  return { modules: out, of };
}

/** The modules of each module, and of none, in graph order. */
function blocksByParent(
  modules: readonly Module[],
  of: readonly (number | undefined)[],
  nodes: readonly Node[],
  shapeOf: (node: Node) => string,
): Map<number | undefined, Block[]> {
  const drafts = modules.map(() => ({ first: -1, last: -1, size: 0, build: [] as string[] }));
  of.forEach((inner, k) => {
    for (let m = inner; m !== undefined; m = modules[m]!.parent) {
      const draft = drafts[m]!;
      if (draft.first < 0) draft.first = k;
      draft.last = k;
      draft.size++;
      const place = modules[inner!]!.path.slice(modules[m]!.path.length);
      draft.build.push(`${place} ${buildOf(nodes[k]!)}`);
    }
  });
  const out = new Map<number | undefined, Block[]>();
  modules.forEach(({ parent, path }, module) => {
    const { first, last, size, build } = drafts[module]!;
    const list = out.get(parent) ?? [];
    out.set(parent, list);
    list.push({
      module,
      name: path.replace(/\d+(?=\D*$)/, "#"),
      build: [...build, shapeOf(nodes[last]!)].join("\n"),
      first,
      last,
      size,
    });
  });
  for (const list of out.values()) list.sort((a, b) => a.first - b.first);
  return out;
}

/** What a node is: its operator and how far it reaches. Widths may grow from block to block. */
function buildOf({ operator, attributes }: Node): string {
  const kernel = attributes["kernel_shape"];
  return Array.isArray(kernel) ? `${operator} ${kernel.join("×")}` : operator;
}

/** The longest row of blocks from one on, of as few kinds as possible. */
function rowAt(blocks: readonly Block[], from: number): Repeats | undefined {
  let best: Repeats | undefined;
  for (let kinds = 1; kinds <= MOST_KINDS; kinds++) {
    let end = from + 1;
    while (end < blocks.length && follows(blocks[end]!, blocks[end - 1]!) && (end - from < kinds || isAlike(blocks, end, kinds)))
      end++;
    // Whole turns only.
    const count = end - from - ((end - from) % kinds);
    if (count >= FEWEST_TURNS * kinds && count > (best?.blocks ?? 0)) best = { blocks: count, kinds };
  }
  return best;
}

/** Whether a block comes right behind another one, under a name that differs by a number. */
function follows(block: Block, before: Block): boolean {
  return (
    block.name === before.name &&
    block.first === before.last + 1 &&
    block.last - block.first + 1 === block.size &&
    before.last - before.first + 1 === before.size
  );
}

function isAlike(blocks: readonly Block[], at: number, kinds: number): boolean {
  return blocks[at]!.build === blocks[at - kinds]!.build;
}

function sizeOf(module: number, modules: readonly Module[], of: readonly (number | undefined)[]): number {
  return of.filter((inner) => {
    for (let m = inner; m !== undefined; m = modules[m]!.parent) if (m === module) return true;
    return false;
  }).length;
}

/** `encoder.layers.0–11` for the row from `encoder.layers.0` to `encoder.layers.11`. */
function rowPath(first: string, last: string): string {
  const number = /(\d+)\D*$/.exec(last)?.[1] ?? "";
  return `${first}${TO}${number}`;
}

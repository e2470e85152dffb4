/**
 * @file The twin: the same graph with every channel space, and as far as it goes every other size, shrunk to a few units.
 * Nodes, names and parameters are the same, so what holds by rule for one holds for the other; ranks and certificates of a
 * model of any size are taken on its twin.
 */
import type { Graph, Node } from "../../graph/graph";
import { elementCount, type Shape } from "../../graph/tensor";
import { operatorTable } from "../../operators/table";
import type { InferredAxes } from "../spaces/infer";
import { propagate, type Reach } from "./propagate";
import { SizeConflict } from "./sizes";
import { Survey } from "./survey";
import { type ShrinkingSpace, Widths } from "./widths";

/** How to shrink. */
export interface TwinOptions {
  /** New size of a free atom; 3 to 5, and 2 for heads and groups, unless told. Never more than its old size. */
  readonly size?: (space: ShrinkingSpace) => number;
  /** New size of the first axis of each input (default: the old one, at most 4). */
  readonly batch?: number;
  /** "keep" leaves all pinned sizes (images, tokens, classes, kernels) as they are. */
  readonly spatial?: "keep" | "shrink";
}

/** A graph of the same structure with small sizes. */
export interface Twin {
  /** In normal form, with new shapes and without weights. */
  readonly graph: Graph;
  /** New size of each free root atom that parameters have. */
  readonly sizes: ReadonlyMap<number, number>;
  /** In which respects it is more than a smaller copy, in sentences. */
  readonly notes: readonly string[];
}

/** Why there is no twin, in a sentence. */
export interface NoTwin {
  readonly reason: string;
}

/** Input sizes to try: powers of two and one more first, then what lies below the first one that works. */
const INPUT_SIZES = [
  4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
] as const;
const BATCH = 4;
/** Widths of channels and head sizes, in turn. More than two, else permutations and rotations look alike. */
const MIDDLE = [3, 4] as const;
const WIDE = [4, 5] as const;
const NARROW = [3] as const;
/** Trainable entries up to which the wide widths are used, and from which the narrow ones are. */
const MOST_OF_WIDE = 600;
const MOST_ENTRIES = 3000;
/** Statements that atoms are equal or stay, each of which means another attempt. */
const MOST_STATEMENTS = 64;

/**
 * Makes the twin of a graph in normal form, given its axes with patterns of constants not pinned (`softPins: false`). Never
 * throws on a graph whose shapes are consistent: where sizes cannot be made to fit, the reason is returned.
 */
export function makeTwin(normal: Graph, axes: InferredAxes, options: TwinOptions = {}): Twin | NoTwin {
  const survey = new Survey(normal);
  const widths = new Widths(survey, axes, options.size, MIDDLE);
  const attempt = (inputs: ReadonlyMap<string, Shape>, reach: Reach): Graph | SizeConflict => {
    for (let statements = 0; ; statements++) {
      try {
        return propagate(
          survey,
          axes,
          { inputs, widths, reach },
          (node: Node) => operatorTable(node.operator, node.domain)?.equivariance,
        );
      } catch (error) {
        if (!(error instanceof SizeConflict)) throw error;
        if (error.atoms.length === 0 || statements > MOST_STATEMENTS) return error;
        if (!widths.equate(error.atoms) && !widths.keep(error.atoms)) return error;
      }
    }
  };
  const notes: string[] = [];
  let inputs: ReadonlyMap<string, Shape> = new Map(normal.inputs.map((i) => [i.name, withBatch(i.shape, options.batch)]));
  let reach: Reach = "channels";
  let best: Graph | undefined;
  for (const wanted of options.spatial === "keep" ? [] : (["dense", "strided"] as const)) {
    const { found, failure } = smallest(normal, options.batch, (sizes) => attempt(sizes, wanted));
    if (found) {
      best = found;
      inputs = new Map(found.inputs.map((i) => [i.name, i.shape]));
      reach = wanted;
      break;
    }
    if (process.env.TW) console.log(wanted, failure);
    if (wanted === "strided") notes.push(`only channels are smaller: ${failure}`);
  }
  if (!best) {
    const result = attempt(inputs, reach);
    if (result instanceof SizeConflict) return { reason: `the model cannot be made smaller: ${result.message}` };
    best = result;
  }
  // The search used the middle widths. Wider is more generic where it is cheap, narrower is needed where it is not.
  const entries = trainableEntries(best);
  const pattern = entries <= MOST_OF_WIDE ? WIDE : entries > MOST_ENTRIES ? NARROW : undefined;
  if (pattern) {
    widths.usePattern(pattern);
    const other = attempt(inputs, reach);
    if (other instanceof SizeConflict) widths.usePattern(MIDDLE);
    else best = other;
  }
  return { graph: best, sizes: widths.sizes(), notes };
}

type Attempt = (inputs: ReadonlyMap<string, Shape>) => Graph | SizeConflict;

/** The first axis by the batch; single entries stay single. */
function withBatch(shape: Shape, batch: number | undefined): Shape {
  return shape.map((n, axis) => (axis === 0 && n > 1 ? (batch ?? n) : n));
}

/** New input shapes: the first axis by the batch, the others at most `bound`. */
function bounded(graph: Graph, batch: number | undefined, bound: (input: string, axis: number) => number): Map<string, Shape> {
  return new Map(
    graph.inputs.map((i) => [
      i.name,
      withBatch(i.shape, batch).map((n, axis) => (axis === 0 ? n : Math.min(n, bound(i.name, axis)))),
    ]),
  );
}

/** The smallest input sizes that work, as far as a short search finds them. */
function smallest(
  graph: Graph,
  batch: number | undefined,
  attempt: Attempt,
): { readonly found?: Graph; readonly failure: string } {
  const largest = Math.max(4, ...graph.inputs.flatMap((i) => i.shape.slice(1)));
  let failure = "";
  const works = (sizes: ReadonlyMap<string, Shape>): Graph | undefined => {
    const result = attempt(sizes);
    if (!(result instanceof SizeConflict)) return result;
    failure = result.message; if (process.env.TW) console.log([...sizes.values()].join("|"), failure);
    return undefined;
  };
  // A first axis that is no batch may refuse to grow.
  for (const rows of batch === undefined ? [BATCH, undefined] : [batch]) {
    const bounds: number[] = [];
    for (let n = 4; n < largest; n *= 2) bounds.push(n, n + 1);
    bounds.push(largest);
    for (const [k, bound] of bounds.entries()) {
      const first = works(bounded(graph, rows, () => bound));
      if (!first) continue;
      for (const smaller of INPUT_SIZES) {
        if (smaller <= (bounds[k - 1] ?? 0) || smaller >= bound) continue;
        const result = works(bounded(graph, rows, () => smaller));
        if (result) return { found: lessened(graph, rows, smaller, result, works), failure };
      }
      return { found: lessened(graph, rows, bound, first, works), failure };
    }
  }
  return { failure };
}

/** Makes single input axes smaller still, where others need the bound and they do not (channels of images, features). */
function lessened(
  graph: Graph,
  batch: number | undefined,
  bound: number,
  result: Graph,
  works: (inputs: ReadonlyMap<string, Shape>) => Graph | undefined,
): Graph {
  let best = result;
  const bounds = new Map<string, number>();
  for (const input of graph.inputs) {
    for (let axis = 1; axis < input.shape.length; axis++) {
      const key = `${input.name}/${axis}`;
      for (const smaller of [4, bound / 2]) {
        if (smaller < 4) continue;
        if (smaller >= Math.min(bound, input.shape[axis]!)) continue;
        bounds.set(key, smaller);
        const next = works(bounded(graph, batch, (name, at) => bounds.get(`${name}/${at}`) ?? bound));
        if (next) {
          best = next;
          break;
        }
        bounds.delete(key);
      }
    }
  }
  return best;
}

/** Number of trainable entries of a graph. */
export function trainableEntries(graph: Graph): number {
  let n = 0;
  for (const p of graph.parameters.values()) if (p.trainable) n += elementCount(p.shape);
  return n;
}

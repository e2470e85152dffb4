/**
 * @file The twin: the same graph with every channel space, and as far as it goes every other size, shrunk to a few units.
 * Nodes, names and parameters are the same, so what holds by rule for one holds for the other; ranks and certificates of a
 * model of any size are taken on its twin.
 */
import type { Graph, Node } from "../../graph/graph";
import { elementCount, type Shape } from "../../graph/tensor";
import { operatorTable } from "../../operators/table";
import type { InferredAxes } from "../spaces/infer";
import { propagate } from "./propagate";
import { SizeConflict } from "./sizes";
import { Survey } from "./survey";
import { type ShrinkingSpace, Widths } from "./widths";

/** How to shrink. */
export interface TwinOptions {
  /** New size of a free atom; 3 or 4, and 2 for heads and groups, unless told. Never more than its old size. */
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

/** Input sizes to try, from small to large. */
const INPUT_SIZES = [4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 512] as const;
const MOST_BATCH = 4;
/** Statements that atoms are equal or stay, each of which means another attempt. */
const MOST_STATEMENTS = 64;

/**
 * Makes the twin of a graph in normal form, given its axes with patterns of constants not pinned (`softPins: false`). Never
 * throws on a graph whose shapes are consistent: where sizes cannot be made to fit, the reason is returned.
 */
export function makeTwin(normal: Graph, axes: InferredAxes, options: TwinOptions = {}): Twin | NoTwin {
  const survey = new Survey(normal);
  const widths = new Widths(survey, axes, options.size);
  const attempt = (inputs: ReadonlyMap<string, Shape>, shrink: boolean): Graph | SizeConflict => {
    for (let statements = 0; ; statements++) {
      try {
        return propagate(survey, axes, { inputs, widths, shrink }, (node: Node) => operatorTable(node.operator, node.domain)?.equivariance);
      } catch (error) {
        if (!(error instanceof SizeConflict)) throw error;
        if (error.atoms.length === 0 || statements > MOST_STATEMENTS) return error;
        if (!widths.equate(error.atoms) && !widths.keep(error.atoms)) return error;
      }
    }
  };
  const first = options.batch;
  const notes: string[] = [];
  let found: Graph | undefined;
  let last: SizeConflict | undefined;
  if (options.spatial !== "keep") {
    const largest = Math.max(4, ...normal.inputs.flatMap((i) => i.shape.slice(1)));
    for (const bound of [...INPUT_SIZES.filter((n) => n < largest), largest]) {
      const result = attempt(bounded(normal, first, () => bound), true);
      if (result instanceof SizeConflict) last = result;
      else {
        found = lessened(normal, first, bound, result, (inputs) => attempt(inputs, true));
        break;
      }
    }
  }
  if (!found) {
    const result = attempt(bounded(normal, first, () => Number.POSITIVE_INFINITY), false);
    if (result instanceof SizeConflict) return { reason: `the model cannot be made smaller: ${result.message}` };
    found = result;
    if (options.spatial !== "keep") notes.push(`only channels are smaller: ${last!.message}`);
  }
  return { graph: found, sizes: widths.sizes(), notes };
}

/** New input shapes: the first axis by the batch, the others at most `bound`. */
function bounded(graph: Graph, batch: number | undefined, bound: (input: string, axis: number) => number): Map<string, Shape> {
  const size = (name: string, n: number, axis: number) => {
    if (n === 1 || n === 0) return n;
    if (axis === 0) return batch ?? Math.min(n, Math.max(MOST_BATCH, bound(name, axis) === Number.POSITIVE_INFINITY ? n : 0));
    return Math.min(n, bound(name, axis));
  };
  return new Map(graph.inputs.map((i) => [i.name, i.shape.map((n, axis) => size(i.name, n, axis))]));
}

/** Makes single input axes smaller still, where the others need the bound and they do not. */
function lessened(
  graph: Graph,
  batch: number | undefined,
  bound: number,
  result: Graph,
  attempt: (inputs: ReadonlyMap<string, Shape>) => Graph | SizeConflict,
): Graph {
  let best = result;
  const bounds = new Map<string, number>();
  const at = (input: string, axis: number) => bounds.get(`${input}/${axis}`) ?? bound;
  for (const input of graph.inputs) {
    for (let axis = 1; axis < input.shape.length; axis++) {
      const key = `${input.name}/${axis}`;
      for (const smaller of INPUT_SIZES) {
        if (smaller >= Math.min(bound, input.shape[axis]!)) break;
        bounds.set(key, smaller);
        const next = attempt(bounded(graph, batch, at));
        if (!(next instanceof SizeConflict)) {
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

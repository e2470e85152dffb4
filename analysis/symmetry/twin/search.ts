/** @file The search for the smallest input sizes at which everything in a graph still fits. */
import type { Graph, GraphInput } from "../../graph/graph";
import { isFloating, type Shape } from "../../graph/tensor";
import { SizeConflict } from "./sizes";

/** Input sizes to try: powers of two and one more first, then what lies below the first one that works. */
const INPUT_SIZES = [
  4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
] as const;
/** What images, tokens and features come down to. */
const LEAST_PLACES = 4;
const LEAST_FEATURES = 8;

/** One attempt with given input shapes. */
export type Attempt = (inputs: ReadonlyMap<string, Shape>) => Graph | SizeConflict;

/** The first axis by the batch; single entries stay single. */
export function withBatch(shape: Shape, batch: number | undefined): Shape {
  return shape.map((n, axis) => (axis === 0 && n > 1 ? (batch ?? n) : n));
}

/** Plain features cost next to nothing, and pairs of few of them have too few dimensions; images and tokens go further down. */
function floorOf(input: GraphInput): number {
  return input.shape.length <= 2 && isFloating(input.type) ? LEAST_FEATURES : LEAST_PLACES;
}

/** New input shapes: the first axis by the batch, the others at most `bound`. */
function bounded(graph: Graph, batch: number | undefined, bound: (input: string, axis: number) => number): Map<string, Shape> {
  return new Map(
    graph.inputs.map((i) => [
      i.name,
      withBatch(i.shape, batch).map((n, axis) => (axis === 0 ? n : Math.min(n, Math.max(floorOf(i), bound(i.name, axis))))),
    ]),
  );
}

/** Rows of plain features and tokens are cheap: more of them make ranks clearer. Images bring samples of their own. */
function usualBatch(graph: Graph, fewer: boolean): number {
  if (graph.inputs.every((i) => i.shape.length <= 2)) return 8;
  return fewer ? 2 : 4;
}

/** The smallest input sizes that work, as far as a short search finds them; with `fewer` images than usual if no batch is told. */
export function smallest(
  graph: Graph,
  batch: number | undefined,
  attempt: Attempt,
  fewer = false,
): { readonly found?: Graph; readonly failure: string } {
  const largest = Math.max(LEAST_PLACES, ...graph.inputs.flatMap((i) => i.shape.slice(1)));
  let failure = "";
  const works = (sizes: ReadonlyMap<string, Shape>): Graph | undefined => {
    const result = attempt(sizes);
    if (!(result instanceof SizeConflict)) return result;
    failure = result.message;
    return undefined;
  };
  // A first axis that is no batch may refuse to grow.
  for (const rows of batch === undefined ? [usualBatch(graph, fewer), undefined] : [batch]) {
    const bounds: number[] = [];
    for (let n = LEAST_PLACES; n < largest; n *= 2) bounds.push(n, n + 1);
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
      for (const smaller of [LEAST_PLACES, bound / 2]) {
        if (smaller < LEAST_PLACES || smaller >= Math.min(bound, input.shape[axis]!)) continue;
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

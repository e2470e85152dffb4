/** @file Random inputs for a graph: normal floats, and integers that every table they index can answer. */
import type { Graph } from "../graph/graph";
import { elementCount, isFloating, type Tensor } from "../graph/tensor";
import { normalForm } from "../lowering/normal-form";
import { Random } from "../numerics/random";
import { indexBounds } from "../symmetry/counting/index-bounds";
import { Network } from "../symmetry/counting/network";

/** What an integer input draws from when nothing says how large it may be. */
const DEFAULT_BOUND = 2;

/** By graph: bounds of its whole numbers, by input. */
const known = new WeakMap<Graph, ReadonlyMap<string, number>>();

/**
 * The number of different values that an integer input may have: as many as reach every row of the tables that are looked up by it
 * or by what is computed of it, and none beyond.
 */
export function indexBound(graph: Graph, input: string): number {
  let bounds = known.get(graph);
  if (!bounds) {
    bounds = boundsOf(graph);
    known.set(graph, bounds);
  }
  return bounds.get(input) ?? DEFAULT_BOUND;
}

function boundsOf(graph: Graph): ReadonlyMap<string, number> {
  const whole = graph.inputs.filter((i) => !isFloating(i.type) && i.type !== "bool");
  if (whole.length === 0) return new Map();
  try {
    const normal = normalForm(graph).graph;
    const bounds = indexBounds(Network.of(normal));
    const left = new Set(normal.inputs.map((i) => i.name));
    return new Map(whole.flatMap(({ name }) => (left.has(name) ? [[name, bounds.of(name)] as const] : [])));
  } catch {
    // A graph that has no normal form is run all the same: what refuses it says why.
    return new Map();
  }
}

/** Random values for all inputs: floats standard normal, booleans and masks one, other integers below their bound. */
export function randomInputs(graph: Graph, seed: number): Map<string, Tensor> {
  const random = new Random(seed);
  const out = new Map<string, Tensor>();
  for (const { name, type, shape } of graph.inputs) {
    const count = elementCount(shape);
    let data: Float64Array;
    if (isFloating(type)) data = random.normals(count);
    else if (type === "bool" || /mask/i.test(name)) data = new Float64Array(count).fill(1);
    else {
      const bound = indexBound(graph, name);
      data = Float64Array.from({ length: count }, () => random.integer(bound));
    }
    out.set(name, { type, shape, data });
  }
  return out;
}

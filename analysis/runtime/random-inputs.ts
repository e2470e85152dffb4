/** @file Random inputs for a graph: normal floats, and integers that every table they index can answer. */
import { consumers, type Graph, type Node, numberAttribute } from "../graph/graph";
import { elementCount, isFloating, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";

const PASSING: ReadonlySet<string> = new Set([
  "Cast",
  "Clip",
  "Concat",
  "Expand",
  "Flatten",
  "Gather",
  "Identity",
  "Reshape",
  "Slice",
  "Split",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);
const MAX_VALUES = 10_000;
/** What an integer input draws from when nothing says how large it may be. */
const DEFAULT_BOUND = 2;

/**
 * The number of different values that an integer input may have: the smallest table that it indexes.
 * Follows movement and the addition of constants; 2 where no table is found.
 */
export function indexBound(
  graph: Graph,
  input: string,
  readers: ReadonlyMap<string, readonly Node[]> = consumers(graph),
): number {
  let bound = Number.POSITIVE_INFINITY;
  const offsets = new Map<string, number>([[input, 0]]);
  for (const [value, offset] of offsets) {
    if (offsets.size > MAX_VALUES) break;
    for (const node of readers.get(value) ?? []) {
      const size = tableSize(node, value, graph);
      if (size !== undefined) bound = Math.min(bound, size - offset);
      const pass = (by: number): void => {
        for (const o of node.outputs) if (o !== "" && !offsets.has(o)) offsets.set(o, offset + by);
      };
      // As an index a value is used up; as data it moves on.
      if (PASSING.has(node.operator) && (node.operator !== "Gather" || node.inputs[0] === value)) pass(0);
      else if (node.operator === "Add") {
        const other = graph.constants.get(node.inputs[node.inputs[0] === value ? 1 : 0] ?? "");
        if (other) pass(other.data.reduce((a, b) => Math.max(a, b), 0));
      }
    }
  }
  return Number.isFinite(bound) ? Math.max(1, bound) : DEFAULT_BOUND;
}

/** The size of the axis that a node indexes by a value, if it does. */
function tableSize(node: Node, value: string, graph: Graph): number | undefined {
  const shape = graph.types.get(node.inputs[0] ?? "")?.shape;
  switch (node.operator) {
    case "Gather":
    case "GatherElements": {
      if (node.inputs[1] !== value || !shape) return undefined;
      const axis = numberAttribute(node, "axis", 0);
      return shape[axis < 0 ? axis + shape.length : axis];
    }
    case "ScatterElements": {
      if (node.inputs[1] !== value || !shape) return undefined;
      const axis = numberAttribute(node, "axis", 0);
      return shape[axis < 0 ? axis + shape.length : axis];
    }
    case "GatherND":
    case "ScatterND":
      return node.inputs[1] === value && shape ? Math.min(...shape) : undefined;
    case "OneHot":
      return node.inputs[0] === value ? graph.constants.get(node.inputs[1] ?? "")?.data[0] : undefined;
    case "EmbedLayerNormalization": {
      // com.microsoft: word and segment ids index tables 2 and 4.
      const table = node.inputs[0] === value ? 2 : node.inputs[1] === value ? 4 : undefined;
      return table === undefined ? undefined : graph.types.get(node.inputs[table] ?? "")?.shape?.[0];
    }
    default:
      return undefined;
  }
}

/** Random values for all inputs: floats standard normal, booleans and masks one, other integers below their bound. */
export function randomInputs(graph: Graph, seed: number): Map<string, Tensor> {
  const readers = consumers(graph);
  const random = new Random(seed);
  const out = new Map<string, Tensor>();
  for (const { name, type, shape } of graph.inputs) {
    const count = elementCount(shape);
    let data: Float64Array;
    if (isFloating(type)) data = random.normals(count);
    else if (type === "bool" || /mask/i.test(name)) data = new Float64Array(count).fill(1);
    else {
      const bound = indexBound(graph, name, readers);
      data = Float64Array.from({ length: count }, () => random.integer(bound));
    }
    out.set(name, { type, shape, data });
  }
  return out;
}

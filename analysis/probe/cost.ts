/** @file What a training step costs, roughly: for choosing twins, threads and processes. */
import { type Graph, numberAttribute, stringAttribute } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { parseEinsum } from "../operators/einsum";

/** Arithmetic and memory of one forward pass. */
export interface Cost {
  /** Floating point operations of products, two per multiply-add. */
  readonly operations: number;
  /** Number of nodes. */
  readonly nodes: number;
  /** Bytes of all values that backward passes may need. */
  readonly bytes: number;
  /** Bytes that are moved besides: what the gradients of convolutions copy. */
  readonly copied: number;
  /** Trainable entries. */
  readonly parameters: number;
}

/** The cost of a forward pass of a graph whose shapes are known. */
export function costOf(graph: Graph): Cost {
  let operations = 0;
  let bytes = 0;
  let copied = 0;
  const shape = (name: string | undefined) => graph.types.get(name ?? "")?.shape ?? [];
  for (const node of graph.nodes) {
    const y = shape(node.outputs[0]);
    bytes += 4 * elementCount(y);
    switch (node.operator) {
      case "MatMul":
        operations += 2 * elementCount(y) * (shape(node.inputs[0]).at(-1) ?? 1);
        break;
      case "Gemm":
        operations += 2 * elementCount(y) * (shape(node.inputs[0])[numberAttribute(node, "transA", 0) === 0 ? 1 : 0] ?? 1);
        break;
      case "Conv": {
        const weights = shape(node.inputs[1]);
        operations += 2 * elementCount(y) * elementCount(weights.slice(1));
        // The gradient of the weights looks at the data once per tap of the kernel.
        copied += 2 * elementCount(weights.slice(2)) * elementCount(shape(node.inputs[0]));
        break;
      }
      case "ConvTranspose":
        operations += 2 * elementCount(shape(node.inputs[0])) * elementCount(shape(node.inputs[1]).slice(1));
        break;
      case "Einsum": {
        const equation = stringAttribute(node, "equation", "");
        const parsed = parseEinsum(
          equation,
          node.inputs.map((i) => shape(i).length),
        );
        const sizes = new Map(parsed.inputs.flatMap((t, k) => t.map((l, a) => [l, shape(node.inputs[k])[a] ?? 1] as const)));
        operations += 2 * elementCount([...sizes.values()]);
        break;
      }
      default:
        break;
    }
  }
  let parameters = 0;
  for (const p of graph.parameters.values()) if (p.trainable) parameters += elementCount(p.shape);
  return { operations, nodes: graph.nodes.length, bytes, copied, parameters };
}

/** Operations per second of one core in matrix products (half of what a core with AVX-512 was measured to reach). */
const SPEED = 50e9;
/** Bytes per second of entrywise operators. */
const BANDWIDTH = 4e9;
/** Seconds that a node costs besides its arithmetic. */
const OVERHEAD = 3e-6;

/** Seconds of one training step on one core, on the safe side: forward and twice that backward. */
export function stepSeconds(cost: Cost): number {
  return (
    (3 * cost.operations) / SPEED +
    (4 * (cost.bytes + cost.copied) + 24 * cost.parameters) / BANDWIDTH +
    3 * OVERHEAD * cost.nodes
  );
}

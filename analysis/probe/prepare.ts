/**
 * @file The network as it is while it trains, in operators that have gradients: batch normalisation by batch statistics,
 * dropout off, everything else lowered only as far as it has to be.
 */
import { consumers, type Graph, type Node, numberAttribute } from "../graph/graph";
import { elementCount, isFloating } from "../graph/tensor";
import { primitiveForm } from "../lowering/normal-form";
import { operatorTable } from "../operators/table";
import { fuse } from "./fuse";

/** Running statistics that a batch normalisation updates. */
export interface RunningStatistics {
  /** Buffers of the graph. */
  readonly mean: string;
  readonly variance: string;
  /** Values of the graph: mean and (biased) variance of the batch, one entry per channel. */
  readonly batchMean: string;
  readonly batchVariance: string;
  /** How much of the old value stays. */
  readonly momentum: number;
  /** Entries that each statistic is taken over; the running variance is that of a sample, n / (n - 1) larger. */
  readonly count: number;
}

/** A network to train. */
export interface Trainable {
  /** Operator set 21. Its outputs are the network's, then the statistics of the batches. */
  readonly graph: Graph;
  /** The network's own outputs. */
  readonly outputs: readonly string[];
  readonly statistics: readonly RunningStatistics[];
  readonly notes: readonly string[];
}

/** Operators that are faster whole, and whose meaning is the same up to operator set 21. */
const WHOLE: ReadonlySet<string> = new Set([
  "BatchNormalization",
  "Conv",
  "ConvTranspose",
  "Gelu",
  "Gemm",
  "GlobalAveragePool",
  "HardSwish",
  "LayerNormalization",
  "LogSoftmax",
  "Mish",
]);

/**
 * Prepares a graph for training.
 * @param whole keeps normalisations and affine layers as one operator; false lowers them all (for replicas in one graph)
 * @throws Error when the network draws random numbers
 */
export function prepare(graph: Graph, whole: boolean): Trainable {
  const notes: string[] = [];
  const statistics: RunningStatistics[] = [];
  const drawn = graph.nodes.find((n) => operatorTable(n.operator, n.domain)?.random);
  if (drawn) {
    throw new Error(
      `${drawn.operator} ${drawn.name} draws random numbers, so the same run would never repeat; make it an input of the model`,
    );
  }
  let dropouts = 0;
  const nodes = graph.nodes.map((node): Node => {
    if (node.domain !== "") return node;
    if (node.operator === "Dropout") {
      dropouts++;
      return { ...node, inputs: node.inputs.slice(0, 1), outputs: node.outputs.slice(0, 1), attributes: {} };
    }
    if (node.operator === "LayerNormalization") {
      const y = node.outputs[0]!;
      return { ...node, outputs: [y, node.outputs[1] || `${y}/mean`, node.outputs[2] || `${y}/inverse_deviation`] };
    }
    if (node.operator !== "BatchNormalization") return node;
    const [x, , , mean, variance] = node.inputs;
    const y = node.outputs[0]!;
    const outputs = [y, `${y}/batch_mean`, `${y}/batch_variance`];
    const shape = graph.types.get(x ?? "")?.shape;
    const isBuffer = (name: string | undefined) => graph.parameters.get(name ?? "")?.trainable === false;
    if (shape && isBuffer(mean) && isBuffer(variance)) {
      statistics.push({
        mean: mean!,
        variance: variance!,
        batchMean: outputs[1]!,
        batchVariance: outputs[2]!,
        momentum: numberAttribute(node, "momentum", 0.9),
        count: elementCount(shape) / shape[1]!,
      });
    }
    const epsilon = numberAttribute(node, "epsilon", 1e-5);
    return { ...node, outputs, attributes: { epsilon, training_mode: 1, momentum: 0 } };
  });
  if (dropouts > 0) {
    const layers = `${dropouts} ${dropouts === 1 ? "layer" : "layers"}`;
    notes.push(
      `dropout is off (${layers}): its noise would hide the laws that symmetries are checked by, and no run would repeat`,
    );
  }
  const floating = graph.outputs.filter((o) => isFloating(graph.types.get(o)?.type ?? "other"));
  const outputs = [...floating.slice(0, 1), ...statistics.flatMap((s) => [s.batchMean, s.batchVariance])];
  // Statistics are values of their own from operator set 14 on; graphs of older ones have no other forms that differ here.
  const opset = Math.max(graph.opset, 15);
  const form = primitiveForm({ ...graph, nodes, outputs, opset: graph.opset >= 13 ? opset : graph.opset }, (node) =>
    node.domain === "" ? whole && WHOLE.has(node.operator) && (node.operator !== "LogSoftmax" || graph.opset >= 13) : false,
  );
  const swapped = poolFirst(whole ? fuse(form) : form);
  return { graph: swapped, outputs: form.outputs.slice(0, 1), statistics: renamed(statistics, outputs, form.outputs), notes };
}

/**
 * MaxPool(Relu(x)) as Relu(MaxPool(x)), which is the same, also in its gradient, and leaves the rectifier a fraction of the
 * entries. Only where nothing else reads the rectifier.
 */
function poolFirst(graph: Graph): Graph {
  const readers = consumers(graph);
  const swapped = new Map<Node, Node>();
  const types = new Map(graph.types);
  for (const relu of graph.nodes) {
    const y = relu.outputs[0]!;
    const [pool, ...others] = readers.get(y) ?? [];
    if (relu.operator !== "Relu" || pool?.operator !== "MaxPool" || others.length > 0 || graph.outputs.includes(y)) continue;
    if (pool.outputs.length > 1) continue;
    swapped.set(relu, { ...pool, inputs: relu.inputs, outputs: [y] });
    swapped.set(pool, { ...relu, inputs: [y], outputs: pool.outputs });
    types.set(y, graph.types.get(pool.outputs[0]!)!);
  }
  return swapped.size === 0 ? graph : { ...graph, nodes: graph.nodes.map((n) => swapped.get(n) ?? n), types };
}

/** The statistics under the names that their values have in the lowered graph. */
function renamed(
  statistics: readonly RunningStatistics[],
  before: readonly string[],
  after: readonly string[],
): RunningStatistics[] {
  const name = new Map(before.map((o, i) => [o, after[i]!]));
  return statistics.map((s) => ({
    ...s,
    batchMean: name.get(s.batchMean)!,
    batchVariance: name.get(s.batchVariance)!,
  }));
}

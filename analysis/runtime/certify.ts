/**
 * @file Certification's running part: the same inputs through the same network with two sets of weights. A symmetry's claim
 * is that the outputs agree; this measures by how much they differ.
 */
import { writeOnnx } from "../frontends/onnx/write";
import type { Graph, Node } from "../graph/graph";
import { isFloating, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import type { ParameterValues } from "../symmetry/symmetry";
import { randomInputs } from "./random-inputs";
import { randomWeights } from "./random-weights";
import { type Runner, RuntimeFailure } from "./runner";

/** Weights for certification, and which of them are made up. */
export interface BaseWeights {
  readonly values: ParameterValues;
  /** Names of the parameters that the file has no values for. */
  readonly random: readonly string[];
}

/** What a comparison may be given. */
export interface CompareOptions {
  /** Seed of the random inputs; 1 by default. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Type of the arithmetic; float32 by default, which every operator has. */
  readonly elementType?: "float32" | "float64";
  /** Measure what rounding does only if some deviation is larger than this; else it is reported as 0. Always, unless told. */
  readonly roundingAbove?: number;
}

/** How far outputs moved. */
export interface Comparison {
  /** Per variant: the largest over all outputs of max|y' - y| / max|y|; Infinity where an output is not finite. */
  readonly maxRelativeDeviation: number[];
  /**
   * The same measure when every weight moves by one rounding error: what rounding alone may do to this network. Deep
   * networks with batch statistics amplify it beyond 1e-5 in float32; deviations of this size refute nothing.
   */
  readonly rounding: number;
}

/**
 * The values of a graph's parameters from its file, random ones (see `randomWeights`) where there are none.
 * @throws OnnxError when the file has changed since it was opened
 */
export function baseWeights(graph: Graph, seed = 1): BaseWeights {
  const values = new Map<string, Float64Array>();
  const random: string[] = [];
  for (const p of graph.parameters.values()) {
    if (p.type === "string") continue;
    const read = p.read?.();
    if (read) values.set(p.name, read.data);
    else random.push(p.name);
  }
  for (const [name, data] of randomWeights(graph, seed, random)) values.set(name, data);
  return { values, random };
}

/** Operators whose outputs differ from run to run. */
const RANDOM: ReadonlySet<string> = new Set([
  "Bernoulli",
  "Multinomial",
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
]);

/** Dropout as it is outside of training. Its training mode is an input; everything else stays. */
function withoutDropout(node: Node): Node {
  return node.operator === "Dropout" && node.domain === "" && node.inputs.length > 2
    ? { ...node, inputs: node.inputs.slice(0, 2) }
    : node;
}

/**
 * Runs a graph with base weights and with variants of them, and compares the outputs.
 * @param base values of all parameters
 * @param variants values of the parameters that move; the others keep their base values. Asked for one by one
 * @param inputs values of the graph's inputs; random ones by default
 * @throws RuntimeFailure when ONNX Runtime cannot run the graph, when the graph draws random numbers, or when the base
 *   weights give outputs that are not finite; RunCancelled when the signal says so
 */
export async function compareUnderActions(
  graph: Graph,
  base: ParameterValues,
  variants: Iterable<ParameterValues>,
  runner: Runner,
  inputs?: ReadonlyMap<string, Tensor>,
  options: CompareOptions = {},
): Promise<Comparison> {
  const draws = graph.nodes.find((n) => RANDOM.has(n.operator) && n.domain === "");
  if (draws)
    throw new RuntimeFailure("model", `${draws.operator} ${draws.name} draws random numbers: two runs cannot be compared`);
  const type = options.elementType ?? "float32";
  const runnable: Graph = { ...graph, nodes: graph.nodes.map(withoutDropout) };
  const model = writeOnnx(runnable, new Map(), { parametersAsInputs: true, elementType: type });
  const run = options.signal ? { signal: options.signal } : {};
  const session = await runner.open(model, run);
  try {
    const feeds = new Map<string, Tensor>();
    for (const [name, tensor] of inputs ?? randomInputs(graph, options.seed ?? 1)) {
      feeds.set(name, isFloating(tensor.type) ? { ...tensor, type } : tensor);
    }
    for (const p of graph.parameters.values()) {
      const data = base.get(p.name);
      if (data) feeds.set(p.name, { type: isFloating(p.type) ? type : p.type, shape: p.shape, data });
    }
    await session.bind(feeds, run);
    const expected = await session.run(new Map(), run);
    for (const [name, y] of expected) {
      if (isFloating(y.type) && !y.data.every(Number.isFinite)) {
        throw new RuntimeFailure("model", `output ${name} is not finite with these weights: nothing can be compared`);
      }
    }
    const maxRelativeDeviation: number[] = [];
    for (const variant of variants) {
      const moved = new Map<string, Tensor>();
      for (const [name, data] of variant) {
        const p = graph.parameters.get(name);
        if (p && data !== base.get(name)) moved.set(name, { type: isFloating(p.type) ? type : p.type, shape: p.shape, data });
      }
      maxRelativeDeviation.push(deviation(expected, await session.run(moved, run)));
    }
    const isSmall = options.roundingAbove !== undefined && maxRelativeDeviation.every((d) => d <= options.roundingAbove!);
    const rounding = isSmall ? 0 : deviation(expected, await session.run(rounded(feeds, graph, type, options.seed ?? 1), run));
    return { maxRelativeDeviation, rounding };
  } finally {
    await session.close();
  }
}

/** The parameters among the feeds, each value one unit in the last place larger or smaller. */
function rounded(
  feeds: ReadonlyMap<string, Tensor>,
  graph: Graph,
  type: "float32" | "float64",
  seed: number,
): Map<string, Tensor> {
  const random = new Random(seed);
  const unit = type === "float32" ? 2 ** -23 : 2 ** -52;
  const out = new Map<string, Tensor>();
  for (const name of graph.parameters.keys()) {
    const tensor = feeds.get(name);
    if (!tensor || !isFloating(tensor.type)) continue;
    out.set(name, { ...tensor, data: tensor.data.map((v) => v * (random.bits() & 1 ? 1 + unit : 1 - unit)) });
  }
  return out;
}

/** The largest relative deviation over all outputs. */
function deviation(expected: ReadonlyMap<string, Tensor>, found: ReadonlyMap<string, Tensor>): number {
  let worst = 0;
  for (const [name, y] of expected) {
    const z = found.get(name);
    if (!z || z.data.length !== y.data.length) return Number.POSITIVE_INFINITY;
    let size = 0;
    let difference = 0;
    for (let i = 0; i < y.data.length; i++) {
      size = Math.max(size, Math.abs(y.data[i]!));
      const d = Math.abs(z.data[i]! - y.data[i]!);
      if (!Number.isFinite(d)) return Number.POSITIVE_INFINITY;
      difference = Math.max(difference, d);
    }
    // Indices (the largest class, say) may flip at ties; they follow the floating outputs, which are compared.
    if (!isFloating(y.type)) continue;
    if (difference > 0) worst = Math.max(worst, size === 0 ? Number.POSITIVE_INFINITY : difference / size);
  }
  return worst;
}

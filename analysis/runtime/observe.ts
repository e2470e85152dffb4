/**
 * @file Certification's running part: the same inputs through the same network while its weights move. A symmetry's claim is
 * that the outputs stay; this measures by how much they do not.
 */
import { availableParallelism } from "node:os";
import { writeOnnx } from "../frontends/onnx/write";
import type { Graph, Node } from "../graph/graph";
import { isFloating, type Tensor } from "../graph/tensor";
import { operatorTable } from "../operators/table";
import { randomInputs } from "./random-inputs";
import { type Runner, RuntimeFailure, type RunnerSession } from "./runner";
import { toWire } from "./values";
import type { MovingWeights } from "./weights";

/** How a network is run. */
export interface ObserveOptions {
  /** Seed of the random inputs; 1 by default. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Values of the graph's inputs; random ones by default. */
  readonly inputs?: ReadonlyMap<string, Tensor>;
}

/** What a network answers, by output. */
export type Outputs = ReadonlyMap<string, Tensor>;

/** Operators use so many threads at most: the twin and other processes have work too. */
const MOST_THREADS = 4;

/** Dropout as it is outside of training. Its training mode is an input; everything else stays. */
function withoutDropout(node: Node): Node {
  return node.operator === "Dropout" && node.domain === "" && node.inputs.length > 2
    ? { ...node, inputs: node.inputs.slice(0, 2) }
    : node;
}

/** A graph that is loaded and watched while its weights move. */
export class ObservedNetwork {
  /** The version of the weights that the session has. */
  private version = -1;

  private constructor(
    private readonly graph: Graph,
    private readonly weights: MovingWeights,
    private readonly session: RunnerSession,
    private readonly run: { readonly signal?: AbortSignal },
  ) {}

  /**
   * Loads a graph; its parameters are those of `weights`, by name.
   * @throws RuntimeFailure when ONNX Runtime cannot load the graph, or the graph draws random numbers; RunCancelled when the
   *   signal says so
   */
  static async open(
    graph: Graph,
    weights: MovingWeights,
    runner: Runner,
    options: ObserveOptions = {},
  ): Promise<ObservedNetwork> {
    const draws = graph.nodes.find((n) => operatorTable(n.operator, n.domain)?.random);
    if (draws)
      throw new RuntimeFailure("model", `${draws.operator} ${draws.name} draws random numbers: two runs cannot be compared`);
    const type = weights.elementType;
    const runnable: Graph = { ...graph, nodes: graph.nodes.map(withoutDropout) };
    const model = writeOnnx(runnable, new Map(), { parametersAsInputs: true, elementType: type });
    const run = options.signal ? { signal: options.signal } : {};
    const session = await runner.open(model, { ...run, threads: Math.min(MOST_THREADS, availableParallelism()) });
    const network = new ObservedNetwork(graph, weights, session, run);
    try {
      const inputs = options.inputs ?? randomInputs(graph, options.seed ?? 1);
      const typed = [...inputs].map(([name, t]) => [name, toWire(isFloating(t.type) ? { ...t, type } : t)] as const);
      await session.bind(Object.fromEntries(typed), run);
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /**
   * The outputs at the weights as they are now.
   * @throws RuntimeFailure when ONNX Runtime cannot run the graph; RunCancelled when the signal says so
   */
  async outputs(): Promise<Outputs> {
    const changed = this.weights.since(this.version, this.graph.parameters);
    const { version } = this.weights;
    await this.session.bind(changed, this.run);
    this.version = version;
    return this.session.run(new Map(), this.run);
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

/**
 * Outputs as they are, if something can be compared with them.
 * @throws RuntimeFailure where one is not finite
 */
export function comparable(outputs: Outputs): Outputs {
  for (const [name, y] of outputs) {
    if (isFloating(y.type) && !y.data.every(Number.isFinite))
      throw new RuntimeFailure("model", `output ${name} is not finite with these weights: nothing can be compared`);
  }
  return outputs;
}

/** How far outputs are apart: the largest over all of max|y' - y| / max|y|; Infinity where one is not finite. */
export function deviation(expected: Outputs, found: Outputs): number {
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

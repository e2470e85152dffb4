/** @file Test support: small networks trained in float64 by the engines' own derivatives, recorded like a probe's runs. */
import { elementCount, type Tensor, tensor } from "../../graph/tensor";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { analyse } from "../../symmetry/analyse";
import type { ModelAnalysis } from "../../symmetry/analysis";
import { Network } from "../../symmetry/counting/network";
import { Program } from "../../symmetry/counting/program";
import type { ParameterValues } from "../../symmetry/symmetry";
import type { RunSettings } from "../measures/settings";
import type { Recording, Trajectory } from "../trajectory";

/** A feed-forward network: sizes of its layers, the nonlinearity between them ("" for none). */
export interface Mlp {
  readonly sizes: readonly number[];
  readonly activation: string;
  readonly bias?: boolean;
  /** Examples per batch. */
  readonly batch: number;
}

/** A network with its analysis, loss (mean square) and gradient. */
export class TestModel {
  readonly analysis: ModelAnalysis;
  private readonly program: Program;
  private readonly output: Program;

  constructor(readonly mlp: Mlp) {
    this.analysis = analyse(modelGraph(mlp, false), { numeric: false });
    const network = Network.of(normalForm(modelGraph(mlp, true)).graph);
    this.program = new Program(network, [network.graph.outputs[0]!]);
    const plain = Network.of(normalForm(modelGraph(mlp, false)).graph);
    this.output = new Program(plain, [plain.graph.outputs[0]!]);
  }

  /** Weights as PyTorch's linear layers draw them: uniform within 1/sqrt(fan in). */
  initial(seed: number): Map<string, Float64Array> {
    const random = new Random(seed);
    const out = new Map<string, Float64Array>();
    for (const p of this.analysis.normal.parameters.values()) {
      const layer = Number(/\d+/.exec(p.name)![0]);
      const bound = 1 / Math.sqrt(this.mlp.sizes[layer]!);
      out.set(p.name, random.uniforms(elementCount(p.shape), -bound, bound));
    }
    return out;
  }

  lossAndGradient(parameters: ParameterValues, x: Tensor, y: Tensor): { loss: number; gradient: Map<string, Float64Array> } {
    const values = this.program.evaluate((leaf) => this.leaf(leaf, parameters, x, y));
    const names = this.program.leaves.filter((l) => parameters.has(l));
    const gradient = new Map<string, Float64Array>();
    this.program.gradients(values, names, (_, g) => {
      names.forEach((n, i) => gradient.set(n, g[i]!.slice()));
    });
    return { loss: this.program.results(values)[0]!.data[0]!, gradient };
  }

  forward(parameters: ParameterValues, x: Tensor): Tensor {
    return this.output.results(this.output.evaluate((leaf) => this.leaf(leaf, parameters, x, x)))[0]!;
  }

  private leaf(leaf: string, parameters: ParameterValues, x: Tensor, y: Tensor): Tensor | undefined {
    if (leaf === "x") return x;
    if (leaf === "y") return y;
    const p = this.analysis.normal.parameters.get(leaf);
    return p && tensor(p.shape, parameters.get(leaf)!);
  }

  inputs(random: Random): Tensor {
    return tensor([this.mlp.batch, this.mlp.sizes[0]!], random.normals(this.mlp.batch * this.mlp.sizes[0]!));
  }

  /** Trains on fresh batches of `target(x)` and records `recordings` states with everything that a probe records. */
  train(options: {
    readonly settings?: Partial<RunSettings>;
    readonly steps: number;
    readonly seed: number;
    readonly target: (x: Tensor) => Tensor;
    readonly recordings?: number;
    readonly initial?: ParameterValues;
  }): Trajectory {
    const settings = runSettings(options.settings);
    const random = new Random(options.seed + 1000);
    let parameters: ParameterValues = options.initial ?? this.initial(options.seed);
    const [m, v] = [zerosLike(parameters), zerosLike(parameters)];
    const every = Math.max(1, Math.floor(options.steps / ((options.recordings ?? 11) - 1)));
    const losses = new Float64Array(options.steps);
    const norms = new Float64Array(options.steps);
    const recordings: Recording[] = [];
    const state = (step: number) => ({ step, parameters, learningRate: settings.learningRate, activity: new Map() });
    for (let step = 0; step < options.steps; step++) {
      const x = this.inputs(random);
      const { loss, gradient } = this.lossAndGradient(parameters, x, options.target(x));
      losses[step] = loss;
      norms[step] = Math.hypot(...[...gradient.values()].flatMap((g) => [...g]));
      const after = update(parameters, gradient, settings, m, v, step + 1);
      if (step % every === 0) recordings.push({ ...state(step), gradient, after });
      parameters = after;
    }
    recordings.push(state(options.steps));
    return { setting: "test", replica: options.seed, seed: options.seed, losses, gradientNorms: norms, recordings };
  }
}

/** Plain SGD unless told. */
export function runSettings(options: Partial<RunSettings> = {}): RunSettings {
  return {
    optimiser: "sgd",
    learningRate: 0.05,
    momentum: 0,
    betas: [0.9, 0.999],
    weightDecay: 0,
    groups: [],
    batchSize: 16,
    ...options,
  };
}

function zerosLike(parameters: ParameterValues): Map<string, Float64Array> {
  return new Map([...parameters].map(([k, w]) => [k, new Float64Array(w.length)]));
}

function update(
  parameters: ParameterValues,
  gradient: ParameterValues,
  settings: RunSettings,
  m: Map<string, Float64Array>,
  v: Map<string, Float64Array>,
  t: number,
): ParameterValues {
  const { learningRate: eta, weightDecay: decay, momentum } = settings;
  const [b1, b2] = settings.betas;
  const out = new Map<string, Float64Array>();
  for (const [name, w] of parameters) {
    const [g, mean, square] = [gradient.get(name)!, m.get(name)!, v.get(name)!];
    const next = new Float64Array(w.length);
    for (let i = 0; i < w.length; i++) {
      if (settings.optimiser === "sgd") {
        mean[i] = momentum * mean[i]! + g[i]! + decay * w[i]!;
        next[i] = w[i]! - eta * mean[i]!;
        continue;
      }
      const coupled = settings.optimiser === "adam" ? g[i]! + decay * w[i]! : g[i]!;
      mean[i] = b1 * mean[i]! + (1 - b1) * coupled;
      square[i] = b2 * square[i]! + (1 - b2) * coupled * coupled;
      const u = mean[i]! / (1 - b1 ** t) / (Math.sqrt(square[i]! / (1 - b2 ** t)) + 1e-8);
      next[i] = w[i]! * (settings.optimiser === "adamw" ? 1 - eta * decay : 1) - eta * u;
    }
    out.set(name, next);
  }
  return out;
}

function modelGraph(mlp: Mlp, withLoss: boolean) {
  const b = new GraphBuilder();
  let h = b.input("x", [mlp.batch, mlp.sizes[0]!]);
  for (let l = 0; l + 1 < mlp.sizes.length; l++) {
    const w = b.parameter(`w${l}`, [mlp.sizes[l + 1]!, mlp.sizes[l]!]);
    const inputs = [h, w, ...(mlp.bias === false ? [] : [b.parameter(`b${l}`, [mlp.sizes[l + 1]!])])];
    h = b.add("Gemm", inputs, { transB: 1 });
    if (l + 2 < mlp.sizes.length && mlp.activation !== "") h = b.add(mlp.activation, [h]);
  }
  if (!withLoss) return b.build(h);
  const error = b.add("Sub", [h, b.input("y", [mlp.batch, mlp.sizes.at(-1)!])]);
  const square = b.add("Mul", [error, error]);
  return b.build(b.add("Mul", [b.add("ReduceMean", [square], { axes: [0, 1], keepdims: 0 }), b.constant([], [0.5])]));
}

/**
 * @file Cells: a network cut at reader inputs. A reader is a contraction of an activation with parameters; a constant shift of
 * its input is a shift of its bias. What writes a sum is not cut: an absorbed shift may be any function there (a key bias
 * shifts a row of scores by a function of the query), it only has to be gone, or constant, when the next reader sees it.
 */
import { elementCount, type Tensor } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import { batch } from "../counting/jacobian";
import type { Network, Step } from "../counting/network";
import { Program, type SlotValues } from "../counting/program";
import { randomInput } from "../counting/sampling";
import type { ParameterValues } from "../symmetry";

const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose"]);

/** Where a cut edge's values lie, so that random ones look alike. */
interface Spread {
  readonly deviation: number;
  /** All values were at least zero: rectified, squared or exponentiated. */
  readonly positive: boolean;
}

/** The contractions of activations with parameters. */
export function readers(network: Network): Step[] {
  return network.steps.filter(
    ({ node }) =>
      CONTRACTIONS.has(node.operator) &&
      node.inputs.some((i) => network.kind(i) === "parameter") &&
      node.inputs.some((i) => network.isActivation(i)),
  );
}

/** A network with its cuts, able to give random values to their readers. */
export class CutNetwork {
  readonly network: Network;
  readonly weights: ParameterValues;
  /** Cut values in topological order; network inputs are not among them. */
  readonly cuts: readonly string[];
  readonly cutSet: ReadonlySet<string>;
  private readonly spreads: ReadonlyMap<string, Spread>;
  private readonly random: Random;

  constructor(network: Network, weights: ParameterValues, random: Random) {
    this.network = network;
    this.weights = weights;
    this.random = random;
    const found = new Set<string>();
    for (const { node } of readers(network)) {
      for (const i of node.inputs)
        if (network.isActivation(i) && network.isDifferentiable(i) && network.producer(i)) found.add(i);
    }
    // In the order of the steps that write them.
    this.cuts = network.steps.flatMap(({ node }) => node.outputs.filter((o) => found.has(o)));
    this.cutSet = new Set(this.cuts);
    this.spreads = this.measureSpreads();
  }

  private measureSpreads(): Map<string, Spread> {
    const out = new Map<string, Spread>();
    if (this.cuts.length === 0) return out;
    const program = new Program(this.network, this.cuts);
    const sums = this.cuts.map(() => ({ count: 0, sum: 0, squares: 0, positive: true }));
    for (let b = 0; b < 2; b++) {
      const values = program.results(program.evaluate(batch(this.network, this.weights, this.random)));
      values.forEach((t, k) => {
        const s = sums[k]!;
        for (const x of t.data) {
          s.count++;
          s.sum += x;
          s.squares += x * x;
          if (x < 0) s.positive = false;
        }
      });
    }
    this.cuts.forEach((cut, k) => {
      const { count, sum, squares, positive } = sums[k]!;
      const variance = squares / count - (sum / count) ** 2;
      const deviation = Math.sqrt(Math.max(0, variance));
      out.set(cut, { deviation: Number.isFinite(deviation) && deviation > 1e-6 ? deviation : 1, positive });
    });
    return out;
  }

  /** The program that computes a value from parameters, network inputs and cut values. */
  cell(target: string): Program {
    return new Program(this.network, [target], this.cutSet);
  }

  /** Evaluates a cell at random cut values and network inputs. */
  sample(program: Program): SlotValues {
    const values = program.evaluate((leaf) => this.leaf(leaf, false));
    // Behind squares and exponentials roots and logarithms may follow: there, values stay on the side where real ones are.
    const broken = program.results(values).some((t) => t.data.some(Number.isNaN));
    return broken ? program.evaluate((leaf) => this.leaf(leaf, true)) : values;
  }

  /** A random value for a leaf: of cut values, network inputs and parameters. */
  leaf(leaf: string, keepSigns = false): Tensor | undefined {
    const { network, random } = this;
    const parameter = network.graph.parameters.get(leaf);
    if (parameter) return { type: "float64", shape: parameter.shape, data: this.weights.get(leaf)! };
    if (!this.cutSet.has(leaf)) {
      const input = network.inputs.find((i) => i.name === leaf);
      return input && randomInput(network, input, random);
    }
    const shape = network.shape(leaf);
    const { deviation, positive } = this.spreads.get(leaf)!;
    const data = random.normals(elementCount(shape), deviation);
    if (keepSigns && positive) for (let i = 0; i < data.length; i++) data[i] = Math.abs(data[i]!) + 0.05 * deviation;
    return { type: "float64", shape, data };
  }

  /** A sorted random choice of `count` of `total` entries. */
  choose(total: number, count: number): Int32Array {
    return total <= count ? Int32Array.from({ length: total }, (_, i) => i) : this.random.sample(total, count).slice().sort();
  }
}

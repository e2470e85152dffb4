/**
 * @file Cells: a network cut at reader inputs. A reader is a contraction of an activation with parameters; a constant shift of
 * its input is a shift of its bias. What writes a sum is not cut: an absorbed shift may be any function there (a key bias
 * shifts a row of scores by a function of the query), it only has to be gone, or constant, when the next reader sees it.
 */
import { elementCount, type Shape, type Tensor } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import type { Random } from "../../numerics/random";
import type { Network, Step } from "../counting/network";
import { Program, type SlotValues } from "../counting/program";
import { randomInput } from "../counting/random-inputs";
import type { ParameterValues } from "../symmetry";

const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose"]);

/** How many values of a pool each random one combines. */
const COMBINED = 4;

/** Values of a cut beyond this are far from what the network computes: values are of order one. */
const LARGEST = 1e4;

/** Values per cut whose affine combinations stand for it: enough for vectors along its longest axis to be generic. */
function poolSize(shape: Shape): number {
  const longest = Math.max(1, ...shape.slice(1));
  return Math.max(8, Math.min(64, Math.ceil((4 * longest * longest) / elementCount(shape))));
}

/** Further samples from which rows that are no numbers are taken. */
const MOST_REDRAWN = 24;

/**
 * Values of which rows that are no numbers (a norm of features that are all off) are those of other samples. A combination of several
 * has hardly a row without one otherwise.
 */
function withNumbers(values: Float64Array, width: number, draw: () => Float64Array): Float64Array {
  if (!values.some(Number.isNaN)) return values;
  const out = values.slice();
  const isBroken = (data: Float64Array, at: number): boolean => data.subarray(at, at + width).some(Number.isNaN);
  let left = Array.from({ length: out.length / width }, (_, row) => row * width).filter((at) => isBroken(out, at));
  for (let k = 0; k < MOST_REDRAWN && left.length > 0; k++) {
    const other = draw();
    for (const at of left) if (!isBroken(other, at)) out.set(other.subarray(at, at + width), at);
    left = left.filter((at) => isBroken(out, at));
  }
  return out;
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

/** Operators that rename the entries of their input. */
export const RENAMING: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes"), "Cast", "Neg"]);

/**
 * The value of which a reader's input is a copy, moved about or multiplied by one number: cutting there keeps all its readers
 * on the same values.
 */
function sourceOf(network: Network, value: string): string {
  let at = value;
  for (let producer = network.producer(at); producer; producer = network.producer(at)) {
    const { operator, inputs } = producer.node;
    const moving = inputs.filter((i) => network.isActivation(i));
    const others = inputs.filter((i) => i !== "" && !network.isActivation(i));
    const scaling =
      (operator === "Mul" || (operator === "Div" && moving[0] === inputs[0])) &&
      others.every((i) => network.constant(i)?.data.length === 1);
    if (moving.length !== 1 || !(scaling || RENAMING.has(operator)) || others.some((i) => network.kind(i) !== "constant"))
      return at;
    at = moving[0]!;
  }
  return at;
}

/** The values at whose readers the network is cut, apart from its inputs. */
export function readerSources(network: Network): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { node } of readers(network)) {
    for (const i of node.inputs) {
      if (!network.isActivation(i) || !network.isDifferentiable(i)) continue;
      const source = sourceOf(network, i);
      if (network.producer(source)) found.add(source);
    }
  }
  return found;
}

/** A network with its cuts, able to give random values to their readers. */
export class CutNetwork {
  readonly network: Network;
  readonly weights: ParameterValues;
  /** Cut values in topological order; network inputs are not among them. */
  readonly cuts: readonly string[];
  readonly cutSet: ReadonlySet<string>;
  /** Values of each cut, computed by its own cell. */
  private readonly pools = new Map<string, readonly Float64Array[]>();
  private readonly random: Random;

  /** Cuts at the inputs of readers, and at the given streams; at these alone where told. */
  constructor(network: Network, weights: ParameterValues, random: Random, streams: Iterable<string> = [], atReaders = true) {
    this.network = network;
    this.weights = weights;
    this.random = random;
    const found = new Set<string>([...streams, ...(atReaders ? readerSources(network) : [])]);
    // In the order of the steps that write them: a cell's own cuts come before it.
    this.cuts = network.steps.flatMap(({ node }) => node.outputs.filter((o) => found.has(o)));
    this.cutSet = new Set(this.cuts);
    for (const value of this.cuts) {
      const program = this.cell(value);
      this.pools.set(
        value,
        Array.from({ length: poolSize(network.shape(value)) }, (_, k) => {
          const wide = program.results(this.sample(program))[0]!.data;
          // A quotient of two combinations can be anything, and its exponential more: then those that occur together.
          const drawn = wide.every((x) => Math.abs(x) < LARGEST)
            ? wide
            : program.results(program.evaluate((l) => this.leaf(l, k)))[0]!.data;
          return withNumbers(drawn, network.shape(value).at(-1) ?? 1, () => program.results(this.sample(program))[0]!.data);
        }),
      );
    }
  }

  /** The program that computes a value from parameters, network inputs and cut values. */
  cell(target: string): Program {
    return new Program(this.network, [target], this.cutSet);
  }

  /** Evaluates a cell at random cut values and network inputs. */
  sample(program: Program): SlotValues {
    const values = program.evaluate((leaf) => this.leaf(leaf));
    // Behind squares and exponentials roots and logarithms may follow: there only values that occur will do.
    const broken = program.results(values).some((t) => t.data.some(Number.isNaN));
    if (!broken) return values;
    const occurring = this.random.integer(1 << 16);
    return program.evaluate((leaf) => this.leaf(leaf, occurring));
  }

  /**
   * A random value for a leaf. Cut values lie in the affine hull of those that their cell computes: rows of attention keep
   * summing to one and normalised vectors to zero, but no unit is off because real activations happen to keep it off. `occurring`: the number of a run whose own values are taken instead.
   */
  leaf(leaf: string, occurring?: number): Tensor | undefined {
    const { network, random } = this;
    const parameter = network.graph.parameters.get(leaf);
    if (parameter) return { type: "float64", shape: parameter.shape, data: this.weights.get(leaf)! };
    const pool = this.pools.get(leaf);
    if (!pool) {
      const input = network.inputs.find((i) => i.name === leaf);
      return input && randomInput(network, input, random);
    }
    return {
      type: "float64",
      shape: network.shape(leaf),
      data: occurring === undefined ? this.combination(pool) : pool[occurring % pool.length]!,
    };
  }

  /** A random affine combination: coefficients of both signs that sum to one. */
  private combination(pool: readonly Float64Array[]): Float64Array {
    const chosen = this.random.sample(pool.length, COMBINED);
    const g = this.random.normals(chosen.length);
    const mean = g.reduce((a, b) => a + b, 0) / g.length;
    const out = new Float64Array(pool[0]!.length);
    chosen.forEach((index, k) => {
      const x = pool[index]!;
      const f = g[k]! - mean + 1 / chosen.length;
      for (let i = 0; i < out.length; i++) out[i]! += f * x[i]!;
    });
    return out;
  }

  /** A sorted random choice of `count` of `total` entries. */
  choose(total: number, count: number): Int32Array {
    return total <= count ? Int32Array.from({ length: total }, (_, i) => i) : this.random.sample(total, count).slice().sort();
  }
}

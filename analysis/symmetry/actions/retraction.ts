/**
 * @file A step along a symmetry's tangent, taken back to where the network computes what it did: for directions that are no
 * straight lines and no matrices (two sides of a product, weights behind a norm). Newton's method on the outputs themselves.
 */
import type { Tensor } from "../../graph/tensor";
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import { batch } from "../counting/jacobian";
import type { Network } from "../counting/network";
import { Program } from "../counting/program";
import type { ParameterValues } from "../symmetry";

/** Deviations relative to the outputs below which they count as unchanged. */
const UNCHANGED = 1e-11;
const STEPS = 25;
/** Equations per unknown. */
const ROWS_PER_ENTRY = 3;
const LEAST_BATCHES = 4;
const MOST_BATCHES = 400;
const FEW = 2;
/** Batches never solved for on which weights that were solved for are tried, how often more are solved for, and what may differ. */
const FRESH_BATCHES = 16;
const MOST_ROUNDS = 3;
const SAME = 1e-9;
/** A Newton step longer than this times the first step has lost its way. */
const LOST = 10;

/** Random inputs, and the weights that are given with them. */
type Batch = (weights: ParameterValues) => (leaf: string) => Tensor | undefined;

/** Outputs of a network at fixed random inputs. */
export class Retraction {
  private readonly program: Program;
  /** Batches on which deviations are looked at. */
  private readonly few: readonly Batch[];
  private known: { readonly weights: ParameterValues; readonly outputs: readonly Float64Array[] } | undefined;

  constructor(
    private readonly network: Network,
    private readonly seed: number,
  ) {
    this.program = new Program(
      network,
      network.graph.outputs.filter((o) => network.outputs.includes(o)),
    );
    this.few = this.batches(1).slice(0, FEW);
  }

  private batches(rows: number): Batch[] {
    const count = Math.min(MOST_BATCHES, Math.max(LEAST_BATCHES, Math.ceil(rows / Math.max(1, this.program.targetSize))));
    return this.drawn(count, new Random(this.seed));
  }

  private drawn(count: number, random: Random): Batch[] {
    return Array.from({ length: count }, () => {
      const drawn = batch(this.network, new Map(), random);
      return (weights) => (leaf) => {
        const p = this.network.graph.parameters.get(leaf);
        return p ? { type: "float64", shape: p.shape, data: weights.get(leaf)! } : drawn(leaf);
      };
    });
  }

  private outputs(values: ReturnType<Program["evaluate"]>): Float64Array {
    return Float64Array.from(this.program.results(values).flatMap((t) => Array.from(t.data)));
  }

  /** The largest change of outputs between two sets of weights, relative to the outputs; NaN and infinities are left out. */
  deviation(before: ParameterValues, after: ParameterValues): number {
    let size = 0;
    let change = 0;
    const batches = this.few;
    this.known = this.known?.weights === before ? this.known : undefined;
    this.known ??= { weights: before, outputs: batches.map((give) => this.outputs(this.program.evaluate(give(before)))) };
    for (const [b, give] of batches.entries()) {
      const y = this.known.outputs[b]!;
      const z = this.outputs(this.program.evaluate(give(after)));
      y.forEach((v, i) => {
        if (!Number.isFinite(v)) return;
        size = Math.max(size, Math.abs(v));
        change = Math.max(change, Math.abs(v - z[i]!));
      });
    }
    return change / (size || 1);
  }

  /**
   * The weights nearest to `moved` at which the outputs are those at `weights`, on inputs that were not solved for, too.
   * @param parameters that may change on the way back
   * @param held flat positions in these parameters (one after the other) that may not
   * @throws Error where Newton's method does not find any
   */
  toFibre(
    weights: ParameterValues,
    moved: ParameterValues,
    parameters: readonly string[],
    held: ReadonlySet<number>,
  ): ParameterValues {
    const now = new Map(parameters.map((p) => [p, (moved.get(p) ?? weights.get(p)!).slice()] as const));
    const at: ParameterValues = new Map([...weights, ...now]);
    const fresh = new Random(this.seed + 1);
    // A unit that the inputs so far take to one side only may have gone anywhere beyond it: others tell.
    const unlike = (size: number): Batch[] => {
      const others = this.drawn(FRESH_BATCHES, fresh);
      const differs = (give: Batch): boolean => {
        const before = this.outputs(this.program.evaluate(give(weights)));
        return this.outputs(this.program.evaluate(give(at))).some((y, i) => Math.abs(y - before[i]!) > SAME * size);
      };
      return others.some(differs) ? others : [];
    };
    if (this.deviation(weights, at) < UNCHANGED && unlike(1).length === 0) return now;
    const free: (readonly [data: Float64Array, index: number, flat: number])[] = [];
    let offset = 0;
    let first = 0;
    for (const [p, data] of now) {
      data.forEach((x, i) => {
        first += (x - weights.get(p)![i]!) ** 2;
        if (!held.has(offset + i)) free.push([data, i, offset + i]);
      });
      offset += data.length;
    }
    const batches = this.batches(ROWS_PER_ENTRY * free.length + 20);
    const wanted = batches.map((give) => this.outputs(this.program.evaluate(give(weights))));
    let rounds = 0;
    const size = wanted.reduce((m, y) => y.reduce((a, v) => (Number.isFinite(v) ? Math.max(a, Math.abs(v)) : a), m), 0) || 1;
    for (let step = 0; step < STEPS; step++) {
      const rows: Float64Array[] = [];
      const target: number[] = [];
      let left = 0;
      batches.forEach((give, b) => {
        const values = this.program.evaluate(give(at));
        const y = this.outputs(values);
        this.program.gradients(values, parameters, (index, gradients) => {
          const missing = wanted[b]![index]! - y[index]!;
          if (!Number.isFinite(missing)) return;
          const whole = Float64Array.from(gradients.flatMap((g) => Array.from(g)));
          rows.push(Float64Array.from(free, ([, , flat]) => whole[flat]!));
          target.push(missing);
          left = Math.max(left, Math.abs(missing));
        });
      });
      if (left < UNCHANGED * size) {
        const others = unlike(size);
        if (others.length === 0) return now;
        if (++rounds > MOST_ROUNDS) break;
        batches.push(...others);
        for (const give of others) wanted.push(this.outputs(this.program.evaluate(give(weights))));
      }
      const delta = new LeastSquares(Matrix.fromRows(rows, free.length), { relative: 1e-8 }).solve(target);
      if (!(delta.reduce((s, x) => s + x * x, 0) < LOST ** 2 * first)) break;
      free.forEach(([data, i], k) => {
        data[i]! += delta[k]!;
      });
    }
    throw new Error(`${parameters.join(", ")}: no weights with the same outputs were found near this element`);
  }
}

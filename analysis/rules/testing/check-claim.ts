/** @file Evaluates what a rule's page claims, on the graphs of its examples. */
import assert from "node:assert/strict";
import type { Graph } from "../../graph/graph";
import { elementCount, strides, type Tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { evaluateGraph, tangentGraph } from "../../operators/evaluate";
import { initialValues } from "../../probe/initial";
import { randomInputs } from "../../runtime/random-inputs";
import { randomWeights } from "../../runtime/random-weights";
import { measureDimension } from "../../symmetry/counting/jacobian";
import type { Claim, EqualGradientsClaim, FlatClaim, NoGradientClaim, Point, Setting, Slice } from "../claim";
import { difference, influence } from "./claims";

const SEED = 11;
/** What float64 leaves of zero. */
const ZERO = 1e-10;
/** Rate of the steps that a claim takes. */
const RATE = 0.05;

/** Graphs of a rule's examples. */
export interface ExampleGraphs {
  readonly bad: Graph;
  readonly fixed: Graph;
  readonly good: Graph;
}

type Weights = Map<string, Float64Array>;

/** Throws AssertionError where the claim does not hold. */
export function checkClaim(claim: Claim, graphs: ExampleGraphs): void {
  switch (claim.kind) {
    case "flat":
      checkFlat(claim, graphs);
      break;
    case "same-function":
      below(difference(graphs.bad, graphs.fixed), claim.says);
      break;
    case "entries":
      assert.deepEqual([entries(graphs.bad), entries(graphs.fixed)], [claim.bad, claim.fixed], claim.says);
      break;
    case "no-gradient":
      checkNoGradient(claim, graphs.bad);
      break;
    case "equal-gradients":
      checkEqualGradients(claim, graphs.bad);
      break;
    case "exchange": {
      const at = new Evaluated(graphs.bad, []);
      const before = at.outputs();
      for (const [a, b] of claim.pairs) at.exchange(a, b);
      at.outputs().forEach((y, i) => below(Math.abs(y - before[i]!), claim.says));
      break;
    }
    case "output":
      for (const y of new Evaluated(graphs.bad, claim.at).outputs()) below(Math.abs(y - claim.value), claim.says);
  }
}

function checkFlat(claim: FlatClaim, graphs: ExampleGraphs): void {
  for (const which of ["bad", "fixed", "good"] as const) {
    const wanted: number | undefined = claim[which];
    if (wanted !== undefined) assert.equal(flat(graphs[which], claim), wanted, `${which}: ${claim.says}`);
  }
}

function checkNoGradient({ at, says, slices }: NoGradientClaim, graph: Graph): void {
  const point = new Evaluated(graph, at);
  const gradient = point.gradient();
  for (const slice of slices) {
    for (const i of point.indices(slice)) below(Math.abs(gradient.get(slice.parameter)![i]!), says);
  }
}

function checkEqualGradients({ at, pairs, says, steps }: EqualGradientsClaim, graph: Graph): void {
  const point = new Evaluated(graph, at);
  for (let step = 0; step <= (steps ?? 0); step++) {
    const gradient = point.gradient();
    for (const [a, b] of pairs) {
      const [first, second] = [point.indices(a), point.indices(b)];
      assert.equal(first.length, second.length);
      const [g, h] = [gradient.get(a.parameter)!, gradient.get(b.parameter)!];
      first.forEach((i, k) => below(Math.abs(g[i]! - h[second[k]!]!), `${says} (step ${step})`));
    }
    point.step(gradient);
  }
}

function below(value: number, says: string): void {
  assert.ok(value <= ZERO, `${says}: off by ${value}`);
}

function entries(graph: Graph): number {
  return [...graph.parameters.values()].reduce((n, p) => (p.trainable ? n + elementCount(p.shape) : n), 0);
}

/** Directions of some parameters that do not move the function, all others held fixed. */
function flat(graph: Graph, { loss, parameters }: FlatClaim): number {
  for (const p of parameters) assert.ok(graph.parameters.has(p), `there is no parameter ${p}`);
  // Rows of nothing but rounding would count as rank: what has no influence at all is held as well.
  const moving = new Set(parameters.filter((p) => influence(graph, p) > ZERO));
  const held = new Map([...graph.parameters].map(([name, p]) => [name, { ...p, trainable: moving.has(name) }]));
  const { graph: normal } = normalForm({ ...graph, parameters: held }, loss ? { loss } : {});
  const { rank, smallestKept, largestDropped } = measureDimension(normal, { seed: SEED, draws: 1 });
  assert.ok(smallestKept > 100 * largestDropped, "the rank is not clear");
  return parameters.reduce((n, p) => n + elementCount(graph.parameters.get(p)!.shape), 0) - rank;
}

/** An example at some weights, on one random batch. */
class Evaluated {
  readonly #normal: Graph;
  readonly #graph: Graph;
  readonly #inputs: Map<string, Tensor>;
  readonly #weights: Weights;

  constructor(graph: Graph, at: Point) {
    this.#graph = graph;
    this.#normal = normalForm(graph, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY }).graph;
    this.#inputs = randomInputs(graph, SEED);
    this.#weights = new Map(at === "start" ? initialValues(graph, SEED) : randomWeights(graph, SEED));
    for (const s of at === "start" ? [] : at) this.#set(s);
  }

  /** Flat indices of a slice. */
  indices({ parameter, axis, index }: Slice): number[] {
    const shape = this.#graph.parameters.get(parameter)?.shape;
    assert.ok(shape, `there is no parameter ${parameter}`);
    const all = Array.from({ length: elementCount(shape) }, (_, i) => i);
    if (axis === undefined) return all;
    const stride = strides(shape)[axis]!;
    return all.filter((i) => Math.floor(i / stride) % shape[axis]! === index);
  }

  outputs(): number[] {
    const values = this.#values();
    return this.#normal.outputs.flatMap((o) => [...values.get(o)!.data]);
  }

  exchange(a: Slice, b: Slice): void {
    const [i, j] = [this.indices(a), this.indices(b)];
    const [v, w] = [this.#weights.get(a.parameter)!, this.#weights.get(b.parameter)!];
    i.forEach((at, k) => {
      const kept = v[at]!;
      v[at] = w[j[k]!]!;
      w[j[k]!] = kept;
    });
  }

  /** Gradient of sum(r y + y^2 / 2), r random, with respect to all trained parameters: one tangent per entry. */
  gradient(): Weights {
    const values = this.#values();
    const random = new Random(SEED);
    const slopes = this.#normal.outputs.map((o) => values.get(o)!.data.map((y) => y + random.normal()));
    const out: Weights = new Map();
    for (const p of this.#graph.parameters.values()) {
      if (!p.trainable) continue;
      const gradient = new Float64Array(elementCount(p.shape));
      const direction = new Float64Array(gradient.length);
      for (let i = 0; i < gradient.length; i++) {
        direction[i] = 1;
        const moving = tangentGraph(this.#normal, values, new Map([[p.name, direction]]));
        this.#normal.outputs.forEach((o, k) => {
          moving.get(o)?.data.forEach((d, n) => (gradient[i]! += d * slopes[k]![n]!));
        });
        direction[i] = 0;
      }
      out.set(p.name, gradient);
    }
    return out;
  }

  /** One step of gradient descent. */
  step(gradient: Weights): void {
    const size = Math.sqrt([...gradient.values()].reduce((s, g) => s + g.reduce((a, v) => a + v * v, 0), 0));
    for (const [name, g] of gradient) {
      const w = this.#weights.get(name)!;
      g.forEach((v, i) => (w[i]! -= (RATE * v) / Math.max(1, size)));
    }
  }

  #set({ to, ...slice }: Setting): void {
    const own = this.#weights.get(slice.parameter)!;
    const from = typeof to === "number" ? undefined : this.indices(to).map((i) => this.#weights.get(to.parameter)![i]!);
    this.indices(slice).forEach((i, k) => (own[i] = from ? from[k]! : (to as number)));
  }

  #values(): Map<string, Tensor> {
    const values = new Map(this.#inputs);
    for (const [name, data] of this.#weights) {
      const p = this.#graph.parameters.get(name)!;
      values.set(name, { type: p.type, shape: p.shape, data });
    }
    return evaluateGraph(this.#normal, values);
  }
}

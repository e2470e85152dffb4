/**
 * @file The measured dimension of a network's continuous symmetries: parameters minus the rank of the outputs' Jacobian
 * with respect to them (functional dimension, Grigsby et al. 2209.04036), in float64 at generic weights.
 */
import type { Graph } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { RowSpan } from "../../numerics/rowSpan";
import type { ParameterValues } from "../symmetry";
import { ParameterSpace } from "./families";
import { Network, type NetworkOptions } from "./network";
import { Program } from "./program";
import { randomInput } from "./random-inputs";
import { genericWeights } from "./sampling";

/** How to measure. */
export interface MeasureOptions extends NetworkOptions {
  /** Number of random draws of weights; the largest rank counts. 6 unless told; 1 where weights are given. */
  readonly draws?: number;
  readonly seed?: number;
  /** Weights to measure at in place of generic ones. */
  readonly weights?: ParameterValues;
  /** A dimension that is known to be there: drawing stops as soon as a draw shows no more than it. */
  readonly explained?: number;
}

/** What was measured. */
export interface MeasuredDimension {
  /** Number of trainable numbers. */
  readonly parameters: number;
  readonly rank: number;
  /** parameters - rank. */
  readonly dimension: number;
  /** What new and old rows of unit length left of themselves beyond the others: far apart when the rank is clear. */
  readonly smallestKept: number;
  readonly largestDropped: number;
  /** The weights of the draw that counted. Engines that run at these cannot explain more than was measured. */
  readonly weights: ParameterValues;
}

/** Rows of unit length of which less than this is new add nothing. */
const TOLERANCE = 1e-9;

/**
 * Measures the dimension of all directions that leave the outputs unchanged to first order. At one draw of weights a
 * rectifier may be off on all inputs, which adds directions of that draw only; hence the largest rank over several draws.
 * Throws Error where an operator refuses its inputs.
 */
export function measureDimension(graph: Graph, options: MeasureOptions = {}): MeasuredDimension {
  const network = Network.of(graph, options);
  const random = new Random(options.seed ?? 1);
  const draws = options.weights ? 1 : (options.draws ?? 6);
  let best: MeasuredDimension | undefined;
  for (let draw = 0; draw < draws; draw++) {
    const weights = options.weights ?? genericWeights(network, random);
    const found = measureAt(network, weights, random, options.explained);
    if (!best || found.rank > best.rank) best = found;
    if (options.explained !== undefined && best.dimension <= options.explained) break;
  }
  return best ?? { parameters: 0, rank: 0, dimension: 0, smallestKept: 1, largestDropped: 0, weights: new Map() };
}

/** Rows per parameter after which a rank that grows no more is taken for the whole. */
const ROWS_PER_PARAMETER = 3;
/** How long growth has to have stopped, in rows per parameter: a unit that is rarely on shows its weights a few at a time. */
const QUIET_ROWS_PER_PARAMETER = 1;
const MOST_ROWS_PER_PARAMETER = 6;
/** Rows in a row that bring nothing new after which weak ones are looked at. */
const QUIET_ROWS = 40;
/** Rows taken of each batch: outputs of one sample say much the same, other samples say more. */
const ROWS_PER_BATCH = 8;

/**
 * The rank of the outputs' Jacobian at one draw of weights: rows of random batches, until the rank leaves no more than what is
 * explained, or grows no more.
 */
function measureAt(network: Network, weights: ParameterValues, random: Random, explained?: number): MeasuredDimension {
  const parameters = network.parameterCount;
  if (parameters === 0 || network.outputs.length === 0) {
    return { parameters, rank: 0, dimension: parameters, smallestKept: 1, largestDropped: 0, weights };
  }
  const program = new Program(network, network.outputs);
  const moving = network.trainable.filter((p) => program.leaves.includes(p));
  const space = new ParameterSpace(network.trainable.map((p) => [p, weights.get(p)!.length] as const));
  const offsets = moving.map((p) => space.offset(p));
  const span = new RowSpan(parameters, TOLERANCE);
  const wanted = explained === undefined ? Number.POSITIVE_INFINITY : parameters - explained;
  const row = new Float64Array(parameters);
  const single = network.outputs.length === 1 ? program.targetSize : 0;
  let rows = 0;
  let quiet = 0;
  const isDone = (): boolean =>
    span.rank >= wanted ||
    span.rank === parameters ||
    rows > MOST_ROWS_PER_PARAMETER * parameters + 200 ||
    (rows > ROWS_PER_PARAMETER * parameters + 50 && quiet > QUIET_ROWS_PER_PARAMETER * parameters + 20);
  while (!isDone()) {
    const values = program.evaluate(batch(network, weights, random));
    const chosen = single > ROWS_PER_BATCH ? random.sample(single, ROWS_PER_BATCH) : undefined;
    program.gradients(
      values,
      moving,
      (_, gradients) => {
        gradients.forEach((g, k) => row.set(g, offsets[k]!));
        rows++;
        if (span.add(row)) quiet = 0;
        else quiet++;
      },
      chosen,
    );
    // When strong rows have become rare, weak ones are taken in too.
    if (quiet > QUIET_ROWS && span.settle() > 0) quiet = 0;
  }
  if (span.rank < wanted) span.settle();
  const { rank, smallestKept, largestDropped } = span;
  return { parameters, rank, dimension: parameters - rank, smallestKept, largestDropped, weights };
}

/** Weights and one random batch of inputs, as a program wants its leaves. */
export function batch(network: Network, weights: ParameterValues, random: Random): (leaf: string) => Tensor | undefined {
  const given = new Map<string, Tensor>();
  for (const input of network.inputs) given.set(input.name, randomInput(network, input, random));
  return (leaf) => {
    const parameter = network.graph.parameters.get(leaf);
    if (!parameter) return given.get(leaf);
    const data = weights.get(leaf);
    if (!data) throw new Error(`no weights are given for parameter ${leaf}`);
    return { type: "float64", shape: parameter.shape, data };
  };
}

/** How to certify. */
export interface CertifyOptions extends NetworkOptions {
  readonly seed?: number;
  /** Number of random batches; 2 unless told. */
  readonly batches?: number;
}

/**
 * The largest |J v| / |v| over tangent vectors v, on fresh inputs: 0 up to rounding for symmetries. Relative to the
 * typical size of the Jacobian's own columns, so that the scale of weights and outputs does not matter.
 */
export function certifyGenerators(
  graph: Graph,
  weights: ParameterValues,
  vectors: readonly ParameterValues[],
  options: CertifyOptions = {},
): number {
  return Math.max(0, ...certificates(graph, weights, vectors, options));
}

/** The same for each vector; 0 for one that moves nothing. */
export function certificates(
  graph: Graph,
  weights: ParameterValues,
  vectors: readonly ParameterValues[],
  options: CertifyOptions = {},
): number[] {
  const network = Network.of(graph, options);
  const random = new Random(options.seed ?? 101);
  const program = new Program(network, network.outputs);
  const worst = vectors.map(() => 0);
  for (let b = 0; b < (options.batches ?? 2) && vectors.length > 0; b++) {
    const values = program.evaluate(batch(network, weights, random));
    const typical = typicalColumn(program, values, weights, network, random);
    vectors.forEach((vector, k) => {
      const length = Math.sqrt([...vector.values()].reduce((s, d) => s + d.reduce((a, x) => a + x * x, 0), 0));
      if (length === 0) return;
      const moved = program.differentiateJointly(values, vector);
      const change = Math.sqrt(moved.reduce((s, t) => s + (t ? t.data.reduce((a, x) => a + x * x, 0) : 0), 0));
      worst[k] = Math.max(worst[k]!, change / length / typical);
    });
  }
  return worst;
}

/** Length of the Jacobian applied to a random unit direction of all parameters. */
function typicalColumn(
  program: Program,
  values: ReturnType<Program["evaluate"]>,
  weights: ParameterValues,
  network: Network,
  random: Random,
): number {
  const direction = new Map(network.trainable.map((p) => [p, random.normals(weights.get(p)!.length)] as const));
  const length = Math.sqrt([...direction.values()].reduce((s, d) => s + d.reduce((a, x) => a + x * x, 0), 0));
  const moved = program.differentiateJointly(values, direction);
  const change = Math.sqrt(moved.reduce((s, t) => s + (t ? t.data.reduce((a, x) => a + x * x, 0) : 0), 0));
  return length > 0 && change > 0 ? change / length : 1;
}

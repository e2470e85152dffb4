/**
 * @file The measured dimension of a network's continuous symmetries: parameters minus the rank of the outputs' Jacobian
 * with respect to them (functional dimension, Grigsby et al. 2209.04036), in float64 at generic weights.
 */
import type { Graph } from "../../graph/graph";
import { elementCount, type Tensor } from "../../graph/tensor";
import { norm } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { ParameterValues } from "../symmetry";
import { ParameterSpace, Span } from "./families";
import { Network, type NetworkOptions } from "./network";
import { Program } from "./program";
import { randomInput } from "./random-inputs";
import { hasKinks } from "./calibration";
import { genericWeights } from "./sampling";
import { WantedSpan } from "./wanted-span";

/** How to measure. */
export interface MeasureOptions extends NetworkOptions {
  /** Number of random draws of weights; the largest rank counts. 6 unless told; 1 where weights are given. */
  readonly draws?: number;
  /** Whether further draws open rectifiers more where something stays unexplained; they do where `draws` is not told. */
  readonly opened?: boolean;
  /** Draws in a row that show the same rank after which no other is expected to show more; all are taken unless told. */
  readonly alike?: number;
  readonly seed?: number;
  /** Weights to measure at in place of generic ones. */
  readonly weights?: ParameterValues;
  /** Standard deviation of random weights in every other draw, as `genericWeights` has it. */
  readonly deviation?: number;
  /** How many rows without anything new end a draw, as a multiple of the usual number (1). */
  readonly patience?: number;
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
  /**
   * What new and old rows of unit length left of themselves beyond the others: far apart when the rank is clear. Where the rank
   * came to what is explained: the smallest singular value of as many rows, and 0.
   */
  readonly smallestKept: number;
  readonly largestDropped: number;
  /** The weights of the draw that counted. Engines that run at these cannot explain more than was measured. */
  readonly weights: ParameterValues;
  /**
   * How much of the directions that leave the outputs unchanged, but are no combination of the given ones (at these weights),
   * belongs to each parameter: shares that add up to 1, the largest first; none where all are combinations.
   */
  beyond(known: readonly ParameterValues[]): readonly (readonly [parameter: string, share: number])[];
}

/** Quantiles of its inputs at which rectifiers open in further draws, where the usual ones leave something unexplained. */
const LEVELS = [0.3, 0.2, 0.1, 0.05];

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
  // Rectifiers behind kernels with strides see each position apart: one that is mostly on is off at fewer of them.
  const more = options.weights || !(options.opened ?? options.draws === undefined) || !hasKinks(network) ? [] : LEVELS;
  const left: Draw[] = [];
  let best: MeasuredDimension | undefined;
  const isReached = (): boolean => options.explained !== undefined && best !== undefined && best.dimension <= options.explained;
  let last = -1;
  let alike = 0;
  for (let draw = 0; draw < draws + more.length && !isReached() && alike !== options.alike; draw++) {
    const weights =
      options.weights ?? genericWeights(network, random, more[draw - draws], draw % 2 === 0 ? options.deviation : undefined);
    const drawn = measureAt(network, weights, random, options.explained, options.patience);
    alike = drawn.rank === last ? alike + 1 : 1;
    last = drawn.rank;
    if (drawn.isClear) best = clearer(drawn.measured(), best);
    else {
      left.push(drawn);
      left.sort((a, b) => b.rank - a.rank).splice(MOST_LEFT);
    }
  }
  // What elimination leaves open is looked at again where no other draw showed more.
  for (const drawn of left) if (!isReached() && !(best && drawn.rank <= best.rank)) best = clearer(drawn.measured(), best);
  return (
    best ?? { parameters: 0, rank: 0, dimension: 0, smallestKept: 1, largestDropped: 0, weights: new Map(), beyond: () => [] }
  );
}

/** Draws that are kept until all are there. */
const MOST_LEFT = 3;

/** Of draws that show as much the clearest one counts. */
function clearer(found: MeasuredDimension, best: MeasuredDimension | undefined): MeasuredDimension {
  if (!best || found.rank > best.rank) return found;
  return found.rank === best.rank && clarity(found) > clarity(best) ? found : best;
}

/** What one draw showed. */
interface Draw {
  /** The rank, or about that where it is not clear yet. */
  readonly rank: number;
  /** Whether the rank is what was wanted, without a doubt, or known from an orthogonal basis. */
  readonly isClear: boolean;
  /** What it comes to, by an orthogonal basis where that is needed. */
  measured(): MeasuredDimension;
}

/** How far the smallest of what counted is above the largest of what did not. */
function clarity({ smallestKept, largestDropped }: MeasuredDimension): number {
  return smallestKept / Math.max(largestDropped, Number.EPSILON);
}

/** Rows per parameter after which a rank that grows no more is taken for the whole. */
const ROWS_PER_PARAMETER = 3;
/** How long growth has to have stopped, in rows per parameter: a unit that is rarely on shows its weights a few at a time. */
const QUIET_ROWS_PER_PARAMETER = 1;
const MOST_ROWS_PER_PARAMETER = 6;
/** Rows in a row that bring nothing new after which weak ones are looked at. */
const QUIET_ROWS = 40;
/**
 * Rows taken of each batch, and of each sample: outputs of one sample say much the same, other samples say more. So many times
 * as many are taken while all of a batch say something new.
 */
const ROWS_PER_BATCH = 8;
const ROWS_PER_SAMPLE = 4;
const MOST_TIMES = 4;
/** Below this share of new rows of a batch, half as many are taken of the next. */
const WORTHWHILE = 0.9;
/** Rows from which the sizes of the Jacobian's columns are taken. */
const ROWS_FOR_SCALE = 48;
/** Columns are made equally long, but those that are shorter than this part of the longest only up to it: they may be rounding. */
const SHORTEST_COLUMN = 1e-4;
/**
 * Rows and columns that are shorter than this part of the longest are rounding: what a mean leaves of what is equal everywhere.
 * Such rows say nothing, and such columns are not magnified.
 */
const ROUNDING = 1e-13;

/**
 * The rank of the outputs' Jacobian at one draw of weights: rows of random batches, until the rank leaves no more than what is
 * explained, or grows no more.
 */
function measureAt(network: Network, weights: ParameterValues, random: Random, explained?: number, patience = 1): Draw {
  const parameters = network.parameterCount;
  if (parameters === 0 || network.outputs.length === 0) {
    const all = network.trainable.map((p) => [p, weights.get(p)!.length / parameters] as const);
    const nothing = { rank: 0, dimension: parameters, smallestKept: 1, largestDropped: 0, weights, beyond: () => all };
    return { rank: 0, isClear: true, measured: () => ({ parameters, ...nothing }) };
  }
  const program = new Program(network, network.outputs);
  const moving = network.trainable.filter((p) => program.leaves.includes(p));
  const space = new ParameterSpace(network.trainable.map((p) => [p, weights.get(p)!.length] as const));
  const offsets = moving.map((p) => space.offset(p));
  const wanted = explained === undefined ? Number.POSITIVE_INFINITY : parameters - explained;
  const span = new WantedSpan(parameters, TOLERANCE, wanted);
  const row = new Float64Array(parameters);
  const sizes = network.outputs.map((o) => ({ size: elementCount(network.shape(o)), samples: samplesOf(network, o) }));
  let rows = 0;
  let quiet = 0;
  let times = 1;
  // Weights far from the outputs have small derivatives: what is new in their columns would look like rounding.
  let first: Float64Array[] | undefined = [];
  let scale: Float64Array | undefined;
  let longest = 0;
  const add = (given: Float64Array): void => {
    const length = norm(given);
    if (length > longest && Number.isFinite(length)) longest = length;
    for (let i = 0; i < parameters; i++) given[i]! *= scale![i]!;
    if (length > ROUNDING * longest && span.add(given)) quiet = 0;
    else quiet++;
  };
  const begin = (): void => {
    scale = columnScales(first!, parameters);
    for (const r of first!) add(r);
    first = undefined;
  };
  const isDone = (): boolean =>
    span.rank >= wanted ||
    span.rank === parameters ||
    rows > MOST_ROWS_PER_PARAMETER * parameters + 200 ||
    (rows > patience * ROWS_PER_PARAMETER * parameters + 50 && quiet > patience * QUIET_ROWS_PER_PARAMETER * parameters + 20);
  while (!isDone()) {
    const values = program.evaluate(batch(network, weights, random));
    // A norm of equal entries: nothing can be told from this one.
    if (!program.results(values).some((t) => t.data.some(Number.isFinite))) {
      rows += ROWS_PER_BATCH;
      quiet += ROWS_PER_BATCH;
      continue;
    }
    const chosen = program.targetSize > times * ROWS_PER_BATCH ? sampledEntries(sizes, random, times) : undefined;
    const before = { rows, rank: span.rank };
    program.gradients(
      values,
      moving,
      (_, gradients) => {
        gradients.forEach((g, k) => row.set(g, offsets[k]!));
        rows++;
        if (first) first.push(row.slice());
        else add(row);
      },
      chosen,
    );
    if (!first) {
      const share = (span.rank - before.rank) / (rows - before.rows);
      times = share === 1 ? Math.min(MOST_TIMES, 2 * times) : share < WORTHWHILE ? Math.max(1, times / 2) : times;
    }
    if (first && first.length >= Math.min(ROWS_FOR_SCALE, parameters)) begin();
    // When strong rows have become rare, weak ones are taken in too.
    if (quiet > QUIET_ROWS && span.settle() > 0) quiet = 0;
  }
  if (first) begin();
  span.settle();
  const beyond = (known: readonly ParameterValues[]) =>
    sharesOf(
      network.trainable.map((p) => [p, space.offset(p), weights.get(p)!.length] as const),
      beyondBoth(
        span,
        scale!,
        known.map((v) => space.flatten(v)),
      ),
    );
  const measured = (): MeasuredDimension => {
    span.end();
    const { rank, smallestKept, largestDropped } = span;
    return { parameters, rank, dimension: parameters - rank, smallestKept, largestDropped, weights, beyond };
  };
  return { rank: span.rank, isClear: span.isClear, measured };
}

/** How many samples the entries of an output fall into, in order: 1 where its first axis is not that of the inputs. */
function samplesOf(network: Network, output: string): number {
  const batch = network.shape(output)[0];
  return batch !== undefined && network.inputs.length > 0 && network.inputs.every((i) => i.shape[0] === batch) ? batch : 1;
}

/**
 * Entries of all outputs, numbered through: of each a panel of each of some samples, since those of one sample are pulled back
 * through the same values.
 */
function sampledEntries(
  outputs: readonly { readonly size: number; readonly samples: number }[],
  random: Random,
  times: number,
): Int32Array {
  const out: number[] = [];
  const rows = Math.ceil((times * ROWS_PER_BATCH) / outputs.length);
  let start = 0;
  for (const { size, samples } of outputs) {
    const each = size / samples;
    const most = Math.min(each, rows, times * ROWS_PER_SAMPLE);
    for (const s of random.sample(samples, Math.min(samples, Math.ceil(rows / most)))) {
      for (const e of random.sample(each, most)) out.push(start + s * each + e);
    }
    start += size;
  }
  return Int32Array.from(out);
}

/** Factors that make columns equally long, as far as some rows tell: those of them that are long enough. */
function columnScales(rows: readonly Float64Array[], columns: number): Float64Array {
  const squares = new Float64Array(columns);
  for (const r of rows) {
    const length = norm(r);
    if (length > 0 && Number.isFinite(length)) r.forEach((x, i) => (squares[i]! += (x / length) ** 2));
  }
  const longest = squares.reduce((a, b) => Math.max(a, b), 0);
  if (longest === 0) return squares.fill(1);
  return squares.map((x) => 1 / Math.sqrt(x < longest * ROUNDING ** 2 ? longest : Math.max(x, longest * SHORTEST_COLUMN ** 2)));
}

/** Random directions that all rows, scaled, leave at zero, less what is a combination of known directions. */
function beyondBoth(rows: WantedSpan, scale: Float64Array, known: readonly Float64Array[]): Float64Array[] {
  const random = new Random(1);
  const span = new Span(scale.length);
  span.add(known);
  const out: Float64Array[] = [];
  for (let k = 0; k < DIRECTIONS_LOOKED_AT; k++) {
    const direction = rows.remainderOf(random.normals(scale.length)).map((x, i) => x * scale[i]!);
    const length = norm(direction);
    const left = span.remainderOf(direction);
    if (norm(left) > SMALLEST_REMAINDER * length) out.push(left);
  }
  return out;
}

/** How many random ones of the unexplained directions are looked at, and what part of a direction counts as more than rounding. */
const DIRECTIONS_LOOKED_AT = 4;
const SMALLEST_REMAINDER = 1e-7;

/** How much of directions belongs to each parameter. */
function sharesOf(
  parameters: readonly (readonly [name: string, offset: number, count: number])[],
  directions: readonly Float64Array[],
): (readonly [string, number])[] {
  const shares = parameters.map(([name, offset, count]) => {
    const share = directions.reduce((sum, d) => sum + (norm(d.subarray(offset, offset + count)) / norm(d)) ** 2, 0);
    return [name, share / directions.length] as const;
  });
  return directions.length === 0 ? [] : shares.sort((a, b) => b[1] - a[1]);
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
    const values = definedValues(program, network, weights, random);
    const typical = typicalColumn(program, values, weights, network, random);
    vectors.forEach((vector, k) => {
      const length = Math.sqrt([...vector.values()].reduce((s, d) => s + d.reduce((a, x) => a + x * x, 0), 0));
      if (length === 0) return;
      const change = changeAlong(program, values, vector);
      worst[k] = Math.max(worst[k]!, change / length / typical);
    });
  }
  return worst;
}

/** Batches drawn at most until all outputs are numbers. */
const MOST_BATCHES = 20;

/**
 * Values on a fresh batch at which the outputs are numbers: without its epsilon a norm divides zero by zero where rectifiers are
 * off for a whole sample. Where no batch is like that the one with the most numbers is taken, if most of its entries are.
 */
function definedValues(
  program: Program,
  network: Network,
  weights: ParameterValues,
  random: Random,
): ReturnType<Program["evaluate"]> {
  let best: { readonly values: ReturnType<Program["evaluate"]>; readonly undefinedPart: number } | undefined;
  for (let tries = 1; tries <= MOST_BATCHES; tries++) {
    const values = program.evaluate(batch(network, weights, random));
    const results = program.results(values);
    const entries = results.reduce((n, t) => n + t.data.length, 0);
    const undefinedPart = results.reduce((n, t) => n + t.data.filter(Number.isNaN).length, 0) / Math.max(1, entries);
    if (undefinedPart === 0) return values;
    if (!best || undefinedPart < best.undefinedPart) best = { values, undefinedPart };
  }
  return best!.values;
}

/** Part of the outputs that may be no numbers in a batch that shows something. */
const MOST_UNDEFINED = 0.5;

/**
 * Length of the outputs' change along a direction of the parameters, in those entries that are numbers and have a slope; NaN where
 * too few do. The root of a squared distance has none where two codes are the same, as those of dead rectifiers are.
 */
function changeAlong(program: Program, values: ReturnType<Program["evaluate"]>, direction: ParameterValues): number {
  const results = program.results(values);
  let [squares, entries, missing] = [0, 0, 0];
  program.differentiateJointly(values, direction).forEach((moved, k) => {
    const { data } = results[k]!;
    for (let i = 0; i < data.length; i++) {
      entries++;
      const change = moved?.data[i] ?? 0;
      if (Number.isNaN(data[i]) || !Number.isFinite(change)) missing++;
      else squares += change * change;
    }
  });
  return missing > MOST_UNDEFINED * entries ? Number.NaN : Math.sqrt(squares);
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
  const change = changeAlong(program, values, direction);
  return length > 0 && change > 0 ? change / length : 1;
}

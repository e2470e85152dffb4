/**
 * @file Engine D: translations and unread directions. A translation moves every reader's input by a constant and the outputs
 * not at all; an unread direction of a weight meets only what its input never shows. For small graphs (twins).
 */
import type { AxisStructure } from "../../graph/axes";
import type { Graph } from "../../graph/graph";
import { Matrix, norm } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import { nullSpace } from "../../numerics/rank";
import { ParameterSpace } from "../counting/families";
import { batch } from "../counting/jacobian";
import { Network, type NetworkOptions } from "../counting/network";
import { Program, type SlotValues } from "../counting/program";
import { type Channels, channelsOf } from "../fields/channels";
import { contractedLayout } from "../fields/contracted";
import type { Block } from "../fields/constraints";
import { solveBlocks } from "../fields/elimination";
import type { Family, Generator, ParameterValues } from "../symmetry";
import { maskedEntries } from "../inert/masked";
import { CutNetwork } from "./cells";
import { cellBlocks, finiteRows } from "./equations";
import { reduced } from "./reduced";
import { streamReadings } from "./streams";
import { unreadDirections } from "./unread";

/** How to search. */
export interface ShiftOptions extends NetworkOptions {
  readonly seed?: number;
}

/** Fresh batches per round of certification, and rounds in a row that must find nothing. */
const CERTIFYING_BATCHES = 6;
const QUIET_ROUNDS = 2;
/** How many times as many batches are taken where values choose what is read: some rows of a table are chosen rarely. */
const MORE_WHERE_CHOSEN = 10;
const CHOOSING: ReadonlySet<string> = new Set(["TopK", "ArgMax", "ArgMin"]);
const MOST_BATCHES = 500;
/** Batches after which a network whose outputs were no numbers on any of them is given up. */
const MOST_UNDEFINED = 20;
const MOST_ROWS = 3000;
/** Shifts below this, of solutions of about unit length, are none. */
const STILL = { relative: 1e-9, absolute: 1e-9 } as const;
const COMBINATIONS = 2;
/** Directions that move outputs by less than this, relative to the typical direction, are kept. */
const CERTIFIED = { relative: 1e-8, absolute: 1e-8 } as const;

/**
 * All translations (which contain directions of other families, as the order of counting expects) and all unread
 * directions, certified on fresh inputs. The graph has to be in normal form, the weights generic. Throws Error where an
 * operator refuses its inputs.
 */
export function findShifts(graph: Graph, weights: ParameterValues, axes: AxisStructure, options: ShiftOptions = {}): Generator[] {
  return searchShifts(graph, weights, axes, options).generators;
}

/** What engine D finds. */
export interface FoundShifts {
  readonly generators: Generator[];
  /** Directions of the weights that leave every reader's input as it is, not only the outputs: these shift nothing. */
  readonly still: ParameterValues[];
}

/** The same, with those of its solutions that shift no reader's input. */
export function searchShifts(
  graph: Graph,
  weights: ParameterValues,
  axes: AxisStructure,
  options: ShiftOptions = {},
): FoundShifts {
  const network = Network.of(graph, options);
  const random = new Random(options.seed ?? 21);
  const channels = new Map<string, Channels>();
  const channelsAt = (value: string): Channels => {
    let known = channels.get(value);
    if (!known) {
      known = channelsOf(network.shape(value), axes.layout(value));
      if (known.count === 1) known = channelsOf(network.shape(value), contractedLayout(network, value));
      channels.set(value, known);
    }
    return known;
  };
  const streams = streamReadings(network, weights, channelsAt, random);
  const cut = new CutNetwork(network, weights, random, streams.keys());
  const space = new ParameterSpace(network.trainable.map((p) => [p, weights.get(p)!.length] as const));
  const solutions = constantShifts(cut, channelsAt, streams, space);
  const shifts = reduced(solutions.all).vectors;
  const translations = reduced(certified(network, weights, shifts, space, random)).vectors;
  // What a mask makes zero is known to be unread, not only not to show.
  const isMasked = maskOf(graph, space);
  const masked = translations.filter((v) => v.every((x, i) => x === 0 || isMasked[i] === 1));
  const unread = certified(network, weights, unreadDirections(cut, space), space, random);
  const generators = (family: Family, vectors: readonly Float64Array[]): Generator[] =>
    vectors.map((v) => ({ family, vector: space.unflatten(v), spaces: [] }));
  return {
    generators: [
      ...generators("unread", [...unread, ...masked]),
      ...generators(
        "translation",
        translations.filter((v) => !masked.includes(v)),
      ),
    ],
    still: solutions.still.map((v) => space.unflatten(v)),
  };
}

/** 1 at each entry of the trained parameters that a mask makes zero. */
function maskOf(graph: Graph, space: ParameterSpace): Uint8Array {
  const out = new Uint8Array(space.size);
  for (const { parameter, flat } of maskedEntries(graph)) {
    const offset = space.offset(parameter.name);
    for (const i of flat) out[offset + i] = 1;
  }
  return out;
}

/** The null space of "all readers' inputs move by constants, the outputs not at all", in parameter directions. */
function constantShifts(
  cut: CutNetwork,
  channelsAt: (value: string) => Channels,
  streams: ReadonlyMap<string, Matrix>,
  space: ParameterSpace,
): { readonly all: Float64Array[]; readonly still: Float64Array[] } {
  const { network } = cut;
  const trainable = new Set(network.trainable);
  // Unknowns: the parameters' entries, then one constant per channel of each cut.
  const channels = new Map<string, Channels>();
  const offsets = new Map<string, number>();
  let unknowns = space.size;
  for (const value of cut.cuts) {
    channels.set(value, channelsAt(value));
    offsets.set(value, unknowns);
    unknowns += channelsAt(value).count;
  }
  const blocks: Block[] = [];
  for (const target of new Set([...cut.cuts, ...network.outputs])) {
    blocks.push(...cellBlocks(cut, target, channels, offsets, space, trainable, streams.get(target)));
  }
  const free: number[] = [];
  for (let i = 0; i < space.size; i++) free.push(i);
  const out = { all: [] as Float64Array[], still: [] as Float64Array[] };
  for (const { unknowns: list, basis } of solveBlocks(blocks, free)) {
    const take = (solutions: Matrix, into: Float64Array[]): void => {
      for (let k = 0; k < solutions.columns; k++) {
        const vector = new Float64Array(space.size);
        list.forEach((u, i) => {
          if (u < space.size) vector[u] = solutions.get(i, k);
        });
        if (vector.some((x) => x !== 0)) into.push(cleaned(vector));
      }
    };
    take(basis, out.all);
    const shifting = list.flatMap((u, i) => (u < space.size ? [] : [i]));
    take(basis.multiply(nullSpace(basis.selectRows(shifting), STILL)), out.still);
  }
  return out;
}

/**
 * The combinations of directions that leave the outputs unchanged on fresh inputs: X N(J X), again with other inputs until
 * a round takes nothing away. A unit that is rarely on shows its directions a few at a time.
 */
export function certified(
  network: Network,
  weights: ParameterValues,
  vectors: readonly Float64Array[],
  space: ParameterSpace,
  random: Random,
): Float64Array[] {
  let left: Float64Array[] = vectors.map((v) => {
    const length = norm(v);
    return v.map((x) => x / length);
  });
  if (network.outputs.length === 0) return left;
  const program = new Program(network, network.outputs);
  for (let quiet = 0; left.length > 0 && quiet < QUIET_ROUNDS; ) {
    // If any direction moves the outputs, so does a random combination of all.
    const mixed = Array.from({ length: Math.min(COMBINATIONS, left.length) }, () => combination(left, random));
    const change = changes(program, network, weights, mixed, space, random);
    // Outputs that are no numbers show nothing, and prove nothing.
    if (change.rows === 0) return [];
    if (change.maximum() < CERTIFIED.absolute) {
      quiet++;
      continue;
    }
    const moved = changes(program, network, weights, left, space, random);
    // Directions that hold by themselves stay as they are, and local; the others are combined.
    const broken = left.flatMap((_, k) => (moved.column(k).some((x) => Math.abs(x) > CERTIFIED.absolute) ? [k] : []));
    const kept = nullSpace(moved.selectColumns(broken), CERTIFIED);
    quiet = kept.columns === broken.length ? quiet + 1 : 0;
    const mended = Array.from({ length: kept.columns }, (_, c) => {
      const out = new Float64Array(space.size);
      broken.forEach((k, i) => {
        const f = kept.get(i, c);
        if (f !== 0) for (let e = 0; e < out.length; e++) out[e]! += f * left[k]![e]!;
      });
      return cleaned(out);
    });
    left = [...left.filter((_, k) => !broken.includes(k)), ...mended];
  }
  return left;
}

/** Without the entries that only rounding filled: directions are local, and stay cheap that way. */
function cleaned(vector: Float64Array): Float64Array {
  const floor = 1e-12 * norm(vector);
  return vector.map((x) => (Math.abs(x) < floor ? 0 : x));
}

/** A random unit combination. */
function combination(vectors: readonly Float64Array[], random: Random): Float64Array {
  const out = new Float64Array(vectors[0]!.length);
  for (const v of vectors) {
    const f = random.normal();
    for (let i = 0; i < out.length; i++) out[i]! += f * v[i]!;
  }
  const length = norm(out);
  return out.map((x) => x / length);
}

/** How fast each direction moves the outputs on fresh batches, relative to a typical direction; one column each. */
function changes(
  program: Program,
  network: Network,
  weights: ParameterValues,
  vectors: readonly Float64Array[],
  space: ParameterSpace,
  random: Random,
): Matrix {
  const directions = vectors.map((v) => space.unflatten(v));
  const stacked = entriesBySpace(vectors, space.size);
  const parts: Matrix[] = [];
  // As many rows in the end as measuring looks at, or a rarely active unit would be explained and then measured away.
  const wanted = Math.max(2 * vectors.length + 20, Math.min(MOST_ROWS, 3 * space.size + 50) / QUIET_ROUNDS);
  const chooses = network.steps.some(({ node }) => CHOOSING.has(node.operator));
  const least = CERTIFYING_BATCHES * (chooses ? MORE_WHERE_CHOSEN : 1);
  for (let rows = 0, b = 0; b < least || (rows < wanted && b < (rows === 0 ? MOST_UNDEFINED : MOST_BATCHES)); b++) {
    const values = program.evaluate(batch(network, weights, random));
    const part = new Matrix(program.targetSize, vectors.length);
    if (vectors.length <= part.rows) forwardChanges(program, values, directions, part);
    else reverseChanges(program, values, stacked, space, network, part);
    const typical = typicalChange(program, values, network, weights, random);
    for (let i = 0; i < part.data.length; i++) part.data[i]! /= typical;
    parts.push(finiteRows(part));
    rows += part.rows;
  }
  return Matrix.stacked(parts, vectors.length);
}

/** One tangent per direction. */
function forwardChanges(program: Program, values: SlotValues, directions: readonly ParameterValues[], part: Matrix): void {
  const results = program.results(values);
  directions.forEach((direction, column) => {
    let row = 0;
    program.differentiateJointly(values, direction).forEach((t, i) => {
      if (t) for (let k = 0; k < t.data.length; k++) part.data[(row + k) * part.columns + column] = t.data[k]!;
      row += results[i]!.data.length;
    });
  });
}

/** What vectors have at each entry of the parameters: directions are local, and most have nothing there. */
interface EntriesBySpace {
  readonly start: Int32Array;
  /** Which vector. */
  readonly column: Int32Array;
  readonly value: Float64Array;
}

function entriesBySpace(vectors: readonly Float64Array[], size: number): EntriesBySpace {
  const start = new Int32Array(size + 1);
  for (const v of vectors) for (let i = 0; i < size; i++) if (v[i] !== 0) start[i + 1]!++;
  for (let i = 0; i < size; i++) start[i + 1]! += start[i]!;
  const next = start.slice();
  const column = new Int32Array(start[size]!);
  const value = new Float64Array(start[size]!);
  vectors.forEach((v, k) => {
    for (let i = 0; i < size; i++) {
      if (v[i] === 0) continue;
      const at = next[i]!++;
      column[at] = k;
      value[at] = v[i]!;
    }
  });
  return { start, column, value };
}

/** One gradient per output entry. */
function reverseChanges(
  program: Program,
  values: SlotValues,
  { start, column, value }: EntriesBySpace,
  space: ParameterSpace,
  network: Network,
  part: Matrix,
): void {
  const moving = network.trainable.filter((p) => program.leaves.includes(p));
  const offsets = moving.map((p) => space.offset(p));
  program.gradients(values, moving, (row, gradients) => {
    const out = part.row(row);
    gradients.forEach((g, k) => {
      const offset = offsets[k]!;
      for (let i = 0; i < g.length; i++) {
        const f = g[i]!;
        if (f === 0) continue;
        for (let e = start[offset + i]!; e < start[offset + i + 1]!; e++) out[column[e]!]! += f * value[e]!;
        // Without a slope there is no change along any direction, those that leave this entry as it is included.
        if (!Number.isFinite(f)) out.fill(Number.NaN);
      }
    });
  });
}

function typicalChange(
  program: Program,
  values: ReturnType<Program["evaluate"]>,
  network: Network,
  weights: ParameterValues,
  random: Random,
): number {
  const direction = new Map(network.trainable.map((p) => [p, random.normals(weights.get(p)!.length)] as const));
  const length = Math.sqrt([...direction.values()].reduce((s, d) => s + d.reduce((a, x) => a + x * x, 0), 0));
  let largest = 0;
  for (const t of program.differentiateJointly(values, direction))
    if (t) for (const x of t.data) largest = Math.max(largest, Math.abs(x));
  return length > 0 && largest > 0 ? largest / length : 1;
}

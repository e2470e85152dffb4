/**
 * @file Trunks. A value that all later ones hang on, of everything before it, is a station of the network's trunk: the stream
 * between two residual blocks, the neck of an encoder. What a block does between two stations is kept whole here, its linear
 * part too, which engine C sees only operator by operator: x + V f(W x) with f(h) = a h + (1 - a) |h| trades a against the
 * identity path, (x + V (W x + b)^2) trades b against it, x + T x trades T against the size of x. Stations move by matrices
 * and shifts of their channels; weights in between move as they have to.
 */
import type { AxisStructure } from "../../graph/axes";
import { elementCount } from "../../graph/tensor";
import { Matrix, norm } from "../../numerics/matrix";
import { condensed } from "../../numerics/condense";
import { Random } from "../../numerics/random";
import { ParameterSpace } from "../counting/families";
import type { Network } from "../counting/network";
import type { Program } from "../counting/program";
import { CutNetwork, RENAMING } from "../shifts/cells";
import { reduced } from "../shifts/reduced";
import { certified } from "../shifts/shifts";
import type { ParameterValues } from "../symmetry";
import { mixingAxes } from "./axes";
import { type Channels, channelsOf } from "./channels";
import type { Block } from "./constraints";
import { isParameterContraction } from "./edges";
import { solveBlocks } from "./elimination";

/** Unknowns of one block of the network above which it is not looked at: elimination is cubic in their number. */
const MOST_UNKNOWNS = 500;
/** Channels of a station above which it moves channel by channel only. */
const MOST_CHANNELS = 16;
/** Equations per unknown. */
const ROWS_PER_COLUMN = 3.5;
/** Samples over which equations are spread at least, and drawn at most. */
const SAMPLES = 4;
const MOST_SAMPLES = 400;
const NOISE = 1e-12;
/** Directions shorter than this move no weight. */
const SMALL = 1e-8;

/** How to look for directions between stations. */
export interface StationOptions {
  /** Only what scales and shifts stations channel by channel. */
  readonly channelwise?: boolean;
}

/**
 * The stations of a network in order: activations without which nothing that comes before them reaches anything after them. Inputs
 * do not count as before them where they pass by. What only a narrow contraction reads is no station: along what that does not see
 * it may move by anything.
 */
export function stationsOf(network: Network, inputsPass: boolean): string[] {
  const values = network.steps.flatMap(({ node }) => node.outputs.filter((o) => o !== "" && network.isActivation(o)));
  const index = new Map(values.map((v, i) => [v, i] as const));
  const observed = new Set(network.outputs);
  const above: Set<number>[] = [];
  const out: string[] = [];
  const inputs = inputsPass ? [] : network.inputs.map((i) => i.name);
  for (const [at, value] of values.entries()) {
    const { node } = network.producer(value)!;
    const before = new Set<number>();
    for (const i of node.inputs) {
      const from = index.get(i);
      if (from === undefined) continue;
      before.add(from);
      for (const k of above[from]!) before.add(k);
    }
    above.push(before);
    // Stations behind what only renames entries say nothing new.
    if (observed.has(value) || network.isFlat(value) || RENAMING.has(node.operator)) continue;
    const inside = (name: string): boolean => {
      const k = index.get(name);
      return k !== undefined && (k === at || before.has(k));
    };
    const leaks = [...inputs, ...[...before].map((k) => values[k]!)].some((name) => {
      return observed.has(name) || network.consumers(name).some((n) => n.outputs.some((o) => o !== "" && !inside(o)));
    });
    if (!leaks && !isReadNarrowly(network, value)) out.push(value);
  }
  return out;
}

/** Whether a contraction with fewer entries than a value is all that reads it. */
function isReadNarrowly(network: Network, value: string): boolean {
  for (let at = value; ; ) {
    const [reader, ...others] = network.consumers(at);
    if (!reader || others.length > 0) return false;
    const written = reader.outputs[0]!;
    if (isParameterContraction(network, reader)) return elementCount(network.shape(written)) < elementCount(network.shape(value));
    if (!RENAMING.has(reader.operator) || network.outputs.includes(written)) return false;
    at = written;
  }
}

/** A station with its unknowns: entries of a matrix where two channels may mix, then one shift for each channel. */
interface Station {
  readonly channels: Channels;
  /** Position of each entry among those of its channel, and its channel. */
  readonly place: Int32Array;
  readonly channelOf: Int32Array;
  /** Rows and columns of the matrix's unknowns, in turn. */
  readonly pairs: readonly (readonly [row: number, column: number])[];
  readonly offset: number;
  /** Typical size of each channel's values: unknowns are relative to it. */
  readonly size: Float64Array;
}

/**
 * Directions of the weights that move stations, values of the network in topological order, by matrices and shifts and the outputs
 * not at all, certified on fresh inputs; they span those of other engines too, as far as those move no weight across stations. None
 * where a block between stations is too large. Throws Error where an operator refuses its inputs.
 */
export function stationTangents(
  network: Network,
  weights: ParameterValues,
  axes: AxisStructure,
  seed: number,
  names: readonly string[],
  { channelwise = false }: StationOptions = {},
): ParameterValues[] {
  const random = new Random(seed);
  const cut = new CutNetwork(network, weights, random, names, false);
  const space = new ParameterSpace(network.trainable.map((p) => [p, weights.get(p)!.length] as const));
  const mixing = mixingAxes(network.graph, axes);
  const stations = new Map<string, Station>();
  let unknowns = space.size;
  for (const name of names) {
    const station = stationOf(cut, name, channelsOf(network.shape(name), mixing.layout(name)), unknowns, channelwise);
    stations.set(name, station);
    unknowns += station.pairs.length + station.channels.count;
  }
  const blocks: Block[] = [];
  for (const target of [...names, ...network.outputs]) {
    const block = equationsOf(cut, target, stations, space, random);
    if (block === "large") return [];
    if (block) blocks.push(block);
  }
  const free = Array.from({ length: space.size }, (_, i) => i);
  const found = solveBlocks(blocks, free).flatMap(({ unknowns: list, basis }) =>
    Array.from({ length: basis.columns }, (_, k) => {
      const vector = new Float64Array(space.size);
      list.forEach((u, i) => u < space.size && (vector[u] = basis.get(i, k)));
      return vector;
    }).filter((v) => norm(v) > SMALL),
  );
  return certified(network, weights, reduced(found).vectors, space, random).map((v) => space.unflatten(v));
}

function stationOf(cut: CutNetwork, name: string, channels: Channels, offset: number, channelwise: boolean): Station {
  const { count, entries, kinds } = channels;
  const total = elementCount(cut.network.shape(name));
  const [place, channelOf] = [new Int32Array(total), new Int32Array(total)];
  entries.forEach((list, c) => {
    list.forEach((e, p) => {
      place[e] = p;
      channelOf[e] = c;
    });
  });
  const pairs: [number, number][] = [];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      if (i === j || (!channelwise && count <= MOST_CHANNELS && kinds[i] === kinds[j])) pairs.push([i, j]);
    }
  }
  const { data } = cut.leaf(name)!;
  const size = Float64Array.from(entries, (list) => {
    const square = list.reduce((s, e) => s + data[e]! ** 2, 0) / list.length;
    return square > 0 ? Math.sqrt(square) : 1;
  });
  return { channels, place, channelOf, pairs, offset, size };
}

/** What all entries of one station or output say, in the unknowns that occur there; nothing where there are none. */
function equationsOf(
  cut: CutNetwork,
  target: string,
  stations: ReadonlyMap<string, Station>,
  space: ParameterSpace,
  random: Random,
): Block | "large" | undefined {
  const { network, weights } = cut;
  const program = cut.cell(target);
  const trainable = new Set(network.trainable);
  const parameters = program.leaves.filter((p) => trainable.has(p));
  const upstream = program.leaves.filter((v) => stations.has(v));
  const own = stations.get(target);
  const names: number[] = [];
  for (const p of parameters) for (let k = 0; k < weights.get(p)!.length; k++) names.push(space.offset(p) + k);
  const moved = [...upstream.map((v) => stations.get(v)!), ...(own ? [own] : [])];
  for (const s of moved) for (let k = 0; k < s.pairs.length + s.channels.count; k++) names.push(s.offset + k);
  if (names.length > MOST_UNKNOWNS) return "large";
  if (names.length === 0) return undefined;
  const size = elementCount(network.shape(target));
  const wanted = Math.ceil(ROWS_PER_COLUMN * names.length) + 8;
  const rows: Float64Array[] = [];
  for (let run = 0; run < MOST_SAMPLES && (run < SAMPLES || rows.length < wanted); run++) {
    const chosen =
      size <= Math.ceil(wanted / SAMPLES)
        ? undefined
        : random
            .sample(size, Math.ceil(wanted / SAMPLES))
            .slice()
            .sort();
    rows.push(...sampledRows(cut, program, { parameters, upstream, own, stations, columns: names.length }, chosen));
  }
  if (rows.length === 0) return undefined;
  return { unknowns: names, matrix: condensed(Matrix.fromRows(rows, names.length).normaliseRows(NOISE)) };
}

interface Layout {
  readonly parameters: readonly string[];
  readonly upstream: readonly string[];
  readonly own: Station | undefined;
  readonly stations: ReadonlyMap<string, Station>;
  readonly columns: number;
}

/** D_theta G dtheta + sum D_e G (A_e x_e + b_e) - (A x + b) = 0, for chosen entries of G at one random point. */
function sampledRows(
  cut: CutNetwork,
  program: Program,
  { parameters, upstream, own, stations, columns }: Layout,
  chosen: Int32Array | undefined,
): Float64Array[] {
  const values = cut.sample(program);
  const value = program.results(values)[0]!.data;
  const rows: Float64Array[] = [];
  program.gradients(
    values,
    [...parameters, ...upstream],
    (index, gradients) => {
      const row = new Float64Array(columns);
      let at = 0;
      for (let k = 0; k < parameters.length; k++) {
        row.set(gradients[k]!, at);
        at += gradients[k]!.length;
      }
      upstream.forEach((name, k) => {
        const { channels, pairs, size } = stations.get(name)!;
        const g = gradients[parameters.length + k]!;
        const x = program.valueOf(name, values).data;
        for (const [i, j] of pairs) {
          const [to, from] = [channels.entries[i]!, channels.entries[j]!];
          let sum = 0;
          for (let p = 0; p < to.length; p++) sum += g[to[p]!]! * x[from[p]!]!;
          row[at++] = (sum * size[i]!) / size[j]!;
        }
        for (const [c, list] of channels.entries.entries()) row[at++] = list.reduce((s, e) => s + g[e]!, 0) * size[c]!;
      });
      if (own) {
        const entry = chosen ? chosen[index]! : index;
        const [c, p] = [own.channelOf[entry]!, own.place[entry]!];
        for (const [i, j] of own.pairs) {
          if (i === c) row[at] = (-value[own.channels.entries[j]![p]!]! * own.size[i]!) / own.size[j]!;
          at++;
        }
        row[at + c] = -own.size[c]!;
      }
      // Masked entries are minus infinity by design; they carry no equation.
      if (row.every(Number.isFinite)) rows.push(row);
    },
    chosen,
  );
  return rows;
}

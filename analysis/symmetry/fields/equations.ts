/**
 * @file Equations of the units that are not glue: structural zeros of channel-wise nonlinearities, weights that absorb every
 * field, and otherwise the sampled commutation equation with the unit's own weights eliminated.
 */
import { elementCount } from "../../graph/tensor";
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix } from "../../numerics/matrix";
import { condensed } from "../../numerics/condense";
import type { Random } from "../../numerics/random";
import { UnionFind } from "../../numerics/unionFind";
import type { Network } from "../counting/network";
import type { ParameterValues } from "../symmetry";
import type { Block } from "./constraints";
import type { Unit } from "./edges";
import { type Candidate, UnitSamples } from "./samples";
import type { Edge, Entry, Unknowns } from "./unknowns";

/** Operators that carry every entry of a weight along unchanged. */
export const CARRIERS: ReadonlySet<string> = new Set([
  "Transpose",
  "Reshape",
  "Identity",
  "Cast",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
]);

/**
 * Sets off-diagonal unknowns to zero where a unit maps each channel to itself through a nonlinear function: a field there is
 * a matrix that commutes with it, which is diagonal.
 */
export function settleChannelwise(
  network: Network,
  unknowns: Unknowns,
  unit: Unit,
  weights: ParameterValues,
  random: Random,
): void {
  if (!unit.node || unit.inputs.length !== 1) return;
  const input = unknowns.edges.get(unit.inputs[0]!)!;
  const out = unknowns.edges.get(unit.output)!;
  if (input.fixed || input.channels.count < 2 || !isChannelwise(network, unknowns, unit, weights, random)) return;
  for (const edge of [input, out]) {
    if (edge.fixed) continue;
    const n = edge.channels.count;
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j) unknowns.setZero(edge, i, j);
  }
}

function isChannelwise(network: Network, unknowns: Unknowns, unit: Unit, weights: ParameterValues, random: Random): boolean {
  const input = unknowns.edges.get(unit.inputs[0]!)!;
  const out = unknowns.edges.get(unit.output)!;
  if (out.channels.count !== input.channels.count && !out.fixed) return false;
  const size = elementCount(network.shape(input.value));
  const leaf = (x: Float64Array) => (name: string) => {
    const parameter = network.graph.parameters.get(name);
    if (parameter) return { type: "float64" as const, shape: parameter.shape, data: weights.get(name)! };
    return { type: "float64" as const, shape: network.shape(name), data: x };
  };
  if (unit.program.leaves.some((l) => !network.graph.parameters.has(l) && l !== input.value)) return false;
  const points = [0, 1].map(() =>
    unit.program.evaluate(leaf(random.uniforms(size, 0.3, 2).map((x) => (isSigned(unit) ? signed(x, random) : x)))),
  );
  const reached = new Int32Array(elementCount(network.shape(unit.output))).fill(-1);
  for (let j = 0; j < input.channels.count; j++) {
    const direction = new Float64Array(size);
    for (const e of input.channels.entries[j]!) direction[e] = random.normal();
    const [a, b] = points.map((values) => unit.program.differentiate(values, input.value, direction)[0]?.data);
    if (!a || !b) return false;
    let differs = false;
    for (let k = 0; k < a.length; k++) {
      if (a[k] === 0 && b[k] === 0) continue;
      if (reached[k]! >= 0 && reached[k] !== j) return false;
      reached[k] = j;
      if (Math.abs(a[k]! - b[k]!) > 1e-6 * (Math.abs(a[k]!) + Math.abs(b[k]!))) differs = true;
    }
    if (!differs) return false;
  }
  if (out.fixed) return true;
  // Each output channel hangs on one input channel only.
  return out.channels.entries.every((entries) => {
    const from = new Set(Array.from(entries, (e) => reached[e]!).filter((c) => c >= 0));
    return from.size === 1;
  });
}

const POSITIVE_ONLY: ReadonlySet<string> = new Set(["Sqrt", "Pow", "Reciprocal", "Log", "Acosh"]);

function isSigned(unit: Unit): boolean {
  return !POSITIVE_ONLY.has(unit.node!.operator);
}

function signed(x: number, random: Random): number {
  return random.uniform() < 0.5 ? -x : x;
}

/**
 * Whether the unit's own weight absorbs any matrix field on its input and output: a contraction of the only channel axis with
 * a trainable matrix that occurs nowhere else. Then only shifts have an equation.
 */
export function absorbsEverything(network: Network, unknowns: Unknowns, unit: Unit, own: readonly string[]): boolean {
  const { node } = unit;
  if (!node || unit.inputs.length !== 1 || node.inputs[0] !== unit.inputs[0]) return false;
  const input = unknowns.edges.get(unit.inputs[0]!)!;
  const out = unknowns.edges.get(unit.output)!;
  const weight = node.inputs.find((i) => network.kind(i) === "parameter");
  const rank = network.shape(unit.inputs[0]!).length;
  if (weight === undefined || !carriesOwn(network, weight, own)) return false;
  const shape = network.shape(weight);
  const within = (edge: Edge, axis: number): boolean => edge.channels.axes.every((a) => a === axis);
  if (node.operator === "MatMul" && node.inputs[1] === weight && shape.length === 2) {
    return within(input, rank - 1) && within(out, rank - 1);
  }
  if (node.operator === "Conv" && node.inputs[1] === weight && (node.attributes.group ?? 1) === 1) {
    return node.inputs.length === 2 && within(input, 1) && within(out, 1);
  }
  return false;
}

/** Whether a value is one of the unit's own parameters, each entry once. */
function carriesOwn(network: Network, value: string, own: readonly string[]): boolean {
  let at = value;
  for (let producer = network.producer(at); producer; producer = network.producer(at)) {
    if (!CARRIERS.has(producer.node.operator)) return false;
    at = producer.node.inputs[0]!;
  }
  return own.includes(at);
}

/** The sampled equations of a unit in its remaining root unknowns, with its own parameters projected out. */
export function sampledBlocks(
  network: Network,
  unknowns: Unknowns,
  unit: Unit,
  own: readonly string[],
  weights: ParameterValues,
  random: Random,
  atZero = false,
): Block[] {
  const columns = rootColumns(unknowns, unit, atZero);
  if (columns.size === 0) return [];
  const samples = new UnitSamples(
    network,
    unknowns,
    unit,
    weights,
    random,
    rowsWanted(network, unknowns, unit, columns.size, own, weights),
    atZero,
  );
  const ownColumns = ownParameterColumns(samples, own, weights);
  const roots = [...columns.keys()];
  const rootVectors = roots.map((r) => samples.residual(columns.get(r)!));
  return eliminateOwn(roots, rootVectors, ownColumns);
}

/** The equation restricted to each root unknown: a candidate in which that root is 1. */
function rootColumns(unknowns: Unknowns, unit: Unit, atZero: boolean): Map<number, Candidate> {
  const fields = new Map<number, Map<string, Entry[]>>();
  const parameters = new Map<number, Map<string, Float64Array>>();
  for (const value of [unit.output, ...unit.inputs]) {
    // Where inputs are zero, only their shifts show.
    for (const [root, entries] of unknowns.entries(unknowns.edges.get(value)!, atZero && value !== unit.output)) {
      let own = fields.get(root);
      if (!own) {
        own = new Map();
        fields.set(root, own);
      }
      own.set(value, entries);
    }
  }
  for (const parameter of unit.parameters) {
    for (const [root, entries] of unknowns.parameterEntries(parameter)) {
      const direction = new Float64Array(unknowns.parameterSize(parameter));
      for (const e of entries) direction[e.column] = e.factor;
      let own = parameters.get(root);
      if (!own) {
        own = new Map();
        parameters.set(root, own);
      }
      own.set(parameter, direction);
    }
  }
  const out = new Map<number, Candidate>();
  for (const root of new Set([...fields.keys(), ...parameters.keys()])) {
    out.set(root, { fields: fields.get(root) ?? new Map(), parameters: parameters.get(root) ?? new Map() });
  }
  return out;
}

/**
 * Enough equations that every output channel sees more of them than it has unknowns, also where a rectifier is off half of
 * the time.
 */
function rowsWanted(
  network: Network,
  unknowns: Unknowns,
  unit: Unit,
  columns: number,
  own: readonly string[],
  weights: ParameterValues,
): number {
  const counts = [unit.output, ...unit.inputs].map((v) => unknowns.edges.get(v)!.channels.count);
  const sum = counts.reduce((a, b) => a + b, 0);
  const owned = own.reduce((n, p) => n + weights.get(p)!.length, 0);
  const size = elementCount(network.shape(unit.output));
  const wanted = 3 * (columns + owned) + 6 * sum * Math.max(...counts);
  return Math.max(wanted, Math.min(size, 64));
}

/** The columns of the unit's own parameters that are not zero. */
export function ownParameterColumns(samples: UnitSamples, own: readonly string[], weights: ParameterValues): Float64Array[] {
  const out: Float64Array[] = [];
  for (const p of own) for (let k = 0; k < weights.get(p)!.length; k++) out.push(samples.parameterColumn(p, k));
  return out;
}

const NOISE = 1e-10;

function maximum(v: Float64Array): number {
  let m = 0;
  for (let i = 0; i < v.length; i++) m = Math.max(m, Math.abs(v[i]!));
  return m;
}

/** Columns that share equations, as pieces: which rows, which columns (by index). */
interface Piece {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  readonly vectors: readonly Float64Array[];
}

/** Splits columns into pieces that share no equation. */
export function connected(vectors: readonly Float64Array[]): Piece[] {
  const count = vectors.length;
  if (count === 0) return [];
  const length = vectors[0]!.length;
  const sets = new UnionFind(count);
  const scale = vectors.map((v) => maximum(v) * 1e-13);
  const firstInRow = new Int32Array(length).fill(-1);
  for (let c = 0; c < count; c++) {
    const v = vectors[c]!;
    const floor = scale[c]!;
    for (let r = 0; r < length; r++) {
      if (Math.abs(v[r]!) <= floor) continue;
      if (firstInRow[r]! < 0) firstInRow[r] = c;
      else sets.union(firstInRow[r]!, c);
    }
  }
  const rowsOf = new Map<number, number[]>();
  firstInRow.forEach((c, r) => {
    if (c < 0) return;
    const root = sets.find(c);
    const list = rowsOf.get(root);
    if (list) list.push(r);
    else rowsOf.set(root, [r]);
  });
  return sets.groups(vectors.keys()).map((columns) => {
    const rows = rowsOf.get(sets.find(columns[0]!)) ?? [];
    return { rows, columns, vectors: columns.map((c) => at(vectors[c]!, rows)) };
  });
}

/** The chosen entries of a vector. */
function at(vector: Float64Array, rows: readonly number[]): Float64Array {
  const out = new Float64Array(rows.length);
  for (let k = 0; k < out.length; k++) out[k] = vector[rows[k]!]!;
  return out;
}

function divided(vector: Float64Array, by: number): Float64Array {
  const out = new Float64Array(vector.length);
  for (let i = 0; i < out.length; i++) out[i] = vector[i]! / by;
  return out;
}

/** Equations between roots, with the unit's own parameters eliminated piece by piece. */
function eliminateOwn(
  roots: readonly number[],
  rootVectors: readonly Float64Array[],
  ownColumns: readonly Float64Array[],
): Block[] {
  const blocks: Block[] = [];
  // Candidates, weights and inputs are of order one: columns this small are what cancellation left over.
  const shown = rootVectors.map((v) => (maximum(v) < NOISE ? new Float64Array(v.length) : v));
  for (const piece of connected([...shown, ...ownColumns])) {
    const shared = piece.columns.flatMap((c, k) => (c < roots.length ? [k] : []));
    const own = piece.columns.flatMap((c, k) => (c < roots.length ? [] : [k]));
    if (shared.length === 0 || piece.rows.length === 0) continue;
    const scale = shared.reduce((m, k) => Math.max(m, maximum(piece.vectors[k]!)), 0);
    if (scale === 0) continue;
    let left: readonly Float64Array[] = shared.map((k) => divided(piece.vectors[k]!, scale));
    if (own.length > 0) {
      const solver = new LeastSquares(Matrix.fromColumns(own.map((k) => piece.vectors[k]!)), { relative: 1e-10 });
      left = left.map((v) => solver.reduce(v));
    }
    const matrix = Matrix.fromColumns(left);
    for (let i = 0; i < matrix.data.length; i++) if (Math.abs(matrix.data[i]!) < 1e-11) matrix.data[i] = 0;
    if (matrix.maximum() < 1e-9) continue;
    blocks.push({
      unknowns: shared.map((k) => roots[piece.columns[k]!]!),
      matrix: condensed(own.length > 0 ? matrix : matrix.normaliseRows(1e-9)),
    });
  }
  return blocks;
}

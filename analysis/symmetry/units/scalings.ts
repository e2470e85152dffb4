/**
 * @file The group of all rescalings and scale invariances of a graph, and its sign symmetries, read off the null space of
 * the unit equations (ALGORITHM.md 3.3, 3.4).
 */
import { withLazy } from "../../graph/lazy";
import type { Graph, Node } from "../../graph/graph";
import { ABSENT } from "../../graph/numbering";
import type { Equivariance } from "../../operators/equivariance";
import type { DiagonalEntries, ParameterValues } from "../symmetry";
import type { InferredAxes } from "../spaces/infer";
import type { Cell } from "./cells";
import { UnitGraph, writeEquations } from "./equations";
import { type Owner, type Owners, parameterUnknowns } from "./owners";
import type { Field } from "./relations";
import { splitFamilies } from "./families";
import { differsByPlace, placeAxes } from "./places";
import { LinearSystem, type RootVector } from "./solve";

/** How one cell of one parameter scales: by exp(coefficient * t) (scales) or -1 to the coefficient (signs). */
export interface ScalingEntry {
  readonly parameter: string;
  readonly cell: Cell;
  /** Which slots of the cell the scale depends on, ordered by atom so that indices correspond across parameters. */
  readonly slots: readonly number[];
  readonly coefficient: number;
  /** Where the indices of this cell begin among those of D, where D runs over several pieces of a space (see merge.ts). */
  readonly offset?: number;
}

/** One basis vector of the group: as many independent one-parameter groups as D has index values. */
export interface Scaling {
  readonly family: "scale" | "rescaling" | "sign";
  readonly entries: readonly ScalingEntry[];
  /** Root atoms of D; those of all pieces where one index runs over several, none where D has places in it (see places.ts). */
  readonly atoms: readonly number[];
  /** Sizes of the indices in D, in the order of the entries' slots; empty for a uniform scale. */
  readonly sizes: readonly number[];
}

/**
 * Independent dimensions that a set of scalings adds, exactly and at any width: a scaling over D contributes its pure
 * interaction of the indices in D, since its averages are scalings over smaller sets that are in the null space themselves.
 */
export function scalingDimension(scalings: readonly Scaling[]): number {
  let n = 0;
  for (const s of scalings) n += s.sizes.reduce((m, size) => m * (size - 1), 1);
  return n;
}

/** The scalings of a graph and its sign symmetries. */
export interface Units {
  readonly scalings: readonly Scaling[];
  /** Solved for when it is first read. */
  readonly signs: readonly Scaling[];
}

/** Solves for all scalings and signs of a graph in normal form. */
export function findUnits(graph: Graph, axes: InferredAxes, equivariance: (node: Node) => Equivariance | undefined): Units {
  const units = new UnitGraph(graph, axes, equivariance);
  const [scales, signs] = [
    new LinearSystem(units.table.unknownCount, "scales"),
    new LinearSystem(units.table.unknownCount, "signs"),
  ];
  writeEquations(units, [
    { field: "scales", sink: scales },
    { field: "signs", sink: signs },
  ]);
  const byPlace = placeAxes(units.table, graph, axes, equivariance);
  const more = (field: Field): readonly Scaling[] => {
    if (byPlace === undefined) return [];
    return findScalings(graph, byPlace, field, equivariance)
      .filter((s) => differsByPlace(s, units.table))
      .map(withoutAtoms);
  };
  const scalings = [...solutions(units, scales, "scales"), ...more("scales")];
  return withLazy({ scalings }, { signs: () => [...solutions(units, signs, "signs"), ...more("signs")] });
}

/** Places are atoms of another inference, which mean nothing outside of it. */
function withoutAtoms({ family, sizes, entries }: Scaling): Scaling {
  return { family, sizes, entries, atoms: NO_SLOTS };
}

/** Solves for the scalings, or the signs, of a graph in normal form. */
export function findScalings(
  graph: Graph,
  axes: InferredAxes,
  field: Field,
  equivariance: (node: Node) => Equivariance | undefined,
): Scaling[] {
  const units = new UnitGraph(graph, axes, equivariance);
  const system = new LinearSystem(units.table.unknownCount, field);
  writeEquations(units, [{ field, sink: system }]);
  return solutions(units, system, field);
}

function solutions(units: UnitGraph, system: LinearSystem, field: Field): Scaling[] {
  system.solve();
  const owners = parameterUnknowns(units.graph, units.table, system);
  if (field === "signs") return basisOver(system, owners, NONE).map((v) => new VectorScaling("sign", v, owners));
  const mustVanish = contractedActivations(units, system);
  const basis = basisOver(system, owners, mustVanish);
  const { scale, rescaling } = splitFamilies(basis, signsOf(owners, system.count), mustVanish);
  return [
    ...scale.map((v) => new VectorScaling("scale", v, owners)),
    ...rescaling.map((v) => new VectorScaling("rescaling", v, owners)),
  ];
}

const NONE: ReadonlySet<number> = new Set();

const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose"]);

/** Roots of the unknowns of activations (values that depend on a graph input) that enter a contraction with weights or constants. */
function contractedActivations({ graph, table, numbering }: UnitGraph, system: LinearSystem): Set<number> {
  const active = new Uint8Array(numbering.count);
  for (const i of graph.inputs) active[numbering.of(i.name)] = 1;
  const out = new Set<number>();
  for (let k = 0; k < graph.nodes.length; k++) {
    const inputs = numbering.inputs[k]!;
    if (!inputs.some((i) => active[i] === 1)) continue;
    for (const o of numbering.outputs[k]!) if (o !== ABSENT) active[o] = 1;
    if (!CONTRACTIONS.has(graph.nodes[k]!.operator) || inputs.every((i) => i === ABSENT || active[i] === 1)) continue;
    for (const v of inputs) {
      if (active[v] !== 1) continue;
      const tensor = table.at(v);
      for (let k = 0; tensor !== undefined && k < tensor.unknowns; k++) {
        const root = system.root(tensor.first + k);
        if (!system.isZero(root)) out.add(root);
      }
    }
  }
  return out;
}

/** A basis of the null space as far as the given roots see it, leaving out what moves no parameter. */
function basisOver(system: LinearSystem, owners: Owners, others: ReadonlySet<number>): RootVector[] {
  // By free root: one more than the position of its vector.
  const at = new Int32Array(system.count);
  const vectors: Map<number, number>[] = [];
  const moving: boolean[] = [];
  const add = (free: number, root: number, c: number) => {
    if (at[free] === 0) {
      at[free] = vectors.push(new Map<number, number>());
      moving.push(false);
    }
    const k = at[free]! - 1;
    vectors[k]!.set(root, c);
    if (owners.has(root)) moving[k] = true;
  };
  const visit = (root: number) => {
    if (system.isFree(root)) add(root, root, 1);
    else system.express(root).forEach((c, free) => add(free, root, c));
  };
  for (const root of owners.roots) visit(root);
  for (const root of others) if (!owners.has(root)) visit(root);
  return vectors.filter((_, k) => moving[k]);
}

/** Which signs the owners of a root have: 1, -1, or 0 for both; undefined where it has none. */
function signsOf(owners: Owners, count: number): (root: number) => number | undefined {
  const signs = new Int8Array(count);
  for (const root of owners.roots) signs[root] = owners.signOf(root);
  return (root) => (owners.has(root) ? signs[root] : undefined);
}

/** The scaling of a vector. Deep graphs have hundreds of thousands, of which few are looked at: entries are made when read. */
class VectorScaling implements Scaling {
  readonly atoms: readonly number[];
  readonly sizes: readonly number[];
  #entries: readonly ScalingEntry[] | undefined;

  constructor(
    readonly family: Scaling["family"],
    private readonly vector: RootVector,
    private readonly owners: Owners,
  ) {
    let last: Owner | undefined;
    vector.forEach((_, root) => {
      const own = owners.lastOf(root);
      if (own !== undefined && (last === undefined || own.unknown > last.unknown)) last = own;
    });
    const slots = last === undefined ? NO_SLOTS : slotsOf(last.cell, last.mask);
    this.atoms = slots.length === 0 ? NO_SLOTS : slots.map((k) => last!.cell.slots[k]!.atom);
    this.sizes = slots.length === 0 ? NO_SLOTS : slots.map((k) => last!.cell.slots[k]!.size);
  }

  get entries(): readonly ScalingEntry[] {
    return (this.#entries ??= this.makeEntries());
  }

  private makeEntries(): readonly ScalingEntry[] {
    const moved: { readonly owner: Owner; readonly coefficient: number }[] = [];
    this.vector.forEach((c, root) => {
      for (const owner of this.owners.of(root)) moved.push({ owner, coefficient: this.family === "sign" ? 1 : c * owner.ratio });
    });
    moved.sort((a, b) => a.owner.unknown - b.owner.unknown);
    return moved.map(({ owner: { parameter, cell, mask }, coefficient }) => {
      return { parameter, cell, slots: slotsOf(cell, mask), coefficient };
    });
  }
}

const NO_SLOTS: readonly number[] = [];
const SINGLE_SLOTS: readonly (readonly number[])[] = Array.from({ length: 32 }, (_, k) => [k]);

/** The slots of a set in order of their atoms. */
function slotsOf(cell: Cell, mask: number): readonly number[] {
  if (mask === 0) return NO_SLOTS;
  if ((mask & (mask - 1)) === 0) return SINGLE_SLOTS[31 - Math.clz32(mask)]!;
  const slots: number[] = [];
  for (let k = 0; k < cell.slots.length; k++) if (mask & (1 << k)) slots.push(k);
  return slots.sort((a, b) => cell.slots[a]!.atom - cell.slots[b]!.atom);
}

/**
 * The coefficient of every parameter entry for one index value of D: log-scale (scales) or exponent of -1 (signs).
 * `shapes` are the parameters' shapes; parameters that do not move are absent.
 */
export function coefficients(
  scaling: Scaling,
  shapes: (parameter: string) => readonly number[],
  index: (entryIndex: number) => boolean | number,
): ParameterValues {
  const out = new Map<string, Float64Array>();
  for (const entry of scaling.entries) {
    const shape = shapes(entry.parameter);
    let vector = out.get(entry.parameter);
    if (!vector) {
      vector = new Float64Array(shape.reduce((n, d) => n * d, 1));
      out.set(entry.parameter, vector);
    }
    forEachEntry(entry, shape, scaling.sizes, (flat, d) => {
      vector[flat]! += entry.coefficient * Number(index(d));
    });
  }
  return out;
}

/** Which entries each index value of D scales, and with which coefficient, cell by cell. */
export function diagonalEntries(scaling: Scaling, shapes: (parameter: string) => readonly number[]): DiagonalEntries[] {
  return scaling.entries.map((entry) => {
    const flats: number[] = [];
    const indices: number[] = [];
    forEachEntry(entry, shapes(entry.parameter), scaling.sizes, (flat, d) => {
      flats.push(flat);
      indices.push(d);
    });
    return {
      parameter: entry.parameter,
      flat: Int32Array.from(flats),
      index: Int32Array.from(indices),
      coefficient: new Float64Array(flats.length).fill(entry.coefficient),
    };
  });
}

/** Along one axis: where the segment starts, how long it is, and what each position adds to the index of D. */
interface AxisRange {
  readonly start: number;
  readonly length: number;
  readonly adds: Int32Array;
  readonly stride: number;
}

function rangesOf(entry: ScalingEntry, shape: readonly number[], sizes: readonly number[]): AxisRange[] {
  const stride = new Array<number>(shape.length);
  for (let i = shape.length - 1, n = 1; i >= 0; i--) {
    stride[i] = n;
    n *= shape[i]!;
  }
  return entry.cell.places.map((place, axis) => {
    const { start, size: length, factors } = place!;
    const adds = new Int32Array(length);
    entry.slots.forEach((slotIndex, k) => {
      const slot = entry.cell.slots[slotIndex]!;
      if (slot.axis !== axis) return;
      const inner = factors.slice(slot.factor + 1).reduce((n, f) => n * f.size, 1);
      const weight = sizes.slice(k + 1).reduce((n, s) => n * s, 1);
      for (let p = 0; p < length; p++) adds[p]! += (Math.floor(p / inner) % slot.size) * weight;
    });
    return { start, length, adds, stride: stride[axis]! };
  });
}

/** Visits every entry of a cell with its flat position and the flat index value of D. */
function forEachEntry(
  entry: ScalingEntry,
  shape: readonly number[],
  sizes: readonly number[],
  visit: (flat: number, d: number) => void,
): void {
  const ranges = rangesOf(entry, shape, sizes);
  const first = entry.offset ?? 0;
  const walk = (axis: number, flat: number, d: number): void => {
    const r = ranges[axis];
    if (!r) return visit(flat, d);
    for (let p = 0; p < r.length; p++) walk(axis + 1, flat + (r.start + p) * r.stride, d + r.adds[p]!);
  };
  walk(0, 0, first);
}

/**
 * The weights after a scaling with the given logarithms of its factors (for signs: 1 where it flips), one per index value of D:
 * new values of the parameters that move. Weights that are absent stay so.
 */
export function scaledWeights(
  scaling: Scaling,
  shapes: (parameter: string) => readonly number[],
  weights: ParameterValues,
  logs: ArrayLike<number>,
  owned?: ReadonlySet<Float64Array>,
): ParameterValues {
  const out = new Map<string, Float64Array>();
  for (const entry of scaling.entries) {
    const given = out.get(entry.parameter) ?? weights.get(entry.parameter);
    if (!given) continue;
    const moved = out.has(entry.parameter) || owned?.has(given) ? given : given.slice();
    out.set(entry.parameter, moved);
    const c = entry.coefficient;
    const factors = Float64Array.from(logs, (x) =>
      scaling.family === "sign" ? (Math.round(c * x) % 2 === 0 ? 1 : -1) : Math.exp(c * x),
    );
    scaleRuns(entry, shapes(entry.parameter), scaling.sizes, factors, moved);
  }
  return out;
}

/** Multiplies the entries of a cell, in runs that lie together and have the same index value of D. */
function scaleRuns(
  entry: ScalingEntry,
  shape: readonly number[],
  sizes: readonly number[],
  factors: Float64Array,
  values: Float64Array,
): void {
  const ranges = rangesOf(entry, shape, sizes);
  // Trailing axes on which D does not depend are one run, as long as the inner ones are whole.
  let outer = ranges.length;
  let length = 1;
  let offset = 0;
  while (outer > 0) {
    const r = ranges[outer - 1]!;
    if (r.adds.some((x) => x !== 0)) break;
    outer--;
    length *= r.length;
    offset += r.start * r.stride;
    if (r.length !== shape[outer]) break;
  }
  const run = (start: number, d: number): void => {
    const factor = factors[d]!;
    if (factor !== 1) for (let i = start; i < start + length; i++) values[i]! *= factor;
  };
  const walk = (axis: number, flat: number, d: number): void => {
    if (axis === outer) return run(flat, d);
    const { start, length: n, adds, stride } = ranges[axis]!;
    const from = flat + start * stride;
    if (axis < outer - 1) for (let p = 0; p < n; p++) walk(axis + 1, from + p * stride, d + adds[p]!);
    // Most entries of large matrices are single: no call for each of them.
    else if (length === 1) for (let p = 0; p < n; p++) values[from + p * stride]! *= factors[d + adds[p]!]!;
    else for (let p = 0; p < n; p++) run(from + p * stride, d + adds[p]!);
  };
  walk(0, offset, entry.offset ?? 0);
}

/** Tangent vectors of a scaling at the given weights, one per index value of D: coefficient times weight. */
export function scalingVectors(
  scaling: Scaling,
  shapes: (p: string) => readonly number[],
  weights: ParameterValues,
): ParameterValues[] {
  const count = scaling.sizes.reduce((n, s) => n * s, 1);
  return Array.from({ length: count }, (_, k) => {
    const c = coefficients(scaling, shapes, (d) => d === k);
    return new Map([...c].map(([name, v]) => [name, v.map((x, i) => x * weights.get(name)![i]!)]));
  });
}

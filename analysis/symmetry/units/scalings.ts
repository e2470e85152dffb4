/**
 * @file The group of all rescalings and scale invariances of a graph, and its sign symmetries, read off the null space of
 * the unit equations (ALGORITHM.md 3.3, 3.4).
 */
import type { Graph, Node } from "../../graph/graph";
import { Matrix } from "../../numerics/matrix";
import { nonNegativeLeastSquares } from "../../numerics/leastSquares";
import type { Equivariance } from "../../operators/equivariance";
import type { ParameterValues } from "../symmetry";
import type { InferredAxes } from "../spaces/infer";
import { type Cell, CellTable } from "./cells";
import { collectEquations, type Field } from "./equations";
import { nullSpace, type Solution } from "./solve";

/** How one cell of one parameter scales: by exp(coefficient * t) (scales) or -1 to the coefficient (signs). */
export interface ScalingEntry {
  readonly parameter: string;
  readonly cell: Cell;
  /** Which slots of the cell the scale depends on, ordered by atom so that indices correspond across parameters. */
  readonly slots: readonly number[];
  readonly coefficient: number;
}

/** One basis vector of the group: as many independent one-parameter groups as D has index values. */
export interface Scaling {
  readonly family: "scale" | "rescaling" | "sign";
  readonly entries: readonly ScalingEntry[];
  /** Root atoms of D and their sizes, in the order of the entries' slots; empty for a uniform scale. */
  readonly atoms: readonly number[];
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

/** Solves for all scalings (or signs) of a graph in normal form. */
export function findScalings(
  graph: Graph,
  axes: InferredAxes,
  field: Field,
  equivariance: (node: Node) => Equivariance | undefined,
): Scaling[] {
  const table = new CellTable(axes);
  const equations = collectEquations(graph, table, field, equivariance);
  const owners = parameterUnknowns(graph, table);
  const solutions = nullSpace(table.unknownCount, equations, field).filter((s) => [...s.keys()].some((u) => owners.has(u)));
  if (field === "signs") return solutions.map((s) => describe(s, owners, "sign"));
  const mustVanish = contractedActivations(graph, table);
  return components(solutions).flatMap((component) => classify(component, owners, mustVanish));
}

interface Owner {
  readonly parameter: string;
  readonly cell: Cell;
  readonly mask: number;
}

function parameterUnknowns(graph: Graph, table: CellTable): Map<number, Owner> {
  const out = new Map<number, Owner>();
  for (const p of graph.parameters.values()) {
    if (!p.trainable) continue;
    for (const cell of table.of(p.name)?.cells ?? []) {
      for (const [mask, unknown] of cell.unknowns) out.set(unknown, { parameter: p.name, cell, mask });
    }
  }
  return out;
}

const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose"]);

/** Unknowns of activations (values that depend on a graph input) that enter a contraction. */
function contractedActivations(graph: Graph, table: CellTable): Set<number> {
  const active = new Set(graph.inputs.map((i) => i.name));
  const out = new Set<number>();
  for (const node of graph.nodes) {
    const reads = node.inputs.filter((i) => active.has(i));
    if (reads.length === 0) continue;
    for (const o of node.outputs) active.add(o);
    if (!CONTRACTIONS.has(node.operator)) continue;
    for (const v of reads) for (const cell of table.of(v)?.cells ?? []) for (const u of cell.unknowns.values()) out.add(u);
  }
  return out;
}

/** Groups solutions that share an unknown. */
function components(solutions: readonly Solution[]): Solution[][] {
  const groupOf = new Map<number, number>();
  const parent = solutions.map((_, i) => i);
  const find = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
    return i;
  };
  solutions.forEach((s, i) => {
    for (const u of s.keys()) {
      const other = groupOf.get(u);
      if (other === undefined) groupOf.set(u, i);
      else parent[find(i)] = find(other);
    }
  });
  const out = new Map<number, Solution[]>();
  solutions.forEach((s, i) => {
    const root = find(i);
    const list = out.get(root);
    if (list) list.push(s);
    else out.set(root, [s]);
  });
  return [...out.values()];
}

/**
 * Splits a component into scale and rescaling. Scale: no activation that enters a contraction changes, and all parameters
 * grow together (the span of the cone of non-negative coefficients). The first condition is needed: without it a gain in
 * front of a batch-normed convolution would count.
 */
function classify(component: readonly Solution[], owners: ReadonlyMap<number, Owner>, mustVanish: ReadonlySet<number>): Scaling[] {
  const quiet = subspace(component, (u) => mustVanish.has(u));
  const grow = quiet.length > 0 ? coneSpan(quiet, owners) : [];
  const rest = complement(component, grow);
  return [...grow.map((s) => describe(s, owners, "scale")), ...rest.map((s) => describe(s, owners, "rescaling"))];
}

/** The combinations that vanish on the chosen unknowns, by elimination. */
function subspace(basis: readonly Solution[], vanish: (unknown: number) => boolean): Solution[] {
  let left = basis.map((s) => new Map(s));
  for (;;) {
    let pivot: Map<number, number> | undefined;
    let at = -1;
    for (const s of left) {
      for (const u of s.keys()) {
        if (vanish(u)) {
          pivot = s;
          at = u;
          break;
        }
      }
      if (pivot) break;
    }
    if (!pivot) return left;
    const p = pivot;
    left = left.filter((s) => s !== p).map((s) => addMultiple(s, p, -(s.get(at) ?? 0) / p.get(at)!));
  }
}

function addMultiple(s: ReadonlyMap<number, number>, other: ReadonlyMap<number, number>, factor: number): Map<number, number> {
  const out = new Map(s);
  if (factor === 0) return out;
  for (const [u, c] of other) {
    const x = (out.get(u) ?? 0) + factor * c;
    if (Math.abs(x) < 1e-9) out.delete(u);
    else out.set(u, x);
  }
  return out;
}

/** A basis of the span of the combinations whose parameter coefficients are all non-negative. */
function coneSpan(basis: readonly Solution[], owners: ReadonlyMap<number, Owner>): Solution[] {
  const parameters = [...new Set(basis.flatMap((s) => [...s.keys()].filter((u) => owners.has(u))))];
  if (basis.length === 1) {
    const signs = new Set(parameters.map((u) => Math.sign(basis[0]!.get(u)!)));
    return signs.size === 1 ? [...basis] : [];
  }
  // Coordinate i is in the support when some combination c has P c >= 0 and (P c)_i >= 1.
  const outside = parameters.filter((_, i) => {
    const columns = 2 * basis.length + parameters.length;
    const a = new Matrix(parameters.length, columns);
    parameters.forEach((u, r) => {
      basis.forEach((s, k) => {
        a.data[r * columns + k] = s.get(u) ?? 0;
        a.data[r * columns + basis.length + k] = -(s.get(u) ?? 0);
      });
      a.data[r * columns + 2 * basis.length + r] = -1;
    });
    const target = new Float64Array(parameters.length);
    target[i] = 1;
    return nonNegativeLeastSquares(a, target).residual > 1e-6;
  });
  const forbidden = new Set(outside);
  return subspace(basis, (u) => forbidden.has(u));
}

/** Basis vectors that together with `part` span what `basis` spans. */
function complement(basis: readonly Solution[], part: readonly Solution[]): Solution[] {
  const pivots: { at: number; vector: Map<number, number> }[] = [];
  const reduce = (s: Solution): Map<number, number> => {
    let v = new Map(s);
    for (const p of pivots) v = addMultiple(v, p.vector, -(v.get(p.at) ?? 0) / p.vector.get(p.at)!);
    return v;
  };
  const add = (s: Solution): boolean => {
    const v = reduce(s);
    const at = v.keys().next();
    if (at.done) return false;
    pivots.push({ at: at.value, vector: v });
    return true;
  };
  for (const s of part) add(s);
  return basis.filter(add);
}

function describe(solution: Solution, owners: ReadonlyMap<number, Owner>, family: Scaling["family"]): Scaling {
  const entries: ScalingEntry[] = [];
  let atoms: readonly number[] = [];
  let sizes: readonly number[] = [];
  for (const [unknown, coefficient] of solution) {
    const owner = owners.get(unknown);
    if (!owner) continue;
    const slots = owner.cell.slots
      .map((slot, index) => ({ slot, index }))
      .filter(({ index }) => owner.mask & (1 << index))
      .sort((a, b) => a.slot.atom - b.slot.atom);
    atoms = slots.map(({ slot }) => slot.atom);
    sizes = slots.map(({ slot }) => slot.size);
    entries.push({ parameter: owner.parameter, cell: owner.cell, slots: slots.map(({ index }) => index), coefficient });
  }
  return { family, entries, atoms, sizes };
}

/**
 * The coefficient of every parameter entry for one index value of D: log-scale (scales) or exponent of -1 (signs).
 * `shapes` are the parameters' shapes; parameters that do not move are absent.
 */
export function coefficients(
  scaling: Scaling,
  axes: InferredAxes,
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
    forEachEntry(axes, entry, shape, scaling.sizes, (flat, d) => {
      vector[flat]! += entry.coefficient * Number(index(d));
    });
  }
  return out;
}

/** Visits every entry of a cell with its flat position and the flat index value of D. */
function forEachEntry(
  axes: InferredAxes,
  entry: ScalingEntry,
  shape: readonly number[],
  sizes: readonly number[],
  visit: (flat: number, d: number) => void,
): void {
  const layout = axes.layout(entry.parameter)!;
  const stride = new Array<number>(shape.length);
  for (let i = shape.length - 1, n = 1; i >= 0; i--) {
    stride[i] = n;
    n *= shape[i]!;
  }
  // Per axis: where the segment starts, how long it is, and what each position adds to the index of D.
  const ranges = layout.map((segments, axis) => {
    const at = entry.cell.segments[axis]!;
    const start = segments.slice(0, at).reduce((n, s) => n + s.reduce((m, f) => m * f.size, 1), 0);
    const factors = segments[at]!;
    const length = factors.reduce((n, f) => n * f.size, 1);
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
  const walk = (axis: number, flat: number, d: number): void => {
    const r = ranges[axis];
    if (!r) return visit(flat, d);
    for (let p = 0; p < r.length; p++) walk(axis + 1, flat + (r.start + p) * r.stride, d + r.adds[p]!);
  };
  walk(0, 0, 0);
}

/** Tangent vectors of a scaling at the given weights, one per index value of D: coefficient times weight. */
export function scalingVectors(scaling: Scaling, axes: InferredAxes, shapes: (p: string) => readonly number[], weights: ParameterValues): ParameterValues[] {
  const count = scaling.sizes.reduce((n, s) => n * s, 1);
  return Array.from({ length: count }, (_, k) => {
    const c = coefficients(scaling, axes, shapes, (d) => d === k);
    return new Map([...c].map(([name, v]) => [name, v.map((x, i) => x * weights.get(name)![i]!)]));
  });
}

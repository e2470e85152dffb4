/** @file The units of a layer as vectors: all weights that belong to one interchangeable unit, side by side. */
import { Matrix } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import type { ParameterValues, Symmetry, UnitBlock } from "../../symmetry/symmetry";

/** The units of one permutation symmetry, per copy of its space (one head, one block of a grouped convolution). */
export interface UnitSet {
  readonly symmetry: Symmetry;
  readonly copy: number;
  readonly size: number;
  readonly blocks: readonly UnitBlock[];
  /** Parameters that have the units on several axes, where exchanging units moves features too (recurrent weights). */
  readonly crossed: ReadonlySet<string>;
}

/** The unit sets of a symmetry; empty unless it is a permutation. */
export function unitSets(symmetry: Symmetry): UnitSet[] {
  const blocks = symmetry.units?.() ?? [];
  const copies = [...new Set(blocks.map((b) => b.copy))].sort((a, b) => a - b);
  return copies.map((copy) => {
    const own = blocks.filter((b) => b.copy === copy);
    const axes = new Map<string, number>();
    for (const b of own) axes.set(b.parameter, (axes.get(b.parameter) ?? 0) + 1);
    const crossed = new Set([...axes].filter(([, n]) => n > 1).map(([p]) => p));
    return { symmetry, copy, size: own[0]!.units, blocks: own, crossed };
  });
}

/** One row per unit: its weights in all parameters that are there. `wanted` chooses among the parameters. */
export function unitVectors(set: UnitSet, parameters: ParameterValues, wanted?: (parameter: string) => boolean): Matrix {
  const blocks = set.blocks.filter((b) => parameters.has(b.parameter) && (wanted?.(b.parameter) ?? true));
  const columns = blocks.reduce((n, b) => n + b.features, 0);
  const out = new Matrix(set.size, columns);
  let offset = 0;
  for (const b of blocks) {
    const w = parameters.get(b.parameter)!;
    for (let u = 0; u < set.size; u++) {
      const from = u * b.features;
      const to = u * columns + offset;
      for (let k = 0; k < b.features; k++) out.data[to + k] = w[b.flat[from + k]!]!;
    }
    offset += b.features;
  }
  return out;
}

/**
 * Squared distances between all units under exchange: |theta - tau_ij theta|^2 / 2, which is |z_i - z_j|^2 for feed-forward layers.
 * Where units may change sign (`odd` marks the features that do, block by block), the exchange that flips both is a mirror too:
 * the smaller of the two distances counts.
 */
export function pairDistances(set: UnitSet, parameters: ParameterValues, odd?: readonly Uint8Array[]): Matrix {
  const z = unitVectors(set, parameters);
  const mask = Uint8Array.from(set.blocks.flatMap((b, i) => (odd && parameters.has(b.parameter) ? [...odd[i]!] : [])));
  // A flip of a recurrent unit turns the weight to itself twice: only plain exchanges are compared there.
  if (set.crossed.size > 0) {
    const out = distancesBetween(z, z);
    for (const parameter of set.crossed) correctCrossed(set, parameter, parameters, out);
    return out;
  }
  const exact = turned(z, mask);
  const sides = set.size * set.size * z.columns > EXACT_PAIRS ? sketch(exact) : exact;
  const out = distancesBetween(sides.plain, sides.plain);
  if (!sides.turned) return out;
  const flipped = distancesBetween(sides.plain, sides.turned);
  for (let k = 0; k < out.data.length; k++) out.data[k] = Math.min(out.data[k]!, flipped.data[k]!);
  return out;
}

/** Beyond this many products all pairs are compared through a sketch. */
const EXACT_PAIRS = 4e6;
/** Length of a sketch: distances keep to within about sqrt(2 / 64), 18 %; those that vanish vanish exactly. */
const SKETCH = 64;

/** Unit vectors, and unit vectors with the features that a flip turns turned; the second is absent where nothing turns. */
interface Sides {
  readonly plain: Matrix;
  readonly turned: Matrix | undefined;
}

function turned(z: Matrix, mask: Uint8Array): Sides {
  if (!mask.includes(1)) return { plain: z, turned: undefined };
  return {
    plain: z,
    turned: new Matrix(
      z.rows,
      z.columns,
      z.data.map((x, at) => (mask[at % z.columns] ? -x : x)),
    ),
  };
}

/** Both sides through sparse random signs (Achlioptas 2003): a third of the features each, weight sqrt(3 / SKETCH). Deterministic. */
function sketch(sides: Sides): Sides {
  const { columns } = sides.plain;
  const random = new Random(columns);
  // The sums that each feature is added to and taken from.
  const plus: number[][] = [];
  const minus: number[][] = [];
  for (let k = 0; k < columns; k++) {
    const [p, m]: [number[], number[]] = [[], []];
    for (let c = 0; c < SKETCH; c++) {
      const draw = random.uniform();
      if (draw < 1 / 6) p.push(c);
      else if (draw < 1 / 3) m.push(c);
    }
    plus.push(p);
    minus.push(m);
  }
  const project = (z: Matrix): Matrix => {
    const out = new Matrix(z.rows, SKETCH);
    const scale = Math.sqrt(3 / SKETCH);
    for (let i = 0; i < z.rows; i++) {
      const [from, to] = [z.row(i), out.row(i)];
      for (let k = 0; k < columns; k++) {
        const x = scale * from[k]!;
        for (const c of plus[k]!) to[c]! += x;
        for (const c of minus[k]!) to[c]! -= x;
      }
    }
    return out;
  };
  return { plain: project(sides.plain), turned: sides.turned && project(sides.turned) };
}

/** Squared distances between the rows of one matrix and those of another, for i < j, on both sides of the diagonal. */
function distancesBetween(left: Matrix, right: Matrix): Matrix {
  const n = left.rows;
  const squares = (z: Matrix) => Float64Array.from({ length: n }, (_, i) => z.row(i).reduce((s, x) => s + x * x, 0));
  const [a2, b2] = [squares(left), squares(right)];
  const out = new Matrix(n, n);
  for (let i = 0; i < n; i++) {
    const a = left.row(i);
    for (let j = i + 1; j < n; j++) {
      const b = right.row(j);
      let inner = 0;
      for (let k = 0; k < a.length; k++) inner += a[k]! * b[k]!;
      // Close pairs lose their digits in the difference of large numbers: those are summed directly.
      let d = a2[i]! + b2[j]! - 2 * inner;
      if (d < 1e-6 * (a2[i]! + b2[j]!)) {
        d = 0;
        for (let k = 0; k < a.length; k++) d += (a[k]! - b[k]!) ** 2;
      }
      out.set(i, j, d);
      out.set(j, i, d);
    }
  }
  return out;
}

/**
 * Where rows and columns are the same units, exchanging i and j turns W_ii into W_jj and W_ij into W_ji; comparing rows and
 * columns feature by feature has W_ii against W_ji and W_ij against W_jj instead.
 */
function correctCrossed(set: UnitSet, parameter: string, parameters: ParameterValues, out: Matrix): void {
  const w = parameters.get(parameter);
  const blocks = set.blocks.filter((b) => b.parameter === parameter);
  if (!w || blocks.length !== 2) return;
  const [rows, columns] = blocks as [UnitBlock, UnitBlock];
  // Column units of every flat position, to find where both axes meet.
  const columnUnit = new Int32Array(w.length).fill(-1);
  for (let u = 0; u < set.size; u++) {
    for (let k = 0; k < columns.features; k++) columnUnit[columns.flat[u * columns.features + k]!] = u;
  }
  const groups = Math.floor(rows.features / set.size);
  const at = new Int32Array(set.size * set.size * groups).fill(-1);
  for (let u = 0; u < set.size; u++) {
    const seen = new Int32Array(set.size);
    for (let k = 0; k < rows.features; k++) {
      const flat = rows.flat[u * rows.features + k]!;
      const c = columnUnit[flat]!;
      if (c >= 0 && seen[c]! < groups) at[(u * set.size + c) * groups + seen[c]!++] = flat;
    }
  }
  const value = (i: number, j: number, g: number): number => {
    const flat = at[(i * set.size + j) * groups + g]!;
    return flat < 0 ? 0 : w[flat]!;
  };
  for (let i = 0; i < set.size; i++) {
    for (let j = i + 1; j < set.size; j++) {
      let change = 0;
      for (let g = 0; g < groups; g++) {
        const [ii, ij, ji, jj] = [value(i, i, g), value(i, j, g), value(j, i, g), value(j, j, g)];
        // Rows and columns each compared (ii, ji) and (ij, jj), or (ii, ij) and (ji, jj).
        change += (ii - jj) ** 2 + (ij - ji) ** 2 - (ii - ji) ** 2 - (ij - jj) ** 2 - (ii - ij) ** 2 - (ji - jj) ** 2;
      }
      out.set(i, j, Math.max(0, out.get(i, j) + change));
      out.set(j, i, out.get(i, j));
    }
  }
}

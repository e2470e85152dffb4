/**
 * @file Equations of glue. A glue unit is affine: z = sum_i T_i x_i + b(w). Its equation splits by input, A_z T_i = T_i A_i,
 * and those are sparse: for a sum they say A_z = A_i entry by entry, which the presolve merges before any linear algebra.
 */
import { elementCount } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import type { Network } from "../counting/network";
import type { SlotValues } from "../counting/program";
import type { ParameterValues } from "../symmetry";
import type { SparseRow } from "./constraints";
import type { Unit } from "./edges";
import type { Channels } from "./channels";
import { type Edge, SHIFT, type Unknowns } from "./unknowns";

/** Random patterns over positions by which each T_i is seen. */
const PATTERNS = 2;

/** The equations A_z T_i = T_i A_i for all inputs of a glue unit. */
export function glueRows(
  network: Network,
  unknowns: Unknowns,
  unit: Unit,
  weights: ParameterValues,
  random: Random,
): SparseRow[] {
  const out = unknowns.edges.get(unit.output)!;
  const rows: SparseRow[] = [];
  const values = zeroValues(network, unit, weights);
  for (const input of unit.inputs) {
    const edge = unknowns.edges.get(input)!;
    const patterns = Array.from({ length: PATTERNS }, () => positionPattern(edge.channels, random));
    if (edge.fixed) patterns.push(...morePatterns(edge.channels, out.channels));
    const images = patterns.map((byKind) =>
      edge.channels.entries.map((entries, channel) => {
        const x = new Float64Array(elementCount(network.shape(input)));
        const pattern = byKind.get(edge.channels.kinds[channel]!)!;
        for (let p = 0; p < entries.length; p++) x[entries[p]!] = pattern[p]!;
        return unit.program.differentiate(values, input, x)[0]?.data;
      }),
    );
    rows.push(...commutation(unknowns, out, edge, images, random));
  }
  return rows;
}

/**
 * The equations of shifts, b_z = sum_i T_i b_i, for a unit that is linear in its inputs (at fixed weights) and has no
 * additive part: a shift has to arrive as a constant at every position, which zero padding prevents.
 */
export function shiftRows(network: Network, unknowns: Unknowns, unit: Unit, weights: ParameterValues): SparseRow[] {
  const out = unknowns.edges.get(unit.output)!;
  const values = zeroValues(network, unit, weights);
  const columns: { readonly unknown: number; readonly image: Float64Array }[] = [];
  for (const input of unit.inputs) {
    const edge = unknowns.edges.get(input)!;
    edge.channels.entries.forEach((entries, channel) => {
      const unknown = unknowns.id(edge, channel, SHIFT);
      if (unknown < 0 || unknowns.sets.isZero(unknown)) return;
      const x = new Float64Array(elementCount(network.shape(input)));
      for (const e of entries) x[e] = 1;
      const image = unit.program.differentiate(values, input, x)[0]?.data;
      if (image) columns.push({ unknown, image: image.slice() });
    });
  }
  let largest = 0;
  for (const { image } of columns) for (const v of image) largest = Math.max(largest, Math.abs(v));
  const rows: SparseRow[] = [];
  const seen = new Set<string>();
  out.channels.entries.forEach((entries, channel) => {
    const own = unknowns.id(out, channel, SHIFT);
    for (const position of entries) {
      const terms = new Map<number, number>();
      if (own >= 0) terms.set(own, 1);
      for (const { unknown, image } of columns) {
        if (Math.abs(image[position]!) > 1e-11 * largest) addTerm(terms, unknown, -image[position]!);
      }
      if (terms.size === 0) continue;
      const row = { unknowns: [...terms.keys()], coefficients: [...terms.values()] };
      const key = signature(row);
      if (seen.has(key)) continue;
      seen.add(key);
      rows.push(row);
    }
  });
  return rows;
}

function zeroValues(network: Network, unit: Unit, weights: ParameterValues): SlotValues {
  return unit.program.evaluate((leaf) => {
    const parameter = network.graph.parameters.get(leaf);
    if (parameter) return { type: "float64", shape: parameter.shape, data: weights.get(leaf)! };
    const shape = network.shape(leaf);
    return { type: "float64", shape, data: new Float64Array(elementCount(shape)) };
  });
}

/** Random numbers by position, for each kind of channel. */
function positionPattern(channels: Channels, random: Random): Map<number, Float64Array> {
  const byKind = new Map<number, Float64Array>();
  channels.entries.forEach((entries, channel) => {
    const kind = channels.kinds[channel]!;
    if (!byKind.has(kind)) byKind.set(kind, random.normals(entries.length));
  });
  return byKind;
}

/** More patterns than this say nothing new, or are too many to look at. */
const MOST_PATTERNS = 64;

/**
 * What is made of an input alone (its patches, its coordinates) has no field on all that the input reaches, A_z T = 0: so many
 * patterns more that this is as many equations as A_z has columns. They have random numbers of their own.
 */
function morePatterns(input: Channels, out: Channels): Map<number, Float64Array>[] {
  const positions = out.entries.reduce((n, e) => Math.min(n, e.length), Number.POSITIVE_INFINITY);
  const wanted = Math.ceil((1.5 * out.count) / Math.max(1, positions));
  if (out.count < 2 || wanted <= PATTERNS) return [];
  const random = new Random(out.count);
  return Array.from({ length: Math.min(wanted, MOST_PATTERNS) }, () => positionPattern(input, random));
}

/** T of one input at one position of the output: its non-zero entries by row and by column. */
interface Slice {
  readonly byColumn: readonly (readonly { readonly row: number; readonly value: number }[])[];
  readonly byRow: readonly (readonly { readonly column: number; readonly value: number }[])[];
}

function commutation(
  unknowns: Unknowns,
  out: Edge,
  edge: Edge,
  images: readonly (readonly (Float64Array | undefined)[])[],
  random: Random,
): SparseRow[] {
  const rows: SparseRow[] = [];
  const seen = new Set<string>();
  const directions = directionsOf(edge);
  for (const slice of slices(out.channels, edge.channels, images, random)) {
    for (let k = 0; k < out.channels.count; k++) {
      for (const along of directions) {
        const terms = new Map<number, number>();
        for (const [j, share] of along) {
          for (const { row, value } of slice.byColumn[j]!) {
            if (out.channels.kinds[row] === out.channels.kinds[k]) addTerm(terms, unknowns.id(out, k, row), share * value);
          }
          for (const { column, value } of slice.byRow[k]!) {
            if (edge.channels.kinds[column] === edge.channels.kinds[j])
              addTerm(terms, unknowns.id(edge, column, j), -share * value);
          }
        }
        if (terms.size === 0) continue;
        const row = { unknowns: [...terms.keys()], coefficients: [...terms.values()] };
        const key = signature(row);
        if (seen.has(key)) continue;
        seen.add(key);
        rows.push(row);
      }
    }
  }
  return rows;
}

/** The directions along which an edge's values are looked at, as sparse combinations of its channels. */
function directionsOf({ channels, support }: Edge): readonly (readonly (readonly [channel: number, share: number])[])[] {
  if (!support) return Array.from({ length: channels.count }, (_, j) => [[j, 1] as const]);
  return Array.from({ length: support.columns }, (_, s) =>
    Array.from(support.column(s)).flatMap((share, j) => (share === 0 ? [] : [[j, share] as const])),
  );
}

function addTerm(terms: Map<number, number>, id: number, value: number): void {
  if (id >= 0) terms.set(id, (terms.get(id) ?? 0) + value);
}

/** A row up to its scale, so that positions at which T is the same give one equation. */
function signature({ unknowns, coefficients }: SparseRow): string {
  const lead = coefficients.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  return unknowns.map((u, i) => `${u}:${(coefficients[i]! / lead).toFixed(9)}`).join();
}

/** T at enough positions: one where it is the same matrix everywhere up to a factor, a random choice otherwise. */
function slices(
  out: Channels,
  input: Channels,
  images: readonly (readonly (Float64Array | undefined)[])[],
  random: Random,
): Slice[] {
  const positions = out.entries.reduce((n, e) => Math.max(n, e.length), 0);
  const at = (pattern: number, row: number, column: number, position: number): number => {
    const image = images[pattern]![column];
    const entries = out.entries[row]!;
    return image && position < entries.length ? image[entries[position]!]! : 0;
  };
  let largest = 0;
  let lead = { pattern: 0, row: 0, column: 0, position: 0 };
  const rowOf = new Int32Array(out.entries.reduce((n, e) => n + e.length, 0));
  const positionOf = new Int32Array(rowOf.length);
  out.entries.forEach((entries, row) => {
    entries.forEach((flat, position) => {
      rowOf[flat] = row;
      positionOf[flat] = position;
    });
  });
  images.forEach((columns, pattern) => {
    columns.forEach((image, column) => {
      image?.forEach((v, flat) => {
        if (Math.abs(v) > largest) {
          largest = Math.abs(v);
          lead = { pattern, row: rowOf[flat]!, column, position: positionOf[flat]! };
        }
      });
    });
  });
  if (largest === 0) return [];
  const oneKind = out.kinds.every((k) => k === out.kinds[0]) && input.kinds.every((k) => k === input.kinds[0]);
  if (oneKind && isUniform(images, rowOf, positionOf, lead, largest, at)) {
    return [sliceAt(out, input, (row, column) => at(lead.pattern, row, column, lead.position), largest)];
  }
  const wanted = 24 + 2 * (out.count + input.count);
  const chosen = random.sample(positions, wanted);
  return images.flatMap((_, pattern) =>
    Array.from(chosen, (position) => sliceAt(out, input, (row, column) => at(pattern, row, column, position), largest)),
  );
}

/** Whether T(row, column, position) = T0(row, column) * m(position). */
function isUniform(
  images: readonly (readonly (Float64Array | undefined)[])[],
  rowOf: Int32Array,
  positionOf: Int32Array,
  lead: { readonly pattern: number; readonly row: number; readonly column: number; readonly position: number },
  largest: number,
  at: (pattern: number, row: number, column: number, position: number) => number,
): boolean {
  const leadValue = at(lead.pattern, lead.row, lead.column, lead.position);
  return images.every((columns, pattern) =>
    columns.every((image, column) =>
      rowOf.every((row, flat) => {
        const value = image ? image[flat]! : 0;
        const m = at(pattern, lead.row, lead.column, positionOf[flat]!) / leadValue;
        return Math.abs(value - at(lead.pattern, row, column, lead.position) * m) < 1e-10 * largest;
      }),
    ),
  );
}

function sliceAt(out: Channels, input: Channels, value: (row: number, column: number) => number, largest: number): Slice {
  const byColumn: { row: number; value: number }[][] = Array.from({ length: input.count }, () => []);
  const byRow: { column: number; value: number }[][] = Array.from({ length: out.count }, () => []);
  for (let row = 0; row < out.count; row++) {
    for (let column = 0; column < input.count; column++) {
      const v = value(row, column);
      if (Math.abs(v) <= 1e-11 * largest) continue;
      byColumn[column]!.push({ row, value: v });
      byRow[row]!.push({ column, value: v });
    }
  }
  return { byColumn, byRow };
}

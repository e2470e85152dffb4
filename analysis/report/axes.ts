/**
 * @file The axis-label export: for every parameter one integer per axis, equal where axes are one coordinate system and -1
 * where nothing may act; and the branches that may change places. What libraries that permute, merge or embed weights work from.
 */
import type { Shape } from "../graph/tensor";
import type { ModelAnalysis } from "../symmetry/analysis";
import type { Address, Exchange, MovedSlot } from "../symmetry/symmetry";

/**
 * One axis: the number of its space, or -1. A product axis has a list, one number per factor, outermost first. A
 * concatenation has one record per segment.
 */
export type AxisLabel = number | readonly number[] | readonly SegmentLabel[];

/** Entries [start, end) of an axis that is a concatenation. */
export interface SegmentLabel {
  readonly start: number;
  readonly end: number;
  readonly label: number | readonly number[];
}

/** Labels of one model. */
export interface AxisLabels {
  readonly name: string;
  /** Sizes of the spaces by label. */
  readonly sizes: readonly number[];
  /** Whether entries of the space may be permuted, by label. */
  readonly permutable: readonly boolean[];
  /**
   * By parameter, trained ones and those that are permuted along (running statistics); of a tensor that holds several weights also
   * by slice (`w[0]`), where spaces act on single slices.
   */
  readonly axes: Readonly<Record<string, readonly AxisLabel[]>>;
  /** Pairs of branches that may change places, with what of theirs does. */
  readonly swaps: readonly Exchange[];
  /**
   * Exchanges of parts of units, and those that change signs: the group, the labels of the spaces whose units' parts they are, and
   * generators. Conjugated by permutations of units they are the exchanges of all units.
   */
  readonly exchanges: readonly {
    readonly group: string;
    readonly spaces: readonly number[];
    readonly generators: readonly (readonly MovedSlot[])[];
  }[];
}

/** The labels of a model; its spaces in the order of the public JSON. */
export function axisLabels(name: string, analysis: ModelAnalysis): AxisLabels {
  const places = new Map<string, { address: Address; label: number }[]>();
  const slices = new Map<string, Shape>();
  analysis.spaces.forEach((space, label) => {
    for (const address of space.acts) {
      const key = `${address.slice?.name ?? address.parameter}/${address.slice?.axis ?? address.axis}`;
      if (address.slice) slices.set(address.slice.name, address.slice.shape);
      const known = places.get(key);
      if (known) known.push({ address, label });
      else places.set(key, [{ address, label }]);
    }
  });
  const axes: Record<string, readonly AxisLabel[]> = {};
  for (const p of analysis.graph.parameters.values()) {
    const labels = p.shape.map((size, axis) => axisLabel(places.get(`${p.name}/${axis}`) ?? [], size));
    if (p.trainable || labels.some((l) => l !== -1)) axes[p.name] = labels;
  }
  for (const [name, shape] of slices)
    axes[name] = shape.map((size, axis) => axisLabel(places.get(`${name}/${axis}`) ?? [], size));
  return {
    name,
    sizes: analysis.spaces.map((s) => s.size),
    permutable: analysis.spaces.map((s) => s.permutable),
    axes,
    swaps: analysis.symmetries.flatMap((s) => s.exchange?.() ?? []),
    exchanges: analysis.symmetries.flatMap((s) =>
      s.moves && !s.exchange ? [{ group: s.group, spaces: s.spaces, generators: s.moves() }] : [],
    ),
  };
}

function axisLabel(found: readonly { address: Address; label: number }[], size: number): AxisLabel {
  const segments = new Map<string, { start: number; end: number; label: number | number[] }>();
  for (const { address, label } of found) {
    const [start, end] = address.segment ?? [0, size];
    const key = `${start}:${end}`;
    const { factors, factor } = address;
    if (factors === undefined || factor === undefined) {
      segments.set(key, { start, end, label });
      continue;
    }
    const known = segments.get(key)?.label;
    const labels = Array.isArray(known) && known.length === factors.length ? known : factors.map(() => -1);
    labels[factor] = label;
    segments.set(key, { start, end, label: labels });
  }
  const sorted = [...segments.values()].sort((a, b) => a.start - b.start);
  const [only] = sorted;
  if (only === undefined) return -1;
  if (sorted.length === 1 && only.start === 0 && only.end === size) return only.label;
  const out: SegmentLabel[] = [];
  let at = 0;
  for (const s of sorted) {
    if (s.start > at) out.push({ start: at, end: s.start, label: -1 });
    out.push(s);
    at = s.end;
  }
  if (at < size) out.push({ start: at, end: size, label: -1 });
  return out;
}

/**
 * @file The channel index of a tensor: which of its entries a matrix field mixes. Free factors of its axes make the
 * channels, pinned factors the positions; a field acts on the channels alike at every position.
 */
import type { AxisLayout, AxisSegment } from "../../graph/axes";
import { elementCount, type Shape } from "../../graph/tensor";

/** Entries of a tensor by channel and position. */
export interface Channels {
  readonly count: number;
  /** Flat indices of a channel's entries, one per position, in matching order within a kind. */
  readonly entries: readonly Int32Array[];
  /** Channels of equal kind have matching positions; only those may mix. */
  readonly kinds: Int32Array;
  /** Which axes of the tensor the channel index varies along. */
  readonly axes: readonly number[];
  /** Root atoms of the free factors. */
  readonly atoms: readonly number[];
  /** Where a channel is along each free factor: atoms with positions. */
  coordinates(channel: number): ReadonlyMap<number, number>;
}

interface AxisEntry {
  /** Ordinal of the channel coordinate along this axis. */
  readonly channel: number;
  /** Ordinal of the segment's pattern of pinned sizes. */
  readonly pattern: number;
}

/** The channels of one axis. */
interface AxisChannels {
  readonly entries: AxisEntry[];
  readonly channels: number;
  readonly patterns: number;
  readonly atoms: number[];
  /** Atoms with positions, per channel. */
  readonly places: readonly (readonly (readonly [atom: number, at: number])[])[];
}

/**
 * The channels of a tensor with the given axis layouts; one channel that holds everything where no factor is free or the
 * layouts are unknown.
 */
export function channelsOf(shape: Shape, layouts: readonly AxisLayout[] | undefined): Channels {
  const perAxis = shape.map((size, axis) => axisEntries(size, layouts?.[axis]));
  const total = elementCount(shape);
  const channelCounts = perAxis.map((a) => a.channels);
  const patternCounts = perAxis.map((a) => a.patterns);
  const count = channelCounts.reduce((a, b) => a * b, 1);
  const lists: number[][] = Array.from({ length: count }, () => []);
  const kinds = new Int32Array(count);
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < total; flat++) {
    let channel = 0;
    let kind = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      const entry = perAxis[axis]!.entries[index[axis]!]!;
      channel = channel * channelCounts[axis]! + entry.channel;
      kind = kind * patternCounts[axis]! + entry.pattern;
    }
    lists[channel]!.push(flat);
    kinds[channel] = kind;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return {
    count,
    entries: lists.map((l) => Int32Array.from(l)),
    kinds,
    axes: perAxis.flatMap((a, axis) => (a.channels > 1 ? [axis] : [])),
    atoms: [...new Set(perAxis.flatMap((a) => a.atoms))],
    coordinates(channel) {
      const out = new Map<number, number>();
      let rest = channel;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        const own = perAxis[axis]!.places[rest % channelCounts[axis]!];
        rest = Math.floor(rest / channelCounts[axis]!);
        for (const [atom, at] of own ?? []) out.set(atom, at);
      }
      return out;
    },
  };
}

/**
 * The atoms along which a matrix entry from one channel to another moves: those at which the two are in different places.
 */
export function atomsBetween(channels: Channels, row: number, column: number): readonly number[] {
  if (row === column) return [];
  const [a, b] = [channels.coordinates(row), channels.coordinates(column)];
  return [...new Set([...a.keys(), ...b.keys()])].filter((atom) => a.get(atom) !== b.get(atom));
}

function axisEntries(size: number, layout: AxisLayout | undefined): AxisChannels {
  const segments: readonly AxisSegment[] = layout ?? [];
  const covered = segments.reduce((n, s) => n + lengthOf(s), 0);
  // Entries that were told apart are channels of one entry each: the two halves of a single rotary pair.
  const isFree = segments.some((s) => s.some((f) => !f.pinned && (f.size > 1 || segments.length > 1)));
  if (!isFree || covered !== size) {
    const entries = Array.from({ length: size }, () => ({ channel: 0, pattern: 0 }));
    return { entries, channels: 1, patterns: 1, atoms: [], places: [] };
  }
  const entries: AxisEntry[] = [];
  const patterns = new Map<string, number>();
  const atoms = new Set<number>();
  const places: (readonly [number, number])[][] = [];
  let channels = 0;
  for (const segment of segments) {
    // Next to free segments, a segment of pinned factors only is a row of fixed channels.
    const free = segment.map((f) => !f.pinned || segment.every((g) => g.pinned));
    for (const [k, f] of segment.entries()) if (free[k] && !f.pinned && f.size > 1) atoms.add(f.atom);
    const pattern = segment.flatMap((f, k) => (free[k] || f.size === 1 ? [] : [f.size])).join("x");
    if (!patterns.has(pattern)) patterns.set(pattern, patterns.size);
    const length = lengthOf(segment);
    let own = 0;
    for (let at = 0; at < length; at++) {
      let rest = at;
      let channel = 0;
      let weight = 1;
      const place: [number, number][] = [];
      for (let k = segment.length - 1; k >= 0; k--) {
        const digit = rest % segment[k]!.size;
        rest = Math.floor(rest / segment[k]!.size);
        if (!free[k]) continue;
        if (!segment[k]!.pinned && segment[k]!.size > 1) place.push([segment[k]!.atom, digit]);
        channel += digit * weight;
        weight *= segment[k]!.size;
      }
      own = weight;
      places[channels + channel] ??= place;
      entries.push({ channel: channels + channel, pattern: patterns.get(pattern)! });
    }
    channels += own;
  }
  return { entries, channels, patterns: patterns.size, atoms: [...atoms], places };
}

function lengthOf(segment: AxisSegment): number {
  return segment.reduce((n, f) => n * f.size, 1);
}

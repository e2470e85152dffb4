/**
 * @file Addresses on slices of parameters as addresses on the parameters. Where a space acts on all slices alike, it acts on the
 * tensor; elsewhere the slice is named.
 */
import { type ParameterSlice, type ParameterSlices, sliceName } from "../../graph/slices";
import type { Address } from "../symmetry";

/** An address on a tensor, and the part of the tensor that it is in: whole along the address's own axis, whose segment tells. */
interface Place {
  readonly address: Address;
  readonly part: Omit<ParameterSlice, "parameter">;
}

/**
 * The addresses of a space of `size` entries. Those on slices that differ in nothing but which entries of a tensor they hold,
 * and hold all of them together, become one.
 */
export function onWholeTensors(acts: readonly Address[], size: number, slices: ParameterSlices): Address[] {
  const out: Address[] = [];
  const places = new Map<string, Place[]>();
  for (const address of acts) {
    const slice = slices.get(address.parameter);
    if (!slice) {
      out.push(address);
      continue;
    }
    const place = placeOf(address, slice);
    const known = places.get(slice.whole.name);
    if (known) known.push(place);
    else places.set(slice.whole.name, [place]);
  }
  for (const own of places.values()) {
    let left = own;
    const rank = own[0]!.part.whole.shape.length;
    for (let axis = rank - 1; axis >= 0; axis--) left = joinedAlong(left, axis);
    out.push(...alongCut(left, size).map(withSlice));
  }
  return out;
}

function placeOf(address: Address, { whole, ranges, axes }: ParameterSlice): Place {
  const axis = axes[address.axis]!;
  const [start, end] = ranges[axis]!;
  const { segment = [0, end - start] as const, ...rest } = address;
  const [from, to] = [start + segment[0], start + segment[1]];
  const isWhole = from === 0 && to === whole.shape[axis];
  return {
    address: { ...rest, parameter: whole.name, axis, ...(isWhole ? {} : { segment: [from, to] as const }) },
    part: { whole, axes, ranges: ranges.map((r, k) => (k === axis ? [0, whole.shape[k]!] : r)) },
  };
}

/** The address with the name of the part that it is in, where that is not all. */
function withSlice({ address, part }: Place): Address {
  if (isAll(part)) return address;
  const sizeOf = (axis: number) => part.ranges[axis]![1] - part.ranges[axis]![0];
  const axes = part.axes.filter((axis) => sizeOf(axis) > 1 || part.whole.shape[axis] === 1);
  return { ...address, slice: { name: sliceName(part), axis: axes.indexOf(address.axis), shape: axes.map(sizeOf) } };
}

function isAll({ ranges, whole }: Place["part"]): boolean {
  return ranges.every(([start, end], k) => start === 0 && end === whole.shape[k]!);
}

/** Places that are the same but for the entries along one axis, and have all of those, as one. */
function joinedAlong(places: readonly Place[], axis: number): Place[] {
  const groups = new Map<string, Place[]>();
  for (const p of places) {
    const key = JSON.stringify([p.address, p.part.ranges.filter((_, k) => k !== axis)]);
    const known = groups.get(key);
    if (known) known.push(p);
    else groups.set(key, [p]);
  }
  return [...groups.values()].flatMap((group) => {
    const { part, address } = group[0]!;
    const size = part.whole.shape[axis]!;
    const held = group.reduce((n, p) => n + p.part.ranges[axis]![1] - p.part.ranges[axis]![0], 0);
    if (group.length < 2 || axis === address.axis || held !== size) return group;
    const ranges = part.ranges.map((r, k): readonly [number, number] => (k === axis ? [0, size] : r));
    const axes = part.axes.includes(axis) ? part.axes : [...part.axes, axis].sort((a, b) => a - b);
    return [{ address, part: { ...part, ranges, axes } }];
  });
}

/** Segments of one axis that follow each other: a run of pieces of the space, or the space once or several times per piece. */
function alongCut(places: readonly Place[], size: number): Place[] {
  const isPlain = (p: Place) => p.address.segment !== undefined && isAll(p.part) && (isOnce(p) || isRepeated(p, size));
  const plain = places.filter(isPlain).sort((a, b) => a.address.axis - b.address.axis || start(a) - start(b));
  const out: Place[] = [];
  for (let k = 0; k < plain.length; ) {
    const first = plain[k]!;
    const run = [first];
    while (k + run.length < plain.length) {
      const next = plain[k + run.length]!;
      if (next.address.axis !== first.address.axis || start(next) !== end(run.at(-1)!)) break;
      run.push(next);
    }
    out.push(...joinedRun(run, size));
    k += run.length;
  }
  return [...out, ...places.filter((p) => !isPlain(p))];
}

function isOnce({ address }: Place): boolean {
  return address.factors === undefined;
}

/** Whether a segment has all of the space several times, one after the other: gates. */
function isRepeated({ address }: Place, size: number): boolean {
  return address.factor === 1 && address.factors?.length === 2 && address.factors[1] === size;
}

function joinedRun(run: readonly Place[], size: number): readonly Place[] {
  const [first] = run;
  if (!first || run.length < 2) return run;
  const { address, part } = first;
  const { segment: _, factors: _factors, factor: _factor, ...rest } = address;
  const [from, to] = [start(first), end(run.at(-1)!)];
  const isWhole = from === 0 && to === part.whole.shape[address.axis];
  if (isWhole && run.every((p) => isRepeated(p, size) || end(p) - start(p) === size))
    return [{ part, address: { ...rest, factors: [to / size, size], factor: 1 } }];
  if (to - from > size || !run.every(isOnce)) return run;
  return [{ part, address: isWhole ? rest : { ...rest, segment: [from, to] } }];
}

function start({ address }: Place): number {
  return address.segment?.[0] ?? 0;
}

function end({ address }: Place): number {
  return address.segment?.[1] ?? 0;
}

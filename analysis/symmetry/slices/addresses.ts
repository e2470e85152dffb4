/**
 * @file Addresses on slices of parameters as addresses on the parameters. Where a space acts on all slices alike, it acts on the
 * tensor; elsewhere the slice is named.
 */
import { axisOfFactor, type ParameterSlice, type ParameterSlices, type SlicePlace, sliceName } from "../../graph/slices";
import type { Address } from "../symmetry";

/**
 * An address on a tensor in the shape of the factors that its axes are read as, and the part of that tensor that it is in: whole
 * along the address's own axis, whose segment tells.
 */
interface Place {
  readonly address: Address;
  readonly part: SlicePlace;
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
    if (!place) {
      out.push(withoutPlace(address, slice));
      continue;
    }
    // Slices of one tensor are told together where they read it in one shape.
    const key = `${slice.whole.name} ${JSON.stringify(slice.factors)}`;
    const known = places.get(key);
    if (known) known.push(place);
    else places.set(key, [place]);
  }
  for (const own of places.values()) {
    let left = own;
    const rank = own[0]!.part.ranges.length;
    for (let axis = rank - 1; axis >= 0; axis--) left = joinedAlong(left, axis);
    out.push(...alongCut(left, size).map(withSlice));
  }
  return out;
}

/** Where an address on a slice is; undefined where that is in no single factor of an axis. */
function placeOf(address: Address, { whole, factors, ranges, axes, parameter }: ParameterSlice): Place | undefined {
  const list = axes[address.axis]!;
  const [only] = list;
  if (only !== undefined && list.length === 1) return along(address, { whole, factors, ranges, axes }, only);
  const fixed = [...ranges];
  let [from, to] = address.segment ?? [0, parameter.shape[address.axis]!];
  let inner = parameter.shape[address.axis]!;
  // What is in one entry of an outer factor is told of that entry alone.
  for (const [k, axis] of list.entries()) {
    const [start, end] = ranges[axis]!;
    inner /= end - start;
    const rest = list.slice(k + 1);
    const index = Math.floor(from / inner);
    if (rest.length > 0 && Math.floor((to - 1) / inner) === index) {
      fixed[axis] = [start + index, start + index + 1];
      from -= index * inner;
      to -= index * inner;
      continue;
    }
    if (from % inner !== 0 || to % inner !== 0) return undefined;
    return inside(address, { whole, factors, axes, ranges: fixed }, list.slice(k), [from / inner, to / inner]);
  }
  return undefined;
}

/** The place of an address along an axis that is one factor. */
function along({ segment, ...rest }: Address, part: SlicePlace, axis: number): Place {
  const [start, end] = part.ranges[axis]!;
  const [from, to] = segment ?? [0, end - start];
  const size = part.factors.flat()[axis]!;
  const isWhole = start + from === 0 && start + to === size;
  const range = isWhole ? {} : { segment: [start + from, start + to] as const };
  return {
    address: { ...rest, parameter: part.whole.name, axis, ...range },
    part: { ...part, ranges: part.ranges.map((r, k): readonly [number, number] => (k === axis ? [0, size] : r)) },
  };
}

/** The place of an address whose segment is a range of the first of these factors and all of the others. */
function inside(
  { segment: _, factors: sizes, factor, ...rest }: Address,
  part: SlicePlace,
  list: readonly number[],
  [from, to]: readonly [number, number],
): Place | undefined {
  const lengths = list.map((axis, k) => (k === 0 ? to - from : part.ranges[axis]![1] - part.ranges[axis]![0]));
  const inner = (all: readonly number[], k: number): number => all.slice(k + 1).reduce((n, d) => n * d, 1);
  // Entries of the axis between two of the address, and up to where they repeat.
  const step = sizes && factor !== undefined ? inner(sizes, factor) : 1;
  const period = sizes && factor !== undefined ? step * sizes[factor]! : lengths.reduce((n, d) => n * d, 1);
  const k = lengths.findIndex((n, i) => step % inner(lengths, i) === 0 && (n * inner(lengths, i)) % period === 0);
  if (k < 0) return undefined;
  const axis = list[k]!;
  const own = period / step;
  const within = step / inner(lengths, k);
  const outside = lengths[k]! / (own * within);
  const split = [outside, own, within];
  const kept = split.filter((n, i) => i === 1 || n > 1);
  const [start] = part.ranges[list[0]!]!;
  const ranges = part.ranges.map((r, j): readonly [number, number] => (j === list[0] ? [start + from, start + to] : r));
  const product = kept.length > 1 ? { factors: kept, factor: outside > 1 ? 1 : 0 } : {};
  return along({ ...rest, ...product }, { ...part, ranges }, axis);
}

/** The address in a slice whose axis is a product that the address does not follow. */
function withoutPlace(address: Address, slice: ParameterSlice): Address {
  const { whole, factors, axes, parameter } = slice;
  const axis = axisOfFactor(factors, axes[address.axis]![0]!);
  const name = `${sliceName(slice)}.reshape(${parameter.shape.join(", ")})`;
  return { ...address, parameter: whole.name, axis, slice: { name, axis: address.axis, shape: parameter.shape } };
}

/** The address with the name of the part that it is in, where that is not all. */
function withSlice({ address, part }: Place): Address {
  const view = part.factors.flat();
  const axis = axisOfFactor(part.factors, address.axis);
  const first = part.factors.slice(0, axis).reduce((n, list) => n + list.length, 0);
  const own = part.factors[axis]!;
  if (isAll(part)) {
    if (own.length === 1) return { ...address, axis };
    const product = inProduct(address, own, address.axis - first);
    if (product) return { ...product, axis };
  }
  const kept = new Set(part.axes.flat());
  const sizeOf = (k: number) => part.ranges[k]![1] - part.ranges[k]![0];
  const axes = view.flatMap((n, k) => (kept.has(k) && (sizeOf(k) > 1 || n === 1) ? [k] : []));
  return { ...address, axis, slice: { name: sliceName(part), axis: axes.indexOf(address.axis), shape: axes.map(sizeOf) } };
}

/** An address on one of the factors of an axis as one on the axis; undefined for part of a factor. */
function inProduct(address: Address, sizes: readonly number[], at: number): Address | undefined {
  if (address.segment) return undefined;
  const { factors = [sizes[at]!], factor = 0 } = address;
  const product = (list: readonly number[]): number => list.reduce((n, d) => n * d, 1);
  const before = product([...sizes.slice(0, at), ...factors.slice(0, factor)]);
  const after = product([...factors.slice(factor + 1), ...sizes.slice(at + 1)]);
  const split = [before, factors[factor]!, after];
  return { ...address, factors: split.filter((n, i) => i === 1 || n > 1), factor: before > 1 ? 1 : 0 };
}

function isAll({ ranges, factors }: SlicePlace): boolean {
  const view = factors.flat();
  return ranges.every(([start, end], k) => start === 0 && end === view[k]!);
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
    const size = part.factors.flat()[axis]!;
    const held = group.reduce((n, p) => n + p.part.ranges[axis]![1] - p.part.ranges[axis]![0], 0);
    if (group.length < 2 || axis === address.axis || held !== size) return group;
    const ranges = part.ranges.map((r, k): readonly [number, number] => (k === axis ? [0, size] : r));
    const axes = part.axes.some((list) => list.includes(axis)) ? part.axes : [...part.axes, [axis]];
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
  const isWhole = from === 0 && to === part.factors.flat()[address.axis];
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

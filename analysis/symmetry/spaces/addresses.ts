/** @file Where a space acts, as addresses: parameter, axis, segment and factor. */
import type { Address } from "../symmetry";
import type { InferredAxes } from "./infer";
import type { Occurrence } from "./occurrences";
import type { AtomSpace } from "./spaces";

/** Where a space acts, in the notation of addresses; neighbouring pieces of one axis are joined. */
export function spaceAddresses(axes: InferredAxes, space: AtomSpace): Address[] {
  const few = addressesOfFew(axes, space);
  if (few !== undefined) return few;
  // What is on one axis mostly follows each other.
  const byAxis: Occurrence[][] = [];
  const known = new Map<number, Occurrence[][]>();
  let last: Occurrence[] | undefined;
  for (const o of space.occurrences) {
    if (last === undefined || last[0]!.value !== o.value || last[0]!.axis !== o.axis) {
      const ofParameter = known.get(o.value) ?? [];
      if (ofParameter.length === 0) known.set(o.value, ofParameter);
      last = ofParameter[o.axis];
      if (last === undefined) {
        last = [];
        ofParameter[o.axis] = last;
        byAxis.push(last);
      }
    }
    last.push(o);
  }
  return byAxis.flatMap((occurrences) => axisAddresses(axes, occurrences, space.size));
}

/** Occurrences up to which they are compared with each other. */
const FEW = 6;

/** The addresses of a space that is on a handful of axes, alone on each of them, as most are; undefined for others. */
function addressesOfFew(axes: InferredAxes, { occurrences, size }: AtomSpace): Address[] | undefined {
  if (occurrences.length > FEW) return undefined;
  for (let i = 0; i < occurrences.length; i++) {
    const { value, axis, factors } = occurrences[i]!;
    if (factors.length !== 1 && occurrences.length > 1) return undefined;
    for (let k = 0; k < i; k++) if (occurrences[k]!.value === value && occurrences[k]!.axis === axis) return undefined;
  }
  if (occurrences.length === 1) return axisAddresses(axes, occurrences, size);
  return occurrences.map((o) => wholeAxis(axes, o));
}

/** Where an occurrence without further factors is. */
function wholeAxis(axes: InferredAxes, { parameter, value, axis, start, end }: Occurrence): Address {
  const whole = axes.numbering.types[value]!.shape![axis]!;
  return start === 0 && end === whole ? { parameter, axis } : { parameter, axis, segment: [start, end] };
}

function axisAddresses(axes: InferredAxes, occurrences: readonly Occurrence[], spaceSize: number): Address[] {
  const { parameter, value, axis } = occurrences[0]!;
  const layout = axes.layoutsOf(value)![axis]!;
  const whole = axes.numbering.types[value]!.shape![axis]!;
  if (occurrences.length === 1 && occurrences[0]!.factors.length === 1) return [wholeAxis(axes, occurrences[0]!)];
  const sorted = [...occurrences].sort((a, b) => a.start - b.start || a.factor - b.factor);
  // One atom over and over: the gates of a recurrent cell.
  if (
    layout.length > 1 &&
    sorted.length === layout.length &&
    sorted.every((o) => o.factors.length === 1 && o.atoms[0] === sorted[0]!.atoms[0])
  ) {
    return [{ parameter, axis, factors: [layout.length, sorted[0]!.factors[0]!], factor: 1 }];
  }
  const repeated = repeatedEntries(sorted, spaceSize);
  if (repeated) {
    const { start, end } = repeated;
    const place = { parameter, axis, factors: [spaceSize, (end - start) / spaceSize], factor: 0 };
    return [start === 0 && end === whole ? place : { ...place, segment: [start, end] }];
  }
  const out: Address[] = [];
  let run: { start: number; end: number; size: number } | undefined;
  const flush = () => {
    if (!run) return;
    out.push(run.start === 0 && run.end === whole ? { parameter, axis } : { parameter, axis, segment: [run.start, run.end] });
    run = undefined;
  };
  for (const o of sorted) {
    const size = o.end - o.start;
    if (meaningful(o.factors) > 1) {
      flush();
      const place = { parameter, axis, factors: o.factors, factor: o.factor };
      out.push(o.start === 0 && o.end === whole ? place : { ...place, segment: [o.start, o.end] });
    } else if (run && run.end === o.start && run.size + size <= spaceSize) {
      run.end = o.end;
      run.size += size;
    } else {
      flush();
      run = { start: o.start, end: o.end, size };
    }
  }
  flush();
  return out;
}

/** Where single entries of a space follow each other, each equally often in a row: a gate and its values that alternate. */
function repeatedEntries(
  sorted: readonly Occurrence[],
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const times = sorted.length / size;
  if (times < 2 || !Number.isInteger(times)) return undefined;
  const start = sorted[0]!.start;
  const isNext = (o: Occurrence, i: number): boolean =>
    o.factors.length === 1 &&
    o.start === start + i &&
    o.end === o.start + 1 &&
    (i % times === 0 || o.atoms[0] === sorted[i - 1]!.atoms[0]);
  return sorted.every(isNext) ? { start, end: start + sorted.length } : undefined;
}

/** Number of factors larger than one. */
function meaningful(factors: readonly number[]): number {
  return factors.filter((n) => n > 1).length;
}

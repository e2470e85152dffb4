/** @file Permutations of a channel space acting on parameters: entries move along every axis that the space is on. */
import type { InferredAxes } from "../spaces/infer";
import type { Occurrence } from "../spaces/occurrences";
import type { AtomSpace } from "../spaces/spaces";
import type { ParameterValues, UnitBlock } from "../symmetry";

/** A permutation per index of the enclosing space (one for all when there is none): entry i goes to permutation[i]. */
export type PermutationElement = readonly (readonly number[])[];

/**
 * A random element: independent permutations per index of the enclosing space, not all of which leave everything as it is: that
 * would check nothing. Some may, so that the copies of a space of two are seen to move apart from one another.
 */
export function randomPermutation(size: number, copies: number, random: () => number): PermutationElement {
  const isIdentity = (p: readonly number[]): boolean => p.every((to, i) => to === i);
  const element = Array.from({ length: copies }, () => {
    const p = Array.from({ length: size }, (_, i) => i);
    for (let i = size - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [p[i], p[j]] = [p[j]!, p[i]!];
    }
    return p;
  });
  if (!element.every(isIdentity)) return element;
  return element.map((p, copy) => (copy === 0 ? p.map((_, i) => (i + 1) % size) : p));
}

/** Entries up to which a loop copies faster than a view. */
const SHORT = 32;

/** Entries of the array that is kept between calls. */
const MOST_KEPT = 2 ** 22;

let kept = new Float64Array(0);

/** An array of at least so many entries, whatever they are: memory that has just been used costs less than new one. */
function scratchOf(size: number): Float64Array {
  if (size > MOST_KEPT) return new Float64Array(size);
  if (kept.length < size) kept = new Float64Array(size);
  return kept;
}

/** A permutation space ready to act: where each entry of each axis goes. */
export class PermutationAction {
  /** First entry of each atom within the space. */
  private readonly offsets = new Map<number, number>();
  private readonly byParameter = new Map<string, Map<number, Occurrence[]>>();
  /** The segments that answer to one, by atom. */
  private readonly known = new Map<Occurrence, ReadonlyMap<number, Occurrence>>();
  readonly copies: number;

  /** `enclosing` is the atom that the space is fibred over, if any. */
  constructor(
    private readonly axes: InferredAxes,
    readonly space: AtomSpace,
    private readonly enclosing: number | undefined,
    private readonly shape: (parameter: string) => readonly number[],
  ) {
    let offset = 0;
    for (const a of space.atoms) {
      this.offsets.set(a, offset);
      offset += axes.atoms.sizeOf(a);
    }
    this.copies = enclosing === undefined ? 1 : axes.atoms.sizeOf(enclosing);
    for (const o of space.occurrences) {
      let byAxis = this.byParameter.get(o.parameter);
      if (!byAxis) {
        byAxis = new Map();
        this.byParameter.set(o.parameter, byAxis);
      }
      const list = byAxis.get(o.axis);
      if (list) list.push(o);
      else byAxis.set(o.axis, [o]);
    }
  }

  /** The parameters that are permuted. */
  get parameters(): readonly string[] {
    return [...this.byParameter.keys()];
  }

  /** New values of the parameters that move; arrays that are `owned` are overwritten. */
  act(weights: ParameterValues, element: PermutationElement, owned?: ReadonlySet<Float64Array>): ParameterValues {
    const out = new Map<string, Float64Array>();
    for (const [parameter, byAxis] of this.byParameter) {
      const given = weights.get(parameter);
      if (!given) continue;
      const values = owned?.has(given) ? given : given.slice();
      for (const [axis, occurrences] of byAxis) this.alongAxis(parameter, axis, occurrences, values, element);
      out.set(parameter, values);
    }
    return out;
  }

  /** Where the units of the space are, axis by axis; corresponding features of all units stand in equal order. */
  units(): UnitBlock[] {
    const size = this.space.size;
    const shift = Array.from({ length: this.copies }, () => Array.from({ length: size }, (_, i) => (i + 1) % size));
    return [...this.byParameter].flatMap(([parameter, byAxis]) =>
      [...byAxis].flatMap(([axis, occurrences]) => this.unitsAlongAxis(parameter, axis, occurrences, shift)),
    );
  }

  private unitsAlongAxis(
    parameter: string,
    axis: number,
    occurrences: readonly Occurrence[],
    shift: PermutationElement,
  ): UnitBlock[] {
    const size = this.space.size;
    const shape = this.shape(parameter);
    const n = shape[axis]!;
    const inner = shape.slice(axis + 1).reduce((m, d) => m * d, 1);
    const outer = shape.slice(0, axis).reduce((m, d) => m * d, 1);
    const targets = this.targets(n, occurrences, shift, 0);
    const copyOf = this.copyAlongOtherAxis(parameter, axis, shape);
    // Positions of first units, with the copy where the segment itself tells it; the shift leads from unit to unit.
    const first = this.space.atoms.find((a) => this.offsets.get(a) === 0);
    const starts: { readonly at: number; readonly copy: number | undefined }[] = [];
    for (const o of occurrences) {
      if (o.atoms[o.factor] !== first) continue;
      const within = o.factors.slice(o.factor + 1).reduce((m, d) => m * d, 1);
      for (let p = 0; p < o.end - o.start; p++) {
        if (Math.floor(p / within) % o.factors[o.factor]! === 0) starts.push({ at: o.start + p, copy: this.copyInSegment(o, p) });
      }
    }
    const features = new Map<number, number[][]>();
    for (const start of starts) {
      const positions = [start.at];
      while (positions.length < size) positions.push(targets[positions.at(-1)!]!);
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < inner; i++) {
          const flat = positions.map((p) => (o * n + p) * inner + i);
          const copy = start.copy ?? copyOf?.(flat[0]!) ?? 0;
          const list = features.get(copy);
          if (list) list.push(flat);
          else features.set(copy, [flat]);
        }
      }
    }
    return [...features].map(([copy, list]) => {
      const flat = new Int32Array(size * list.length);
      list.forEach((of, k) => {
        for (let u = 0; u < size; u++) flat[u * list.length + k] = of[u]!;
      });
      return { parameter, axis, copy, units: size, features: list.length, flat };
    });
  }

  /** Moves entries along one axis, in place. */
  private alongAxis(
    parameter: string,
    axis: number,
    occurrences: readonly Occurrence[],
    values: Float64Array,
    element: PermutationElement,
  ): void {
    const shape = this.shape(parameter);
    const targets = element.map((_, copy) => this.targets(shape[axis]!, occurrences, element, copy));
    const inner = shape.slice(axis + 1).reduce((n, d) => n * d, 1);
    const n = shape[axis]!;
    const slab = inner * n;
    const copyOf = this.copyAlongOtherAxis(parameter, axis, shape);
    const to = targets[0]!;
    const before = scratchOf(slab);
    for (let start = 0; start < values.length; start += slab) {
      // Short stretches are quicker by a loop than by a view.
      if (slab < SHORT) for (let i = 0; i < slab; i++) before[i] = values[start + i]!;
      else before.set(values.subarray(start, start + slab));
      if (copyOf) {
        for (let p = 0, i = 0; p < n; p++)
          for (let k = 0; k < inner; k++, i++) values[start + targets[copyOf(start + i)]![p]! * inner + k] = before[i]!;
      } else if (inner === 1) {
        for (let p = 0; p < n; p++) values[start + to[p]!] = before[p]!;
      } else {
        for (let p = 0; p < n; p++) {
          const from = p * inner;
          const goal = start + to[p]! * inner;
          if (inner < SHORT) for (let i = 0; i < inner; i++) values[goal + i] = before[from + i]!;
          else values.set(before.subarray(from, from + inner), goal);
        }
      }
    }
  }

  /** Where each position of an axis goes, for a fixed index of the enclosing space along another axis. */
  private targets(length: number, occurrences: readonly Occurrence[], element: PermutationElement, copy: number): Int32Array {
    const to = Int32Array.from({ length }, (_, i) => i);
    for (const layer of layers(occurrences)) {
      const at = new Array<Occurrence | undefined>(length);
      for (const o of layer) at.fill(o, o.start, o.end);
      for (let k = 0; k < length; k++) {
        const o = at[to[k]!];
        if (o === undefined) continue;
        const p = to[k]! - o.start;
        const unit = this.offsets.get(o.atoms[o.factor]!)! + (Math.floor(p / innerOf(o)) % o.factors[o.factor]!);
        to[k] = this.goal(occurrences, o, p, element[this.copyInSegment(o, p) ?? copy]![unit]!);
      }
    }
    return to;
  }

  /** Where position p of a segment goes when its entry of the space becomes another one. */
  private goal(occurrences: readonly Occurrence[], o: Occurrence, p: number, unit: number): number {
    const atom = o.atoms[o.factor]!;
    const inner = innerOf(o);
    const coordinate = Math.floor(p / inner) % o.factors[o.factor]!;
    const [targetAtom, targetCoordinate] = this.locate(unit);
    const other = targetAtom === atom ? o : this.partners(occurrences, o).get(targetAtom)!;
    return other.start + p + (targetCoordinate - coordinate) * inner;
  }

  /** The segments of an axis that answer to one: the r-th of one atom to the r-th of another one in an equal role. */
  private partners(occurrences: readonly Occurrence[], o: Occurrence): ReadonlyMap<number, Occurrence> {
    if (!this.known.has(o)) {
      const turns = new Map<string, Map<number, Occurrence>>();
      const counts = new Map<string, number>();
      for (const x of occurrences) {
        const [role, atom] = [roleOf(x), x.atoms[x.factor]!];
        const turn = counts.get(`${role} ${atom}`) ?? 0;
        counts.set(`${role} ${atom}`, turn + 1);
        const own = turns.get(`${role} ${turn}`) ?? new Map<number, Occurrence>();
        turns.set(`${role} ${turn}`, own.set(atom, x));
        this.known.set(x, own);
      }
    }
    return this.known.get(o)!;
  }

  /** The axes that the space is on. */
  places(): (readonly [parameter: string, axis: number])[] {
    return [...this.byParameter].flatMap(([p, byAxis]) => [...byAxis.keys()].map((axis) => [p, axis] as const));
  }

  /** Where each position of an axis goes, where copies lie along no other axis. */
  along(parameter: string, axis: number, element: PermutationElement): Int32Array {
    return this.targets(this.shape(parameter)[axis]!, this.byParameter.get(parameter)!.get(axis)!, element, 0);
  }

  /** Whether positions along each axis tell the copy: none lie along another axis. */
  areCopiesWithin(): boolean {
    return this.enclosing === undefined || this.space.occurrences.every((o) => this.copyInSegment(o, 0) !== undefined);
  }

  /** The copies that entries at a position of an axis belong to, as far as the position tells. */
  copiesAt(parameter: string, axis: number, position: number): number[] {
    const occurrences = this.byParameter.get(parameter)?.get(axis) ?? [];
    return occurrences
      .filter((o) => o.start <= position && position < o.end)
      .map((o) => this.copyInSegment(o, position - o.start) ?? 0);
  }

  /** The entries of the space that a position of an axis of a parameter belongs to: none, one, or several of one product. */
  unitsAt(parameter: string, axis: number, position: number): number[] {
    const occurrences = this.byParameter.get(parameter)?.get(axis) ?? [];
    return occurrences.flatMap((o) =>
      o.start <= position && position < o.end
        ? [this.offsets.get(o.atoms[o.factor]!)! + (Math.floor((position - o.start) / innerOf(o)) % o.factors[o.factor]!)]
        : [],
    );
  }

  /** The position of another entry of the space that answers to this one, where it belongs to one entry. */
  answering(parameter: string, axis: number, position: number, unit: number): number {
    const occurrences = this.byParameter.get(parameter)!.get(axis)!;
    const o = occurrences.find((x) => x.start <= position && position < x.end)!;
    return this.goal(occurrences, o, position - o.start, unit);
  }

  /** Whether the space is on an axis of two parameters in the same way: whatever permutes it moves the same positions of both. */
  isAlike(one: string, other: string, axis: number): boolean {
    const [a, b] = [one, other].map((p) => this.byParameter.get(p)?.get(axis) ?? []);
    const text = (o: Occurrence): string => `${o.start} ${o.end} ${o.factors.join()} ${o.factor} ${o.atoms.join()}`;
    return a!.length === b!.length && a!.every((o, i) => text(o) === text(b![i]!));
  }

  private locate(index: number): readonly [atom: number, coordinate: number] {
    for (const a of this.space.atoms) {
      const start = this.offsets.get(a)!;
      if (index < start + this.axes.atoms.sizeOf(a)) return [a, index - start];
    }
    throw new RangeError(`index ${index} is outside of a space of size ${this.space.size}`);
  }

  /** Index of the enclosing space at position p of a segment that has it as a factor. */
  private copyInSegment(o: Occurrence, p: number): number | undefined {
    if (this.enclosing === undefined) return undefined;
    const at = o.atoms.indexOf(this.enclosing);
    if (at < 0) return o.outside?.get(this.enclosing);
    const inner = o.factors.slice(at + 1).reduce((n, d) => n * d, 1);
    return Math.floor(p / inner) % o.factors[at]!;
  }

  /** The index of the enclosing space by flat position, where it lies along another axis of the parameter. */
  private copyAlongOtherAxis(parameter: string, axis: number, shape: readonly number[]): ((flat: number) => number) | undefined {
    if (this.enclosing === undefined) return undefined;
    const layout = this.axes.layout(parameter)!;
    for (let k = 0; k < layout.length; k++) {
      if (k === axis || layout[k]!.length !== 1) continue;
      const segment = layout[k]![0]!;
      const at = segment.findIndex((f) => f.atom === this.enclosing);
      if (at < 0) continue;
      const within = segment.slice(at + 1).reduce((n, f) => n * f.size, 1);
      const stride = shape.slice(k + 1).reduce((n, d) => n * d, 1) * within;
      const size = segment[at]!.size;
      return (flat) => Math.floor(flat / stride) % size;
    }
    return undefined;
  }
}

/**
 * Occurrences along one axis in layers in which no two overlap: where both factors of a product are the space (an outer product of
 * units with themselves), entries move along one and then along the other.
 */
function layers(occurrences: readonly Occurrence[]): readonly (readonly Occurrence[])[] {
  const out: Occurrence[][] = [];
  for (const o of [...occurrences].sort((a, b) => a.start - b.start || a.factor - b.factor)) {
    const free = out.find((layer) => layer.at(-1)!.end <= o.start);
    if (free) free.push(o);
    else out.push([o]);
  }
  return out;
}

/** Number of positions of a segment for each entry of the factor that is meant. */
function innerOf(o: Occurrence): number {
  let n = 1;
  for (let i = o.factor + 1; i < o.factors.length; i++) n *= o.factors[i]!;
  return n;
}

/** What a segment holds besides the atom that is meant. */
function roleOf(o: Occurrence): string {
  return `${o.factor}:${o.atoms.map((a, i) => (i === o.factor ? "*" : a)).join()}`;
}

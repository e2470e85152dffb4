/** @file Permutations of a channel space acting on parameters: entries move along every axis that the space is on. */
import type { InferredAxes } from "../spaces/infer";
import type { AtomSpace, Occurrence } from "../spaces/spaces";
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
    // Pieces of one space in equal roles: the r-th segment of one atom answers to the r-th of another.
    const role = (o: Occurrence) => `${o.factor}:${o.atoms.map((a, i) => (i === o.factor ? "*" : a)).join()}`;
    const byRole = new Map<string, Map<number, Occurrence[]>>();
    for (const o of occurrences) {
      const atom = o.atoms[o.factor]!;
      const roles = byRole.get(role(o)) ?? new Map<number, Occurrence[]>();
      byRole.set(role(o), roles);
      const list = roles.get(atom);
      if (list) list.push(o);
      else roles.set(atom, [o]);
    }
    for (const o of occurrences) {
      const atom = o.atoms[o.factor]!;
      const repeats = byRole.get(role(o))!;
      const turn = repeats.get(atom)!.indexOf(o);
      const inner = o.factors.slice(o.factor + 1).reduce((n, d) => n * d, 1);
      const size = o.factors[o.factor]!;
      for (let p = 0; p < o.end - o.start; p++) {
        const coordinate = Math.floor(p / inner) % size;
        const inSpace = this.offsets.get(atom)! + coordinate;
        const target = element[this.copyInSegment(o, p) ?? copy]![inSpace]!;
        const [targetAtom, targetCoordinate] = this.locate(target);
        const other = targetAtom === atom ? o : repeats.get(targetAtom)![turn]!;
        to[o.start + p] = other.start + p + (targetCoordinate - coordinate) * inner;
      }
    }
    return to;
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

/** @file Shifts of values as sums of placed patterns, and the patterns that linear operators make of others. */
import type { Shape } from "../../graph/tensor";
import { broadcastPlacement, constantAxis, fullAxis, isConstant, type Placement, placementKey } from "./pattern";

/** A multiple of a pattern at its place in a value. */
export interface Term {
  readonly pattern: number;
  readonly coefficient: number;
  readonly placement: Placement;
}

/** How a value changes when the parameter is shifted. No terms: it does not. */
export interface Shift {
  readonly terms: readonly Term[];
  /** True where some entries, all far below the others, do not follow: scores that a mask took out of a softmax. */
  readonly masked: boolean;
}

/** More terms than a network's arithmetic has any use for. */
const MOST_TERMS = 8;

function termKey(term: Term): string {
  return `${term.pattern}@${placementKey(term.placement)}`;
}

/** A key that tells shifts apart, coefficients included. */
export function shiftKey(shift: Shift): string {
  return shift.terms.map((t) => `${t.coefficient}x${termKey(t)}`).join("+");
}

/** The sum of a shift and a multiple of another of the same shape; undefined where it has too many terms. */
export function addShifts(a: Shift, b: Shift, factor: number): Shift | undefined {
  const sum = new Map<string, Term>();
  for (const t of a.terms) sum.set(termKey(t), t);
  for (const t of b.terms) {
    const key = termKey(t);
    const known = sum.get(key);
    const coefficient = (known?.coefficient ?? 0) + factor * t.coefficient;
    const size = Math.max(Math.abs(known?.coefficient ?? 0), Math.abs(t.coefficient));
    if (Math.abs(coefficient) <= 1e-9 * size) sum.delete(key);
    else sum.set(key, { ...t, coefficient });
  }
  return sum.size > MOST_TERMS ? undefined : { terms: [...sum.values()], masked: a.masked || b.masked };
}

/** The shift times a number. */
export function scaleShift(shift: Shift, factor: number): Shift {
  if (factor === 0) return { terms: [], masked: shift.masked };
  return { ...shift, terms: shift.terms.map((t) => ({ ...t, coefficient: t.coefficient * factor })) };
}

/** The shift of the value broadcast to a shape. */
export function broadcastShift(shift: Shift, from: Shape, to: Shape): Shift {
  return mapPlacements(shift, (p) => broadcastPlacement(p, from, to))!;
}

/** The shift with every placement changed; undefined where one cannot be. */
export function mapPlacements(shift: Shift, change: (p: Placement) => Placement | undefined): Shift | undefined {
  const terms: Term[] = [];
  for (const t of shift.terms) {
    const placement = change(t.placement);
    if (placement === undefined) return undefined;
    terms.push({ ...t, placement });
  }
  return { ...shift, terms };
}

/** Whether the shift is the same at all indices of an axis; false for an axis that it does not have (shapes that contradict). */
export function isConstantAlong(shift: Shift, axis: number): boolean {
  return shift.terms.every(({ placement }) => axis < placement.length && isConstant(placement[axis]!));
}

/** The part of a parameter that moves: entries [start, end) of one axis of the given size. */
export interface Support {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly size: number;
}

/** The patterns of one propagation. Pattern 0 is the parameter's own shift. */
export class Patterns {
  readonly #known = new Map<string, number>();
  /** Places, on the axis of the parameter, at which slices cut its own pattern. */
  readonly cuts = new Map<number, Set<number>>();

  constructor(readonly support: Support | undefined) {}

  /** The shift of the parameter itself. */
  own(shape: Shape): Shift {
    return { terms: [{ pattern: 0, coefficient: 1, placement: shape.map((n, k) => fullAxis(k, n)) }], masked: false };
  }

  /**
   * The shift that a linear operator makes: some new pattern, the same one for the same key, constant along the axes that
   * `constant` says.
   */
  made(key: string, shape: Shape, constant: (axis: number) => boolean): Shift {
    let pattern = this.#known.get(key);
    if (pattern === undefined) {
      pattern = this.#known.size + 1;
      this.#known.set(key, pattern);
    }
    const placement = shape.map((n, k) => (constant(k) ? constantAxis(n) : fullAxis(k, n)));
    return { terms: [{ pattern, coefficient: 1, placement }], masked: false };
  }

  /**
   * The shift without the terms that a cut to entries [low, high) of an axis leaves nothing of, because the moving part of
   * the parameter is elsewhere. Notes the places of cuts through the parameter's own pattern.
   */
  cut(shift: Shift, axis: number, low: number, high: number, size: number): Shift {
    const terms = shift.terms.filter((t) => {
      const [factor, ...more] = t.placement[axis]!;
      const digit = factor?.digit;
      if (t.pattern !== 0 || !digit || more.length > 0 || factor.size !== size) return true;
      const known = this.cuts.get(digit.axis) ?? new Set<number>();
      this.cuts.set(digit.axis, known.add(low * digit.stride).add(high * digit.stride));
      const s = this.support;
      // Only the outermost digit tells entries apart that follow each other.
      if (s === undefined || s.axis !== digit.axis || digit.stride * size !== s.size) return true;
      return s.start < high * digit.stride && low * digit.stride < s.end;
    });
    return { ...shift, terms };
  }
}

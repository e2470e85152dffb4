/**
 * @file Shapes of the tensors that a model is called with, found by trying: a run of forward stops where it needs a
 * shape, a shape is supposed, and where sizes turn out not to fit the supposition is mended.
 */
import type { PythonError, SizeConflict } from "../evaluator/errors";
import { ImageSizes } from "./image-sizes";
import { mendChannels, mendComparedRank, mendLength, mendRankTold, mendSizes, mendType } from "./mends";
import { type InputGuess, lastIsFixed, Suppositions } from "./suppositions";

/** Parts that an axis may be cut into. */
const MOST_PARTS = 8;

/**
 * Sizes of an axis of which something of another size was made, so that it is as expected: that many parts, more or less by a
 * constant, a multiple, or several copies and a constant; the likeliest first.
 */
function followingSizes(size: number, got: number, expected: number): number[] {
  const out: number[] = [];
  let parts = 2;
  while (parts <= MOST_PARTS && Math.ceil(size / parts) > got) parts++;
  if (got < size && Math.ceil(size / parts) === got) out.push(expected * parts);
  const times = got / size;
  if (size > got && size - got <= 64) out.push(size + expected - got);
  else if (Number.isInteger(times) && times > 1) out.push(expected / times);
  else if (got - size <= 64) out.push(size + expected - got);
  for (let copies = 2; copies <= 4 && copies * size < got; copies++) out.push((expected - (got - copies * size)) / copies);
  return out.filter((n) => Number.isInteger(n) && n > 0 && n !== size);
}

/** The state of the search for one model. */
export class InputSearch extends Suppositions {
  private readonly images = new ImageSizes(this);
  private derived = new Set<string>();
  /** The axis that followed a pair of sizes last, to be taken back where that led away. */
  private followed:
    | {
        readonly guess: InputGuess;
        readonly axis: number;
        readonly size: number;
        readonly gap: number;
        readonly conflicts: readonly SizeConflict[];
        readonly progress: number;
      }
    | undefined;
  private batchMended = false;
  private progress = 0;
  /** The supposition that came furthest, and what contradicted it. */
  private base:
    | { readonly progress: number; readonly shapes: ReturnType<InputSearch["snapshot"]>; readonly error: PythonError }
    | undefined;

  /** Forgets all suppositions and what was learnt from them: what is supplied has changed. */
  restart(): void {
    this.clear();
    this.images.clear();
    this.derived.clear();
    this.followed = undefined;
    this.base = undefined;
    this.batchMended = false;
  }

  /**
   * Mends the supposition after a contradiction. `progress` says how far the run came. False when there is nothing left
   * to try.
   */
  mend(error: PythonError, progress: number): boolean {
    this.reject();
    this.progress = progress;
    return (
      mendType(this, error) ||
      mendRankTold(this, error) ||
      mendSizes(this, error) ||
      mendComparedRank(this, error) ||
      this.mendEntries(error) ||
      mendChannels(this, error) ||
      this.images.mend(error) ||
      mendLength(this, error) ||
      this.mendBatch(error, 3) ||
      this.mendDerived(error) ||
      this.mendRank(error) ||
      this.mendBatch(this.base?.error)
    );
  }

  /** A view names sizes of its own: an axis is missing, or the free axes together are larger or smaller by that factor. */
  private mendEntries(error: PythonError): boolean {
    for (const { got, expected, entries } of error.conflicts) {
      if (!entries || !(expected > 0 && got > 0)) continue;
      const guesses = [...this.guesses.values()];
      for (const g of guesses) {
        // As many times more as another input has steps.
        const rank = g.shape.length;
        const steps = guesses.some((o) => o !== g && o.shape.includes(expected / got, 1));
        if (g.hint.rank !== undefined || rank > 3 || !steps) continue;
        const before = g.shape;
        g.fixed.clear();
        g.shape = this.shapeOfRank(rank + 1, g.hint, g.fixed);
        if (this.isFresh()) return true;
        g.shape = before;
      }
      for (const [name, g] of this.guesses) {
        const key = `${name} ${g.shape.length} entries`;
        const before = [...g.shape];
        const free = g.shape.flatMap((_, i) => (i > 0 && !g.fixed.has(i) ? [i] : []));
        const [row, column] = g.shape.length === 4 ? (lastIsFixed(g) ? [1, 2] : [2, 3]) : [0, 0];
        const side = Math.sqrt((expected / got) * g.shape[row]! * g.shape[column]!);
        if (row > 0 && free.includes(row) && free.includes(column) && Number.isInteger(side)) {
          g.shape[row] = side;
          g.shape[column] = side;
          this.currentSize = side;
        } else if (g.shape.length < 4 && !this.derived.has(key)) {
          const at = free.find((i) => Number.isInteger((g.shape[i]! * expected) / got));
          if (at !== undefined) g.shape[at] = (g.shape[at]! * expected) / got;
          this.derived.add(key);
        }
        if (this.isFresh()) return true;
        g.shape = before;
      }
    }
    return false;
  }

  /** What was found is a part of an input's axis (`x[:, 3:]`) or a multiple of it: the axis follows. */
  private mendDerived(error: PythonError): boolean {
    let conflicts: readonly SizeConflict[] = error.conflicts.filter(
      (c) => !c.compared && !c.ranks && !c.entries && c.expected > 0,
    );
    const gap = conflicts[0] ? Math.abs(conflicts[0].expected - conflicts[0].got) : 0;
    const { followed } = this;
    if (followed && gap >= followed.gap && this.progress <= followed.progress && followed.axis < followed.guess.shape.length) {
      followed.guess.shape[followed.axis] = followed.size;
      ({ conflicts } = followed);
    }
    this.followed = undefined;
    for (const { got, expected } of conflicts) {
      for (const [name, g] of this.guesses) {
        // Features come last, except in images and other things that channels of a known number come first in.
        const axes = g.shape.map((_, i) => i).slice(1);
        if (g.shape.length === 3 && !g.fixed.has(1)) axes.reverse();
        for (const i of axes) {
          const size = g.shape[i]!;
          if (g.fixed.has(i) || size === got || (g.shape.length >= 4 && i >= g.shape.length - 2)) continue;
          for (const next of followingSizes(size, got, expected)) {
            // Each axis follows a pair of sizes once: if that was not it, more of the same is not it either.
            const key = `${name} ${g.shape.length} ${i} ${size} ${next}`;
            if (this.derived.has(key)) continue;
            g.shape[i] = next;
            this.derived.add(key);
            if (this.isFresh()) {
              this.followed = { guess: g, axis: i, size, gap: Math.abs(expected - got), conflicts, progress: this.progress };
              return true;
            }
            g.shape[i] = size;
          }
        }
      }
    }
    return false;
  }

  /** No other rank fits: the code names a batch size of its own. */
  private mendBatch(error: PythonError | undefined, smallestRank = 0): boolean {
    // Rows of features may be sequences for all that is known; sequences are what they are.
    if (!error || [...this.guesses.values()].some((g) => g.shape.length < smallestRank)) return false;
    const conflict =
      error.conflicts.find((c) => c.got === this.batch && c.expected > 1) ??
      error.conflicts.find((c) => c.expected === this.batch && c.got > 1);
    if (!conflict || conflict.compared || this.batchMended) return false;
    this.batchMended = true;
    const wanted = conflict.got === this.batch ? conflict.expected : conflict.got;
    const changed = [...this.guesses.values()].filter((g) => g.shape[0] === this.batch);
    for (const g of changed) g.shape[0] = wanted;
    if (changed.length > 0 && this.isFresh()) return true;
    for (const g of changed) g.shape[0] = this.batch;
    return false;
  }

  /** Another rank for one input at a time, keeping a change where the run came further with it. */
  private mendRank(error: PythonError): boolean {
    if (!this.base || this.progress > this.base.progress) this.base = { progress: this.progress, shapes: this.snapshot(), error };
    else this.restore(this.base.shapes);
    for (const g of this.guesses.values()) {
      while (g.alternatives.length > 0) {
        const before = g.shape;
        g.shape = g.alternatives.shift()!;
        g.fixed.clear();
        for (const [axis] of g.hint.sizes ?? []) {
          const at = axis < 0 ? axis + g.shape.length : axis;
          if (at >= 0) g.fixed.add(at);
        }
        this.images.clear();
        if (this.isFresh()) return true;
        g.shape = before;
      }
    }
    return false;
  }
}

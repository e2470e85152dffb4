/**
 * @file Shapes of the tensors that a model is called with, found by trying: a run of forward stops where it needs a
 * shape, a shape is supposed, and where sizes turn out not to fit the supposition is mended.
 */
import type { ElementType } from "../../../graph/tensor";
import type { PythonError, ShapeHint, SizeConflict } from "../evaluator/errors";
import { BATCH_AXIS, CHANNEL_AXIS, type DocumentedShape, SPATIAL_AXIS, STEP_AXIS } from "./documented";

/** What is supposed about one input. */
export interface InputGuess {
  shape: number[];
  type: ElementType;
  /** Axes whose size the code demanded. */
  readonly fixed: Set<number>;
  /** Other shapes to try when this one contradicts the code. */
  alternatives: number[][];
  readonly hint: ShapeHint;
}

/** The batch. */
export const BATCH = 4;

/** Other sizes of a batch, where the model has axes of that size: what only fits by chance would not be noticed. */
const BATCHES = [BATCH, 6, 9, 11, 13, 22];

/** A batch whose size no axis of the model has. */
export function batchBeside(sizes: ReadonlySet<number>): number {
  return BATCHES.find((n) => !sizes.has(n)) ?? BATCH;
}

/** Steps of a sequence, tokens of a text. */
export const STEPS = 5;

/** Sizes for axes that nothing is known about: primes, so that a size that does not fit can be traced back. */
const PLACEHOLDERS = [37, 41, 43, 47, 53, 59, 61, 67, 71, 73];

/** The same where layers take any width that comes: what divides it into heads has to find a divisor. */
const DIVISIBLE = [48, 72, 96, 120, 144];

/** Sizes of images, in the order in which they are tried. */
const IMAGE_SIZES = [64, 32, 224, 28, 128, 256, 96, 48, 16, 299, 384, 512, 80, 8];

/** Lengths of sequences and waveforms, when short ones do not fit. */
const LENGTHS = [64, 512, 4096, 16384];

/** Times and levels of noise, of which each member of a batch has one. */
const TIMES = /^(?:t|ts|time|times|timesteps?|time_steps?|sigmas?|noise_levels?)$/;

/** Pairs of numbers of nodes, one pair a column. */
export const EDGES = /^edge_(?:index|list)$/;

const TOO_SMALL = /would get the size|output size|does not fit|kernel|too small|window/i;

const CHANNELS = /\binput channels\b/;

/** What an embedding says of an input that is not one of indices. */
export const INTEGERS = /indices of a table must be integers/;

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

/** Whether two sizes of images are so far apart that strides cannot make them one. */
function areApart({ from, to }: { readonly from: number; readonly to: number }): boolean {
  return Math.max(from, to) > 1.5 * Math.min(from, to);
}

/** Whether the features of an input of rank 4 are its last axis. */
function lastIsFixed(g: InputGuess): boolean {
  return g.shape.length === 4 && g.fixed.has(3) && !g.fixed.has(1);
}

/** The state of the search for one model. */
export class InputSearch {
  readonly guesses = new Map<string, InputGuess>();
  private nextPlaceholder = 0;
  private spatialTried = new Set<number>();
  private spatialLow = 0;
  private spatialHigh = Number.POSITIVE_INFINITY;
  private seen = new Set<string>();

  constructor(
    /** Image sizes that the model's own attributes name. */
    private readonly preferredSizes: readonly number[],
    /** The width that the model's first layer or its attributes name. */
    private readonly width?: number,
    /** The longest sequence that the model has positions for, where that is short. */
    private readonly steps: number = STEPS,
    /** Images have their channels last, as in Keras and Flax. */
    private readonly channelsLast = false,
    /** The model has layers, or code, that work along the steps of batches of sequences. */
    private readonly attends = false,
    /** The size of the batch. */
    readonly batch: number = BATCH,
  ) {}

  /** Forgets all suppositions: what is supplied has changed. */
  restart(): void {
    this.guesses.clear();
    this.seen.clear();
    this.derived.clear();
    this.followed = undefined;
    this.base = undefined;
    this.batchMended = false;
    this.currentSize = undefined;
    this.spatialTried.clear();
    this.spatialLow = 0;
    this.spatialHigh = Number.POSITIVE_INFINITY;
    this.nextPlaceholder = 0;
  }

  private placeholder(): number {
    const list = this.channelsLast ? DIVISIBLE : PLACEHOLDERS;
    return list[this.nextPlaceholder++ % list.length]!;
  }

  /** Supposes a shape for an input that the code asked for. */
  suppose(input: string, wanted: ShapeHint, documented?: DocumentedShape): void {
    const hint = this.channelsLast && wanted.channelsLast === undefined ? { ...wanted, channelsLast: true } : wanted;
    const fixed = new Set<number>();
    const isTime = hint.sizes === undefined && TIMES.test(input);
    const told = documented && this.isPossible(documented, hint) ? documented : undefined;
    const rank =
      told?.dimensions.length ??
      hint.rank ??
      (isTime ? (hint.minimumRank ?? 1) : undefined) ??
      Math.max(hint.minimumRank ?? 2, this.attends || this.besideSequence() ? 3 : this.channelsLast ? 2 : 1);
    const shape = this.shapeOfRank(rank, hint, fixed);
    if (told) this.applyDocumented(shape, told, fixed);
    const alternatives: number[][] = [];
    if (hint.rank === undefined) {
      const ranks = (hint.sizes ? [2, 3, 4, 5] : [3, 2, 4, 1, 5]).filter((r) => r !== rank && r >= (hint.minimumRank ?? 1));
      for (const r of ranks) alternatives.push(this.shapeOfRank(r, hint, new Set()));
      // Waveforms: one or two channels and many samples.
      if (!hint.sizes) for (const channels of [1, 2]) alternatives.push([this.batch, channels, 4096]);
    } else if (hint.integer) alternatives.push([this.batch]);
    const isInteger = hint.integer || told?.integer;
    this.guesses.set(input, { shape, type: isInteger ? "int64" : "float32", fixed, alternatives, hint });
  }

  /** Whether what is written down of an input may be so for all that the code has asked. */
  private isPossible({ dimensions }: DocumentedShape, hint: ShapeHint): boolean {
    const rank = dimensions.length;
    if (hint.rank !== undefined && hint.rank !== rank) return false;
    return rank >= (hint.minimumRank ?? 1) && [...(hint.sizes?.keys() ?? [])].every((axis) => axis < rank && axis >= -rank);
  }

  /** Puts the sizes that are written down in their places; what the code demanded stays. */
  private applyDocumented(shape: number[], { dimensions }: DocumentedShape, fixed: ReadonlySet<number>): void {
    const is = (axis: number, name: RegExp): boolean => {
      const d = dimensions[axis];
      return typeof d === "string" && name.test(d);
    };
    const batchAt = dimensions.findIndex((_, axis) => is(axis, BATCH_AXIS));
    const channelsAt = dimensions.findIndex((_, axis) => is(axis, CHANNEL_AXIS));
    const isImage = dimensions.filter((_, axis) => is(axis, SPATIAL_AXIS)).length > 1;
    dimensions.forEach((size, axis) => {
      if (fixed.has(axis)) return;
      // A batch of one, or of the size of an example, says nothing.
      if (axis === batchAt || (axis === 0 && batchAt < 0 && size === 1)) shape[axis] = this.batch;
      else if (typeof size === "number") shape[axis] = size;
      else if (is(axis, STEP_AXIS)) shape[axis] = this.steps;
      else if (isImage && is(axis, SPATIAL_AXIS)) shape[axis] = this.imageSize();
      else if (isImage && axis === channelsAt) shape[axis] = 3;
      else if ((axis === 0 && batchAt > 0) || (axis > 0 && shape.length > 3 && !isImage && channelsAt !== 1))
        shape[axis] = this.placeholder();
    });
  }

  /** Whether another input is a sequence; then features are sequences too, more likely than not. */
  private besideSequence(): boolean {
    return [...this.guesses.values()].some(
      (g) => (g.type === "int64" && g.shape.length === 2 && !g.fixed.has(0)) || (g.shape.length === 3 && !g.fixed.has(1)),
    );
  }

  private shapeOfRank(rank: number, hint: ShapeHint, fixed: Set<number>): number[] {
    const shape: number[] = [];
    const featuresLast = hint.sizes?.has(-1) === true && !hint.sizes.has(1);
    for (let i = 0; i < rank; i++) {
      if (i === 0 && rank > 1) shape.push(this.batch);
      else if (i === 0) shape.push(this.batch);
      else if (hint.channelsLast && rank >= 4 && i === rank - 1) shape.push(rank === 4 ? 3 : (this.width ?? this.placeholder()));
      else if (hint.channelsLast && hint.rank === 3 && i === 1) shape.push(32);
      else if (hint.channelsLast && rank >= 4) shape.push(rank === 4 ? this.imageSize() : rank === 3 ? 32 : 16);
      else if (rank === 4 && featuresLast && i < 3) shape.push(8);
      else if (rank === 4 && i >= 2) shape.push(this.imageSize());
      else if (rank === 5 && i === 2) shape.push(16);
      else if (rank === 5 && i > 2) shape.push(this.imageSize());
      else if (rank === 4 && i === 1) shape.push(3);
      else if (hint.integer || (rank === 3 && i === 1)) shape.push(this.steps);
      else if (i === rank - 1 && rank <= 3 && this.width !== undefined && !hint.sizes) shape.push(this.width);
      else shape.push(this.placeholder());
    }
    for (const [axis, size] of hint.sizes ?? []) {
      const at = axis < 0 ? axis + rank : axis;
      if (at < 0 || at >= rank) continue;
      shape[at] = size;
      fixed.add(at);
    }
    // A sequence of channels first: the size that is not known is the length.
    if (rank === 3 && fixed.has(1) && !fixed.has(2) && !hint.channelsLast) shape[2] = 32;
    return shape;
  }

  private imageSize(): number {
    return this.currentSize ?? this.preferredSizes[0] ?? IMAGE_SIZES[0]!;
  }

  private currentSize: number | undefined;

  private key(): string {
    return [...this.guesses].map(([n, g]) => `${n}:${g.shape.join("x")}:${g.type}`).join(" ");
  }

  /**
   * Mends the supposition after a contradiction. `progress` says how far the run came. False when there is nothing left
   * to try.
   */
  mend(error: PythonError, progress: number): boolean {
    this.seen.add(this.key());
    this.progress = progress;
    return (
      this.mendType(error) ||
      this.mendRankTold(error) ||
      this.mendSizes(error) ||
      this.mendComparedRank(error) ||
      this.mendEntries(error) ||
      this.mendChannels(error) ||
      this.mendImage(error) ||
      this.mendLength(error) ||
      this.mendBatch(error, 3) ||
      this.mendDerived(error) ||
      this.mendRank(error) ||
      this.mendBatch(this.base?.error)
    );
  }

  private fresh(): boolean {
    return !this.seen.has(this.key());
  }

  /** What looks up a table holds whole numbers. */
  private mendType(error: PythonError): boolean {
    if (!INTEGERS.test(error.message)) return false;
    for (const g of this.guesses.values()) {
      if (g.type !== "float32") continue;
      g.type = "int64";
      if (this.fresh()) return true;
      g.type = "float32";
    }
    return false;
  }

  /** A free axis has a size that should have been another. */
  private mendSizes(error: PythonError): boolean {
    for (const { got, expected, ranks, entries } of error.conflicts) {
      if (expected <= 0 || ranks || entries) continue;
      const changed: [InputGuess, number[]][] = [];
      for (const g of this.guesses.values()) {
        const axes = g.shape
          .map((d, i) => (d === got && !g.fixed.has(i) && (i > 0 || g.shape.length === 1) ? i : -1))
          .filter((i) => i >= 0);
        if (axes.length === 0) continue;
        changed.push([g, [...g.shape]]);
        for (const i of axes) g.shape[i] = expected;
      }
      if (changed.length > 0 && this.fresh()) return true;
      for (const [g, old] of changed) g.shape = old;
    }
    return false;
  }

  /** A test on the number of dimensions names the one that is wanted. */
  private mendComparedRank(error: PythonError): boolean {
    for (const { got, expected, compared } of error.conflicts) {
      if (!compared || expected < 1 || expected > 5) continue;
      for (const g of this.guesses.values()) {
        if (g.shape.length !== got || g.hint.rank !== undefined) continue;
        const before = g.shape;
        g.fixed.clear();
        g.shape = this.shapeOfRank(expected, g.hint, g.fixed);
        if (this.fresh()) return true;
        g.shape = before;
      }
    }
    return false;
  }

  /** The code says how many axes it wants, of what it made of an input: the input has as many more, or fewer. */
  private mendRankTold(error: PythonError): boolean {
    for (const { got, expected, ranks } of error.conflicts) {
      if (!ranks) continue;
      // What has that many axes itself comes first.
      const guesses = [...this.guesses.values()];
      const ordered = [...guesses.filter((g) => g.shape.length === got), ...guesses.filter((g) => g.shape.length !== got)];
      for (const g of ordered) {
        const rank = g.shape.length + expected - got;
        if (g.hint.rank !== undefined || rank < 1 || rank > 5 || rank === g.shape.length) continue;
        const before = g.shape;
        g.fixed.clear();
        g.shape = this.shapeOfRank(rank, g.hint, g.fixed);
        if (this.fresh()) return true;
        g.shape = before;
      }
    }
    return false;
  }

  /** A multiple of an image's channels, which no layer has named, should have been another multiple of the same. */
  private mendChannels(error: PythonError): boolean {
    for (const { got, expected, compared, ranks, entries } of error.conflicts) {
      if (compared || ranks || entries) continue;
      for (const g of this.guesses.values()) {
        const channels = g.shape[1]!;
        const next = (expected * channels) / got;
        if (g.shape.length !== 4 || g.hint.channelsLast || g.fixed.has(1) || g.fixed.has(3)) continue;
        if (channels === 1 || got === channels || got % channels !== 0 || next < 1 || !Number.isInteger(next)) continue;
        g.shape[1] = next;
        if (this.fresh()) return true;
        g.shape[1] = channels;
      }
    }
    return false;
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
        if (this.fresh()) return true;
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
        if (this.fresh()) return true;
        g.shape = before;
      }
    }
    return false;
  }

  /** The last change of an image's size, and contradictions that such a change left as they were. */
  private resized: { readonly message: string; readonly from: number; readonly to: number } | undefined;
  private readonly notOfImage = new Set<string>();
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
            if (this.fresh()) {
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
    if (changed.length > 0 && this.fresh()) return true;
    for (const g of changed) g.shape[0] = this.batch;
    return false;
  }

  /** A longer sequence, where a window does not fit. */
  private mendLength(error: PythonError): boolean {
    if (!TOO_SMALL.test(error.message)) return false;
    for (const g of this.guesses.values()) {
      const last = g.shape.length - 1;
      if (g.shape.length < 2 || g.shape.length > 3 || g.fixed.has(last)) continue;
      const longer = LENGTHS.find((n) => n > g.shape[last]!);
      if (longer === undefined) continue;
      g.shape[last] = longer;
      if (this.fresh()) return true;
    }
    return false;
  }

  /** Another size of image (or length of a channels-first sequence). */
  private mendImage(error: PythonError): boolean {
    // The number of channels is not one of the image's sizes.
    if (CHANNELS.test(error.message)) return false;
    const images = [...this.guesses.values()].filter(
      (g) => g.shape.length >= 4 || (g.shape.length === 3 && g.fixed.has(1) && !g.fixed.has(2)),
    );
    if (images.length === 0) return false;
    const current = images[0]!.shape.at(images[0]!.hint.channelsLast || lastIsFixed(images[0]!) ? 1 : -1)!;
    const resize = (size: number): void => {
      this.currentSize = size;
      for (const g of images) {
        if (g.hint.channelsLast || lastIsFixed(g)) {
          for (let i = 1; i < g.shape.length - 1; i++) if (!g.fixed.has(i)) g.shape[i] = size;
          continue;
        }
        for (let i = g.shape.length === 3 ? 2 : g.shape.length - 2; i < g.shape.length; i++)
          if (!g.fixed.has(i)) g.shape[i] = size;
        if (g.shape.length === 5 && !g.fixed.has(2)) g.shape[2] = Math.min(16, size);
      }
    };
    if (this.notOfImage.has(error.message)) return false;
    if (this.resized?.message === error.message && this.resized.to === current && areApart(this.resized)) {
      // Another size changes nothing about it.
      this.notOfImage.add(error.message);
      resize(this.resized.from);
      this.resized = undefined;
      return false;
    }
    this.spatialTried.add(current);
    const conflict = error.conflicts.find((c) => !c.ranks && !c.entries);
    if (conflict) {
      if (conflict.got > conflict.expected) this.spatialHigh = Math.min(this.spatialHigh, current);
      else this.spatialLow = Math.max(this.spatialLow, current);
    } else if (TOO_SMALL.test(error.message)) this.spatialLow = Math.max(this.spatialLow, current);
    const fits = (s: number): boolean => s > this.spatialLow && s < this.spatialHigh && !this.spatialTried.has(s);
    for (;;) {
      const next = this.nextSize(fits, current, conflict !== undefined);
      if (next === undefined) return false;
      this.spatialTried.add(next);
      this.resized = { message: error.message, from: current, to: next };
      resize(next);
      if (this.fresh()) return true;
      this.resized = undefined;
    }
  }

  /** The next size of an image to try: a usual one, else one between those that are too small and too large. */
  private nextSize(fits: (size: number) => boolean, current: number, grows: boolean): number | undefined {
    const usual = [...this.preferredSizes, ...IMAGE_SIZES].find(fits);
    if (usual !== undefined) return usual;
    if (this.spatialHigh === Number.POSITIVE_INFINITY) {
      const larger = Math.min(1024, current * 2);
      return grows && current < 1024 && !this.spatialTried.has(larger) ? larger : undefined;
    }
    const middle = Math.floor((this.spatialLow + this.spatialHigh) / 2);
    if (fits(middle)) return middle;
    for (let size = middle + 1; size < this.spatialHigh; size++) if (fits(size)) return size;
    return undefined;
  }

  private progress = 0;
  /** The supposition that came furthest, and what contradicted it. */
  private base:
    | { readonly progress: number; readonly shapes: ReturnType<InputSearch["snapshot"]>; readonly error: PythonError }
    | undefined;

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
        this.currentSize = undefined;
        this.spatialTried.clear();
        this.spatialLow = 0;
        this.spatialHigh = Number.POSITIVE_INFINITY;
        if (this.fresh()) return true;
        g.shape = before;
      }
    }
    return false;
  }

  /** A copy of the present supposition, to come back to. */
  snapshot(): Map<string, { shape: number[]; type: ElementType }> {
    return new Map([...this.guesses].map(([n, g]) => [n, { shape: [...g.shape], type: g.type }]));
  }

  /** Puts a supposition back. */
  restore(snapshot: ReadonlyMap<string, { shape: number[]; type: ElementType }>): void {
    for (const [n, s] of snapshot) {
      const g = this.guesses.get(n);
      if (g) {
        g.shape = [...s.shape];
        g.type = s.type;
      }
    }
  }
}

/** @file What is supposed of a model's inputs: shapes and types that fit what the code demanded and what is written down. */
import type { ElementType } from "../../../graph/tensor";
import type { ShapeHint } from "../evaluator/errors";
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
export const IMAGE_SIZES = [64, 32, 224, 28, 128, 256, 96, 48, 16, 299, 384, 512, 80, 8];

/** Times and levels of noise, of which each member of a batch has one. */
const TIMES = /^(?:t|ts|time|times|timesteps?|time_steps?|sigmas?|noise_levels?)$/;

/** Pairs of numbers of nodes, one pair a column. */
export const EDGES = /^edge_(?:index|list)$/;

/** Whether the features of an input of rank 4 are its last axis. */
export function lastIsFixed(g: InputGuess): boolean {
  return g.shape.length === 4 && g.fixed.has(3) && !g.fixed.has(1);
}

/** The present suppositions about one model's inputs. */
export class Suppositions {
  readonly guesses = new Map<string, InputGuess>();
  /** The size of images, where it is no longer the first that would be tried. */
  currentSize: number | undefined;
  private nextPlaceholder = 0;
  private readonly seen = new Set<string>();

  constructor(
    /** Image sizes that the model's own attributes name. */
    readonly preferredSizes: readonly number[],
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
  clear(): void {
    this.guesses.clear();
    this.seen.clear();
    this.currentSize = undefined;
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

  /** A shape of that many axes with the sizes that the code demanded, whose places are put into `fixed`. */
  shapeOfRank(rank: number, hint: ShapeHint, fixed: Set<number>): number[] {
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

  private key(): string {
    return [...this.guesses].map(([n, g]) => `${n}:${g.shape.join("x")}:${g.type}`).join(" ");
  }

  /** Takes note that the present suppositions contradict the code. */
  reject(): void {
    this.seen.add(this.key());
  }

  /** Whether these suppositions have not been tried. */
  isFresh(): boolean {
    return !this.seen.has(this.key());
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

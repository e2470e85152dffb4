/** @file The search for the size of images: usual sizes first, then what lies between those too small and too large. */
import type { PythonError } from "../evaluator/errors";
import { TOO_SMALL } from "./mends";
import { IMAGE_SIZES, lastIsFixed, type Suppositions } from "./suppositions";

const CHANNELS = /\binput channels\b/;

/** Whether two sizes of images are so far apart that strides cannot make them one. */
function areApart({ from, to }: { readonly from: number; readonly to: number }): boolean {
  return Math.max(from, to) > 1.5 * Math.min(from, to);
}

/** Sizes of images that were tried. */
export class ImageSizes {
  private readonly tried = new Set<number>();
  private low = 0;
  private high = Number.POSITIVE_INFINITY;
  /** The last change of an image's size, and contradictions that such a change left as they were. */
  private resized: { readonly message: string; readonly from: number; readonly to: number } | undefined;
  private readonly notOfImage = new Set<string>();

  constructor(private readonly suppositions: Suppositions) {}

  /** Begins again. */
  clear(): void {
    this.suppositions.currentSize = undefined;
    this.tried.clear();
    this.low = 0;
    this.high = Number.POSITIVE_INFINITY;
  }

  /** Another size of image (or length of a channels-first sequence). */
  mend(error: PythonError): boolean {
    // The number of channels is not one of the image's sizes.
    if (CHANNELS.test(error.message)) return false;
    const images = [...this.suppositions.guesses.values()].filter(
      (g) => g.shape.length >= 4 || (g.shape.length === 3 && g.fixed.has(1) && !g.fixed.has(2)),
    );
    if (images.length === 0) return false;
    const current = images[0]!.shape.at(images[0]!.hint.channelsLast || lastIsFixed(images[0]!) ? 1 : -1)!;
    const resize = (size: number): void => {
      this.suppositions.currentSize = size;
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
    this.tried.add(current);
    const conflict = error.conflicts.find((c) => !c.ranks && !c.entries);
    if (conflict) {
      if (conflict.got > conflict.expected) this.high = Math.min(this.high, current);
      else this.low = Math.max(this.low, current);
    } else if (TOO_SMALL.test(error.message)) this.low = Math.max(this.low, current);
    const fits = (s: number): boolean => s > this.low && s < this.high && !this.tried.has(s);
    for (;;) {
      const next = this.nextSize(fits, current, conflict !== undefined);
      if (next === undefined) return false;
      this.tried.add(next);
      this.resized = { message: error.message, from: current, to: next };
      resize(next);
      if (this.suppositions.isFresh()) return true;
      this.resized = undefined;
    }
  }

  /** The next size of an image to try: a usual one, else one between those that are too small and too large. */
  private nextSize(fits: (size: number) => boolean, current: number, grows: boolean): number | undefined {
    const usual = [...this.suppositions.preferredSizes, ...IMAGE_SIZES].find(fits);
    if (usual !== undefined) return usual;
    if (this.high === Number.POSITIVE_INFINITY) {
      const larger = Math.min(1024, current * 2);
      return grows && current < 1024 && !this.tried.has(larger) ? larger : undefined;
    }
    const middle = Math.floor((this.low + this.high) / 2);
    if (fits(middle)) return middle;
    for (let size = middle + 1; size < this.high; size++) if (fits(size)) return size;
    return undefined;
  }
}

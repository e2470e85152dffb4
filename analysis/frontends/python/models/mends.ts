/** @file Mends of suppositions that an error tells by itself: each changes one thing and says whether it has not been tried. */
import type { PythonError } from "../evaluator/errors";
import type { InputGuess, Suppositions } from "./suppositions";

/** What an embedding says of an input that is not one of indices. */
export const INTEGERS = /indices of a table must be integers/;

/** What says that a window or an image is too small. */
export const TOO_SMALL = /would get the size|output size|does not fit|kernel|too small|window/i;

/** Lengths of sequences and waveforms, when short ones do not fit. */
const LENGTHS = [64, 512, 4096, 16384];

/** What looks up a table holds whole numbers. */
export function mendType(s: Suppositions, error: PythonError): boolean {
  if (!INTEGERS.test(error.message)) return false;
  for (const g of s.guesses.values()) {
    if (g.type !== "float32") continue;
    g.type = "int64";
    if (s.isFresh()) return true;
    g.type = "float32";
  }
  return false;
}

/** A free axis has a size that should have been another. */
export function mendSizes(s: Suppositions, error: PythonError): boolean {
  for (const { got, expected, ranks, entries } of error.conflicts) {
    if (expected <= 0 || ranks || entries) continue;
    const changed: [InputGuess, number[]][] = [];
    for (const g of s.guesses.values()) {
      const axes = g.shape
        .map((d, i) => (d === got && !g.fixed.has(i) && (i > 0 || g.shape.length === 1) ? i : -1))
        .filter((i) => i >= 0);
      if (axes.length === 0) continue;
      changed.push([g, [...g.shape]]);
      for (const i of axes) g.shape[i] = expected;
    }
    if (changed.length > 0 && s.isFresh()) return true;
    for (const [g, old] of changed) g.shape = old;
  }
  return false;
}

/** A test on the number of dimensions names the one that is wanted. */
export function mendComparedRank(s: Suppositions, error: PythonError): boolean {
  for (const { got, expected, compared } of error.conflicts) {
    if (!compared || expected < 1 || expected > 5) continue;
    for (const g of s.guesses.values()) {
      if (g.shape.length !== got || g.hint.rank !== undefined) continue;
      const before = g.shape;
      g.fixed.clear();
      g.shape = s.shapeOfRank(expected, g.hint, g.fixed);
      if (s.isFresh()) return true;
      g.shape = before;
    }
  }
  return false;
}

/** The code says how many axes it wants, of what it made of an input: the input has as many more, or fewer. */
export function mendRankTold(s: Suppositions, error: PythonError): boolean {
  for (const { got, expected, ranks } of error.conflicts) {
    if (!ranks) continue;
    // What has that many axes itself comes first.
    const guesses = [...s.guesses.values()];
    const ordered = [...guesses.filter((g) => g.shape.length === got), ...guesses.filter((g) => g.shape.length !== got)];
    for (const g of ordered) {
      const rank = g.shape.length + expected - got;
      if (g.hint.rank !== undefined || rank < 1 || rank > 5 || rank === g.shape.length) continue;
      const before = g.shape;
      g.fixed.clear();
      g.shape = s.shapeOfRank(rank, g.hint, g.fixed);
      if (s.isFresh()) return true;
      g.shape = before;
    }
  }
  return false;
}

/** A multiple of an image's channels, which no layer has named, should have been another multiple of the same. */
export function mendChannels(s: Suppositions, error: PythonError): boolean {
  for (const { got, expected, compared, ranks, entries } of error.conflicts) {
    if (compared || ranks || entries) continue;
    for (const g of s.guesses.values()) {
      const channels = g.shape[1]!;
      const next = (expected * channels) / got;
      if (g.shape.length !== 4 || g.hint.channelsLast || g.fixed.has(1) || g.fixed.has(3)) continue;
      if (channels === 1 || got === channels || got % channels !== 0 || next < 1 || !Number.isInteger(next)) continue;
      g.shape[1] = next;
      if (s.isFresh()) return true;
      g.shape[1] = channels;
    }
  }
  return false;
}

/** A longer sequence, where a window does not fit. */
export function mendLength(s: Suppositions, error: PythonError): boolean {
  if (!TOO_SMALL.test(error.message)) return false;
  for (const g of s.guesses.values()) {
    const last = g.shape.length - 1;
    if (g.shape.length < 2 || g.shape.length > 3 || g.fixed.has(last)) continue;
    const longer = LENGTHS.find((n) => n > g.shape[last]!);
    if (longer === undefined) continue;
    g.shape[last] = longer;
    if (s.isFresh()) return true;
  }
  return false;
}

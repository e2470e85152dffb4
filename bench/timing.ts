/** @file Timing: medians over several runs, and the machine's own speed beside them. */

/** How long something took, in milliseconds. */
export interface Timing {
  readonly median: number;
  /** The fastest run: what is left of the noise of a busy machine. */
  readonly best: number;
  readonly runs: number;
}

/** How often to measure. */
export interface Repeats {
  /** Measured runs; fewer where `limit` is reached, but at least three. */
  readonly runs: number;
  /** Runs before that, for the compiler to get warm. */
  readonly warmUp: number;
  /** Milliseconds after which no further run is started. */
  readonly limit: number;
}

/** Times a synchronous piece of work. */
export function time(work: () => unknown, repeats: Repeats): Timing {
  const started = performance.now();
  const isOver = () => performance.now() - started > repeats.limit;
  for (let i = 0; i < repeats.warmUp && !isOver(); i++) work();
  const times: number[] = [];
  while (times.length < repeats.runs && (times.length < 3 || !isOver())) {
    const start = performance.now();
    work();
    times.push(performance.now() - start);
  }
  return summary(times);
}

/** Median and best of a list of times. */
export function summary(times: readonly number[]): Timing {
  const sorted = [...times].sort((a, b) => a - b);
  const n = sorted.length;
  const median = n % 2 === 1 ? sorted[(n - 1) / 2]! : (sorted[n / 2 - 1]! + sorted[n / 2]!) / 2;
  return { median, best: sorted[0]!, runs: n };
}

/** Steps of the loop that stands for the machine's speed. */
const STEPS = 10_000_000;

/** Keeps the loop's result, so that it is not left out. */
let sink = 0;

/** Entries of the table that stands for the machine's memory, a power of two: 64 MB, more than caches hold. */
const ENTRIES = 1 << 24;

/** Reads of that table, each of which says where the next one is. */
const READS = 2_000_000;

/**
 * The baseline of the machine's memory: two million dependent reads, far apart. Large graphs wait for memory most of all, which a
 * machine shares with others more than its arithmetic.
 */
export function memoryBaseline(): Timing {
  // A linear congruential generator of full period: all entries are on one cycle.
  const next = Int32Array.from({ length: ENTRIES }, (_, x) => (Math.imul(x, 1_664_525) + 1_013_904_223) & (ENTRIES - 1));
  return time(
    () => {
      let x = sink & (ENTRIES - 1);
      for (let i = 0; i < READS; i++) x = next[x]!;
      sink = x;
    },
    { runs: 11, warmUp: 1, limit: 5_000 },
  );
}

/** The machine's own baseline: ten million dependent steps of integer arithmetic, the same on every machine. */
export function baseline(): Timing {
  return time(
    () => {
      let x = sink | 1;
      for (let i = 0; i < STEPS; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
      sink = x;
    },
    { runs: 21, warmUp: 3, limit: 5_000 },
  );
}

/** @file Numbers as a person reads them. */

/** Three significant digits; powers of ten where zeros would be a row. */
export function small(x: number): string {
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return "not measured";
  const size = Math.abs(x);
  return size < 1e-3 || size >= 1e5 ? x.toExponential(1).replace("e+", "e") : String(Number(x.toPrecision(3)));
}

/** A mean with its standard error over replicas. */
export interface Estimate {
  readonly value: number;
  /** NaN, or null after JSON, where there are too few replicas. */
  readonly error: number | null;
}

/** `0.93 ± 0.02`; without an error it says so. */
export function estimated({ value, error }: Estimate): string {
  if (!Number.isFinite(value)) return "not measured";
  if (error === null || !Number.isFinite(error)) return `${small(value)} (one value, no error)`;
  return `${small(value)} ± ${error === 0 ? "0" : Number(error.toPrecision(1)) < 1e-3 ? error.toExponential(0) : String(Number(error.toPrecision(2)))}`;
}

/** The same with a plus sign where it is positive. */
export function change(e: Estimate): string {
  return Number.isFinite(e.value) && e.value > 0 ? `+${estimated(e)}` : estimated(e);
}

/** `1,234`. */
export function count(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 replica`, `4 replicas`, `2 processes`. */
export function plural(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}

/** `8.3 s`, `2 min 5 s`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

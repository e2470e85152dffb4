/** @file One effect of a paper as this page shows it. */
import type { Chart } from "../analysis/report/plot/svg";

/** What came out. */
export type Outcome = "reproduced" | "partly" | "not reproduced";

/** One row of the table, with its plots. */
export interface Effect {
  /** For file names and anchors. */
  readonly id: string;
  readonly paper: string;
  readonly claim: string;
  /** What was measured, in one phrase. */
  readonly measure: string;
  /** The measured numbers with their standard errors. */
  readonly result: string;
  readonly outcome: Outcome;
  /** What the reader should know: set-up, limits, what did not fit. */
  readonly remarks: readonly string[];
  readonly charts: readonly Chart[];
}

/** A value and its standard error as text. */
export function plusMinus(e: { readonly value: number; readonly error: number }, digits = 2): string {
  const text = (x: number) => (x !== 0 && Math.abs(x) < 10 ** -digits ? x.toExponential(1) : x.toFixed(digits));
  return `${text(e.value)} ± ${text(e.error)}`;
}

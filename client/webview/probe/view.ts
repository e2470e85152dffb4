/**
 * @file What the probe panel shows, as plain data: charts, maps and tables without anything that a screen needs. Made from
 * what the server streams by `story.ts`, drawn by `panel.ts`.
 */

/** One line of a chart. */
export interface Line {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Half the height of a band: the standard error over replicas. NaN where there is none. */
  readonly error?: readonly number[];
  /** A prediction, not a measurement: thin and dashed. */
  readonly predicted?: boolean;
}

/** A chart of lines over one axis. */
export interface ChartView {
  /** Stable while the probe runs, so that a chart is updated instead of made anew. */
  readonly id: string;
  readonly title: string;
  /** What it shows and where the numbers come from, in a sentence. */
  readonly about: string;
  readonly x: string;
  readonly y: string;
  readonly logarithmic?: boolean;
  readonly logarithmicX?: boolean;
  /** What the whole numbers from 1 on of the horizontal axis are called; absent where they are numbers. */
  readonly names?: readonly string[];
  /** Values that the vertical axis shows in any case. */
  readonly include?: readonly number[];
  readonly lines: readonly Line[];
}

/** A matrix of numbers as colours. */
export interface HeatMapView {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  /** What a row and a column is: `unit`. */
  readonly of: string;
  /** Square, row by row. */
  readonly values: readonly (readonly number[])[];
  readonly low: number;
  readonly high: number;
}

/** A cell: text, how it is painted, and a quieter second line. */
export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
  readonly number?: boolean;
  readonly code?: boolean;
  readonly quiet?: string;
}

export type Tone = "good" | "bad" | "warning";

/** A table; rows' first cells are their headers. */
export interface TableView {
  readonly id: string;
  readonly title: string;
  readonly about?: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A sentence of the result that stands alone. */
export interface Sentence {
  readonly text: string;
  readonly tone?: Tone;
}

/** Everything that is shown at one moment. */
export interface PanelView {
  /** Name of the model. */
  readonly title: string;
  /** What was trained, on what, how; in sentences. */
  readonly conditions: readonly string[];
  readonly verdicts: readonly Sentence[];
  readonly charts: readonly ChartView[];
  readonly maps: readonly HeatMapView[];
  readonly tables: readonly TableView[];
  readonly notes: readonly string[];
}

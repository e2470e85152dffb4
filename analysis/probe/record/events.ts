/** @file What a probe tells while it runs. Plain data, like the record at its end. */
import type { ProviderTrial } from "../types";

/** A message of a running probe. */
export type ProbeEvent =
  /** Planned; the first runs start. */
  | {
      readonly kind: "started";
      readonly model: string;
      readonly steps: number;
      readonly replicas: number;
      readonly settings: readonly string[];
      /** Trainable entries of what is trained, the model or its twin. */
      readonly parameters: number;
      /** Why a twin is trained. */
      readonly twin?: string;
    }
  /** Which device trains. */
  | { readonly kind: "device"; readonly device: string; readonly trials: readonly ProviderTrial[] }
  /** Mean losses since the last points of some runs. `step` is that of the run that is behind the others. */
  | {
      readonly kind: "points";
      readonly step: number;
      readonly steps: number;
      readonly points: readonly LossPoint[];
    }
  /** What one recorded state of one run says. */
  | ({ readonly kind: "measures" } & LiveMeasures)
  /** What takes time besides training. */
  | { readonly kind: "phase"; readonly text: string }
  | { readonly kind: "note"; readonly text: string };

/** One point of a loss curve. */
export interface LossPoint {
  readonly setting: string;
  readonly replica: number;
  readonly step: number;
  /** Null where it is not finite. */
  readonly loss: number | null;
}

/** What is cheap to measure on a state. */
export interface LiveMeasures {
  readonly setting: string;
  readonly replica: number;
  readonly step: number;
  /** Held-out loss. */
  readonly loss: number | null;
  readonly accuracy?: number;
  /** Degree of breaking of all mirrors that are measured live: permutations, signs and scalings. Null where there are none. */
  readonly degree: number | null;
  /** The same by symmetry, with the order parameter of its weakest mirror relative to its layer's scale. */
  readonly symmetries: readonly {
    readonly id: string;
    readonly group: string;
    readonly kind: string;
    readonly parameters: readonly string[];
    readonly degree: number | null;
    readonly weakest: number | null;
    readonly units?: number;
    readonly dead?: number;
    readonly distinct?: number;
    /** Mean |q| of a rescaling: imbalance between both sides. */
    readonly imbalance?: number;
  }[];
  /** Effective rank over full rank of each weight matrix that is small enough. */
  readonly ranks: readonly { readonly parameter: string; readonly effective: number; readonly full: number }[];
  /** Share of dormant units over all layers. */
  readonly dormant: number | null;
}

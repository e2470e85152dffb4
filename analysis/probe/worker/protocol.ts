/** @file What the probe and the process that trains say to each other (structured clones over IPC). */
import type { WireTensor, WireTensors } from "../../runtime/protocol";
import type { GradientNoise } from "../../dynamics/trajectory";

/** Where and how a session runs. */
export interface Provider {
  /** ONNX Runtime's name: cpu, webgpu, cuda, dml, coreml. */
  readonly name: string;
  /** Threads per operator. */
  readonly threads: number;
}

/** A state tensor: its name, and the shape and number of elements of one run. */
export interface StateLayout {
  readonly name: string;
  readonly kind: "parameters" | "momentum" | "variance" | "statistics";
  readonly shape: readonly number[];
  readonly size: number;
}

/** Runs that train together in one graph, or one run. */
export interface TrainJob {
  readonly provider: Provider;
  readonly scan: Uint8Array;
  readonly step: Uint8Array;
  readonly observe: {
    readonly model: Uint8Array;
    readonly loss: string;
    readonly correct: string | undefined;
    readonly answers: number;
    readonly activity: readonly { readonly value: string; readonly meanAbsolute: string; readonly active: string }[];
    /** Batches to look at, one after the other; their means are reported. */
    readonly batches: readonly WireTensors[];
  };
  /** Size of the replica axis of the models, 0 for none; `runs` is what it carries (1 for none). */
  readonly replicas: number;
  readonly runs: number;
  readonly layout: readonly StateLayout[];
  /** Initial values by state tensor, all runs one behind the other. */
  readonly state: Readonly<Record<string, Float32Array>>;
  /** Frozen parameters and data, fed to every step. */
  readonly fixed: WireTensors;
  readonly steps: number;
  /** Rows of a batch; 0: whole batches are picked. */
  readonly batch: number;
  readonly examples: number;
  /** Seed of the order of the data, per run. */
  readonly seeds: readonly number[];
  /** Numbers of each step by input: [steps * runs]. */
  readonly numbers: Readonly<Record<string, Float32Array>>;
  /** Steps before which the state is recorded, ascending; `steps` itself is the end. */
  readonly recordAt: readonly number[];
  readonly gradients: boolean;
  /** Number of mini-batches for the estimate of gradient noise at each recording; 0 for none. */
  readonly noise: number;
  /** Milliseconds that one call of the runtime should take at most. */
  readonly chunk: number;
  /** Milliseconds after which the run ends where it is. */
  readonly limit: number;
}

/** The state of all runs of a job at a step. Arrays hold the runs one behind the other. */
export interface WireRecording {
  readonly step: number;
  readonly state: Readonly<Record<string, Float32Array>>;
  readonly gradient?: Readonly<Record<string, Float32Array>>;
  readonly after?: Readonly<Record<string, Float32Array>>;
  /** Per run. */
  readonly observed: readonly Observed[];
  readonly noise?: readonly GradientNoise[];
}

/** What a look at one run found. */
export interface Observed {
  readonly loss: number;
  readonly accuracy?: number;
  readonly activity: readonly { readonly value: string; readonly meanAbsolute: Float64Array; readonly active: Float64Array }[];
}

/** What the parent says to a process that trains. */
export type ProbeMessage =
  | { readonly id: number; readonly kind: "warm" }
  | { readonly id: number; readonly kind: "train"; readonly job: TrainJob }
  /** Loads a model and keeps it; `fixed` is fed to every run. */
  | {
      readonly id: number;
      readonly kind: "open";
      readonly session: number;
      readonly provider: Provider;
      readonly model: Uint8Array;
      readonly fixed: WireTensors;
    }
  /** Runs a model that was opened, once for each batch. */
  | { readonly id: number; readonly kind: "run"; readonly session: number; readonly batches: readonly WireTensors[] }
  | { readonly id: number; readonly kind: "close"; readonly session: number };

/** What a process that trains says to its parent. */
export type ProbeReply =
  | {
      readonly id: number;
      readonly kind: "progress";
      readonly step: number;
      readonly losses: Float32Array;
      readonly norms: Float32Array;
    }
  | { readonly id: number; readonly kind: "recording"; readonly recording: WireRecording }
  | {
      readonly id: number;
      readonly kind: "done";
      readonly steps?: number;
      /** Answer to warm: what ONNX Runtime's own CPU provider is called here. */
      readonly cpu?: "cpu" | "wasm";
      readonly outputs?: readonly Record<string, WireTensor>[];
    }
  | { readonly id: number; readonly kind: "failed"; readonly reason: "unavailable" | "model"; readonly message: string };

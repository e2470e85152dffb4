/** @file What a probe is asked and what it answers. */
import type { Recording, Trajectory } from "../dynamics/trajectory";
import type { Graph } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import type { ParameterValues } from "../symmetry/symmetry";

export type { GradientNoise, Recording, Trajectory, UnitActivity } from "../dynamics/trajectory";

/** What is minimised. cross-entropy takes class indices, bce probabilities through a sigmoid (with logits). */
export type LossKind = "cross-entropy" | "mse" | "bce";

/** Parameters with options of their own; patterns may hold `*`. What is left out is the setting's. */
export interface ParameterGroup {
  readonly parameters: readonly string[];
  readonly learningRate?: number;
  readonly weightDecay?: number;
}

/** How the learning rate changes: a factor per step. */
export type Schedule =
  | { readonly kind: "constant" }
  /** Rises linearly over `warmup` steps, then falls along a cosine to `final` (a factor, 0 by default) at the last step. */
  | { readonly kind: "cosine"; readonly warmup?: number; readonly final?: number }
  /** Rises linearly over `warmup` steps, then falls linearly to `final` (0 by default) at the last step. */
  | { readonly kind: "linear"; readonly warmup?: number; readonly final?: number }
  /** Multiplied by `factor` every `every` steps. */
  | { readonly kind: "step"; readonly every: number; readonly factor: number };

/** How a run trains. All definitions are PyTorch's. */
export interface TrainingSettings {
  readonly optimiser: "sgd" | "adam" | "adamw";
  readonly learningRate: number;
  /** SGD only. */
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  /** Adam and AdamW only. */
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Added to the gradient (SGD, Adam) or taken off the weights directly (AdamW). */
  readonly weightDecay: number;
  /** Settings of single parameters; the first group that matches counts. A decay exclusion is a group with weightDecay 0. */
  readonly groups: readonly ParameterGroup[];
  /** Largest norm of the whole gradient (torch.nn.utils.clip_grad_norm_); Infinity clips nothing. */
  readonly clipNorm: number;
  readonly schedule: Schedule;
  readonly batchSize: number;
}

/** One setting to train with. */
export interface ProbeSetting {
  readonly name: string;
  readonly training: TrainingSettings;
  /**
   * Trained instead of the request's model (a fix that changes the architecture). Parameters of the same name start with
   * the same values as in the other settings.
   */
  readonly graph?: Graph;
  /**
   * Constants per parameter, for fixes that change what is trained and not the architecture (syre, 2408.15495): the model
   * is evaluated at scale * theta + shift, the decay acts on theta.
   */
  readonly reparametrisation?: ReadonlyMap<string, { readonly scale?: Float64Array; readonly shift?: Float64Array }>;
  /** Anchors of syre (2408.15495), drawn for what is trained, the model or its twin. Not together with a reparametrisation. */
  readonly anchors?: AnchorPlan;
  /** Initial values instead of drawn ones, by name; absent parameters are drawn. Equal for all replicas. */
  readonly initial?: ParameterValues;
}

/** How the frozen anchors of syre are drawn: normal with deviation strength * 0.01 / sqrt(fan_in). */
export interface AnchorPlan {
  readonly seed: number;
  /** 1 by default: the recommendation of the paper. */
  readonly strength?: number;
  /** Spread d of the diagonal of the advanced variant, D_ii = 1 + U(-d, d); absent for the plain one. */
  readonly diagonal?: number;
}

/** Data to train on. */
export type DataSource =
  /** Made up to fit the model: see SyntheticKind. */
  | { readonly kind: "synthetic"; readonly task?: SyntheticKind; readonly examples?: number; readonly noise?: number }
  /** A file or folder of the user: .npz, .npy, .csv or a folder of image folders. */
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "tensors"; readonly inputs: ReadonlyMap<string, Tensor>; readonly targets: Tensor; readonly name: string };

/**
 * teacher: targets are outputs of the same architecture with other weights, plus noise. mixture: Gaussian classes. markov:
 * token sequences from a random Markov chain, targets are the next tokens.
 */
export type SyntheticKind = "teacher" | "mixture" | "markov";

/** Where to train; `auto` takes the fastest that is there. */
export type DeviceChoice = "auto" | "cpu" | "cuda" | "webgpu" | "dml" | "coreml";

/** What a probe is asked. */
export interface ProbeRequest {
  /** The model as its front end made it. */
  readonly graph: Graph;
  /** At least one; the first is the user's own. */
  readonly settings: readonly ProbeSetting[];
  /** Updates per run. */
  readonly steps: number;
  /** Runs per setting, with different seeds. */
  readonly replicas: number;
  readonly seed: number;
  readonly data: DataSource;
  /** Chosen from the outputs and the data where absent. */
  readonly loss?: LossKind;
  readonly device: DeviceChoice;
  /** How many states to record per run, the first and the last included (default 11); fewer where memory demands it. */
  readonly recordings?: number;
  /** Records gradient, the parameters after the step and the optimiser's state as well (default true). */
  readonly recordGradients?: boolean;
  readonly recordNoise?: boolean;
  readonly budget?: ProbeBudget;
  /** Folder for results by content; no caching where absent. */
  readonly cache?: string;
}

/** Limits. What would exceed them is trained as its twin; what exceeds them nevertheless ends early and says so. */
export interface ProbeBudget {
  /** Wall-clock seconds of training (default 60). */
  readonly seconds?: number;
  /** Bytes of memory for state, activations and recordings (default 2 GiB). */
  readonly bytes?: number;
  /** False trains the model itself, whatever its size; true the twin. By default the size decides. */
  readonly twin?: boolean;
}

/** One provider of ONNX Runtime that was considered. */
export interface ProviderTrial {
  readonly provider: string;
  readonly outcome: "used" | "unavailable" | "wrong results" | "not tried";
  /** Why, in a sentence. */
  readonly reason: string;
}

/** Where a probe trained. */
export interface DeviceReport {
  /** The provider that trained: cpu, wasm (the CPU without native code), cuda, webgpu, dml, coreml. */
  readonly device: string;
  readonly trials: readonly ProviderTrial[];
  /** Processes that trained at the same time, and how the replicas were spread. */
  readonly processes: number;
  /** Replicas trained as one batched graph (1: one after the other). */
  readonly batched: number;
}

/** What a probe answers. */
export interface ProbeResult {
  /** What was trained: the request's graph, or its twin. Symmetries of the trajectories are those of this graph. */
  readonly graph: Graph;
  /** Number of trainable entries of what was trained. */
  readonly parameters: number;
  /** Why the twin was trained, and what it leaves out; absent where the model itself was. */
  readonly twin?: { readonly reason: string; readonly originalParameters: number; readonly notes: readonly string[] };
  readonly loss: LossKind;
  /** As they were trained: a setting's `graph` is its twin where twins were trained, anchors are drawn. */
  readonly settings: readonly ProbeSetting[];
  /** What it was trained on, in words. */
  readonly data: { readonly description: string; readonly examples: number };
  readonly runs: readonly Trajectory[];
  readonly device: DeviceReport;
  readonly steps: number;
  readonly seed: number;
  /** What the reader has to know (dropout is off, steps that were left out for lack of time, ...). */
  readonly notes: readonly string[];
  readonly seconds: number;
  readonly cached: boolean;
}

/** One point of the curves, while the probe runs. */
export interface ProbeProgress {
  readonly kind: "started" | "point" | "note";
  /** Steps done by the run that is behind the others, of `steps`. */
  readonly step: number;
  readonly steps: number;
  /** For a point: the runs that went on, with their mean loss since the last point. */
  readonly points?: readonly {
    readonly setting: string;
    readonly replica: number;
    readonly step: number;
    readonly loss: number;
  }[];
  readonly text?: string;
}

/** What a probe tells once it knows what it is going to train. */
export interface ProbePlan {
  /** What is trained: the request's graph, or its twin. */
  readonly graph: Graph;
  readonly parameters: number;
  readonly twin?: ProbeResult["twin"];
  /** As they are trained, see ProbeResult.settings. */
  readonly settings: readonly ProbeSetting[];
}

/** What a probe may be given besides the request. Nothing of it is called for results from the cache but `onPlan`. */
export interface ProbeOptions {
  readonly signal?: AbortSignal;
  readonly onPlan?: (plan: ProbePlan) => void;
  readonly onDevice?: (device: string, trials: readonly ProviderTrial[]) => void;
  readonly onProgress?: (progress: ProbeProgress) => void;
  /** A state of one run, as soon as it is recorded, with its loss and accuracy on held-out data. */
  readonly onRecording?: (
    run: { readonly setting: string; readonly replica: number },
    recording: Recording,
    evaluation: { readonly loss: number; readonly accuracy?: number },
  ) => void;
}

/** The loss of the training data as a function of the parameters, for measures that need gradients elsewhere (Lanczos). */
export interface Objective {
  /** Number of mini-batches that the loss is the mean of. */
  readonly batches: number;
  /** Parameters that train, in the order of the state. */
  readonly trainable: readonly string[];
  /** About how long one evaluation over all mini-batches takes; the same for the same request, whatever the machine does. */
  readonly seconds: number;
  /**
   * Mean loss and its gradient by trainable parameter, in float32 arithmetic: over all mini-batches, or on one of them.
   * Parameters are those that train (of a reparametrised setting: not yet shifted and scaled).
   */
  evaluate(parameters: ParameterValues, batch?: number): Promise<{ readonly loss: number; readonly gradient: ParameterValues }>;
  /** Ends it; its process is kept for the next probe. */
  dispose(): void;
}

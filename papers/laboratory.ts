/** @file Trains the networks of models.py with the probe and summarises what happens to their symmetries. */
import path from "node:path";
import { summarise } from "../analysis/dynamics/summary/summary";
import type { ProbeSummary } from "../analysis/dynamics/summary/types";
import type { Graph } from "../analysis/graph/graph";
import { type Tensor, tensor } from "../analysis/graph/tensor";
import { Random } from "../analysis/numerics/random";
import { Prober } from "../analysis/probe/probe";
import { DEFAULT_TRAINING } from "../analysis/probe/settings";
import type {
  DataSource,
  LossKind,
  Objective,
  ProbeRequest,
  ProbeResult,
  ProbeSetting,
  TrainingSettings,
} from "../analysis/probe/types";
import { Loader } from "../analysis/service/models";
import { analyse } from "../analysis/symmetry/analyse";
import type { ModelAnalysis } from "../analysis/symmetry/analysis";

/** One training to make: several settings, several replicas. */
export interface Experiment {
  /** Class in models.py. */
  readonly model: string;
  readonly settings: readonly (Omit<ProbeSetting, "training"> & { readonly training: Partial<TrainingSettings> })[];
  readonly data: DataSource;
  readonly loss: LossKind;
  readonly steps: number;
  readonly replicas: number;
  readonly recordings?: number;
  /** Searches for matrix groups as well (they are numeric, and slow on images). */
  readonly matrixGroups?: boolean;
}

/** What an experiment gives. */
export interface Outcomes {
  readonly result: ProbeResult;
  readonly summary: ProbeSummary;
  readonly analysis: ModelAnalysis;
}

/** Trains, measures, and counts the seconds. */
export class Laboratory {
  private readonly prober: Prober;
  private readonly models: Promise<ReadonlyMap<string, Graph>>;

  constructor(root: string) {
    this.prober = new Prober();
    this.models = new Loader()
      .load(path.join(root, "papers", "models.py"))
      .then(({ models }) => new Map(models.map((m) => [m.name, m.graph])));
  }

  async graph(name: string): Promise<Graph> {
    const graphs = await this.models;
    const graph = graphs.get(name);
    if (!graph) throw new Error(`papers/models.py has no model ${name}; it has ${[...graphs.keys()].join(", ")}`);
    return graph;
  }

  /** Runs an experiment at full size. Throws Error when it could not be trained to the end. */
  async run(experiment: Experiment): Promise<Outcomes> {
    const request = await this.request(experiment);
    const { settings } = request;
    const result = await this.prober.probe(request);
    if (result.notes.some((n) => n.includes("budget"))) throw new Error(`${experiment.model}: ${result.notes.join("; ")}`);
    const numeric = experiment.matrixGroups ?? false;
    const analysis = analyse(result.graph, { numeric });
    const own = (s: ProbeSetting) => ({
      name: s.name,
      training: s.training,
      ...(s.graph ? { analysis: analyse(s.graph, { numeric }) } : {}),
      ...(s.reparametrisation ? { reparametrisation: s.reparametrisation } : {}),
    });
    return { result, analysis, summary: summarise(analysis, settings.map(own), result.runs) };
  }

  /** The training loss of an experiment's first setting as a function of the parameters. Dispose it after use. */
  async objective(experiment: Experiment): Promise<Objective> {
    return this.prober.objective(await this.request(experiment));
  }

  private async request(experiment: Experiment): Promise<ProbeRequest> {
    return {
      graph: await this.graph(experiment.model),
      settings: experiment.settings.map((s) => ({ ...s, training: { ...DEFAULT_TRAINING, ...s.training } })),
      steps: experiment.steps,
      replicas: experiment.replicas,
      seed: 1,
      data: experiment.data,
      loss: experiment.loss,
      device: "cpu",
      recordings: experiment.recordings ?? 11,
      recordNoise: false,
      budget: { seconds: 600, twin: false },
    };
  }

  dispose(): void {
    this.prober.dispose();
  }
}

/** Rows of a task, and how many of them are trained on when whole batches of `batch` are held out as the probe does. */
export const ROWS = 2048;

/** Targets of a small tanh network (three units) with noise: a task that needs fewer units than the student has. */
export function teacherTask(seed: number, noise = 0.05, rows = ROWS): Extract<DataSource, { kind: "tensors" }> {
  const random = new Random(seed);
  const [inputs, units, outputs] = [8, 3, 2];
  const first = random.normals(units * inputs, 1.5 / Math.sqrt(inputs));
  const second = random.normals(outputs * units, 1);
  const x = random.normals(rows * inputs);
  const y = new Float64Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let u = 0; u < units; u++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) sum += first[u * inputs + i]! * x[r * inputs + i]!;
      const h = Math.tanh(sum);
      for (let o = 0; o < outputs; o++) y[r * outputs + o]! += second[o * units + u]! * h;
    }
    for (let o = 0; o < outputs; o++) y[r * outputs + o]! += noise * random.normal();
  }
  return tensorsTask("a teacher of three tanh units", [rows, inputs], x, [rows, outputs], y);
}

/** A data source from plain numbers; the input's name is the models'. */
export function tensorsTask(
  name: string,
  inputShape: readonly number[],
  x: Float64Array,
  targetShape: readonly number[],
  y: Float64Array,
): Extract<DataSource, { kind: "tensors" }> {
  const inputs = new Map<string, Tensor>([["x", tensor(inputShape, x, "float32")]]);
  return { kind: "tensors", name, inputs, targets: tensor(targetShape, y, "float32") };
}

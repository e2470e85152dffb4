/** @file From settings and replicas to jobs: which runs share a graph, what each job is fed. */
import type { Graph } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import type { WireTensor, WireTensors } from "../runtime/protocol";
import type { ParameterValues } from "../symmetry/symmetry";
import { type DataSet, rowsOf } from "./data/dataset";
import { initialValues } from "./initial";
import type { Layout } from "./layout";
import { packValues } from "./memory";
import { numberInput } from "./names";
import { numbersAt, stepNumbers } from "./optimiser";
import { type TrainingModels, trainingModels } from "./training-graph";
import type { ProbeSetting, TrainingSettings } from "./types";
import type { Variant } from "./variant";
import type { Provider, TrainJob } from "./worker/protocol";

/** One run: a setting and a replica. */
export interface Run {
  readonly setting: ProbeSetting;
  readonly variant: Variant;
  readonly replica: number;
  readonly seed: number;
}

/** Runs that one job trains, and the layout of their state. */
export interface PlannedJob {
  readonly runs: readonly Run[];
  readonly layout: Layout;
  readonly frozen: ParameterValues;
  readonly job: TrainJob;
}

/** What all jobs of a probe have in common. */
export interface JobPlan {
  readonly provider: Provider;
  readonly steps: number;
  readonly recordAt: readonly number[];
  readonly gradients: boolean;
  readonly noise: boolean;
  readonly chunk: number;
  readonly limit: number;
  /** See {@link TrainingSpec.block}. */
  readonly block?: number | undefined;
  data(variant: Variant): DataSet;
}

/** Networks whose step takes at most this many operations per run share a graph: their time goes into overhead. */
const SMALL_STEP = 3e6;
/** Convolutions of copies have to move their channels side by side first, which pays for smaller steps only. */
const SMALL_CONVOLUTIONS = 5e5;
/** Mini-batches for the estimate of gradient noise. */
const NOISE_BATCHES = 4;

/** What runs of one graph must have in common: everything but learning rate, decay and groups. */
function groupKey({ setting, variant }: Run, variants: readonly Variant[]): string {
  const { learningRate: _rate, weightDecay: _decay, groups: _groups, ...rest } = setting.training;
  const own = setting.reparametrisation ? setting.name : "";
  return `${variants.indexOf(variant)} ${own} ${JSON.stringify(rest)}`;
}

/** Spreads runs over jobs: small networks share graphs, one per process; large ones train one by one. */
export function groupRuns(runs: readonly Run[], processes: number, device: string): Run[][] {
  const variants = [...new Set(runs.map((r) => r.variant))];
  const groups = new Map<string, Run[]>();
  for (const run of runs) {
    const key = groupKey(run, variants);
    const list = groups.get(key);
    if (list) list.push(run);
    else groups.set(key, [run]);
  }
  const shares = Math.max(1, Math.floor(processes / groups.size));
  return [...groups.values()].flatMap((group) => {
    const { variant } = group[0]!;
    const convolves = variant.trainable.graph.nodes.some((n) => n.operator === "Conv" || n.operator === "ConvTranspose");
    const isSmall = device !== "cpu" || 3 * variant.cost.operations <= (convolves ? SMALL_CONVOLUTIONS : SMALL_STEP);
    if (group.length < 2 || !isSmall || !variant.replicated(2)) return group.map((run) => [run]);
    const parts = Math.min(shares, group.length);
    return Array.from({ length: parts }, (_, k) =>
      group.slice(Math.floor((k * group.length) / parts), Math.floor(((k + 1) * group.length) / parts)),
    );
  });
}

/** Models by setting, so that replicas that train one by one share them. */
export class JobMaker {
  private readonly models = new Map<string, TrainingModels>();
  /** Drawn values by graph and seed. */
  private readonly drawn = new Map<Graph, Map<number, ParameterValues>>();

  constructor(private readonly plan: JobPlan) {}

  /** Initial values of a run: drawn by its seed, overridden by what its setting gives. */
  initialOf(run: Run): ParameterValues {
    const { graph } = run.variant;
    const bySeed = this.drawn.get(graph) ?? new Map<number, ParameterValues>();
    this.drawn.set(graph, bySeed);
    let values = bySeed.get(run.seed);
    if (!values) {
      values = initialValues(graph, run.seed);
      bySeed.set(run.seed, values);
    }
    return run.setting.initial ? new Map([...values, ...run.setting.initial]) : values;
  }

  /** The job that trains these runs together. */
  make(runs: readonly Run[]): PlannedJob {
    const { plan } = this;
    const [first] = runs as [Run];
    const { variant } = first;
    const shared = runs.length > 1;
    const layout = variant.layout(shared);
    const models = this.modelsOf(runs);
    const data = plan.data(variant);
    const values = runs.map((run) => this.initialOf(run));
    const state: Record<string, Float32Array> = {};
    for (const s of models.state) {
      const all = new Float32Array(s.pack.size * runs.length);
      if (s.kind === "parameters" || s.kind === "statistics") {
        values.forEach((v, r) => all.set(packValues(s.pack, v), r * s.pack.size));
      }
      state[s.name] = all;
    }
    const frozen = new Map(layout.frozen.map((name) => [name, values[0]!.get(name) ?? new Float64Array(0)]));
    const fixed: WireTensors = {};
    for (const name of models.frozen) {
      const p = variant.trainable.graph.parameters.get(name)!;
      const value = values[0]!.get(name) ?? new Float64Array(elementCount(p.shape));
      fixed[name] = p.type === "float32" ? wire("float32", p.shape, Float32Array.from(value)) : integers(p.type, p.shape, value);
    }
    for (const [input, name] of models.data) fixed[name] = data.inputs.get(input)!;
    fixed[models.targets] = data.targets;
    return {
      runs,
      layout,
      frozen,
      job: {
        provider: plan.provider,
        scan: models.scan,
        step: models.step,
        observe: this.observation(first, shared, data),
        replicas: models.replicas,
        runs: runs.length,
        layout: models.state.map((s) => ({
          name: s.name,
          kind: s.kind,
          shape: s.pack.flat ? [s.pack.size] : s.pack.entries[0]!.shape,
          size: s.pack.size,
        })),
        state,
        fixed,
        steps: plan.steps,
        batch: variant.batching === "rows" ? variant.batch : 0,
        examples: data.training,
        seeds: runs.map((r) => r.seed),
        numbers: this.numbers(runs.map((r) => r.setting.training)),
        recordAt: plan.recordAt,
        gradients: plan.gradients,
        noise: plan.noise ? NOISE_BATCHES : 0,
        chunk: plan.chunk,
        limit: plan.limit,
      },
    };
  }

  private modelsOf(runs: readonly Run[]): TrainingModels {
    const [{ setting, variant }] = runs as [Run];
    const make = () =>
      trainingModels({
        trainable: runs.length > 1 ? variant.replicated(runs.length)! : variant.trainable,
        loss: variant.loss,
        replicas: runs.length > 1 ? runs.length : 0,
        settings: runs.map((r) => r.setting.training),
        batching: variant.batching,
        portable: variant.isPortable,
        block: this.plan.block,
        ...(setting.reparametrisation ? { reparametrisation: setting.reparametrisation } : {}),
      });
    if (runs.length > 1) return make();
    let models = this.models.get(setting.name);
    if (!models) {
      models = make();
      this.models.set(setting.name, models);
    }
    return models;
  }

  private numbers(settings: readonly TrainingSettings[]): Record<string, Float32Array> {
    const { steps } = this.plan;
    const out: Record<string, Float32Array> = {};
    stepNumbers(settings[0]!).forEach((name, k) => {
      const all = new Float32Array(steps * settings.length);
      for (let t = 0; t < steps; t++) settings.forEach((s, r) => (all[t * settings.length + r] = numbersAt(s, t, steps)[k]!));
      out[numberInput(name)] = all;
    });
    return out;
  }

  private observation({ variant, setting }: Run, shared: boolean, data: DataSet): TrainJob["observe"] {
    const model = variant.observe(shared, setting);
    const rows = variant.rows;
    const held = data.examples - data.training;
    const count = Math.max(1, Math.min(4, Math.floor(held / rows)));
    const start = Math.max(0, Math.min(data.training, data.examples - rows));
    const batches = Array.from({ length: count }, (_, k): WireTensors => {
      const from = start + k * rows;
      const cut = (t: WireTensor) => {
        const part = rowsOf(t, from, from + rows);
        return variant.batching === "rows" ? part : { ...part, shape: part.shape.slice(1) };
      };
      const out: WireTensors = { [model.targets]: cut(data.targets) };
      for (const [input, name] of model.data) out[name] = cut(data.inputs.get(input)!);
      return out;
    });
    const { loss, correct, answers, activity } = model;
    return { model: model.model, loss, correct, answers, activity, batches };
  }
}

const wire = (type: WireTensor["type"], shape: readonly number[], data: WireTensor["data"]): WireTensor => ({
  type,
  shape,
  data,
});

function integers(type: WireTensor["type"], shape: readonly number[], value: Float64Array): WireTensor {
  if (type === "bool") return wire("bool", shape, Uint8Array.from(value));
  if (type === "int32") return wire("int32", shape, Int32Array.from(value));
  return wire(
    "int64",
    shape,
    BigInt64Array.from(value, (v) => BigInt(Math.trunc(v))),
  );
}

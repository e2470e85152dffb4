/**
 * @file A probe as a host runs it, the command line and the language server alike: from a model and what its code says about
 * training to a record, with everything told on the way.
 */
import { LiveMeter } from "../../dynamics/summary/live";
import { effective } from "../../dynamics/summary/run";
import { summarise } from "../../dynamics/summary/summary";
import type { TrainingFacts } from "../../frontends/python/facts/facts";
import type { Graph } from "../../graph/graph";
import type { LiveMeasures, ProbeEvent } from "../../probe/record/events";
import { makeRecord, plain } from "../../probe/record/make";
import type { ProbeRecord } from "../../probe/record/record";
import { Prober } from "../../probe/probe";
import type {
  DataSource,
  DeviceChoice,
  LossKind,
  Objective,
  ProbeBudget,
  ProbeOptions,
  ProbeRequest,
  ProbeResult,
  ProbeSetting,
  TrainingSettings,
} from "../../probe/types";
import { analyse } from "../../symmetry/analyse";
import type { ModelAnalysis } from "../../symmetry/analysis";
import { RunCancelled } from "../../runtime";
import type { LoadedModel } from "../loaded";
import { type Landscape, measureLandscape } from "./landscape";
import { productsOf } from "./products";
import { keepRecord } from "./records";
import { type ComparedSetting, type Comparison, knownTraining, probeSettings, type Sweep } from "./settings";

/** What a session is asked for. What is absent comes from the code, or is the default. */
export interface ProbeSessionOptions {
  /** Updates per run (300). */
  readonly steps?: number;
  /** Runs per setting (4). */
  readonly replicas?: number;
  readonly seed?: number;
  /** Overrides what the code says. */
  readonly training?: Partial<TrainingSettings>;
  readonly loss?: LossKind;
  /** A file or folder of the user's, or a source; made-up data by default. */
  readonly data?: string | DataSource;
  readonly device?: DeviceChoice;
  readonly sweep?: Sweep;
  /** Trained as well, paired with the first setting: named changes, or changed models and trainings. */
  readonly compare?: readonly (Comparison | ComparedSetting)[];
  readonly budget?: ProbeBudget;
  /** Folder for results by content; no caching where absent. */
  readonly cache?: string;
  /** Folder where the record is kept for rules and risks (recordsFolder of the model's file); it is not kept where absent. */
  readonly records?: string;
}

/** What is probed. */
export interface ProbedModel {
  readonly model: Pick<LoadedModel, "name" | "graph">;
  /** What the code says about training; absent for ONNX files. */
  readonly facts?: TrainingFacts;
}

/** What a host gives besides. */
export interface ProbeHost {
  /** Ends the probe: its processes are killed at once. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: ProbeEvent) => void;
  /** Keeps processes warm between sessions; without it a session has its own and ends them. */
  readonly prober?: Prober;
}

/** What measuring after training needs. */
interface Means {
  readonly prober: Prober;
  readonly tell: (event: ProbeEvent) => void;
  readonly signal?: AbortSignal;
  readonly sweep?: Sweep;
}

/** Entries up to which matrix groups and shifts are looked for: in larger networks that takes longer than the training. */
const NUMERIC_LIMIT = 1200;
/** Settings whose loss is looked at around the end; the mini-batches that stand for it, and the seconds it may take each. */
const MOST_LANDSCAPES = 3;
const LANDSCAPE_BATCHES = 8;
const LANDSCAPE_SECONDS = 1;

const DEFAULTS = { steps: 300, replicas: 4, seed: 0 } as const;
/** Live measures may take this share of the time since the start. */
const LIVE_SHARE = 0.15;

/**
 * Trains, measures and records.
 * @throws RunCancelled when the signal says so, ComparisonError where a comparison needs other settings, and what `Prober.probe`
 *   throws: RuntimeFailure, GradientError, DataError
 */
export async function runProbe(
  { model, facts }: ProbedModel,
  options: ProbeSessionOptions = {},
  host: ProbeHost = {},
): Promise<ProbeRecord> {
  const known = knownTraining(facts, model.name, options.training);
  const seed = options.seed ?? DEFAULTS.seed;
  const settings = probeSettings(known.training, {
    seed,
    ...(options.sweep ? { sweep: options.sweep } : {}),
    ...(options.compare ? { compare: options.compare } : {}),
  });
  const loss = options.loss ?? known.loss;
  const { data } = options;
  const request: ProbeRequest = {
    graph: model.graph,
    settings,
    steps: options.steps ?? DEFAULTS.steps,
    replicas: options.replicas ?? DEFAULTS.replicas,
    seed,
    data: data === undefined ? { kind: "synthetic" } : typeof data === "string" ? { kind: "path", path: data } : data,
    ...(loss ? { loss } : {}),
    device: options.device ?? "auto",
    ...(options.budget ? { budget: options.budget } : {}),
    ...(options.cache === undefined ? {} : { cache: options.cache }),
  };
  const prober = host.prober ?? new Prober();
  try {
    const tell = host.onEvent ?? (() => {});
    const result = await prober.probe(request, {
      ...(host.signal ? { signal: host.signal } : {}),
      ...(host.onEvent ? listeners(model.name, request, host.onEvent) : {}),
    });
    tell({ kind: "phase", text: "measuring" });
    const record = await recordOf(
      model,
      request,
      { ...result, notes: [...known.notes, ...result.notes] },
      { prober, tell, ...(host.signal ? { signal: host.signal } : {}), ...(options.sweep ? { sweep: options.sweep } : {}) },
    );
    // The first setting of a sweep is one of many; rules judge what the author would train.
    if (options.records !== undefined && !options.sweep) {
      keepRecord(options.records, { graph: model.graph, training: knownTraining(facts, model.name).training }, record);
    }
    return record;
  } finally {
    if (!host.prober) prober.dispose();
  }
}

/** Everything that is measured once training is over. @throws RunCancelled */
async function recordOf(
  model: ProbedModel["model"],
  request: ProbeRequest,
  result: ProbeResult,
  { prober, signal, sweep, tell }: Means,
): Promise<ProbeRecord> {
  const analyses = new Map<Graph, ModelAnalysis>();
  const analysisOf = (graph: Graph): ModelAnalysis => {
    const found = analyses.get(graph) ?? analyse(graph, { numericLimit: NUMERIC_LIMIT });
    analyses.set(graph, found);
    return found;
  };
  const trained = (s: ProbeSetting | undefined) => analysisOf(s?.graph ?? result.graph);
  const summary = summarise(
    analysisOf(result.graph),
    result.settings.map((s) => ({
      name: s.name,
      training: s.training,
      ...(s.graph ? { analysis: trained(s) } : {}),
      ...(s.reparametrisation ? { reparametrisation: s.reparametrisation } : {}),
    })),
    result.runs,
  );
  const landscapes = new Map<string, Landscape>();
  const notes = [...result.notes];
  for (const setting of result.settings.slice(0, MOST_LANDSCAPES)) {
    if (signal?.aborted) throw new RunCancelled();
    tell({ kind: "phase", text: "measuring the loss around the end" });
    const runs = result.runs.filter((r) => r.setting === setting.name);
    let objective: Objective | undefined;
    try {
      objective = await prober.objective(request, LANDSCAPE_BATCHES, setting.name, signal);
      landscapes.set(setting.name, await measureLandscape(objective, setting, runs, trained(setting), LANDSCAPE_SECONDS));
    } catch (error) {
      if (signal?.aborted) throw new RunCancelled();
      // What was trained is worth more than this: it is said, and the rest stands.
      notes.push(
        `the loss around the end of ${setting.name} could not be measured: ${error instanceof Error ? error.message : String(error)}`,
      );
    } finally {
      objective?.dispose();
    }
  }
  return makeRecord({
    name: model.name,
    result: { ...result, notes },
    summary,
    landscapeOf: (setting) => landscapes.get(setting)?.landscape,
    collapseOf: (setting, symmetry) => landscapes.get(setting)?.collapse.get(symmetry),
    ...(sweep ? { sweep } : {}),
    modelOf: (setting) => trained(result.settings.find((s) => s.name === setting)),
    productsOf: (setting) =>
      productsOf(
        trained(result.settings.find((s) => s.name === setting)).normal,
        result.runs.filter((r) => r.setting === setting),
      ),
    replicas: request.replicas,
  });
}

/** What the prober tells, as events. */
function listeners(
  name: string,
  request: ProbeRequest,
  tell: (event: ProbeEvent) => void,
): Pick<ProbeOptions, "onPlan" | "onDevice" | "onProgress" | "onRecording"> {
  const started = performance.now();
  let [spent, settings, trained] = [0, request.settings, request.graph];
  const meters = new Map<Graph, LiveMeter>();
  const meterOf = (graph: Graph): LiveMeter => {
    const known = meters.get(graph);
    if (known) return known;
    // Rules alone find permutations, scalings and signs in milliseconds; the rest is measured at the end.
    const { symmetries } = analyse(graph, { numeric: false });
    const shapes = [...graph.parameters.values()].filter((p) => p.trainable).map((p) => [p.name, p.shape] as const);
    const made = new LiveMeter(symmetries, new Map(shapes));
    meters.set(graph, made);
    return made;
  };
  return {
    onPlan(plan) {
      settings = plan.settings;
      trained = plan.graph;
      tell({
        kind: "started",
        model: name,
        steps: request.steps,
        replicas: request.replicas,
        settings: plan.settings.map((s) => s.name),
        parameters: plan.parameters,
        ...(plan.twin ? { twin: plan.twin.reason } : {}),
      });
    },
    onDevice: (device, trials) => tell({ kind: "device", device, trials }),
    onProgress(p) {
      if (p.kind === "note") tell({ kind: "note", text: p.text ?? "" });
      if (p.kind !== "point") return;
      const points = (p.points ?? []).map((x) => ({ ...x, loss: plain(x.loss) }));
      tell({ kind: "points", step: p.step, steps: p.steps, points });
    },
    onRecording({ setting, replica }, recording, evaluation) {
      const now = performance.now();
      const isFirst = recording.step === 0;
      if (!isFirst && recording.step < request.steps && spent > LIVE_SHARE * (now - started)) return;
      const own = settings.find((s) => s.name === setting);
      if (!own || !Number.isFinite(evaluation.loss)) return;
      const parameters = effective(recording.parameters, own.reparametrisation);
      try {
        const state = meterOf(own.graph ?? trained).measure(
          `${setting} ${replica}`,
          { ...recording, parameters },
          own.training,
          replica === 0,
        );
        tell({ kind: "measures", ...liveMeasures(setting, replica, recording.step, evaluation, state) });
      } finally {
        spent += performance.now() - now;
      }
    },
  };
}

function liveMeasures(
  setting: string,
  replica: number,
  step: number,
  evaluation: { readonly loss: number; readonly accuracy?: number },
  state: ReturnType<LiveMeter["measure"]>,
): LiveMeasures {
  return {
    setting,
    replica,
    step,
    loss: plain(evaluation.loss),
    ...(evaluation.accuracy === undefined ? {} : { accuracy: evaluation.accuracy }),
    degree: plain(state.degree),
    symmetries: state.symmetries.map(({ symmetry, degree, weakest, ...rest }) => ({
      id: symmetry.id,
      group: symmetry.group,
      kind: symmetry.kind,
      parameters: [...symmetry.parameters],
      degree: plain(degree),
      weakest: plain(weakest),
      ...rest,
    })),
    ranks: state.ranks,
    dormant: plain(state.dormant),
  };
}

/** @file `noether probe`: short trainings that measure what symmetries do. */
import { statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { TrainingFacts } from "../frontends/python/facts/facts";
import type { ProbeProgress, ProbeRequest, ProbeSetting, TrainingSettings } from "../probe/types";
import type { ProbeText } from "../report/probe/text";
import type { LoadedModel } from "../service/models";
import { cacheFolder, makeCacheFolder } from "./cache-folder";
import type { ProbeArguments } from "./probe-arguments";
import type { Console } from "./run";
import { EXIT, meant, UsageError } from "./usage";

/** Runs the command; returns the exit code. @throws UsageError when the file or class is not there */
export async function probe(args: ProbeArguments, console: Console): Promise<number> {
  const stat = statSync(args.file, { throwIfNoEntry: false });
  if (!stat) throw new UsageError(`${args.file} does not exist; name a .py or .onnx file`);
  if (stat.isDirectory()) throw new UsageError(`${args.file} is a folder; name a .py or .onnx file in it`);
  const { Loader, UnknownModel } = await import("../service/models");
  let model: LoadedModel;
  let facts: TrainingFacts | undefined;
  try {
    const options = {
      ...(args.inputs.length > 0 ? { inputShapes: args.inputs } : {}),
      ...(args.className === undefined ? {} : { className: args.className }),
    };
    const loader = new Loader(options);
    const loaded = await loader.load(args.file);
    if (loaded.language === "python") facts = (await loader.readPython(args.file)).facts;
    for (const p of loaded.problems) console.error(`noether: ${p.message}`);
    model = chosen(loaded.models, args);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof UnknownModel) throw new UsageError(`${error.message}${meant(error.wanted, error.classes)}`);
    console.error(`noether: ${messageOf(error)}`);
    return EXIT.fatal;
  }
  return run(args, model, facts, console);
}

/** The model that was asked for, or the only one. */
function chosen(models: readonly LoadedModel[], { className, file }: ProbeArguments): LoadedModel {
  const found = className === undefined ? models : models.filter((m) => m.name === className);
  const [model, ...more] = found;
  if (!model) throw new UsageError(`${file} has no model ${className ?? "that could be made"}`);
  if (more.length > 0) {
    throw new UsageError(
      `${file} has ${found.length} models; name one: ${found
        .map((m) => `${file}::${m.name}`)
        .slice(0, 6)
        .join(", ")}`,
    );
  }
  return model;
}

async function run(
  args: ProbeArguments,
  model: LoadedModel,
  facts: TrainingFacts | undefined,
  console: Console,
): Promise<number> {
  const [{ Prober }, settings] = await Promise.all([import("../probe/probe"), import("../probe/settings")]);
  const known = facts ? settings.settingsFromFacts(facts, model.name) : { training: settings.DEFAULT_TRAINING, notes: [] };
  const loss = args.loss ?? ("loss" in known ? known.loss : undefined);
  const prober = new Prober();
  const bar = progressBar(console);
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  process.once("SIGINT", interrupt);
  try {
    const request: ProbeRequest = {
      graph: model.graph,
      settings: await settingsOf(args, model, known.training),
      steps: args.steps,
      replicas: args.replicas,
      seed: args.seed,
      data: args.data === undefined ? { kind: "synthetic" } : { kind: "path", path: args.data },
      ...(loss ? { loss } : {}),
      device: args.device,
      ...(args.budget === undefined ? {} : { budget: { seconds: args.budget } }),
      ...(args.cache ? { cache: probeCache(console.environment) } : {}),
    };
    const result = await prober.probe(request, { signal: abort.signal, onProgress: bar.show });
    bar.end();
    const [{ analyse }, { summarise }] = await Promise.all([
      import("../symmetry/analyse"),
      import("../dynamics/summary/summary"),
    ]);
    const analysis = result.graph === model.graph ? model.analysis : analyse(result.graph);
    const summary = summarise(
      analysis,
      result.settings.map((s) => ({
        name: s.name,
        training: s.training,
        ...(s.reparametrisation ? { reparametrisation: s.reparametrisation } : {}),
      })),
      result.runs,
    );
    const page = { name: model.name, result: { ...withoutRuns(result), notes: [...known.notes, ...result.notes] }, summary };
    const text = await rendered(page, args, console);
    if (args.output !== undefined) writeFileSync(args.output, `${text}\n`);
    else console.out(text);
    return EXIT.ok;
  } catch (error) {
    bar.end();
    if (error instanceof UsageError) throw error;
    console.error(`noether: ${messageOf(error)}`);
    return EXIT.fatal;
  } finally {
    process.removeListener("SIGINT", interrupt);
    prober.dispose();
  }
}

function withoutRuns<T extends { readonly runs: unknown; readonly graph: unknown }>({
  runs: _r,
  graph: _g,
  ...rest
}: T): Omit<T, "runs" | "graph"> {
  return rest;
}

async function rendered(page: ProbeText, { format }: ProbeArguments, console: Console): Promise<string> {
  if (format === "html") return (await import("../report/probe/html")).probeHtml(page);
  const { probeJson, probeText } = await import("../report/probe/text");
  if (format === "json")
    return JSON.stringify(probeJson(page), (_key, v: unknown) => (v instanceof Map ? Object.fromEntries(v) : v), 2);
  const { styleFor } = await import("../report/style");
  return probeText(page, styleFor({ isTTY: console.isTTY }, console.environment));
}

/** The settings to train with: the user's own first, then what is swept or compared with it. */
async function settingsOf(args: ProbeArguments, model: LoadedModel, known: TrainingSettings): Promise<ProbeSetting[]> {
  const training: TrainingSettings = {
    ...known,
    ...(args.optimiser === undefined ? {} : { optimiser: args.optimiser }),
    ...(args.learningRate === undefined ? {} : { learningRate: args.learningRate }),
    ...(args.weightDecay === undefined ? {} : { weightDecay: args.weightDecay }),
    ...(args.momentum === undefined ? {} : { momentum: args.momentum }),
    ...(args.batchSize === undefined ? {} : { batchSize: args.batchSize }),
  };
  const out: ProbeSetting[] = [];
  if (args.sweep) {
    const { what, values } = args.sweep;
    const key = ({ lr: "learningRate", "weight-decay": "weightDecay", "batch-size": "batchSize", momentum: "momentum" } as const)[
      what
    ];
    for (const value of values) out.push({ name: `${what}=${value}`, training: { ...training, [key]: value } });
  } else out.push({ name: "as it is", training });
  for (const fix of args.compare) {
    if (training.weightDecay === 0) {
      throw new UsageError(`--compare ${fix} needs weight decay to compare with; the code sets none: add --weight-decay`);
    }
    if (fix === "no-decay")
      out.push({ name: "no decay", training: { ...training, weightDecay: 0, groups: withoutDecay(training) } });
    else out.push({ name: "syre", training, reparametrisation: await anchors(model, args.seed) });
  }
  return out;
}

function withoutDecay(training: TrainingSettings): TrainingSettings["groups"] {
  return training.groups.map((g) => ({ ...g, weightDecay: 0 }));
}

/** Anchors of syre (2408.15495): small fixed random shifts of all weights, towards which the decay then pulls. */
async function anchors(model: LoadedModel, seed: number): Promise<NonNullable<ProbeSetting["reparametrisation"]>> {
  const [{ anchorDeviation }, { Random }] = await Promise.all([
    import("../dynamics/closed-forms/syre"),
    import("../numerics/random"),
  ]);
  const random = new Random(seed ^ 0x5e);
  const out = new Map<string, { shift: Float64Array }>();
  for (const p of model.graph.parameters.values()) {
    if (!p.trainable) continue;
    const size = p.shape.reduce((a, b) => a * b, 1);
    const fanIn = p.shape.length > 1 ? size / p.shape[0]! : 1;
    out.set(p.name, { shift: random.normals(size, anchorDeviation(fanIn)) });
  }
  return out;
}

/** A bar on a terminal, nothing elsewhere. */
function progressBar(console: Console): { show(p: ProbeProgress): void; end(): void } {
  if (!console.isTTY) return { show: () => {}, end: () => {} };
  const width = 30;
  let shown = false;
  return {
    show(p) {
      if (p.kind === "note") return;
      shown = true;
      const done = Math.round((width * p.step) / p.steps);
      const losses = p.points?.map((x) => x.loss) ?? [];
      const loss = losses.length > 0 ? `  loss ${(losses.reduce((a, b) => a + b, 0) / losses.length).toPrecision(3)}` : "";
      process.stderr.write(`\r${"█".repeat(done)}${"░".repeat(width - done)} ${p.step}/${p.steps} steps${loss}   `);
    },
    end() {
      if (shown) process.stderr.write(`\r${" ".repeat(width + 50)}\r`);
      shown = false;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Where results are kept. */
function probeCache(environment: Console["environment"]): string {
  const folder = cacheFolder(environment);
  makeCacheFolder(folder);
  return path.join(folder, "probes");
}

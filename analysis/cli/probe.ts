/** @file `noether probe`: short trainings that measure what symmetries do. */
import { statOf } from "./files";
import { meant } from "../configuration/nearest";
import path from "node:path";
import { replaceFile } from "../fixes/replace-file";
import type { TrainingFacts } from "../frontends/python/facts/facts";
import type { ProbeEvent } from "../probe/record/events";
import type { ProbeRecord } from "../probe/record/record";
import type { TrainingSettings } from "../probe/types";
import type { Finding } from "../rules/finding";
import type { LoadedFile, LoadedModel } from "../service/loaded";
import type { ComparedSetting, Comparison } from "../service/probe/settings";
import { cacheFolder, makeCacheFolder } from "./cache-folder";
import type { ProbeArguments } from "./arguments/probe";
import { configuredCalls } from "./configured";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Runs the command; returns the exit code. @throws UsageError when the file or class is not there */
export async function probe(args: ProbeArguments, console: Console): Promise<number> {
  const stat = statOf(args.file);
  if (!stat) throw new UsageError(`${args.file} does not exist; name a .py or .onnx file`);
  if (stat.isDirectory()) throw new UsageError(`${args.file} is a folder; name a .py or .onnx file in it`);
  const [{ Loader }, { UnknownModel }] = await Promise.all([import("../service/models"), import("../service/loaded")]);
  let model: LoadedModel;
  let file: LoadedFile;
  let facts: TrainingFacts | undefined;
  const calls = await configuredCalls(args.file);
  try {
    const options = {
      ...calls,
      ...(args.inputs.length > 0 ? { inputShapes: args.inputs } : {}),
      ...(args.className === undefined ? {} : { className: args.className }),
    };
    const loader = new Loader(options);
    const loaded = await loader.load(args.file);
    if (loaded.language === "python") facts = (await loader.readPython(args.file)).facts;
    for (const p of loaded.problems) console.error(`noether: ${p.message}`);
    model = chosen(loaded.models, args);
    file = loaded;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof UnknownModel) throw new UsageError(`${error.message}${meant(error.wanted, error.classes)}`);
    console.error(`noether: ${messageOf(error)}`);
    return EXIT.fatal;
  }
  return run(args, { file, model, ...(facts ? { facts } : {}) }, console);
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

/** What was loaded: the file, the model of it that is probed, and what the code says about training. */
interface Loaded {
  readonly file: LoadedFile;
  readonly model: LoadedModel;
  readonly facts?: TrainingFacts;
}

async function run(args: ProbeArguments, loaded: Loaded, console: Console): Promise<number> {
  const [{ runProbe }, { ComparisonError }, { recordsFolder }, { measuredFindings }] = await Promise.all([
    import("../service/probe/session"),
    import("../service/probe/settings"),
    import("../service/probe/records"),
    import("../service/probe/findings"),
  ]);
  const bar = progressBar(console);
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  process.once("SIGINT", interrupt);
  try {
    const training = overrides(args);
    const record = await runProbe(
      loaded,
      {
        steps: args.steps,
        replicas: args.replicas,
        seed: args.seed,
        training,
        ...(args.loss ? { loss: args.loss } : {}),
        ...(args.data === undefined ? {} : { data: args.data }),
        device: args.device,
        ...(args.sweep ? { sweep: args.sweep } : {}),
        compare: await compared(args, loaded, training),
        ...(args.budget === undefined ? {} : { budget: { seconds: args.budget } }),
        ...(args.cache ? { cache: probeCache(console.environment), records: recordsFolder(args.file, console.environment) } : {}),
      },
      { signal: abort.signal, onEvent: bar.show },
    );
    bar.end();
    const text = await rendered(record, measuredFindings(loaded.file, loaded.model, record), args, console);
    if (args.output !== undefined) replaceFile(args.output, `${text}\n`);
    else console.out(text);
    return EXIT.ok;
  } catch (error) {
    bar.end();
    if (error instanceof UsageError) throw error;
    if (error instanceof ComparisonError) throw new UsageError(`--compare ${error.message}`);
    console.error(`noether: ${messageOf(error)}`);
    return EXIT.fatal;
  } finally {
    process.removeListener("SIGINT", interrupt);
  }
}

/** What to compare with: changes that every model has, and fixes of this one. @throws UsageError where one cannot be made */
async function compared(
  { compare, seed }: ProbeArguments,
  { facts, file, model }: Loaded,
  training: Partial<TrainingSettings>,
): Promise<(Comparison | ComparedSetting)[]> {
  const [{ COMPARISONS }, { fixSettings }] = await Promise.all([
    import("../service/probe/settings"),
    import("../service/fixes/verify"),
  ]);
  const out: (Comparison | ComparedSetting)[] = [];
  for (const wanted of compare) {
    const known = COMPARISONS.find((c) => c === wanted);
    if (known) {
      out.push(known);
      continue;
    }
    const [id = "", parameter] = wanted.split("@");
    const asked = { id, ...(parameter === undefined ? {} : { parameter }) };
    const { reasons, settings } = await fixSettings({ ...file, ...(facts ? { facts: () => facts } : {}) }, model, [asked], {
      seed,
      training,
    });
    const [reason] = reasons;
    if (reason !== undefined) throw new UsageError(`--compare ${wanted}: ${reason}; noether fix ${file.file} lists its fixes`);
    out.push(...settings);
  }
  return out;
}

async function rendered(
  record: ProbeRecord,
  findings: readonly Finding[],
  { format }: ProbeArguments,
  console: Console,
): Promise<string> {
  if (format === "html") return (await import("../report/probe/html")).probeHtml(record, findings);
  const { findingBlocks, findingJson } = await import("../report/findings");
  if (format === "json") return JSON.stringify({ ...record, findings: findings.map(findingJson) }, null, 2);
  const [{ probeText }, { styleFor }] = await Promise.all([import("../report/probe/text"), import("../report/style")]);
  const style = styleFor({ isTTY: console.isTTY }, console.environment);
  return [probeText(record, style), ...findingBlocks(findings, style)].join("\n\n");
}

/** What the command line says about training, over what the code says. */
function overrides(args: ProbeArguments): Partial<TrainingSettings> {
  return {
    ...(args.optimiser === undefined ? {} : { optimiser: args.optimiser }),
    ...(args.learningRate === undefined ? {} : { learningRate: args.learningRate }),
    ...(args.weightDecay === undefined ? {} : { weightDecay: args.weightDecay }),
    ...(args.momentum === undefined ? {} : { momentum: args.momentum }),
    ...(args.batchSize === undefined ? {} : { batchSize: args.batchSize }),
  };
}

/** A bar on a terminal, nothing elsewhere. */
function progressBar(console: Console): { show(event: ProbeEvent): void; end(): void } {
  if (!console.isTTY) return { show: () => {}, end: () => {} };
  const width = 30;
  let [shown, line, degree] = [false, "", ""];
  const draw = (text: string) => {
    shown = true;
    line = text;
    process.stderr.write(`\r${text}${degree}   `);
  };
  return {
    show(event) {
      if (event.kind === "measures" && event.degree !== null) {
        degree = `  degree of breaking ${event.degree.toFixed(2)}`;
        if (shown) draw(line);
      } else if (event.kind === "points") {
        const done = Math.round((width * event.step) / event.steps);
        const losses = event.points.flatMap((x) => x.loss ?? []);
        const loss = losses.length > 0 ? `  loss ${(losses.reduce((a, b) => a + b, 0) / losses.length).toPrecision(3)}` : "";
        draw(`${"█".repeat(done)}${"░".repeat(width - done)} ${event.step}/${event.steps} steps${loss}`);
      } else if (event.kind === "phase") draw(`${"█".repeat(width)} ${event.text}`);
    },
    end() {
      if (shown) process.stderr.write(`\r${" ".repeat(width + 70)}\r`);
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

/** @file `noether fix`: lists the fixes of a model, writes one of them, or measures what they gain. */
import { statOf } from "./files";
import { meant } from "../configuration/nearest";
import path from "node:path";
import { createTwoFilesPatch } from "diff";
import { type Configuration, settingFor } from "../configuration/configuration";
import { editedFiles } from "../fixes/edited-files";
import { graphRewrites } from "../fixes/graph/registry";
import { type Offer, offersOf } from "../fixes/offers";
import { replaceFile } from "../fixes/replace-file";
import { NotEditable } from "../fixes/source/draft";
import { trainingRemedies } from "../fixes/training/registry";
import { isReported } from "../lint/lint";
import { settled } from "../service/cells";
import { checkedFile } from "../service/checked-file";
import type { LoadedFile, LoadedModel, LoadOptions } from "../service/loaded";
import { Loader } from "../service/models";
import type { Candidate } from "../service/fixes/verify";
import type { FixArguments } from "./arguments/fix";
import { configurationOf } from "./configured";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Fixes of findings that are measured together where none is named. */
const MOST_VERIFIED = 8;

/** Runs the command; returns the exit code. @throws UsageError when the file, the class or the fix is not there */
export async function fixModel(args: FixArguments, console: Console): Promise<number> {
  const stat = statOf(args.file);
  if (!stat) throw new UsageError(`${args.file} does not exist; name a .py or .onnx file`);
  if (stat.isDirectory()) throw new UsageError(`${args.file} is a folder; name a .py or .onnx file in it`);
  const configuration = await configurationOf(args.file, args.configuration);
  const { models: calls } = configuration;
  const options = { ...(calls.length > 0 ? { calls } : {}), ...(args.inputs.length > 0 ? { inputShapes: args.inputs } : {}) };
  let loaded: LoadedFile;
  try {
    loaded = await new Loader(options).load(args.file);
  } catch (error) {
    console.error(`noether: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.fatal;
  }
  for (const p of loaded.problems) console.error(`noether: ${p.message}`);
  if (args.className !== undefined && !loaded.models.some((m) => m.name === args.className)) {
    const names = loaded.models.map((m) => m.name);
    throw new UsageError(`${args.file} has no model ${args.className}${meant(args.className, names)}`);
  }
  try {
    return await (loaded.language === "onnx"
      ? fixOnnx(args, loaded, options, console)
      : fixPython(args, loaded, configuration, options, console));
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error)) throw error;
    if (!/^(RewriteError|NotEditable|RuntimeFailure|GradientError|DataError|ComparisonError)$/.test(error.name)) throw error;
    console.error(`noether: ${error.message}`);
    return EXIT.fatal;
  }
}

async function fixPython(
  args: FixArguments,
  loaded: LoadedFile,
  configuration: Configuration,
  load: LoadOptions,
  console: Console,
): Promise<number> {
  const checked = checkedFile(loaded);
  const at = { configuration, path: path.resolve(args.file) };
  const { text = "" } = loaded;
  const request = {
    options: (rule: string) => settingFor(configuration, rule, at.path).options,
    ...(args.fix === undefined ? {} : { id: args.fix }),
    ...(args.at === undefined ? {} : { parameter: args.at }),
    ...(args.className === undefined ? {} : { model: args.className }),
  };
  const { offers, refusals } = offersOf(checked, { ...request, reported: (finding) => isReported(finding, { ...at, text }) });
  if (args.fix !== undefined && offers.length === 0) {
    const silenced = offersOf(checked, request).offers.find((o) => o.finding)?.finding?.rule;
    if (silenced === undefined) throw new UsageError(unknownFix(args, refusals));
    throw new UsageError(
      `${args.fix} mends findings of ${silenced}, which the configuration or a comment silences in ${args.file}`,
    );
  }
  if (args.verify) {
    const named = args.fix === undefined ? offers.filter((o) => o.finding !== undefined) : offers.slice(0, 1);
    const chosen = (named.length > 0 ? named : offers).slice(0, MOST_VERIFIED);
    if (chosen.length === 0) throw new UsageError(`${args.file} can be given no fix`);
    const model = modelOf(args, loaded, chosen);
    return verify(
      args,
      loaded,
      model,
      chosen.filter((o) => o.model === undefined || o.model.name === model.name),
      load,
      console,
    );
  }
  if (args.fix === undefined) {
    if (args.format === "json") console.out(JSON.stringify(offers.map(offerJson), null, 2));
    else console.out(offers.length > 0 ? offers.map(offerLine).join("\n") : `${args.file} can be given no fix`);
    return EXIT.ok;
  }
  const fix = settled((offers as [Offer])[0].fix, args.file, loaded.cells);
  const [edited, ...more] = editedFiles(fix.edits);
  if (edited?.file !== args.file || more.length > 0)
    throw new UsageError(`${args.fix} changes other files too; make it in the editor`);
  if (args.diff) {
    for (const { name, before, after } of edited.texts) {
      const to = args.output ?? name;
      const patch = createTwoFilesPatch(name, to, before, after, undefined, undefined, { context: 3 });
      console.out(patch.replace(/^=+\n/, "").replace(/\n$/, ""));
    }
    return EXIT.ok;
  }
  replaceFile(args.output ?? args.file, edited.content);
  console.out(`${fix.title}: written to ${args.output ?? args.file}`);
  return EXIT.ok;
}

/** Why a fix by name is not there. */
function unknownFix({ fix, file, at }: FixArguments, refusals: readonly string[]): string {
  const exact = ["drop-bias", "comprehension", "random-start", "parameter-groups", "remove-statement", "drop-gain"];
  const names = [...trainingRemedies.map((r) => r.id), ...exact];
  if (!names.includes(fix!)) return `no fix ${fix}${meant(fix!, names)}`;
  const why = refusals.length > 0 ? `: ${refusals[0]!.split(": ")[1]}` : "";
  return `${fix} cannot be made in ${file}${at === undefined ? "" : ` at ${at}`}${why}`;
}

function offerLine({ id, fix, parameters, finding }: Offer): string {
  const line = (finding?.range?.start.line ?? fix.edits[0]?.range.start.line ?? 0) + 1;
  const why = finding ? ` [${finding.rule}]` : "";
  const at = parameters.length > 0 && !finding ? ` --at ${parameters[0]}` : "";
  return `${id.padEnd(22)} line ${String(line).padEnd(4)} ${fix.title}${why}${at}`;
}

function offerJson({ id, fix, model, parameters, finding }: Offer) {
  return {
    fix: id,
    title: fix.title,
    exact: fix.exact,
    model: model?.name ?? null,
    parameters,
    rule: finding?.rule ?? null,
    edits: fix.edits.length,
  };
}

/** The model that is trained: the one that is named, that of the fixes, or the only one. */
function modelOf({ className, file }: FixArguments, loaded: LoadedFile, offers: readonly Offer[]): LoadedModel {
  const name = className ?? offers.find((o) => o.model)?.model?.name;
  const found = name === undefined ? loaded.models : loaded.models.filter((m) => m.name === name);
  const [model, ...more] = found;
  if (!model) throw new UsageError(`${file} has no model that could be made`);
  if (more.length > 0 && name === undefined) {
    throw new UsageError(`${file} has ${found.length} models; name one: ${found.map((m) => `${file}::${m.name}`).join(", ")}`);
  }
  return model;
}

async function fixOnnx(args: FixArguments, loaded: LoadedFile, load: LoadOptions, console: Console): Promise<number> {
  const [checked] = checkedFile(loaded).models;
  const [model] = loaded.models;
  if (!checked || !model) throw new UsageError(`${args.file} holds no model`);
  const parameters = args.at === undefined ? {} : { parameters: [args.at] };
  if (args.at !== undefined && !checked.graph.parameters.has(args.at)) {
    throw new UsageError(`${args.file} has no parameter ${args.at}${meant(args.at, [...checked.graph.parameters.keys()])}`);
  }
  const known = graphRewrites.find((r) => r.id === args.fix);
  if (args.fix !== undefined && !known) {
    throw new UsageError(
      `no fix ${args.fix} for ONNX models${meant(
        args.fix,
        graphRewrites.map((r) => r.id),
      )}`,
    );
  }
  // What cannot be made says why; the others may be measured or written.
  const outcomes = (known ? [known] : graphRewrites).map((rewrite) => {
    try {
      rewrite.apply(checked, { ...parameters, seed: args.seed, fresh: true });
      return { rewrite };
    } catch (error) {
      if (error instanceof NotEditable) return { rewrite, reason: error.message };
      throw error;
    }
  });
  const made = outcomes.filter((o) => o.reason === undefined).map((o) => o.rewrite);
  if (args.verify) {
    const candidates = (known ? made : made.filter((r) => r.outputs !== "same")).map((rewrite) => ({ rewrite, ...parameters }));
    if (candidates.length === 0)
      throw new UsageError(`${args.fix ?? "no fix"} cannot be made: ${outcomes[0]?.reason ?? "none fits"}`);
    return verify(args, loaded, model, candidates, load, console);
  }
  if (!known) {
    if (args.format === "json") {
      console.out(
        JSON.stringify(
          outcomes.map((o) => ({ fix: o.rewrite.id, outputs: o.rewrite.outputs, reason: o.reason ?? null })),
          null,
          2,
        ),
      );
    } else console.out(outcomes.map((o) => `${o.rewrite.id.padEnd(22)} ${o.reason ?? o.rewrite.description}`).join("\n"));
    return EXIT.ok;
  }
  const { rewriteOnnx } = await import("../service/fixes/rewrite");
  const report = await rewriteOnnx(args.file, checked, known, args.output!, { ...parameters, seed: args.seed });
  if (args.format === "json") console.out(JSON.stringify(report, null, 2));
  else {
    const [before, after] = report.parameters;
    const outputs =
      report.deviation === undefined
        ? "the outputs are others, as the fix wants it"
        : `outputs equal (largest relative deviation ${report.deviation === 0 ? 0 : report.deviation.toExponential(1)})`;
    console.out(
      [...report.changes, `${before} trained values before, ${after} after; ${outputs}`, `written to ${report.output}`].join(
        "\n",
      ),
    );
  }
  return EXIT.ok;
}

async function verify(
  args: FixArguments,
  loaded: LoadedFile,
  model: LoadedModel,
  candidates: readonly Candidate[],
  load: LoadOptions,
  console: Console,
): Promise<number> {
  const [{ verifyFixes }, { verificationText }, { styleFor }] = await Promise.all([
    import("../service/fixes/verify"),
    import("../report/verification"),
    import("../report/style"),
  ]);
  const abort = new AbortController();
  const interrupt = () => abort.abort();
  process.once("SIGINT", interrupt);
  try {
    const { record: _, ...verification } = await verifyFixes(
      loaded,
      model,
      candidates,
      {
        seed: args.seed,
        ...(args.steps === undefined ? {} : { steps: args.steps }),
        ...(args.replicas === undefined ? {} : { replicas: args.replicas }),
        ...(args.data === undefined ? {} : { data: args.data }),
        ...(args.budget === undefined ? {} : { budget: { seconds: args.budget } }),
        load,
        training: {
          ...(args.learningRate === undefined ? {} : { learningRate: args.learningRate }),
          ...(args.weightDecay === undefined ? {} : { weightDecay: args.weightDecay }),
          ...(args.batchSize === undefined ? {} : { batchSize: args.batchSize }),
        },
      },
      { signal: abort.signal },
    );
    if (args.format === "json") console.out(JSON.stringify(verification, null, 2));
    else console.out(verificationText(verification, styleFor({ isTTY: console.isTTY }, console.environment)));
    return EXIT.ok;
  } finally {
    process.removeListener("SIGINT", interrupt);
  }
}

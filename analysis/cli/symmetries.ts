/** @file `noether symmetries`: what acts on the models of a file. */
import { statOf } from "./files";
import { meant } from "../configuration/nearest";
import type { LoadedFile, LoadedModel, LoadOptions } from "../service/loaded";
import type { SymmetriesArguments } from "./arguments/symmetries";
import { configuredCalls } from "./configured";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Runs the command; returns the exit code. @throws UsageError when the file or class is not there */
export async function symmetries(args: SymmetriesArguments, console: Console): Promise<number> {
  const stat = statOf(args.file);
  if (!stat) throw new UsageError(`${args.file} does not exist; name a .py or .onnx file`);
  if (stat.isDirectory()) throw new UsageError(`${args.file} is a folder; name a .py or .onnx file in it, or use noether check`);
  const options: LoadOptions = {
    ...(await configuredCalls(args.file)),
    analysis: args.loss ? { loss: args.loss } : {},
    ...(args.inputs.length > 0 ? { inputShapes: args.inputs } : {}),
    ...(args.frozen.length > 0 ? { frozen: args.frozen } : {}),
    ...(args.className === undefined ? {} : { className: args.className }),
  };
  const [{ Loader, trainedAs }, { UnknownModel }] = await Promise.all([import("../service/models"), import("../service/loaded")]);
  const loader = new Loader(options);
  let loaded: LoadedFile;
  try {
    loaded = await loader.load(args.file);
  } catch (error) {
    if (error instanceof UnknownModel) {
      const { message, wanted, classes } = error;
      throw new UsageError(`${message}${meant(wanted, classes)} (${known(classes)})`);
    }
    console.error(`noether: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.fatal;
  }
  for (const p of loaded.problems) {
    const place = p.range ? `${p.range.file}:${p.range.start.line + 1}:${p.range.start.column + 1}: ` : "";
    console.error(`noether: ${place}${p.message}`);
  }
  const elsewhere = await loader.trainingElsewhere(loaded);
  const models = chosen(loaded, args).map((m) => trainedAs(m, elsewhere));
  const certified = args.certify ? await certifyAll(models) : models;
  console.out(await rendered(certified, args, console));
  return certified.some((m) => m.certificate?.status === "failed") ? EXIT.findings : EXIT.ok;
}

/** The models that were asked for. */
function chosen(file: LoadedFile, { className, file: name }: SymmetriesArguments): readonly LoadedModel[] {
  if (className === undefined) {
    if (file.models.length === 0 && file.problems.length === 0) {
      throw new UsageError(
        `${name} holds no model that could be made: a class derived from nn.Module with a forward is expected`,
      );
    }
    return file.models;
  }
  const found = file.models.filter((m) => m.name === className);
  if (found.length > 0) return found;
  if (file.problems.length > 0) return [];
  const names = file.models.map((m) => m.name);
  throw new UsageError(`${name} has no model ${className}${meant(className, names)} (${known(names)})`);
}

function known(names: readonly string[]): string {
  if (names.length === 0) return "it has none";
  const more = names.length - 12;
  return `it has ${names.slice(0, 12).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

async function certifyAll(models: readonly LoadedModel[]): Promise<LoadedModel[]> {
  const [{ certify }, { TwinProcess }, { createRunner }] = await Promise.all([
    import("../certification/certify"),
    import("../certification/twin-process"),
    import("../runtime/index"),
  ]);
  const runner = createRunner({ kind: "in-process" });
  const twins = new TwinProcess();
  try {
    const out: LoadedModel[] = [];
    for (const m of models) out.push({ ...m, certificate: await certify(m.analysis, { runner, twins }) });
    return out;
  } finally {
    twins.dispose();
    runner.dispose();
  }
}

async function rendered(models: readonly LoadedModel[], args: SymmetriesArguments, console: Console): Promise<string> {
  switch (args.format) {
    case "json": {
      const { symmetriesJson } = await import("../report/json");
      return JSON.stringify(symmetriesJson(models), undefined, console.isTTY ? 2 : undefined);
    }
    case "axes": {
      const { axisLabels } = await import("../report/axes");
      return JSON.stringify({ schema: 1, models: models.map((m) => axisLabels(m.name, m.analysis)) });
    }
    case "mermaid":
      return (await import("../report/diagram")).mermaid(models);
    case "dot":
      return (await import("../report/diagram")).dot(models);
    case "text": {
      const { symmetriesText } = await import("../report/text");
      const { styleFor } = await import("../report/style");
      return symmetriesText(models, {
        style: styleFor({ isTTY: console.isTTY }, console.environment),
        ...(console.columns === undefined ? {} : { width: console.columns }),
        ...(args.all ? { rows: Number.POSITIVE_INFINITY } : {}),
      });
    }
  }
}

/** @file `noether symmetries`: what acts on the models of a file. */
import { statSync } from "node:fs";
import { axisLabels } from "../report/axes";
import { dot, mermaid } from "../report/diagram";
import { symmetriesJson } from "../report/json";
import { styleFor } from "../report/style";
import { symmetriesText } from "../report/text";
import { type LoadedFile, type LoadedModel, type LoadOptions, loadFile } from "../service/models";
import type { SymmetriesArguments } from "./arguments";
import type { Console } from "./run";
import { EXIT, meant, UsageError } from "./usage";

/** Runs the command; returns the exit code. @throws UsageError when the file or class is not there */
export async function symmetries(args: SymmetriesArguments, console: Console): Promise<number> {
  const stat = statSync(args.file, { throwIfNoEntry: false });
  if (!stat) throw new UsageError(`${args.file} does not exist; name a .py or .onnx file`);
  if (stat.isDirectory()) throw new UsageError(`${args.file} is a folder; name a .py or .onnx file in it, or use noether check`);
  const options: LoadOptions = {
    analysis: args.loss ? { loss: args.loss } : {},
    ...(args.inputs.length > 0 ? { inputShapes: args.inputs } : {}),
    ...(args.frozen.length > 0 ? { frozen: args.frozen } : {}),
    ...(args.className === undefined ? {} : { className: args.className }),
  };
  let loaded: LoadedFile;
  try {
    loaded = await loadFile(args.file, options);
  } catch (error) {
    console.error(`noether: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.fatal;
  }
  for (const p of loaded.problems) {
    const place = p.range ? `${p.range.file}:${p.range.start.line + 1}:${p.range.start.column + 1}: ` : "";
    console.error(`noether: ${place}${p.message}`);
  }
  const models = await chosen(loaded, args);
  const certified = args.certify ? await certifyAll(models) : models;
  console.out(rendered(certified, args, console));
  return certified.some((m) => m.certificate?.status === "failed") ? EXIT.findings : EXIT.ok;
}

/** The models that were asked for. */
async function chosen(file: LoadedFile, { className, file: name }: SymmetriesArguments): Promise<readonly LoadedModel[]> {
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
  const known = names.length === 0 ? "it holds no model" : `it has ${names.join(", ")}`;
  throw new UsageError(`${name} has no model ${className}${meant(className, names)} (${known})`);
}

async function certifyAll(models: readonly LoadedModel[]): Promise<LoadedModel[]> {
  const [{ certify }, { createRunner }] = await Promise.all([import("../certification/certify"), import("../runtime/index")]);
  const runner = createRunner();
  try {
    const out: LoadedModel[] = [];
    for (const m of models) out.push({ ...m, certificate: await certify(m.analysis, { runner }) });
    return out;
  } finally {
    runner.dispose();
  }
}

function rendered(models: readonly LoadedModel[], args: SymmetriesArguments, console: Console): string {
  switch (args.format) {
    case "json":
      return JSON.stringify(symmetriesJson(models), undefined, console.isTTY ? 2 : undefined);
    case "axes":
      return JSON.stringify({ schema: 1, models: models.map((m) => axisLabels(m.name, m.analysis)) });
    case "mermaid":
      return mermaid(models);
    case "dot":
      return dot(models);
    case "text":
      return symmetriesText(models, {
        style: styleFor({ isTTY: console.isTTY }, console.environment),
        ...(console.columns === undefined ? {} : { width: console.columns }),
        ...(args.all ? { rows: Number.POSITIVE_INFINITY } : {}),
      });
  }
}

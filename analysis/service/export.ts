/**
 * @file Export and verify: a class of a Python file goes through PyTorch's exporter in the user's own Python, and what comes out
 * is compared with what was read from the source. The only part of Noether that runs the user's code.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { compareReadings, type Comparison } from "../exporting/compare";
import { findPython, runExport } from "../exporting/python";
import { elementCount } from "../graph/tensor";
import { lintFile } from "../lint/lint";
import type { SourceRange } from "../graph/source";
import type { Finding } from "../rules/finding";
import { createRunner, indexBound } from "../runtime/index";
import { Configured } from "./configured";
import { checkedFile } from "./checked-file";
import { type LoadedModel, UnknownModel } from "./loaded";
import { Loader } from "./models";
import { importRoot } from "./python-host";

/** What is to be exported. */
export interface ExportRequest {
  readonly file: string;
  /** The class, or a function that makes a model. */
  readonly className: string;
  /** Where the model goes. */
  readonly output: string;
  /** The interpreter; that of the project's environment, or on the path, when absent. */
  readonly python?: string;
  /** Python text that makes the model, instead of the call that was found. */
  readonly call?: string;
  /** Shapes of the inputs, instead of those that were found. */
  readonly inputShapes?: readonly (readonly number[])[];
  /** Milliseconds. */
  readonly timeLimit: number;
  readonly signal?: AbortSignal;
  /** Told the command before it runs, and what is being done. */
  readonly onCommand?: (command: readonly string[]) => void;
  readonly onProgress?: (what: string) => void;
}

/** What an export showed. */
export interface ExportReport {
  readonly file: string;
  readonly model: string;
  readonly output: string;
  /** The call that made the model. */
  readonly call: string;
  readonly python: string;
  readonly torch: string;
  readonly comparison: Comparison;
  /** Findings in the exported graph, at the calls that make the layers where the names of weights tell. */
  readonly findings: readonly (Pick<Finding, "rule" | "severity" | "message" | "node"> & { readonly range?: SourceRange })[];
  /** Parameters that PyTorch trains and the export does not have, by name. */
  readonly lost: readonly string[];
}

/** A class cannot be exported as it stands; the message says what to give. */
export class NotExportable extends Error {
  override readonly name = "NotExportable";
}

/** What an export will do. */
export interface ExportPlan {
  readonly model: LoadedModel;
  readonly python: string;
  /** Python text that makes the model. */
  readonly call: string;
  /** The folder that the file's imports start from. */
  readonly root: string;
}

/**
 * Reads the source and says what an export would run; runs nothing.
 * @throws UnknownModel, NotExportable, Error naming the file when it cannot be read
 */
export async function planExport(request: Omit<ExportRequest, "output" | "timeLimit">): Promise<ExportPlan> {
  const { className, file, inputShapes } = request;
  const loader = new Loader({ className, ...(inputShapes ? { inputShapes } : {}) });
  const loaded = await loader.load(file);
  const [model] = loaded.models.filter((m) => m.name === className);
  if (!model) throw new UnknownModel(file, className, []);
  const call = request.call ?? model.construction;
  if (call === undefined) {
    const how = model.notes?.[0] ?? "made";
    throw new NotExportable(
      `how to make ${className} has no Python text (it was ${how}); say it: --call "${className}(...)", or as a comment in the file: # noether: ${className}(...)`,
    );
  }
  const root = path.resolve(importRoot(file));
  return { model, call, root, python: request.python ?? findPython(root, process.env) };
}

/**
 * Exports a model and compares.
 * @throws UnknownModel, NotExportable, ExportFailure, OnnxError; the signal's reason
 */
export async function exportAndVerify(request: ExportRequest): Promise<ExportReport> {
  const { className, file, onProgress, output, signal } = request;
  onProgress?.("Reading the source");
  const { call, model, python, root } = await planExport(request);
  mkdirSync(path.dirname(path.resolve(output)), { recursive: true });
  onProgress?.("Exporting with PyTorch");
  const { timeLimit, onCommand } = request;
  const done = await runExport(
    { file: path.resolve(file), root, call, inputs: inputsOf(model), output: path.resolve(output) },
    { python, timeLimit, ...(signal ? { signal } : {}), ...(onCommand ? { onCommand } : {}) },
  );
  onProgress?.("Comparing");
  const exportLoader = new Loader({ frozen: done.frozen });
  const read = await exportLoader.loadOnnx(output);
  const exported = read.models[0]!;
  const runner = createRunner();
  try {
    const comparison = await compareReadings(model.analysis, exported.analysis, runner, signal);
    const { configuration } = new Configured().configurationFor(file);
    const found = lintFile(checkedFile(read), { configuration, path: output, complete: true }).findings;
    return {
      file,
      model: className,
      output,
      call,
      python: `${python} (${done.python})`,
      torch: done.torch,
      comparison,
      findings: found.map(({ rule, severity, message, node }) => {
        const range = node === undefined ? undefined : rangeOf(node, exported, model);
        return { rule, severity, message, ...(node === undefined ? {} : { node }), ...(range ? { range } : {}) };
      }),
      lost: Object.keys(done.parameters).filter((p) => !exported.graph.parameters.has(p)),
    };
  } finally {
    runner.dispose();
  }
}

function inputsOf({ graph }: LoadedModel) {
  return graph.inputs.map(({ name, shape, type }) => ({
    name,
    shape,
    type: type === "bool" ? ("bool" as const) : /^u?int/.test(type) ? ("int" as const) : ("float" as const),
    bound: /^u?int/.test(type) && elementCount(shape) > 0 ? indexBound(graph, name) : 0,
  }));
}

/** The call that makes the layer of a node: by the weights that it reads, else by its module path. */
function rangeOf(node: string, exported: LoadedModel, source: LoadedModel): SourceRange | undefined {
  const found = exported.graph.nodes.find((n) => n.name === node);
  if (!found) return undefined;
  const owner = source.layers.find((l) => l.parameters.some((p) => found.inputs.includes(p)));
  if (owner) return owner.constructor;
  const scope = found.origin.scope ?? "";
  return source.layers.find((l) => l.scope === scope)?.constructor;
}

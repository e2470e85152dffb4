/**
 * @file From a file to the models in it, with their analyses: the one way in which the command line and the editor's service
 * read code. Front ends are loaded when the first file of their kind comes.
 */
import { once, withLazy } from "../graph/lazy";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import type {
  GivenInput,
  PythonFile,
  PythonLayer,
  PythonModel,
  PythonParser,
  PythonProject,
  TrainingFacts,
} from "../frontends/python/index";
import { decodeSource } from "../frontends/python/parser/encoding";
import type { Graph } from "../graph/graph";
import type { ProbeRecord } from "../probe/record/record";
import type { Layer } from "../rules/checked";
import type { TrainedBy } from "../dynamics/risk/model";
import { analyse } from "../symmetry/analyse";
import type { ModelAnalysis } from "../symmetry/analysis";
import type { Cells } from "./cells";
import { findRecord, measuredSymmetries, recordsOf } from "./probe/records";
import { knownTraining } from "./probe/settings";
import { DiskHost, importRoot } from "./python-host";
import { type LoadOptions, type LoadedFile, type LoadedModel, type Problem, UnknownModel } from "./loaded";
import { freeze } from "./frozen";

/** Reads files and analyses their models. Python files of one project share what they import. */
export class Loader {
  readonly #options: LoadOptions;
  readonly #projects = new Map<string, { readonly host: DiskHost; readonly project: PythonProject }>();
  /** By graph: classes that an edit did not touch keep theirs. */
  readonly #analyses = new WeakMap<Graph, ModelAnalysis>();
  #parser: Promise<PythonParser> | undefined;

  constructor(options: LoadOptions = {}) {
    this.#options = options;
  }

  /**
   * Reads a file from disk, by its extension as ONNX or as Python.
   * @throws OnnxError when it is a damaged model, and Error naming the file when it cannot be read
   */
  async load(file: string): Promise<LoadedFile> {
    if (/\.onnx$/i.test(file)) return this.loadOnnx(file);
    return this.loadPython(file, textOf(file));
  }

  /**
   * The model in an ONNX file.
   * @throws OnnxError when it is not one or is damaged
   */
  async loadOnnx(file: string): Promise<LoadedFile> {
    const { readOnnx } = await import("../frontends/onnx/index");
    const { frozen, inputShapes } = this.#options;
    const model = readOnnx({ path: file }, { ...(frozen ? { frozen } : {}), ...(inputShapes ? { inputShapes } : {}) });
    const name = path.basename(file).replace(/\.onnx$/i, "");
    const contradictions = model.problems.map(
      (p) => `${p.node.operator} ${p.node.name}: ${p.message}; what follows has no shape`,
    );
    const loaded = this.#model({ name, file, notes: [...model.notes, ...contradictions], layers: [] }, model.graph, () =>
      recordsOf(file),
    );
    return { file, language: "onnx", header: model.header, models: [loaded], problems: [] };
  }

  /**
   * The models of a Python file with the given text. Code that cannot be followed is in `problems`.
   * @throws Error naming the file when a notebook is not one
   */
  async loadPython(file: string, source: string): Promise<LoadedFile> {
    const { project, text, cells } = await this.#updated(file, source);
    const { className } = this.#options;
    const problems: Problem[] = [];
    let found: readonly PythonModel[];
    let facts: (() => TrainingFacts) | undefined;
    if (className === undefined) {
      const all = project.analyse(file);
      problems.push(...all.problems);
      for (const m of all.models) {
        const followed = understanding(m);
        const first = m.opaque[0];
        if (followed !== undefined)
          problems.push({ message: `${m.name}: ${followed} (${first?.reason})`, range: first?.range ?? m.range });
      }
      found = all.models;
      facts = () => all.facts;
    } else found = [named(project, file, className)];
    const trainedBy = () => (facts ? facts() : project.analyse(file).facts);
    const records = once(() => recordsOf(file));
    const models = found.flatMap((m): LoadedModel[] => {
      try {
        return [this.#pythonModel(file, this.#withInputs(project, file, m), records, trainedBy)];
      } catch (error) {
        problems.push({ message: `${m.name} is not analysed: ${messageOf(error)}`, range: m.range });
        return [];
      }
    });
    const trained = facts && this.#trained(project, file, facts);
    return {
      file,
      language: "python",
      text,
      models,
      problems,
      syntax: project.syntax(file),
      calls: { understood: sum(found, (m) => m.understood), all: sum(found, (m) => m.calls) },
      ...(cells ? { cells } : {}),
      ...(facts ? { facts } : {}),
      ...(trained ? { trained } : {}),
    };
  }

  /**
   * How a script of the workspace trains the models of a file that trains none itself; undefined where none does. Reads what
   * imports the file: nothing for while somebody types.
   */
  async trainingElsewhere({ file, facts }: LoadedFile): Promise<TrainedBy["facts"]> {
    if (!facts || facts().optimisers.length > 0) return undefined;
    const { project } = await this.#project(file);
    const full = path.resolve(file);
    for (const other of project.trainingFacts(file)) {
      const optimisers = other.facts.optimisers.filter((o) => o.modelFile !== undefined && path.resolve(o.modelFile) === full);
      const where = path.relative(path.dirname(full), path.resolve(other.path));
      if (optimisers.length > 0) return { ...other.facts, optimisers, assumed: [`it is trained by ${where}`] };
    }
    return undefined;
  }

  /**
   * What the Python front end says of a file on disk, without any analysis of its models.
   * @throws Error naming the file when it cannot be read or a notebook is not one
   */
  async readPython(file: string): Promise<PythonFile> {
    return (await this.#updated(file, textOf(file))).project.analyse(file);
  }

  /** The project of a file, with the file's present text: of a notebook the code of its cells. */
  async #updated(file: string, source: string): Promise<{ project: PythonProject; text: string; cells?: Cells }> {
    const { project, host } = await this.#project(file);
    for (const stale of host.changed()) project.close(stale);
    if (!/\.ipynb$/i.test(file)) {
      project.update(file, source);
      return { project, text: source };
    }
    const { readNotebook } = await import("../frontends/python/index");
    const { text, map } = readNotebook(file, source);
    project.update(file, text, "code");
    return { project, text, cells: map };
  }

  async #project(file: string): Promise<{ readonly host: DiskHost; readonly project: PythonProject }> {
    const root = importRoot(file);
    const known = this.#projects.get(root);
    if (known) return known;
    const { loadPythonParser, PythonProject } = await import("../frontends/python/index");
    this.#parser ??= loadPythonParser();
    const parser = await this.#parser;
    const host = new DiskHost(root);
    const { calls } = this.#options;
    const made = { host, project: new PythonProject(parser, host, calls ? { calls } : {}) };
    this.#projects.set(root, made);
    return made;
  }

  /** The model at the input shapes that were asked for; their element types are those found without. */
  #withInputs(project: PythonProject, file: string, model: PythonModel): PythonModel {
    const shapes = this.#options.inputShapes;
    if (shapes === undefined) return model;
    const inputs = shapes.map((shape, i): GivenInput => {
      const type = model.graph.inputs[i]?.type;
      return type === "int64" || type === "bool" ? { shape, type } : { shape };
    });
    return project.analyseNamed(file, model.name, { inputs });
  }

  /** The models of other files that this one trains; those that cannot be read are left out. */
  #trained(project: PythonProject, file: string, facts: () => TrainingFacts): () => readonly LoadedModel[] {
    let models: readonly LoadedModel[] | undefined;
    return () => {
      models ??= facts().optimisers.flatMap(({ model, modelFile }): LoadedModel[] => {
        if (model === undefined || modelFile === undefined || modelFile === file) return [];
        try {
          const records = once(() => recordsOf(modelFile));
          return [this.#pythonModel(modelFile, project.analyseNamed(modelFile, model), records, facts)];
        } catch {
          return [];
        }
      });
      return models;
    };
  }

  #pythonModel(file: string, m: PythonModel, records: () => string | undefined, facts: () => TrainingFacts): LoadedModel {
    const followed = understanding(m);
    const understood = followed === undefined ? "" : `; ${followed}`;
    const about = {
      name: m.name,
      file,
      line: m.range.start.line + 1,
      range: m.range,
      notes: [`made ${m.howInstantiated}${understood}`, ...m.notes],
      layers: m.layers.flatMap(eachLayer),
      inventory: m.inventory,
      ...(m.construction === undefined ? {} : { construction: m.construction }),
    };
    return this.#model(about, freeze(m.graph, this.#options.frozen ?? []), records, facts);
  }

  /** A model whose analysis is made once for its graph, when it is asked for. */
  #model(
    about: Omit<LoadedModel, "analysis" | "graph">,
    graph: Graph,
    records: () => string | undefined,
    facts?: () => TrainingFacts,
  ): LoadedModel {
    const analyses = this.#analyses;
    const options = this.#options.analysis;
    const probed = (): ProbeRecord | undefined => {
      const folder = records();
      return folder === undefined
        ? undefined
        : findRecord(folder, { graph, training: knownTraining(facts?.(), about.name).training });
    };
    const training = () => {
      const record = probed();
      return { ...(facts ? { facts: facts() } : {}), ...(record ? { measured: measuredSymmetries(record) } : {}) };
    };
    const analysis = () => {
      let made = analyses.get(graph);
      if (made === undefined) {
        made = analyse(graph, options);
        analyses.set(graph, made);
      }
      return made;
    };
    return withLazy({ ...about, graph, probed, training }, { analysis });
  }
}

function sum(models: readonly PythonModel[], of: (m: PythonModel) => number): number {
  return models.reduce((total, m) => total + of(m), 0);
}

/** Names of opaque calls that are said. */
const SAID = 3;

/** "12 of 14 calls understood; `deform_conv` is opaque", or undefined where all were. */
function understanding(m: PythonModel): string | undefined {
  if (m.opaque.length === 0) return undefined;
  const names = [...new Set(m.opaque.map((o) => `\`${o.operator}\``))];
  const more = names.length > SAID ? ` and ${names.length - SAID} more` : "";
  const verb = names.length === 1 ? "is" : "are";
  return `${m.understood} of ${m.calls} calls understood; ${names.slice(0, SAID).join(", ")}${more} ${verb} opaque`;
}

/** The text of Python source or a notebook. @throws Error naming it when it cannot be read, or is no text that Python reads */
function textOf(file: string): string {
  let bytes: Uint8Array;
  try {
    if (!statSync(file).isFile()) throw new Error("it is no regular file");
    bytes = readFileSync(file);
  } catch (error) {
    throw new Error(`${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  return decodeSource(bytes, file).text;
}

/** A class or factory function of a file by name. */
function named(project: PythonProject, file: string, name: string): PythonModel {
  try {
    return project.analyseNamed(file, name);
  } catch (error) {
    const { classes } = project.analyse(file);
    if (classes.some((c) => c.name === name)) throw error;
    throw new UnknownModel(
      file,
      name,
      classes.map((c) => c.name),
      { cause: error },
    );
  }
}

/** A model that trains as some script says. */
export function trainedAs(model: LoadedModel, facts: TrainedBy["facts"]): LoadedModel {
  return facts ? { ...model, training: () => ({ ...model.training?.(), facts }) } : model;
}

/** Reads one file; see {@link Loader}. */
export function loadFile(file: string, options: LoadOptions = {}): Promise<LoadedFile> {
  return new Loader(options).load(file);
}

/** The layers that one call makes, one by one. */
function eachLayer(layer: PythonLayer): Layer[] {
  const { scopes, constructor, uses, kind, parameters, bias } = layer;
  return scopes.map((scope) => ({
    scope,
    constructor,
    uses,
    kind,
    parameters: parameters.filter((p) => ownerOf(p, scopes) === scope),
    ...(bias ? { bias } : {}),
  }));
}

/** The innermost of some module paths that a parameter is below. */
function ownerOf(parameter: string, scopes: readonly string[]): string | undefined {
  const above = scopes.filter((s) => parameter.startsWith(`${s}.`) || parameter.startsWith(`${s}/`));
  return above.reduce<string | undefined>((a, b) => (a === undefined || b.length > a.length ? b : a), undefined);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @file The service that editor hosts call. It never rejects: what goes wrong is in `problems` of its answer. */
import { statSync } from "node:fs";
import type { ReadConfiguration } from "../configuration/read";
import { ruleSettings } from "../configuration/read";
import type { TrainedBy } from "../dynamics/risk/model";
import type { Graph } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { lintFile } from "../lint/lint";
import { silencingFixes } from "../lint/silence";
import { modelJson } from "../report/json";
import { modelText } from "../report/text";
import { rewritesAt } from "../fixes/offers";
import type { SourceRange } from "../graph/source";
import type { Finding, Fix } from "../rules/finding";
import type { Runner } from "../runtime/index";
import type { TwinProcess } from "../certification/twin-process";
import { analyse } from "../symmetry/analyse";
import type { Certificate, ModelAnalysis } from "../symmetry/analysis";
import { inJoinedText, settled } from "./cells";
import { Configured } from "./configured";
import { graphKey } from "./graph-key";
import { hoversOf } from "./hover";
import { type ExportOf, exportsOf, linesOf, merged, ontoSource, withWeights } from "./merge";
import { checkedFile } from "./checked-file";
import type { LoadedFile, LoadedModel, Problem } from "./loaded";
import { trainedAs } from "./models";
import { type DrawnFile, drawnFile, type OnnxTextView, onnxTextView } from "./onnx-views";
import { matchSource, type SourceMatch } from "./source-match";
import { type DocumentStructure, structureOf } from "./structure";
import type { AnalysisService, AnswerScope, DocumentAnalysis, LintSettings, ReportedFinding } from "./types";

/** A model after the slow engines: all families counted, and the claims checked. */
interface Certified {
  readonly analysis: ModelAnalysis;
  readonly certificate: Certificate;
}

interface Known {
  /** What the file was when it was read: its text, or its size and time. */
  readonly state: string;
  readonly file: LoadedFile;
  /** What was configured for it. */
  readonly read: ReadConfiguration;
  readonly milliseconds: number;
}

/** Certified models that are kept; a large file has a few dozen. */
const MOST_CERTIFIED = 200;

/** Makes a service with caches of its own. */
export function createAnalysisService(): AnalysisService {
  return new Service();
}

class Service implements AnalysisService {
  #settings: string | undefined;
  #configured = new Configured();
  readonly #files = new Map<string, Known>();
  readonly #certified = new Map<string, Certified>();
  /** Exports beside Python files, found when the file was last certified. */
  readonly #exports = new Map<string, readonly ExportOf[]>();
  /** How scripts train the models of files that train none themselves, found when the file was last certified. */
  readonly #elsewhere = new Map<string, TrainedBy["facts"]>();
  #runner: Runner | undefined;
  #twins: TwinProcess | undefined;

  async analysePython(path: string, text: string, settings?: LintSettings, scope?: AnswerScope): Promise<DocumentAnalysis> {
    const read = this.#configurationFor(path, settings);
    const load = (): Promise<LoadedFile> => this.#configured.loaderFor(read.configuration).loadPython(path, text);
    return this.#analyse(path, `text ${text}`, load, "python", read, scope);
  }

  async analyseOnnx(path: string, settings?: LintSettings): Promise<DocumentAnalysis> {
    const stat = statSync(path, { throwIfNoEntry: false });
    const read = this.#configurationFor(path, settings);
    const load = (): Promise<LoadedFile> => this.#configured.loaderFor(read.configuration).loadOnnx(path);
    return this.#analyse(path, `file ${stat?.size} ${stat?.mtimeMs}`, load, "onnx", read);
  }

  #configurationFor(path: string, settings: LintSettings | undefined): ReadConfiguration {
    const said = JSON.stringify(settings);
    if (said !== this.#settings) {
      this.#settings = said;
      this.#configured = new Configured({
        under: ruleSettings(settings?.rules),
        ...(settings?.configuration ? { configuration: settings.configuration } : {}),
      });
    }
    return this.#configured.configurationFor(path);
  }

  async certify(path: string): Promise<DocumentAnalysis> {
    const begin = performance.now();
    const known = this.#files.get(path);
    if (!known) return failed(path, [{ message: `${path} has not been analysed yet; analyse it before certifying it` }]);
    const problems: Problem[] = [];
    const exported = known.file.language === "python" ? await exportsOf(known.file, (file) => this.#linted(file)) : [];
    this.#exports.set(path, exported);
    this.#elsewhere.set(path, await this.#configured.loaderFor(known.read.configuration).trainingElsewhere(known.file));
    for (const model of known.file.models) {
      try {
        await this.#certifyModel(model, exported.find((e) => e.of === model)?.export.model.graph);
      } catch (error) {
        problems.push(problem(`${model.name} could not be certified`, error, model));
      }
    }
    return this.#answer(path, known, problems, performance.now() - begin);
  }

  async structure(path: string): Promise<DocumentStructure> {
    const models = this.#files.get(path)?.file.models ?? [];
    const readable = models.flatMap((m): LoadedModel[] => {
      try {
        return [{ ...trainedAs(m, this.#elsewhere.get(path)), ...this.#certified.get(graphKey(m.graph)) }];
      } catch {
        return []; // its analysis fails; the answer to `analyse` says so
      }
    });
    return settled(structureOf(path, readable), path, this.#files.get(path)?.file.cells);
  }

  async rewrites(path: string, range: SourceRange): Promise<Fix[]> {
    const file = this.#files.get(path)?.file;
    if (!file || file.text === undefined) return [];
    const place = file.cells ? inJoinedText(range, path, file.cells, file.text) : range;
    if (!place) return [];
    try {
      return settled(rewritesAt(checkedFile(file), place), path, file.cells);
    } catch {
      return []; // its analysis fails; the answer to `analyse` says so
    }
  }

  async onnxText(path: string): Promise<OnnxTextView | null> {
    return this.#view(path, (known, model) => onnxTextView(known.file, model, reported(path, known.file, known.read)));
  }

  async drawing(path: string): Promise<DrawnFile | null> {
    return this.#view(path, (known, model) => drawnFile(model, reported(path, known.file, known.read)));
  }

  async sourceOf(path: string, folders: readonly string[]): Promise<SourceMatch | null> {
    const known = this.#files.get(path);
    const graph = known?.file.models[0]?.graph;
    if (!known || !graph) return null;
    const match = await matchSource(graph, folders, this.#configured.loaderFor(known.read.configuration)).catch(() => undefined);
    return match ?? null;
  }

  /** Something made of the one model of an ONNX file; null where there is none or its analysis fails, which `analyse` says. */
  #view<T>(path: string, make: (known: Known, model: LoadedModel) => T): T | null {
    const known = this.#files.get(path);
    const model = known?.file.models[0];
    if (!known || !model) return null;
    try {
      return make(known, { ...model, ...this.#certified.get(graphKey(model.graph)) });
    } catch {
      return null;
    }
  }

  dispose(): void {
    this.#runner?.dispose();
    this.#runner = undefined;
    this.#twins?.dispose();
    this.#twins = undefined;
    this.#files.clear();
    this.#certified.clear();
    this.#exports.clear();
    this.#elsewhere.clear();
  }

  async #analyse(
    path: string,
    state: string,
    load: () => Promise<LoadedFile>,
    language: LoadedFile["language"],
    read: ReadConfiguration,
    scope: AnswerScope = "all",
  ): Promise<DocumentAnalysis> {
    const known = this.#files.get(path);
    // Imported files may have changed, so that only certification and repeated questions rely on what is known.
    if (known?.state === state && language === "onnx") return this.#answer(path, { ...known, read }, [], known.milliseconds);
    const begin = performance.now();
    let file: LoadedFile;
    try {
      file = await load();
    } catch (error) {
      this.#files.delete(path);
      return failed(path, [{ message: error instanceof Error ? error.message : String(error) }]);
    }
    // Analyses are made when the answer asks for them, so the time is known only then.
    const answer = scope === "all" ? this.#answer(path, { file, read }, [], 0) : this.#findings(path, { file, read });
    const milliseconds = performance.now() - begin;
    this.#files.set(path, { state, file, read, milliseconds });
    return { ...answer, milliseconds };
  }

  /** Loads and lints an ONNX file, for what lies beside a source. */
  async #linted(file: string): Promise<{ readonly loaded: LoadedFile; readonly findings: readonly Finding[] }> {
    const { configuration } = this.#configured.configurationFor(file);
    const loaded = await this.#configured.loaderFor(configuration).loadOnnx(file);
    return { loaded, findings: lintFile(checkedFile(loaded), { configuration, path: file, complete: true }).findings };
  }

  /** @param exported the network of its export, at whose weights claims are checked */
  async #certifyModel(model: LoadedModel, exported?: Graph): Promise<void> {
    const key = graphKey(model.graph);
    if (this.#certified.has(key)) return;
    const [{ certify }, { TwinProcess }, { createRunner }] = await Promise.all([
      import("../certification/certify"),
      import("../certification/twin-process"),
      import("../runtime/index"),
    ]);
    // This is a process for such work already; a crash of ONNX Runtime ends no more than it.
    this.#runner ??= createRunner({ kind: "in-process" });
    this.#twins ??= new TwinProcess();
    const analysis = analyse(exported ? withWeights(model.graph, exported) : model.graph);
    const certificate = await certify(analysis, { runner: this.#runner, twins: this.#twins });
    const [oldest] = this.#certified.keys();
    if (this.#certified.size >= MOST_CERTIFIED && oldest !== undefined) this.#certified.delete(oldest);
    this.#certified.set(key, { analysis, certificate });
  }

  /** The answer for a file with its findings alone. */
  #findings(path: string, { file, read }: Pick<Known, "file" | "read">): DocumentAnalysis {
    const problems: Problem[] = [...file.problems];
    let findings: ReportedFinding[] = [];
    try {
      findings = reported(path, file, read, this.#exports.get(path));
    } catch (error) {
      problems.push(problem("rules failed", error));
    }
    const models = file.models.map(({ graph, name, range }) => ({
      name,
      file: path,
      ...(range ? { range } : {}),
      parameters: trainedEntries(graph),
      text: "",
      json: null,
    }));
    const configuration = { files: read.configuration.files, mistakes: read.problems };
    const calls = file.calls ? { calls: file.calls } : {};
    const answer = { path, findings, hovers: [], models, problems, ...calls, configuration, milliseconds: 0 };
    return settled(answer, path, file.cells);
  }

  /** The answer for a file: models that were certified before, in whatever text, are shown so. */
  #answer(
    path: string,
    { file, read }: Pick<Known, "file" | "read">,
    more: readonly Problem[],
    milliseconds: number,
  ): DocumentAnalysis {
    const problems: Problem[] = [...file.problems, ...more];
    const attempt = <T>(what: string, make: () => T, otherwise: T): T => {
      try {
        return make();
      } catch (error) {
        problems.push(problem(what, error));
        return otherwise;
      }
    };
    const models = file.models.flatMap((m) =>
      attempt(`${m.name} could not be analysed`, (): LoadedModel[] => {
        const certified = this.#certified.size > 0 ? this.#certified.get(graphKey(m.graph)) : undefined;
        // Spreading a model makes its analysis, so that one that fails does not take the others along.
        return [{ ...trainedAs(m, this.#elsewhere.get(path)), ...certified }];
      }, []),
    );
    const answer = {
      path,
      findings: attempt("rules failed", () => reported(path, file, read, this.#exports.get(path)), []),
      hovers: attempt("hovers failed", () => hoversOf(path, models), []),
      models: attempt(
        "the report failed",
        () =>
          models.map((m) => ({
            name: m.name,
            file: path,
            ...(m.range ? { range: m.range } : {}),
            parameters: m.analysis.parameters,
            text: modelText(m, { width: 120 }),
            json: modelJson(m),
          })),
        [],
      ),
      problems,
      ...(file.calls ? { calls: file.calls } : {}),
      configuration: { files: read.configuration.files, mistakes: read.problems },
      milliseconds,
    };
    return settled(answer, path, file.cells);
  }
}

function trainedEntries({ parameters }: Graph): number {
  let n = 0;
  for (const p of parameters.values()) if (p.trainable) n += elementCount(p.shape);
  return n;
}

/** The findings of a file, as configured. */
function reported(
  path: string,
  file: LoadedFile,
  { configuration }: ReadConfiguration,
  exported: readonly ExportOf[] = [],
): ReportedFinding[] {
  const { findings } = lintFile(checkedFile(file), { configuration, path, complete: file.problems.length === 0 });
  const moved = exported.flatMap(({ export: e, of }) => {
    const model = file.models.find((m) => m.name === of.name);
    return model ? ontoSource(e, file.file, linesOf(model)) : [];
  });
  const all = moved.length > 0 ? merged(findings, moved, file.text) : findings;
  return all.map((f) => ({ ...f, silence: file.text === undefined ? [] : silencingFixes(f, file.text) }));
}

function problem(what: string, error: unknown, model?: LoadedModel): Problem {
  const message = `${what}: ${error instanceof Error ? error.message : String(error)}`;
  return { message, ...(model?.range ? { range: model.range } : {}) };
}

function failed(path: string, problems: readonly Problem[]): DocumentAnalysis {
  const configuration = { files: [], mistakes: [] };
  return { path, findings: [], hovers: [], models: [], problems: [...problems], configuration, milliseconds: 0 };
}

/** @file The Python front end's face: files in, models with their graphs out. Nothing is executed. */
import { withLazy } from "../../graph/lazy";
import { FactCollector, TRAINING_TEXT } from "./facts/collect";
import { NO_FACTS, type TrainingFacts } from "./facts/facts";
import type { Block, ClassResult } from "./models/attempts";
import { FileAnalysis } from "./models/file-analysis";
import type { FileOptions } from "./models/recipe-evaluation";
import type { PythonClass, PythonModel, PythonProblem, UnmadeModel } from "./models/results";
import { type Bindings, readBindings, type TopLevel } from "./modules/bindings";
import { preludeFile, preludeText } from "./modules/prelude/index";
import { makesCalls, SCRIPT_FUNCTION } from "./models/observe";
import { ModuleResolver, type PythonHost } from "./modules/resolve";
import type { SourceScope } from "./modules/scope";
import { sharedLibrary, splitKey, World } from "./modules/world";
import { type Chunk, PythonDocument } from "./parser/document";
import { readNotebook } from "./parser/notebook";
import type { PythonParser } from "./parser/parser";
import type { ClassValue } from "./values/value";

/** What is known of one file. */
export interface PythonFile {
  readonly path: string;
  readonly classes: readonly PythonClass[];
  readonly models: readonly PythonModel[];
  readonly problems: readonly PythonProblem[];
  /** Classes of modules that there is no model of. */
  readonly unmade: readonly UnmadeModel[];
  /** What this file says about training; read when it is asked for. */
  readonly facts: TrainingFacts;
}

/** Settings of a project, or of one analysis. */
export type AnalyseOptions = FileOptions;

/** Files that are looked through for the way in which they make classes of one file. */
const MOST_NEIGHBOURS = 6;

/** A result with the state of the code that it was computed from. */
interface Remembered {
  readonly result: ClassResult;
  /** Statements that bound or changed each name that the result depends on. */
  readonly evidence: ReadonlyMap<string, readonly TopLevel[]>;
  /** The file's pragmas. */
  readonly pragmas: string;
}

/** A workspace of Python files. Give it texts with `update`; it reads others through the host when they are imported. */
export class PythonProject {
  private readonly documents = new Map<string, PythonDocument>();
  private readonly bindings = new Map<string, { version: number; bindings: Bindings }>();
  private readonly resolver: ModuleResolver;
  private readonly remembered = new Map<string, Map<string, Remembered>>();
  private readonly library = sharedLibrary();
  private world: World | undefined;

  constructor(
    private readonly parser: PythonParser,
    private readonly host: PythonHost,
    private readonly options: FileOptions = {},
  ) {
    this.resolver = new ModuleResolver(host);
  }

  /**
   * Takes the present text of a file. Throws Error when a notebook is not one. `code`: the text is Python whatever the
   * file's name says, so that places are places in it; for the joined code of a notebook.
   */
  update(path: string, text: string, form: "file" | "code" = "file"): void {
    let document = this.documents.get(path);
    if (!document) {
      document = new PythonDocument(path, this.parser);
      this.documents.set(path, document);
      this.resolver.clear();
    }
    if (form === "code") document.update(text);
    else load(document, text);
    this.world = undefined;
  }

  /** Forgets a file, for example when an editor closes it: its text is read from the host again. */
  close(path: string): void {
    this.documents.delete(path);
    this.bindings.delete(path);
    this.remembered.delete(path);
    this.world = undefined;
    this.resolver.clear();
  }

  /** The syntax of a file, statement by statement at top level; empty where the file cannot be read. */
  syntax(path: string): readonly Chunk[] {
    return this.document(path)?.chunks ?? [];
  }

  private document(path: string): PythonDocument | undefined {
    const known = this.documents.get(path);
    if (known) return known;
    const text = preludeText(path) ?? this.host.read(path);
    if (text === undefined) return undefined;
    const document = new PythonDocument(path, this.parser);
    load(document, text);
    this.documents.set(path, document);
    return document;
  }

  private bindingsOf(path: string): Bindings | undefined {
    const document = this.document(path);
    if (!document) return undefined;
    const known = this.bindings.get(path);
    if (known && known.version === document.version) return known.bindings;
    const bindings = readBindings(document.chunks);
    this.bindings.set(path, { version: document.version, bindings });
    return bindings;
  }

  private worldNow(): World {
    this.world ??= new World((f) => this.bindingsOf(f), this.resolver, preludeFile, this.library);
    return this.world;
  }

  /**
   * Analyses a file: all its classes, and a graph for each model that can be made. Classes whose own code and all code
   * that they use is as it was are not evaluated again. Throws Error when the file cannot be read.
   */
  analyse(path: string): PythonFile {
    const document = this.document(path);
    if (!document) throw new Error(`${path}: cannot be read. Give its text with update(), or check the path.`);
    const world = this.worldNow();
    const scope = world.scope(path);
    const problems: PythonProblem[] = [];
    for (const chunk of document.chunks) {
      for (const e of chunk.errors.slice(0, 3)) {
        problems.push({
          range: chunk.range(e),
          message: "this text does not parse; the rest of the file is analysed",
          syntax: true,
        });
      }
    }
    if (!scope) return { path, classes: [], models: [], problems, unmade: [], facts: NO_FACTS };
    const analysis = this.fileAnalysis(world, scope, document, this.options);
    const before = this.remembered.get(path);
    const pragmas = pragmasOf(document);
    const { classes, models, problems: more, unmade, results } = analysis.run((name) => this.recall(before?.get(name), pragmas));
    this.remember(path, pragmas, results, world);
    return withLazy(
      { path, classes, models, problems: [...problems, ...more], unmade },
      {
        facts: (): TrainingFacts =>
          TRAINING_TEXT.test(document.text) ? new FactCollector(world, scope).run(analysis.recipes()) : NO_FACTS,
      },
    );
  }

  /**
   * Facts about training the models of a file: its own, and those of workspace files that import it and train.
   * Throws Error when the file cannot be read.
   */
  trainingFacts(path: string): { readonly path: string; readonly facts: TrainingFacts }[] {
    const out = [{ path, facts: this.analyse(path).facts }];
    const stem = this.resolver.nameOf(path).split(".").at(-1) ?? "";
    if (stem === "") return out;
    for (const other of this.host.list?.() ?? []) {
      if (other === path) continue;
      const text = this.documents.get(other)?.text ?? this.host.read(other);
      if (text === undefined || !text.includes(stem) || !TRAINING_TEXT.test(text)) continue;
      const imports = new RegExp(
        `^\\s*(?:from\\s+[\\w.]*\\b${stem}\\b|import\\s+[^\\n]*\\b${stem}\\b|from\\s+[\\w.]+\\s+import[^\\n]*\\b${stem}\\b)`,
        "m",
      );
      if (!imports.test(text)) continue;
      const { facts } = this.analyse(other);
      if (facts !== NO_FACTS) out.push({ path: other, facts });
    }
    return out;
  }

  /**
   * Analyses one class or factory function of a file by name. Throws Error naming the file and the name when there is no
   * such model or it cannot be made.
   */
  analyseNamed(path: string, name: string, options: AnalyseOptions = {}): PythonModel {
    const document = this.document(path);
    const world = this.worldNow();
    const scope = document && world.scope(path);
    if (!document || !scope) throw new Error(`${path}: cannot be read. Give its text with update(), or check the path.`);
    return this.fileAnalysis(world, scope, document, { ...this.options, ...options }).named(name);
  }

  private fileAnalysis(world: World, scope: SourceScope, document: PythonDocument, options: FileOptions): FileAnalysis {
    const path = document.file;
    return new FileAnalysis(world, scope, path, document, this.parser, options, (wanted) =>
      this.blocksElsewhere(world, path, wanted),
    );
  }

  /** How other files of the workspace make and call classes of a file, as far as a few of them tell. */
  private blocksElsewhere(world: World, path: string, wanted: readonly ClassValue[]): Map<ClassValue, Block> {
    const out = new Map<ClassValue, Block>();
    const names = wanted.map((c) => c.name);
    let looked = 0;
    for (const other of this.host.mentioning?.(names, path) ?? []) {
      const open = wanted.filter((c) => !out.get(c)?.called);
      if (open.length === 0 || looked >= MOST_NEIGHBOURS) break;
      if (other === path) continue;
      const document = this.document(other);
      const scope = document && world.scope(other);
      if (!document || !scope || !open.some((c) => new RegExp(`\\b${c.name}\\b`).test(document.text))) continue;
      looked++;
      for (const [cls, block] of new FileAnalysis(world, scope, other, document, this.parser, this.options).blocksOf(open)) {
        const how = block.how.includes(" makes it") ? block.how : `${block.how} in ${other.split(/[\\/]/).at(-1)}`;
        if (!out.get(cls)?.called) out.set(cls, { ...block, how });
      }
    }
    return out;
  }

  /** An earlier result, if all that it depends on is as it was; its places tell themselves where the code is now. */
  private recall(known: Remembered | undefined, pragmas: string): ClassResult | undefined {
    if (!known || known.pragmas !== pragmas) return undefined;
    for (const [key, statements] of known.evidence) {
      const { file, name } = splitKey(key);
      const bindings = this.bindingsOf(file);
      if (!bindings || !sameStatements(statements, statementsOf(bindings, name))) return undefined;
    }
    return known.result;
  }

  private remember(path: string, pragmas: string, results: ReadonlyMap<string, ClassResult>, world: World): void {
    const before = this.remembered.get(path);
    const out = new Map<string, Remembered>();
    for (const [name, result] of results) {
      const earlier = before?.get(name);
      if (earlier?.result === result) {
        out.set(name, earlier);
        continue;
      }
      const evidence = new Map<string, readonly TopLevel[]>();
      for (const key of world.closure(result.dependencies)) {
        const { file, name: bound } = splitKey(key);
        const bindings = this.bindingsOf(file);
        if (bindings) evidence.set(key, statementsOf(bindings, bound));
      }
      out.set(name, { result, evidence, pragmas });
    }
    this.remembered.set(path, out);
  }
}

function load(document: PythonDocument, text: string): void {
  if (document.file.endsWith(".ipynb")) {
    const code = readNotebook(document.file, text);
    document.update(code.text, code.map);
  } else document.update(text);
}

/** The lines of a file that are pragmas. */
function pragmasOf(document: PythonDocument): string {
  if (!document.text.includes("noether:")) return "";
  return document.text
    .split("\n")
    .filter((l) => l.includes("noether:"))
    .join("\n");
}

function statementsOf(bindings: Bindings, name: string): readonly TopLevel[] {
  // "*" stands for what the file does at top level apart from definitions.
  if (name === "*") {
    return bindings.statements.filter(({ statement: s }) => {
      if (s.kind === "FunctionDef") return SCRIPT_FUNCTION.test(s.name);
      // Half a name or half a class, as it stands there while somebody types, makes nothing.
      if (s.kind === "Expression") return makesCalls(s);
      return s.kind !== "ClassDef" && s.kind !== "Import" && s.kind !== "ImportFrom";
    });
  }
  return [...(bindings.binds.get(name) ?? []), ...(bindings.changes.get(name) ?? [])];
}

function sameStatements(a: readonly TopLevel[], b: readonly TopLevel[]): boolean {
  return a.length === b.length && a.every((t, i) => t.statement === b[i]!.statement);
}

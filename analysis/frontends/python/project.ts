/** @file The Python front end's face: files in, models with their graphs out. Nothing is executed. */
import type { Graph } from "../../graph/graph";
import type { SourceRange } from "../../graph/source";
import { BudgetExceeded, PythonError } from "./evaluator/errors";
import type { Budget } from "./evaluator/interpreter";
import { evaluateModel, type Evaluation, type GivenInput } from "./models/evaluation";
import {
  constructorParams,
  factoriesOf,
  fromArguments,
  fromFactory,
  fromPragma,
  fromWitnesses,
  type Recipe,
  required,
} from "./models/instantiate";
import type { PythonLayer } from "./models/layers";
import { observeConstructions } from "./models/observe";
import { type Pragma, readPragmas } from "./models/pragma";
import { type Bindings, readBindings } from "./modules/bindings";
import { preludeFile, preludeText } from "./modules/prelude/index";
import { ModuleResolver, type PythonHost } from "./modules/resolve";
import type { SourceScope } from "./modules/scope";
import { type Dependency, World } from "./modules/world";
import { PythonDocument } from "./parser/document";
import { readNotebook } from "./parser/notebook";
import type { PythonParser } from "./parser/parser";
import { findInClass } from "./evaluator/attributes";
import { Interpreter } from "./evaluator/interpreter";
import { GraphBuilder } from "./emit/builder";
import { operatorTable } from "../../operators/table";
import { type Arguments, type ClassValue, is, list, tuple, type Value } from "./values/value";

/** One class statement. */
export interface PythonClass {
  readonly name: string;
  /** The name in the class statement. */
  readonly range: SourceRange;
  readonly bases: readonly string[];
}

/** A model that could be evaluated. */
export interface PythonModel {
  readonly name: string;
  /** The name in the class statement. */
  readonly range: SourceRange;
  readonly graph: Graph;
  /** Calls on tensors that were followed, and all of them. */
  readonly understood: number;
  readonly calls: number;
  readonly opaque: readonly { readonly operator: string; readonly range: SourceRange; readonly reason: string }[];
  /** "from its defaults", "as `resnet18()` makes it", ... */
  readonly howInstantiated: string;
  readonly layers: readonly PythonLayer[];
  readonly notes: readonly string[];
}

/** Something that the author should know about the analysis, not about the model. */
export interface PythonProblem {
  readonly range: SourceRange;
  readonly message: string;
}

/** What is known of one file. */
export interface PythonFile {
  readonly path: string;
  readonly classes: readonly PythonClass[];
  readonly models: readonly PythonModel[];
  readonly problems: readonly PythonProblem[];
}

export interface ProjectOptions {
  readonly training?: boolean;
  readonly budget?: Budget;
}

/** Options of one analysis by name. */
export interface AnalyseOptions extends ProjectOptions {
  readonly inputs?: readonly GivenInput[] | Readonly<Record<string, GivenInput>>;
}

interface CachedModel {
  readonly dependencies: readonly Dependency[];
  readonly model: PythonModel | undefined;
  readonly problem: PythonProblem | undefined;
}

/** A workspace of Python files. Give it texts with `update`; it reads others through the host when they are imported. */
export class PythonProject {
  private readonly documents = new Map<string, PythonDocument>();
  private readonly bindings = new Map<string, { version: number; bindings: Bindings }>();
  private readonly resolver: ModuleResolver;
  private world: World | undefined;

  constructor(
    private readonly parser: PythonParser,
    private readonly host: PythonHost,
    private readonly options: ProjectOptions = {},
  ) {
    this.resolver = new ModuleResolver(host);
  }

  /** Takes the present text of a file. Throws Error when a notebook is not one. */
  update(path: string, text: string): void {
    let document = this.documents.get(path);
    if (!document) {
      document = new PythonDocument(path, this.parser);
      this.documents.set(path, document);
    }
    if (path.endsWith(".ipynb")) {
      const code = readNotebook(path, text);
      document.update(code.text, code.map);
    } else document.update(text);
    this.world = undefined;
  }

  /** Forgets a file, for example when an editor closes it: its text is read from the host again. */
  close(path: string): void {
    this.documents.delete(path);
    this.bindings.delete(path);
    this.world = undefined;
    this.resolver.clear();
  }

  private document(path: string): PythonDocument | undefined {
    const known = this.documents.get(path);
    if (known) return known;
    const text = preludeText(path) ?? this.host.read(path);
    if (text === undefined) return undefined;
    const document = new PythonDocument(path, this.parser);
    this.documents.set(path, document);
    if (path.endsWith(".ipynb")) {
      const code = readNotebook(path, text);
      document.update(code.text, code.map);
    } else document.update(text);
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
    this.world ??= new World((f) => this.bindingsOf(f), this.resolver, preludeFile);
    return this.world;
  }

  /** Analyses a file: all its classes, and a graph for each model that can be made. Throws Error when it cannot be read. */
  analyse(path: string): PythonFile {
    const document = this.document(path);
    if (!document) throw new Error(`${path}: cannot be read. Give its text with update(), or check the path.`);
    const world = this.worldNow();
    const scope = world.scope(path);
    const problems: PythonProblem[] = [];
    for (const chunk of document.chunks) {
      for (const e of chunk.errors.slice(0, 3))
        problems.push({ range: chunk.range(e), message: "this text does not parse; the rest of the file is analysed" });
    }
    if (!scope) return { path, classes: [], models: [], problems };
    const analysis = new FileAnalysis(world, scope, path, document, this.parser, this.options);
    const { classes, models, problems: more } = analysis.run();
    return { path, classes, models, problems: [...problems, ...more] };
  }

  /**
   * Analyses one class or factory function of a file by name. Throws Error naming the file and the name when there is no
   * such model or it cannot be made.
   */
  analyseNamed(path: string, name: string, options: AnalyseOptions = {}): PythonModel {
    const document = this.document(path);
    const scope = document && this.worldNow().scope(path);
    if (!document || !scope) throw new Error(`${path}: cannot be read. Give its text with update(), or check the path.`);
    return new FileAnalysis(this.worldNow(), scope, path, document, this.parser, { ...this.options, ...options }).named(name);
  }
}

/** The analysis of one file in one state of the workspace. */
class FileAnalysis {
  private readonly classes = new Map<string, ClassValue>();
  private readonly blocks = new Map<ClassValue, { args: Arguments; called: Arguments | undefined; inside: string }>();
  private readonly problems: PythonProblem[] = [];
  private readonly pragmas: Pragma[];

  constructor(
    private readonly world: World,
    private readonly scope: SourceScope,
    private readonly path: string,
    private readonly document: PythonDocument,
    parser: PythonParser,
    private readonly options: AnalyseOptions,
  ) {
    const { pragmas, broken } = readPragmas(path, document.text, parser);
    this.pragmas = pragmas;
    for (const b of broken) {
      const start = { line: b.line, column: 0 };
      this.problems.push({ range: { file: path, start, end: { line: b.line + 1, column: 0 } }, message: b.message });
    }
  }

  private readClasses(): PythonClass[] {
    const out: PythonClass[] = [];
    const interpreter = new Interpreter(this.world, new GraphBuilder(operatorTable), this.options.budget);
    this.world.using(interpreter, () => {
      for (const [name, tops] of this.scope.bindings.binds) {
        if (!tops.some((t) => definesClass(t.statement, name))) continue;
        let value: unknown;
        try {
          value = this.scope.lookup(name);
        } catch (error) {
          if (!(error instanceof BudgetExceeded)) throw error;
        }
        if (!is(value as never, "class")) continue;
        const cls = value as unknown as ClassValue;
        if (cls.module !== this.scope || !cls.chunk || !cls.nameSpan) continue;
        this.classes.set(name, cls);
        out.push({ name: cls.name, range: cls.chunk.range(cls.nameSpan), bases: cls.bases.map((b) => b.name) });
      }
    });
    return out;
  }

  run(): { classes: PythonClass[]; models: PythonModel[]; problems: PythonProblem[] } {
    const classes = this.readClasses();
    const modules = [...this.classes.values()].filter(isModel);
    const models = new Map<ClassValue, PythonModel>();
    const failures = new Map<ClassValue, string>();
    const attempt = (cls: ClassValue, recipes: readonly Recipe[], lenient = false): boolean => {
      const run = (forgiving: boolean): boolean => {
        for (const recipe of recipes) {
          const result = this.evaluate(cls, recipe, cls.name, forgiving);
          if (typeof result === "string") failures.set(cls, result);
          else if (forgiving === lenient || mostlyUnderstood(result)) {
            models.set(cls, result);
            return true;
          }
        }
        return false;
      };
      return run(lenient) || (!lenient && run(true));
    };
    // Models that stand on their own come first; what they are made of is seen on the way.
    const sightings = observeConstructions(this.world, this.scope, new Set(modules.map((m) => m.name)));
    for (const cls of modules) {
      const recipes: Recipe[] = [];
      const pragma = this.pragmas.find((p) => p.name === cls.name);
      if (pragma) recipes.push(fromPragma(pragma, this.scope, cls));
      const sighting = sightings.find((s) => s.cls === cls);
      if (sighting) recipes.push(fromArguments(cls, sighting.how, sighting.args));
      if (required(constructorParams(cls)).length === 0) recipes.push(fromWitnesses(cls));
      attempt(cls, recipes);
    }
    for (const cls of modules) {
      if (models.has(cls)) continue;
      attempt(
        cls,
        factoriesOf(this.scope, cls.name)
          .slice(0, 4)
          .map((f) => fromFactory(this.scope, f, cls)),
      );
    }
    // Blocks of models, outermost first: those with a configuration, then those that others contain.
    for (const cls of modules) {
      if (models.has(cls) || this.blocks.has(cls)) continue;
      if (required(constructorParams(cls)).every((p) => p.annotation !== undefined && typed(p.annotation)))
        attempt(cls, [fromWitnesses(cls)]);
    }
    for (const cls of [...modules].reverse()) {
      if (models.has(cls)) continue;
      const block = this.blocks.get(cls);
      const recipes = [fromWitnesses(cls)];
      if (block) recipes.unshift(fromArguments(cls, `as a part of ${block.inside}`, block.args, block.called));
      attempt(cls, recipes);
    }
    for (const cls of modules) if (!models.has(cls)) attempt(cls, [fromWitnesses(cls)], true);
    for (const cls of modules) {
      const failure = failures.get(cls);
      if (models.has(cls) || failure === undefined || !cls.chunk || !cls.nameSpan) continue;
      this.problems.push({ range: cls.chunk.range(cls.nameSpan), message: `${cls.name} is not analysed: ${failure}` });
    }
    return { classes, models: modules.flatMap((m) => models.get(m) ?? []), problems: this.problems };
  }

  /** One class or factory by name. */
  named(name: string): PythonModel {
    this.readClasses();
    const cls = this.classes.get(name);
    if (cls) {
      const model = this.run().models.find((m) => m.name === name);
      const given = this.options.inputs;
      if (model && !given) return model;
      const recipes = [...factoriesOf(this.scope, name).map((f) => fromFactory(this.scope, f, cls)), fromWitnesses(cls)];
      if (required(constructorParams(cls)).length === 0) recipes.reverse();
      let failure = "it is not a model";
      for (const r of recipes) {
        const result = this.evaluate(cls, r);
        if (typeof result !== "string") return result;
        failure = result;
      }
      throw new Error(`${this.path}::${name}: ${failure}`);
    }
    if (!this.scope.bindings.binds.has(name))
      throw new Error(`${this.path}: there is no class or function ${name}. Check the spelling.`);
    let result = this.evaluate(undefined, fromFactory(this.scope, name, undefined), name);
    if (typeof result === "string") {
      const again = this.evaluate(undefined, fromFactory(this.scope, name, undefined), name, true);
      if (typeof again !== "string") result = again;
    }
    if (typeof result === "string") throw new Error(`${this.path}::${name}: ${result}`);
    return result;
  }

  /** Evaluates one recipe; a sentence where it fails. */
  private evaluate(cls: ClassValue | undefined, recipe: Recipe, name = cls?.name ?? "", lenient = false): PythonModel | string {
    const pragma = this.pragmas.find((p) => p.name === name);
    const inputs = this.options.inputs ?? pragma?.inputs;
    const seen = new Map<ClassValue, { args: Arguments; called: Arguments | undefined; inside: string }>();
    const instances = new Map<object, ClassValue>();
    let evaluation: Evaluation;
    try {
      evaluation = evaluateModel(this.world, name, recipe.make, {
        rootFile: this.path,
        ...(this.options.training !== undefined ? { training: this.options.training } : {}),
        ...(this.options.budget ? { budget: this.options.budget } : {}),
        ...(inputs ? { inputs } : {}),
        ...(recipe.called ? { called: recipe.called } : {}),
        lenient,
        onAttempt: () => {
          for (const [c, block] of seen) seen.set(c, { ...block, called: undefined });
        },
        prepare: (interpreter) => {
          interpreter.onConstruct = (c, args, instance) => {
            if (c === cls || c.module !== this.scope || seen.has(c)) return;
            seen.set(c, { args, called: undefined, inside: name });
            instances.set(instance, c);
          };
          interpreter.onForward = (module, args) => {
            const c = instances.get(module);
            const block = c && seen.get(c);
            if (c && block && !block.called) seen.set(c, { ...block, called: freeze(args) });
          };
        },
      });
    } catch (error) {
      if (error instanceof PythonError) return `${error.type}: ${error.message}`;
      if (error instanceof BudgetExceeded) return error.message;
      if (error instanceof RangeError) return "it nests too deeply";
      throw error;
    }
    for (const [c, block] of seen) if (!this.blocks.has(c) || !this.blocks.get(c)!.called) this.blocks.set(c, block);
    const { instance } = evaluation;
    const owner = cls ?? instance.cls;
    const range =
      owner.chunk && owner.nameSpan
        ? owner.chunk.range(owner.nameSpan)
        : { file: this.path, start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };
    return {
      name: name || owner.name,
      range,
      graph: evaluation.graph,
      calls: evaluation.calls,
      understood: Math.max(0, evaluation.calls - evaluation.opaque.length),
      opaque: evaluation.opaque.map((o) => ({ operator: o.operator, range: o.range ?? range, reason: o.reason })),
      howInstantiated: recipe.how,
      layers: evaluation.layers,
      notes: [...evaluation.notes, ...evaluation.contradictions.slice(0, 5).map((c) => c.message)],
    };
  }
}

/** Whether a model that was made with errors passed over still tells something. */
function mostlyUnderstood(m: PythonModel): boolean {
  return m.graph.parameters.size > 0 && m.understood > 0 && m.opaque.length * 4 <= m.calls;
}

function typed(annotation: { kind: string; id?: string }): boolean {
  return !(annotation.kind === "Name" && ["int", "float", "bool", "str"].includes(annotation.id ?? ""));
}

/** Whether a class is a module that can be called. */
function isModel(cls: ClassValue): boolean {
  return cls.order.some((c) => c.name === "Module" && !c.module) && findInClass(cls, "forward") !== undefined;
}

function definesClass(
  s: { kind: string; name?: string; body?: readonly unknown[]; otherwise?: readonly unknown[] },
  name: string,
): boolean {
  if (s.kind === "ClassDef") return s.name === name;
  if (s.kind === "If" || s.kind === "Try") {
    return [...(s.body ?? []), ...(s.otherwise ?? [])].some((b) => definesClass(b as never, name));
  }
  return false;
}

/** Arguments as they are now: tensors lose what changes later. */
function freeze(args: Arguments): Arguments {
  return { positional: args.positional.map(copy), keywords: new Map([...args.keywords].map(([k, v]) => [k, copy(v)])) };
}

function copy(v: Value): Value {
  if (is(v, "tensor")) return { ...v };
  if (is(v, "list")) return list(v.items.map(copy));
  if (is(v, "tuple")) return tuple(v.items.map(copy), v.names);
  return v;
}

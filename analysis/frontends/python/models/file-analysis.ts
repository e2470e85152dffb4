/** @file The analysis of one file: which of its classes are models, and the best way to make each. */
import { Interpreter } from "../evaluator/interpreter";
import { findInClass } from "../evaluator/attributes";
import { BudgetExceeded } from "../evaluator/errors";
import { GraphBuilder } from "../emit/builder";
import { operatorTable } from "../../../operators/table";
import type { SourceScope } from "../modules/scope";
import type { DependencyKey, World } from "../modules/world";
import type { PythonDocument } from "../parser/document";
import type { PythonParser } from "../parser/parser";
import type { Expr } from "../parser/syntax";
import { is } from "../values/inspect";
import type { Arguments, ClassValue, Value } from "../values/value";
import { attributeExamples, tableExamples, variants } from "./examples";
import { frameworkOf, TORCH } from "./framework";
import { factoriesOf, fromArguments, fromFactory, fromPragma, fromWitnesses, type Recipe, namesIn } from "./instantiate";
import { constructorParams, required } from "./invent";
import { callsSeen, fromFunction, fromPartials, fromScript, fromScriptInstance, plain, type MadeModel, madeModels } from "./made";
import { observeConstructions } from "./observe";
import { type Pragma, readPragmas } from "./pragma";
import type { PythonClass, PythonModel, PythonProblem, UnmadeModel } from "./results";
import {
  type Attempt,
  type Block,
  type ClassResult,
  NO_INSTANCE,
  type Shortfall,
  isDone,
  isUnderstood,
  learn,
  mostlyUnderstood,
  shortcomings,
} from "./attempts";
import { type FileOptions, RecipeEvaluator } from "./recipe-evaluation";
import { definesClass, isModel } from "./model-classes";

/** Looks up the result of an earlier analysis that still holds. */
export type KnownResults = (className: string) => ClassResult | undefined;

/** Multiples of the usual widths that are tried when a constructor refuses them. */
const SCALES = [1, 4, 32];

/** The classes, functions and variables of one file that are models, each made in the best way that was found. */
export class FileAnalysis {
  private readonly classes = new Map<string, ClassValue>();
  private readonly problems: PythonProblem[] = [];
  private readonly pragmas: readonly Pragma[];
  private readonly evaluator: RecipeEvaluator;
  private readonly models = new Map<ClassValue, PythonModel>();
  private readonly failures = new Map<ClassValue, Shortfall>();
  private readonly chosen = new Map<ClassValue, Recipe>();
  /** Classes that could only be made by going on where their constructor raises. */
  private readonly forced = new Set<ClassValue>();

  constructor(
    private readonly world: World,
    private readonly scope: SourceScope,
    private readonly path: string,
    document: PythonDocument,
    parser: PythonParser,
    private readonly options: FileOptions,
    /** How other files make classes of this one. */
    private readonly elsewhere?: (wanted: readonly ClassValue[]) => ReadonlyMap<ClassValue, Block>,
  ) {
    const { pragmas, broken } = readPragmas(path, document.text, parser);
    const configured = (options.calls ?? []).map((call) => `# noether: ${call}\n`).join("");
    this.pragmas = [...pragmas, ...readPragmas(path, configured, parser).pragmas];
    this.evaluator = new RecipeEvaluator(world, scope, path, options, this.pragmas);
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
        let value: Value | undefined;
        try {
          value = this.scope.lookup(name);
        } catch (error) {
          if (!(error instanceof BudgetExceeded)) throw error;
        }
        if (!is(value, "class") || value.module !== this.scope || !value.chunk || !value.nameSpan) continue;
        this.classes.set(name, value);
        out.push({ name: value.name, range: value.chunk.range(value.nameSpan), bases: value.bases.map((b) => b.name) });
      }
    });
    return out;
  }

  /** Analyses all classes, except those whose earlier result still holds. */
  run(known: KnownResults = () => undefined): {
    classes: PythonClass[];
    models: PythonModel[];
    problems: PythonProblem[];
    unmade: UnmadeModel[];
    results: Map<string, ClassResult>;
  } {
    const classes = this.readClasses();
    const all = [...this.classes.values()].filter(isModel);
    const results = new Map<string, ClassResult>();
    for (const cls of all) {
      const earlier = known(cls.name);
      if (earlier) results.set(cls.name, earlier);
    }
    const modules = all.filter((c) => !results.has(c.name));
    const models: PythonModel[] = [];
    const unmade: UnmadeModel[] = [];
    // Layers are seen at work in the models that functions and scripts put together.
    this.runMade(known, results, models, unmade);
    if (modules.length > 0) this.analyse(modules);
    for (const cls of modules) {
      const model = this.models.get(cls);
      const failure = model ? undefined : (this.failures.get(cls) ?? NO_INSTANCE);
      results.set(cls.name, { model, failure, dependencies: this.evaluator.dependencies.get(cls) ?? new Set() });
    }
    for (const cls of all) {
      const r = results.get(cls.name);
      if (r?.model) models.push(r.model);
      else if (r?.failure !== undefined && cls.chunk && cls.nameSpan) {
        const range = cls.chunk.range(cls.nameSpan);
        unmade.push({ name: cls.name, range, ...r.failure });
        this.problems.push({ range, message: `${cls.name} is not analysed: ${r.failure.reason}` });
      }
    }
    return { classes, models, problems: this.problems, unmade, results };
  }

  /** Models that functions return and variables hold, except those whose earlier result still holds. */
  private runMade(known: KnownResults, results: Map<string, ClassResult>, models: PythonModel[], unmade: UnmadeModel[]): void {
    const made = madeModels(this.scope);
    if (made.length === 0) return;
    const open = made.filter((m) => {
      const earlier = known(m.name);
      if (earlier) results.set(m.name, earlier);
      return !earlier;
    });
    if (open.length > 0) {
      const seen = this.functionCalls(new Set(open.filter((m) => m.form === "function").map((m) => m.name)));
      for (const m of open) results.set(m.name, this.runOneMade(m, seen.get(m.name)));
    }
    for (const m of made) {
      const r = results.get(m.name);
      if (r?.model) models.push(r.model);
      else if (r?.failure !== undefined && m.form === "variable") {
        unmade.push({ name: m.name, range: m.range, ...r.failure });
        this.problems.push({ range: m.range, message: `${m.name} is not analysed: ${r.failure.reason}` });
      }
    }
  }

  private functionCalls(names: ReadonlySet<string>): Map<string, Arguments> {
    if (names.size === 0) return new Map();
    const interpreter = new Interpreter(this.world, new GraphBuilder(operatorTable), { steps: 100_000, nodes: 8000 });
    return this.world.using(interpreter, () => callsSeen(interpreter, this.scope, names));
  }

  private runOneMade(m: MadeModel, seen: Arguments | undefined): ClassResult {
    const dependencies = new Set<DependencyKey>();
    const stop = this.world.collect(dependencies);
    let failure: Shortfall | undefined;
    try {
      this.world.depend(this.path, m.name);
      this.world.depend(this.path, "*");
      const pragma = this.pragmas.find((p) => p.name === m.name);
      const recipes: Recipe[] = [];
      if (m.form === "variable") recipes.push(fromScript(this.scope, m.name));
      else {
        if (pragma?.call) recipes.push(fromPragma(pragma, this.scope, undefined));
        if (seen) recipes.push(fromFunction(this.scope, m.name, seen));
        recipes.push(fromFunction(this.scope, m.name, undefined));
      }
      for (const lenient of [false, true]) {
        for (const recipe of recipes) {
          const result = this.evaluator.evaluate(undefined, recipe, m.name, lenient);
          if (!("model" in result)) failure ??= { stage: result.stage, reason: result.reason };
          else if (!lenient || mostlyUnderstood(result.model))
            return { model: { ...result.model, range: m.range }, failure: undefined, dependencies };
        }
      }
    } finally {
      stop();
    }
    return { model: undefined, failure, dependencies };
  }

  /** How each class that defines `configure_optimizers` can be made. */
  recipes(): { cls: ClassValue; make: Recipe["make"] }[] {
    return [...this.classes.values()]
      .filter((c) => isModel(c) && findInClass(c, "configure_optimizers") !== undefined)
      .map((cls) => ({ cls, make: (this.chosen.get(cls) ?? fromWitnesses(cls)).make }));
  }

  /** Classes that can be made from what the file says about them alone. */
  private analyseRoots(modules: readonly ClassValue[]): void {
    // Models that stand on their own come first; what they are made of is seen on the way.
    const sightings = observeConstructions(this.world, this.scope, new Set(modules.map((m) => m.name)));
    for (const cls of modules) {
      if (this.models.has(cls)) continue;
      const recipes: Recipe[] = [];
      const pragma = this.pragmas.find((p) => p.name === cls.name);
      if (pragma) recipes.push(fromPragma(pragma, this.scope, cls));
      const ofClass = sightings.filter((s) => s.cls === cls);
      const sighting = ofClass.find((s) => s.called) ?? ofClass[0];
      const called = ofClass.flatMap((s) => (s.called ? variants(s.called) : []));
      this.evaluator.examples.set(cls, [...called, ...this.tabled(cls), ...attributeExamples(cls.attributes, true)]);
      const block = frameworkOf(cls) === TORCH ? undefined : this.evaluator.blocks.get(cls);
      if (block?.called && plain(block.args)) recipes.push(fromArguments(cls, block.how, block.args, block.called));
      if (sighting) {
        const own = frameworkOf(cls) === TORCH || plain(sighting.args);
        recipes.push(own ? fromArguments(cls, sighting.how, sighting.args) : fromScriptInstance(this.scope, cls));
      }
      if (required(constructorParams(cls)).length === 0) recipes.push(fromWitnesses(cls));
      else if (frameworkOf(cls) !== TORCH) recipes.push(...fromPartials(this.scope, cls));
      this.attempt(cls, recipes);
    }
    for (const cls of modules) {
      if (this.models.has(cls)) continue;
      const factories = factoriesOf(this.scope, cls.name).slice(0, 4);
      this.attempt(
        cls,
        factories.map((f) => fromFactory(this.scope, f, cls)),
      );
    }
  }

  /** What tables of the file say that a class is called with. */
  private tabled(cls: ClassValue): Arguments[] {
    const interpreter = new Interpreter(this.world, new GraphBuilder(operatorTable), this.options.budget);
    return this.world.using(interpreter, () => tableExamples(this.scope, cls));
  }

  private analyse(modules: readonly ClassValue[]): void {
    this.analyseRoots(modules);
    // Blocks of models, outermost first: those with a configuration, then those that others contain.
    for (const cls of modules) {
      if (this.models.has(cls) || this.evaluator.blocks.has(cls)) continue;
      if (required(constructorParams(cls)).every((p) => p.annotation !== undefined && !isPlainType(p.annotation)))
        this.invent(cls);
    }
    for (const cls of [...modules].reverse()) {
      if (this.models.has(cls)) continue;
      const block = this.evaluator.blocks.get(cls);
      if (block && this.attempt(cls, [fromArguments(cls, block.how, block.args, block.called)])) continue;
      this.invent(cls);
    }
    for (const cls of modules) if (!this.models.has(cls)) this.invent(cls, true);
    this.improve(modules);
  }

  /** What was not understood on its own may be, made and called as other code does: in this file, then in others. */
  private improve(modules: readonly ClassValue[]): void {
    const poor = (): ClassValue[] => modules.filter((c) => this.forced.has(c) || !isUnderstood(c, this.models.get(c)));
    this.asBlocks(poor());
    const wanted = poor();
    if (wanted.length === 0 || !this.elsewhere) return;
    for (const c of wanted) this.evaluator.blocks.delete(c);
    for (const [cls, block] of this.elsewhere(wanted)) this.evaluator.blocks.set(cls, block);
    this.asBlocks(wanted);
  }

  private asBlocks(classes: readonly ClassValue[]): void {
    for (const cls of classes) {
      const block = this.evaluator.blocks.get(cls);
      if (!block) continue;
      const before = this.models.get(cls);
      for (const called of block.called ? [block.called, undefined] : [undefined]) {
        const recipe = fromArguments(cls, block.how, block.args, called);
        const result = this.evaluator.evaluate(cls, recipe, cls.name);
        if (!("model" in result)) continue;
        if (before && !this.forced.has(cls) && shortcomings(result.model) >= shortcomings(before)) continue;
        this.forced.delete(cls);
        this.models.set(cls, result.model);
        this.chosen.set(cls, recipe);
        break;
      }
    }
  }

  /**
   * How this file makes and calls classes of another file: at top level, in scripts, and as parts of its models.
   * Names of those classes are looked for in the text of this file's statements.
   */
  blocksOf(wanted: readonly ClassValue[]): Map<ClassValue, Block> {
    for (const cls of wanted) this.evaluator.foreign.add(cls);
    this.readClasses();
    const names = new Set(wanted.map((c) => c.name));
    for (const s of observeConstructions(this.world, this.scope, names, (c) => this.evaluator.foreign.has(c)))
      if (!this.evaluator.blocks.has(s.cls))
        this.evaluator.blocks.set(s.cls, { args: s.args, called: undefined, how: `as ${baseName(this.path)} makes it` });
    const holders = [...this.classes.values()].filter((c) => isModel(c) && this.mentions(c, names));
    this.analyseRoots(holders.slice(0, 6));
    const missing = [...names].filter((n) => ![...this.evaluator.blocks.keys()].some((c) => c.name === n));
    for (const name of missing) {
      for (const f of factoriesOf(this.scope, name).slice(0, 2))
        this.evaluator.evaluate(undefined, fromFactory(this.scope, f, undefined), f);
    }
    return new Map([...this.evaluator.blocks].filter(([c]) => this.evaluator.foreign.has(c)));
  }

  private mentions(cls: ClassValue, names: ReadonlySet<string>): boolean {
    return this.scope.bindings.statements.some(
      (t) =>
        t.statement.kind === "ClassDef" && t.statement.name === cls.name && [...namesIn(t.statement)].some((n) => names.has(n)),
    );
  }

  /** Tries recipes in order; then again, going on where construction raises, if that still tells most of the model. */
  private attempt(cls: ClassValue, recipes: readonly Recipe[]): boolean {
    for (const lenient of [false, true]) {
      for (const recipe of recipes) {
        const trained = this.evaluator.evaluate(cls, recipe, cls.name, lenient);
        const result = isDone(trained) || recipe.called ? trained : this.better(trained, cls, recipe, lenient);
        if (!("model" in result)) this.failures.set(cls, result);
        else if (!lenient || mostlyUnderstood(result.model)) {
          this.models.set(cls, result.model);
          this.chosen.set(cls, recipe);
          if (lenient) this.forced.add(cls);
          return true;
        }
      }
    }
    return false;
  }

  /** The model as it is used after training, where that is understood and training is not (it may want targets). */
  private better(trained: Attempt, cls: ClassValue, recipe: Recipe, lenient: boolean): Attempt {
    if (this.options.training !== undefined || !/\.training\b/.test(cls.chunk?.text ?? "")) return trained;
    const used = this.evaluator.evaluate(cls, recipe, cls.name, lenient, false);
    if (!isDone(used) || !("model" in used)) return trained;
    return { ...used, model: { ...used.model, notes: [...used.model.notes, "followed as in evaluation, not as in training"] } };
  }

  /** Makes an instance with witnesses, and mends them where sizes turn out not to fit. */
  private invent(cls: ClassValue, lenient = false): boolean {
    const overrides = new Map<string, number>();
    let scale = 0;
    let best: PythonModel | undefined;
    for (let attempts = 0; attempts < 8; attempts++) {
      const result = this.evaluator.evaluate(
        cls,
        fromWitnesses(cls, { overrides: new Map(overrides), scale: SCALES[scale]! }),
        cls.name,
        lenient,
      );
      if ("model" in result) {
        if (!best || result.model.opaque.length < best.opaque.length) best = result.model;
        if (result.model.opaque.length === 0) break;
      } else this.failures.set(cls, result);
      if (learn(result, overrides)) continue;
      if ("model" in result || ++scale >= SCALES.length) break;
    }
    if (best) {
      this.models.set(cls, best);
      if (lenient) this.forced.add(cls);
    }
    return best !== undefined;
  }

  /** One class or factory by name. Throws Error naming the file and the name. */
  named(name: string): PythonModel {
    this.readClasses();
    const cls = this.classes.get(name);
    if (cls) {
      if (!isModel(cls))
        throw new Error(
          `${this.path}::${name} is not a model: it does not derive from torch.nn.Module, or has no forward (for Keras: keras.Layer and call; for Flax: nn.Module and __call__).`,
        );
      this.evaluator.target = cls;
      // Most classes can be made without knowing what holds them; only the others need the whole file.
      this.analyseRoots([cls]);
      if (!this.models.has(cls)) this.analyse([...this.classes.values()].filter(isModel));
      const model = this.models.get(cls);
      if (!model)
        throw new Error(
          `${this.path}::${name}: ${(this.failures.get(cls) ?? NO_INSTANCE).reason}. Add a pragma, for example # noether: ${name}(width=64)`,
        );
      return model;
    }
    if (!this.scope.bindings.binds.has(name))
      throw new Error(`${this.path}: there is no class or function ${name}. Check the spelling.`);
    const made = madeModels(this.scope).find((m) => m.name === name);
    if (made) {
      const seen = this.functionCalls(new Set(made.form === "function" ? [name] : []));
      const { model, failure } = this.runOneMade(made, seen.get(name));
      if (model) return model;
      throw new Error(`${this.path}::${name}: ${(failure ?? NO_INSTANCE).reason}`);
    }
    const strict = this.evaluator.evaluate(undefined, fromFactory(this.scope, name, undefined), name);
    if ("model" in strict) return strict.model;
    const lenient = this.evaluator.evaluate(undefined, fromFactory(this.scope, name, undefined), name, true);
    if ("model" in lenient) return lenient.model;
    throw new Error(`${this.path}::${name}: ${strict.reason}`);
  }
}

function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}

function isPlainType(annotation: Expr): boolean {
  return annotation.kind === "Name" && ["int", "float", "bool", "str"].includes(annotation.id);
}

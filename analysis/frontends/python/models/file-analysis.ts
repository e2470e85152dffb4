/** @file The analysis of one file: which of its classes are models, and the best way to make each. */
import type { Budget } from "../evaluator/interpreter";
import { Interpreter } from "../evaluator/interpreter";
import { findInClass } from "../evaluator/attributes";
import { BudgetExceeded, NotUnderstood, PythonError, type SizeConflict } from "../evaluator/errors";
import { GraphBuilder } from "../emit/builder";
import { operatorTable } from "../../../operators/table";
import type { SourceScope } from "../modules/scope";
import type { DependencyKey, World } from "../modules/world";
import type { PythonDocument } from "../parser/document";
import type { PythonParser } from "../parser/parser";
import type { Expr, Stmt } from "../parser/syntax";
import { type Arguments, type ClassValue, type InstanceValue, is, list, tuple, type Value } from "../values/value";
import { constructionOf } from "./construction";
import { attributeExamples, tableExamples, variants } from "./examples";
import { evaluateModel, type Evaluation, type GivenInput } from "./evaluation";
import { frameworkOf, TORCH } from "./framework";
import { factoriesOf, fromArguments, fromFactory, fromPragma, fromWitnesses, type Recipe, namesIn } from "./instantiate";
import { constructorParams, required } from "./invent";
import { callsSeen, fromFunction, fromPartials, fromScript, fromScriptInstance, plain, type MadeModel, madeModels } from "./made";
import { observeConstructions } from "./observe";
import { type Pragma, readPragmas } from "./pragma";
import type { PythonClass, PythonModel, PythonProblem, UnmadeModel } from "./results";

export interface FileOptions {
  readonly training?: boolean;
  readonly budget?: Budget;
  /** Shapes of forward's tensors, by name or in order. */
  readonly inputs?: readonly GivenInput[] | Readonly<Record<string, GivenInput>>;
  /** How classes are made and called, as in the pragma, for those that the file has no pragma for. */
  readonly calls?: readonly string[];
}

/** The outcome for one class, with all names that it depends on. */
export interface ClassResult {
  readonly model: PythonModel | undefined;
  readonly failure: Shortfall | undefined;
  readonly dependencies: ReadonlySet<DependencyKey>;
}

/** Why there is no graph. */
type Shortfall = Pick<UnmadeModel, "stage" | "reason">;

/** Looks up the result of an earlier analysis that still holds. */
export type KnownResults = (className: string) => ClassResult | undefined;

interface Failure extends Shortfall {
  readonly conflicts: readonly SizeConflict[];
  readonly witnesses: ReadonlyMap<string, number>;
}

type Attempt =
  | { readonly model: PythonModel; readonly conflicts: readonly SizeConflict[]; readonly witnesses: ReadonlyMap<string, number> }
  | Failure;

/** A class as part of another model. */
export interface Block {
  readonly args: Arguments;
  readonly called: Arguments | undefined;
  /** Where it was seen, in words. */
  readonly how: string;
}

/** Code that makes layers or parameters. */
const MAKES_LAYERS = /\bnn\.(?!Module\b|functional\b)\w|Parameter/;

const NO_INSTANCE: Shortfall = { stage: "construction", reason: "no way to make an instance was found" };

/** Multiples of the usual widths that are tried when a constructor refuses them. */
const SCALES = [1, 4, 32];

export class FileAnalysis {
  private readonly classes = new Map<string, ClassValue>();
  private readonly blocks = new Map<ClassValue, Block>();
  private readonly problems: PythonProblem[] = [];
  private readonly pragmas: readonly Pragma[];
  private readonly models = new Map<ClassValue, PythonModel>();
  private readonly failures = new Map<ClassValue, Shortfall>();
  private readonly chosen = new Map<ClassValue, Recipe>();
  private readonly dependencies = new Map<ClassValue, Set<DependencyKey>>();
  /** What the file calls each class with. */
  private readonly examples = new Map<ClassValue, readonly Arguments[]>();
  /** Classes that could only be made by going on where their constructor raises. */
  private readonly forced = new Set<ClassValue>();
  /** Classes of other files whose making is looked for here. */
  private readonly foreign = new Set<ClassValue>();
  /** The one class that is asked for by name. */
  private target: ClassValue | undefined;

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
      results.set(cls.name, { model, failure, dependencies: this.dependencies.get(cls) ?? new Set() });
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
          const result = this.evaluate(undefined, recipe, m.name, lenient);
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
      this.examples.set(cls, [...called, ...this.tabled(cls), ...attributeExamples(cls.attributes, true)]);
      const block = frameworkOf(cls) === TORCH ? undefined : this.blocks.get(cls);
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
      if (this.models.has(cls) || this.blocks.has(cls)) continue;
      if (required(constructorParams(cls)).every((p) => p.annotation !== undefined && !isPlainType(p.annotation)))
        this.invent(cls);
    }
    for (const cls of [...modules].reverse()) {
      if (this.models.has(cls)) continue;
      const block = this.blocks.get(cls);
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
    for (const c of wanted) this.blocks.delete(c);
    for (const [cls, block] of this.elsewhere(wanted)) this.blocks.set(cls, block);
    this.asBlocks(wanted);
  }

  private asBlocks(classes: readonly ClassValue[]): void {
    for (const cls of classes) {
      const block = this.blocks.get(cls);
      if (!block) continue;
      const before = this.models.get(cls);
      for (const called of block.called ? [block.called, undefined] : [undefined]) {
        const recipe = fromArguments(cls, block.how, block.args, called);
        const result = this.evaluate(cls, recipe, cls.name);
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
    for (const cls of wanted) this.foreign.add(cls);
    this.readClasses();
    const names = new Set(wanted.map((c) => c.name));
    for (const s of observeConstructions(this.world, this.scope, names, (c) => this.foreign.has(c)))
      if (!this.blocks.has(s.cls))
        this.blocks.set(s.cls, { args: s.args, called: undefined, how: `as ${baseName(this.path)} makes it` });
    const holders = [...this.classes.values()].filter((c) => isModel(c) && this.mentions(c, names));
    this.analyseRoots(holders.slice(0, 6));
    const missing = [...names].filter((n) => ![...this.blocks.keys()].some((c) => c.name === n));
    for (const name of missing) {
      for (const f of factoriesOf(this.scope, name).slice(0, 2))
        this.evaluate(undefined, fromFactory(this.scope, f, undefined), f);
    }
    return new Map([...this.blocks].filter(([c]) => this.foreign.has(c)));
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
        const trained = this.evaluate(cls, recipe, cls.name, lenient);
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
    const used = this.evaluate(cls, recipe, cls.name, lenient, false);
    if (!isDone(used) || !("model" in used)) return trained;
    return { ...used, model: { ...used.model, notes: [...used.model.notes, "followed as in evaluation, not as in training"] } };
  }

  /** Makes an instance with witnesses, and mends them where sizes turn out not to fit. */
  private invent(cls: ClassValue, lenient = false): boolean {
    const overrides = new Map<string, number>();
    let scale = 0;
    let best: PythonModel | undefined;
    for (let attempts = 0; attempts < 8; attempts++) {
      const result = this.evaluate(
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
      this.target = cls;
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
    const strict = this.evaluate(undefined, fromFactory(this.scope, name, undefined), name);
    if ("model" in strict) return strict.model;
    const lenient = this.evaluate(undefined, fromFactory(this.scope, name, undefined), name, true);
    if ("model" in lenient) return lenient.model;
    throw new Error(`${this.path}::${name}: ${strict.reason}`);
  }

  /** Evaluates one recipe. */
  private evaluate(
    cls: ClassValue | undefined,
    recipe: Recipe,
    name: string,
    lenient = false,
    training = this.options.training,
  ): Attempt {
    const pragma = this.pragmas.find((p) => p.name === name);
    // Input shapes that were given are for the class that was asked for, not for its parts.
    const meant = this.target === undefined || this.target === cls;
    const inputs = (meant ? this.options.inputs : undefined) ?? pragma?.inputs;
    const seen = new Map<ClassValue, Block>();
    const instances = new Map<InstanceValue, ClassValue>();
    const constructions = new Map<InstanceValue, { readonly cls: ClassValue; readonly args: Arguments }>();
    const dependencies = (cls && this.dependencies.get(cls)) ?? new Set<DependencyKey>();
    if (cls) this.dependencies.set(cls, dependencies);
    let interpreterOf: Interpreter | undefined;
    let evaluation: Evaluation;
    const stop = this.world.collect(dependencies);
    try {
      if (cls) {
        this.world.depend(this.path, cls.name);
        this.world.depend(this.path, "*");
      }
      evaluation = evaluateModel(this.world, name, recipe.make, {
        rootFile: this.path,
        ...(training !== undefined ? { training } : {}),
        ...(this.options.budget ? { budget: this.options.budget } : {}),
        ...(inputs ? { inputs } : {}),
        ...(recipe.called && !inputs ? { called: recipe.called } : {}),
        examples: (cls && this.examples.get(cls)) ?? [],
        lenient,
        onAttempt: () => {
          for (const [c, block] of seen) seen.set(c, { ...block, called: undefined });
        },
        prepare: (interpreter) => {
          interpreterOf = interpreter;
          if (cls) interpreter.arrayAttribute = frameworkOf(cls).arrayAttribute;
          interpreter.onConstruct = (c, args, instance) => {
            constructions.set(instance, { cls: c, args: freeze(args) });
            if (c === cls || seen.has(c) || (c.module !== this.scope && !this.foreign.has(c))) return;
            seen.set(c, { args, called: undefined, how: `as a part of ${name}` });
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
      const witnesses = interpreterOf?.witnesses ?? new Map<string, number>();
      const stage = interpreterOf?.builder.initialising === false ? "forward" : "construction";
      if (error instanceof PythonError)
        return { stage, reason: `${error.type}: ${error.message}`, conflicts: error.conflicts, witnesses };
      if (error instanceof BudgetExceeded || error instanceof NotUnderstood)
        return { stage, reason: error.message, conflicts: [], witnesses };
      if (error instanceof RangeError) return { stage, reason: "it nests too deeply", conflicts: [], witnesses };
      throw error;
    } finally {
      stop();
    }
    for (const [c, block] of seen) if (!this.blocks.get(c)?.called) this.blocks.set(c, block);
    const owner = cls ?? evaluation.instance.cls;
    const start = { line: 0, column: 0 };
    const construction = isCalledBy(recipe.how, name) ? `${name}()` : constructionOf(evaluation.instance, constructions);
    const range = owner.chunk && owner.nameSpan ? owner.chunk.range(owner.nameSpan) : { file: this.path, start, end: start };
    return {
      conflicts: evaluation.contradictions.flatMap((c) => c.conflicts),
      witnesses: interpreterOf?.witnesses ?? new Map(),
      model: {
        name: name || owner.name,
        range,
        graph: evaluation.graph,
        calls: evaluation.calls,
        understood: Math.max(0, evaluation.calls - evaluation.opaque.length),
        opaque: evaluation.opaque.map((o) => ({ operator: o.operator, range: o.range ?? range, reason: o.reason })),
        howInstantiated: recipe.how,
        ...(construction === undefined ? {} : { construction }),
        layers: evaluation.layers,
        inventory: evaluation.inventory,
        notes: [...evaluation.notes, ...evaluation.contradictions.slice(0, 5).map((c) => c.message)],
        contradictions: evaluation.contradictions.map((c) => c.message),
      },
    };
  }
}

/** Whether a model is what a function of its name makes without arguments. */
function isCalledBy(how: string, name: string): boolean {
  return name !== "" && how === `as \`${name}()\` makes it`;
}

/** Learns from sizes that do not fit which witness should have been another. */
function learn(result: Attempt, overrides: Map<string, number>): boolean {
  for (const { got, expected, ranks, entries } of result.conflicts) {
    if (ranks || entries) continue;
    for (const [name, value] of result.witnesses) {
      if (overrides.has(name)) continue;
      if (value === got && expected > 0) {
        overrides.set(name, expected);
        return true;
      }
      if (value === expected && got > 0) {
        overrides.set(name, got);
        return true;
      }
    }
  }
  return false;
}

function isDone(a: Attempt): boolean {
  return "model" in a && shortcomings(a.model) === 0;
}

/** Whether nothing is left to improve: all is understood, or there are no parameters to say anything about. */
function isUnderstood(cls: ClassValue, m: PythonModel | undefined): boolean {
  if (m === undefined) return false;
  return shortcomings(m) === 0 || (m.graph.parameters.size === 0 && !MAKES_LAYERS.test(cls.chunk?.text ?? ""));
}

/** Parts of a model that were not followed. */
function shortcomings(m: PythonModel): number {
  return m.opaque.length + m.contradictions.length;
}

function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}

/** Whether a model that was made with errors passed over still tells something. */
function mostlyUnderstood(m: PythonModel): boolean {
  return m.graph.parameters.size > 0 && m.understood > 0 && m.opaque.length * 4 <= m.calls;
}

function isPlainType(annotation: Expr): boolean {
  return annotation.kind === "Name" && ["int", "float", "bool", "str"].includes(annotation.id);
}

/** Whether a class is a module that can be called. */
function isModel(cls: ClassValue): boolean {
  const framework = frameworkOf(cls);
  if (framework.isModel) return framework.isModel(cls);
  if (framework !== TORCH) return findInClass(cls, framework.method) !== undefined;
  return cls.order.some((c) => c.name === "Module" && !c.module) && findInClass(cls, "forward") !== undefined;
}

function definesClass(s: Stmt, name: string): boolean {
  if (s.kind === "ClassDef") return s.name === name;
  if (s.kind === "If" || s.kind === "Try") return [...s.body, ...s.otherwise].some((b) => definesClass(b, name));
  return false;
}

/** Arguments as they are now: tensors and lists change later. */
function freeze(args: Arguments): Arguments {
  return { positional: args.positional.map(copy), keywords: new Map([...args.keywords].map(([k, v]) => [k, copy(v)])) };
}

function copy(v: Value): Value {
  if (is(v, "tensor")) return { ...v };
  if (is(v, "list")) return list(v.items.map(copy));
  if (is(v, "tuple")) return tuple(v.items.map(copy), v.names);
  return v;
}

/** @file Following one recipe: an instance is made, its forward pass becomes a graph, and what is seen on the way is kept. */
import type { Budget, Interpreter } from "../evaluator/interpreter";
import { BudgetExceeded, NotUnderstood, PythonError } from "../evaluator/errors";
import type { SourceScope } from "../modules/scope";
import type { DependencyKey, World } from "../modules/world";
import { is } from "../values/inspect";
import { list, tuple } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, Value } from "../values/value";
import type { Attempt, Block } from "./attempts";
import { constructionOf } from "./construction";
import { evaluateModel, type Evaluation } from "./evaluation";
import type { GivenInput } from "./evaluation-options";
import { frameworkOf } from "./framework";
import type { Recipe } from "./instantiate";
import type { Pragma } from "./pragma";

/** How the classes of a file are made and called, where something other than its code says so. */
export interface FileOptions {
  readonly training?: boolean;
  readonly budget?: Budget;
  /** Shapes of forward's tensors, by name or in order. */
  readonly inputs?: readonly GivenInput[] | Readonly<Record<string, GivenInput>>;
  /** How classes are made and called, as in the pragma, for those that the file has no pragma for. */
  readonly calls?: readonly string[];
}

/** Evaluates recipes for the classes of one file. */
export class RecipeEvaluator {
  /** How classes of this file (and foreign ones) are made and called as parts of its models. */
  readonly blocks = new Map<ClassValue, Block>();
  /** The names that each class's result depends on. */
  readonly dependencies = new Map<ClassValue, Set<DependencyKey>>();
  /** What the file calls each class with. */
  readonly examples = new Map<ClassValue, readonly Arguments[]>();
  /** Classes of other files whose making is looked for here. */
  readonly foreign = new Set<ClassValue>();
  /** The one class that is asked for by name. */
  target: ClassValue | undefined;

  constructor(
    private readonly world: World,
    private readonly scope: SourceScope,
    private readonly path: string,
    private readonly options: FileOptions,
    private readonly pragmas: readonly Pragma[],
  ) {}

  /** Evaluates one recipe. `lenient` goes on where construction raises; `training` is the mode that forward is followed in. */
  evaluate(
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

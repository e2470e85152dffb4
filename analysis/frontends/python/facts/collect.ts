/** @file Collects training facts by evaluating what a script does, without its data. */
import { operatorTable } from "../../../operators/table";
import type { SourceRange } from "../../../graph/source";
import { GraphBuilder } from "../emit/builder";
import { findInClass } from "../evaluator/attributes";
import { BudgetExceeded, NotUnderstood, PythonError, ShapeDemand } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import { type Frame, Interpreter } from "../evaluator/interpreter";
import { runStatement } from "../evaluator/statements";
import { moduleFrame, namesIn } from "../models/instantiate";
import { inventArgument, required } from "../models/invent";
import type { TopLevel } from "../modules/bindings";
import type { SourceScope } from "../modules/scope";
import type { World } from "../modules/world";
import type { Stmt } from "../parser/syntax";
import { ADAM_PARAMETERS, OPTIMISER_PARAMETERS } from "../torch/optimisers";
import { children, isModule, namedTensors } from "../torch/layers/module";
import { is, isObject, numberOf } from "../values/inspect";
import { positional, unknown } from "../values/make";
import type { Arguments, ClassValue, FunctionValue, InstanceValue, Value } from "../values/value";
import { readFrameworkCall } from "./frameworks";
import { loopedSteps, STEPS_ARGUMENTS, STEPS_NAME } from "./steps";
import type { Fact, NamedFact, OptimiserFact, ParameterGroup, TrainingFacts } from "./facts";

/** Text that a file with anything to collect contains. */
export const TRAINING_TEXT =
  /\boptim\b|\boptimizers\b|\boptax\b|\boptimizer=|\.fit\(|\.backward\(|lr_scheduler|clip_grad|configure_optimizers|deepcopy|\]\s*\*|DataLoader/;

/** Defaults of torch.optim that matter to rules. */
const DEFAULTS: Readonly<
  Record<string, { lr?: number; weight_decay?: number; momentum?: number; betas?: readonly [number, number] }>
> = {
  SGD: { lr: 0.001, weight_decay: 0, momentum: 0 },
  Adam: { lr: 0.001, weight_decay: 0, betas: [0.9, 0.999] },
  AdamW: { lr: 0.001, weight_decay: 0.01, betas: [0.9, 0.999] },
  NAdam: { lr: 0.002, weight_decay: 0, betas: [0.9, 0.999] },
  RAdam: { lr: 0.001, weight_decay: 0, betas: [0.9, 0.999] },
  Adamax: { lr: 0.002, weight_decay: 0, betas: [0.9, 0.999] },
  RMSprop: { lr: 0.01, weight_decay: 0, momentum: 0 },
  Adagrad: { lr: 0.01, weight_decay: 0 },
  Adadelta: { lr: 1, weight_decay: 0 },
  Rprop: { lr: 0.01 },
  ASGD: { lr: 0.01, weight_decay: 0 },
  LBFGS: { lr: 1 },
  SparseAdam: { lr: 0.001, betas: [0.9, 0.999] },
  Adafactor: { lr: 0.01, weight_decay: 0 },
  Muon: { lr: 0.001, weight_decay: 0.1, momentum: 0.95 },
};

/** The collector of one file. */
export class FactCollector {
  private readonly interpreter: Interpreter;
  private readonly optimisers = new Map<string, OptimiserFact>();
  private readonly schedules = new Map<string, NamedFact>();
  private readonly losses = new Map<string, NamedFact>();
  private readonly precision = new Map<string, NamedFact>();
  private readonly copies = new Map<string, NamedFact & { modules: string[] }>();
  private batch: Fact<number> | undefined;
  private steps: Fact<number> | undefined;
  private clipping: Fact<number | undefined> | undefined;
  private trains = false;
  /** Models whose parameters optimisers may move. */
  private readonly roots: { instance: InstanceValue; name: string }[] = [];

  constructor(
    private readonly world: World,
    private readonly scope: SourceScope,
  ) {
    this.interpreter = new Interpreter(world, new GraphBuilder(operatorTable), { steps: 150_000, nodes: 20_000 });
    this.interpreter.rootFile = scope.file;
    this.interpreter.answers = new Map();
    this.interpreter.onFact = (name, args, value) => this.note(name, args, value);
  }

  /** Runs the script and the functions that train, and returns what was seen. */
  run(models: readonly { cls: ClassValue; make: (i: Interpreter) => InstanceValue }[]): TrainingFacts {
    this.world.using(this.interpreter, () => {
      const variables = new Map<string, Value>();
      const script = this.scriptStatements();
      for (const top of script) this.attempt(top, variables);
      this.runTrainingFunctions();
      for (const m of models) this.runOwnOptimisers(m);
    });
    const accumulation = this.constantNamed(
      /^(?:gradient_accumulation_steps|accumulation_steps|accumulate_grad_batches|grad_accum(?:_steps)?|accum_iter)$/,
    );
    const steps = this.steps ?? loopedSteps(this.scope) ?? this.constantNamed(STEPS_NAME);
    const batch = this.batch ?? this.constantNamed(/^(?:batch_?size|bs|train_batch_size|BATCH_SIZE)$/);
    return {
      optimisers: [...this.optimisers.values()],
      schedules: [...this.schedules.values()],
      losses: [...this.losses.values()],
      mixedPrecision: [...this.precision.values()],
      copies: [...this.copies.values()],
      trains: this.trains,
      ...(batch ? { batchSize: batch } : {}),
      ...(this.clipping ? { gradientClipping: this.clipping } : {}),
      ...(accumulation ? { accumulation } : {}),
      ...(steps && steps.value > 0 ? { steps } : {}),
    };
  }

  /** Top-level statements and the bodies of main guards; definitions are reached by name. */
  private scriptStatements(): TopLevel[] {
    const out: TopLevel[] = [];
    for (const top of this.scope.bindings.statements) {
      const s = top.statement;
      if (s.kind === "If" && s.test.kind === "Compare" && s.test.first.kind === "Name" && s.test.first.id === "__name__") {
        for (const inner of s.body) out.push({ chunk: top.chunk, statement: inner });
      } else if (!["FunctionDef", "ClassDef", "Import", "ImportFrom"].includes(s.kind)) out.push(top);
    }
    return out;
  }

  private attempt(top: TopLevel, variables: Map<string, Value>): void {
    const frame: Frame = { ...moduleFrame(this.scope, top.chunk, top.statement), scope: { variables, outer: undefined } };
    this.guarded(() => this.interpreter.inFrame(frame, () => runStatement(this.interpreter, top.statement, frame)));
    // Functions of the script see its variables as globals.
    for (const [name, value] of variables) if (!this.scope.variables.has(name)) this.scope.variables.set(name, value);
  }

  private guarded(run: () => void): void {
    this.interpreter.restart();
    try {
      run();
    } catch (error) {
      const known =
        error instanceof PythonError ||
        error instanceof BudgetExceeded ||
        error instanceof NotUnderstood ||
        error instanceof ShapeDemand;
      if (!known && !(error instanceof RangeError)) throw error;
    }
  }

  /** Functions that make an optimiser or go backward and that the script did not reach. */
  private runTrainingFunctions(): void {
    for (const top of this.scope.bindings.statements) {
      const s = top.statement;
      if (s.kind !== "FunctionDef" || !mentionsTraining(s)) continue;
      const seen = [...this.optimisers.values(), ...this.schedules.values(), ...this.losses.values()].some((f) =>
        within(f.range, top.chunk.range(s)),
      );
      if (seen) continue;
      const f = this.scope.lookup(s.name);
      if (!is(f, "function")) continue;
      const frame = moduleFrame(this.scope, top.chunk, s);
      this.guarded(() => this.interpreter.inFrame(frame, () => call(this.interpreter, f, this.invented(f, s))));
    }
  }

  private invented(f: FunctionValue, s: Extract<Stmt, { kind: "FunctionDef" }>): Arguments {
    const keywords = new Map<string, Value>();
    for (const p of required(s.params)) {
      const v = inventArgument(this.interpreter, p, f);
      const known = /^(?:model|net|network)$/.test(p.name) ? this.roots.at(-1)?.instance : undefined;
      keywords.set(p.name, known ?? v ?? null);
    }
    return { positional: [], keywords };
  }

  /** `configure_optimizers` of Lightning modules: the trainer calls it. */
  private runOwnOptimisers(m: { cls: ClassValue; make: (i: Interpreter) => InstanceValue }): void {
    const method = findInClass(m.cls, "configure_optimizers");
    if (!is(method, "function") || required(method.params.slice(1)).length > 0) return;
    this.guarded(() => {
      const instance = m.make(this.interpreter);
      this.roots.push({ instance, name: m.cls.name });
      const frame = moduleFrame(this.scope, method.chunk, method.span);
      this.interpreter.inFrame(frame, () => call(this.interpreter, method, positional(instance)));
    });
    const step = findInClass(m.cls, "training_step");
    if (!is(step, "function")) return;
    this.trains = true;
    this.guarded(() => {
      const instance = this.roots.at(-1)?.instance;
      if (!instance) return;
      const frame = moduleFrame(this.scope, step.chunk, step.span);
      const rest = required(step.params.slice(1)).map((p) => unknown(`the argument ${p.name}`));
      this.interpreter.inFrame(frame, () => call(this.interpreter, step, positional(instance, ...rest)));
    });
  }

  private place(): { range: SourceRange; source: string } | undefined {
    const { frames } = this.interpreter;
    for (let i = frames.length - 1; i >= 0; i--) {
      const f = frames[i]!;
      if (f.chunk.file.startsWith("<")) continue;
      return { range: f.chunk.range(f.at), source: f.chunk.source(f.at).slice(0, 200) };
    }
    return undefined;
  }

  private note(name: string, args: Arguments, value: Value): void {
    const place = this.place();
    if (!place) return;
    const key = `${place.range.file}:${place.range.start.line}:${place.range.start.column}`;
    const kind = name.split(".").at(-1)!;
    const named: NamedFact = { kind, ...place };
    this.noteSteps(args, place);
    const said = readFrameworkCall(name, args, { ...place, certaintyOf: (k, n) => this.certaintyOf(k, n) });
    if (said) {
      if (said.optimiser) this.optimisers.set(key, said.optimiser);
      if (said.schedule) this.schedules.set(key, said.schedule);
      if (said.loss) this.losses.set(key, said.loss);
      this.batch ??= said.batch;
      this.clipping ??= said.clipping;
      this.trains ||= said.trains === true;
    } else if (/^torch\.optim\.[A-Z]\w+$/.test(name)) this.noteOptimiser(key, kind, args, place);
    else if (/^torch\.optim\.[A-Z]\w+\.step$/.test(name) || kind === "backward") this.trains = true;
    else if (/^torch\.optim\.lr_scheduler\.[A-Z]\w+$/.test(name)) this.schedules.set(key, named);
    else if (name === "schedule by hand") this.schedules.set(key, { ...named, kind: "by hand" });
    else if (name.startsWith("loss.")) this.losses.set(key, named);
    else if (name.endsWith("DataLoader")) this.noteBatch(args, place);
    else if (kind.startsWith("clip_grad")) {
      const limit = numberOf(args.positional[1] ?? args.keywords.get("max_norm") ?? args.keywords.get("clip_value"));
      this.clipping ??= { value: limit, ...place, certainty: this.certaintyOf("max_norm", 1) };
    } else if (kind === "GradScaler" || kind === "autocast") this.precision.set(key, named);
    else if (name === "copy.deepcopy" || name === "repeat")
      this.noteCopy(key, name === "repeat" ? "repeat" : "deepcopy", args, value, place);
  }

  private noteCopy(key: string, kind: string, args: Arguments, _: Value, place: { range: SourceRange; source: string }): void {
    const from = args.positional[0];
    const instances = is(from, "list") || is(from, "tuple") ? from.items.filter(isModule) : isModule(from) ? [from] : [];
    if (instances.length === 0) return;
    this.copies.set(key, {
      kind,
      ...place,
      modules: [...new Set(instances.flatMap((m) => (is(m, "instance") ? [m.cls.name] : [])))],
    });
  }

  /** Schedules and trainers that are told the number of optimiser steps. */
  private noteSteps(args: Arguments, place: { range: SourceRange; source: string }): void {
    for (const name of STEPS_ARGUMENTS) {
      const n = numberOf(args.keywords.get(name));
      // A trainer's -1 stands for no limit.
      if (n !== undefined && n > 0) this.steps ??= { value: n, ...place, certainty: this.certaintyOf(name, -1) };
    }
  }

  private noteBatch(args: Arguments, place: { range: SourceRange; source: string }): void {
    const n = numberOf(args.keywords.get("batch_size") ?? args.positional[1]);
    if (n !== undefined) this.batch ??= { value: n, ...place, certainty: this.certaintyOf("batch_size", 1) };
  }

  /** Whether the argument of the call that is being evaluated is written as a number. */
  private certaintyOf(keyword: string, position: number): "literal" | "default" {
    const { frames, callSites } = this.interpreter;
    const frame = frames[frames.length - 1];
    const site = callSites[frames.length - 1];
    if (!frame || !site) return "default";
    const arg =
      site.args.find((a) => a.form === "keyword" && a.name === keyword) ??
      site.args.filter((a) => a.form === "positional")[position];
    return arg && /^[-+\d.,e()\s]+$/.test(frame.chunk.source(arg.valueSpan)) ? "literal" : "default";
  }

  private noteOptimiser(key: string, kind: string, args: Arguments, place: { range: SourceRange; source: string }): void {
    const names = OPTIMISER_PARAMETERS[kind] ?? ADAM_PARAMETERS;
    const defaults = DEFAULTS[kind] ?? {};
    const given = (n: string): Value | undefined => args.keywords.get(n) ?? args.positional[names.indexOf(n)];
    const fact = (n: string, fallback: number | undefined): Fact<number> | undefined => {
      const v = numberOf(given(n));
      if (v !== undefined) return { value: v, ...place, certainty: this.certaintyOf(n, names.indexOf(n)) };
      return given(n) === undefined && fallback !== undefined ? { value: fallback, ...place, certainty: "default" } : undefined;
    };
    const lr = fact("lr", defaults.lr);
    const decay = fact("weight_decay", defaults.weight_decay);
    const momentum = fact("momentum", defaults.momentum);
    const b = given("betas");
    const pair = is(b, "tuple") || is(b, "list") ? b.items.map(numberOf) : undefined;
    const betas: readonly [number, number] | undefined =
      pair?.length === 2 && pair[0] !== undefined && pair[1] !== undefined
        ? [pair[0], pair[1]]
        : b === undefined
          ? defaults.betas
          : undefined;
    const { groups, model, modelFile, whole, own } = this.groups(given("params"), lr?.value, decay?.value);
    this.optimisers.set(key, {
      kind,
      ...place,
      model,
      ...(modelFile === undefined ? {} : { modelFile }),
      wholeModel: whole,
      groups,
      ...(lr ? { learningRate: lr } : {}),
      // A value that every group overrides is nobody's.
      ...(decay && !own ? { weightDecay: decay } : {}),
      ...(momentum ? { momentum } : {}),
      ...(betas
        ? {
            betas: {
              value: betas,
              ...place,
              certainty: b === undefined ? "default" : this.certaintyOf("betas", names.indexOf("betas")),
            },
          }
        : {}),
    });
  }

  /** The parameter groups by name, through the models that were made. */
  private groups(
    params: Value | undefined,
    lr: number | undefined,
    decay: number | undefined,
  ): {
    groups: ParameterGroup[];
    model: string | undefined;
    modelFile: string | undefined;
    whole: boolean | undefined;
    own: boolean;
  } {
    const items = members(params);
    const dicts = items?.every((g) => is(g, "dict")) && items.length > 0 ? items : undefined;
    const raw = dicts
      ? dicts.map((g) =>
          is(g, "dict")
            ? {
                items: members(g.entries.get("sparams")?.value),
                lr: numberOf(g.entries.get("slr")?.value),
                decay: numberOf(g.entries.get("sweight_decay")?.value),
              }
            : { items: undefined, lr: undefined, decay: undefined },
        )
      : [{ items, lr: undefined, decay: undefined }];
    const cells = new Set<number>();
    for (const g of raw) for (const v of g.items ?? []) if (is(v, "tensor") && v.parameter) cells.add(v.parameter.id);
    const root = this.rootOf(cells);
    const names = new Map<number, string>();
    let trainable = 0;
    if (root) {
      for (const [path, t] of namedTensors(root, "parameters")) {
        names.set(t.parameter!.id, path);
        if (t.parameter!.trainable) trainable++;
      }
    }
    const groups = raw.map((g): ParameterGroup => {
      const known = g.items?.every((v) => is(v, "tensor") && v.parameter && names.has(v.parameter.id));
      const rate = g.lr ?? lr;
      const weightDecay = g.decay ?? decay;
      return {
        parameters:
          known && g.items ? g.items.map((v) => (is(v, "tensor") && v.parameter ? names.get(v.parameter.id)! : "")) : undefined,
        ...(rate !== undefined ? { learningRate: rate } : {}),
        ...(weightDecay !== undefined ? { weightDecay } : {}),
      };
    });
    const covered = [...cells].filter((c) => names.has(c)).length;
    return {
      groups,
      model: root?.cls.name,
      modelFile: root?.cls.module?.file,
      whole: root && cells.size > 0 ? covered >= trainable : undefined,
      own: raw.every((g) => g.decay !== undefined),
    };
  }

  /** The outermost module that holds most of the given parameters. */
  private rootOf(cells: ReadonlySet<number>): InstanceValue | undefined {
    if (cells.size === 0) return undefined;
    const made = this.interpreter.made.filter(isModule);
    const inner = new Set(made.flatMap((m) => children(m).map(([, c]) => c)));
    let best: InstanceValue | undefined;
    let most = 0;
    for (const m of made) {
      if (inner.has(m)) continue;
      const n = namedTensors(m, "parameters").filter(([, t]) => cells.has(t.parameter!.id)).length;
      if (n > most) {
        most = n;
        best = m;
      }
    }
    return best;
  }

  /** A number that a module-level name of this kind holds. */
  private constantNamed(pattern: RegExp): Fact<number> | undefined {
    for (const [name, tops] of this.scope.bindings.binds) {
      if (!pattern.test(name)) continue;
      const top = tops[0];
      const n = numberOf(this.scope.variables.get(name));
      if (top && n !== undefined) {
        return {
          value: n,
          range: top.chunk.range(top.statement),
          source: top.chunk.source(top.statement).slice(0, 200),
          certainty: "default",
        };
      }
    }
    return undefined;
  }
}

function members(v: Value | undefined): readonly Value[] | undefined {
  if (!isObject(v)) return undefined;
  if (v.k === "list" || v.k === "tuple" || v.k === "iterator") return v.items;
  if (v.k === "tensor") return [v];
  return undefined;
}

function mentionsTraining(s: Stmt): boolean {
  const names = namesIn(s);
  return (
    names.has("optim") ||
    names.has("optimizer") ||
    names.has("optimiser") ||
    names.has("optimizers") ||
    names.has("optax") ||
    names.has("compile") ||
    names.has("DataLoader") ||
    [...names].some((n) => /^(?:Adam|SGD|AdamW|RMSprop)$/.test(n)) ||
    names.has("loss")
  );
}

function within(inner: SourceRange, outer: SourceRange): boolean {
  return inner.file === outer.file && inner.start.line >= outer.start.line && inner.end.line <= outer.end.line;
}

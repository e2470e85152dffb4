/** @file One evaluation of one model: construct it, find input shapes, run forward, and finish the graph. */
import type { Graph } from "../../../graph/graph";
import type { SourceRange } from "../../../graph/source";
import { operatorTable } from "../../../operators/table";
import { GraphBuilder } from "../emit/builder";
import { recordItems } from "../evaluator/classes";
import { BudgetExceeded, NotUnderstood, PythonError, ShapeDemand } from "../evaluator/errors";
import { type Contradiction, Interpreter } from "../evaluator/interpreter";
import type { World } from "../modules/world";
import { intOf, is, isObject } from "../values/inspect";
import type { Arguments, InstanceValue, TensorValue, Value } from "../values/value";
import { type ForwardPlan, forwardArguments, planForward } from "./forward";
import { attributeExamples, withIntegers } from "./examples";
import { InputSearch } from "./inputs";
import { INTEGERS } from "./mends";
import { BATCH, batchBeside, STEPS } from "./suppositions";
import { type Framework, frameworkOf, tensorsBelow, TORCH } from "./framework";
import { type Inventory, takeInventory } from "./inventory";
import { layerTable, type PythonLayer } from "./layers";
import type { EvaluationOptions } from "./evaluation-options";

/** What one evaluation found. */
export interface Evaluation {
  readonly graph: Graph;
  readonly instance: InstanceValue;
  readonly calls: number;
  readonly opaque: readonly { readonly operator: string; readonly range: SourceRange | undefined; readonly reason: string }[];
  readonly layers: readonly PythonLayer[];
  readonly inventory: Inventory;
  readonly notes: readonly string[];
  /** Sizes that do not fit, with their places; empty when forward runs through. */
  readonly contradictions: readonly Contradiction[];
}

/** Examples that are tried. */
const MOST_EXAMPLES = 24;

/** Attempts at finding input shapes. */
const MAXIMUM_ATTEMPTS = 40;

/** The tensors in what forward returned, in order. */
function outputsOf(v: Value, out: TensorValue[], depth = 0): void {
  if (!isObject(v) || depth > 5) return;
  switch (v.k) {
    case "tensor":
      if (!out.includes(v)) out.push(v);
      return;
    case "list":
    case "tuple":
      for (const i of v.items) outputsOf(i, out, depth + 1);
      return;
    case "dict":
      for (const e of v.entries.values()) outputsOf(e.value, out, depth + 1);
      return;
    case "instance": {
      const items = recordItems(v);
      if (items) for (const i of items) outputsOf(i, out, depth + 1);
      else if (v.cls.order.some((c) => c.openBase || c.name === "ModelOutput" || c.name === "BaseOutput"))
        for (const a of v.attributes.values()) outputsOf(a, out, depth + 1);
      return;
    }
    case "unknown":
      for (const t of v.inputs) if (!out.includes(t)) out.push(t);
      return;
    default:
  }
}

/** Sizes of images that attributes of the model name. */
function imageSizes(root: InstanceValue): number[] {
  const out: number[] = [];
  for (const [, m] of frameworkOf(root.cls).modules(root)) {
    for (const [k, v] of m.attributes) {
      if (!/^(?:image_?size|img_?size|input_?size|resolution|input_?resolution|im_?size|size)$/.test(k)) continue;
      const n = intOf(v) ?? (is(v, "tuple") || is(v, "list") ? intOf(v.items.at(-1)) : undefined);
      if (n !== undefined && n >= 4 && n <= 1024 && !out.includes(n)) out.push(n);
    }
  }
  return out;
}

/** The width of what enters a model: an attribute that says so, or its first layer's. */
function width(root: InstanceValue): number | undefined {
  for (const name of ["in_features", "input_size", "input_dim", "embed_dim", "d_model", "hidden_size", "dim", "n_embd"]) {
    const n = intOf(root.attributes.get(name));
    if (n !== undefined && n > 0) return n;
  }
  for (const [, m] of frameworkOf(root.cls).modules(root)) {
    const n = intOf(m.attributes.get("in_features"));
    if (n !== undefined) return n;
  }
  return undefined;
}

/** Whether a model has torch's own attention in it, told to take batches first. */
function attends(root: InstanceValue): boolean {
  return frameworkOf(root.cls)
    .modules(root)
    .some(([, m]) => m.cls.order.some((c) => c.name === "MultiheadAttention") && m.attributes.get("batch_first") === true);
}

/**
 * Code of a sequence's steps: a loop over the second axis, attention by hand, the steps moved on by one. Rows that features
 * alone make would run through it as well, and mean something else.
 */
const ALONG_STEPS = [/\brange\([^)\n]*\.(?:shape\[1\]|size\(1\))/, /\.transpose\(-[12], ?-[12]\)|\.mT\b/, /\(0, ?0, ?1, ?-1\)/];

function worksAlongSteps(root: InstanceValue): boolean {
  const texts = new Set(
    frameworkOf(root.cls)
      .modules(root)
      .map(([, m]) => m.cls.chunk?.text ?? ""),
  );
  return [...texts].some((text) => ALONG_STEPS.some((x) => x.test(text)));
}

/** Sizes of all axes of a model's parameters and buffers. */
function sizesOf(root: InstanceValue): Set<number> {
  const tensors = tensorsBelow(frameworkOf(root.cls), root);
  return new Set(tensors.flatMap(([, t]) => [...(t.shape ?? [])]));
}

/** Steps of a sequence: all that the model has positions for, where they are few, so that no position goes unread. */
function sequenceLength(root: InstanceValue): number {
  const names =
    /^(?:block_size|context_length|max_seq_len|max_len|max_length|seq_len|n_ctx|context_size|max_position_embeddings)$/;
  const holders = frameworkOf(root.cls)
    .modules(root)
    .map(([, m]) => m);
  const config = [...root.attributes.values()].filter((v) => is(v, "instance"));
  for (const m of [root, ...config, ...holders]) {
    for (const [k, v] of m.attributes) {
      const n = names.test(k) ? intOf(v) : undefined;
      if (n !== undefined && n >= 2 && n <= 1024) return n;
    }
  }
  return STEPS;
}

/**
 * Evaluates a model. `make` constructs it. Throws PythonError or BudgetExceeded when it cannot be constructed; a forward
 * that cannot be followed gives a graph with opaque nodes instead.
 */
export function evaluateModel(
  world: World,
  name: string,
  make: (interpreter: Interpreter) => InstanceValue,
  options: EvaluationOptions,
): Evaluation {
  const builder = new GraphBuilder(operatorTable);
  const interpreter = new Interpreter(world, builder, options.budget);
  interpreter.rootFile = options.rootFile;
  interpreter.training = options.training ?? true;
  return world.using(interpreter, () => {
    options.prepare?.(interpreter);
    interpreter.strict = !options.lenient;
    const instance = make(interpreter);
    interpreter.strict = false;
    const framework = frameworkOf(instance.cls);
    interpreter.paths = new Map(framework.modules(instance).map(([path, m]) => [m, path]));
    interpreter.arrayAttribute = framework.arrayAttribute;
    builder.initialising = false;
    // A buffer that forward writes to is another tensor afterwards, under the same name.
    const names = new Map(tensorsBelow(framework, instance).map(([path, t]) => [t.parameter!.id, path]));
    let result = options.inputs ? undefined : framework.traced?.(interpreter, instance);
    if (result === undefined) {
      const plan = planForward(interpreter, instance, framework);
      const search = new InputSearch(
        imageSizes(instance),
        width(instance),
        sequenceLength(instance),
        framework !== TORCH,
        framework === TORCH && (attends(instance) || worksAlongSteps(instance)),
        framework === TORCH ? batchBeside(sizesOf(instance)) : BATCH,
      );
      const given = options.inputs || options.called || framework !== TORCH ? undefined : options.examples;
      const examples = given ? [...attributeExamples(instance.attributes), ...given] : [];
      result =
        runExample(interpreter, instance, framework, plan, search, options, examples) ??
        runForward(interpreter, instance, framework, plan, search, options);
    }
    const outputs: TensorValue[] = [];
    outputsOf(result, outputs);
    // Parameters may be made, or registered, while forward runs.
    for (const [path, t] of tensorsBelow(framework, instance)) names.set(t.parameter!.id, path);
    const graph = builder.finish(name, outputs, (cell) => names.get(cell.id), interpreter.symbols);
    const live = new Set(graph.nodes.map((n) => n.operator));
    const opaque = interpreter.opaque.filter((o) => live.has(o.operator) || o.operator === "unknown");
    return {
      graph,
      instance,
      calls: interpreter.calls,
      opaque,
      layers: layerTable(instance, interpreter.uses),
      inventory: takeInventory(instance, graph, interpreter),
      notes: [...interpreter.notes],
      contradictions: [...interpreter.contradictions],
    };
  });
}

/** Runs forward with the first example that it runs through with; undefined where there is none. */
function runExample(
  interpreter: Interpreter,
  instance: InstanceValue,
  framework: Framework,
  plan: ForwardPlan,
  search: InputSearch,
  options: EvaluationOptions,
  examples: readonly Arguments[],
): Value | undefined {
  const { builder, journal } = interpreter;
  const mark = builder.mark();
  const left = [...examples];
  const expanded = new Set<Arguments>();
  for (let attempts = 0; left.length > 0 && attempts < MOST_EXAMPLES; attempts++) {
    const called = left.shift()!;
    journal.begin();
    try {
      builder.reset(mark);
      interpreter.restart();
      options.onAttempt?.();
      interpreter.strict = true;
      const args = forwardArguments(interpreter, plan, search, { ...options, called });
      const result = framework.call(interpreter, instance, args);
      journal.commit();
      return result;
    } catch (error) {
      journal.rollback();
      if (error instanceof PythonError) {
        if (INTEGERS.test(error.message) && !expanded.has(called)) {
          const more = withIntegers(called);
          for (const args of more) expanded.add(args);
          left.unshift(...more);
        }
      } else if (!(error instanceof NotUnderstood) && !(error instanceof ShapeDemand)) throw error;
    }
  }
  return undefined;
}

function runForward(
  interpreter: Interpreter,
  instance: InstanceValue,
  framework: Framework,
  plan: ForwardPlan,
  search: InputSearch,
  options: EvaluationOptions,
): Value {
  const { builder, journal } = interpreter;
  const mark = builder.mark();
  let best: { nodes: number; guesses: ReturnType<InputSearch["snapshot"]> } | undefined;
  const attempt = (strict: boolean): Value => {
    builder.reset(mark);
    interpreter.restart();
    options.onAttempt?.();
    interpreter.strict = strict;
    const declared = options.inputs || options.called ? undefined : framework.declared?.(interpreter, instance);
    return framework.call(interpreter, instance, declared ?? forwardArguments(interpreter, plan, search, options));
  };
  let demands = 0;
  for (let attempts = 0; attempts < MAXIMUM_ATTEMPTS; ) {
    journal.begin();
    try {
      const result = attempt(true);
      journal.commit();
      return result;
    } catch (error) {
      journal.rollback();
      if (error instanceof ShapeDemand) {
        if (++demands > 60) break;
        plan.demand(error.input, error.hint, search);
        continue;
      }
      if (error instanceof BudgetExceeded) {
        interpreter.notes.add(`evaluation stopped: ${error.message}`);
        throw error;
      }
      if (!(error instanceof PythonError)) {
        if (!(error instanceof NotUnderstood)) throw error;
        break;
      }
      attempts++;
      if (!best || builder.nodeCount > best.nodes) best = { nodes: builder.nodeCount, guesses: search.snapshot() };
      // What was left out is used after all.
      if (/NoneType|is not None/.test(error.message) && plan.reconsider(search)) continue;
      if (!search.mend(error, builder.nodeCount) && !plan.reconsider(search)) break;
    }
  }
  // Nothing fits: the supposition that came furthest, with opaque nodes where it does not.
  if (best) search.restore(best.guesses);
  for (;;) {
    journal.begin();
    try {
      const result = attempt(false);
      journal.commit();
      return result;
    } catch (error) {
      journal.rollback();
      if (!(error instanceof ShapeDemand)) throw error;
      if (++demands > 90) throw new PythonError("RuntimeError", `the shape of the input ${error.input} cannot be found`);
      plan.demand(error.input, error.hint, search);
    }
  }
}

/** @file What a model's forward is called with: which parameters are tensors that the caller supplies, and which are not. */
import type { ElementType } from "../../../graph/tensor";
import { findInClass } from "../evaluator/attributes";
import { makeClass } from "../evaluator/classes";
import type { ShapeHint } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import type { Expr, Param } from "../parser/syntax";
import { witnessFor } from "../stdlib/witnesses";
import { is, isObject } from "../values/inspect";
import { dict, float, int, list, native, tuple } from "../values/make";
import type { Arguments, FunctionValue, InstanceValue, TensorValue, Value } from "../values/value";
import { type DocumentedShape, documentedShapes } from "./documented";
import type { EvaluationOptions, GivenInput } from "./evaluation-options";
import type { Framework } from "./framework";
import type { InputSearch } from "./inputs";
import { EDGES, STEPS } from "./suppositions";
import { useOf } from "./parameter-use";

/** How forward is called. */
export interface ForwardPlan {
  readonly params: readonly Param[];
  /** Types from a `# type:` comment, by parameter. */
  readonly comments: ReadonlyMap<string, string>;
  /** Parameters that are called with tensors. */
  readonly supplied: Set<string>;
  /** Parameters that the code asks for what only tensors have. */
  readonly tensors: ReadonlySet<string>;
  /** Parameters that turned out to be plain numbers. */
  readonly scalars: Set<string>;
  /** Parameters that are tried as None first. */
  readonly none: Set<string>;
  /** Parameters that turned out to be objects, sequences or mappings. */
  readonly records: Set<string>;
  /** Shapes that the author wrote down, by parameter. */
  readonly documented: ReadonlyMap<string, DocumentedShape>;
  /** Takes note of what the code needs to know about an input. */
  demand(input: string, hint: ShapeHint, search: InputSearch): void;
  /** Tries another reading of the parameters; false when there is none. */
  reconsider(search: InputSearch): boolean;
}

/** Inputs that a model may well be called without. */
const OPTIONAL = /mask|^hidden$|^state$|^hx$|^cache|past_key|kv_cache|^mems?$|position_ids|^pos$|_bias$|rel_pos/;

/** Defaults of None that stand for the input all the same: some models take all their inputs by keyword. */
const MAIN =
  /^(?:input_ids|pixel_values|inputs_embeds|hidden_states|input_values|input_features|x|input|inputs|ids|tokens|idx|images?|img|src)$/;

function innermostFunction(v: Value | undefined): FunctionValue | undefined {
  if (!isObject(v)) return undefined;
  if (v.k === "function") return v;
  if (v.k === "bound" || v.k === "wrapper" || v.k === "partial") return innermostFunction(v.callee);
  return undefined;
}

/** Splits "A, List[B, C]" at its outer commas. */
function splitTypes(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let current = "";
  for (const c of text) {
    if (c === "[" || c === "(") depth++;
    else if (c === "]" || c === ")") depth--;
    if (c === "," && depth === 0) {
      out.push(current.trim());
      current = "";
    } else current += c;
  }
  if (current.trim() !== "") out.push(current.trim());
  return out;
}

/** Reads the parameters of forward. */
export function planForward(_: Interpreter, instance: InstanceValue, framework: Framework): ForwardPlan {
  const { method } = framework;
  const f = innermostFunction(instance.attributes.get(method) ?? findInClass(instance.cls, method));
  const all = f?.params ?? [];
  const params = f
    ? instance.attributes.has(method)
      ? all
      : all.slice(1)
    : [{ s: 0, e: 0, name: "input", form: "positional" as const }];
  const supplied = new Set<string>();
  const none = new Set<string>();
  for (const p of params) {
    if (p.form === "star" || p.form === "doubleStar" || p.defaultValue) continue;
    supplied.add(p.name);
    if (OPTIONAL.test(p.name)) none.add(p.name);
  }
  if (supplied.size === none.size) none.clear();
  if (supplied.size === 0) {
    const candidate =
      params.find((p) => p.form !== "star" && p.form !== "doubleStar" && MAIN.test(p.name)) ??
      params.find((p) => p.form === "positional");
    if (candidate) supplied.add(candidate.name);
    // A decoder beside an encoder has an input of its own.
    if (candidate && params.some((p) => p.name === "decoder_input_ids")) supplied.add("decoder_input_ids");
    const star = params.find((p) => p.form === "star");
    if (!candidate && star) supplied.add(star.name);
  }
  // Elsewhere than in PyTorch, where modules know it, the caller says whether the model trains.
  if (framework.method !== "forward")
    for (const p of params) if (TRAINING.test(p.name) || INFERENCE.test(p.name)) supplied.add(p.name);
  const scalars = new Set<string>();
  const records = new Set<string>();
  const comments = new Map<string, string>();
  splitTypes(f?.definition?.typeComment ?? "").forEach((t, i) => {
    const p = params[i];
    if (p) comments.set(p.name, t);
  });
  const documented = f ? documentedShapes(f, params) : new Map<string, DocumentedShape>();
  const tensors = new Set(f ? params.filter((p) => useOf(f, p.name).attributes.length > 0).map((p) => p.name) : []);
  return {
    params,
    comments,
    documented,
    tensors,
    supplied,
    none,
    scalars,
    records,
    demand(input, hint, search) {
      if (hint.scalar) scalars.add(input);
      else if (hint.record) records.add(input);
      else search.suppose(input, hint, documented.get(input));
    },
    reconsider(search) {
      if (none.size === 0) return false;
      none.clear();
      search.restart();
      return true;
    },
  };
}

function annotationText(x: Expr | undefined): string {
  if (!x) return "";
  switch (x.kind) {
    case "Name":
      return x.id;
    case "Attribute":
      return x.name;
    case "Subscript":
      return `${annotationText(x.object)}[${annotationText(x.index)}]`;
    case "Tuple":
    case "List":
      return x.items.map(annotationText).join(",");
    case "String":
      return x.value;
    case "Broken":
      return x.parts.map(annotationText).join("|");
    default:
      return "";
  }
}

const LENGTH_NAMES = /(?:^|_)(?:lengths|lens|seq_lens|seq_lengths)$/;

/** Flags that say whether the model trains. */
const TRAINING = /^(?:training|train|is_training|is_train)$/;
const INFERENCE = /^(?:deterministic|use_running_average|is_inference)$/;

const LETTERS = /^(?:[HWTLNBCD]|h|w|height|width|num_frames|n_frames|frames|depth|size)$/;

function givenFor(name: string, position: number, options: EvaluationOptions): GivenInput | undefined {
  const { inputs } = options;
  if (!inputs) return undefined;
  if (Array.isArray(inputs)) return (inputs as readonly GivenInput[])[position];
  return (inputs as Readonly<Record<string, GivenInput>>)[name];
}

/** One open input: with the supposed shape if there is one. */
function openInput(interpreter: Interpreter, name: string, search: InputSearch, type?: ElementType): TensorValue {
  const guess = search.guesses.get(name);
  if (guess) return interpreter.builder.input(name, guess.type, [...guess.shape]);
  return interpreter.builder.input(name, type ?? "float32", undefined);
}

const EDGE_HINT: ShapeHint = { rank: 2, integer: true, sizes: new Map([[0, 2]]) };
const GRAPH_HINTS: ReadonlyMap<string, ShapeHint> = new Map([
  ["x", { rank: 2 }],
  ["batch", { rank: 1, integer: true }],
  ["edge_weight", { rank: 1, sizes: new Map([[0, STEPS]]) }],
  ["edge_attr", { rank: 2, sizes: new Map([[0, STEPS]]) }],
]);

/** Supposes a shape for what graphs of nodes and edges are told by, from the name that all give it. */
function supposeOfGraph(input: string, name: string, search: InputSearch): void {
  const hint = EDGES.test(name) ? EDGE_HINT : GRAPH_HINTS.get(name);
  if (hint && !search.guesses.has(input)) search.suppose(input, hint);
}

/** An input with attributes or items that are inputs themselves. */
function recordInput(interpreter: Interpreter, name: string, plan: ForwardPlan, search: InputSearch): Value {
  const object = interpreter.environment.builtin("object");
  const member = (i: Interpreter, key: string): Value => {
    const full = `${name}.${key}`;
    if (plan.scalars.has(full)) return int(4);
    if (plan.records.has(full)) return recordInput(i, full, plan, search);
    // What else an object holds, and whether it is a graph, is not known yet.
    if (key !== "x") supposeOfGraph(full, key, search);
    return openInput(i, full, search);
  };
  const known = new Map<string, Value>();
  const remembered = (i: Interpreter, key: string): Value => {
    let v = known.get(key);
    if (v === undefined) {
      v = member(i, key);
      known.set(key, v);
    }
    return v;
  };
  const attributes = new Map<string, Value>([
    [
      "__getitem__",
      native("__getitem__", (i, a) => remembered(i, String(is(a.positional[1], "int") ? a.positional[1].v : a.positional[1]))),
    ],
    ["__iter__", native("__iter__", (i) => list([remembered(i, "0"), remembered(i, "1")]))],
    ["__len__", native("__len__", () => int(2))],
    ["__contains__", native("__contains__", () => true)],
    ["get", native("get", (i, a) => remembered(i, String(a.positional[1])))],
  ]);
  const cls = makeClass({
    name: "input",
    bases: is(object, "class") ? [object] : [],
    attributes,
    fields: [],
    missing: (i, _, key) => (key.startsWith("__") || ["items", "keys", "values"].includes(key) ? undefined : remembered(i, key)),
  });
  return { k: "instance", id: interpreter.id(), cls, attributes: new Map() };
}

/** A value for one parameter. */
function supply(
  interpreter: Interpreter,
  p: Param,
  plan: ForwardPlan,
  search: InputSearch,
  given: GivenInput | undefined,
): Value {
  const { builder } = interpreter;
  if (given) return builder.input(p.name, given.type ?? "float32", [...given.shape]);
  if (plan.none.has(p.name)) return null;
  if (TRAINING.test(p.name)) return interpreter.training;
  if (INFERENCE.test(p.name)) return !interpreter.training;
  if (LENGTH_NAMES.test(p.name) && annotationText(p.annotation) !== "int") {
    // Sequences of full length: what is true of all lengths is true of these.
    interpreter.notes.add(`${p.name} is taken as the full length`);
    const steps = Math.max(STEPS, ...[...search.guesses.values()].filter((g) => g.shape.length === 3).map((g) => g.shape[1]!));
    return builder.constant({ shape: [search.batch], at: () => steps }, "int64");
  }
  if (plan.records.has(p.name)) return recordInput(interpreter, p.name, plan, search);
  const annotation = p.annotation ? annotationText(p.annotation) : (plan.comments.get(p.name) ?? "");
  const scalar = plan.scalars.has(p.name);
  if (
    scalar ||
    /^(?:Optional\[)?int\]?$/.test(annotation) ||
    (annotation === "" && LETTERS.test(p.name) && !plan.tensors.has(p.name))
  ) {
    const witness = witnessFor(p.name);
    return is(witness, "int") ? witness : int(4);
  }
  if (annotation === "float") return float(1);
  if (annotation === "bool") return false;
  if (annotation === "str") return witnessFor(p.name) ?? "";
  if (
    /^(?:List|list|Sequence|Iterable)\[/.test(annotation) ||
    (annotation === "" && /^(?:xs|feats|features_list|tensors|inputs_list)$/.test(p.name))
  ) {
    return list([openInput(interpreter, `${p.name}_0`, search), openInput(interpreter, `${p.name}_1`, search)]);
  }
  if (/^(?:Tuple|tuple)\[/.test(annotation)) {
    const n = Math.max(1, annotation.split(",").length);
    return tuple(Array.from({ length: n }, (_, i) => openInput(interpreter, `${p.name}_${i}`, search)));
  }
  if (/^(?:Dict|dict|Mapping|OrderedDict)\b/.test(annotation))
    return dict([0, 1].map((i) => [String(i), openInput(interpreter, `${p.name}_${i}`, search)] as const));
  if (plan.params.some((q) => EDGES.test(q.name))) supposeOfGraph(p.name, p.name, search);
  const integer = /LongTensor|IntTensor/.test(annotation) || /(?:^|_)(?:input_ids|ids|tokens|idx)$/.test(p.name);
  if (integer && !search.guesses.has(p.name)) plan.demand(p.name, { rank: 2, integer: true }, search);
  return openInput(interpreter, p.name, search);
}

/** The same value in another evaluation: tensors become inputs of their shapes. */
function replay(interpreter: Interpreter, name: string, v: Value, depth = 0): Value {
  if (is(v, "tensor")) {
    if (v.constant) return v;
    return interpreter.builder.input(name, v.type, v.shape ? [...v.shape] : undefined);
  }
  if (is(v, "list")) return list(v.items.map((x, i) => replay(interpreter, `${name}_${i}`, x)));
  if (is(v, "tuple")) {
    return tuple(
      v.items.map((x, i) => replay(interpreter, `${name}_${i}`, x)),
      v.names,
    );
  }
  if (is(v, "dict")) {
    const entries = new Map<string, { key: Value; value: Value }>();
    for (const [k, e] of v.entries)
      entries.set(k, { key: e.key, value: replay(interpreter, `${name}_${String(e.key)}`, e.value) });
    return { k: "dict", entries };
  }
  // Objects that hold tensors, complex numbers among them; layers have parameters, which stay what they are.
  if (is(v, "instance") && !v.cls.order.some((c) => c.name === "Module") && depth < 3) {
    const attributes = new Map([...v.attributes].map(([key, a]) => [key, replay(interpreter, `${name}_${key}`, a, depth + 1)]));
    return { ...v, attributes };
  }
  return v;
}

/** The arguments of one attempt. */
export function forwardArguments(
  interpreter: Interpreter,
  plan: ForwardPlan,
  search: InputSearch,
  options: EvaluationOptions,
): Arguments {
  const { called } = options;
  if (called) {
    const names = plan.params.filter((p) => p.form === "positional").map((p) => p.name);
    return {
      positional: called.positional.map((v, i) => replay(interpreter, names[i] ?? `input_${i}`, v)),
      keywords: new Map([...called.keywords].map(([k, v]) => [k, replay(interpreter, k, v)])),
    };
  }
  const keywords = new Map<string, Value>();
  const positional: Value[] = [];
  let position = 0;
  let byPosition = true;
  for (const p of plan.params) {
    const given = givenFor(p.name, position, options);
    if (!plan.supplied.has(p.name) && !given) {
      byPosition = false;
      continue;
    }
    const value = supply(interpreter, p, plan, search, given);
    position++;
    if (p.form === "star") positional.push(value);
    else if (byPosition && p.form === "positional") positional.push(value);
    else keywords.set(p.name, value);
  }
  return { positional, keywords };
}

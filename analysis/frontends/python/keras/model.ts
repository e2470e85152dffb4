/** @file keras.Model and keras.Sequential: functional, sequential and subclassed models, and what training says of them. */
import { findInClass } from "../evaluator/attributes";
import { makeClass } from "../evaluator/classes";
import { notUnderstood, raise } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { BATCH, STEPS } from "../models/suppositions";
import { elementType } from "../arrays/support";
import { shapeOf } from "../torch/arguments";
import { intOf, is } from "../values/inspect";
import { dict, int, list, native, positional, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, TensorValue, Value } from "../values/value";
import { initialiseLayer, isLayer, sublayers } from "./layer";
import { nameOf, stateOf, automaticName } from "./naming";

/** What a functional model was made of. */
interface FunctionalGraph {
  readonly inputs: Value;
  readonly outputs: Value;
}

/** Steps and pixels that stand for a size that an Input leaves open. */
const OPEN_PIXELS = 64;

function openSize(rank: number): number {
  return rank >= 3 ? OPEN_PIXELS : STEPS;
}

/** A size of an Input: None is open. */
function inputShape(items: readonly Value[]): number[] {
  return items.map((v) => (v === null ? openSize(items.length) : (intOf(v) ?? notUnderstood("a size of an Input is not known"))));
}

/** A graph input of a name that no other has. */
function graphInput(interpreter: Interpreter, name: string, type: TensorValue["type"], shape: readonly number[]): TensorValue {
  const { inputs } = stateOf(interpreter);
  let unique = name;
  for (let k = 1; inputs.has(unique); k++) unique = `${name}_${k}`;
  inputs.add(unique);
  interpreter.journal.onRollback(() => inputs.delete(unique));
  return interpreter.builder.input(unique, type, [...shape]);
}

/** `keras.Input(shape=..., dtype=...)`: a tensor of the graph from here on. */
export function makeInput(interpreter: Interpreter, args: Arguments): Value {
  const given = (n: string): Value => args.keywords.get(n) ?? null;
  const tensor = given("tensor");
  if (is(tensor, "tensor")) return tensor;
  const batched = given("batch_shape") ?? given("batch_input_shape");
  const written = args.keywords.get("shape") ?? args.keywords.get("input_shape") ?? args.positional[0] ?? null;
  const shape = is(batched, "tuple") || is(batched, "list") ? tuple(batched.items.slice(1)) : written;
  const one = intOf(shape);
  const items = one !== undefined ? [int(one)] : is(shape, "tuple") || is(shape, "list") ? shape.items : undefined;
  if (!items) return unknown("an Input of unknown shape");
  const batch =
    is(batched, "tuple") || is(batched, "list") ? intOf(batched.items[0]) : intOf(given("batch_size") ?? args.positional[1]);
  const type = elementType(given("dtype") ?? args.positional[2] ?? null) ?? "float32";
  const name = given("name");
  return graphInput(interpreter, typeof name === "string" ? name : automaticName(interpreter, "input_layer"), type, [
    batch ?? BATCH,
    ...inputShape(items),
  ]);
}

/** The tensors in a structure of lists and dicts, in order. */
function tensorsIn(v: Value): TensorValue[] {
  if (is(v, "tensor")) return [v];
  if (is(v, "list") || is(v, "tuple")) return v.items.flatMap(tensorsIn);
  if (is(v, "dict")) return [...v.entries.values()].flatMap((e) => tensorsIn(e.value));
  return [];
}

/** The same structure with other tensors. */
function restructured(v: Value, replace: (t: TensorValue) => TensorValue): Value {
  if (is(v, "tensor")) return replace(v);
  if (is(v, "list")) return list(v.items.map((x) => restructured(x, replace)));
  if (is(v, "tuple"))
    return tuple(
      v.items.map((x) => restructured(x, replace)),
      v.names,
    );
  if (is(v, "dict")) return dict([...v.entries.values()].map((e) => [e.key, restructured(e.value, replace)] as const));
  return v;
}

/** The graph of a functional model; undefined for other models. */
export function functionalGraph(model: InstanceValue): FunctionalGraph | undefined {
  return model.native as FunctionalGraph | undefined;
}

/** Calls a functional model: the operators between its inputs and outputs again, from other tensors. */
function callFunctional(interpreter: Interpreter, graph: FunctionalGraph, args: Arguments): Value {
  const inputs = tensorsIn(graph.inputs);
  const first = args.positional[0] ?? args.keywords.get("inputs") ?? null;
  let given: TensorValue[];
  if (is(first, "dict") && !is(graph.inputs, "dict")) {
    given = inputs.map((t) => {
      const entry = first.entries.get(`s${t.value}`)?.value;
      return is(entry, "tensor") ? entry : notUnderstood(`the input ${t.value} is not among those given`);
    });
  } else given = tensorsIn(first);
  if (given.length !== inputs.length) return notUnderstood(`a model of ${inputs.length} inputs is called with ${given.length}`);
  given.forEach((t, k) => {
    const wanted = inputs[k]!.shape!;
    if (t.shape === undefined)
      interpreter.builder.needShape(t, { rank: wanted.length, sizes: new Map(wanted.map((d, i) => [i, d] as const).slice(1)) });
    const shape = shapeOf(interpreter, t);
    const differs = shape.length !== wanted.length || shape.some((d, i) => d !== wanted[i]);
    if (differs) notUnderstood(`a functional model for [${wanted.join(", ")}] is called with [${shape.join(", ")}]`);
  });
  const outputs = tensorsIn(graph.outputs);
  const copies = interpreter.builder.replay(inputs, given, outputs);
  if (!copies) return notUnderstood("the operators of a functional model are not at hand");
  return restructured(graph.outputs, (t) => copies[outputs.indexOf(t)] ?? t);
}

/** Layers that were applied between two sets of tensors: those whose variables the operators read, and the rest by name. */
function layersBetween(
  interpreter: Interpreter,
  outputs: readonly TensorValue[],
  inputs: readonly TensorValue[],
): InstanceValue[] {
  const scopes = interpreter.builder.scopesBetween(inputs, outputs);
  const out: InstanceValue[] = [];
  for (const { module } of interpreter.uses) {
    if (!isLayer(module) || out.includes(module)) continue;
    const path = interpreter.paths.get(module);
    if (path === undefined || path.includes("/")) continue;
    if (scopes.has(path) || [...scopes].some((s) => s.startsWith(`${path}/`))) out.push(module);
  }
  return out;
}

function initModel(interpreter: Interpreter, self: InstanceValue, args: Arguments): void {
  const inputs = args.keywords.get("inputs") ?? args.keywords.get("input") ?? args.positional[0];
  const outputs = args.keywords.get("outputs") ?? args.keywords.get("output") ?? args.positional[1];
  const name = args.keywords.get("name") ?? args.positional[2];
  const keywords = new Map(args.keywords);
  if (typeof name === "string") keywords.set("name", name);
  for (const k of ["inputs", "outputs", "input", "output"]) keywords.delete(k);
  initialiseLayer(interpreter, self, keywords);
  if (typeof name !== "string") {
    // Keras names functional models so, whatever class they are made by.
    const plain = !self.cls.module && outputs !== undefined;
    if (plain) interpreter.journal.set(self.attributes, "name", automaticName(interpreter, "functional"));
  }
  if (inputs === undefined || outputs === undefined || tensorsIn(inputs).length === 0) return;
  self.native = { inputs, outputs } satisfies FunctionalGraph;
  interpreter.journal.set(self.attributes, "built", true);
  interpreter.journal.set(self.attributes, "inputs", list(tensorsIn(inputs)));
  interpreter.journal.set(self.attributes, "outputs", list(tensorsIn(outputs)));
  interpreter.journal.set(self.attributes, "input", inputs);
  interpreter.journal.set(self.attributes, "output", outputs);
  interpreter.journal.set(self.attributes, "_layers", list(layersBetween(interpreter, tensorsIn(outputs), tensorsIn(inputs))));
}

/** The layers of a Sequential; an Input is no layer. */
function sequence(self: InstanceValue): InstanceValue[] {
  const v = self.attributes.get("_layers");
  return is(v, "list") ? v.items.filter((l) => isLayer(l)) : [];
}

function addToSequence(interpreter: Interpreter, self: InstanceValue, item: Value): void {
  const layers = self.attributes.get("_layers");
  if (!is(layers, "list")) return;
  if (is(item, "tensor")) {
    // keras.Input(...)
    if (item.shape) {
      interpreter.journal.set(self.attributes, "@input_shape", tuple(item.shape.slice(1).map(int)));
      interpreter.journal.set(self.attributes, "@input_type", { k: "dtype", type: item.type });
      interpreter.journal.set(self.attributes, "@input_name", item.value);
    }
    return;
  }
  if (layers.items.length === 0 && isLayer(item)) {
    const shape = item.attributes.get("@input_shape");
    if (shape !== undefined) interpreter.journal.set(self.attributes, "@input_shape", shape);
  }
  if (is(item, "native") || is(item, "function")) raise("ValueError", "only layers can be added to a Sequential model");
  interpreter.journal.push(layers, item);
}

function initSequential(interpreter: Interpreter, self: InstanceValue, args: Arguments): void {
  const keywords = new Map(args.keywords);
  const layers = args.keywords.get("layers") ?? args.positional[0] ?? null;
  const name = args.positional[1];
  if (typeof name === "string") keywords.set("name", name);
  keywords.delete("layers");
  initialiseLayer(interpreter, self, keywords);
  interpreter.journal.set(self.attributes, "_layers", list([]));
  for (const l of layers === null ? [] : (iterate(interpreter, layers) ?? [])) addToSequence(interpreter, self, l);
}

function callSequential(interpreter: Interpreter, self: InstanceValue, args: Arguments): Value {
  let x = args.positional[0] ?? args.keywords.get("inputs") ?? null;
  const layers = self.attributes.get("_layers");
  for (const l of is(layers, "list") ? layers.items : []) x = call(interpreter, l, positional(x));
  return x;
}

/** The input shape without the batch that a Sequential or its first layer names. */
export function declaredShape(self: InstanceValue): { shape: Value[]; type: TensorValue["type"]; name: string } | undefined {
  const own = self.attributes.get("@input_shape");
  const type = self.attributes.get("@input_type");
  const name = self.attributes.get("@input_name");
  if (is(own, "tuple"))
    return {
      shape: [...own.items],
      type: is(type, "dtype") ? type.type : "float32",
      name: typeof name === "string" ? name : "inputs",
    };
  const [first] = sequence(self);
  if (!first) return undefined;
  const graph = functionalGraph(first);
  const [input] = graph ? tensorsIn(graph.inputs) : [];
  if (input?.shape) return { shape: input.shape.slice(1).map(int), type: input.type, name: "inputs" };
  return sequence(first).length > 0 || first.attributes.has("@input_shape") ? declaredShape(first) : undefined;
}

/** The arguments of a root model that declares its input. */
export function declaredArguments(interpreter: Interpreter, root: InstanceValue): Arguments | undefined {
  const declared = declaredShape(root);
  if (!declared) return undefined;
  return positional(interpreter.builder.input(declared.name, declared.type, [BATCH, ...inputShape(declared.shape)]));
}

type Method = (interpreter: Interpreter, self: InstanceValue, args: Arguments) => Value;

function method(name: string, run: Method): [string, Value] {
  return [
    name,
    native(`Model.${name}`, (i, a) => {
      const [self, ...rest] = a.positional;
      if (!is(self, "instance")) return raise("TypeError", `${name} needs a model`);
      return run(i, self, { ...a, positional: rest });
    }),
  ];
}

function layersOf(self: InstanceValue): InstanceValue[] {
  const own = self.attributes.get("_layers");
  return is(own, "list") ? own.items.filter((l) => isLayer(l)) : sublayers(self);
}

/** Reports a call that training facts are made of. */
function fact(name: string, result: (self: InstanceValue) => Value = () => null): [string, Value] {
  return method(name, (i, self, a) => {
    i.onFact?.(`keras.Model.${name}`, { ...a, positional: [self, ...a.positional] }, null);
    return result(self);
  });
}

/** The classes keras.Model and keras.Sequential. */
export function modelClasses(base: ClassValue): { readonly model: ClassValue; readonly sequential: ClassValue } {
  const attributes = new Map<string, Value>([
    method("__init__", (i, self, a) => {
      initModel(i, self, a);
      return null;
    }),
    fact("compile"),
    fact("fit", () => unknown("the history of training")),
    method("evaluate", () => unknown("the result of an evaluation")),
    method("predict", () => unknown("predictions")),
    method("train_on_batch", () => unknown("a loss")),
    method("save", () => null),
    method("export", () => null),
    method("compute_loss", () => unknown("a loss")),
    method("get_layer", (i, self, a) => {
      const name = a.keywords.get("name") ?? a.positional[0];
      const index = intOf(a.keywords.get("index") ?? a.positional[1]) ?? intOf(name);
      const layers = layersOf(self);
      const found = typeof name === "string" ? layers.find((l) => nameOf(i, l) === name) : layers.at(index ?? 0);
      return found ?? raise("ValueError", `no such layer: ${String(name)}`);
    }),
    [
      "layers",
      {
        k: "property",
        getter: native("layers", (_, a) => (is(a.positional[0], "instance") ? list(layersOf(a.positional[0])) : null)),
      },
    ],
    [
      "call",
      native("Model.call", (i, a) => {
        const [self, ...rest] = a.positional;
        const graph = is(self, "instance") ? functionalGraph(self) : undefined;
        return graph ? callFunctional(i, graph, { ...a, positional: rest }) : notUnderstood("a model without a call method");
      }),
    ],
  ]);
  const model = makeClass({ name: "Model", bases: [base], attributes, fields: [] });
  const sequential = makeClass({
    name: "Sequential",
    bases: [model],
    fields: [],
    attributes: new Map<string, Value>([
      method("__init__", (i, self, a) => {
        initSequential(i, self, a);
        return null;
      }),
      method("add", (i, self, a) => {
        addToSequence(i, self, a.keywords.get("layer") ?? a.positional[0] ?? null);
        return null;
      }),
      method("pop", (i, self) => {
        const layers = self.attributes.get("_layers");
        if (is(layers, "list")) i.journal.setItems(layers, layers.items.slice(0, -1));
        return null;
      }),
      method("build", (i, self, a) => {
        const shape = a.keywords.get("input_shape") ?? a.positional[0];
        if (is(shape, "tuple") || is(shape, "list")) i.journal.set(self.attributes, "@input_shape", tuple(shape.items.slice(1)));
        return null;
      }),
      method("call", callSequential),
    ]),
  });
  return { model, sequential };
}

/** Whether a class of the user's says what it computes, or a model is a graph without saying it. */
export function saysWhatItComputes(cls: ClassValue): boolean {
  const found = findInClass(cls, "call");
  return (
    is(found, "function") ||
    cls.order.some((c) => !c.module && c.name !== "Model" && c.name !== "Layer" && c.attributes.has("call"))
  );
}

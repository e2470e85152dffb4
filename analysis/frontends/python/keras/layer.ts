/** @file keras.Layer: building at the first call, variables, names and what all layers inherit. */
import { findInClass, getAttribute } from "../evaluator/attributes";
import { makeClass } from "../evaluator/classes";
import { NotUnderstood, raise, type ShapeHint } from "../evaluator/errors";
import { call, opaqueCall } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import type { Framework } from "../models/framework";
import { shapeOf } from "../torch/arguments";
import { is, isObject } from "../values/inspect";
import { dict, int, list, native, positional, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, FunctionValue, InstanceValue, PropertyValue, TensorValue, Value } from "../values/value";
import { automaticName, nameOf, PATH, pathOf, snakeCase, stateOf } from "./naming";
import { addVariable, ownVariables, shapeValue, startOf, typeArgument } from "./weights";

/** Whether a value is a Keras layer (models are layers too). */
export function isLayer(v: Value | undefined): v is InstanceValue {
  return is(v, "instance") && v.cls.order.some((c) => c.framework?.name === "keras");
}

/** The layers that a layer holds, in containers too, in the order of its attributes. */
export function sublayers(layer: InstanceValue): InstanceValue[] {
  const out: InstanceValue[] = [];
  const visit = (v: Value, depth: number): void => {
    if (isLayer(v)) {
      if (!out.includes(v)) out.push(v);
    } else if ((is(v, "list") || is(v, "tuple")) && depth < 5) for (const i of v.items) visit(i, depth + 1);
    else if (is(v, "dict") && depth < 5) for (const e of v.entries.values()) visit(e.value, depth + 1);
  };
  for (const [k, v] of layer.attributes) if (k !== "_parent") visit(v, 0);
  return out;
}

/** A layer and all below it; each once. */
export function allLayers(root: InstanceValue): InstanceValue[] {
  const out: InstanceValue[] = [];
  const visit = (layer: InstanceValue): void => {
    if (out.includes(layer)) return;
    out.push(layer);
    for (const s of sublayers(layer)) visit(s);
  };
  visit(root);
  return out;
}

/** What a native layer does; its rules are in the files beside this one. */
export interface NativeLayer {
  /** Makes the variables for inputs of the given shapes. */
  build?(interpreter: Interpreter, self: InstanceValue, shapes: readonly (readonly number[])[]): void;
  /** What the layer must know of the shape of an input that is still open. */
  hint?(interpreter: Interpreter, self: InstanceValue): ShapeHint;
}

/** Rules of native layers by class. */
export const NATIVE_LAYERS = new WeakMap<ClassValue, NativeLayer>();

function nativeOf(cls: ClassValue): NativeLayer | undefined {
  for (const c of cls.order) {
    const found = NATIVE_LAYERS.get(c);
    if (found) return found;
  }
  return undefined;
}

/** The first input of a call, with the tensors in it. */
function firstInput(args: Arguments): { value: Value; tensors: TensorValue[] } {
  const value = args.positional[0] ?? [...args.keywords.values()].find((v) => is(v, "tensor")) ?? null;
  if (is(value, "tensor")) return { value, tensors: [value] };
  if (is(value, "list") || is(value, "tuple"))
    return { value, tensors: value.items.flatMap((i) => (is(i, "tensor") ? [i] : [])) };
  if (is(value, "dict"))
    return { value, tensors: [...value.entries.values()].flatMap((e) => (is(e.value, "tensor") ? [e.value] : [])) };
  return { value, tensors: [] };
}

/** A shape as Keras hands it to `build`: nothing is said about the batch. */
function shapeTuple(shape: readonly number[]): Value {
  return tuple(shape.map((d, i) => (i === 0 ? null : int(d))));
}

function shapeArgument(interpreter: Interpreter, value: Value): Value {
  const one = (v: Value): Value => (is(v, "tensor") ? shapeTuple(shapeOf(interpreter, v)) : null);
  if (is(value, "list") || is(value, "tuple")) return list(value.items.map(one));
  if (is(value, "dict")) return dict([...value.entries.values()].map((e) => [e.key, one(e.value)] as const));
  return one(value);
}

/** Builds a layer for the arguments of its first call: its own `build`, or the rules of a native one. */
function build(interpreter: Interpreter, layer: InstanceValue, args: Arguments): void {
  if (layer.attributes.get("built") === true) return;
  const rules = nativeOf(layer.cls);
  const { value, tensors } = firstInput(args);
  const own = findInClass(layer.cls, "build");
  if (rules?.hint)
    for (const t of tensors) if (t.shape === undefined) interpreter.builder.needShape(t, rules.hint(interpreter, layer));
  const written = is(own, "function");
  if (written || rules?.build) for (const t of tensors) shapeOf(interpreter, t);
  interpreter.journal.set(layer.attributes, "built", true);
  if (written) {
    const keywords = new Map<string, Value>();
    const rest = own.params.slice(1).filter((p) => p.form === "positional");
    // `build(self, query_shape, value_shape)`: one shape per argument of call.
    if (rest.length > 1 && rest.every((p) => p.name.endsWith("_shape"))) {
      const names = callParameters(layer);
      args.positional.forEach((v, i) => {
        const name = `${names[i] ?? ""}_shape`;
        if (rest.some((p) => p.name === name)) keywords.set(name, shapeArgument(interpreter, v));
      });
      for (const [k, v] of args.keywords)
        if (rest.some((p) => p.name === `${k}_shape`)) keywords.set(`${k}_shape`, shapeArgument(interpreter, v));
      for (const p of rest) if (!keywords.has(p.name) && !p.defaultValue) keywords.set(p.name, shapeArgument(interpreter, value));
      call(interpreter, getAttribute(interpreter, layer, "build"), { positional: [], keywords });
    } else if (own.params.length > 1) {
      call(interpreter, getAttribute(interpreter, layer, "build"), positional(shapeArgument(interpreter, value)));
    } else call(interpreter, getAttribute(interpreter, layer, "build"), positional());
    return;
  }
  rules?.build?.(
    interpreter,
    layer,
    tensors.map((t) => shapeOf(interpreter, t)),
  );
}

/** `layer.build(shape)` in so many words: the rules of a native layer, and the mark that it is done. */
function buildNative(interpreter: Interpreter, self: InstanceValue, given: readonly Value[]): void {
  if (self.attributes.get("built") === true) return;
  place(interpreter, self);
  interpreter.journal.set(self.attributes, "built", true);
  const rules = nativeOf(self.cls);
  if (!rules?.build) return;
  const one = (v: Value): number[] | undefined =>
    is(v, "tuple") || is(v, "list") ? v.items.map((d) => (is(d, "int") ? d.v : 1)) : undefined;
  const first = given[0] ?? null;
  const several = (is(first, "tuple") || is(first, "list")) && first.items.some((x) => is(x, "tuple") || is(x, "list"));
  const shapes = several && (is(first, "tuple") || is(first, "list")) ? first.items.map(one) : given.map(one);
  if (shapes.length === 0 || shapes.some((s) => s === undefined)) return;
  rules.build(interpreter, self, shapes as number[][]);
}

/** Gives a layer its path, which stays the one of the place where it was first used. */
function place(interpreter: Interpreter, layer: InstanceValue): void {
  if (layer.attributes.get(PATH) === undefined) {
    const above = interpreter.scopePath();
    const name = nameOf(interpreter, layer);
    interpreter.journal.set(layer.attributes, PATH, above === "" ? name : `${above}/${name}`);
  }
  interpreter.paths.set(layer, pathOf(layer) ?? "");
}

function writtenCall(layer: InstanceValue): FunctionValue | undefined {
  const own = findInClass(layer.cls, "call");
  return is(own, "function") ? own : undefined;
}

function callParameters(layer: InstanceValue): string[] {
  return (
    writtenCall(layer)
      ?.params.slice(1)
      .map((p) => p.name) ?? []
  );
}

/** Whether layers run as in training at this point of the evaluation. */
export function isTraining(interpreter: Interpreter): boolean {
  return stateOf(interpreter).training.at(-1) ?? interpreter.training;
}

/** Runs a layer: what `layer(x)` does. */
export function callLayer(interpreter: Interpreter, layer: InstanceValue, args: Arguments): Value {
  interpreter.uses.push({ module: layer, range: interpreter.here() });
  const method = findInClass(layer.cls, "call");
  place(interpreter, layer);
  if (method === undefined)
    return opaqueCall(interpreter, layer.cls.name, layer, args, `${layer.cls.name} has no call method that can be read`);
  const given = args.keywords.get("training");
  const state = stateOf(interpreter);
  const training = typeof given === "boolean" ? given : isTraining(interpreter);
  const written = writtenCall(layer);
  const params = written?.params ?? [];
  const open = params.some((p) => p.form === "doubleStar");
  const keywords = new Map(
    [...args.keywords].filter(
      ([k]) => (k !== "training" && k !== "mask") || !written || open || params.some((p) => p.name === k),
    ),
  );
  const position = params.slice(1).findIndex((p) => p.name === "training");
  if (position >= 0 && position >= args.positional.length) keywords.set("training", training);
  if (layer.cls.module) interpreter.onForward?.(layer, args);
  interpreter.running.push(layer);
  state.training.push(training);
  try {
    build(interpreter, layer, args);
    return call(interpreter, getAttribute(interpreter, layer, "call"), { ...args, keywords }, layer.cls.name);
  } catch (error) {
    // What a native layer's rules do not cover is opaque as that layer.
    if (!(error instanceof NotUnderstood) || written) throw error;
    return opaqueCall(interpreter, layer.cls.name, layer, args, error.message);
  } finally {
    state.training.pop();
    interpreter.running.pop();
  }
}

/** Constructor arguments that every layer takes. */
const COMMON = new Set([
  "name",
  "trainable",
  "dtype",
  "autocast",
  "activity_regularizer",
  "input_shape",
  "input_dim",
  "batch_input_shape",
  "batch_size",
  "input_length",
  "weights",
  "dynamic",
]);

/** `Layer.__init__`: name, trainability, and the input shape that first layers of a Sequential may name. */
export function initialiseLayer(interpreter: Interpreter, self: InstanceValue, keywords: ReadonlyMap<string, Value>): void {
  const { journal } = interpreter;
  const given = keywords.get("name");
  const name = typeof given === "string" ? given.replace(/\s+/g, "_") : automaticName(interpreter, snakeCase(self.cls.name));
  journal.set(self.attributes, "name", name);
  journal.set(self.attributes, "built", false);
  if (keywords.get("trainable") === false) journal.set(self.attributes, "_trainable", false);
  const dim = keywords.get("input_dim");
  const shape = keywords.get("input_shape") ?? (is(dim, "int") && !nativeOf(self.cls) ? tuple([dim]) : undefined);
  const batched = keywords.get("batch_input_shape");
  if (is(shape, "tuple") || is(shape, "list")) journal.set(self.attributes, "@input_shape", tuple(shape.items));
  else if (is(batched, "tuple") || is(batched, "list"))
    journal.set(self.attributes, "@input_shape", tuple(batched.items.slice(1)));
  else if (is(dim, "int")) journal.set(self.attributes, "@input_shape", tuple([dim]));
  for (const [k, v] of keywords)
    if (!COMMON.has(k) && !self.attributes.has(k) && self.cls.module === undefined) journal.set(self.attributes, k, v);
}

/** Sets whether the variables at and below a layer train. */
export function setTrainable(interpreter: Interpreter, layer: InstanceValue, trainable: boolean): void {
  for (const l of allLayers(layer)) {
    interpreter.journal.set(l.attributes, "_trainable", trainable);
    for (const [, t] of ownVariables(l)) {
      const cell = t.parameter;
      if (!cell || cell.buffer) continue;
      const before = cell.trainable;
      interpreter.journal.onRollback(() => {
        cell.trainable = before;
      });
      cell.trainable = trainable;
    }
  }
}

type Method = (interpreter: Interpreter, self: InstanceValue, args: Arguments) => Value;

function method(name: string, run: Method): [string, Value] {
  return [
    name,
    native(`Layer.${name}`, (i, a) => {
      const [self, ...rest] = a.positional;
      if (!is(self, "instance")) return raise("TypeError", `${name} needs a layer`);
      return run(i, self, { ...a, positional: rest });
    }),
  ];
}

function property(name: string, read: (i: Interpreter, self: InstanceValue) => Value): [string, PropertyValue] {
  return [
    name,
    {
      k: "property",
      getter: native(name, (i, a) => (is(a.positional[0], "instance") ? read(i, a.positional[0]) : null)),
    },
  ];
}

function variables(self: InstanceValue, keep: (t: TensorValue) => boolean): Value {
  const out: TensorValue[] = [];
  for (const l of allLayers(self)) for (const [, t] of ownVariables(l)) if (keep(t) && !out.includes(t)) out.push(t);
  return list(out);
}

function addWeight(i: Interpreter, self: InstanceValue, args: Arguments): Value {
  const given = (name: string, position: number): Value => args.keywords.get(name) ?? args.positional[position] ?? null;
  // Keras 2 had the name first.
  const old = typeof args.positional[0] === "string";
  const shape = given("shape", old ? 1 : 0);
  const name = given("name", old ? 0 : 6);
  const trainable = args.keywords.get("trainable");
  return addVariable(
    i,
    self,
    typeof name === "string" ? name : "variable",
    shapeValue(shape),
    startOf(given("initializer", old ? 3 : 1), { scheme: "default" }),
    { trainable: trainable !== false, type: typeArgument(given("dtype", 2), "float32") },
  );
}

const METHODS: readonly [string, Value][] = [
  method("__init__", (i, self, a) => {
    initialiseLayer(i, self, a.keywords);
    return null;
  }),
  method("build", (i, self, a) => {
    buildNative(i, self, a.positional);
    return null;
  }),
  method("add_weight", addWeight),
  method("add_variable", addWeight),
  method("add_loss", () => null),
  method("add_metric", () => null),
  method("get_config", () => dict()),
  method("count_params", () => unknown("the number of parameters")),
  method("summary", () => null),
  method("compute_mask", () => null),
  method("stateless_call", () => unknown("a stateless call")),
  method("set_weights", () => null),
  method("get_weights", (_, self) => variables(self, () => true)),
  method("load_weights", () => null),
  method("save_weights", () => null),
  property("weights", (_, self) => variables(self, () => true)),
  property("variables", (_, self) => variables(self, () => true)),
  property("trainable_weights", (_, self) => variables(self, (t) => t.parameter?.trainable === true)),
  property("trainable_variables", (_, self) => variables(self, (t) => t.parameter?.trainable === true)),
  property("non_trainable_weights", (_, self) => variables(self, (t) => t.parameter?.trainable !== true)),
  property("losses", () => list([])),
  property("dtype", () => ({ k: "dtype", type: "float32" })),
  property("compute_dtype", () => "float32"),
  property("variable_dtype", () => "float32"),
];

/** The class keras.Layer. */
export function layerBase(root: ClassValue, framework: Framework): ClassValue {
  const attributes = new Map<string, Value>(METHODS);
  attributes.set("trainable", {
    k: "property",
    getter: native(
      "trainable",
      (_, a) => is(a.positional[0], "instance") && a.positional[0].attributes.get("_trainable") !== false,
    ),
    setter: native("trainable", (i, a) => {
      const [self, value] = a.positional;
      if (is(self, "instance")) setTrainable(i, self, value !== false);
      return null;
    }),
  });
  attributes.set("supports_masking", false);
  const cls = makeClass({
    name: "Layer",
    bases: [root],
    attributes,
    fields: [],
    framework,
    invoke: callLayer,
    missing: (i, self, name) => {
      if (name === "name") return nameOf(i, self);
      if (name === "path") return pathOf(self) ?? nameOf(i, self);
      if (name === "built") return false;
      return undefined;
    },
  });
  attributes.set(
    "__call__",
    native("Layer.__call__", (i, a) => {
      const [self, ...rest] = a.positional;
      return is(self, "instance") ? callLayer(i, self, { ...a, positional: rest }) : raise("TypeError", "__call__ needs a layer");
    }),
  );
  return cls;
}

/** Whether something can be called as an activation or a function. */
export function isCallable(v: Value): boolean {
  return isObject(v) && ["function", "native", "bound", "partial", "class", "instance", "unknown", "wrapper"].includes(v.k);
}

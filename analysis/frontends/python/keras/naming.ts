/** @file Names that Keras gives to layers without one, and the paths of variables. */
import type { Interpreter } from "../evaluator/interpreter";
import type { InstanceValue } from "../values/value";

/** What one evaluation remembers of Keras. */
interface KerasState {
  /** How often each automatic name was given. */
  readonly given: Map<string, number>;
  /** Names of graph inputs. */
  readonly inputs: Set<string>;
  /** What calls around the present one said about training, innermost last. */
  readonly training: boolean[];
}

const states = new WeakMap<Interpreter, KerasState>();

/** What one evaluation knows of Keras: names that were given, inputs, modes of training. */
export function stateOf(interpreter: Interpreter): KerasState {
  let state = states.get(interpreter);
  if (!state) {
    state = { given: new Map(), inputs: new Set(), training: [] };
    states.set(interpreter, state);
  }
  return state;
}

/** `GlobalAveragePooling2D` is `global_average_pooling2d`, `ReLU` is `re_lu`, as Keras spells automatic names. */
export function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, "")
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

/** The next automatic name: `dense`, `dense_1`, `dense_2`. */
export function automaticName(interpreter: Interpreter, prefix: string): string {
  const { given } = stateOf(interpreter);
  const n = given.get(prefix) ?? 0;
  interpreter.journal.set(given, prefix, n + 1);
  return n === 0 ? prefix : `${prefix}_${n}`;
}

/** The name of a layer; gives it one where its constructor did not come that far. */
export function nameOf(interpreter: Interpreter, layer: InstanceValue): string {
  const known = layer.attributes.get("name");
  if (typeof known === "string") return known;
  const name = automaticName(interpreter, snakeCase(layer.cls.name));
  interpreter.journal.set(layer.attributes, "name", name);
  return name;
}

/** Where the path of a built layer is kept: nothing that Python code can spell. */
export const PATH = "@path";

/** The path of a layer below the root of its model; undefined until it is built. */
export function pathOf(layer: InstanceValue): string | undefined {
  const path = layer.attributes.get(PATH);
  return typeof path === "string" ? path : undefined;
}

/** Prefix of the attributes that hold a layer's variables by their names in the framework. */
export const VARIABLE = "@variable ";

/**
 * @file Epsilons taken as zero. A small number that only keeps a denominator or a logarithm away from zero makes every
 * scale invariance approximate; without it they are exact, and the notes say so.
 */
import type { Node } from "../graph/graph";
import { operatorsThat } from "../operators/movers";
import { smallConstant } from "./constants";
import { isNonNegative, sameShape } from "./simplify";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** The largest summand that counts as an epsilon: 1e-3, which in float32 is a little more. */
const LARGEST_SUMMAND = 1e-3 * (1 + 1e-6);
/** The largest floor (Clip, Max) that counts as an epsilon. */
const LARGEST_FLOOR = 1e-6 * (1 + 1e-6);

/** Operators that only move data: an epsilon is looked at through them. */
const MOVEMENT: ReadonlySet<string> = operatorsThat("reshapes", "transposes", "picks", "repeats", "joins");

/** Removes epsilons; true if there was one. */
export function removeEpsilons(w: Workspace): boolean {
  const candidates = w.itemsOf("Add", "Max", "Clip").filter(isCandidate);
  if (candidates.length === 0) return false;
  const readers = readersBehind(w, candidates);
  const outputs = new Set(w.outputs.map((o) => w.value(o)));
  const isFrozen = frozenValues(w);
  const changes = new Map<Item, Node | undefined>();
  for (const item of candidates) {
    // An epsilon on frozen values (running variances) breaks no symmetry.
    if (isFrozen(item.outputs[0]!)) continue;
    const kept = withoutEpsilon(item, readers, outputs);
    if (kept === undefined) continue;
    const isNode = "operator" in kept;
    if (!isNode) w.replace(item.node.outputs[0]!, kept.name);
    changes.set(item, isNode ? kept : undefined);
  }
  if (changes.size > 0) w.exchange(changes);
  return changes.size > 0;
}

/** Whether an item may be an epsilon, by its operator and constant. */
function isCandidate({ node, inputs: [a, b] }: Item): boolean {
  if (node.operator === "Add") return isSmall(b, LARGEST_SUMMAND) || isSmall(a, LARGEST_SUMMAND);
  if (node.operator === "Max") return isSmall(b, LARGEST_FLOOR) || isSmall(a, LARGEST_FLOOR);
  return node.operator === "Clip" && isSmall(b, LARGEST_FLOOR);
}

type Readers = ReadonlyMap<Value, readonly Item[]>;

/** The readers of what some items write, and of what movement makes of it. */
function readersBehind(w: Workspace, items: readonly Item[]): Readers {
  const readers = new Map<Value, Item[]>(items.map((i) => [i.outputs[0]!, []]));
  const sweep = w.newSweep();
  for (const { outputs } of items) outputs[0]!.seen = sweep;
  for (const item of w.items) {
    for (const i of item.inputs) {
      if (i.seen !== sweep) continue;
      readers.get(i)!.push(item);
      const moved = item.outputs[0]!;
      if (!MOVEMENT.has(item.node.operator) || moved.seen === sweep) continue;
      moved.seen = sweep;
      readers.set(moved, []);
    }
  }
  return readers;
}

/** Tells values that neither training nor data change: computed from constants and frozen parameters alone. */
function frozenValues(w: Workspace): (value: Value) => boolean {
  const sweep = w.newSweep();
  const isFrozen = (value: Value) => value.seen === sweep || value.constant !== undefined || value.name === "";
  for (const p of w.parameters.values()) if (!p.trainable) w.value(p.name).seen = sweep;
  for (const { inputs, outputs } of w.items) {
    if (inputs.length > 0 && inputs.every(isFrozen)) for (const o of outputs) o.seen = sweep;
  }
  return isFrozen;
}

/** What stands for an item once epsilon is zero: a value, another node, or undefined where it has to stay. */
function withoutEpsilon(item: Item, readers: Readers, outputs: ReadonlySet<Value>): Value | Node | undefined {
  const y = item.outputs[0]!;
  const [a, b, c] = item.inputs as [Value, Value | undefined, Value | undefined];
  const keepsShape = (x: Value | undefined) => sameShape(x?.type.shape, y.type.shape);
  switch (item.node.operator) {
    case "Add": {
      const x = isSmall(b, LARGEST_SUMMAND) ? a : b;
      return keepsShape(x) && onlyGuards(y, readers, outputs) ? x : undefined;
    }
    case "Clip":
      return (c?.name ?? "") === "" ? floored(item, a) : undefined;
    case "Max": {
      const x = isSmall(b, LARGEST_FLOOR) ? a : b;
      return x !== undefined && keepsShape(x) ? floored(item, x) : undefined;
    }
    default:
      return undefined;
  }
}

/** x above a floor that counts as zero: x itself where it is never negative, else Relu. */
function floored(item: Item, x: Value): Value | Node {
  return isNonNegative(x) ? x : { ...item.node, operator: "Relu", inputs: [x.name], attributes: {} };
}

/** Whether a value is a constant with all entries above zero and at most this large. */
function isSmall(value: Value | undefined, largest: number): boolean {
  const data = smallConstant(value);
  return data !== undefined && data.length > 0 && data.every((v) => v > 0 && v <= largest);
}

/** Whether all that reads a value, also through movement, is an operator that an epsilon guards from zero. */
function onlyGuards(value: Value, readers: Readers, outputs: ReadonlySet<Value>): boolean {
  const todo = [value];
  for (let v = todo.pop(); v !== undefined; v = todo.pop()) {
    if (outputs.has(v)) return false;
    for (const user of readers.get(v) ?? []) {
      if (user.node.domain !== "") return false;
      if (MOVEMENT.has(user.node.operator) && user.inputs[0] === v) todo.push(user.outputs[0]!);
      else if (!isGuard(user, v)) return false;
    }
  }
  return true;
}

function isGuard({ node, inputs: [a, b] }: Item, value: Value): boolean {
  switch (node.operator) {
    case "Sqrt":
    case "Reciprocal":
    case "Log":
      return true;
    case "Div":
      return b === value && a !== value;
    case "Pow": {
      // A whole positive power has no singularity: there a small summand is a shift like any other.
      const powers = smallConstant(b);
      return a === value && (powers?.every((p) => p < 0 || !Number.isInteger(p)) ?? false);
    }
    default:
      return false;
  }
}

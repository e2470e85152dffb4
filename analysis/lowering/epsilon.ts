/**
 * @file Epsilons taken as zero. A small number that only keeps a denominator or a logarithm away from zero makes every
 * scale invariance approximate; without it they are exact, and the notes say so.
 */
import type { Node } from "../graph/graph";
import { elementCount } from "../graph/tensor";
import { isNonNegative, LARGEST_READ } from "./simplify";
import type { Workspace } from "./workspace";

/** The largest summand that counts as an epsilon: 1e-3, which in float32 is a little more. */
const LARGEST_SUMMAND = 1e-3 * (1 + 1e-6);
/** The largest floor (Clip, Max) that counts as an epsilon. */
const LARGEST_FLOOR = 1e-6 * (1 + 1e-6);

/** Operators that only move data: an epsilon is looked at through them. */
const MOVEMENT: ReadonlySet<string> = new Set(["Reshape", "Transpose", "Expand", "Slice", "Concat", "Gather"]);

/** Removes epsilons; true if there was one. */
export function removeEpsilons(w: Workspace): boolean {
  const candidates = w.nodes.filter((n) => n.domain === "" && isCandidate(w, n));
  if (candidates.length === 0) return false;
  const readers = readersBehind(w, candidates);
  const outputs = new Set(w.outputs);
  const frozen = frozenValues(w);
  const changes = new Map<Node, Node | undefined>();
  for (const node of candidates) {
    // An epsilon on frozen values (running variances) breaks no symmetry.
    if (frozen.has(node.outputs[0]!)) continue;
    const kept = withoutEpsilon(w, node, readers, outputs);
    if (kept === undefined) continue;
    if (typeof kept === "string") w.replace(node.outputs[0]!, kept);
    changes.set(node, typeof kept === "string" ? undefined : kept);
  }
  if (changes.size > 0) w.exchange(changes);
  return changes.size > 0;
}

/** Whether a node may be an epsilon, by its operator and constant. */
function isCandidate(w: Workspace, node: Node): boolean {
  const [a, b] = node.inputs as [string, string | undefined];
  if (node.operator === "Add") return isSmall(w, b, LARGEST_SUMMAND) || isSmall(w, a, LARGEST_SUMMAND);
  if (node.operator === "Max") return isSmall(w, b, LARGEST_FLOOR) || isSmall(w, a, LARGEST_FLOOR);
  return node.operator === "Clip" && isSmall(w, b, LARGEST_FLOOR);
}

/** The readers of what some nodes write, and of what movement makes of it. */
function readersBehind(w: Workspace, nodes: readonly Node[]): ReadonlyMap<string, readonly Node[]> {
  const readers = new Map<string, Node[]>(nodes.map((n) => [n.outputs[0]!, []]));
  for (const node of w.nodes) {
    for (const i of node.inputs) {
      const list = readers.get(i);
      if (list === undefined) continue;
      list.push(node);
      if (MOVEMENT.has(node.operator)) readers.set(node.outputs[0]!, readers.get(node.outputs[0]!) ?? []);
    }
  }
  return readers;
}

/** Values that neither training nor data change: computed from constants and frozen parameters alone. */
function frozenValues(w: Workspace): ReadonlySet<string> {
  const frozen = new Set<string>();
  const isFrozen = (value: string) =>
    value === "" || frozen.has(value) || w.constant(value) !== undefined || w.parameters.get(value)?.trainable === false;
  for (const node of w.nodes) {
    if (node.inputs.length > 0 && node.inputs.every(isFrozen)) for (const o of node.outputs) frozen.add(o);
  }
  return frozen;
}

function withoutEpsilon(
  w: Workspace,
  node: Node,
  readers: ReadonlyMap<string, readonly Node[]>,
  outputs: ReadonlySet<string>,
): string | Node | undefined {
  const y = node.outputs[0]!;
  switch (node.operator) {
    case "Add": {
      const [a, b] = node.inputs as [string, string];
      const x = isSmall(w, b, LARGEST_SUMMAND) ? a : isSmall(w, a, LARGEST_SUMMAND) ? b : undefined;
      if (x === undefined || !sameShape(w, x, y)) return undefined;
      return onlyGuards(w, y, readers, outputs) ? x : undefined;
    }
    case "Clip": {
      const [x, low, high] = node.inputs as [string, string | undefined, string | undefined];
      if ((high ?? "") !== "" || low === undefined || !isSmall(w, low, LARGEST_FLOOR)) return undefined;
      return floored(w, node, x);
    }
    case "Max": {
      const [a, b] = node.inputs as [string, string];
      const x = isSmall(w, b, LARGEST_FLOOR) ? a : isSmall(w, a, LARGEST_FLOOR) ? b : undefined;
      return x === undefined || !sameShape(w, x, y) ? undefined : floored(w, node, x);
    }
    default:
      return undefined;
  }
}

/** x above a floor that counts as zero: x itself where it is never negative, else Relu. */
function floored(w: Workspace, node: Node, x: string): string | Node {
  return isNonNegative(w, x) ? x : { ...node, operator: "Relu", inputs: [x], attributes: {} };
}

function sameShape(w: Workspace, a: string, b: string): boolean {
  const shape = w.type(a).shape;
  return shape !== undefined && String(shape) === String(w.type(b).shape);
}

/** Whether a value is a constant with all entries above zero and at most this large. */
function isSmall(w: Workspace, value: string | undefined, largest: number): boolean {
  const constant = value === undefined ? undefined : w.constant(value);
  if (constant === undefined || elementCount(constant.shape) > LARGEST_READ) return false;
  const data = constant.data;
  return data.length > 0 && data.every((v) => v > 0 && v <= largest);
}

/** Whether all that reads a value, also through movement, is an operator that an epsilon guards from zero. */
function onlyGuards(
  w: Workspace,
  value: string,
  readers: ReadonlyMap<string, readonly Node[]>,
  outputs: ReadonlySet<string>,
): boolean {
  const todo = [value];
  for (let v = todo.pop(); v !== undefined; v = todo.pop()) {
    if (outputs.has(v)) return false;
    const users = readers.get(v) ?? [];
    for (const user of users) {
      if (user.domain !== "") return false;
      if (MOVEMENT.has(user.operator) && user.inputs[0] === v) todo.push(user.outputs[0]!);
      else if (!isGuard(w, user, v)) return false;
    }
  }
  return true;
}

function isGuard(w: Workspace, user: Node, value: string): boolean {
  switch (user.operator) {
    case "Sqrt":
    case "Reciprocal":
    case "Log":
      return true;
    case "Div":
      return user.inputs[1] === value && user.inputs[0] !== value;
    case "Pow": {
      // A whole positive power has no singularity: there a small summand is a shift like any other.
      const powers = w.constant(user.inputs[1]!)?.data;
      return user.inputs[0] === value && (powers?.every((p) => p < 0 || !Number.isInteger(p)) ?? false);
    }
    default:
      return false;
  }
}

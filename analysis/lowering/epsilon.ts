/**
 * @file Epsilons taken as zero. A small number that only keeps a denominator or a logarithm away from zero makes every
 * scale invariance approximate; without it they are exact, and the notes say so.
 */
import type { Node } from "../graph/graph";
import { isNonNegative } from "./simplify";
import type { Workspace } from "./workspace";

/** The largest summand that counts as an epsilon: 1e-3, which in float32 is a little more. */
const LARGEST_SUMMAND = 1e-3 * (1 + 1e-6);
/** The largest floor (Clip, Max) that counts as an epsilon. */
const LARGEST_FLOOR = 1e-6 * (1 + 1e-6);

/** Operators that only move data: an epsilon is looked at through them. */
const MOVEMENT: ReadonlySet<string> = new Set(["Reshape", "Transpose", "Expand", "Slice", "Concat", "Gather"]);

/** Removes epsilons; true if there was one. */
export function removeEpsilons(w: Workspace): boolean {
  const readers = w.readers();
  const outputs = new Set(w.outputs);
  const variable = variableValues(w);
  let removed = false;
  w.rewrite((node) => {
    // An epsilon on frozen values (running variances) breaks no symmetry.
    const kept = node.domain === "" && variable.has(node.outputs[0]!) ? withoutEpsilon(w, node, readers, outputs) : undefined;
    if (kept === undefined) {
      w.add(node);
      return;
    }
    removed = true;
    if (typeof kept === "string") w.replace(node.outputs[0]!, kept);
    else w.add(kept);
  });
  return removed;
}

/** Values that training or data change: all but constants, frozen parameters and what is computed from those alone. */
function variableValues(w: Workspace): Set<string> {
  const out = new Set(w.inputs.map((i) => i.name));
  for (const [name, p] of w.parameters) if (p.trainable) out.add(name);
  for (const node of w.nodes) {
    if (node.inputs.some((i) => out.has(i)) || node.inputs.length === 0) for (const o of node.outputs) out.add(o);
  }
  return out;
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
function isSmall(w: Workspace, value: string, largest: number): boolean {
  const data = w.constant(value)?.data;
  return data !== undefined && data.length > 0 && data.every((v) => v > 0 && v <= largest);
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

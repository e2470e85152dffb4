/**
 * @file How a change passes each operator. A change that is known stays known through what is linear with fixed coefficients,
 * becomes some function of the inputs where it meets an activation, and ends where it is forgotten: means are subtracted, a
 * softmax is shifted as a whole. Everything else blocks it. All rules are one-sided: what is not understood blocks.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute, producers, stringAttribute } from "../../graph/graph";
import { elementCount, type Shape, type Tensor } from "../../graph/tensor";
import { parseEinsum } from "../../operators/einsum";
import { operatorTable } from "../../operators/table";
import {
  type Change,
  inRuns,
  isKnown,
  known,
  MIXED,
  ofRank,
  scaled,
  sources,
  stretched,
  sum,
  Unfollowable,
  unknown,
  wider,
  withoutRuns,
} from "./change";
import { MOVEMENT, moved } from "./movement";

/** What the rules may ask about values. */
export interface Scene {
  readonly graph: Graph;
  shape(value: string): Shape;
  isActivation(value: string): boolean;
  /** The entries of a value that hangs on weights and constants alone, or generic ones in their place. */
  fixed(value: string): Tensor;
  /** Whether the entries of weights matter: else products with them are generic numbers, and weights are not read. */
  readonly exact: boolean;
  /** A generic number. */
  random(): number;
  /** As many generic numbers: read only, drawn once for many uses. */
  generic(count: number): Float64Array;
  /** Generic numbers that stand for what a weight makes of a change: the same for the same change. */
  genericProduct(change: Float64Array, by: string, count: number): Float64Array;
}

/** Inputs by index whose change cannot pass. */
export interface Blocked {
  readonly inputs: readonly number[];
}

const MASKED = -1e4;

/** Operators whose output has at least the rank of each input. */
const BROADCASTS: ReadonlySet<string> = new Set(["Add", "Sub", "Mul", "Div", "Where"]);

/** What the node makes of the changes of its inputs: undefined for nothing. At least one of them is there. */
export function pass(scene: Scene, node: Node, changes: readonly (Change | undefined)[]): Change | Blocked | undefined {
  try {
    return passed(scene, node, changes);
  } catch (error) {
    if (!(error instanceof Unfollowable)) throw error;
    return { inputs: changes.flatMap((c, i) => (c ? [i] : [])) };
  }
}

function passed(scene: Scene, node: Node, changes: readonly (Change | undefined)[]): Change | Blocked | undefined {
  if (node.operator.startsWith("Reduce") && !changes[0]) throw new Unfollowable("axes that change");
  const here = changes.flatMap((c, i) => (c ? [i] : []));
  const blocked: Blocked = { inputs: here };
  // What is added to all entries changes the largest ones by as much, and not their places.
  if (
    node.operator === "TopK" &&
    node.domain === "" &&
    here.length === 1 &&
    changes[0]?.shape.at(numberAttribute(node, "axis", -1)) === 1
  )
    return changes[0];
  if (node.domain !== "" || node.outputs.length !== 1) return blocked;
  const to = scene.shape(node.outputs[0]!);
  if (MOVEMENT.has(node.operator)) {
    const out = moved(scene.graph, node, changes, (v) => scene.shape(v));
    return out === "unclear" ? (dataGather(scene, node, changes) ?? blocked) : out;
  }
  const only = here.length === 1 ? here[0]! : undefined;
  // Shapes that contradict each other (a damaged file) say nothing.
  const isTooLarge = (i: number): boolean => Math.max(changes[i]!.shape.length, scene.shape(node.inputs[i]!).length) > to.length;
  if (BROADCASTS.has(node.operator) && here.some(isTooLarge)) return blocked;
  switch (node.operator) {
    case "Add":
    case "Sub": {
      const [a, b] = [changes[0] && ofRank(changes[0], to.length), changes[1] && ofRank(changes[1], to.length)];
      return sum(a, b, node.operator === "Add" ? 1 : -1, node.name);
    }
    case "Neg":
      return scaled(changes[0]!, -1);
    case "Mul":
    case "Div":
      if (only === undefined || (node.operator === "Div" && only === 1) || node.inputs[0] === node.inputs[1]) return blocked;
      return product(scene, node, changes[only]!, only, to);
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
      return reduced(scene, node, changes[0]!) ?? blocked;
    case "AveragePool":
    case "GlobalAveragePool":
    case "MaxPool":
    case "GlobalMaxPool":
      return pooled(node, changes[0]!, to) ?? blocked;
    case "Softmax": {
      const axis = numberAttribute(node, "axis", -1);
      return changes[0]!.shape.at(axis) === 1 ? undefined : blocked;
    }
    case "Where":
      // What is hidden is chosen by either side.
      return (only === 1 || only === 2) && isMask(scene, node.inputs[3 - only]!) ? ofRank(changes[only]!, to.length) : blocked;
    case "MatMul":
    case "Einsum":
      if (only === undefined) return { inputs: heldFirst(scene, node, changes, to) };
      return contraction(scene, node, changes[only]!, only, to) ?? blocked;
    case "Conv":
    case "ConvTranspose":
      return only === undefined ? blocked : (convolution(scene, node, changes[only]!, only, to) ?? blocked);
    default:
      return blocked;
  }
}

/** Tells what is blocked from a change. */
export function isBlocked(out: Change | Blocked): out is Blocked {
  return "inputs" in out;
}

/** A table that data looks up: all its rows by the same. */
function dataGather(scene: Scene, node: Node, changes: readonly (Change | undefined)[]): Change | undefined {
  if (node.operator !== "Gather" || !changes[0] || changes[1] || scene.isActivation(node.inputs[0]!)) return undefined;
  const rank = scene.shape(node.inputs[1]!).length;
  const given = numberAttribute(node, "axis", 0);
  const c = changes[0];
  const axis = given < 0 ? given + c.shape.length : given;
  // Which row it is hangs on the data.
  const rows = c.shape[axis] === 1 ? new Array<number>(rank).fill(1) : scene.shape(node.inputs[1]!);
  return unknown([...c.shape.slice(0, axis), ...rows, ...c.shape.slice(axis + 1)], node.name, c.origins ?? []);
}

/** Whether a constant hides what is in its place from every softmax. */
function isMask(scene: Scene, value: string): boolean {
  return scene.graph.constants.get(value)?.data.every((x) => x <= MASKED) ?? false;
}

/** Where a known change of an activation becomes a function: there it could still be undone. */
function originsOf(scene: Scene, node: Node, operand: number, c: Change): readonly string[] {
  if (!isKnown(c)) return c.origins!;
  return scene.isActivation(node.inputs[operand]!) ? [node.inputs[operand]!] : [];
}

function product(scene: Scene, node: Node, given: Change, operand: number, to: Shape): Change {
  const other = node.inputs[1 - operand]!;
  const c = ofRank(given, to.length);
  const size = scene.shape(other);
  const padded = [...new Array<number>(to.length - size.length).fill(1), ...size];
  if (scene.isActivation(other)) return unknown(wider(c.shape, padded), node.name, originsOf(scene, node, operand, c));
  if (!isKnown(c)) {
    const constant = scene.graph.constants.get(other);
    if (constant && elementCount(size) === 1)
      return scaled(c, node.operator === "Mul" ? constant.data[0]! : 1 / constant.data[0]!);
    return unknown(wider(c.shape, padded), node.name, c.origins!);
  }
  const shape = wider(c.shape, padded);
  const factor = scene.fixed(other).data;
  const wide = stretched(c, shape);
  const data = wide.data.slice();
  // One factor per entry, in the same order, is the common case.
  const at = elementCount(padded) === data.length ? undefined : sources(padded, shape);
  for (let i = 0; i < data.length; i++) {
    const f = factor[at ? at[i]! : i]!;
    data[i] = node.operator === "Mul" ? data[i]! * f : data[i]! / f;
  }
  return known(shape, data, wide.from);
}

/** Reductions over axes along which the change is constant; others only where nothing is known anyway. */
function reduced(scene: Scene, node: Node, c: Change): Change | undefined {
  const from = scene.shape(node.inputs[0]!);
  const listed = numbersAttribute(node, "axes") ?? scene.graph.constants.get(node.inputs[1] ?? "")?.data;
  const axes = new Set(
    listed && listed.length > 0 ? Array.from(listed, (a) => (a < 0 ? a + from.length : a)) : from.map((_, i) => i),
  );
  const keep = numberAttribute(node, "keepdims", 1) !== 0;
  const fold = (shape: readonly number[]) =>
    keep ? shape.map((n, i) => (axes.has(i) ? 1 : n)) : shape.filter((_, i) => !axes.has(i));
  const isConstant = [...axes].every((a) => c.shape[a] === 1);
  if (!isConstant) return isKnown(c) || node.operator === "ReduceMax" ? undefined : unknown(fold(c.shape), node.name, c.origins!);
  const same = withoutRuns({ ...c, shape: fold(c.shape) });
  if (node.operator !== "ReduceSum") return same;
  return scaled(
    same,
    [...axes].reduce((n, a) => n * from[a]!, 1),
  );
}

/** Windows of pictures see one and the same change at all places. */
function pooled(node: Node, c: Change, to: Shape): Change | undefined {
  if (!c.shape.slice(2).every((n) => n === 1)) return undefined;
  const padded =
    (numbersAttribute(node, "pads") ?? []).some((p) => p !== 0) || /SAME/.test(stringAttribute(node, "auto_pad", ""));
  // Averages count zeros at the border if they are told to.
  if (node.operator === "AveragePool" && padded && numberAttribute(node, "count_include_pad", 0) !== 0) return undefined;
  return withoutRuns({ ...c, shape: to.map((_, i) => c.shape[i]!) });
}

/** Letters of the two operands and of the result. */
interface Equation {
  readonly inputs: readonly [readonly string[], readonly string[]];
  readonly output: readonly string[];
}

function equationOf(node: Node, a: Shape, b: Shape): Equation | undefined {
  if (node.operator === "Einsum") {
    // A shape that is not known, behind an opaque operator, reads as that of a scalar.
    if (node.inputs.length !== 2 || a.length === 0 || b.length === 0) return undefined;
    const { inputs, output } = parseEinsum(stringAttribute(node, "equation", ""), [a.length, b.length]);
    return { inputs: [inputs[0]!, inputs[1]!], output };
  }
  if (a.length < 2 || b.length < 2) return undefined;
  const rank = Math.max(a.length, b.length);
  const batch = (n: number) => Array.from({ length: n - 2 }, (_, i) => `b${rank - n + i}`);
  return {
    inputs: [
      [...batch(a.length), "r", "k"],
      [...batch(b.length), "k", "c"],
    ],
    output: [...batch(rank), "r", "c"],
  };
}

function contraction(scene: Scene, node: Node, c: Change, operand: number, to: Shape): Change | undefined {
  const own = scene.shape(node.inputs[operand]!);
  const across = scene.shape(node.inputs[1 - operand]!);
  const equation = equationOf(node, scene.shape(node.inputs[0]!), scene.shape(node.inputs[1]!));
  if (!equation) return undefined;
  const [mine, other] = [equation.inputs[operand]!, equation.inputs[1 - operand]!];
  const isFixed = !scene.isActivation(node.inputs[1 - operand]!);
  const varies = (letter: string) => {
    const [i, j] = [mine.indexOf(letter), other.indexOf(letter)];
    return (i >= 0 && c.shape[i] !== 1) || (j >= 0 && across[j] !== 1);
  };
  const shape = equation.output.map((l, i) => (varies(l) ? to[i]! : 1));
  if (isKnown(c) && !isFixed) {
    // The weights of a softmax sum to one: what all positions share, their average has too.
    const summed = mine.find((l) => !equation.output.includes(l));
    const at = mine.indexOf(summed ?? "");
    const weighs =
      summed !== undefined && c.shape[at] === 1 && sumsToOne(scene.graph, node.inputs[1 - operand]!, other.indexOf(summed));
    if (weighs && mine.filter((l) => !equation.output.includes(l)).length === 1) {
      const kept = equation.output.map((l) => c.shape[mine.indexOf(l)] ?? 1);
      const order = equation.output.flatMap((l) => (mine.includes(l) ? [mine.indexOf(l)] : []));
      const isInOrder = order.every((p, i) => i === 0 || p > order[i - 1]!);
      if (isInOrder) return { ...c, shape: kept };
    }
  }
  if (!isKnown(c) || !isFixed) {
    // Rows of a weight that change alike are channels that do.
    const row = mine[c.runs?.axis ?? -1];
    const at = row === undefined || other.includes(row) ? -1 : equation.output.indexOf(row);
    return inRuns(
      unknown(shape, node.name, originsOf(scene, node, operand, c)),
      at < 0 ? undefined : { axis: at, length: c.runs!.length },
    );
  }
  if (!scene.exact) return generic(scene, node, c.data, operand, shape);
  // Along axes that both have the change has to have all entries.
  const wide = stretched(
    c,
    mine.map((l, i) => (other.includes(l) ? own[i]! : c.shape[i]!)),
  );
  const direction: Tensor = { type: "float64", shape: wide.shape, data: wide.data };
  const weight = scene.fixed(node.inputs[1 - operand]!);
  const out = operatorTable(node.operator, "")!.evaluate!(node, operand === 0 ? [direction, weight] : [weight, direction])[0]!;
  return known(out.shape, out.data, new Int32Array(out.data.length).fill(MIXED));
}

/**
 * Which of two changed factors of a product has to be held: the one whose change alone would vary along the last axis, since
 * that is the one which a softmax does not forget (queries, not keys).
 */
function heldFirst(scene: Scene, node: Node, changes: readonly (Change | undefined)[], to: Shape): number[] {
  const passes = [0, 1].map((k) => contraction(scene, node, changes[k]!, k, to)?.shape.at(-1) === 1);
  return passes[0] === passes[1] ? [0, 1] : [passes[0] ? 1 : 0];
}

/** Entries that stand for sums over weights: the same where a recurrence multiplies the same by the same again. */
function generic(scene: Scene, node: Node, change: Float64Array, operand: number, shape: readonly number[]): Change {
  const by = `${node.operator} ${stringAttribute(node, "equation", "")} ${operand} ${node.inputs[1 - operand]}`;
  const data = scene.genericProduct(change, by, elementCount(shape));
  return known(shape, data, new Int32Array(data.length).fill(MIXED));
}

/** Whether the entries along an axis are the weights of a softmax, wherever the axis has been moved. */
function sumsToOne(graph: Graph, value: string, axis: number): boolean {
  const shapeOf = (v: string) => graph.types.get(v)?.shape;
  let [at, own] = [value, axis];
  for (;;) {
    const writer = producers(graph).get(at);
    if (!writer || writer.domain !== "" || own < 0) return false;
    const [from] = writer.inputs;
    switch (writer.operator) {
      case "Transpose":
        own = numbersAttribute(writer, "perm")?.[own] ?? -1;
        break;
      case "Reshape": {
        // The axis stays as it is: what is outside of it, and inside, is regrouped.
        const [before, after] = [shapeOf(from!), shapeOf(at)];
        if (!before || !after) return false;
        const inside = elementCount(after.slice(own + 1));
        own = before.findIndex((n, k) => n === after[own] && elementCount(before.slice(k + 1)) === inside);
        break;
      }
      case "Softmax": {
        const given = numberAttribute(writer, "axis", -1);
        return (given < 0 ? given + (shapeOf(at)?.length ?? 0) : given) === own;
      }
      default:
        return false;
    }
    at = from!;
  }
}

function convolution(scene: Scene, node: Node, c: Change, operand: number, to: Shape): Change | undefined {
  const weight = scene.shape(node.inputs[1]!);
  const transposed = node.operator === "ConvTranspose";
  const groups = numberAttribute(node, "group", 1);
  if (operand === 1) {
    // Groups read different channels: what they write differs even where their weights change alike.
    const isEqual = groups === 1 && c.shape[transposed ? 1 : 0] === 1;
    const runs = groups === 1 && !transposed && c.runs?.axis === 0 ? { axis: 1, length: c.runs.length } : undefined;
    return inRuns(unknown([to[0]!, isEqual ? 1 : to[1]!, ...to.slice(2)], node.name, originsOf(scene, node, 1, c)), runs);
  }
  if (operand !== 0) return undefined;
  const isPadded =
    (numbersAttribute(node, "pads") ?? []).some((p) => p !== 0) || /SAME/.test(stringAttribute(node, "auto_pad", ""));
  const isEven = !transposed && !isPadded && c.shape.slice(2).every((n) => n === 1);
  const isFixed = !scene.isActivation(node.inputs[1]!);
  if (!isKnown(c) || !isFixed) {
    const batch = isFixed ? c.shape[0]! : to[0]!;
    const places = isEven ? to.slice(2).map(() => 1) : to.slice(2);
    return unknown([batch, to[1]!, ...places], node.name, originsOf(scene, node, 0, c));
  }
  if (!isEven) return undefined;
  const shape = [c.shape[0]!, to[1]!, ...to.slice(2).map(() => 1)];
  if (!scene.exact) return generic(scene, node, c.data, operand, shape);
  const dilations = numbersAttribute(node, "dilations") ?? weight.slice(2).map(() => 1);
  const window = weight.slice(2).map((k, i) => (k - 1) * dilations[i]! + 1);
  const wide = stretched(c, [c.shape[0]!, scene.shape(node.inputs[0]!)[1]!, ...window]);
  const direction: Tensor = { type: "float64", shape: wide.shape, data: wide.data };
  const out = operatorTable(node.operator, "")!.evaluate!(node, [direction, scene.fixed(node.inputs[1]!)])[0]!;
  return known(out.shape, out.data, new Int32Array(out.data.length).fill(MIXED));
}

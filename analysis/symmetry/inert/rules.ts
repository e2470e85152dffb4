/**
 * @file How a shift passes through the operators of the normal form. Rules are exact for shifts of any size: an operator
 * passes a shift only if it is linear in it, or forgets it whatever it is.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, isFloating, type Shape, type Tensor } from "../../graph/tensor";
import { type AxisPlacement, constantAxis, isConstant, reshapePlacement } from "./pattern";
import {
  addShifts,
  broadcastShift,
  isConstantAlong,
  mapPlacements,
  type Patterns,
  scaleShift,
  type Shift,
  shiftKey,
} from "./shift";

/** What becomes of a shift at a node: the shift of its output, or that it can be seen from there on. */
export type Outcome = Shift | "escapes";

/** A node at which at least one input is shifted. */
export interface Passage {
  readonly graph: Graph;
  readonly node: Node;
  readonly patterns: Patterns;
  /** The shift of each input, undefined where it does not move. */
  readonly shifts: readonly (Shift | undefined)[];
  /** The node that writes a value, if any. */
  writer(value: string): Node | undefined;
}

/** A number this low takes an entry out of a softmax for good. */
const MASKED_BELOW = -1e4;

const NOTHING: Shift = { terms: [], masked: false };

function shapeOf(p: Passage, index: number): Shape | undefined {
  const name = p.node.inputs[index];
  return name === undefined || name === "" ? undefined : p.graph.types.get(name)?.shape;
}

function constantOf(p: Passage, index: number): Tensor | undefined {
  return p.graph.constants.get(p.node.inputs[index] ?? "");
}

function integers(p: Passage, index: number): number[] | undefined {
  const value = constantOf(p, index);
  return value && Array.from(value.data);
}

/** The index of the only input that moves, undefined where there are several. */
function onlyMoving(p: Passage): number | undefined {
  let found: number | undefined;
  for (const [i, s] of p.shifts.entries()) {
    if (s === undefined) continue;
    if (found !== undefined) return undefined;
    found = i;
  }
  return found;
}

/** Key of the shift that a node makes of others: the same node on the same values makes the same. */
function keyOf(p: Passage, ...shifts: readonly (Shift | undefined)[]): string {
  const inputs = p.node.inputs.map((name, i) => (p.shifts[i] ? "~" : name)).join(",");
  const attributes = JSON.stringify(p.node.attributes);
  return `${p.node.operator}(${inputs})${attributes}[${shifts.map((s) => (s ? shiftKey(s) : "")).join(";")}]`;
}

type Rule = (p: Passage, output: Shape) => Outcome;

/** Shifts of sums add. */
function sum(sign: number): Rule {
  return (p, output) => {
    const [a, b] = [0, 1].map((i) => {
      const s = p.shifts[i];
      return s ? broadcastShift(s, shapeOf(p, i)!, output) : NOTHING;
    }) as [Shift, Shift];
    // What a mask took out on one side must not come back through the other.
    if ((a.masked && b.terms.length > 0) || (b.masked && (a.terms.length > 0 || sign < 0))) {
      const added = a.masked && !b.masked ? addShifts(a, b, sign) : undefined;
      return added !== undefined && added.terms.length === 0 ? added : "escapes";
    }
    return addShifts(a, b, sign) ?? "escapes";
  };
}

/** A product, or a quotient whose divisor does not move. */
const product: Rule = (p, output) => {
  const i = onlyMoving(p);
  if (i === undefined || (p.node.operator === "Div" && i === 1)) return "escapes";
  const shift = p.shifts[i]!;
  const other = constantOf(p, 1 - i);
  const shape = shapeOf(p, 1 - i);
  if (shape === undefined) return "escapes";
  if (other !== undefined && elementCount(other.shape) === 1) {
    const factor = p.node.operator === "Div" ? 1 / other.data[0]! : other.data[0]!;
    if (!Number.isFinite(factor) || (shift.masked && factor <= 0)) return "escapes";
    return broadcastShift(scaleShift(shift, factor), shapeOf(p, i)!, output);
  }
  if (shift.masked) return "escapes";
  const placed = broadcastShift(shift, shapeOf(p, i)!, output);
  const missing = output.length - shape.length;
  const still = (k: number) => k < missing || shape[k - missing] === 1;
  return p.patterns.made(keyOf(p, placed), output, (k) => still(k) && isConstantAlong(placed, k));
};

/** Whether a value is a softmax over its last axis, so that its rows sum to one. */
function sumsToOne(p: Passage, value: string | undefined): boolean {
  const node = value === undefined ? undefined : p.writer(value);
  const rank = node && p.graph.types.get(node.outputs[0]!)?.shape?.length;
  return node?.operator === "Softmax" && node.domain === "" && numberAttribute(node, "axis", -1) === rank! - 1;
}

const matMul: Rule = (p, output) => {
  const i = onlyMoving(p);
  const shapes = [shapeOf(p, 0), shapeOf(p, 1)];
  if (i === undefined || !shapes[0] || !shapes[1] || shapes[0].length < 2 || shapes[1].length < 2) return "escapes";
  const shift = p.shifts[i]!;
  if (shift.masked) return "escapes";
  const rank = output.length;
  const mine = shapes[i]!;
  const theirs = shapes[1 - i]!;
  const own = i === 0 ? rank - 2 : rank - 1;
  const at = (shape: Shape, k: number) => k - (rank - shape.length);
  if (i === 1 && sumsToOne(p, p.node.inputs[0]) && isConstantAlong(shift, mine.length - 2)) {
    return mapPlacements(shift, (placement) =>
      output.map((n, k) => {
        if (k === rank - 2) return constantAxis(n);
        const j = at(mine, k);
        return j >= 0 && mine[j] === n ? placement[j]! : constantAxis(n);
      }),
    )!;
  }
  return p.patterns.made(keyOf(p, shift), output, (k) => {
    const j = at(mine, k);
    if (k === own) return isConstantAlong(shift, j);
    if (k >= rank - 2) return false;
    const l = at(theirs, k);
    return (j < 0 || isConstantAlong(shift, j)) && (l < 0 || theirs[l] === 1);
  });
};

const einsum: Rule = (p, output) => {
  const i = onlyMoving(p);
  const equation = stringAttribute(p.node, "equation", "").replaceAll(" ", "");
  if (i === undefined || equation.includes(".") || p.shifts[i]!.masked) return "escapes";
  const [left, right] = equation.split("->") as [string, string | undefined];
  const operands = left.split(",");
  const own = operands[i];
  if (right === undefined || own === undefined || new Set(own).size !== own.length) return "escapes";
  const others = new Set(operands.filter((_, k) => k !== i).join(""));
  return p.patterns.made(keyOf(p, p.shifts[i]), output, (k) => {
    const letter = right[k]!;
    return !others.has(letter) && isConstantAlong(p.shifts[i]!, own.indexOf(letter));
  });
};

/** A convolution of a shifted map: where nothing is padded, a shift that is the same everywhere stays so. */
const convolution: Rule = (p, output) => {
  const shift = p.shifts[0];
  if (onlyMoving(p) !== 0 || !shift || shift.masked) return "escapes";
  const pads = numbersAttribute(p.node, "pads");
  const n = output.length - 2;
  const transposed = p.node.operator === "ConvTranspose";
  const bare = (axis: number) => !transposed && (pads === undefined || (pads[axis] === 0 && pads[axis + n] === 0));
  return p.patterns.made(keyOf(p, shift), output, (k) => {
    if (k === 1) return false;
    return isConstantAlong(shift, k) && (k === 0 || bare(k - 2));
  });
};

/** Axes of a reduction in the normal form's one form. */
function reducedAxes(p: Passage): number[] | undefined {
  return integers(p, 1);
}

/** The shift after axes along which it is constant are reduced. */
function dropped(p: Passage, shift: Shift, axes: readonly number[]): Shift | undefined {
  const keep = numberAttribute(p.node, "keepdims", 1) === 1;
  return mapPlacements(shift, (placement) => {
    if (!axes.every((a) => isConstant(placement[a]!))) return undefined;
    if (keep) return placement.map((axis, k) => (axes.includes(k) ? [] : axis));
    return placement.filter((_, k) => !axes.includes(k));
  });
}

/** Means and sums: exact along axes of constant shift; a new pattern otherwise. */
const linearReduction: Rule = (p, output) => {
  const shift = p.shifts[0];
  const axes = reducedAxes(p);
  const shape = shapeOf(p, 0);
  if (!shift || !axes || !shape || shift.masked) return "escapes";
  const count = elementCount(axes.map((a) => shape[a]!));
  // A mean of one entry forgets everything: the sizes at hand are no model of the real ones.
  if (count <= 1) return "escapes";
  const passed = dropped(p, shift, axes);
  if (passed !== undefined) return p.node.operator === "ReduceSum" ? scaleShift(passed, count) : passed;
  const keep = numberAttribute(p.node, "keepdims", 1) === 1;
  const left = keep ? shape.map((_, k) => k) : shape.map((_, k) => k).filter((k) => !axes.includes(k));
  return p.patterns.made(keyOf(p, shift), output, (k) => axes.includes(left[k]!) || isConstantAlong(shift, left[k]!));
};

/** The largest or smallest entry moves along with all of them. */
const extremeReduction: Rule = (p) => {
  const shift = p.shifts[0];
  const axes = reducedAxes(p);
  if (!shift || !axes || (shift.masked && p.node.operator !== "ReduceMax")) return "escapes";
  const passed = dropped(p, shift, axes);
  return passed === undefined ? "escapes" : { ...passed, masked: false };
};

/** Softmax forgets what is the same along its axis; so does the index of the largest entry. */
const forgetting: Rule = (p) => {
  const shift = p.shifts[0];
  const shape = shapeOf(p, 0);
  if (!shift || !shape) return "escapes";
  const axis = numberAttribute(p.node, "axis", -1);
  const k = axis < 0 ? axis + shape.length : axis;
  if (shape[k]! <= 1) return "escapes";
  return isConstantAlong(shift, k) ? NOTHING : "escapes";
};

const reshape: Rule = (p, output) => {
  if (onlyMoving(p) !== 0) return "escapes";
  return mapPlacements(p.shifts[0]!, (placement) => reshapePlacement(placement, output)) ?? spread(p, output);
};

/** A movement whose effect on the pattern is not followed: constant only where all of the shift is. */
function spread(p: Passage, output: Shape): Outcome {
  const shift = p.shifts[0]!;
  if (shift.masked) return "escapes";
  const shape = shapeOf(p, 0)!;
  // Leading axes that stay as they are keep what they had.
  let same = 0;
  while (same < output.length && output[same] === shape[same]) same++;
  return p.patterns.made(keyOf(p, shift), output, (k) => k < same && isConstantAlong(shift, k));
}

const transpose: Rule = (p, output) => {
  const perm = numbersAttribute(p.node, "perm") ?? output.map((_, k) => output.length - 1 - k);
  return mapPlacements(p.shifts[0]!, (placement) => perm.map((k) => placement[k]!)) ?? "escapes";
};

const expand: Rule = (p, output) => {
  if (onlyMoving(p) !== 0) return "escapes";
  return broadcastShift(p.shifts[0]!, shapeOf(p, 0)!, output);
};

const slice: Rule = (p, output) => {
  const shape = shapeOf(p, 0);
  const lists = [1, 2, 3, 4].map((i) => integers(p, i));
  if (onlyMoving(p) !== 0 || !shape || lists.some((l) => l === undefined)) return "escapes";
  const [starts, ends, axes, steps] = lists as number[][];
  let shift = p.shifts[0]!;
  for (const [i, axis] of axes!.entries()) {
    if (steps![i] === 1) shift = p.patterns.cut(shift, axis, starts![i]!, ends![i]!, shape[axis]!);
  }
  if (shift.terms.length === 0) return shift;
  const through = axes!.filter((a) => !isConstantAlong(shift, a));
  const length = (axis: AxisPlacement, k: number) => (axes!.includes(k) ? constantAxis(output[k]!) : axis);
  if (through.length === 0) return mapPlacements(shift, (placement) => placement.map(length))!;
  if (shift.masked) return "escapes";
  return p.patterns.made(keyOf(p, shift), output, (k) => isConstantAlong(shift, k));
};

const gather: Rule = (p, output) => {
  const shape = shapeOf(p, 0);
  const indices = shapeOf(p, 1);
  if (onlyMoving(p) !== 0 || !shape || !indices) return "escapes";
  const given = numberAttribute(p.node, "axis", 0);
  const axis = given < 0 ? given + shape.length : given;
  let shift = p.shifts[0]!;
  const index = integers(p, 1);
  if (index?.length === 1) {
    const at = index[0]! < 0 ? index[0]! + shape[axis]! : index[0]!;
    shift = p.patterns.cut(shift, axis, at, at + 1, shape[axis]!);
    if (shift.terms.length === 0) return shift;
  }
  const n = indices.length;
  if (isConstantAlong(shift, axis)) {
    return mapPlacements(shift, (placement) => [
      ...placement.slice(0, axis),
      ...indices.map(constantAxis),
      ...placement.slice(axis + 1),
    ])!;
  }
  if (shift.masked) return "escapes";
  const origin = (k: number) => (k < axis ? k : k - n + 1);
  return p.patterns.made(keyOf(p, shift), output, (k) => {
    if (k >= axis && k < axis + n) return false;
    return isConstantAlong(shift, origin(k));
  });
};

const concat: Rule = (p, output) => {
  const given = numberAttribute(p.node, "axis", 0);
  const axis = given < 0 ? given + output.length : given;
  const parts = p.shifts;
  if (parts.some((s) => s?.masked)) return "escapes";
  const first = parts[0];
  const widened = (s: Shift) => mapPlacements(s, (q) => q.map((a, k) => (k === axis ? constantAxis(output[k]!) : a)))!;
  if (parts.every((s) => s !== undefined && isConstantAlong(s, axis))) {
    const all = parts.map((s) => shiftKey(widened(s!)));
    if (all.every((key) => key === all[0])) return widened(first!);
  }
  const moving = parts.filter((s) => s !== undefined);
  const sizes = parts.map((_, i) => shapeOf(p, i)?.[axis]).join();
  return p.patterns.made(
    `${keyOf(p, ...parts)}${sizes}`,
    output,
    (k) => k !== axis && moving.every((s) => isConstantAlong(s, k)),
  );
};

const pad: Rule = (p, output) => {
  const amounts = integers(p, 1);
  const shift = p.shifts[0];
  if (onlyMoving(p) !== 0 || !shift || !amounts || shift.masked) return "escapes";
  const n = output.length;
  const padded = (k: number) => amounts[k] !== 0 || amounts[k + n] !== 0;
  const repeats = stringAttribute(p.node, "mode", "constant") !== "constant";
  const stays = (k: number) => !padded(k) || repeats;
  const touched = output.map((_, k) => k).filter(padded);
  if (repeats && touched.every((k) => isConstantAlong(shift, k))) {
    return mapPlacements(shift, (q) => q.map((a, k) => (padded(k) ? constantAxis(output[k]!) : a)))!;
  }
  return p.patterns.made(keyOf(p, shift), output, (k) => stays(k) && isConstantAlong(shift, k));
};

/** A choice between two values; where one of them is a mask's number far below, what is left follows the other. */
const where: Rule = (p, output) => {
  if (p.shifts[0] !== undefined) return "escapes";
  const placed = [1, 2].map((i) => {
    const s = p.shifts[i];
    return s && broadcastShift(s, shapeOf(p, i)!, output);
  });
  if (placed[0] && placed[1]) {
    const same = shiftKey(placed[0]) === shiftKey(placed[1]);
    return same && placed[0].masked === placed[1].masked ? placed[0] : "escapes";
  }
  const at = placed[0] ? 0 : 1;
  const shift = placed[at]!;
  const other = constantOf(p, 2 - at);
  if (other?.data.every((v) => v <= MASKED_BELOW)) return { ...shift, masked: true };
  const condition = shapeOf(p, 0);
  if (shift.masked || !condition) return "escapes";
  const missing = output.length - condition.length;
  const still = (k: number) => k < missing || condition[k - missing] === 1;
  return p.patterns.made(keyOf(p, shift), output, (k) => still(k) && isConstantAlong(shift, k));
};

/** Pools over space: windows of equal shifts have their shift, unless padding counts as zero. */
const pool: Rule = (p, output) => {
  const shift = p.shifts[0];
  const outputs = p.node.outputs.filter((o) => o !== "");
  if (!shift || shift.masked || outputs.length > 1) return "escapes";
  const space = output.map((_, k) => k).slice(2);
  const average = p.node.operator === "AveragePool";
  const pads = numbersAttribute(p.node, "pads") ?? [];
  const auto = stringAttribute(p.node, "auto_pad", "NOTSET");
  const counted = average && numberAttribute(p.node, "count_include_pad", 0) === 1;
  const partial =
    pads.some((n) => n !== 0) || numberAttribute(p.node, "ceil_mode", 0) !== 0 || !["NOTSET", "VALID", ""].includes(auto);
  if (space.every((k) => isConstantAlong(shift, k)) && !(counted && partial)) {
    return mapPlacements(shift, (q) => q.map((a, k) => (k >= 2 ? constantAxis(output[k]!) : a)))!;
  }
  if (!average) return "escapes";
  return p.patterns.made(keyOf(p, shift), output, (k) => k < 2 && isConstantAlong(shift, k));
};

/** Interpolation weights sum to one, so that a shift that is the same along the resized axes stays. */
const resize: Rule = (p, output) => {
  const shift = p.shifts[0];
  const shape = shapeOf(p, 0);
  if (onlyMoving(p) !== 0 || !shift || !shape || shift.masked) return "escapes";
  if (stringAttribute(p.node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize") return "escapes";
  const resized = output.map((_, k) => k).filter((k) => output[k] !== shape[k]);
  if (!resized.every((k) => isConstantAlong(shift, k))) return "escapes";
  return mapPlacements(shift, (q) => q.map((a, k) => (resized.includes(k) ? constantAxis(output[k]!) : a)))!;
};

const identity: Rule = (p) => {
  const type = p.graph.types.get(p.node.outputs[0]!)?.type;
  return type !== undefined && isFloating(type) ? p.shifts[0]! : "escapes";
};

const negate: Rule = (p) => (p.shifts[0]!.masked ? "escapes" : scaleShift(p.shifts[0]!, -1));

/** By ONNX operator name; whatever is not here lets a shift escape. */
const RULES: Readonly<Record<string, Rule>> = {
  Add: sum(1),
  Sub: sum(-1),
  Mul: product,
  Div: product,
  Neg: negate,
  Identity: identity,
  Cast: identity,
  MatMul: matMul,
  Einsum: einsum,
  Conv: convolution,
  ConvTranspose: convolution,
  ReduceMean: linearReduction,
  ReduceSum: linearReduction,
  ReduceMax: extremeReduction,
  ReduceMin: extremeReduction,
  Softmax: forgetting,
  ArgMax: forgetting,
  ArgMin: forgetting,
  Hardmax: forgetting,
  Reshape: reshape,
  Transpose: transpose,
  Expand: expand,
  Slice: slice,
  Gather: gather,
  Concat: concat,
  Pad: pad,
  Where: where,
  MaxPool: pool,
  AveragePool: pool,
  Resize: resize,
};

/** What a node does to the shifts of its inputs. */
export function pass(p: Passage): Outcome {
  const rule = p.node.domain === "" ? RULES[p.node.operator] : undefined;
  const output = p.graph.types.get(p.node.outputs[0] ?? "")?.shape;
  if (rule === undefined || output === undefined) return "escapes";
  if (p.node.inputs.some((_, i) => p.shifts[i] !== undefined && shapeOf(p, i) === undefined)) return "escapes";
  return rule(p, output);
}

/**
 * @file Sums term by term. A factorisation machine sums (x V)^2 - x^2 V^2 over its factors (Rendle 2010, equation 5): only as a sum of
 * squares and a sum of squared weights, each by itself, does it show that factors may be rotated.
 */
import type { Node } from "../graph/graph";
import { elementCount, int64Vector, type Shape } from "../graph/tensor";
import type { Workspace } from "./workspace";
import { isOf, type Item, type Value } from "./values";

/** A sum or mean whose input has several terms, at least one of them a product. */
interface Summed {
  readonly item: Item;
  readonly shape: Shape;
  /** Summed axes, counted from the front, rising. */
  readonly axes: readonly number[];
  /** Values that only this sum reads, directly or through others of them, and that are taken apart. */
  readonly inner: ReadonlySet<Value>;
}

/** Writes sums of differences and sums of products as sums of each term; true if there was one. */
export function sumTerms(w: Workspace): boolean {
  const candidates = w.itemsOf("ReduceSum", "ReduceMean").filter((i) => isSumOfTerms(i.inputs[0]!));
  if (candidates.length === 0) return false;
  w.countReaders();
  const outputs = new Set(w.outputs.map((o) => w.value(o)));
  const found = new Map<Item, Summed>();
  for (const item of candidates) {
    const { shape } = item.inputs[0]!.type;
    const axes = reducedAxes(item);
    if (!shape || !axes) continue;
    const inner = new Set<Value>();
    const terms = termsOf(item.inputs[0]!, inner, outputs);
    if (terms && terms.length > 1 && terms.some(isProductOfValues)) found.set(item, { item, shape, axes, inner });
  }
  if (found.size === 0) return false;
  const fixed = weightsOf(w);
  w.rewrite((item) => {
    const summed = found.get(item);
    if (summed) addTerms(w, summed, fixed);
    else w.add(item.node);
  });
  return true;
}

function isReduction(item: Item): boolean {
  return isOf(item, "ReduceSum", "ReduceMean");
}

/** Whether a value is a sum or difference, perhaps times a number. */
function isSumOfTerms(value: Value): boolean {
  for (let at = value.writer; at; ) {
    if (isOf(at, "Add", "Sub")) return at.inputs.every((v) => String(v.type.shape) === String(value.type.shape));
    const scaled = scaledBy(at);
    if (!scaled) return false;
    at = scaled.value.writer;
  }
  return false;
}

/** What an item multiplies with one number, and the number; a negative is times -1. */
function scaledBy(item: Item): { readonly value: Value; readonly factor: Value | undefined } | undefined {
  if (isOf(item, "Neg")) return { value: item.inputs[0]!, factor: undefined };
  if (!isOf(item, "Mul")) return undefined;
  const [a, b] = item.inputs as [Value, Value];
  const [value, factor] = b.constant ? [a, b] : [b, a];
  const isNumber = factor.constant !== undefined && elementCount(factor.constant.shape) === 1;
  return isNumber && String(value.type.shape) === String(item.outputs[0]!.type.shape) ? { value, factor } : undefined;
}

/** Values between a sum and its terms that are taken apart at most: a stream of a thousand blocks is no machine of factors. */
const MOST_INNER = 64;

/** The terms that a value adds up, in order; what lies between goes into `inner`. Undefined where that would be too many. */
function termsOf(of: Value, inner: Set<Value>, outputs: ReadonlySet<Value>): Value[] | undefined {
  const terms: Value[] = [];
  const pending = [of];
  while (pending.length > 0) {
    const value = pending.pop()!;
    const { writer } = value;
    const isOwn = writer !== undefined && value.reads === 1 && !outputs.has(value);
    const shape = String(value.type.shape);
    const isSum = isOwn && isOf(writer, "Add", "Sub") && writer.inputs.every((v) => String(v.type.shape) === shape);
    const next = isSum ? writer.inputs : isOwn ? scaledBy(writer)?.value : undefined;
    if (next === undefined) {
      terms.push(value);
      continue;
    }
    if (inner.size === MOST_INNER) return undefined;
    inner.add(value);
    pending.push(...[next].flat().reverse());
  }
  return terms;
}

/** Whether a term is a product or a square, or a sum of such over other axes. */
function isProductOfValues(term: Value): boolean {
  let { writer } = term;
  while (writer && isReduction(writer)) ({ writer } = writer.inputs[0]!);
  if (!writer) return false;
  if (isOf(writer, "Pow")) return true;
  return isOf(writer, "Mul") && writer.inputs.every((v) => v.constant === undefined);
}

function reducedAxes({ inputs }: Item): readonly number[] | undefined {
  const rank = inputs[0]!.type.shape?.length;
  const axes = inputs[1]?.constant;
  if (rank === undefined || !axes || axes.data.length === 0) return undefined;
  return Array.from(axes.data, (a) => (a < 0 ? a + rank : a)).sort((a, b) => a - b);
}

/** Values that are made of weights and constants alone. */
function weightsOf(w: Workspace): ReadonlySet<Value> {
  const out = new Set<Value>();
  const isFixed = (v: Value): boolean => v.name === "" || v.constant !== undefined || w.parameters.has(v.name) || out.has(v);
  for (const item of w.items) if (item.inputs.every(isFixed)) for (const o of item.outputs) out.add(o);
  return out;
}

/** Adds the sums of all terms, put together as the terms were, under the name of the whole sum. */
function addTerms(w: Workspace, { item, shape, axes, inner }: Summed, weights: ReadonlySet<Value>): void {
  const { node } = item;
  const kept = shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
  const value = (operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string => {
    const output = w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, name: output, operator, inputs, outputs: [output], attributes });
    return w.resolve(output);
  };
  const reduced = (x: Value, over: readonly number[]): string =>
    value(node.operator, [x.name, w.addConstant(int64Vector(over))], { keepdims: 1, noop_with_empty_axes: 0 });
  const sized = (x: string, to: Shape): string => value("Reshape", [x, w.addConstant(int64Vector(to))]);
  const sumOf = (x: Value): string => {
    const { writer } = x;
    if (writer && inner.has(x)) {
      const scaled = scaledBy(writer);
      if (!scaled) return value(writer.node.operator, writer.inputs.map(sumOf));
      const sum = sumOf(scaled.value);
      return scaled.factor ? value("Mul", [sum, scaled.factor.name]) : value("Neg", [sum]);
    }
    // Sums of sums are one sum.
    if (writer && isOf(writer, node.operator)) {
      const first = reducedAxes(writer);
      const rank = writer.inputs[0]!.type.shape?.length;
      if (first && rank !== undefined) {
        const rest = Array.from({ length: rank }, (_, a) => a).filter((a) => rank === shape.length || !first.includes(a));
        const all = [...new Set([...first, ...axes.map((a) => rest[a]!)])].sort((a, b) => a - b);
        return sized(reduced(writer.inputs[0]!, all), kept);
      }
    }
    // What sums the columns of a product sums those of its weights.
    if (writer && isOf(writer, "MatMul") && axes.length === 1 && axes[0] === shape.length - 1) {
      const [left, right] = writer.inputs as [Value, Value];
      if (weights.has(right) && right.type.shape?.length === 2) return value("MatMul", [left.name, reduced(right, [1])]);
    }
    return reduced(x, axes);
  };
  const sum = sumOf(item.inputs[0]!);
  w.add({
    ...node,
    operator: "Reshape",
    inputs: [sum, w.addConstant(int64Vector(item.outputs[0]!.type.shape!))],
    attributes: {},
  });
}

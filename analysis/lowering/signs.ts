/**
 * @file Norms that are signs. What is left of two values less their mean, divided by its size, is 1 and -1: a centred norm over two
 * values (LayerNorm(2), batch norm of two samples) says which one is larger, and without its epsilon nothing else. Its derivative is
 * zero wherever it has one, so that every direction of the weights before it would pass for a symmetry.
 */
import { elementCount } from "../graph/tensor";
import { dependence, directed } from "./comparisons";
import { smallConstant } from "./constants";
import type { Workspace } from "./workspace";
import { isOf, type Item, type Value } from "./values";

/** A division that leaves signs, and their size. */
interface Signs {
  readonly of: Value;
  readonly size: number;
}

/** Writes norms over so few values that they are signs as Sign; true if there was one. */
export function seeNormsAsSigns(w: Workspace): boolean {
  const found = new Map<Item, Signs>();
  for (const item of w.itemsOf("Div")) {
    const signs = signsOf(item);
    if (signs) found.set(item, signs);
  }
  if (found.size === 0) return false;
  w.note("a centred norm over two values, or a norm over one, is a sign once its epsilon is zero");
  const { batched } = dependence(w);
  w.rewrite((item) => {
    const signs = found.get(item);
    if (!signs) return w.add(item.node);
    const { node } = item;
    const { type } = signs.of.type;
    const seen = batched.has(signs.of) ? directed(w, node, signs.of.name, [0]) : signs.of.name;
    const sign = w.fresh(`${node.name}/Sign`);
    w.add({ ...node, name: sign, operator: "Sign", inputs: [seen], outputs: [sign], attributes: {} });
    const size = w.addConstant({ type, shape: [], data: Float64Array.of(signs.size) });
    w.add({ ...node, operator: "Mul", inputs: [sign, size] });
  });
  return true;
}

/** What a division by a norm over one value, or a centred one over two, leaves. */
function signsOf({ node, inputs }: Item): Signs | undefined {
  const [of, norm] = inputs;
  const root = norm?.writer;
  if (!of || node.domain !== "" || !isOf(root, "Sqrt")) return undefined;
  let square = root.inputs[0]!.writer;
  let factor = 1;
  if (isOf(square, "Mul")) {
    const [a, b] = square.inputs as [Value, Value];
    const [sum, by] = a.constant === undefined ? [a, smallConstant(b)] : [b, smallConstant(a)];
    if (by?.length !== 1) return undefined;
    factor = by[0]!;
    square = sum.writer;
  }
  if (!isOf(square, "ReduceSumSquare") || square.inputs[0] !== of || !(factor > 0)) return undefined;
  const count = valuesOf(square);
  if (count === 1) return { of, size: 1 / Math.sqrt(factor) };
  return count === 2 && isCentred(of, square) ? { of, size: 1 / Math.sqrt(2 * factor) } : undefined;
}

/** How many values each entry of a reduction is made of. */
function valuesOf({ inputs, outputs }: Item): number | undefined {
  const [from, to] = [inputs[0]!.type.shape, outputs[0]!.type.shape];
  return from && to && from.length === to.length ? elementCount(from) / elementCount(to) : undefined;
}

/** Whether a value is another one less its mean over the axes of a reduction. */
function isCentred(value: Value, { inputs: [, axes] }: Item): boolean {
  const difference = value.writer;
  if (!isOf(difference, "Sub")) return false;
  const [x, mean] = difference.inputs as [Value, Value];
  const reduced = mean.writer;
  return isOf(reduced, "ReduceMean") && reduced.inputs[0] === x && sameAxes(reduced.inputs[1], axes, x.type.shape?.length ?? 0);
}

function sameAxes(a: Value | undefined, b: Value | undefined, rank: number): boolean {
  const list = (v: Value | undefined) =>
    Array.from(smallConstant(v) ?? [], (n) => (n < 0 ? n + rank : n))
      .sort((m, n) => m - n)
      .join();
  return list(a) === list(b);
}

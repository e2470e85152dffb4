/**
 * @file Entries repeated one by one become one broadcast. Exporters write repeat_interleave (key and value heads that several
 * query heads share) as a slice, an Expand and a Concat for each entry; what it computes is an axis read as (entries, copies).
 */
import { elementCount, int64Vector, type Shape } from "../graph/tensor";
import { sliceParts } from "../operators/axes/movement";
import { sameShape } from "./simplify";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Copies of one entry of an axis, next to each other. */
interface Copies {
  readonly source: Value;
  readonly axis: number;
  readonly index: number;
  readonly times: number;
}

/** Rewrites concatenations of repeated entries. True if there were any. */
export function joinRepeats(w: Workspace): boolean {
  if (!w.itemsOf("Concat").some((item) => repetition(item) !== undefined)) return false;
  w.rewrite((item) => {
    const repeated = repetition(item);
    if (!repeated) return w.add(item.node);
    const { source, axis, times } = repeated;
    const shape = source.type.shape!;
    const { node } = item;
    const add = (
      operator: string,
      value: string,
      sizes: readonly number[],
      output = w.fresh(`${node.name}/repeated`),
    ): string => {
      const inputs = [value, w.addConstant(int64Vector(sizes))];
      w.add({ ...node, name: output, operator, domain: "", inputs, outputs: [output], attributes: {} });
      return output;
    };
    const [before, after] = [shape.slice(0, axis + 1), shape.slice(axis + 1)];
    const apart = add("Reshape", source.name, [...before, 1, ...after]);
    const copied = add("Expand", apart, [...before, times, ...after]);
    add("Reshape", copied, item.outputs[0]!.type.shape!, node.outputs[0]);
  });
  return true;
}

/** How a Concat repeats each entry of one axis of one tensor equally often, in order; undefined where it does not. */
function repetition({ node, inputs, outputs }: Item): Copies | undefined {
  if (node.operator !== "Concat" || node.domain !== "" || outputs[0]?.type.shape === undefined) return undefined;
  const first = copiesOf(inputs[0]);
  const shape = first?.source.type.shape;
  if (!first || !shape) return undefined;
  const rank = shape.length;
  const at = typeof node.attributes.axis === "number" ? node.attributes.axis : 0;
  if ((at < 0 ? at + rank : at) !== first.axis || shape[first.axis]! < 2) return undefined;
  const times = new Array<number>(shape[first.axis]!).fill(0);
  let last = 0;
  for (const input of inputs) {
    const copies = copiesOf(input);
    if (!copies || copies.source !== first.source || copies.axis !== first.axis) return undefined;
    if (copies.index !== last && copies.index !== last + 1) return undefined;
    last = copies.index;
    times[last]! += copies.times;
  }
  return times[0]! > 1 && times.every((t) => t === times[0]) ? { ...first, times: times[0]! } : undefined;
}

/** Reads a value as copies of one entry along an axis: a slice, reshaped, expanded along one axis, and reshaped back. */
function copiesOf(value: Value | undefined): Copies | undefined {
  const shape = value?.type.shape;
  if (!value || !shape) return undefined;
  let at: Value = value;
  let expanded: { readonly before: number; readonly times: number } | undefined;
  for (let item = at.writer; item !== undefined; item = at.writer) {
    const { operator, domain } = item.node;
    const from = item.inputs[0]?.type.shape;
    if (domain !== "" || !from) return undefined;
    if (operator === "Slice") return sliced(item, from, shape, expanded);
    if (operator === "Expand") {
      const to = item.outputs[0]!.type.shape;
      const changed = to?.length === from.length ? to.flatMap((n, i) => (n === from[i] ? [] : [i])) : [];
      if (!to || expanded || changed.length !== 1) return undefined;
      expanded = { before: elementCount(to.slice(0, changed[0])), times: to[changed[0]!]! };
    } else if (operator !== "Reshape") return undefined;
    at = item.inputs[0]!;
  }
  return undefined;
}

function sliced(
  item: Item,
  from: Shape,
  made: Shape,
  expanded: { readonly before: number; readonly times: number } | undefined,
): Copies | undefined {
  const parts = sliceParts({
    node: item.node,
    shape: () => from,
    absent: (i) => (item.inputs[i]?.name ?? "") === "",
    constant: (i) => item.inputs[i]?.constant,
  });
  const entry = item.outputs[0]!.type.shape;
  const cut = entry?.flatMap((n, i) => (n === from[i] ? [] : [i]));
  const part = parts?.find((p) => p.axis === cut?.[0]);
  if (!entry || cut?.length !== 1 || !part || part.step !== 1 || entry[part.axis] !== 1) return undefined;
  const times = expanded?.times ?? 1;
  const wanted = entry.map((n, i) => (i === part.axis ? times : n));
  // Copies lie next to each other where the entry was: all other axes keep their order, so their sizes tell where.
  if (!sameShape(made, wanted) || (expanded && expanded.before !== elementCount(entry.slice(0, part.axis)))) return undefined;
  return { source: item.inputs[0]!, axis: part.axis, index: part.start, times };
}

/** @file Which spaces are fibred over others: heads over head sizes, blocks of a grouped convolution (ALGORITHM.md 2.4). */
import type { AxisFactor, AxisLayout } from "../../graph/axes";
import { ABSENT } from "../../graph/numbering";
import type { PlainAxis } from "./atom-table";
import { type BlockAxis, isPlain, isSelector } from "./blocks";
import type { InferredAxes } from "./infer";
import { hasParts } from "./occurrences";
import type { AtomSpace } from "./spaces";

/**
 * For each space the atom over which it is fibred: the same free factor stands beside it in every value that has the space,
 * so that its elements may differ per index of that factor (heads over head sizes, blocks of a grouped convolution).
 * Undefined where some value has the space alone, or some node mixes the indices of that factor (attention among heads, softmax over
 * experts), which makes one element serve all. One pass over all values, and one over all nodes where that left any.
 */
export function enclosingAtoms(axes: InferredAxes, spaces: readonly AtomSpace[]): (number | undefined)[] {
  if (spaces.length === 0) return [];
  const spaceOf = new Map<number, number>();
  spaces.forEach((space, id) => {
    for (const a of space.atoms) spaceOf.set(a, id);
  });
  const candidates = new Array<readonly number[] | undefined>(spaces.length);
  let last: readonly BlockAxis[] | undefined;
  /** Room for the layouts of one value. */
  const plain: AxisLayout[] = [];
  for (let value = 0; value < axes.numbering.count; value++) {
    const own = axes.axesOf(value);
    // Entry-wise operators hand axes on as they are: one look at them is enough.
    if (own === undefined || own === last) continue;
    last = own;
    if (own.every(isPlain)) {
      plain.length = own.length;
      for (let i = 0; i < own.length; i++) plain[i] = axes.layoutOf(own[i] as PlainAxis);
      narrow(plain);
    } else for (const layout of blockLayouts(axes, value, own)) narrow(layout);
  }
  if (candidates.some((c) => c !== undefined && c.length > 0))
    for (let k = 0; k < axes.graph.nodes.length; k++) narrowByMixing(k);
  return candidates.map((c) => c?.[0]);

  function isOpen(segment: readonly AxisFactor[]): boolean {
    for (const { atom } of segment) {
      const id = spaceOf.get(atom);
      if (id !== undefined && candidates[id]?.length !== 0) return true;
    }
    return false;
  }

  /** Sums along axes that its output still has are inside of a node: these are values without such an axis. */
  function narrowByMixing(k: number): void {
    const { numbering } = axes;
    const node = axes.graph.nodes[k]!;
    const { mixes } = axes.equivariance(node) ?? {};
    const written = numbering.outputs[k]!;
    if (mixes === undefined || written.length === 0) return;
    const left = plainLayouts(written[0]!);
    const staying = left && new Set(left.flatMap(atomsIn));
    const inputs = numbering.inputs[k]!;
    const mixed = mixes(
      node,
      inputs.map((i) => numbering.types[i]?.shape?.length ?? 0),
    );
    mixed.forEach((gone, i) => {
      const value = inputs[i] ?? ABSENT;
      const own = value === ABSENT ? undefined : axes.axesOf(value);
      if (own === undefined || gone.length === 0) return;
      const layouts = plainLayouts(value);
      // Of blocks it is not known which axes go together: each axis is taken alone, which leaves no space fibred over another axis.
      if (layouts === undefined) for (const block of blockLayouts(axes, value, own)) for (const axis of block) narrow([axis]);
      else if (staying === undefined || gone.some((at) => layouts[at] && atomsIn(layouts[at]).some((atom) => staying.has(atom))))
        narrow(layouts.filter((_, at) => !gone.includes(at)));
    });
  }

  /** The layouts of a value's axes; undefined where it has blocks. */
  function plainLayouts(value: number): readonly AxisLayout[] | undefined {
    const own = value === ABSENT ? undefined : axes.axesOf(value);
    return own?.every(isPlain) ? own.map((a) => axes.layoutOf(a as PlainAxis)) : undefined;
  }

  function narrow(layout: readonly AxisLayout[]): void {
    for (let at = 0; at < layout.length; at++) {
      for (const segment of flattened(layout[at]!)) {
        if (!isOpen(segment)) continue;
        for (let position = 0; position < segment.length; position++) {
          const id = spaceOf.get(segment[position]!.atom);
          if (id === undefined || candidates[id]?.length === 0) continue;
          if (position > 0 && segment.findIndex((f) => spaceOf.get(f.atom) === id) < position) continue;
          const beside: number[] = [];
          const add = (f: AxisFactor) => {
            if (!f.pinned && f.size > 1 && spaceOf.get(f.atom) !== id) beside.push(f.atom);
          };
          for (let k = 0; k < position; k++) add(segment[k]!);
          for (let k = 0; k < layout.length; k++) if (k !== at && layout[k]!.length === 1) layout[k]![0]!.forEach(add);
          candidates[id] = candidates[id]?.filter((c) => beside.includes(c)) ?? beside;
        }
      }
    }
  }
}

/** The free atoms of an axis, those of concatenations inside of products with them. */
function atomsIn(layout: AxisLayout): number[] {
  return layout.flatMap((segment) =>
    segment.flatMap((f) => (f.pinned || f.size < 2 ? [] : [f.atom, ...(f.parts === undefined ? [] : atomsIn(f.parts))])),
  );
}

/** The segments of an axis, those of concatenations inside of products with what stands outside before them. */
function flattened(layout: AxisLayout): AxisLayout {
  if (!hasParts(layout)) return layout;
  return layout.flatMap((segment): AxisLayout => {
    const at = segment.findIndex((f) => f.parts !== undefined);
    if (at < 0) return [segment];
    const [before, after] = [segment.slice(0, at), segment.slice(at + 1)];
    return flattened(segment[at]!.parts!.map((part) => [...before, ...part, ...after]));
  });
}

/** The layouts of a value with blocks: one, or one for each block where blocks differ (which reading them must not state alike). */
function blockLayouts(axes: InferredAxes, value: number, own: readonly BlockAxis[]): (readonly AxisLayout[])[] {
  const selector = own.find(isSelector);
  const isInside = (a: BlockAxis) => isPlain(a) || a === selector || (a.kind === "dependent" && a.selector === selector);
  if (selector === undefined || !own.every(isInside)) return [axes.layoutsOf(value)!];
  const out: (readonly AxisLayout[])[] = [];
  for (let block = 0; block < selector.count; block++) {
    const inside: AxisLayout[] = [];
    for (const a of own) {
      if (isPlain(a)) inside.push(axes.layoutOf(a));
      else if (a.kind === "dependent" && a.selector === selector) inside.push(axes.layoutOf(a.options[block]!));
    }
    out.push(inside);
  }
  return out;
}

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
  if (candidates.some((c) => c !== undefined && c.length > 0)) for (let k = 0; k < axes.graph.nodes.length; k++) narrowBySums(k);
  return candidates.map((c) => c?.[0]);

  function isOpen(segment: readonly AxisFactor[]): boolean {
    for (const { atom } of segment) {
      const id = spaceOf.get(atom);
      if (id !== undefined && candidates[id]?.length !== 0) return true;
    }
    return false;
  }

  /**
   * What a node sums up is a value inside of it: each input less the indices that are summed over, where the output has such an index
   * again; and before the sum the product of all, which has the output's indices and these.
   */
  function narrowBySums(k: number): void {
    const { numbering } = axes;
    const node = axes.graph.nodes[k]!;
    const { sums } = axes.equivariance(node) ?? {};
    const [written = ABSENT] = numbering.outputs[k]!;
    const inputs = numbering.inputs[k]!;
    if (sums === undefined || written === ABSENT) return;
    const ranks = inputs.map((i) => numbering.types[i]?.shape?.length ?? 0);
    const summed = sums(node, ranks);
    if (summed.length === 0) return;
    const output = plainLayouts(written);
    const all = inputs.map(plainLayouts);
    if (output === undefined || summed.some((index) => index.some(([i]) => all[i] === undefined))) {
      // Of blocks it is not known which axes go together: each axis is taken alone, which leaves no space fibred over another axis.
      for (const value of inputs) {
        const own = value === ABSENT ? undefined : axes.axesOf(value);
        if (own !== undefined) for (const block of blockLayouts(axes, value, own)) for (const axis of block) narrow([axis]);
      }
      return;
    }
    const staying = new Set(output.flatMap(atomsIn));
    all.forEach((layouts, i) => {
      const gone = new Set(summed.flatMap((index) => index.flatMap(([input, axis]) => (input === i ? [axis] : []))));
      if (layouts?.some((layout, axis) => gone.has(axis) && atomsIn(layout).some((atom) => staying.has(atom))))
        narrow(layouts.filter((_, axis) => !gone.has(axis)));
    });
    const indices = summed.map(([[i, axis] = [0, 0]]) => all[i]![axis]).filter((layout) => layout !== undefined);
    narrow([...output, ...indices]);
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
          const open = candidates[id]?.filter((c) => beside.includes(c)) ?? beside;
          candidates[id] = open.filter((c) => isOnce(c, segment, layout, at));
        }
      }
    }
  }
}

/**
 * Whether an atom stands once beside what is in a segment of an axis: of what hangs on two indices of heads (products of each two heads)
 * features cannot differ per head.
 */
function isOnce(atom: number, segment: readonly AxisFactor[], layout: readonly AxisLayout[], axis: number): boolean {
  let count = 0;
  for (const f of segment) if (f.atom === atom) count++;
  for (let k = 0; k < layout.length; k++)
    if (k !== axis) for (const s of layout[k]!) for (const f of s) if (f.atom === atom) count++;
  return count < 2;
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

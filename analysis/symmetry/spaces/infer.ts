/** @file Runs the axis rules of the operator table over a graph: every axis of every value as segments of atoms. */
import type { Axis, AxisFactor, AxisLayout, AxisRuleContext, AxisStructure } from "../../graph/axes";
import { consumers, type Graph, type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import { type Shape, strides, type Tensor } from "../../graph/tensor";
import type { Equivariance } from "../../operators/equivariance";
import { sliceParts } from "../../operators/axes/movement";
import { AtomStore, type PlainAxis, type Segment } from "./atoms";
import { BlockAlgebra, type BlockAxis } from "./blocks";

/** The axes of every value, with the store that gives their atoms meaning. */
export interface InferredAxes extends AxisStructure {
  readonly atoms: AtomStore;
  readonly blocks: BlockAlgebra;
  /** Axes of a value as inferred, with blocks; undefined for values of unknown shape. */
  axes(value: string): readonly BlockAxis[] | undefined;
  /** The layout of an axis without blocks. */
  layoutOf(axis: PlainAxis): AxisLayout;
  /** Nodes without a rule, or with tensors of unknown shape: they pin everything that they touch. */
  readonly opaque: readonly Node[];
  /** Whether soft pins have met any operator; where not, inference without them would find the same. */
  readonly feltSoftPins: boolean;
}

export interface AxisInferenceOptions {
  /** Equivariance of an operator; undefined means opaque. */
  readonly equivariance: (node: Node) => Equivariance | undefined;
  /**
   * Whether the pattern of a constant (a rotary table along its frequencies) pins: it forbids permutations, not scalings or
   * matrix actions. Inference runs once with and once without.
   */
  readonly softPins: boolean;
}

/** Infers the axes of all values. Near-linear in the number of axes; never throws on a graph whose shapes are consistent. */
export function inferAxes(graph: Graph, options: AxisInferenceOptions): InferredAxes {
  const atoms = new AtomStore();
  const blocks = new BlockAlgebra(atoms);
  const known = new Map<string, readonly BlockAxis[]>();
  const readers = consumers(graph);
  const opaque: Node[] = [];
  // Of integers that count positions along an axis.
  const counts = new Map<string, BlockAxis>();
  const softlyPinned = new Set<string>();
  let feltSoftPins = false;
  const outputs = new Set(graph.outputs);

  const pinnedValue = (shape: Shape) => shape.map((n) => atoms.pinnedAxis(n));
  for (const input of graph.inputs) known.set(input.name, pinnedValue(input.shape));
  for (const p of graph.parameters.values()) {
    // A frozen weight cannot be permuted along; running statistics are, they are measured again.
    const fixed = options.softPins && !p.trainable && !p.buffer;
    if (fixed) softlyPinned.add(p.name);
    known.set(
      p.name,
      p.shape.map((n) => (fixed ? atoms.pinnedAxis(n) : atoms.fresh(n))),
    );
  }
  for (const [name, value] of graph.constants) {
    const varies = options.softPins ? variesAlong(value) : undefined;
    if (varies?.includes(true)) softlyPinned.add(name);
    known.set(
      name,
      value.shape.map((n, i) => (varies?.[i] ? atoms.pinnedAxis(n) : atoms.fresh(n))),
    );
  }

  const isUnusable = (v: string) => {
    if (v === "") return false;
    const shape = graph.types.get(v)?.shape;
    return shape === undefined || shape.includes(0);
  };
  for (const node of graph.nodes) {
    const rule = options.equivariance(node);
    if (!rule || node.inputs.some(isUnusable) || node.outputs.some(isUnusable)) {
      pinAll(node);
      continue;
    }
    const usedWell = new Set<number>();
    const context = ruleContext(node, usedWell);
    rule.axes(context);
    node.inputs.forEach((input, i) => {
      const axis = counts.get(input);
      if (!axis || usedWell.has(i)) return;
      if (i === 0 && MOVES_INTEGERS.has(node.operator)) counts.set(node.outputs[0]!, axis);
      else atoms.pin(blocks.settle([axis])[0]!);
    });
    // Outputs that the rule says nothing of (indices, masks) are pinned, and so is all they are made of if anybody reads them.
    for (const o of node.outputs) {
      if (o === "" || known.has(o)) continue;
      known.set(o, pinnedValue(graph.types.get(o)!.shape!));
      if (readers.has(o) || outputs.has(o)) {
        for (const i of node.inputs) for (const a of blocks.settle(known.get(i) ?? [])) atoms.pin(a);
      }
    }
  }
  for (const o of graph.outputs) {
    const along = counts.get(o);
    if (along) atoms.pin(blocks.settle([along])[0]!);
    const axes = known.get(o);
    if (axes) for (const a of blocks.settle(axes)) atoms.pin(a);
  }

  function pinAll(node: Node): void {
    opaque.push(node);
    for (const i of node.inputs) {
      for (const a of blocks.settle(known.get(i) ?? [])) atoms.pin(a);
      const along = counts.get(i);
      if (along) atoms.pin(blocks.settle([along])[0]!);
    }
    for (const o of node.outputs) {
      const shape = graph.types.get(o)?.shape;
      if (o !== "" && shape) known.set(o, pinnedValue(shape));
    }
  }

  function ruleContext(node: Node, usedWell: Set<number>): AxisRuleContext {
    const raw = (i: number) => {
      const name = node.inputs[i] ?? "";
      if (softlyPinned.has(name)) feltSoftPins = true;
      return known.get(name) ?? [];
    };
    const plain = (a: Axis) => blocks.settle([a as BlockAxis])[0]!;
    return {
      node,
      rawInput: (i) => raw(i) as readonly Axis[],
      input: (i) => blocks.settle(raw(i)),
      absent: (i) => (node.inputs[i] ?? "") === "",
      shape: (i) => graph.types.get(node.inputs[i] ?? "")?.shape ?? [],
      outputShape: (i = 0) => graph.types.get(node.outputs[i] ?? "")?.shape ?? [],
      constant: (i) => graph.constants.get(node.inputs[i] ?? ""),
      output(axes, i = 0) {
        known.set(node.outputs[i]!, axes as readonly BlockAxis[]);
      },
      counting(axis, i = 0) {
        counts.set(node.outputs[i]!, axis as BlockAxis);
      },
      counted(i) {
        usedWell.add(i);
        return counts.get(node.inputs[i] ?? "");
      },
      indexedLater: (axis) => indexedLater(graph, readers, node.outputs[0]!, axis),
      fresh: (n) => atoms.fresh(n),
      pinned: (n) => atoms.pinnedAxis(n),
      pin: (a) => atoms.pin(plain(a)),
      unify: (a, b) => atoms.unify(plain(a), plain(b)),
      slice: (a, start, end) => atoms.slice(plain(a), start, end),
      concat: (parts) => atoms.concat(parts.map(plain)),
      product: (factors) => atoms.product(factors.map(plain)),
      split: (a, sizes) => atoms.split(plain(a), sizes),
      settle: (axes) => blocks.settle(axes as readonly BlockAxis[]),
      reshape: (axes, from, to) =>
        blocks.reshape(axes as readonly BlockAxis[], from, to, (k) => indexedLater(graph, readers, node.outputs[0]!, k)),
      pick: (axes, axis, index) => blocks.pick(axes as readonly BlockAxis[], axis, index) as readonly Axis[] | undefined,
    };
  }

  const layouts = new Map<string, readonly AxisLayout[]>();
  // Values share axes; a layout holds for as long as the segments behind it do.
  const layoutOfAxis = new WeakMap<readonly Segment[], AxisLayout>();
  const layoutOf = (axis: PlainAxis): AxisLayout => {
    const segments = atoms.normal(axis);
    let out = layoutOfAxis.get(segments);
    if (!out) {
      out = segments.map((s) => s.map((id): AxisFactor => factorOf(atoms, id)));
      layoutOfAxis.set(segments, out);
    }
    return out;
  };
  return {
    atoms,
    blocks,
    opaque,
    feltSoftPins,
    layoutOf,
    axes: (value) => known.get(value),
    layout(value) {
      const axes = known.get(value);
      if (!axes) return undefined;
      let out = layouts.get(value);
      if (!out) {
        out = blocks.settle(axes).map(layoutOf);
        layouts.set(value, out);
      }
      return out;
    },
  };
}

function factorOf(atoms: AtomStore, id: number): AxisFactor {
  const atom = atoms.find(id);
  return { atom, size: atoms.sizeOf(atom), pinned: atoms.isPinned(atom) };
}

/** Operators that hand on integers of their first input as they are. */
const MOVES_INTEGERS: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Transpose",
  "Slice",
  "Expand",
  "Tile",
  "Gather",
]);

/** For each axis of a constant whether its values change along it. */
function variesAlong(value: Tensor): boolean[] {
  const { data, shape } = value;
  const step = strides(shape);
  return shape.map((n, axis) => {
    const inner = step[axis]!;
    for (let block = 0; n > 1 && block < data.length; block += n * inner) {
      for (let i = block + inner; i < block + n * inner; i++) if (data[i] !== data[i - inner]) return true;
    }
    return false;
  });
}

/**
 * Whether single entries of an axis are picked by constant indices further on: Gather of a scalar or a Slice, behind
 * operators that only move axes.
 */
function indexedLater(graph: Graph, readers: ReadonlyMap<string, readonly Node[]>, value: string, axis: number): boolean {
  const pending: [string, number][] = [[value, axis]];
  for (let steps = 0; pending.length > 0 && steps < 64; steps++) {
    const [name, at] = pending.pop()!;
    const shape = graph.types.get(name)?.shape;
    if (!shape) continue;
    for (const reader of readers.get(name) ?? []) {
      if (reader.inputs[0] !== name) continue;
      const out = reader.outputs[0]!;
      if (reader.operator === "Gather") {
        const g = numberAttribute(reader, "axis", 0);
        const picked = graph.constants.get(reader.inputs[1]!);
        const dropped = g < 0 ? g + shape.length : g;
        if (picked?.shape.length !== 0) continue;
        if (dropped === at) return true;
        pending.push([out, at > dropped ? at - 1 : at]);
      } else if (reader.operator === "Slice") {
        const parts = sliceParts({
          node: reader,
          shape: () => shape,
          absent: (i) => (reader.inputs[i] ?? "") === "",
          constant: (i) => graph.constants.get(reader.inputs[i] ?? ""),
        });
        const length = graph.types.get(out)?.shape?.[at];
        if (parts?.some((p) => p.axis === at) && length === 1) return true;
      } else if (reader.operator === "Transpose") {
        const perm = numbersAttribute(reader, "perm") ?? shape.map((_, i) => shape.length - 1 - i);
        pending.push([out, perm.indexOf(at)]);
      } else if (reader.operator === "Reshape") {
        const moved = sameAxisAfterReshape(shape, graph.types.get(out)?.shape, at);
        if (moved !== undefined) pending.push([out, moved]);
      }
    }
  }
  return false;
}

/** Where an axis is after a Reshape that leaves it as it is; undefined when it is merged or split. */
function sameAxisAfterReshape(from: Shape, to: Shape | undefined, axis: number): number | undefined {
  if (!to || from[axis] === 1) return undefined;
  const before = from.slice(0, axis).reduce((n, d) => n * d, 1);
  let n = 1;
  for (let j = 0; j < to.length; j++) {
    if (n === before && to[j] === from[axis]) return j;
    n *= to[j]!;
  }
  return undefined;
}

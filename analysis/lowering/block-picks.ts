/**
 * @file Queries, keys and values of each head in turn, made by one layer: what is picked of every head's share of a product with
 * weights is the product with what is picked of the weights. Behind it each of the three has weights of its own.
 */
import { numberAttribute, numbersAttribute } from "../graph/graph";
import type { SplitAxis } from "../graph/slices";
import type { Shape } from "../graph/tensor";
import { smallConstant } from "./constants";
import { PICKING, type Pick, pickOf } from "./picks";
import { isOf, type Item, type Value } from "./values";
import type { Workspace } from "./workspace";

/** Values between weights and a selection that are looked at. */
const MOST_VALUES = 64;

/** Entries along the middle factor of one axis of a value. */
interface Block {
  readonly axis: number;
  readonly split: SplitAxis;
  readonly start: number;
  readonly end: number;
}

/** A reshape all of whose readers pick along one and the same of its axes, some behind transposes. */
interface Shared {
  readonly reshape: Item;
  readonly axis: number;
  readonly picks: Map<Item, FoundPick>;
}

interface FoundPick {
  readonly pick: Pick;
  /** The transposes between, from the reshape on. */
  readonly transposes: readonly Item[];
}

/** Moves selections of parts of every block of channels onto the weights that make the channels; true if there was one. */
export function pickBlocksOfWeights(w: Workspace): boolean {
  const candidates = findShared(w);
  if (candidates.size === 0) return false;
  w.countReaders();
  const summed = summedTogether(w, candidates);
  const found = new Map<Item, { readonly shared: Shared; readonly place: Omit<Block, "start" | "end"> }>();
  for (const shared of candidates.values()) {
    const { reshape, axis, picks } = shared;
    const [from, to] = [reshape.inputs[0]!, reshape.outputs[0]!];
    const place = blockIn(from.type.shape, to.type.shape, axis, [1, to.type.shape![axis]!, 1]);
    const places = new Set([...picks.values()].map(({ pick }) => `${pick.start}:${pick.end}`));
    // Blocks that follow each other are ranges of the weights, which engines tell apart as they are.
    if (!place || place.split[0] === 1 || places.size < 2 || summed.has(shared) || !areAllReaders(shared)) continue;
    if (!canPick(w, from, place.axis, place.split, { left: MOST_VALUES })) continue;
    for (const item of picks.keys()) found.set(item, { shared, place });
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const known = found.get(item);
    if (!known) return w.add(item.node);
    const { shared, place } = known;
    const { pick, transposes } = shared.picks.get(item)!;
    const { reshape, axis } = shared;
    const made = picked(w, w.root(reshape.inputs[0]!), { ...place, start: pick.start, end: pick.end }, item);
    const size = pick.end - pick.start;
    let name = reshaped(w, made, reshape.outputs[0]!.type.shape!.with(axis, size), item);
    for (const { node } of transposes) name = added(w, item, "Transpose", [name], { perm: node.attributes["perm"]! });
    w.add({
      ...item.node,
      operator: "Reshape",
      inputs: [name, shapeConstant(w, item.outputs[0]!.type.shape!)],
      attributes: {},
    });
  });
  return true;
}

/** All reshapes whose results are picked from, with the picks along one axis each. */
function findShared(w: Workspace): Map<Item, Shared> {
  const out = new Map<Item, Shared>();
  const refused = new Set<Item>();
  for (const item of w.itemsOf(...PICKING)) {
    const pick = pickOf(item);
    if (!pick) continue;
    const transposes: Item[] = [];
    let { axis } = pick;
    let writer = item.inputs[0]?.writer;
    while (writer && isOf(writer, "Transpose") && transposes.length < MOST_VALUES) {
      const before = numbersAttribute(writer.node, "perm")?.[axis];
      if (before === undefined) break;
      transposes.unshift(writer);
      axis = before;
      writer = writer.inputs[0]?.writer;
    }
    // Of graphs that contradict themselves, axes may be none of those that there are.
    if (!writer || !isOf(writer, "Reshape") || writer.outputs[0]?.type.shape?.[axis] === undefined || refused.has(writer))
      continue;
    const known = out.get(writer) ?? { reshape: writer, axis, picks: new Map<Item, FoundPick>() };
    if (known.axis !== axis) {
      refused.add(writer);
      out.delete(writer);
      continue;
    }
    known.picks.set(item, { pick, transposes });
    out.set(writer, known);
  }
  return out;
}

/** Operators that leave entries what they are, or multiply them. */
const PASSING: ReadonlySet<string> = new Set(["Reshape", "Transpose", "Slice", "Concat", "Neg", "Mul", "Div", "Add", "Sub"]);

/** Picks of one reshape that a value is made of, by multiplying and adding. */
interface Made {
  readonly shared: Shared;
  readonly places: ReadonlySet<string>;
}

/**
 * Reshapes of which different picks are added to each other: the two coordinates of complex numbers, which positions turn. They
 * are told as such while one weight makes both.
 */
function summedTogether(w: Workspace, candidates: ReadonlyMap<Item, Shared>): ReadonlySet<Shared> {
  const out = new Set<Shared>();
  const made = new Map<Value, Made>();
  for (const shared of candidates.values()) {
    for (const [item, { pick }] of shared.picks)
      made.set(item.outputs[0]!, { shared, places: new Set([`${pick.start}:${pick.end}`]) });
  }
  for (const { node, inputs, outputs } of w.items) {
    const value = outputs[0];
    if (node.domain !== "" || !PASSING.has(node.operator) || !value || made.has(value)) continue;
    const parts = inputs.flatMap((i) => made.get(i) ?? []);
    const [first] = parts;
    if (!first || parts.some((p) => p.shared !== first.shared)) continue;
    const places = parts.length === 1 ? first.places : new Set(parts.flatMap((p) => [...p.places]));
    if (parts.length > 1 && places.size > 1 && (node.operator === "Add" || node.operator === "Sub")) out.add(first.shared);
    made.set(value, { shared: first.shared, places });
  }
  return out;
}

/** Whether nothing else reads the reshape or the transposes between it and the picks. */
function areAllReaders({ reshape, picks }: Shared): boolean {
  const readers = new Map<Value, Set<Item>>();
  const note = (value: Value, reader: Item) => readers.set(value, (readers.get(value) ?? new Set<Item>()).add(reader));
  for (const [item, { transposes }] of picks) {
    let value = reshape.outputs[0]!;
    for (const reader of [...transposes, item]) {
      note(value, reader);
      value = reader.outputs[0]!;
    }
  }
  return [...readers].every(([value, own]) => value.reads === own.size);
}

/**
 * Where a part of an axis of the reshaped tensor is in the tensor before: the axis that it is a factor of; undefined where it
 * stretches over several.
 * @param split the part as the middle factor of the axis
 */
export function blockIn(
  from: Shape | undefined,
  to: Shape | undefined,
  axis: number,
  [, own, after]: SplitAxis,
): Omit<Block, "start" | "end"> | undefined {
  if (!from || !to) return undefined;
  const behind = (shape: Shape, k: number): number => shape.slice(k + 1).reduce((n, d) => n * d, 1);
  const step = after * behind(to, axis);
  for (let k = 0; k < from.length; k++) {
    const [size, inner] = [from[k]!, behind(from, k)];
    if (size === 1 || step % inner !== 0 || (size * inner) % (own * step) !== 0) continue;
    return { axis: k, split: [(size * inner) / (own * step), own, step / inner] };
  }
  return undefined;
}

/** Whether `picked` can pick of this value: whether weights make the axis, by operators that keep its entries apart. */
function canPick(w: Workspace, value: Value, axis: number, split: SplitAxis, budget: { left: number }): boolean {
  if (w.parameters.has(value.name) || smallConstant(value) !== undefined) return true;
  const { writer } = value;
  if (!writer || writer.node.domain !== "" || budget.left-- <= 0) return false;
  const sources = sourcesOf(writer, axis, split);
  // What others read as well would be computed twice.
  if (!sources || (value.reads !== 1 && !isMovement(writer))) return false;
  return sources.every((s, k) => s === undefined || canPick(w, writer.inputs[k]!, s.axis, s.split, budget));
}

function isMovement(item: Item): boolean {
  return isOf(item, "Transpose", "Reshape");
}

type Source = Omit<Block, "start" | "end">;

/**
 * For each input of an item where the entries along an axis of its output come from; undefined for inputs that all of them come
 * from, and instead of the list where no rule says it.
 */
function sourcesOf({ node, inputs, outputs }: Item, axis: number, split: SplitAxis): (Source | undefined)[] | undefined {
  const shape = outputs[0]?.type.shape;
  const shapes = inputs.map((i) => i.type.shape);
  if (!shape || shapes.some((s, k) => s === undefined && inputs[k]!.name !== "")) return undefined;
  const rank = shape.length;
  switch (node.operator) {
    case "MatMul": {
      const [a, b] = shapes as [Shape, Shape];
      if (a.length < 2 || b.length < 2) return undefined;
      if (axis === rank - 1) return [undefined, { axis: b.length - 1, split }];
      return axis === rank - 2 ? [{ axis: a.length - 2, split }, undefined] : undefined;
    }
    case "Conv":
      if (axis !== 1 || numberAttribute(node, "group", 1) !== 1) return undefined;
      return [undefined, { axis: 0, split }, ...(inputs.length > 2 && inputs[2]!.name !== "" ? [{ axis: 0, split }] : [])];
    case "Add":
    case "Sub":
    case "Mul":
    case "Div":
      return shapes.map((s) => {
        const own = axis - (rank - s!.length);
        return own < 0 || s![own] === 1 ? undefined : { axis: own, split };
      });
    case "Transpose": {
      const before = numbersAttribute(node, "perm")?.[axis];
      return before === undefined ? undefined : [{ axis: before, split }];
    }
    case "Reshape": {
      const block = blockIn(shapes[0], shape, axis, split);
      return block && [block, undefined];
    }
    default:
      return undefined;
  }
}

/** The value with only the entries of the block along the axis; only for what `canPick` allows. Returns its name. */
function picked(w: Workspace, value: Value, block: Block, at: Item): string {
  const { writer } = value;
  const { axis, split, start, end } = block;
  const [before, own, after] = split;
  const shape = value.type.shape!;
  const size = before * (end - start) * after;
  if (!writer) {
    const apart = reshaped(w, value.name, shape.toSpliced(axis, 1, before, own, after), at);
    const bounds = [start, end, axis + 1, 1].map((n) => w.addConstant({ type: "int64", shape: [1], data: Float64Array.of(n) }));
    return reshaped(w, added(w, at, "Slice", [apart, ...bounds]), shape.with(axis, size), at);
  }
  const sources = sourcesOf(writer, axis, split)!;
  const inputs = writer.inputs.map((v, k) => {
    const source = sources[k];
    return source ? picked(w, w.root(v), { ...source, start, end }, at) : v.name;
  });
  if (writer.node.operator === "Reshape") return reshaped(w, inputs[0]!, shape.with(axis, size), at);
  return added(w, writer, writer.node.operator, inputs, writer.node.attributes);
}

function reshaped(w: Workspace, name: string, shape: Shape, at: Item): string {
  return added(w, at, "Reshape", [name, shapeConstant(w, shape)]);
}

function shapeConstant(w: Workspace, shape: Shape): string {
  return w.addConstant({ type: "int64", shape: [shape.length], data: Float64Array.from(shape) });
}

/** A new node where another one was; returns the name of its output, as it is called now. */
function added(
  w: Workspace,
  { node }: Item,
  operator: string,
  inputs: readonly string[],
  attributes: Item["node"]["attributes"] = {},
): string {
  const output = w.fresh(`${node.name}/picked`);
  w.add({ ...node, operator, name: output, inputs, outputs: [output], attributes });
  return w.resolve(output);
}

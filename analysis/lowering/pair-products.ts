/**
 * @file Products of chosen pairs of rows: features that are stacked, multiplied with themselves, and of which some entries are
 * read (the interactions of a recommender, Naumov et al. 1906.00091). Pair by pair, each feature has a scale of its own.
 */
import type { Node } from "../graph/graph";
import { elementCount, int64Vector, type Shape, type Tensor } from "../graph/tensor";
import { operatorTable } from "../operators/table";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Pairs up to which they are written one by one. */
const MOST_PAIRS = 400;

/** Operators between a product and what is read of it: they only choose and arrange entries. */
const ARRANGING: ReadonlySet<string> = new Set(["Transpose", "Reshape", "Slice"]);
const CHOOSING: ReadonlySet<string> = new Set(["Gather", "GatherND"]);

/** Consecutive rows of a stack that are one value. */
interface Piece {
  readonly value: Value;
  readonly rows: number;
}

/** Rows stacked along the second last axis of a tensor of three. */
interface Stack {
  readonly pieces: readonly Piece[];
  readonly batch: number;
  readonly features: number;
}

interface ChosenPairs {
  readonly left: Stack;
  readonly right: Stack;
  readonly pairs: readonly (readonly [number, number])[];
  /** Which axis of the output runs over pairs. */
  readonly axis: number;
}

/** Rewrites what is chosen of products of stacks; true if there was any. */
export function separatePairs(w: Workspace): boolean {
  const found = new Map<Item, ChosenPairs>();
  for (const item of w.itemsOf(...CHOOSING)) {
    const chosen = chosenPairs(item);
    if (chosen) found.set(item, chosen);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const chosen = found.get(item);
    if (chosen) addPairs(w, item, chosen);
    else w.add(item.node);
  });
  return true;
}

/** The pairs whose products a value shows, if that is all that it shows, batch entry by batch entry. */
function chosenPairs(item: Item): ChosenPairs | undefined {
  const chain: Item[] = [item];
  let at = item.inputs[0]?.writer;
  while (at !== undefined && at.node.domain === "" && (ARRANGING.has(at.node.operator) || CHOOSING.has(at.node.operator))) {
    chain.unshift(at);
    at = at.inputs[0]?.writer;
  }
  if (at?.node.operator !== "MatMul" || at.node.domain !== "") return undefined;
  const shape = at.outputs[0]!.type.shape;
  const target = item.outputs[0]!.type.shape;
  const transposed = transposedSource(at.inputs[1]);
  const left = stackOf(at.inputs[0]);
  const right = transposed && stackOf(transposed);
  if (!left || !right || shape?.length !== 3 || !target || left.pieces.length + right.pieces.length < 3) return undefined;
  const places = placesAfter(shape, chain);
  return places && arrangement(places, target, shape, left, right);
}

/** Where each entry of what comes out was in the product; undefined where something between has no constant indices. */
function placesAfter(shape: Shape, chain: readonly Item[]): Float64Array | undefined {
  let places: Tensor = { type: "float64", shape, data: Float64Array.from({ length: elementCount(shape) }, (_, i) => i) };
  for (const { node, inputs } of chain) {
    const rest = inputs.slice(1);
    if (rest.some((v) => v.name !== "" && v.constant === undefined)) return undefined;
    try {
      const made = operatorTable(node.operator, "")?.evaluate?.(node, [places, ...rest.map((v) => v.constant)])[0];
      if (!made) return undefined;
      places = made;
    } catch {
      return undefined; // contradicts its operator: the node stays and says so
    }
  }
  return places.data;
}

/** Reads places as pairs along one axis, and batch entries in order along the others. */
function arrangement(
  places: Float64Array,
  target: Shape,
  [batch, rows, columns]: Shape,
  left: Stack,
  right: Stack,
): ChosenPairs | undefined {
  const size = rows! * columns!;
  const axis = target.findIndex(
    (n, k) => n * batch! === places.length && places.length > 0 && variesAlong(places, target, k, size),
  );
  const count = target[axis];
  if (axis < 0 || count === undefined || count > MOST_PAIRS) return undefined;
  const after = elementCount(target.slice(axis + 1));
  const pairs: (readonly [number, number])[] = [];
  for (let k = 0; k < count; k++) {
    const place = places[k * after]! % size;
    pairs.push([Math.floor(place / columns!), place % columns!]);
  }
  for (let i = 0; i < places.length; i++) {
    const k = Math.floor(i / after) % count;
    const entry = Math.floor(i / (after * count)) * after + (i % after);
    const [row, column] = pairs[k]!;
    if (places[i] !== entry * size + row * columns! + column) return undefined;
  }
  return { left, right, pairs, axis };
}

/** Whether the pair differs along an axis, or the axis may stand for the only pair. */
function variesAlong(places: Float64Array, target: Shape, axis: number, size: number): boolean {
  const after = elementCount(target.slice(axis + 1));
  return target[axis] === 1 || places[0]! % size !== places[after]! % size;
}

/** What a value is the transpose of, in its last two axes. */
function transposedSource(value: Value | undefined): Value | undefined {
  const item = value?.writer;
  const perm = item?.node.attributes["perm"];
  if (item?.node.operator !== "Transpose" || item.node.domain !== "" || !Array.isArray(perm)) return undefined;
  return perm.join() === "0,2,1" ? item.inputs[0] : undefined;
}

/** The pieces of a stack: values put together along its rows, before or after the rows were told apart. */
function stackOf(value: Value | undefined): Stack | undefined {
  const [batch, rows, features] = value?.type.shape ?? [];
  if (!value || batch === undefined || rows === undefined || features === undefined) return undefined;
  const { writer } = value;
  if (writer?.node.domain !== "") return undefined;
  const flat = writer.node.operator === "Reshape" ? writer.inputs[0] : undefined;
  const joined = flat ? flat.writer : writer;
  if (joined?.node.operator !== "Concat" || joined.node.domain !== "") return undefined;
  const rank = joined.outputs[0]!.type.shape?.length ?? 0;
  if (flat && (rank !== 2 || flat.type.shape?.[0] !== batch)) return undefined;
  const along = joined.node.attributes["axis"];
  if (typeof along !== "number" || (along < 0 ? along + rank : along) !== 1) return undefined;
  const pieces: Piece[] = [];
  for (const part of joined.inputs) {
    const length = part.type.shape?.[1];
    if (length === undefined) return undefined;
    const own = flat ? length / features : length;
    if (!Number.isInteger(own) || own === 0) return undefined;
    pieces.push({ value: part, rows: own });
  }
  return { pieces, batch, features };
}

/** Adds the products pair by pair, arranged as they were. */
function addPairs(w: Workspace, item: Item, { left, right, pairs, axis }: ChosenPairs): void {
  const { node } = item;
  const { batch, features } = left;
  const target = item.outputs[0]!.type.shape!;
  const add = (operator: string, inputs: readonly string[], attributes: Node["attributes"], output?: string): string => {
    const name = output ?? w.fresh(`${node.name}/${operator}`);
    w.add({ ...node, name, operator, inputs, outputs: [name], attributes });
    return w.resolve(name);
  };
  const sizes = (list: readonly number[]): string => w.addConstant(int64Vector(list));
  const known = new Map<string, string>();
  const rowOf = ({ pieces }: Stack, row: number): string => {
    let start = 0;
    for (const { value, rows } of pieces) {
      if (row >= start + rows) {
        start += rows;
        continue;
      }
      const key = `${value.name} ${row - start}`;
      let made = known.get(key);
      if (made === undefined) {
        const apart = add("Reshape", [value.name, sizes([batch, rows, features])], {});
        const ends = [row - start, row - start + 1].map((i) => sizes([i]));
        const own = rows === 1 ? apart : add("Slice", [apart, ...ends, sizes([1]), sizes([1])], {});
        made = add("Reshape", [own, sizes([batch, features])], {});
        known.set(key, made);
      }
      return made;
    }
    throw new RangeError(`a stack has no row ${row}`);
  };
  const products = pairs.map(([i, j]) => {
    const product = add("Mul", [rowOf(left, i), rowOf(right, j)], {});
    return add("ReduceSum", [product, sizes([1])], { keepdims: 1, noop_with_empty_axes: 0 });
  });
  let made = add("Concat", products, { axis: 1 });
  const [before, after] = [elementCount(target.slice(0, axis)), elementCount(target.slice(axis + 1))];
  if (before === 1 && after > 1) made = add("Transpose", [made], { perm: [1, 0] });
  else if (after > 1) {
    made = add("Reshape", [made, sizes([before, after, pairs.length])], {});
    made = add("Transpose", [made], { perm: [0, 2, 1] });
  }
  w.add({ ...node, operator: "Reshape", inputs: [made, sizes(target)], attributes: {} });
}

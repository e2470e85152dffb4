/**
 * @file Places that are compared with numbers: where the k-th entry is the largest, `argmax(s) == k`, is the k-th entry of the
 * one-hot code of the place, and `argmax(s) == arange(n)` is the code itself. So written, which entry is which matters no more
 * than in s: experts that a router chooses by comparing may change places.
 */
import { type Node, numberAttribute } from "../graph/graph";
import { operatorsThat } from "../operators/movers";
import type { Workspace } from "./workspace";
import type { Item, Value } from "./values";

/** Operators that look along an axis for the largest or smallest entries; which output holds their places. */
const SEARCHES: ReadonlyMap<string, number> = new Map([
  ["TopK", 1],
  ["ArgMax", 0],
  ["ArgMin", 0],
]);

/** Operators that move entries of their first input about; a Cast keeps places whole numbers. */
const MOVING: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes", "picks", "repeats"), "Cast"]);

/** A comparison of places among `size` with one of them, or with all of them in order along the last axis. */
interface Comparison {
  readonly places: Value;
  readonly size: number;
  readonly with: number | "all";
}

/** Writes comparisons of places with constants by one-hot codes; true if there was one. */
export function codePlaces(w: Workspace): boolean {
  const found = new Map<Item, Comparison>();
  for (const item of w.itemsOf("Equal")) {
    const comparison = comparisonOf(item);
    if (comparison) found.set(item, comparison);
  }
  if (found.size === 0) return false;
  w.rewrite((item) => {
    const comparison = found.get(item);
    if (comparison) w.add(coded(w, item.node, comparison));
    else w.add(item.node);
  });
  return true;
}

function comparisonOf({ node, inputs }: Item): Comparison | undefined {
  if (node.operator !== "Equal" || node.domain !== "" || inputs.length !== 2) return undefined;
  const [a, b] = inputs as [Value, Value];
  const places = b.constant === undefined ? b : a;
  const constant = places === a ? b.constant : a.constant;
  const shape = places.type.shape;
  const size = searchedSize(places);
  if (!constant || !shape || size === undefined || size < 2) return undefined;
  const { data } = constant;
  if (data.length === 1 && constant.shape.length <= shape.length) {
    const k = data[0]!;
    return Number.isInteger(k) && k >= 0 && k < size ? { places, size, with: k } : undefined;
  }
  // One entry for each place, along the last axis, where the places have one.
  const isLast = constant.shape.at(-1) === size && data.length === size && constant.shape.length <= shape.length;
  const inOrder = isLast && shape.at(-1) === 1 && data.every((x, k) => x === k);
  return inOrder ? { places, size, with: "all" } : undefined;
}

/** Among how many entries a value's entries are places; undefined where they are none. */
function searchedSize(places: Value): number | undefined {
  for (let value = places; ; ) {
    const { writer } = value;
    if (!writer || writer.node.domain !== "") return undefined;
    const at = SEARCHES.get(writer.node.operator);
    if (at === undefined) {
      if (!MOVING.has(writer.node.operator) || writer.outputs[0] !== value) return undefined;
      value = writer.inputs[0]!;
      continue;
    }
    const shape = writer.inputs[0]!.type.shape;
    const axis = numberAttribute(writer.node, "axis", writer.node.operator === "TopK" ? -1 : 0);
    return writer.outputs[at] === value ? shape?.at(axis) : undefined;
  }
}

/** The node that writes what the comparison wrote. */
function coded(w: Workspace, node: Node, { places, size, with: compared }: Comparison): Node {
  const integer = (k: number): string => w.addConstant({ type: "int64", shape: [], data: Float64Array.of(k) });
  // Whole numbers and not truth values: ONNX Runtime has no kernel for codes of those.
  const marks = w.addConstant({ type: "int64", shape: [2], data: Float64Array.of(0, 1) });
  const code = w.fresh(`${node.name}/OneHot`);
  const name = w.resolve(places.name);
  w.add({ ...node, name: code, operator: "OneHot", inputs: [name, integer(size), marks], outputs: [code], attributes: {} });
  const truth = w.fresh(`${node.name}/Cast`);
  w.add({ ...node, name: truth, operator: "Cast", inputs: [w.resolve(code)], outputs: [truth], attributes: { to: 9 } });
  const all = w.resolve(truth);
  if (compared !== "all") return { ...node, operator: "Gather", inputs: [all, integer(compared)], attributes: { axis: -1 } };
  // The places' last axis, of size one, has made way for the code.
  const shape = w.type(name).shape!;
  const target = Float64Array.from([...shape.slice(0, -1), size]);
  return { ...node, operator: "Reshape", inputs: [all, w.addConstant({ type: "int64", shape: [target.length], data: target })] };
}

/**
 * @file Which entries of a mask the data can set at all. A one-hot code of places among n entries has nothing behind the n-th
 * class: a class more than there are experts (for those elsewhere) picks no rows.
 */
import { type Node, numberAttribute } from "../../graph/graph";
import { elementCount, filled, type Tensor, type TensorType } from "../../graph/tensor";
import { operatorsThat } from "../movers";
import { operatorTable } from "../table";

/** What is known of a graph's values. */
export interface KnownValues {
  writer(value: string): Node | undefined;
  type(value: string): TensorType;
  constant(value: string): Tensor | undefined;
}

/** Operators that give zero where all they read is zero, and never less for more: their first input is the data. */
const MONOTONE: ReadonlySet<string> = new Set([
  ...operatorsThat("reshapes", "transposes", "picks", "repeats"),
  "Cast",
  "ReduceSum",
  "ReduceMax",
]);

/** Operators that move places about; their first input is the places. */
const MOVING: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes"), "Cast"]);

/** How far back a mask is followed. */
const MOST_STEPS = 12;

const LARGEST = 65_536;

/** A tensor of ones and zeros, zero where the mask's entries are always zero; undefined where nothing is known of them. */
export function possibleEntries(mask: string, known: KnownValues): Tensor | undefined {
  const path: Node[] = [];
  let value = mask;
  for (let step = 0; step < MOST_STEPS; step++) {
    const node = known.writer(value);
    if (node === undefined || node.domain !== "" || node.outputs[0] !== value) return undefined;
    if (node.operator === "OneHot") {
      let found = possibleCodes(node, known);
      for (const next of path.toReversed()) found = found && passed(next, found, known);
      return found;
    }
    const isAboveZero = node.operator === "Greater" && known.constant(node.inputs[1]!)?.data.every((v) => v >= 0) === true;
    if (!isAboveZero && !MONOTONE.has(node.operator)) return undefined;
    path.push(node);
    value = node.inputs[0]!;
  }
  return undefined;
}

/** Ones for the classes of a one-hot code that its places reach. */
function possibleCodes(node: Node, known: KnownValues): Tensor | undefined {
  const [places, , values] = node.inputs;
  const { shape } = known.type(node.outputs[0]!);
  const count = placeCount(places!, known);
  const [off, on] = known.constant(values!)?.data ?? [];
  if (shape === undefined || count === undefined || off !== 0 || on === undefined || on <= 0) return undefined;
  if (elementCount(shape) > LARGEST) return undefined;
  const given = numberAttribute(node, "axis", -1);
  const axis = given < 0 ? given + shape.length : given;
  const [size, inner] = [shape[axis]!, elementCount(shape.slice(axis + 1))];
  const data = Float64Array.from({ length: elementCount(shape) }, (_, i) => (Math.floor(i / inner) % size < count ? on : 0));
  return { type: known.type(node.outputs[0]!).type, shape, data };
}

/** Among how many entries places were looked for, which are therefore from 0 to one less. */
function placeCount(places: string, known: KnownValues): number | undefined {
  let value = places;
  for (let step = 0; step < MOST_STEPS; step++) {
    const node = known.writer(value);
    if (node === undefined || node.domain !== "") return undefined;
    const isPlaces =
      node.operator === "TopK" ? node.outputs[1] === value : node.operator === "ArgMax" || node.operator === "ArgMin";
    if (isPlaces) {
      const { shape } = known.type(node.inputs[0]!);
      return shape?.at(numberAttribute(node, "axis", node.operator === "TopK" ? -1 : 0));
    }
    if (!MOVING.has(node.operator)) return undefined;
    value = node.inputs[0]!;
  }
  return undefined;
}

/** What an operator makes of the largest entries that there can be. */
function passed(node: Node, first: Tensor, known: KnownValues): Tensor | undefined {
  // Whatever it is compared with, what may be above zero may be above that.
  const data = node.operator === "Greater" ? first.data.map((v) => (v === 0 ? 0 : Number.POSITIVE_INFINITY)) : first.data;
  const inputs = node.inputs.map((i, k) => (k === 0 ? { ...first, data } : i === "" ? undefined : known.constant(i)));
  if (inputs.some((t, k) => t === undefined && node.inputs[k] !== "")) return undefined;
  try {
    const [out] = operatorTable(node.operator, "")?.evaluate?.(node, inputs) ?? [];
    return out && { ...filled(out.shape, 0, out.type), data: out.data.map((v) => (v === 0 ? 0 : 1)) };
  } catch {
    return undefined; // no kernel for this case
  }
}

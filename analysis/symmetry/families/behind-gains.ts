/**
 * @file Weights and biases that fixed gains stand behind (layer scale): changed in proportion to the inverse gains along their
 * outputs, they change what the gains write by the same number in all channels, which a norm of the channels forgets.
 */
import { type Node, numberAttribute, numbersAttribute } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { type Change, known, unknown } from "./change";
import type { Flow } from "./follow";
import { isAlong } from "./constant-sums";
import { parameterBehind } from "./unreadable";
import { type Source, spread } from "./sources";

/** A fixed vector along the axis that entries have been multiplied with, or divided by. */
interface Gain {
  readonly value: string;
  readonly inverse: boolean;
}

/** A value on the way back from gains: what is in all entries along `axis` the inverse of the gains, they make equal. */
interface Place {
  readonly value: string;
  readonly axis: number;
  readonly gains: readonly Gain[];
}

/** Parameters whose change in proportion to inverse gains is constant along one axis once it has passed the gains. */
export function* behindGains(flow: Flow): Iterable<Source> {
  const uses = new Map<string, number>();
  for (const n of flow.graph.nodes) for (const i of n.inputs) uses.set(i, (uses.get(i) ?? 0) + 1);
  for (const o of flow.graph.outputs) uses.set(o, 2);
  for (const node of flow.graph.nodes) {
    const first = pastGain(flow, node, node.outputs[0] ?? "", undefined);
    // Gains behind these have them on their way.
    if (first) yield* reached(flow, uses, node.outputs[0]!, [first]);
  }
}

/** Everything on the way back to the parameters, through values that nothing else reads. */
function* reached(flow: Flow, uses: ReadonlyMap<string, number>, to: string, places: Place[]): Iterable<Source> {
  const shape = flow.shape(to);
  const axis = axisBehind(flow, to);
  if (axis === undefined) return;
  while (places.length > 0) {
    const place = places.pop()!;
    const node = flow.writerOf(place.value);
    if (!node || node.domain !== "" || uses.get(place.value) !== 1 || !flow.isActivation(place.value)) continue;
    const weight = weightOf(flow, node, place, uses);
    if (weight && isTrained(flow, weight.parameter)) {
      const narrow = shape.map((n, i) => (i === axis ? 1 : n));
      yield sourceOf(flow, weight, place.gains, new Map([[to, unknown(narrow, weight.parameter, [])]]));
    }
    const bias = biasOf(flow, node, place, uses);
    if (bias && isTrained(flow, bias.parameter)) {
      const constant = known(
        shape.map(() => 1),
        Float64Array.of(1),
        Int32Array.of(0),
      );
      yield sourceOf(flow, bias, place.gains, new Map([[to, constant]]));
    }
    places.push(...before(flow, node, place));
  }
}

/** The axis that the gains of a node lie along. */
function axisBehind(flow: Flow, value: string): number | undefined {
  const node = flow.writerOf(value)!;
  const gain = node.inputs.find((i) => !flow.isActivation(i))!;
  const shape = flow.shape(gain);
  const long = shape.flatMap((n, i) => (n > 1 ? [i + flow.shape(value).length - shape.length] : []));
  return long.length === 1 ? long[0] : undefined;
}

/** What a product with a fixed vector along an axis reads; that axis where it is known already. */
function pastGain(
  flow: Flow,
  node: Node,
  value: string,
  axis: number | undefined,
  gains: readonly Gain[] = [],
): Place | undefined {
  if (node.domain !== "" || (node.operator !== "Mul" && node.operator !== "Div")) return undefined;
  const [a, b] = [node.inputs[0]!, node.inputs[1]!];
  const inverse = node.operator === "Div";
  const gain = !flow.isActivation(b) ? b : inverse || flow.isActivation(a) ? undefined : a;
  const read = gain === b ? a : b;
  if (gain === undefined || !flow.isActivation(read) || flow.shape(read).length !== flow.shape(value).length) return undefined;
  const along = axis ?? axisBehind(flow, value);
  if (along === undefined || !isAlong(flow, gain, along, value)) return undefined;
  if (flow.shape(read)[along] !== flow.shape(value)[along]) return undefined;
  return { value: read, axis: along, gains: [...gains, { value: gain, inverse }] };
}

/** What a node reads that a change in proportion along the axis passes through unchanged. */
function before(flow: Flow, node: Node, { value, axis, gains }: Place): Place[] {
  const [a] = node.inputs as [string];
  switch (node.operator) {
    case "Identity":
    case "Cast":
      return [{ value: a, axis, gains }];
    case "Add":
      return node.inputs
        .filter((i) => flow.isActivation(i) && sameShape(flow.shape(i), flow.shape(value)))
        .map((i) => ({ value: i, axis, gains }));
    case "Sub":
      return flow.isActivation(a) && sameShape(flow.shape(a), flow.shape(value)) ? [{ value: a, axis, gains }] : [];
    case "Transpose": {
      const perm = numbersAttribute(node, "perm");
      return perm ? [{ value: a, axis: perm[axis]!, gains }] : [];
    }
    case "Reshape": {
      // The axis stays as it is: what is outside of it, and inside, is regrouped.
      const [from, into] = [flow.shape(a), flow.shape(value)];
      const inside = elementCount(into.slice(axis + 1));
      const own = from.findIndex((n, i) => n === into[axis] && elementCount(from.slice(i + 1)) === inside);
      return own >= 0 ? [{ value: a, axis: own, gains }] : [];
    }
    case "Mul":
    case "Div": {
      const past = pastGain(flow, node, value, axis, gains);
      return past ? [past] : [];
    }
    default:
      return [];
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** A parameter and its axis that becomes the place's. */
interface Behind {
  readonly parameter: string;
  readonly axis: number;
}

/** The weight of a product whose outputs lie along the axis. */
function weightOf(flow: Flow, node: Node, place: Place, uses: ReadonlyMap<string, number>): Behind | undefined {
  const rank = flow.shape(place.value).length;
  const at = (operand: number, axis: number): Behind | undefined => {
    const value = node.inputs[operand]!;
    if (flow.isActivation(value) || !flow.isActivation(node.inputs[1 - operand]!)) return undefined;
    const behind = parameterBehind(flow, value, uses);
    return behind && { parameter: behind.parameter, axis: behind.axisOf(axis) };
  };
  if (node.operator === "MatMul" && rank >= 2) {
    if (place.axis === rank - 1 && flow.shape(node.inputs[1]!).length === 2) return at(1, 1);
    if (place.axis === rank - 2 && flow.shape(node.inputs[0]!).length === 2) return at(0, 0);
    return undefined;
  }
  // Other operators may have an attribute of that name, of any type.
  const isWhole = node.operator === "Conv" && node.inputs.length === 2 && numberAttribute(node, "group", 1) === 1;
  return isWhole && place.axis === 1 ? at(1, 0) : undefined;
}

/** A vector along the axis that is added. */
function biasOf(flow: Flow, node: Node, place: Place, uses: ReadonlyMap<string, number>): Behind | undefined {
  if (node.operator !== "Add") return undefined;
  const added = node.inputs.find((i) => !flow.isActivation(i));
  if (added === undefined || !isAlong(flow, added, place.axis, place.value)) return undefined;
  let value = added;
  for (let writer = flow.writerOf(value); writer; writer = flow.writerOf(value)) {
    if (uses.get(value) !== 1 || !/^(Reshape|Identity|Cast)$/.test(writer.operator) || writer.domain !== "") return undefined;
    value = writer.inputs[0]!;
  }
  const shape = flow.graph.parameters.get(value)?.shape;
  if (!shape || uses.get(value) !== 1 || elementCount(shape) !== flow.shape(place.value)[place.axis]) return undefined;
  return { parameter: value, axis: shape.findIndex((n) => n > 1) };
}

function isTrained(flow: Flow, parameter: string): boolean {
  return flow.graph.parameters.get(parameter)?.trainable === true;
}

function sourceOf(flow: Flow, { parameter, axis }: Behind, gains: readonly Gain[], start: ReadonlyMap<string, Change>): Source {
  const { shape } = flow.graph.parameters.get(parameter)!;
  const sizes = shape.filter((n, i) => i !== axis && n > 1);
  return {
    parameter,
    size: sizes.reduce((n, d) => n * d, 1),
    sizes,
    family: "translation",
    start: () => start,
    delta: (at, coordinates) => spread(Float64Array.from(coordinates), shape, axis, inverse(at, gains, shape[axis]!)),
  };
}

/** What gains make equal; nothing where one of them is zero. */
function inverse(flow: Flow, gains: readonly Gain[], size: number): Float64Array {
  const out = new Float64Array(size).fill(1);
  for (const g of gains) {
    const { data } = flow.fixed(g.value);
    for (let k = 0; k < size; k++) {
      const factor = data[data.length === 1 ? 0 : k]!;
      out[k]! *= g.inverse ? factor : 1 / factor;
    }
  }
  return out.every(Number.isFinite) && out.some((x) => x !== 0) ? out : out.fill(0);
}

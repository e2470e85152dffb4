/** @file Reading and writing by index: Gather and Scatter in their forms, OneHot, NonZero, Compress. */
import { type Node, numberAttribute, stringAttribute } from "../graph/graph";
import { type Shape, type Tensor, elementCount, strides } from "../graph/tensor";
import { type Extra, linear, sameAsFirst, substituteDirections, zeroTangent } from "./factories";
import type { Operator } from "./operator";
import {
  axisOf,
  elementType,
  fail,
  firstType,
  inputShape,
  knownConstants,
  required,
  showShape,
  unknownShape,
  zerosLike,
} from "./rules";

type Evaluate = NonNullable<Operator["evaluate"]>;

/** An index counted from the front; throws when it lies outside. */
function inside(node: Node, index: number, size: number): number {
  const at = index < 0 ? index + size : index;
  if (!(at >= 0 && at < size)) fail(node, `index ${index} is outside of an axis of size ${size}`);
  return at;
}

/** `infer` from the shapes of the first two inputs. */
function inferFromTwo(rule: (node: Node, first: Shape, second: Shape) => Shape): Operator["infer"] {
  return (node, context) => {
    const type = elementType(context, 0);
    const first = inputShape(context, 0);
    const second = inputShape(context, 1);
    return [first === undefined || second === undefined ? unknownShape(type) : { type, shape: rule(node, first, second) }];
  };
}

/** An operator with data, indices and the shape rule of both, linear in the data. */
function gathering(
  name: string,
  rule: (node: Node, data: Shape, indices: Shape) => Shape,
  gather: (node: Node, x: Tensor, indices: Tensor, out: Float64Array) => void,
  extra: Extra = {},
): Operator {
  const evaluate: Evaluate = (node, inputs) => {
    const x = required(node, inputs, 0);
    const indices = required(node, inputs, 1);
    const shape = rule(node, x.shape, indices.shape);
    const data = new Float64Array(elementCount(shape));
    gather(node, x, indices, data);
    return [{ type: x.type, shape, data }];
  };
  return linear(name, inferFromTwo(rule), evaluate, [0], extra);
}

const gather = gathering(
  "Gather",
  (node, x, indices) => {
    const axis = axisOf(node, numberAttribute(node, "axis", 0), x.length);
    return [...x.slice(0, axis), ...indices, ...x.slice(axis + 1)];
  },
  (node, x, indices, out) => {
    const axis = axisOf(node, numberAttribute(node, "axis", 0), x.shape.length);
    const size = x.shape[axis]!;
    const outer = elementCount(x.shape.slice(0, axis));
    const inner = elementCount(x.shape.slice(axis + 1));
    let to = 0;
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < indices.data.length; i++) {
        const from = (o * size + inside(node, indices.data[i]!, size)) * inner;
        for (let j = 0; j < inner; j++) out[to++] = x.data[from + j]!;
      }
    }
  },
  { moves: "picks" },
);

/** Calls `visit(place in indices, place in data)` for each index of GatherElements or ScatterElements. */
function elementPlaces(node: Node, data: Shape, indices: Tensor, visit: (at: number, place: number) => void): void {
  const rank = data.length;
  if (rank !== indices.shape.length) {
    fail(node, `data of shape ${showShape(data)} and indices of shape ${showShape(indices.shape)} have different ranks`);
  }
  const axis = axisOf(node, numberAttribute(node, "axis", 0), rank);
  const own = strides(data);
  const counter = new Int32Array(rank);
  for (let at = 0; at < indices.data.length; at++) {
    let place = 0;
    for (let k = 0; k < rank; k++) place += own[k]! * (k === axis ? inside(node, indices.data[at]!, data[k]!) : counter[k]!);
    visit(at, place);
    for (let k = rank - 1; k >= 0; k--) {
      if (++counter[k]! < indices.shape[k]!) break;
      counter[k] = 0;
    }
  }
}

const gatherElements = gathering(
  "GatherElements",
  (node, x, indices) => {
    const axis = axisOf(node, numberAttribute(node, "axis", 0), x.length);
    if (indices.length !== x.length || indices.some((size, k) => k !== axis && size > x[k]!)) {
      fail(node, `indices of shape ${showShape(indices)} do not fit data of shape ${showShape(x)} along axis ${axis}`);
    }
    return indices;
  },
  (node, x, indices, out) =>
    elementPlaces(node, x.shape, indices, (at, place) => {
      out[at] = x.data[place]!;
    }),
);

/** Places in data of the blocks that the last axis of `indices` points at, after `batch` leading axes. */
function blockPlaces(node: Node, data: Shape, indices: Tensor, batch: number): { places: Int32Array; block: number } {
  const depth = indices.shape[indices.shape.length - 1]!;
  const own = strides(data);
  const block = elementCount(data.slice(batch + depth));
  const count = elementCount(indices.shape.slice(0, -1));
  const perBatch = count / Math.max(1, elementCount(indices.shape.slice(0, batch)));
  const batchSize = batch === 0 ? 0 : own[batch - 1]!;
  const places = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let place = batch === 0 ? 0 : Math.floor(i / perBatch) * batchSize;
    for (let k = 0; k < depth; k++) place += own[batch + k]! * inside(node, indices.data[i * depth + k]!, data[batch + k]!);
    places[i] = place;
  }
  return { places, block };
}

function checkDepth(node: Node, data: Shape, indices: Shape, batch: number): number {
  const depth = indices[indices.length - 1] ?? fail(node, "the indices are a scalar; they need at least one axis");
  if (batch + depth > data.length) {
    fail(node, `indices of shape ${showShape(indices)} point ${depth} deep into data of shape ${showShape(data)}`);
  }
  return depth;
}

const gatherND = gathering(
  "GatherND",
  (node, x, indices) => {
    const batch = numberAttribute(node, "batch_dims", 0);
    const depth = checkDepth(node, x, indices, batch);
    return [...indices.slice(0, -1), ...x.slice(batch + depth)];
  },
  (node, x, indices, out) => {
    const { places, block } = blockPlaces(node, x.shape, indices, numberAttribute(node, "batch_dims", 0));
    for (let i = 0, to = 0; i < places.length; i++) for (let j = 0; j < block; j++) out[to++] = x.data[places[i]! + j]!;
  },
);

/** How ScatterElements and ScatterND combine an update with what is there. */
function combiner(node: Node): (old: number, update: number) => number {
  const reduction = stringAttribute(node, "reduction", "none");
  switch (reduction) {
    case "none":
      return (_old, update) => update;
    case "add":
      return (old, update) => old + update;
    case "mul":
      return (old, update) => old * update;
    case "max":
      return (old, update) => (update > old ? update : old);
    case "min":
      return (old, update) => (update < old ? update : old);
    default:
      return fail(node, `reduction "${reduction}" is not one of none, add, mul, max, min`);
  }
}

/** Calls `visit(place in updates, place in data)` for every update in order. */
type Places = (node: Node, data: Shape, indices: Tensor, visit: (at: number, place: number) => void) => void;

function scattering(
  name: string,
  places: Places,
  check: (node: Node, data: Shape, indices: Shape, updates: Shape) => void,
): Operator {
  const evaluate: Evaluate = (node, inputs) => {
    const x = required(node, inputs, 0);
    const updates = required(node, inputs, 2);
    check(node, x.shape, required(node, inputs, 1).shape, updates.shape);
    const combine = combiner(node);
    const data = Float64Array.from(x.data);
    places(node, x.shape, required(node, inputs, 1), (at, place) => {
      data[place] = combine(data[place]!, updates.data[at]!);
    });
    return [{ type: x.type, shape: x.shape, data }];
  };
  return {
    name,
    infer(node, context) {
      const [x, indices, updates] = [inputShape(context, 0), inputShape(context, 1), inputShape(context, 2)];
      if (x !== undefined && indices !== undefined && updates !== undefined) check(node, x, indices, updates);
      return [{ type: firstType(context, [0, 2]), shape: x }];
    },
    evaluate,
    tangent(node, x, y, dx) {
      const reduction = stringAttribute(node, "reduction", "none");
      if (reduction === "none" || reduction === "add") {
        const substituted = substituteDirections(x, dx, [0, 2]);
        return substituted && evaluate(node, substituted)[0];
      }
      if (dx[0] === undefined && dx[2] === undefined) return undefined;
      // Forward mode of the updates, one after the other.
      const combine = combiner(node);
      const start = required(node, x, 0);
      const updates = required(node, x, 2);
      const value = Float64Array.from(start.data);
      const slope = dx[0] === undefined ? new Float64Array(value.length) : Float64Array.from(dx[0].data);
      const moved = dx[2]?.data ?? zerosLike(updates).data;
      places(node, start.shape, required(node, x, 1), (at, place) => {
        const old = value[place]!;
        const update = updates.data[at]!;
        const next = combine(old, update);
        if (reduction === "mul") slope[place] = slope[place]! * update + old * moved[at]!;
        else if (next !== old) slope[place] = moved[at]!;
        value[place] = next;
      });
      return { type: y.type, shape: y.shape, data: slope };
    },
  };
}

const scatterElements = (name: string): Operator =>
  scattering(name, elementPlaces, (node, data, indices, updates) => {
    if (data.length !== indices.length || indices.length !== updates.length || indices.some((size, k) => size !== updates[k])) {
      fail(node, `data ${showShape(data)}, indices ${showShape(indices)} and updates ${showShape(updates)} do not fit together`);
    }
  });

const scatterND = scattering(
  "ScatterND",
  (node, data, indices, visit) => {
    const { places, block } = blockPlaces(node, data, indices, 0);
    for (let i = 0, at = 0; i < places.length; i++) for (let j = 0; j < block; j++) visit(at++, places[i]! + j);
  },
  (node, data, indices, updates) => {
    const depth = checkDepth(node, data, indices, 0);
    const wanted = [...indices.slice(0, -1), ...data.slice(depth)];
    if (wanted.length !== updates.length || wanted.some((size, k) => size !== updates[k])) {
      fail(node, `updates of shape ${showShape(updates)} are not ${showShape(wanted)}, as indices ${showShape(indices)} want`);
    }
  },
);

const evaluateOneHot: Evaluate = (node, inputs) => {
  const indices = required(node, inputs, 0);
  const depth = required(node, inputs, 1).data[0]!;
  const values = required(node, inputs, 2);
  const axis = axisOf(node, numberAttribute(node, "axis", -1), indices.shape.length + 1);
  const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
  const inner = elementCount(indices.shape.slice(axis));
  const data = new Float64Array(elementCount(shape)).fill(values.data[0]!);
  for (let i = 0; i < indices.data.length; i++) {
    const index = indices.data[i]!;
    const at = index < 0 ? index + depth : index;
    // Indices outside of the depth give no "on" value at all.
    if (at >= 0 && at < depth) data[(Math.floor(i / inner) * depth + at) * inner + (i % inner)] = values.data[1]!;
  }
  return [{ type: values.type, shape, data }];
};

const oneHot: Operator = linear(
  "OneHot",
  (node, context) => {
    const type = elementType(context, 2);
    const indices = inputShape(context, 0);
    const depth = knownConstants(node, context)(1)?.data[0];
    if (indices === undefined || depth === undefined) return [unknownShape(type)];
    const axis = axisOf(node, numberAttribute(node, "axis", -1), indices.length + 1);
    return [{ type, shape: [...indices.slice(0, axis), depth, ...indices.slice(axis)] }];
  },
  evaluateOneHot,
  [2],
);

const evaluateNonZero: Evaluate = (node, inputs) => {
  const x = required(node, inputs, 0);
  // A scalar counts as a vector of one element.
  const shape = x.shape.length === 0 ? [1] : x.shape;
  const own = strides(shape);
  const found: number[] = [];
  for (let i = 0; i < x.data.length; i++) if (x.data[i] !== 0) found.push(i);
  const data = new Float64Array(shape.length * found.length);
  shape.forEach((size, axis) => {
    found.forEach((place, i) => {
      data[axis * found.length + i] = Math.floor(place / own[axis]!) % size;
    });
  });
  return [{ type: "int64", shape: [shape.length, found.length], data }];
};

const nonZero: Operator = {
  name: "NonZero",
  infer(node, context) {
    const x = knownConstants(node, context)(0);
    return [x === undefined ? unknownShape("int64") : { type: "int64", shape: evaluateNonZero(node, [x])[0]!.shape }];
  },
  evaluate: evaluateNonZero,
  tangent: zeroTangent,
};

/** Places along the axis that Compress keeps. */
function keptPlaces(condition: Tensor): number[] {
  const out: number[] = [];
  condition.data.forEach((v, i) => {
    if (v !== 0) out.push(i);
  });
  return out;
}

const evaluateCompress: Evaluate = (node, inputs) => {
  const x = required(node, inputs, 0);
  const kept = keptPlaces(required(node, inputs, 1));
  const hasAxis = node.attributes.axis !== undefined;
  const shape = hasAxis ? x.shape : [x.data.length];
  const axis = hasAxis ? axisOf(node, numberAttribute(node, "axis", 0), shape.length) : 0;
  const indices: Tensor = { type: "int64", shape: [kept.length], data: Float64Array.from(kept) };
  return gather.evaluate!({ ...node, attributes: { axis } }, [{ type: x.type, shape, data: x.data }, indices]);
};

const compress: Operator = linear(
  "Compress",
  (node, context) => {
    const type = elementType(context, 0);
    const shape = inputShape(context, 0);
    const condition = knownConstants(node, context)(1);
    if (shape === undefined || condition === undefined) return [unknownShape(type)];
    const kept = keptPlaces(condition).length;
    if (node.attributes.axis === undefined) return [{ type, shape: [kept] }];
    const axis = axisOf(node, numberAttribute(node, "axis", 0), shape.length);
    return [{ type, shape: shape.map((size, k) => (k === axis ? kept : size)) }];
  },
  evaluateCompress,
  [0],
);

/** Reverses the first `sequence_lens[b]` entries along the time axis, for each index b of the batch axis. */
const evaluateReverseSequence: Evaluate = (node, inputs) => {
  const x = required(node, inputs, 0);
  const lengths = required(node, inputs, 1);
  const batchAxis = axisOf(node, numberAttribute(node, "batch_axis", 1), x.shape.length);
  const timeAxis = axisOf(node, numberAttribute(node, "time_axis", 0), x.shape.length);
  const own = strides(x.shape);
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) {
    const time = Math.floor(i / own[timeAxis]!) % x.shape[timeAxis]!;
    const length = lengths.data[Math.floor(i / own[batchAxis]!) % x.shape[batchAxis]!]!;
    data[i] = x.data[time < length ? i + (length - 1 - 2 * time) * own[timeAxis]! : i]!;
  }
  return [{ type: x.type, shape: x.shape, data }];
};

/** Reading and writing by index. */
export const indexingOperators: readonly Operator[] = [
  gather,
  gatherElements,
  gatherND,
  scatterElements("ScatterElements"),
  // The name of ScatterElements up to opset 10.
  scatterElements("Scatter"),
  scatterND,
  oneHot,
  nonZero,
  compress,
  linear("ReverseSequence", sameAsFirst, evaluateReverseSequence, [0]),
];

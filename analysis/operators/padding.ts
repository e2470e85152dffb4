/** @file Pad: constants, reflections, edges and wrapping around the borders. */
import { type Node, stringAttribute } from "../graph/graph";
import type { Shape, Tensor } from "../graph/tensor";
import { copyByTables } from "./kernels/strided";
import type { Operator } from "./operator";
import {
  type Known,
  axesOf,
  elementType,
  fail,
  inputShape,
  knownConstants,
  knownInputs,
  listArgument,
  required,
  showShape,
  unknownShape,
} from "./rules";

/**
 * Elements added before and after each axis (negative numbers crop); undefined where they are an input of unknown value.
 * Attribute up to opset 10, input later, with an optional list of axes from opset 18.
 */
export function padding(node: Node, rank: number, known: Known): { before: number[]; after: number[] } | undefined {
  const pads = listArgument(node, known, "pads", 1);
  const listed = listArgument(node, known, "axes", 3);
  if (pads === undefined || listed === undefined) return undefined;
  if (pads === "absent") fail(node, "the pads are absent");
  const axes = listed === "absent" ? Array.from({ length: rank }, (_, axis) => axis) : axesOf(node, listed, rank);
  if (pads.length !== 2 * axes.length) fail(node, `${pads.length} pads do not fit ${axes.length} axes`);
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  axes.forEach((axis, i) => {
    before[axis] = pads[i]!;
    after[axis] = pads[axes.length + i]!;
  });
  return { before, after };
}

function paddedShape(node: Node, shape: Shape, known: Known): number[] | undefined {
  const pads = padding(node, shape.length, known);
  return (
    pads &&
    shape.map((size, axis) => {
      const padded = size + pads.before[axis]! + pads.after[axis]!;
      return padded >= 0 ? padded : fail(node, `axis ${axis} of ${showShape(shape)} would get the size ${padded}`);
    })
  );
}

/** The position along an axis of `size` elements that a position outside of it reads; -1 for the constant. */
function source(node: Node, mode: string, at: number, size: number): number {
  if (at >= 0 && at < size) return at;
  switch (mode) {
    case "constant":
      return -1;
    case "edge":
      return at < 0 ? 0 : size - 1;
    case "wrap":
      return ((at % size) + size) % size;
    case "reflect": {
      if (size === 1) return 0;
      const period = 2 * (size - 1);
      const inside = ((at % period) + period) % period;
      return inside < size ? inside : period - inside;
    }
    default:
      return fail(node, `mode "${mode}" is not one of constant, reflect, edge, wrap`);
  }
}

function pad(node: Node, x: Tensor, known: Known, fill: number): Tensor {
  const { before, after } = padding(node, x.shape.length, known) ?? fail(node, "the pads are not known");
  paddedShape(node, x.shape, known);
  const mode = stringAttribute(node, "mode", "constant");
  const tables = x.shape.map((size, axis) =>
    Int32Array.from({ length: size + before[axis]! + after[axis]! }, (_, i) => source(node, mode, i - before[axis]!, size)),
  );
  return { type: x.type, shape: tables.map((t) => t.length), data: copyByTables(x.data, x.shape, tables, fill) };
}

/** The constant around the borders: attribute up to opset 10, input later. */
function fillValue(node: Node, known: Known): number {
  const value = node.attributes.value;
  return known(2)?.data[0] ?? (typeof value === "number" ? value : 0);
}

/** Padding. */
export const paddingOperators: readonly Operator[] = [
  {
    name: "Pad",
    infer(node, context) {
      const type = elementType(context, 0);
      const shape = inputShape(context, 0);
      if (shape === undefined) return [unknownShape(type)];
      return [{ type, shape: paddedShape(node, shape, knownConstants(node, context)) }];
    },
    evaluate(node, inputs) {
      const known = knownInputs(inputs);
      return [pad(node, required(node, inputs, 0), known, fillValue(node, known))];
    },
    tangent(node, x, _y, dx) {
      if (dx[0] === undefined && dx[2] === undefined) return undefined;
      const data = required(node, x, 0);
      const direction = dx[0] ?? { ...data, data: new Float64Array(data.data.length) };
      return pad(node, direction, knownInputs(x), dx[2]?.data[0] ?? 0);
    },
  },
];

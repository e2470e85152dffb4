/** @file Coordinates that inference pins and readers contract: numbers decide what acts on them. */
import type { AxisLayout } from "../../graph/axes";
import type { Network } from "../counting/network";

/** The atom of coordinates that no inference frees. */
export const COORDINATE = -2;

/**
 * Axes of which the one that readers contract is free: coordinates that may not be permuted (those of the network's input)
 * are looked at all the same. Undefined where there is none.
 */
export function contractedLayout(network: Network, value: string): readonly AxisLayout[] | undefined {
  const shape = network.shape(value);
  const reader = network
    .consumers(value)
    .find((n) => n.inputs[0] === value && (n.operator === "MatMul" || n.operator === "Conv"));
  if (!reader || shape.length < 2) return undefined;
  const at = reader.operator === "Conv" ? 1 : shape.length - 1;
  return shape.map((size, axis) => [[{ atom: COORDINATE, size, pinned: axis !== at }]]);
}

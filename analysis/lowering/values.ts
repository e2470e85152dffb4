/** @file Values and nodes under rewriting (workspace.ts): all that is known of a value in one place, found by one look-up. */
import type { Node } from "../graph/graph";
import { ABSENT as NUMBER_OF_NONE } from "../graph/numbering";
import type { Shape, Tensor, TensorType } from "../graph/tensor";

export const UNKNOWN: TensorType = { type: "other", shape: undefined };

/** A value under rewriting. */
export interface Value {
  readonly name: string;
  /** A number of its own, by which computations are told apart. */
  readonly id: number;
  type: TensorType;
  constant: Tensor | undefined;
  writer: Item | undefined;
  /** The value that stands for it now. */
  alias: Value | undefined;
  /** Whether it is there from the start: an input, a parameter or a constant. */
  readonly isGiven: boolean;
  /** Whether the source graph reads it, in bodies too. */
  isRead: boolean;
  /** The last sweep that found it in use. */
  seen: number;
  /** How often items read it, and the first that does, as of the last `countReaders`. */
  reads: number;
  reader: Item | undefined;
  /** Its number in the finished graph. */
  number: number;
}

/** A node with its values at hand. Absent inputs and outputs are the value without a name. */
export interface Item {
  readonly node: Node;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** The value without a name, in the place of an absent input or output. */
export const ABSENT: Value = {
  name: "",
  id: -1,
  type: UNKNOWN,
  constant: undefined,
  writer: undefined,
  alias: undefined,
  isGiven: true,
  isRead: false,
  seen: 0,
  reads: 0,
  reader: undefined,
  number: NUMBER_OF_NONE,
};

/** Whether an item is there and is one of these operators of ONNX itself. */
export function isOf(item: Item, ...operators: readonly string[]): boolean;
export function isOf(item: Item | undefined, ...operators: readonly string[]): item is Item;
export function isOf(item: Item | undefined, ...operators: readonly string[]): boolean {
  return item !== undefined && item.node.domain === "" && operators.includes(item.node.operator);
}

/** A shape as messages show it. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

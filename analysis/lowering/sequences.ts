/**
 * @file Sequences of tensors (lists in scripted PyTorch code, split tensors): the normal form has none. What a sequence
 * holds is followed, so that picking from it, or joining it, is done on the tensors themselves.
 */
import type { Node } from "../graph/graph";
import { numberAttribute } from "../graph/graph";
import { scalar } from "../graph/tensor";
import { concat, positive, range, reshape, shapeOf, slice } from "../operators/lower/build";
import type { Lowering } from "../operators/operator";

/** The operators that sequences are followed through. */
export const SEQUENCE_OPERATORS: ReadonlySet<string> = new Set(
  `SequenceEmpty SequenceConstruct SplitToSequence SequenceInsert SequenceErase SequenceAt SequenceLength
  ConcatFromSequence`.split(/\s+/),
);

/** What takes the place of a node: its outputs as tensors, or the tensors of the sequence that it writes. */
type Result = { readonly outputs: readonly string[] } | { readonly sequence: readonly string[] };

/** The sequences of a graph whose tensors are known, by name. */
export class Sequences {
  readonly #tensors = new Map<string, readonly string[]>();

  /**
   * Follows a node that works on sequences; returns what takes the place of its outputs, where they are tensors. The
   * node itself is still to be added: who reads it as a sequence finds it, and nobody else keeps it alive.
   */
  follow(l: Lowering): readonly string[] | undefined {
    const result = this.#result(l);
    if (result === undefined) return undefined;
    if ("outputs" in result) return result.outputs;
    this.#tensors.set(l.node.outputs[0]!, result.sequence);
    return undefined;
  }

  #result(l: Lowering): Result | undefined {
    const { node } = l;
    switch (node.operator) {
      case "SequenceEmpty":
        return { sequence: [] };
      case "SequenceConstruct":
        return { sequence: node.inputs };
      case "SplitToSequence": {
        const sequence = parts(l);
        return sequence && { sequence };
      }
    }
    const tensors = this.#tensors.get(node.inputs[0] ?? "");
    if (tensors === undefined) return undefined;
    switch (node.operator) {
      case "SequenceInsert": {
        const at = place(l, node, 2, tensors.length, tensors.length);
        return at === undefined ? undefined : { sequence: [...tensors.slice(0, at), node.inputs[1]!, ...tensors.slice(at)] };
      }
      case "SequenceErase": {
        const at = place(l, node, 1, tensors.length, tensors.length - 1);
        return at === undefined ? undefined : { sequence: tensors.filter((_, i) => i !== at) };
      }
      case "SequenceAt": {
        const at = place(l, node, 1, tensors.length, 0);
        const tensor = at === undefined ? undefined : tensors[at];
        return tensor === undefined ? undefined : { outputs: [tensor] };
      }
      case "SequenceLength":
        return { outputs: [l.addConstant(scalar(tensors.length, "int64"))] };
      case "ConcatFromSequence": {
        const value = joined(l, tensors);
        return value === undefined ? undefined : { outputs: [value] };
      }
      default:
        return undefined;
    }
  }
}

/** The place that a node names by a constant, counted from the front. */
function place(l: Lowering, node: Node, index: number, length: number, fallback: number): number | undefined {
  const name = node.inputs[index];
  if (name === undefined || name === "") return fallback;
  const value = l.constant(name)?.data[0];
  return value === undefined ? undefined : positive(value, length);
}

/** The parts into which SplitToSequence cuts its input. */
function parts(l: Lowering): readonly string[] | undefined {
  const [x, split] = l.node.inputs;
  const shape = shapeOf(l, x);
  if (!x || shape === undefined) return undefined;
  const axis = positive(numberAttribute(l.node, "axis", 0), shape.length);
  const total = shape[axis]!;
  if (!split) {
    const single = range(0, total).map((i) => slice(l, x, axis, i, i + 1));
    if (numberAttribute(l.node, "keepdims", 1) === 1) return single;
    const target = shape.filter((_, a) => a !== axis);
    return single.map((s) => reshape(l, s, target));
  }
  const sizes = l.constant(split);
  if (sizes === undefined || (sizes.shape.length === 0 && !(sizes.data[0]! > 0))) return undefined;
  const each = sizes.data[0]!;
  const starts = sizes.shape.length === 0 ? range(0, Math.ceil(total / each)).map((i) => i * each) : [];
  if (sizes.shape.length > 0) {
    let start = 0;
    for (const size of sizes.data) {
      starts.push(start);
      start += size;
    }
    if (start !== total) return undefined;
  }
  return starts.map((start, i) => slice(l, x, axis, start, starts[i + 1] ?? total));
}

/** The tensors of a sequence along an axis, or along a new one. */
function joined(l: Lowering, tensors: readonly string[]): string | undefined {
  const shape = shapeOf(l, tensors[0]);
  if (shape === undefined) return undefined;
  const isNew = numberAttribute(l.node, "new_axis", 0) === 1;
  const axis = positive(numberAttribute(l.node, "axis", 0), shape.length + (isNew ? 1 : 0));
  if (!isNew) return concat(l, tensors, axis);
  const wide = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
  return concat(
    l,
    tensors.map((t) => reshape(l, t, wide)),
    axis,
  );
}

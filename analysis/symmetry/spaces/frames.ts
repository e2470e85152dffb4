/**
 * @file Frames: feature axes of a graph's inputs and outputs. Their order is given, so that nothing may permute them, but a
 * gain that stands on one still scales entry by entry, a shift still differs entry by entry. The unit equations and the
 * numeric engines hold inputs and outputs still by themselves: for them these axes need no pin.
 */
import type { Graph, GraphInput, Node } from "../../graph/graph";
import { isFloating } from "../../graph/tensor";

/** Which axes of inputs, and which outputs, are frames in which something may act. */
export interface Frames {
  /** Feature axes by input name. */
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  readonly outputs: ReadonlySet<string>;
}

const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Einsum", "Conv", "ConvTranspose"]);
const MOVEMENT: ReadonlySet<string> = new Set([
  "Identity",
  "Reshape",
  "Transpose",
  "Slice",
  "Concat",
  "Gather",
  "Expand",
  "Pad",
  "Tile",
]);

/**
 * The frames of a graph. Where an input only enters contractions, or a contraction alone writes an output, nothing can act
 * along it and there is no frame: most networks have none, and one inference does for them.
 */
export function findFrames(graph: Graph, readers: ReadonlyMap<string, readonly Node[]>): Frames {
  const inputs = new Map<string, readonly number[]>();
  for (const input of graph.inputs) {
    if (isFloating(input.type) && isReadOtherwise(input.name, readers)) {
      const axes = featureAxes(input);
      if (axes.length > 0) inputs.set(input.name, axes);
    }
  }
  const writer = new Map<string, Node>();
  for (const node of graph.nodes) for (const o of node.outputs) if (o !== "") writer.set(o, node);
  const outputs = new Set(graph.outputs.filter((o) => !isPlainlyWritten(graph, writer, o)));
  return { inputs, outputs };
}

/** The last axis, and the channel axis of images; what batch and time do to each other is no business of scalings. */
function featureAxes({ shape }: GraphInput): number[] {
  if (shape.length < 2) return [];
  const last = shape.length - 1;
  return shape.length >= 4 ? [1, last] : [last];
}

/** Whether anything but contractions reads a value, or what movement makes of it. */
function isReadOtherwise(value: string, readers: ReadonlyMap<string, readonly Node[]>): boolean {
  const pending = [value];
  const seen = new Set(pending);
  while (pending.length > 0) {
    for (const node of readers.get(pending.pop()!) ?? []) {
      if (CONTRACTIONS.has(node.operator) && node.domain === "") continue;
      if (!MOVEMENT.has(node.operator) || node.domain !== "") return true;
      const out = node.outputs[0]!;
      if (!seen.has(out)) pending.push(out);
      seen.add(out);
    }
  }
  return false;
}

/** Whether a value is a contraction, perhaps with something added to it that no input has a part in. */
function isPlainlyWritten(graph: Graph, writer: ReadonlyMap<string, Node>, value: string): boolean {
  let node = writer.get(value);
  while (node?.domain === "") {
    if (CONTRACTIONS.has(node.operator)) return true;
    const first: string | undefined =
      node.operator === "Add"
        ? node.inputs.find((i) => writer.has(i) && !isBias(graph, writer, i))
        : MOVEMENT.has(node.operator)
          ? node.inputs[0]
          : undefined;
    if (first === undefined) return false;
    if (node.operator === "Add" && node.inputs.some((i) => i !== first && !isBias(graph, writer, i))) return false;
    node = writer.get(first);
  }
  return true;
}

/** A parameter or constant, reshaped at most. */
function isBias(graph: Graph, writer: ReadonlyMap<string, Node>, value: string): boolean {
  let at = value;
  for (let node = writer.get(at); node !== undefined; node = writer.get(at)) {
    if (!MOVEMENT.has(node.operator)) return false;
    at = node.inputs[0]!;
  }
  return graph.parameters.has(at) || graph.constants.has(at);
}

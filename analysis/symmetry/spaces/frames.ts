/**
 * @file Frames: feature axes of a graph's inputs and outputs. Their order is given, so that nothing may permute them, but a
 * gain that stands on one still scales entry by entry, a shift still differs entry by entry. The unit equations and the
 * numeric engines hold inputs and outputs still by themselves: for them these axes need no pin.
 */
import { type Graph, type GraphInput, type Node, stringAttribute } from "../../graph/graph";
import { ABSENT, type Numbering } from "../../graph/numbering";
import { isFloating } from "../../graph/tensor";
import { operatorsThat } from "../../operators/movers";
import { parseEinsum } from "../../operators/einsum";

/** Which axes of inputs, and which outputs, are frames in which something may act. */
export interface Frames {
  /** Feature axes by input name. */
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  readonly outputs: ReadonlySet<string>;
}

const CONTRACTIONS: ReadonlySet<string> = new Set(["MatMul", "Gemm", "Einsum", "Conv", "ConvTranspose"]);
const MOVEMENT: ReadonlySet<string> = new Set([...operatorsThat("reshapes", "transposes", "picks", "repeats", "joins"), "Pad"]);

/**
 * The frames of a graph. Where an input only enters contractions, or a contraction alone writes an output, nothing can act
 * along it and there is no frame: most networks have none, and one inference does for them.
 */
export function findFrames(graph: Graph, numbering: Numbering): Frames {
  const inputs = new Map<string, readonly number[]>();
  for (const input of graph.inputs) {
    if (isFloating(input.type) && isReadOtherwise(graph, numbering, numbering.of(input.name))) {
      const axes = featureAxes(input, isReadByGroups(graph, numbering, numbering.of(input.name)));
      if (axes.length > 0) inputs.set(input.name, axes);
    }
  }
  const outputs = new Set(graph.outputs.filter((o) => !isPlainlyWritten(graph, numbering, numbering.of(o))));
  return { inputs, outputs };
}

/**
 * The last axis, and the channel axis of images and of what grouped convolutions read; what batch and time do to each other is
 * no business of scalings.
 */
function featureAxes({ shape }: GraphInput, byGroups: boolean): number[] {
  if (shape.length < 2) return [];
  const last = shape.length - 1;
  return shape.length >= 4 || (byGroups && shape.length === 3) ? [1, last] : [last];
}

/** Whether a node contracts all channels that it reads. What works in groups hands the group on: something may stand on it. */
function isContraction(graph: Graph, numbering: Numbering, at: number): boolean {
  const node = graph.nodes[at]!;
  return CONTRACTIONS.has(node.operator) && node.domain === "" && !isGrouped(graph, numbering, at);
}

/** Convolutions in groups, and products with a weight for each index that they hand on (block-diagonal weights). */
function isGrouped(graph: Graph, numbering: Numbering, at: number): boolean {
  const node = graph.nodes[at]!;
  // In a damaged file it may be no number; the operator's rule says so.
  if (node.operator.startsWith("Conv")) return (node.attributes["group"] ?? 1) !== 1;
  if (node.operator !== "Einsum" && node.operator !== "MatMul") return false;
  const operands = numbering.inputs[at]!;
  const shapes = operands.map((i) => numbering.types[i]?.shape);
  if (shapes.some((s) => s === undefined) || !operands.some((i) => isWeight(graph, numbering, i))) return false;
  const ranks = shapes.map((s) => s!.length);
  if (node.operator === "MatMul") {
    const [a = [], b = []] = shapes.map((s) => s!.slice(0, -2));
    return Array.from({ length: Math.min(a.length, b.length) }, (_, i) => i + 1).some(
      (i) => a.at(-i)! > 1 && a.at(-i) === b.at(-i),
    );
  }
  try {
    const { inputs, output } = parseEinsum(stringAttribute(node, "equation", ""), ranks);
    return output.some((letter) => inputs.every((letters) => letters.includes(letter)));
  } catch {
    return false; // a damaged equation: its rule says so
  }
}

function isReadByGroups(graph: Graph, numbering: Numbering, value: number): boolean {
  return numbering.readers(value).some((k) => isGrouped(graph, numbering, k));
}

/** Whether anything but contractions reads a value, or what movement makes of it. */
function isReadOtherwise(graph: Graph, numbering: Numbering, value: number): boolean {
  const pending = [value];
  const seen = new Set(pending);
  while (pending.length > 0) {
    for (const k of numbering.readers(pending.pop()!)) {
      const node = graph.nodes[k]!;
      if (isContraction(graph, numbering, k)) continue;
      if (!MOVEMENT.has(node.operator) || node.domain !== "") return true;
      const out = numbering.outputs[k]![0]!;
      if (!seen.has(out)) pending.push(out);
      seen.add(out);
    }
  }
  return false;
}

/** Whether a value is a contraction, perhaps with something added to it that no input has a part in. */
function isPlainlyWritten(graph: Graph, numbering: Numbering, value: number): boolean {
  const isBias = (v: number) => isWeight(graph, numbering, v);
  let at = numbering.writer(value);
  let node: Node | undefined = graph.nodes[at];
  while (node?.domain === "") {
    if (isGrouped(graph, numbering, at)) return false;
    if (CONTRACTIONS.has(node.operator)) return true;
    const inputs = numbering.inputs[at]!;
    const first: number | undefined =
      node.operator === "Add"
        ? inputs.find((i) => numbering.writer(i) !== ABSENT && !isBias(i))
        : MOVEMENT.has(node.operator)
          ? inputs[0]
          : undefined;
    if (first === undefined) return false;
    if (node.operator === "Add" && inputs.some((i) => i !== first && !isBias(i))) return false;
    at = numbering.writer(first);
    node = graph.nodes[at];
  }
  return true;
}

/** A parameter or constant, reshaped at most. */
function isWeight(graph: Graph, numbering: Numbering, value: number): boolean {
  let at: number | undefined = value;
  let behind = graph.nodes.length;
  while (at !== undefined && at !== ABSENT) {
    const k = numbering.writer(at);
    if (k === ABSENT) break;
    // A node of a damaged file may read what it writes itself: the way back would have no end.
    if (k >= behind || graph.nodes[k]!.domain !== "" || !MOVEMENT.has(graph.nodes[k]!.operator)) return false;
    behind = k;
    at = numbering.inputs[k]![0];
  }
  if (at === undefined || at === ABSENT) return false;
  const name = numbering.names[at] ?? "";
  return graph.parameters.has(name) || graph.constants.has(name);
}

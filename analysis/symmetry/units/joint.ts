/**
 * @file Joint cells: which cells of an operator's inputs and output belong together, and which of their slots are the same
 * index. Rules then relate log-scales label by label, whatever the operator.
 */
import { type Graph, type Node, numberAttribute } from "../../graph/graph";
import { ABSENT } from "../../graph/numbering";
import type { CellTable } from "./cells";
import { groupedConvolution } from "./grouped";
import { placements, rowMajor, sameAtoms } from "./placements";
import { join } from "./segment-loops";
import { alignSingle, joinSingle } from "./single-cells";
import type { JointCell, Operand } from "./labels";
import { matMulAxes, virtualAxes } from "./virtual-axes";

/** How the tensors of the node at a position of the graph line up, or undefined where that cannot be described. */
export function jointCells(graph: Graph, table: CellTable, position: number): readonly JointCell[] | undefined {
  const node = graph.nodes[position]!;
  if (isEntrywise(node)) {
    const joint = alignSingle(table, node, position);
    if (joint) return [joint];
  }
  const out = node.outputs[0]!;
  const { numbering } = table;
  for (const v of numbering.inputs[position]!) if (v !== ABSENT && numbering.types[v]?.shape === undefined) return undefined;
  if (numbering.types[numbering.outputs[position]![0]!]?.shape === undefined) return undefined;
  switch (node.operator) {
    case "Reshape":
      return rowMajor(table, out, node.inputs[0]!);
    case "DepthToSpace":
    case "SpaceToDepth":
      return sameAtoms(table, out, node.inputs[0]!);
    case "Tile":
      return undefined;
    case "Slice":
    case "Concat":
    case "Gather":
      return placements(graph, table, node) ?? aligned(graph, table, position);
    case "Conv":
    case "ConvTranspose":
      if (numberAttribute(node, "group", 1) > 1) return groupedConvolution(graph, table, node);
      return aligned(graph, table, position);
  }
  return aligned(graph, table, position);
}

/** Operators whose output axes are not those of the input in the same order, whether they move entries or compute. */
const REALIGNING: ReadonlySet<string> = new Set(
  `Reshape DepthToSpace SpaceToDepth Tile Slice Concat Gather Conv ConvTranspose MatMul Einsum Transpose MaxPool AveragePool
  GlobalMaxPool GlobalAveragePool LpPool Resize Upsample Gemm BatchNormalization LayerNormalization GatherElements
  ScatterElements`.split(/\s+/),
);

/** Whether every entry of the output comes from the entry in the same place, so that equal axes correspond in order. */
export function isEntrywise(node: Node): boolean {
  return !REALIGNING.has(node.operator) && !node.operator.startsWith("Reduce");
}

/** Operators of whose tensors some cells may meet none of the others. */
const PARTIAL: ReadonlySet<string> = new Set(
  "Reshape DepthToSpace SpaceToDepth Tile Slice Concat Gather Conv ConvTranspose".split(" "),
);

/** Whether the joint cells of a node mention every cell of all its tensors of scales. */
export function mentionsAllCells(node: Node): boolean {
  return !PARTIAL.has(node.operator) || (node.operator.startsWith("Conv") && numberAttribute(node, "group", 1) === 1);
}

/** Operators whose axes correspond one to one, up to broadcasting, contraction and reduction. */
function aligned(graph: Graph, table: CellTable, position: number): readonly JointCell[] | undefined {
  const { inputs, outputs, types } = table.numbering;
  const [given, out] = [inputs[position]!, outputs[position]![0]!];
  const node = graph.nodes[position]!;
  const rank = (value: number) => types[value]!.shape!.length;
  const virtual = node.operator === "MatMul" ? matMulAxes(rank(given[0]!), rank(given[1]!), rank(out)) : virtualAxes(graph, node);
  if (!virtual) return undefined;
  const operands = new Array<Operand | undefined>(virtual.length).fill(undefined);
  let isSingle = true;
  for (let i = 0; i < virtual.length; i++) {
    const v = virtual[i];
    const value = i === 0 ? out : (given[i - 1] ?? ABSENT);
    const tensor = v && value !== ABSENT ? table.at(value) : undefined;
    if (v && value !== ABSENT && !tensor) return undefined;
    if (tensor && tensor.cells.length !== 1) isSingle = false;
    if (tensor && v) operands[i] = { tensor, virtual: v };
  }
  return isSingle ? [joinSingle(operands)] : join(operands);
}

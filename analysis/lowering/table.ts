/** @file The operator table with the lowerings of entries that are written elsewhere. */
import type { Node } from "../graph/graph";
import { lowerings } from "../operators/lower/index";
import type { Operator } from "../operators/operator";
import { operatorTable } from "../operators/table";

/** The table entry of a node's operator; undefined means opaque. */
export function entryOf(node: Node): Operator | undefined {
  return operatorTable(node.operator, node.domain === "ai.onnx" ? "" : node.domain);
}

/** How a node is lowered, where it is. */
export function loweringOf(node: Node, entry: Operator): Operator["lower"] {
  return entry.lower ?? (node.domain === "" || node.domain === "ai.onnx" ? lowerings[node.operator] : undefined);
}

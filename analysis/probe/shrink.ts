/** @file Models too large for a budget are trained as their twin: the same graph with smaller channel spaces and inputs. */
import type { Graph, Node } from "../graph/graph";
import { normalForm } from "../lowering/normal-form";
import { equivarianceOf } from "../symmetry/analyse";
import { inferAxes } from "../symmetry/spaces/infer";
import { makeTwin, type TwinOptions } from "../symmetry/twin/twin";

/** A twin to train, or why there is none. */
export type Shrunk =
  | { readonly graph: Graph; readonly notes: readonly string[]; readonly width: TwinWidth }
  | { readonly reason: string };

/** The largest width of a twin's channel spaces, or its own (3 and 4). */
export type TwinWidth = number | "own";

/** Widths that are tried, largest first. The last are the twin's own: 3 and 4. */
const WIDTHS: readonly TwinWidth[] = [256, 128, 64, 32, 16, 8, "own"];

/** The network as it trains, with operators whose lowering depends on that: batch statistics, no dropout. */
function training(node: Node): Node {
  if (node.domain !== "") return node;
  if (node.operator === "Dropout")
    return { ...node, inputs: node.inputs.slice(0, 1), outputs: node.outputs.slice(0, 1), attributes: {} };
  if (node.operator === "BatchNormalization") {
    return { ...node, outputs: node.outputs.slice(0, 1), attributes: { ...node.attributes, training_mode: 1 } };
  }
  return node;
}

/**
 * The largest twin that `fits`. Twins are graphs in normal form; epsilons stay, recurrences are as long as the twin's
 * sequences.
 * @param batch size of the first axis of its inputs
 * @param given this width instead of the largest that fits
 */
export function shrink(graph: Graph, batch: number, fits: (twin: Graph) => boolean, given?: TwinWidth): Shrunk {
  const { graph: normal } = normalForm({ ...graph, nodes: graph.nodes.map(training) }, { epsilon: "keep" });
  const axes = inferAxes(normal, { equivariance: equivarianceOf, softPins: false });
  let reason = "no width fits the budget";
  for (const width of given === undefined ? WIDTHS : [given]) {
    const options: TwinOptions = {
      batch,
      spatial: "shrink",
      ...(width === "own" ? {} : { size: (space: { readonly size: number }) => Math.min(space.size, width) }),
    };
    const twin = makeTwin(normal, axes, options);
    if ("reason" in twin) {
      reason = twin.reason;
      continue;
    }
    if (given !== undefined || width === "own" || fits(twin.graph)) {
      const notes = ["batch normalisations of the twin have no running statistics", ...twin.notes];
      const normalises = graph.nodes.some((n) => n.operator === "BatchNormalization");
      return { graph: twin.graph, notes: normalises ? notes : twin.notes, width };
    }
  }
  return { reason };
}

/**
 * @file Random numbers that a network draws for itself (variational autoencoders, noisy layers). Two runs of such a network
 * would differ, so the numbers become inputs: drawn once for each example, and part of the data from then on.
 */
import { type Graph, type GraphInput, type Node, numberAttribute } from "../graph/graph";
import { type ElementType, isFloating, scalar, type Shape, type Tensor, type TensorType } from "../graph/tensor";
import { batchOf } from "./batch";

const PREFIX = "probe:noise";
const DRAWN: ReadonlySet<string> = new Set(["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]);

/** Whether an input holds numbers that the network drew for itself: standard normal ones. */
export const isNoise = (input: string): boolean => input.startsWith(PREFIX);

/**
 * The graph with an input in the place of each node that draws numbers for the examples of a batch. Others stay: numbers
 * without a batch axis would be the same for all examples.
 */
export function noiseAsInputs(graph: Graph): Graph {
  const batch = batchOf(graph);
  const constants = new Map<string, Tensor>(graph.constants);
  const types = new Map<string, TensorType>(graph.types);
  const inputs: GraphInput[] = [...graph.inputs];
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const y = node.outputs[0]!;
    const { type, shape } = types.get(y) ?? { type: "other" as const, shape: undefined };
    if (!DRAWN.has(node.operator) || node.domain !== "" || !isFloating(type) || batch === undefined) return [node];
    if (shape === undefined || shape.length < 1 || shape[0] !== batch) return [node];
    const name = `${PREFIX}${inputs.length - graph.inputs.length}`;
    inputs.push({ name, type, shape });
    types.set(name, { type, shape });
    return drawnFrom(name, node, type, shape, constants, types);
  });
  return inputs.length === graph.inputs.length ? graph : { ...graph, inputs, nodes, constants, types };
}

/** The node's numbers from standard normal ones: moved and stretched, or through their own distribution function. */
function drawnFrom(
  input: string,
  node: Node,
  type: ElementType,
  shape: Shape,
  constants: Map<string, Tensor>,
  types: Map<string, TensorType>,
): Node[] {
  const y = node.outputs[0]!;
  const made: Node[] = [];
  const number = (value: number): string => {
    const name = `${y}/number${constants.size}`;
    constants.set(name, scalar(value, type));
    types.set(name, { type, shape: [] });
    return name;
  };
  const add = (operator: string, inputs: readonly string[], output = `${y}/noise${made.length}`): string => {
    types.set(output, { type, shape });
    made.push({ ...node, name: output, operator, inputs, outputs: [output], attributes: {} });
    return output;
  };
  if (node.operator.startsWith("RandomNormal")) {
    const wide = add("Mul", [input, number(numberAttribute(node, "scale", 1))]);
    add("Add", [wide, number(numberAttribute(node, "mean", 0))], y);
    return made;
  }
  const [low, high] = [numberAttribute(node, "low", 0), numberAttribute(node, "high", 1)];
  const erf = add("Erf", [add("Mul", [input, number(Math.SQRT1_2)])]);
  add("Add", [add("Mul", [erf, number((high - low) / 2)]), number((low + high) / 2)], y);
  return made;
}

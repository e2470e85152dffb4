/**
 * @file Shape inference over a graph, with propagation of small constants (shapes, axes, indices), so that the targets of
 * Reshape and the bounds of Slice are known. One pass in topological order.
 */
import { type Attribute, type Graph, type Node } from "../graph/graph";
import { type Shape, type Tensor, type TensorType, elementCount } from "../graph/tensor";
import { contractionOperators } from "./contraction";
import { convolutionOperators } from "./convolution";
import type { InferenceContext } from "./operator";
import { poolingOperators } from "./pooling";
import { resizingOperators } from "./resizing";
import { showShape } from "./rules";
import { operatorTable } from "./table";

/** A node whose inputs contradict its rule, with the rule's sentence. */
export interface InferenceProblem {
  readonly node: Node;
  readonly message: string;
}

/** What inference found. */
export interface Inference {
  /** The graph with `types` filled for every value. */
  readonly graph: Graph;
  /** Values that follow from constants and shapes alone, besides `graph.constants`; small ones only. */
  readonly folded: ReadonlyMap<string, Tensor>;
  readonly problems: readonly InferenceProblem[];
}

/** Values of more elements are not propagated: shapes and masks are smaller, tables of weights larger. */
const FOLDING_LIMIT = 65_536;

const ABSENT: TensorType = { type: "other", shape: undefined };

/** Operators whose value depends on the type of their input only. */
const OF_TYPE: ReadonlySet<string> = new Set(["Shape", "Size"]);

/** Operators that never take part in shape arithmetic and whose kernels may need far more room than their output. */
const COSTLY: ReadonlySet<string> = new Set(
  [...convolutionOperators, ...poolingOperators, ...resizingOperators, ...contractionOperators].map((entry) => entry.name),
);

/** A tensor type that stands in where only the shape matters; its data is never read. */
function hollow(type: TensorType): Tensor | undefined {
  return type.shape && { type: type.type, shape: type.shape, data: new Float64Array(0) };
}

/**
 * Fills `types` for all values of the graph. Outputs of unknown operators, and of operators with unknown inputs, keep the
 * type that the graph has for them, if any (what the file declares), else are of unknown shape. A contradiction is recorded
 * and its outputs are treated as unknown; nothing is thrown. Subgraphs are left alone.
 */
export function inferShapes(graph: Graph): Inference {
  const types = new Map<string, TensorType>();
  const folded = new Map<string, Tensor>();
  const problems: InferenceProblem[] = [];
  for (const [name, p] of graph.parameters) types.set(name, { type: p.type, shape: p.shape });
  for (const [name, t] of graph.constants) types.set(name, { type: t.type, shape: t.shape });
  for (const input of graph.inputs) types.set(input.name, { type: input.type, shape: input.shape });
  const constant = (name: string): Tensor | undefined => graph.constants.get(name) ?? folded.get(name);

  for (const node of graph.nodes) {
    const entry = operatorTable(node.operator, node.domain);
    const inputs = node.inputs.map((name) => (name === "" ? ABSENT : (types.get(name) ?? ABSENT)));
    const context: InferenceContext = {
      inputs,
      opset: graph.opset,
      constant: (index) => {
        const name = node.inputs[index];
        return name === undefined || name === "" ? undefined : constant(name);
      },
    };
    let outputs: readonly TensorType[] = [];
    try {
      outputs = entry?.infer(node, context) ?? [];
      for (const { shape } of outputs) if (shape !== undefined) checkSizes(node, shape);
    } catch (error) {
      outputs = [];
      problems.push({ node, message: error instanceof Error ? error.message : String(error) });
    }
    node.outputs.forEach((name, index) => {
      if (name !== "") types.set(name, merged(outputs[index], graph.types.get(name)));
    });
    if (entry?.evaluate === undefined || !foldable(node, outputs)) continue;
    const isOfType = OF_TYPE.has(node.operator);
    // Nearly all nodes read an activation first, which is no constant.
    const first = node.inputs[0];
    if (!isOfType && first !== undefined && first !== "" && constant(first) === undefined) continue;
    const values = isOfType ? inputs.map(hollow) : node.inputs.map((name) => (name === "" ? undefined : constant(name)));
    if (values.some((v, index) => v === undefined && node.inputs[index] !== "")) continue;
    if (!isOfType && values.some((v) => v !== undefined && v.data.length > FOLDING_LIMIT)) continue;
    try {
      const results = entry.evaluate(node, values, graph.opset);
      node.outputs.forEach((name, index) => {
        const value = results[index];
        if (name !== "" && value !== undefined) folded.set(name, value);
      });
    } catch (error) {
      problems.push({ node, message: error instanceof Error ? error.message : String(error) });
    }
  }
  return { graph: { ...graph, types }, folded, problems };
}

/** Throws Error when a shape computed from values of the model has sizes that no tensor has. */
function checkSizes(node: Node, shape: Shape): void {
  if (!shape.every((size) => Number.isInteger(size) && size >= 0))
    throw new Error(`${node.operator}: the output would have the shape ${showShape(shape)}`);
}

/** What the rule found, completed by what the file declares. */
function merged(found: TensorType | undefined, declared: TensorType | undefined): TensorType {
  if (found === undefined) return declared ?? ABSENT;
  if (declared === undefined) return found;
  return { type: found.type === "other" ? declared.type : found.type, shape: found.shape ?? declared.shape };
}

/** Whether the node's value is a small tensor without side conditions. */
function foldable(node: Node, outputs: readonly TensorType[]): boolean {
  if (outputs.length === 0 || COSTLY.has(node.operator)) return false;
  for (const output of outputs) {
    if (output.shape === undefined || elementCount(output.shape) > FOLDING_LIMIT || output.type === "string") return false;
  }
  return !Object.values(node.attributes).some(isGraph);
}

function isGraph(attribute: Attribute): attribute is Graph {
  return typeof attribute === "object" && "nodes" in attribute;
}

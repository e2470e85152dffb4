/**
 * @file Parameters that start at zero and stay there: every path of their gradient is multiplied by a value that is zero and
 * stays zero because of such parameters themselves. Found as a greatest fixed point over the graph, forward for zero values
 * and backward for gradients; whatever is not understood is taken as non-zero, so that nothing is claimed too much.
 */
import type { Graph, Node } from "../graph/graph";
import { operatorsThat } from "../operators/movers";

/** Operators that are zero where all their (first) operands are, and hand gradients on. */
const HOMOGENEOUS: ReadonlySet<string> = new Set([
  ...operatorsThat("reshapes", "transposes", "picks", "splits", "repeats", "joins"),
  "Add",
  "Sub",
  "Cast",
  "Neg",
  "ReduceSum",
  "ReduceMean",
  "AveragePool",
  "GlobalAveragePool",
  "MaxPool",
  "Tanh",
  "Sin",
  "Erf",
  "LeakyRelu",
  "Dropout",
]);

/** Products: zero where one factor is; a factor gets a gradient only where all others are non-zero. */
const PRODUCTS: ReadonlySet<string> = new Set(["Mul", "MatMul", "Conv", "ConvTranspose", "Einsum"]);

/** Operands that carry numbers rather than positions and sizes. */
function carriers(node: Node): readonly number[] {
  switch (node.operator) {
    case "Add":
    case "Sub":
    case "Concat":
      return node.inputs.map((_, i) => i);
    default:
      return [0];
  }
}

/** The factors of a product; a convolution's third operand is added. */
function factors(node: Node): readonly string[] {
  return node.operator === "Conv" || node.operator === "ConvTranspose" ? node.inputs.slice(0, 2) : node.inputs;
}

const known = new WeakMap<Graph, ReadonlySet<string>>();

/** Names of the trainable parameters that never leave zero under gradient descent without noise; found once for each graph. */
export function stuckAtZero(graph: Graph): ReadonlySet<string> {
  let found = known.get(graph);
  if (!found) {
    found = findStuck(graph);
    known.set(graph, found);
  }
  return found;
}

function findStuck(graph: Graph): ReadonlySet<string> {
  const stuck = new Set<string>();
  for (const p of graph.parameters.values()) if (p.trainable && p.initialisation?.constant === 0) stuck.add(p.name);
  while (stuck.size > 0) {
    const moving = movingParameters(graph, stuck);
    const leaving = [...stuck].filter((p) => moving.has(p));
    if (leaving.length === 0) break;
    for (const p of leaving) stuck.delete(p);
  }
  return stuck;
}

/** The parameters that get a gradient while the given ones are zero. */
function movingParameters(graph: Graph, zeroParameters: ReadonlySet<string>): ReadonlySet<string> {
  const zero = new Set<string>(zeroParameters);
  for (const [name, p] of graph.parameters) if (!p.trainable && p.initialisation?.constant === 0 && !p.buffer) zero.add(name);
  for (const [name, t] of graph.constants) if (t.data.length > 0 && t.data.every((x) => x === 0)) zero.add(name);
  for (const node of graph.nodes) {
    if (node.domain !== "") continue;
    const operands = node.inputs;
    const { operator } = node;
    const isZero = HOMOGENEOUS.has(operator)
      ? carriers(node).every((i) => zero.has(operands[i]!))
      : PRODUCTS.has(operator)
        ? factors(node).some((i) => zero.has(i)) && operands.slice(factors(node).length).every((i) => i === "" || zero.has(i))
        : (operator === "Relu" || operator === "Div" || operator === "Abs") && zero.has(operands[0]!);
    if (isZero) for (const o of node.outputs) zero.add(o);
  }
  const reached = new Set<string>(graph.outputs);
  for (let k = graph.nodes.length - 1; k >= 0; k--) {
    const node = graph.nodes[k]!;
    if (!node.outputs.some((o) => reached.has(o))) continue;
    // PyTorch's derivative of ReLU at zero is zero.
    if (node.domain === "" && node.operator === "Relu" && zero.has(node.inputs[0]!)) continue;
    node.inputs.forEach((input, i) => {
      const others = factors(node);
      const blocked =
        node.domain === "" && PRODUCTS.has(node.operator) && i < others.length && others.some((o, j) => j !== i && zero.has(o));
      // A value times itself has two gradients.
      const square = node.inputs.some((o, j) => j !== i && o === input);
      if (!blocked || (square && !zero.has(input))) reached.add(input);
    });
  }
  return reached;
}

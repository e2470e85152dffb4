/**
 * @file Evaluation of whole graphs in float64, and forward-mode derivatives of all their values. Iterative, in the graph's
 * topological order; what the numeric engines, constant folding and certification of rules run on.
 */
import type { Graph, Node } from "../graph/graph";
import { isFloating, type Tensor } from "../graph/tensor";
import type { Operator } from "./operator";
import { operatorTable } from "./table";

/** A graph cannot be evaluated: the node, its place, and what is missing or wrong. */
export class EvaluationError extends Error {
  override readonly name = "EvaluationError";
  constructor(
    message: string,
    readonly node?: Node,
    options?: ErrorOptions,
  ) {
    super(node === undefined ? message : `${node.operator} ${node.name}: ${message}`, options);
  }
}

/** Options of {@link evaluateGraph}. */
export interface EvaluationOptions {
  /**
   * Leaves values out that cannot be computed (behind opaque operators, composites that have to be lowered first, absent
   * weights) instead of throwing.
   */
  readonly partial?: boolean;
}

/** Entries of a graph's nodes; looked up once per graph, since engines evaluate one graph thousands of times. */
const plans = new WeakMap<Graph, readonly (Operator | undefined)[]>();

function planOf(graph: Graph): readonly (Operator | undefined)[] {
  let plan = plans.get(graph);
  if (plan === undefined) {
    plan = graph.nodes.map((node) => operatorTable(node.operator, node.domain));
    plans.set(graph, plan);
  }
  return plan;
}

/** Rules begin their sentences with the operator's name, which EvaluationError adds as well. */
function sentence(node: Node, error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const prefix = `${node.operator}: `;
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

/**
 * Values of all tensors of a graph. `values` has those of the inputs and parameters by name; a parameter that is not in it
 * is read from its file. Constants need not be given. The result has the given values, the constants and all node outputs.
 * Throws EvaluationError when a value is missing, an operator is opaque or must be lowered first, or shapes contradict
 * (the first two are left out under `partial`).
 */
export function evaluateGraph(
  graph: Graph,
  values: ReadonlyMap<string, Tensor>,
  options: EvaluationOptions = {},
): Map<string, Tensor> {
  const all = new Map<string, Tensor>(graph.constants);
  for (const [name, value] of values) all.set(name, value);
  const plan = planOf(graph);
  for (let at = 0; at < graph.nodes.length; at++) {
    const node = graph.nodes[at]!;
    const inputs: (Tensor | undefined)[] = [];
    let missing: string | undefined;
    for (const name of node.inputs) {
      const value = name === "" ? undefined : (all.get(name) ?? readParameter(graph, name, all));
      if (value === undefined && name !== "") missing = name;
      inputs.push(value);
    }
    const entry = plan[at];
    if (missing !== undefined || entry?.evaluate === undefined) {
      if (options.partial) continue;
      throw new EvaluationError(missing === undefined ? inability(entry) : missingValue(graph, missing), node);
    }
    let outputs: readonly Tensor[];
    try {
      outputs = entry.evaluate(node, inputs, graph.opset);
    } catch (error) {
      throw new EvaluationError(sentence(node, error), node, { cause: error });
    }
    for (let k = 0; k < node.outputs.length; k++) {
      const name = node.outputs[k]!;
      const value = outputs[k];
      if (name !== "" && value !== undefined) all.set(name, value);
    }
  }
  return all;
}

function readParameter(graph: Graph, name: string, all: Map<string, Tensor>): Tensor | undefined {
  const value = graph.parameters.get(name)?.read?.();
  if (value !== undefined) all.set(name, value);
  return value;
}

function inability(entry: Operator | undefined): string {
  return entry === undefined
    ? "the operator is not in the operator table and cannot be evaluated"
    : "the operator has no value of its own; lower the graph first (normalForm)";
}

function missingValue(graph: Graph, name: string): string {
  if (graph.parameters.has(name)) return `the parameter ${name} has no values; give some in \`values\``;
  if (graph.inputs.some((input) => input.name === name)) return `the graph's input ${name} has no value; give one in \`values\``;
  return `its input ${name} is written by no node before it`;
}

/**
 * Derivatives of all values along one direction of parameters and inputs. `values` is what {@link evaluateGraph} returned
 * for the point; `direction` has components by name, absent ones are zero. The result has the values that move; those that
 * do not are absent. Throws EvaluationError where a moving value enters an operator without derivative.
 */
export function tangentGraph(
  graph: Graph,
  values: ReadonlyMap<string, Tensor>,
  direction: ReadonlyMap<string, Float64Array>,
): Map<string, Tensor> {
  const moving = new Map<string, Tensor>();
  for (const [name, data] of direction) {
    const value = values.get(name) ?? graph.parameters.get(name)?.read?.();
    if (value === undefined) throw new EvaluationError(`the direction moves ${name}, which has no value; give one in \`values\``);
    if (value.data.length !== data.length) {
      throw new EvaluationError(`the direction of ${name} has ${data.length} numbers, and its value has ${value.data.length}`);
    }
    moving.set(name, { type: value.type, shape: value.shape, data });
  }
  const plan = planOf(graph);
  for (let at = 0; at < graph.nodes.length; at++) {
    const node = graph.nodes[at]!;
    let moves = false;
    for (const name of node.inputs) if (moving.has(name)) moves = true;
    if (moves) move(graph, node, plan[at], values, moving);
  }
  return moving;
}

/** Adds the tangents of one node's outputs. */
function move(
  graph: Graph,
  node: Node,
  entry: Operator | undefined,
  values: ReadonlyMap<string, Tensor>,
  moving: Map<string, Tensor>,
): void {
  const x = node.inputs.map((name) => (name === "" ? undefined : (values.get(name) ?? graph.parameters.get(name)?.read?.())));
  const dx = node.inputs.map((name) => (name === "" ? undefined : moving.get(name)));
  const y = node.outputs.map((name) => values.get(name));
  const wanted = node.outputs.some((name, k) => k > 0 && y[k] !== undefined && isFloating(y[k].type) && name !== "");
  let tangents: readonly (Tensor | undefined)[];
  try {
    if (wanted && entry?.tangents !== undefined) {
      tangents = entry.tangents(
        node,
        x,
        y.filter((v) => v !== undefined),
        dx,
        graph.opset,
      );
    } else if (entry?.tangent !== undefined && y[0] !== undefined && !wanted) {
      tangents = [entry.tangent(node, x, y[0], dx, graph.opset)];
    } else {
      throw new Error(
        entry === undefined
          ? "the operator is not in the operator table and has no derivative"
          : "the operator has no derivative of its own; lower the graph first (normalForm)",
      );
    }
  } catch (error) {
    throw new EvaluationError(sentence(node, error), node, { cause: error });
  }
  node.outputs.forEach((name, k) => {
    const tangent = tangents[k];
    if (name !== "" && tangent !== undefined) moving.set(name, tangent);
  });
}

/**
 * @file Reverse-mode differentiation: appends the nodes that compute gradients to a graph, one vector-Jacobian rule per
 * node, from the outputs back to what is asked for. All that remains is ordinary ONNX operators.
 */
import { CAPTURED_INPUTS, type Graph, type Node } from "../../graph/graph";
import { isFloating, type Shape, type Tensor, type TensorType } from "../../graph/tensor";
import type { Gradient } from "../operator";
import { operatorTable } from "../table";
import { GraphBuilder } from "./builder";

/** A graph cannot be differentiated: the node, and why. */
export class GradientError extends Error {
  override readonly name = "GradientError";
  constructor(
    readonly node: Node,
    message: string,
  ) {
    super(`${node.operator} ${node.name}: ${message}`);
  }
}

/**
 * Appends the gradients of the sum over `seeds` of <value, gradient>, with respect to `wanted` values. What no seed depends
 * on is absent from the result.
 * @param builder the graph, whose nodes so far are differentiated
 * @param seeds values with the names of their gradients (of the same shape)
 * @param wanted names of inputs, parameters or other values
 * @returns the names of the gradients by value
 * @throws GradientError when a node on the way has no rule, or its rule does not cover the case
 */
export function backpropagate(
  builder: GraphBuilder,
  seeds: ReadonlyMap<string, string>,
  wanted: Iterable<string>,
): Map<string, string> {
  const nodes = [...builder.nodes];
  const targets = new Set(wanted);
  const moving = new Set(targets);
  const floating = (v: string): boolean => isFloating(builder.type(v).type);
  for (const node of nodes) {
    if (node.inputs.some((i) => moving.has(i))) for (const o of node.outputs) if (o !== "" && floating(o)) moving.add(o);
  }
  /** Contributions to the gradient of each value, summed when they are all there. */
  const parts = new Map<string, string[]>();
  for (const [value, gradient] of seeds) if (moving.has(value)) parts.set(value, [gradient]);
  const total = (value: string): string | undefined => {
    const list = parts.get(value);
    if (!list) return undefined;
    if (list.length > 1) parts.set(value, [list.length === 2 ? builder.add("Add", list) : builder.add("Sum", list)]);
    return parts.get(value)![0];
  };
  for (let k = nodes.length - 1; k >= 0; k--) {
    const node = nodes[k]!;
    if (!node.outputs.some((o) => parts.has(o)) || !node.inputs.some((i) => moving.has(i))) continue;
    const rule = operatorTable(node.operator, node.domain)?.gradient;
    if (!rule) throw new GradientError(node, "the operator has no gradient rule, so the model cannot be trained here");
    builder.origin = node.origin;
    const context = new NodeGradient(builder, node, node.outputs.map(total), moving);
    let gradients: readonly (string | undefined)[];
    try {
      gradients = rule(context);
    } catch (error) {
      throw new GradientError(node, error instanceof Error ? error.message : String(error));
    }
    node.inputs.forEach((input, i) => {
      const gradient = gradients[i];
      if (gradient === undefined || input === "" || !moving.has(input)) return;
      const list = parts.get(input);
      if (list) list.push(gradient);
      else parts.set(input, [gradient]);
    });
  }
  builder.origin = {};
  const out = new Map<string, string>();
  for (const value of targets) {
    const gradient = total(value);
    if (gradient !== undefined) out.set(value, gradient);
  }
  return out;
}

class NodeGradient implements Gradient {
  readonly opset = 21;

  constructor(
    private readonly builder: GraphBuilder,
    readonly node: Node,
    readonly dy: readonly (string | undefined)[],
    private readonly moving: ReadonlySet<string>,
  ) {}

  wants(index: number): boolean {
    const name = this.node.inputs[index];
    return name !== undefined && name !== "" && this.moving.has(name);
  }

  type(value: string): TensorType {
    return this.builder.type(value);
  }

  shape(value: string): Shape {
    const { shape } = this.builder.type(value);
    if (shape === undefined) throw new Error(`the shape of ${value} is unknown`);
    return shape;
  }

  constant(value: string): Tensor | undefined {
    return this.builder.constant(value);
  }

  addConstant(tensor: Tensor): string {
    return this.builder.addConstant(tensor);
  }

  add(operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string {
    return this.builder.add(operator, inputs, attributes);
  }

  addAll(operator: string, inputs: readonly string[], outputs: number, attributes: Node["attributes"] = {}): string[] {
    return this.builder.addAll(operator, inputs, outputs, attributes);
  }

  choose(
    condition: string,
    reads: readonly string[],
    yes: (branch: Gradient) => string,
    no: (branch: Gradient) => string,
  ): string {
    const branch = (make: (branch: Gradient) => string): Graph => {
      const prefix = `${this.builder.fresh("branch")}/`;
      const types = new Map(reads.map((name) => [name, this.builder.type(name)]));
      const empty = { inputs: [], outputs: [], nodes: [], parameters: new Map(), constants: new Map() };
      const inner = new GraphBuilder({ name: prefix, opset: this.opset, ...empty, types }, operatorTable, prefix);
      inner.origin = this.node.origin;
      return inner.finish([make(new NodeGradient(inner, this.node, this.dy, this.moving))]);
    };
    return this.builder.add("If", [condition, ...reads], {
      then_branch: branch(yes),
      else_branch: branch(no),
      [CAPTURED_INPUTS]: reads.length,
    });
  }
}

/**
 * @file A network at another batch size. Graphs that compute their shapes follow by themselves; where a front end wrote the
 * batch size into a reshape or an expansion, the entry that holds it is found by where the batch lies in memory.
 */
import type { Graph, GraphInput } from "../graph/graph";
import { elementCount, int64Vector, type Shape, type Tensor, type TensorType } from "../graph/tensor";
import { inferShapes } from "../operators/inference";
import { operatorTable } from "../operators/table";

/** The size of the first axis, where all inputs and the first output share it: the batch, as far as shapes tell. */
export function batchOf(graph: Graph): number | undefined {
  const [first] = graph.inputs;
  const batch = first?.shape[0];
  const output = graph.types.get(graph.outputs[0] ?? "")?.shape;
  if (batch === undefined || output === undefined || output[0] !== batch) return undefined;
  return graph.inputs.every((i) => i.shape[0] === batch) ? batch : undefined;
}

/**
 * The graph with another batch size; undefined where that cannot be had. Shapes of all values have to follow without a
 * contradiction, and the output's first axis has to be the new batch.
 */
export function withBatch(graph: Graph, batch: number): Graph | undefined {
  const before = batchOf(graph);
  if (before === undefined) return undefined;
  if (before === batch) return graph;
  const inputs = graph.inputs.map((i) => ({ ...i, shape: i.shape.with(0, batch) }));
  const moved = inferShapes({ ...graph, inputs, types: new Map(inputs.map((i) => [i.name, i])) });
  if (moved.problems.length === 0 && follows(graph, moved.graph, before, batch)) return moved.graph;
  const mended = mend(graph, inputs, batch / before);
  return mended && follows(graph, mended, before, batch) ? mended : undefined;
}

/** Whether every shape is known where it was, and the output has the new batch. */
function follows(old: Graph, now: Graph, before: number, batch: number): boolean {
  const [output] = now.outputs;
  const found = now.types.get(output ?? "")?.shape;
  const was = old.types.get(output ?? "")?.shape;
  if (!found || !was || found.length !== was.length) return false;
  if (!found.every((d, i) => d === (i === 0 && was[0] === before ? batch : was[i]))) return false;
  return now.nodes.every((n) => n.outputs.every((o) => o === "" || !old.types.get(o)?.shape || now.types.get(o)?.shape));
}

/** Infers node by node, and scales the batch in targets of Reshape and Expand that are constants. */
function mend(graph: Graph, inputs: readonly GraphInput[], ratio: number): Graph | undefined {
  const types = new Map<string, TensorType>(inputs.map((i) => [i.name, { type: i.type, shape: i.shape }]));
  for (const p of graph.parameters.values()) types.set(p.name, { type: p.type, shape: p.shape });
  const constants = new Map<string, Tensor>(graph.constants);
  for (const [name, c] of constants) types.set(name, { type: c.type, shape: c.shape });
  const nodes = [];
  for (const given of graph.nodes) {
    let node = given;
    const target = constants.get(node.inputs[1] ?? "");
    if ((node.operator === "Reshape" || node.operator === "Expand") && target) {
      const old = graph.types.get(node.outputs[0]!)?.shape;
      const from = graph.types.get(node.inputs[0]!)?.shape;
      const now = types.get(node.inputs[0]!)?.shape;
      if (!old || !from || !now) return undefined;
      const shape = node.operator === "Reshape" ? reshaped(from, now, old, ratio) : expanded(from, now, old, ratio);
      if (shape === undefined) return undefined;
      const name = `${node.outputs[0]}/shape`;
      constants.set(name, int64Vector(shape));
      types.set(name, { type: "int64", shape: [shape.length] });
      node = { ...node, inputs: [node.inputs[0]!, name] };
    }
    const entry = operatorTable(node.operator, node.domain);
    if (!entry) return undefined;
    try {
      const found = entry.infer(node, {
        inputs: node.inputs.map((i) => types.get(i) ?? { type: "other", shape: undefined }),
        opset: graph.opset,
        constant: (i) => constants.get(node.inputs[i] ?? ""),
      });
      node.outputs.forEach((o, k) => {
        if (o !== "") types.set(o, found[k] ?? { type: "other", shape: undefined });
      });
    } catch {
      return undefined;
    }
    nodes.push(node);
  }
  return { ...graph, inputs, nodes, constants, types };
}

/** The axis of a row-major shape that holds the factor behind `outer` elements. */
function reshaped(from: Shape, now: Shape, target: Shape, ratio: number): number[] | undefined {
  if (elementCount(now) === elementCount(from)) return [...target];
  const axis = from.findIndex((d, i) => now[i] !== d);
  const outer = elementCount(from.slice(0, axis));
  let before = 1;
  for (const [i, size] of target.entries()) {
    const scaled = size * ratio;
    if (before * size > outer && before <= outer && Number.isInteger(scaled)) return target.with(i, scaled);
    before *= size;
  }
  return undefined;
}

/** What was the batch stays the batch: axes that the operand has follow it, new leading axes of the batch's size are it. */
function expanded(from: Shape, now: Shape, target: Shape, ratio: number): number[] {
  const lead = target.length - from.length;
  const carries = from.some((d, i) => now[i] !== d);
  return target.map((size, i) => {
    const [own, new_] = [from[i - lead], now[i - lead]];
    if (own !== undefined && new_ !== undefined && own !== new_) return own === size ? new_ : size;
    if (!carries && i === 0 && (own === undefined || own === 1) && size > 1 && Number.isInteger(size * ratio))
      return size * ratio;
    return size;
  });
}

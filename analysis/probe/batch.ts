/**
 * @file A network at another batch size. Graphs that compute their shapes follow by themselves; where a front end wrote the
 * batch size into a reshape or an expansion, the entry that holds it is found by where the batch lies in memory.
 */
import type { Graph, GraphInput, Node } from "../graph/graph";
import { elementCount, int64Vector, type Shape, type Tensor, type TensorType } from "../graph/tensor";
import { primitiveForm } from "../lowering/normal-form";
import { evaluateGraph } from "../operators/evaluate";
import { inferShapes } from "../operators/inference";
import type { Operator } from "../operators/operator";
import { operatorTable } from "../operators/table";
import { randomInputs } from "../runtime/random-inputs";
import { randomWeights } from "../runtime/random-weights";
import { costOf } from "./cost";

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
  for (const route of [infer, mend]) {
    const found = route(graph, withRows(graph, batch), batch / before);
    if (!found || !follows(graph, found, before, batch)) continue;
    if (isComputed(graph) || keepsRows(graph, route)) return found;
  }
  return undefined;
}

/** The inputs with another number of rows. */
function withRows(graph: Graph, rows: number): GraphInput[] {
  return graph.inputs.map((i) => ({ ...i, shape: i.shape.with(0, rows) }));
}

/** Plain inference: what graphs that compute their shapes need. */
function infer(graph: Graph, inputs: readonly GraphInput[]): Graph | undefined {
  const { problems, graph: found } = inferShapes({ ...graph, inputs, types: new Map(inputs.map((i) => [i.name, i])) });
  return problems.length === 0 ? found : undefined;
}

/** Whether no target of a Reshape or Expand is written down, so that nothing about shapes is guessed. */
function isComputed(graph: Graph): boolean {
  const folded = inferShapes(graph).folded;
  const isFixed = (name: string) => graph.constants.has(name) || folded.has(name);
  return !graph.nodes.some((n) => (n.operator === "Reshape" || n.operator === "Expand") && isFixed(n.inputs[1] ?? ""));
}

/** Networks of more operations are not computed to check a guess about their shapes. */
const LARGEST_CHECKED = 1e8;

/**
 * Whether a route reads the shapes right: with all rows given twice, every row's output comes twice (batch statistics stay
 * what they were). Taken at random weights; where the network is too large to compute, the shapes have to do.
 */
function keepsRows(graph: Graph, route: typeof mend): boolean {
  const batch = batchOf(graph)!;
  const twice = route(graph, withRows(graph, 2 * batch), 2);
  if (!twice || !follows(graph, twice, batch, 2 * batch)) return false;
  if (2 * costOf(graph).operations > LARGEST_CHECKED) return true;
  const weights = new Map(
    [...randomWeights(graph, 1)].map(([name, data]): [string, Tensor] => {
      const { type, shape } = graph.parameters.get(name)!;
      return [name, { type, shape, data }];
    }),
  );
  const once = randomInputs(graph, 1);
  const doubled = [...once].map(([name, x]): [string, Tensor] => {
    const data = new Float64Array(2 * x.data.length);
    data.set(x.data);
    data.set(x.data, x.data.length);
    return [name, { ...x, shape: x.shape.with(0, 2 * batch), data }];
  });
  try {
    const form = (g: Graph) => primitiveForm(g, () => false);
    const [small, large] = [form(graph), form(twice)];
    const y = evaluateGraph(small, new Map([...weights, ...once])).get(small.outputs[0]!)!.data;
    const z = evaluateGraph(large, new Map([...weights, ...doubled])).get(large.outputs[0]!)!.data;
    const size = y.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-6);
    return z.every((v, i) => Math.abs(v - y[i % y.length]!) <= 1e-6 * size);
  } catch {
    return false;
  }
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

/** Values of more elements are not followed: shapes are small. */
const LARGEST_FOLDED = 65_536;
const RECURRENT: ReadonlySet<string> = new Set(["RNN", "GRU", "LSTM"]);

/**
 * Infers node by node. Targets of Reshape and Expand that did not follow the batch by themselves get it scaled; initial
 * states of recurrences that are constant zeros are left to the operator, which makes them.
 */
function mend(graph: Graph, inputs: readonly GraphInput[], ratio: number): Graph | undefined {
  const before = inferShapes(graph).folded;
  const types = new Map<string, TensorType>(inputs.map((i) => [i.name, { type: i.type, shape: i.shape }]));
  for (const p of graph.parameters.values()) types.set(p.name, { type: p.type, shape: p.shape });
  const constants = new Map<string, Tensor>(graph.constants);
  for (const [name, c] of constants) types.set(name, { type: c.type, shape: c.shape });
  const known = new Map<string, Tensor>(constants);
  const nodes: Node[] = [];
  for (const given of graph.nodes) {
    let node = given;
    if (node.operator === "Reshape" || node.operator === "Expand") {
      const target = node.inputs[1]!;
      const now = known.get(target)?.data;
      const was = (graph.constants.get(target) ?? before.get(target))?.data;
      const unchanged = now !== undefined && was !== undefined && now.length === was.length && now.every((v, i) => v === was[i]);
      const shape = unchanged ? moved(node, graph, types, ratio) : undefined;
      if (shape) {
        const name = `${node.outputs[0]}/shape`;
        constants.set(name, int64Vector(shape));
        known.set(name, int64Vector(shape));
        types.set(name, { type: "int64", shape: [shape.length] });
        node = { ...node, inputs: [node.inputs[0]!, name] };
      }
      // Zeros of the batch's size, expanded to what they have already: they follow as one zero.
      const filler = node.operator === "Expand" ? constants.get(node.inputs[0]!) : undefined;
      if (filler && filler.data.length > 1 && filler.data.every((v) => v === filler.data[0])) {
        const name = `${node.outputs[0]}/value`;
        const one: Tensor = { type: filler.type, shape: filler.shape.map(() => 1), data: filler.data.slice(0, 1) };
        constants.set(name, one);
        known.set(name, one);
        types.set(name, { type: one.type, shape: one.shape });
        node = { ...node, inputs: [name, node.inputs[1]!] };
      }
    } else if (RECURRENT.has(node.operator)) {
      node = {
        ...node,
        inputs: node.inputs.map((i, k) => (k >= 5 && k <= 6 && known.get(i)?.data.every((v) => v === 0) ? "" : i)),
      };
    }
    const entry = operatorTable(node.operator, node.domain);
    if (!entry) return undefined;
    try {
      const found = entry.infer(node, {
        inputs: node.inputs.map((i) => types.get(i) ?? { type: "other", shape: undefined }),
        opset: graph.opset,
        constant: (i) => known.get(node.inputs[i] ?? ""),
      });
      node.outputs.forEach((o, k) => {
        if (o !== "") types.set(o, found[k] ?? { type: "other", shape: undefined });
      });
      fold(node, entry, types, known, graph.opset);
    } catch {
      return undefined;
    }
    nodes.push(node);
  }
  return { ...graph, inputs, nodes, constants, types };
}

/** Follows values that hang on constants and shapes alone. */
function fold(node: Node, entry: Operator, types: Map<string, TensorType>, known: Map<string, Tensor>, opset: number): void {
  const ofType = node.operator === "Shape" || node.operator === "Size";
  const values = node.inputs.map((i): Tensor | undefined => {
    const { type, shape } = types.get(i) ?? { type: "other" as const, shape: undefined };
    if (ofType) return shape && { type, shape, data: new Float64Array(0) };
    return known.get(i);
  });
  if (!entry.evaluate || values.some((v, k) => v === undefined && node.inputs[k] !== "")) return;
  const shapes = node.outputs.map((o) => types.get(o)?.shape);
  if (shapes.some((s) => s === undefined || elementCount(s) > LARGEST_FOLDED)) return;
  const results = entry.evaluate(node, values, opset);
  node.outputs.forEach((o, k) => {
    if (o !== "" && results[k]) known.set(o, results[k]);
  });
}

/** The target of a Reshape or Expand with the batch scaled; undefined where it needs no change, or none is found. */
function moved(node: Node, graph: Graph, types: ReadonlyMap<string, TensorType>, ratio: number): number[] | undefined {
  const old = graph.types.get(node.outputs[0]!)?.shape;
  const from = graph.types.get(node.inputs[0]!)?.shape;
  const now = types.get(node.inputs[0]!)?.shape;
  if (!old || !from || !now) return undefined;
  return node.operator === "Reshape" ? reshaped(from, now, old, ratio) : expanded(from, now, old, ratio);
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

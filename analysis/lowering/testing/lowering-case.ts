/**
 * @file Test support: one operator as a graph of its own, whose normal form must compute what ONNX Runtime computes, and
 * what the operator's own `evaluate` computes where it has one.
 */
import assert from "node:assert/strict";
import { writeOnnx } from "../../frontends/onnx";
import type { Graph, Node } from "../../graph/graph";
import { elementCount, isFloating, type Shape, type Tensor, tensor } from "../../graph/tensor";
import { evaluateGraph } from "../../operators/evaluate";
import { inferShapes } from "../../operators/inference";
import { operatorTable } from "../../operators/table";
import { createRunner, type Runner } from "../../runtime";
import { type NormalForm, normalForm } from "../normal-form";

/** Operators that may be left in a normal form without being opaque. */
export const PRIMITIVES: ReadonlySet<string> = new Set(
  `Add Sub Mul Div Neg Pow Sqrt Reciprocal ReduceSumSquare ReduceMean ReduceSum ReduceMax ReduceMin MaxPool AveragePool
  Relu LeakyRelu PRelu Tanh Erf Sin Cos Sigmoid HardSigmoid Exp Log Abs Clip Max Min Softmax Reshape Transpose Slice
  Concat Gather Expand Pad DepthToSpace Where MatMul Einsum Conv ConvTranspose Softplus Elu ThresholdedRelu Floor Ceil
  Round Sign Cast Shrink Greater Less Equal LessOrEqual GreaterOrEqual And Or Not OneHot Resize ScatterElements`.split(/\s+/),
);

/** A reproducible source of numbers in [-1, 1). */
export function generator(seed: number): () => number {
  let state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround((state / 2 ** 32) * 2 - 1);
  };
}

/** A float32 tensor of random numbers in [-1, 1), moved and stretched. */
export function random(shape: Shape, seed: number, offset = 0, scale = 1): Tensor {
  const next = generator(seed);
  const data = Float64Array.from({ length: elementCount(shape) }, () => Math.fround(next() * scale + offset));
  return { type: "float32", shape, data };
}

/** int64 constant. */
export function ints(...values: number[]): Tensor {
  return tensor([values.length], values, "int64");
}

/** How an input of a case enters the graph; a tensor alone is a graph input. */
export interface Feed {
  readonly value: Tensor;
  readonly as: "parameter" | "constant";
}

/** One node whose lowering is compared with its own value. */
export interface Case {
  readonly operator: string;
  readonly domain?: string;
  readonly opset?: number;
  readonly inputs: readonly (Tensor | Feed | undefined)[];
  readonly attributes?: Node["attributes"];
  /** Number of outputs, or one flag per output that says whether it is there. */
  readonly outputs?: number | readonly boolean[];
}

/** An input that is a parameter. */
export const parameter = (value: Tensor): Feed => ({ value, as: "parameter" });
/** An input that is a constant. */
export const constant = (value: Tensor): Feed => ({ value, as: "constant" });

/** The graph of one node, and the values of its inputs and parameters. */
export function graphOf(c: Case): { graph: Graph; values: Map<string, Tensor> } {
  const inputs: { name: string; type: Tensor["type"]; shape: Shape }[] = [];
  const parameters = new Map();
  const constants = new Map<string, Tensor>();
  const values = new Map<string, Tensor>();
  const names = c.inputs.map((given, i) => {
    if (given === undefined) return "";
    const name = `x${i}`;
    const [value, role] = "as" in given ? [given.value, given.as] : [given, "input"];
    const { type, shape } = value;
    if (role === "constant") constants.set(name, value);
    else values.set(name, value);
    if (role === "input") inputs.push({ name, type, shape });
    if (role === "parameter") parameters.set(name, { name, type, shape, trainable: true, origin: {} });
    return name;
  });
  const flags = typeof c.outputs === "object" ? c.outputs : new Array<boolean>(c.outputs ?? 1).fill(true);
  const outputs = flags.map((there, i) => (there ? `y${i}` : ""));
  const node: Node = {
    name: "node",
    operator: c.operator,
    domain: c.domain ?? "",
    inputs: names,
    outputs,
    attributes: c.attributes ?? {},
    origin: { node: "node" },
  };
  const graph: Graph = {
    name: c.operator,
    opset: c.opset ?? 17,
    inputs,
    outputs: outputs.filter((o) => o !== ""),
    nodes: [node],
    parameters,
    constants,
    types: new Map(),
  };
  return { graph: inferShapes(graph).graph, values };
}

/** The largest deviation of two tensors, relative to one plus the size of what is expected. */
export function deviation(actual: Tensor, expected: Tensor): number {
  assert.deepEqual([...actual.shape], [...expected.shape], "shapes differ");
  let worst = 0;
  expected.data.forEach((e, i) => {
    const a = actual.data[i]!;
    if (Object.is(a, e) || a === e) return;
    const d = Math.abs(a - e) / (1 + Math.abs(e));
    if (!(d <= worst)) worst = d; // also NaN
  });
  return worst;
}

/** The outputs of a graph's normal form that keeps the function, in order. */
export function evaluateNormalForm(graph: Graph, values: ReadonlyMap<string, Tensor>): { form: NormalForm; outputs: Tensor[] } {
  const form = normalForm(graph, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY });
  const all = evaluateGraph(form.graph, values);
  return { form, outputs: form.graph.outputs.map((o) => all.get(o)!) };
}

/** Fails where a node is left that is no primitive, nor one of `also`. */
export function assertPrimitive(graph: Graph, also: readonly string[] = []): void {
  for (const n of graph.nodes) {
    assert.ok(
      n.domain === "" && (PRIMITIVES.has(n.operator) || also.includes(n.operator)),
      `${n.domain} ${n.operator} is left (${n.name})`,
    );
  }
}

let runner: Runner | undefined;

/** ONNX Runtime in this process, for all cases of a test file. */
export function sharedRunner(): Runner {
  runner ??= createRunner({ kind: "in-process" });
  return runner;
}

/** Compares a case's normal form with ONNX Runtime, and with the operator's own value. Returns the normal form. */
export async function check(c: Case, tolerance = 2e-5, also: readonly string[] = []): Promise<NormalForm> {
  const { graph, values } = graphOf(c);
  const { form, outputs } = evaluateNormalForm(graph, values);
  assertPrimitive(form.graph, also);
  const label = `${c.operator} ${JSON.stringify(c.attributes ?? {}, (_, v) => (v instanceof Float64Array ? [...v] : v))}`;
  const bytes = writeOnnx(graph, values);
  const feeds = new Map([...values].filter(([name]) => graph.inputs.some((i) => i.name === name)));
  const expected = await sharedRunner().run(bytes, feeds);
  graph.outputs.forEach((name, k) => {
    const d = deviation(outputs[k]!, expected.get(name)!);
    assert.ok(d <= tolerance, `${label}: output ${k} deviates by ${d} from ONNX Runtime`);
  });
  graph.outputs.forEach((name, k) => {
    assert.deepEqual([...(graph.types.get(name)?.shape ?? outputs[k]!.shape)], [...outputs[k]!.shape], `${label}: inferred`);
  });
  checkOwnValue(c, graph, values, outputs, label);
  return form;
}

/** Compares the normal form with the operator's own `evaluate`, in double precision. */
function checkOwnValue(
  c: Case,
  graph: Graph,
  values: ReadonlyMap<string, Tensor>,
  outputs: readonly Tensor[],
  label: string,
): void {
  if (operatorTable(c.operator, c.domain ?? "")?.evaluate === undefined) return;
  const all = evaluateGraph(graph, values);
  graph.outputs.forEach((name, k) => {
    const own = all.get(name);
    if (own === undefined || !isFloating(own.type)) return;
    const d = deviation(outputs[k]!, own);
    assert.ok(d <= 1e-12, `${label}: output ${k} deviates by ${d} from the operator's own value`);
  });
}

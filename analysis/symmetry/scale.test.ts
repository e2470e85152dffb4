/**
 * @file Graphs of 20,000 nodes and more are analysed rightly: nothing recurses along a graph, nothing is left out because
 * there is much of it. (How long it takes is measured by `npm run bench`.)
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readOnnx, writeOnnx } from "../frontends/onnx/index";
import type { Graph, Node, Parameter } from "../graph/graph";
import { int64Vector, scalar, type Tensor } from "../graph/tensor";
import { inferShapes } from "../operators/inference";
import { analyse } from "./analyse";

class Builder {
  private readonly nodes: Node[] = [];
  private readonly parameters = new Map<string, Parameter>();
  private readonly constants = new Map<string, Tensor>();

  parameter(name: string, shape: readonly number[]): string {
    this.parameters.set(name, { name, type: "float32", shape, trainable: true, origin: {} });
    return name;
  }

  constant(name: string, value: Tensor): string {
    this.constants.set(name, value);
    return name;
  }

  node(operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string {
    const name = `n${this.nodes.length}`;
    this.nodes.push({ name, operator, domain: "", inputs, outputs: [name], attributes, origin: {} });
    return name;
  }

  dense(x: string, name: string, from: number, to: number): string {
    return this.node("MatMul", [x, this.parameter(name, [from, to])]);
  }

  build(input: readonly number[], output: string): Graph {
    const { nodes, parameters, constants } = this;
    const inputs = [{ name: "x", type: "float32" as const, shape: input }];
    return inferShapes({ name: "g", opset: 17, inputs, outputs: [output], nodes, parameters, constants, types: new Map() }).graph;
  }
}

const find = (graph: Graph) => analyse(graph, { numeric: false });

test("a chain of 10,000 layers, also from its file", () => {
  const b = new Builder();
  let x = "x";
  for (let i = 0; i < 10_000; i++) x = b.node("Relu", [b.dense(x, `w${i}`, 4, 4)]);
  const graph = b.build([2, 4], x);
  const { graph: read } = readOnnx({ name: "chain.onnx", bytes: writeOnnx(graph, new Map(), { parametersAsInputs: true }) });
  assert.equal(read.nodes.length, 20_000);
  const { spaces, continuous, opaque } = find(graph);
  assert.equal(spaces.length, 9_999);
  assert.equal(continuous.rescaling, 4 * 9_999);
  assert.deepEqual(opaque, []);
});

test("5,000 residual blocks on one stream", () => {
  const b = new Builder();
  let x = b.dense("x", "in", 4, 6);
  for (let i = 0; i < 5_000; i++) x = b.node("Add", [x, b.dense(b.node("Relu", [b.dense(x, `a${i}`, 6, 8)]), `b${i}`, 8, 6)]);
  const { spaces, continuous, symmetries } = find(b.build([2, 4], b.dense(x, "out", 6, 3)));
  assert.equal(spaces.length, 5_001);
  assert.equal(continuous.rescaling, 8 * 5_000 + 6);
  // The stream's group acts on every block: looking for each of its places among all of them would take minutes.
  assert.equal(symmetries.find((s) => s.group === "GL(6)")?.parameters.length, 2 * 5_000 + 2);
  const stream = spaces.find((s) => s.size === 6)!;
  assert.equal(stream.acts.length, 2 * 5_000 + 2);
});

test("a value with 7,000 readers, whose results are summed", () => {
  const b = new Builder();
  const h = b.node("Relu", [b.dense("x", "w", 4, 8)]);
  const ys = Array.from({ length: 7_000 }, (_, i) => b.node("Tanh", [b.dense(h, `a${i}`, 8, 3)]));
  const { spaces, swaps } = find(b.build([2, 4], b.node("Sum", ys)));
  assert.deepEqual(
    spaces.map((s) => [s.size, s.acts.length]),
    [[8, 7_001]],
  );
  // Branches of one shape may be exchanged; only so many are compared.
  assert.ok(swaps.length <= 64);
});

test("7,000 branches side by side in one Concat", () => {
  const b = new Builder();
  const ys = Array.from({ length: 7_000 }, (_, i) => b.node("Relu", [b.dense("x", `a${i}`, 4, 3)]));
  const { spaces, continuous } = find(b.build([2, 4], b.dense(b.node("Concat", ys, { axis: 1 }), "out", 21_000, 2)));
  assert.equal(spaces.length, 7_000);
  assert.equal(continuous.rescaling, 21_000);
});

test("shape arithmetic, Reshapes and Transposes that undo each other, 2,000 times over", () => {
  const b = new Builder();
  const first = b.constant("first", scalar(0, "int64"));
  const axis = b.constant("axis", int64Vector([0]));
  const [three, four, twelve] = [3, 4, 12].map((n) => b.constant(`size ${n}`, int64Vector([n])));
  let x = b.dense("x", "in", 4, 12);
  for (let i = 0; i < 2_000; i++) {
    const batch = b.node("Unsqueeze", [b.node("Gather", [b.node("Shape", [x]), first], { axis: 0 }), axis]);
    const apart = b.node("Reshape", [x, b.node("Concat", [batch, three!, four!], { axis: 0 })]);
    const turned = b.node("Tanh", [b.node("Transpose", [apart], { perm: [0, 2, 1] })]);
    const together = b.node("Concat", [batch, twelve!], { axis: 0 });
    x = b.node("Reshape", [b.node("Transpose", [turned], { perm: [0, 2, 1] }), together]);
  }
  const { spaces, normal } = find(b.build([2, 4], b.dense(x, "out", 12, 3)));
  assert.ok(normal.nodes.every((n) => !["Shape", "Gather", "Unsqueeze", "Concat"].includes(n.operator)));
  // Twelve channels that are read as 3 x 4 each time are a product of two spaces.
  assert.equal(
    spaces.reduce((n, s) => n * s.size, 1),
    12,
  );
});

test("a batch that no memory holds the equations of is not searched", () => {
  const { graph } = readOnnx({ path: "testFixtures/zoo/onnx/FusedQkvAttention.onnx" });
  const [input, ...others] = graph.inputs;
  const inputs = [{ ...input!, shape: [65_537, ...input!.shape.slice(1)] }, ...others];
  const { notes, continuous } = analyse(inferShapes({ ...graph, inputs }).graph);
  assert.ok(
    notes.some((n) => n.includes("try smaller inputs")),
    notes.join("\n"),
  );
  assert.ok(continuous.total >= 0);
});

test("networks of more operators than the solver can take are searched by rule, and it says so", () => {
  const b = new Builder();
  let x = b.dense("x", "in", 3, 4);
  for (let i = 0; i < 4_100; i++) x = b.node("Tanh", [x]);
  const long = analyse(b.build([2, 3], b.dense(x, "out", 4, 2)));
  assert.ok(
    long.notes.some((n) => n.includes("4102 operators")),
    long.notes.join("\n"),
  );
  const groups = long.symmetries.map((s) => s.group);
  for (const group of ["S(4)", "Z2^4"]) assert.ok(groups.includes(group), groups.join());
});

test("a loop unrolled over its steps is searched by rule, and it says so", () => {
  const b = new Builder();
  const [w, v] = [b.parameter("w", [6, 6]), b.parameter("v", [3, 6])];
  let h = b.node("MatMul", [b.node("Gather", ["x", b.constant("0", scalar(0, "int64"))], { axis: 0 }), v]);
  for (let t = 1; t < 2_000; t++) {
    const read = b.node("MatMul", [b.node("Gather", ["x", b.constant(`${t}`, scalar(t, "int64"))], { axis: 0 }), v]);
    h = b.node("Tanh", [b.node("Add", [b.node("MatMul", [h, w]), read])]);
  }
  const { notes, spaces } = analyse(b.build([2_000, 2, 3], b.dense(h, "out", 6, 2)));
  assert.ok(
    notes.some((n) => n.includes("more than 4000")),
    notes.join("\n"),
  );
  assert.deepEqual(
    spaces.map((s) => s.size),
    [6],
  );
});

test("linear layers without end are searched by rule, and it says so", () => {
  const b = new Builder();
  let x = "x";
  for (let i = 0; i < 60; i++) x = b.dense(x, `w${i}`, 4, 4);
  const { notes, symmetries } = analyse(b.build([2, 4], x));
  assert.ok(
    notes.some((n) => n.includes("known by rule")),
    notes.join("\n"),
  );
  assert.equal(symmetries.filter((s) => s.group === "GL(4)").length, 59);
});

test("a damaged file's value that is made of itself ends the way back to it", () => {
  const b = new Builder();
  const y = b.node("MatMul", ["x", "turned"]);
  const graph = b.build([2, 3], y);
  const turned: Node = {
    name: "turn",
    operator: "Transpose",
    domain: "",
    inputs: ["turned"],
    outputs: ["turned"],
    attributes: {},
    origin: {},
  };
  const types = new Map([...graph.types, ["turned", { type: "float32" as const, shape: [3, 3] }] as const]);
  const { notes } = find({ ...graph, nodes: [turned, ...graph.nodes], types });
  assert.ok(
    notes.some((n) => n.includes("which nothing before it writes")),
    notes.join("\n"),
  );
});

test("a convolution with a damaged number of groups ends no search", () => {
  const b = new Builder();
  const y = b.node("Relu", [b.node("Conv", ["x", b.parameter("w", [4, 3, 1, 1])])]);
  const graph = b.build([2, 3, 5, 5], b.node("Conv", [y, b.parameter("v", [2, 4, 1, 1])]));
  const nodes = graph.nodes.map((n) => (n.inputs.includes("w") ? { ...n, attributes: { group: "two" } } : n));
  assert.deepEqual(find({ ...graph, nodes }).spaces, []);
});

test("a mean of 20,000 terms, among them a product", () => {
  const b = new Builder();
  const shift = b.parameter("shift", [2, 4]);
  let x = b.dense("x", "w", 4, 4);
  x = b.node("Mul", [x, x]);
  for (let i = 0; i < 20_000; i++) x = b.node("Add", [x, shift]);
  const mean = b.node("ReduceMean", [x, b.constant("axis", int64Vector([1]))], { keepdims: 1 });
  const { opaque, symmetries } = find(b.build([2, 4], mean));
  assert.deepEqual(opaque, []);
  assert.ok(symmetries.some((s) => s.parameters.includes("w")));
});

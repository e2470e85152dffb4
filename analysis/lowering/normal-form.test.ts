import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { readOnnx } from "../frontends/onnx";
import type { Graph } from "../graph/graph";
import { elementCount, isFloating, type Tensor } from "../graph/tensor";
import { evaluateGraph } from "../operators/evaluate";
import { GraphBuilder } from "./testing/graph-builder";
import { assertPrimitive, deviation, evaluateNormalForm, generator, random } from "./testing/lowering-case";
import { normalForm } from "./normal-form";

const operators = (graph: Graph) => graph.nodes.map((n) => n.operator);

/** Reproducible values of all inputs and parameters; token ids stay small. */
function valuesOf(graph: Graph, seed: number): Map<string, Tensor> {
  const values = new Map<string, Tensor>();
  const next = generator(seed);
  const fill = (name: string, type: Tensor["type"], shape: readonly number[]) => {
    const value = () => (isFloating(type) ? next() * 0.8 + 0.1 : Math.floor(Math.abs(next()) * 5));
    values.set(name, { type, shape, data: Float64Array.from({ length: elementCount(shape) }, value) });
  };
  for (const i of graph.inputs) fill(i.name, i.type, i.shape);
  for (const p of graph.parameters.values()) fill(p.name, p.type, p.shape);
  return values;
}

/** Asserts that the normal form with epsilons kept computes what the graph computes. */
function assertSameFunction(graph: Graph, seed = 1): void {
  const values = valuesOf(graph, seed);
  const before = evaluateGraph(graph, values);
  const { outputs } = evaluateNormalForm(graph, values);
  graph.outputs.forEach((name, k) => assert.ok(deviation(outputs[k]!, before.get(name)!) <= 1e-12, `output ${name} differs`));
}

test("arithmetic of shapes folds, and an activation used for its shape is no input", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [4, 6]);
  const size = b.add("Gather", [b.add("Shape", [x]), b.constant([], [0], "int64")]);
  const target = b.add("Concat", [b.add("Unsqueeze", [size, b.constant([1], [0], "int64")]), b.constant([2], [2, 3], "int64")], {
    axis: 0,
  });
  const y = b.add("Relu", [b.add("Reshape", [b.add("MatMul", [x, b.parameter("w", [6, 6])]), target])]);
  const form = normalForm(b.build(y));
  assert.deepEqual(operators(form.graph), ["MatMul", "Reshape", "Relu"]);
  assert.deepEqual(
    [...form.graph.constants.values()].map((c) => [...c.data]),
    [[4, 2, 3]],
  );
  assert.deepEqual(form.graph.types.get(y)?.shape, [4, 2, 3]);
});

test("parameters are variables: what is computed from them alone stays", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [4, 6]);
  const v = b.parameter("v", [5, 6]);
  const norm = b.add("ReduceL2", [v], { axes: [1], keepdims: 1 });
  const w = b.add("Mul", [b.add("Div", [v, norm]), b.parameter("g", [5, 1])]);
  const graph = b.build(b.add("MatMul", [x, b.add("Transpose", [w], { perm: [1, 0] })]));
  const form = normalForm(graph).graph;
  assert.deepEqual(operators(form), ["ReduceSumSquare", "Sqrt", "Div", "Mul", "Transpose", "MatMul"]);
  assertSameFunction(graph);
});

test("means and sums of squares become ReduceSumSquare, whichever way they are written", () => {
  for (const write of [
    (b: GraphBuilder, x: string) => b.add("Pow", [x, b.constant([], [2])]),
    (b: GraphBuilder, x: string) => b.add("Mul", [x, x]),
    (b: GraphBuilder, x: string) => b.add("Mul", [b.add("Abs", [x]), b.add("Abs", [x])]),
    (b: GraphBuilder, x: string) => b.add("Pow", [b.add("Neg", [x]), b.constant([1], [2])]),
  ]) {
    for (const [reduction, attributes] of [
      ["ReduceMean", { axes: [-1] }],
      ["ReduceSum", { keepdims: 0 }],
      ["GlobalAveragePool", {}],
    ] as const) {
      const b = new GraphBuilder(12);
      const x = b.add("Sub", [b.input("x", [2, 3, 4]), b.parameter("m", [4])]);
      const graph = b.build(b.add(reduction, [write(b, x)], attributes));
      const form = normalForm(graph).graph;
      assert.deepEqual(
        operators(form).filter((o) => o !== "Mul"),
        ["Sub", "ReduceSumSquare"],
        reduction,
      );
      assertSameFunction(graph);
    }
  }
});

test("mean of squares minus squared mean is the variance", () => {
  for (const keepdims of [0, 1]) {
    const b = new GraphBuilder(13);
    const x = b.input("x", [3, 5]);
    const mean = b.add("ReduceMean", [x], { axes: [1], keepdims });
    const squares = b.add("ReduceMean", [b.add("Mul", [x, x])], { axes: [1], keepdims });
    const variance = b.add("Max", [b.add("Sub", [squares, b.add("Mul", [mean, mean])]), b.constant([], [0])]);
    const graph = b.build(variance);
    // What is never negative needs no floor.
    assert.deepEqual(operators(normalForm(graph).graph), ["ReduceMean", "Sub", "ReduceSumSquare", "Mul"]);
    assertSameFunction(graph);
  }
});

test("epsilons are taken as zero where they only guard a singularity", () => {
  const sum = (guard: (b: GraphBuilder, v: string) => string) => {
    const b = new GraphBuilder(13);
    const x = b.input("x", [3, 5]);
    const square = b.add("ReduceMean", [b.add("Mul", [x, x])], { axes: [1] });
    const graph = b.build(guard(b, b.add("Add", [square, b.constant([], [1e-5])])));
    return normalForm(graph);
  };
  const removed: ((b: GraphBuilder, v: string) => string)[] = [
    (b, v) => b.add("Sqrt", [v]),
    (b, v) => b.add("Log", [v]),
    (b, v) => b.add("Pow", [v, b.constant([], [-0.5])]),
    (b, v) => b.add("Div", ["x", v]),
    (b, v) => b.add("Sqrt", [b.add("Reshape", [v, b.constant([2], [1, 3], "int64")])]),
  ];
  for (const guard of removed) {
    const form = sum(guard);
    assert.ok(form.epsilonRemoved);
    assert.deepEqual(form.notes, ["epsilons are taken as zero"]);
    assert.ok(!operators(form.graph).includes("Add"));
  }
  const kept: ((b: GraphBuilder, v: string) => string)[] = [
    (b, v) => b.add("Exp", [v]),
    (b, v) => b.add("Pow", [v, b.constant([], [2])]),
    (b, v) => b.add("Div", [v, "x"]),
    (b, v) => b.add("Add", [b.add("Sqrt", [v]), b.add("Tanh", [v])]),
    (_, v) => v,
  ];
  for (const guard of kept) assert.ok(!sum(guard).epsilonRemoved);
});

test("a floor near zero vanishes under what is never negative, and is Relu elsewhere", () => {
  const floored = (value: (b: GraphBuilder, x: string) => string, floor: number) => {
    const b = new GraphBuilder(13);
    const x = b.add("MatMul", [b.input("x", [3, 5]), b.parameter("w", [5, 5])]);
    const clip = b.add("Clip", [value(b, x), b.constant([], [floor])]);
    return operators(normalForm(b.build(b.add("Div", [x, clip]))).graph);
  };
  const norm = (b: GraphBuilder, x: string) => b.add("ReduceL2", [x], { axes: [1] });
  assert.deepEqual(floored(norm, 1e-12), ["MatMul", "ReduceSumSquare", "Sqrt", "Div"]);
  assert.deepEqual(floored(norm, 1e-2), ["MatMul", "ReduceSumSquare", "Sqrt", "Clip", "Div"]);
  assert.deepEqual(
    floored((_, x) => x, 1e-7),
    ["MatMul", "Relu", "Div"],
  );
});

test("the epsilon of frozen statistics stays: it breaks no symmetry", () => {
  const b = new GraphBuilder();
  const names = [b.parameter("g", [3]), b.parameter("b", [3]), b.parameter("m", [3], false), b.parameter("v", [3], false)];
  const form = normalForm(b.build(b.add("BatchNormalization", [b.input("x", [4, 3, 5]), ...names])));
  assert.ok(!form.epsilonRemoved);
  assert.deepEqual(
    operators(form.graph).filter((o) => o !== "Reshape"),
    ["Sub", "Add", "Sqrt", "Div", "Mul", "Add"],
  );
});

test("a denominator written out over all channels is the denominator", () => {
  const b = new GraphBuilder(13);
  const x = b.input("x", [3, 5]);
  const norm = b.add("ReduceL2", [x], { axes: [1] });
  const wide = b.add("Reciprocal", [b.add("Expand", [norm, b.add("Shape", [x])])]);
  const graph = b.build(b.add("Mul", [x, wide]));
  assert.deepEqual(operators(normalForm(graph).graph), ["ReduceSumSquare", "Sqrt", "Reciprocal", "Mul"]);
  assertSameFunction(graph);
});

test("an expansion that gives a result its shape stays", () => {
  const b = new GraphBuilder(13);
  const x = b.add("Expand", [b.input("x", [3, 1]), b.constant([2], [3, 5], "int64")]);
  const graph = b.build(b.add("Add", [x, b.add("Expand", [b.parameter("p", [1, 1]), b.constant([2], [3, 5], "int64")])]));
  assert.deepEqual(operators(normalForm(graph).graph), ["Expand", "Add"]);
  assertSameFunction(graph);
});

test("what is computed twice is computed once, except for random numbers", () => {
  const b = new GraphBuilder(13);
  const x = b.input("x", [3, 4]);
  const [p, q] = [1, 2].map(() => b.add("Transpose", [x], { perm: [1, 0] })) as [string, string];
  const noise = () => b.add("RandomNormalLike", [x]);
  const graph = b.build(b.add("MatMul", [p, b.add("Add", [b.add("Transpose", [q]), b.add("Add", [noise(), noise()])])]));
  const found = operators(normalForm(graph).graph);
  assert.equal(found.filter((o) => o === "Transpose").length, 1);
  assert.equal(found.filter((o) => o === "RandomNormal").length, 2);
});

test("nodes that do nothing vanish, and outputs keep their names", () => {
  const b = new GraphBuilder(13);
  const x = b.input("x", [3, 4]);
  let y = b.add("Relu", [x]);
  y = b.add("Mul", [y, b.constant([], [1])]);
  y = b.add("Add", [y, b.constant([4], [0, 0, 0, 0])]);
  y = b.add("Transpose", [b.add("Transpose", [y], { perm: [1, 0] })], { perm: [1, 0] });
  y = b.add("Reshape", [b.add("Reshape", [y, b.constant([1], [12], "int64")]), b.constant([2], [3, 4], "int64")]);
  y = b.add("Dropout", [b.add("Cast", [y], { to: 11 })]);
  y = b.add("Identity", [b.add("Slice", [y, b.constant([1], [0], "int64"), b.constant([1], [99], "int64")])]);
  const form = normalForm(b.build(y, x)).graph;
  assert.deepEqual(operators(form), ["Relu"]);
  assert.deepEqual(form.outputs, [y, "x"]);
  assert.deepEqual(form.nodes[0]?.outputs, [y]);
});

test("broadcasting by a neutral element is not nothing", () => {
  const b = new GraphBuilder(13);
  const graph = b.build(b.add("Mul", [b.input("x", [1, 4]), b.constant([3, 1], [1, 1, 1])]));
  assert.deepEqual(operators(normalForm(graph).graph), ["Mul"]);
});

test("under a softmax loss the mean over classes is taken off the outputs", () => {
  const b = new GraphBuilder();
  const y = b.add("MatMul", [b.input("x", [4, 3]), b.parameter("w", [3, 5])]);
  const graph = b.build(y);
  const form = normalForm(graph, { loss: "softmax" }).graph;
  assert.deepEqual(operators(form), ["MatMul", "ReduceMean", "Sub"]);
  const values = valuesOf(graph, 3);
  const out = evaluateGraph(form, values).get(form.outputs[0]!)!;
  for (let i = 0; i < 4; i++) assert.ok(Math.abs(out.data.slice(5 * i, 5 * i + 5).reduce((p, q) => p + q)) < 1e-12);
});

test("pieces without entries are left out of what is joined", () => {
  const b = new GraphBuilder(13);
  const x = b.add("Tanh", [b.input("x", [2, 4])]);
  const piece = (from: number, to: number) =>
    b.add("Slice", [x, b.constant([1], [from], "int64"), b.constant([1], [to], "int64"), b.constant([1], [1], "int64")]);
  const all = b.add("Concat", [b.add("Neg", [piece(0, 4)]), piece(4, 9)], { axis: 1 });
  const graph = b.build(b.add("Concat", [all, piece(2, 2), b.add("Exp", [x])], { axis: 1 }));
  const form = normalForm(graph).graph;
  assert.deepEqual(operators(form), ["Tanh", "Neg", "Exp", "Concat"]);
  const values = valuesOf(graph, 5);
  const [before, after] = [graph, form].map((g) => evaluateGraph(g, values).get(g.outputs[0]!)!);
  assert.deepEqual([...after!.data], [...before!.data]);
});

test("under a softmax loss nothing is read of what all classes have in common", () => {
  const scores = (b: GraphBuilder, x: string) => {
    const y = b.add("MatMul", [x, b.parameter("w", [3, 5])]);
    const common = b.add("ReduceSum", [b.add("Tanh", [x]), b.constant([1], [1], "int64")], { keepdims: 1 });
    const distance = b.add("Add", [b.add("Sub", [common, y]), b.parameter("bias", [5])]);
    return b.add("Mul", [b.add("Neg", [distance]), b.parameter("t", [1])]);
  };
  const planes = (b: GraphBuilder, x: string) => {
    const image = b.add("Reshape", [x, b.constant([4], [2, 3, 1, 2], "int64")]);
    const wide = b.add("Tanh", [b.add("Conv", [image, b.parameter("a", [2, 3, 1, 1])])]);
    const mean = b.add("GlobalAveragePool", [b.add("Sigmoid", [image])]);
    const spread = b.add("Expand", [mean, b.constant([4], [2, 3, 1, 2], "int64")]);
    const joined = b.add("Concat", [wide, spread], { axis: 1 });
    return b.add("Conv", [joined, b.parameter("c", [2, 5, 1, 1]), b.parameter("d", [2])]);
  };
  for (const [write, gone] of [
    [scores, "Tanh"],
    [planes, "Sigmoid"],
  ] as const) {
    const b = new GraphBuilder(17);
    const graph = b.build(write(b, b.input("x", [4, 3])));
    const form = normalForm(graph, { loss: "softmax" }).graph;
    assert.ok(!operators(form).includes(gone));
    const values = valuesOf(graph, 5);
    const y = evaluateGraph(graph, values).get(graph.outputs[0]!)!;
    const centred = evaluateGraph(form, values).get(form.outputs[0]!)!;
    const n = y.shape.at(-1)!;
    centred.data.forEach((c, i) => {
      const line = y.data.subarray(i - (i % n), i - (i % n) + n);
      assert.ok(Math.abs(c - (y.data[i]! - line.reduce((p, q) => p + q) / n)) < 1e-12);
    });
  }
});

test("rectifiers written by hand are rectifiers", () => {
  const zero = (b: GraphBuilder) => b.constant([], [0]);
  const times = (b: GraphBuilder, x: string, c: number) => b.add("Mul", [x, b.constant([], [c])]);
  const written: [string, (b: GraphBuilder, x: string) => string][] = [
    ["Relu", (b, x) => b.add("Where", [b.add("Greater", [x, zero(b)]), x, zero(b)])],
    ["Relu", (b, x) => b.add("Where", [b.add("LessOrEqual", [x, zero(b)]), zero(b), x])],
    ["Relu", (b, x) => b.add("Where", [b.add("Less", [zero(b), x]), x, b.constant([4], [0, 0, 0, 0])])],
    ["Relu", (b, x) => b.add("Mul", [x, b.add("Cast", [b.add("Greater", [x, zero(b)])], { to: 1 })])],
    ["Relu", (b, x) => b.add("Max", [x, zero(b)])],
    ["LeakyRelu", (b, x) => b.add("Where", [b.add("GreaterOrEqual", [x, zero(b)]), x, times(b, x, 0.1)])],
    ["LeakyRelu", (b, x) => b.add("Max", [times(b, x, 0.2), x])],
    ["Abs", (b, x) => b.add("Max", [x, b.add("Neg", [x])])],
    ["Abs", (b, x) => b.add("Where", [b.add("Less", [x, zero(b)]), b.add("Neg", [x]), x])],
  ];
  for (const [operator, write] of written) {
    const b = new GraphBuilder(17);
    const graph = b.build(write(b, b.add("MatMul", [b.input("x", [3, 4]), b.parameter("w", [4, 4])])));
    assert.deepEqual(operators(normalForm(graph).graph), ["MatMul", operator]);
    assertSameFunction(graph);
  }
  const others: ((b: GraphBuilder, x: string) => string)[] = [
    (b, x) => b.add("Where", [b.add("Greater", [x, b.constant([], [1])]), x, zero(b)]),
    (b, x) => b.add("Where", [b.add("Greater", [x, zero(b)]), x, b.constant([], [1])]),
    (b, x) => b.add("Where", [b.add("Greater", [x, zero(b)]), zero(b), x]),
    (b, x) => b.add("Max", [x, times(b, x, 2)]),
    (b, x) => b.add("Max", [b.add("Slice", [x, b.constant([1], [0], "int64"), b.constant([1], [1], "int64")]), times(b, x, 0)]),
  ];
  for (const write of others) {
    const b = new GraphBuilder(17);
    const graph = b.build(write(b, b.add("MatMul", [b.input("x", [3, 4]), b.parameter("w", [4, 4])])));
    assert.ok(!/Relu|Abs/.test(operators(normalForm(graph).graph).join()));
    assertSameFunction(graph);
  }
});

test("what the loss takes off does not share what was dead", () => {
  const b = new GraphBuilder(17);
  const x = b.input("x", [2, 4]);
  const y = b.add("Relu", [x]);
  b.add("LayerNormalization", [y, b.parameter("unread", [4])]);
  const form = normalForm(b.build(y), { loss: "softmax" }).graph;
  assert.deepEqual(operators(form), ["Relu", "ReduceMean", "Sub"]);
});

test("operators that nobody knows stay, with what they read", () => {
  const b = new GraphBuilder();
  const h = b.add("Gemm", [b.input("x", [4, 3]), b.parameter("w", [3, 5])]);
  const [u] = b.addAll("mystery.op", [b.add("Identity", [h])], 2, { mode: "a" }, "python");
  const graph = b.build(b.add("Relu", [u!]));
  const form = normalForm(graph).graph;
  assert.deepEqual(operators(form), ["MatMul", "mystery.op", "Relu"]);
  assert.deepEqual(form.nodes[1]?.inputs, form.nodes[0]?.outputs);
  assert.equal(form.types.get(form.outputs[0]!)?.shape, undefined);
});

test("contradictory shapes leave the node as it is", () => {
  const b = new GraphBuilder();
  const y = b.add("Relu", [b.add("Gemm", [b.input("x", [4, 3]), b.parameter("w", [7, 5])])]);
  assert.deepEqual(operators(normalForm(b.build(y)).graph), ["Gemm", "Relu"]);
});

test("unused parameters are still there, unused constants and nodes are not", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [4, 3]);
  b.add("Mul", [x, b.parameter("unused", [3])]);
  const form = normalForm(b.build(b.add("Relu", [x]))).graph;
  assert.deepEqual(operators(form), ["Relu"]);
  assert.deepEqual([...form.parameters.keys()], ["unused"]);
  assert.equal(form.constants.size, 0);
});

test("nodes know where they come from", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [4, 3]);
  const y = b.add("LayerNormalization", [b.add("Gelu", [x]), b.parameter("g", [3])]);
  const form = normalForm({ ...b.build(y), opset: 20 }).graph;
  const from = new Map(form.nodes.map((n) => [n.operator, n.origin.node]));
  assert.equal(from.get("Erf"), "n0");
  assert.equal(from.get("ReduceSumSquare"), "n1");
});

const ZOO = join("testFixtures", "zoo", "onnx");
const MODELS = join("testFixtures", "models");
const files = (folder: string) =>
  readdirSync(folder)
    .filter((f) => f.endsWith(".onnx"))
    .map((f) => join(folder, f));

test("the zoo in normal form is made of primitives and computes the same", () => {
  for (const path of files(ZOO)) {
    const { graph } = readOnnx({ path });
    assertPrimitive(normalForm(graph, { loss: "softmax" }).graph);
    const recurrent = graph.nodes.some((n) => n.operator === "LSTM" || n.operator === "GRU");
    if (!recurrent) assertSameFunction(graph, 7);
  }
});

test("eighteen image models in normal form are made of primitives of known shapes", () => {
  const paths = files(MODELS);
  assert.equal(paths.length, 18);
  for (const path of paths) {
    const form = normalForm(readOnnx({ path }).graph).graph;
    assertPrimitive(form);
    for (const n of form.nodes) for (const o of n.outputs) assert.ok(form.types.get(o)?.shape, `${path}: ${o}`);
  }
});

test("a hundred thousand nodes, and a chain of as many, do not overflow the stack", () => {
  const b = new GraphBuilder();
  let y = b.input("x", [2, 2]);
  for (let i = 0; i < 50_000; i++) y = b.add("Tanh", [b.add("Identity", [y])]);
  const form = normalForm(b.build(y)).graph;
  assert.equal(form.nodes.length, 50_000);
});

test("random graphs keep their function", () => {
  const unary = ["Relu", "Tanh", "Identity", "Abs", "Softsign", "HardSwish", "Neg", "Sigmoid", "Softmax", "Gelu", "Celu"];
  const binary = ["Add", "Mul", "Sub", "Max", "Min", "Sum", "Mean"];
  const step = fc.record({
    kind: fc.integer({ min: 0, max: 7 }),
    pick: fc.integer({ min: 0, max: 99 }),
    a: fc.integer({ min: 0, max: 99 }),
    b: fc.integer({ min: 0, max: 99 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 14 }), fc.integer({ min: 0, max: 1000 }), (steps, seed) => {
      const g = new GraphBuilder(20);
      // All values have shape [3, 4], so that any two of them fit.
      const values = [g.input("x", [3, 4]), g.parameter("p", [3, 4]), g.constant([3, 4], [...random([3, 4], seed).data])];
      for (const s of steps) {
        const [a, b] = [values[s.a % values.length]!, values[s.b % values.length]!];
        const ones = () => g.constant([], [s.pick % 2]);
        const list = (...v: number[]) => g.constant([v.length], v, "int64");
        const made = [
          () => g.add(unary[s.pick % unary.length]!, [a]),
          () => g.add(binary[s.pick % binary.length]!, [a, b]),
          () => g.add(binary[s.pick % binary.length]!, [a, ones()]),
          () => g.add("Gemm", [a, g.add("Transpose", [b], { perm: [1, 0] }), g.parameter("bias", [3])], { alpha: 0.5 }),
          () => g.add("LayerNormalization", [a, g.parameter("gain", [4])]),
          () => g.add("Reshape", [g.add("Transpose", [g.add("Reshape", [a, list(4, 3)])]), list(3, 4)]),
          () => g.add("Concat", g.addAll("Split", [a, list(1, 3)], 2, { axis: 1 }).reverse(), { axis: 1 }),
          () => g.add("ReduceMean", [g.add("Mul", [a, a]), list(s.pick % 2)], { keepdims: 1 }),
        ][s.kind]!();
        if (s.kind === 3) values.push(g.add("MatMul", [made, a]));
        else values.push(s.kind === 7 ? g.add("Add", [a, made]) : made);
      }
      assertSameFunction(g.build(values[values.length - 1]!, values[Math.floor(values.length / 2)]!), seed);
    }),
    { seed: 17, numRuns: 150 },
  );
});

test("an axis that a kernel covers as a whole becomes channels, unless it is all the space there is", () => {
  const lowered = (x: number[], w: number[], attributes: Record<string, string | number | number[]>, bias = true) => {
    const b = new GraphBuilder();
    const inputs = [b.input("x", x), b.parameter("w", w), ...(bias ? [b.parameter("b", [w[0]!])] : [])];
    const graph = b.build(b.add("Conv", inputs, attributes));
    assertSameFunction(graph);
    const { nodes, types } = normalForm(graph).graph;
    const conv = nodes.find((n) => n.operator === "Conv")!;
    return types.get(conv.inputs[0]!)!.shape;
  };
  // Words by features, and the other way round, with steps and a border along the words.
  assert.deepEqual(lowered([2, 1, 7, 4], [3, 1, 2, 4], {}), [2, 4, 7]);
  assert.deepEqual(lowered([2, 1, 7, 4], [3, 1, 2, 4], {}, false), [2, 4, 7]);
  assert.deepEqual(lowered([2, 2, 4, 7], [3, 2, 4, 3], { pads: [0, 1, 0, 2], strides: [1, 2], kernel_shape: [4, 3] }), [2, 8, 7]);
  assert.deepEqual(lowered([2, 2, 4, 7], [3, 2, 4, 3], { auto_pad: "VALID", dilations: [1, 2] }), [2, 8, 7]);
  assert.deepEqual(lowered([1, 2, 5, 3, 4], [3, 2, 2, 3, 2], { strides: [1, 3, 2] }), [1, 6, 5, 4]);
  // All of space, a border, groups and gaps stay what they are.
  assert.deepEqual(lowered([2, 2, 4, 3], [3, 2, 4, 3], {}), [2, 2, 4, 3]);
  assert.deepEqual(lowered([2, 1, 7, 4], [3, 1, 2, 4], { pads: [0, 1, 0, 1] }), [2, 1, 7, 4]);
  assert.deepEqual(lowered([2, 2, 7, 4], [4, 1, 2, 4], { group: 2 }), [2, 2, 7, 4]);
  assert.deepEqual(lowered([2, 1, 7, 1], [3, 1, 2, 1], {}), [2, 1, 7, 1]);
});

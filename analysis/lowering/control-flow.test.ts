import assert from "node:assert/strict";
import { after, test } from "node:test";
import { writeOnnx } from "../frontends/onnx";
import { CAPTURED_INPUTS, type Graph } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import { inferShapes } from "../operators/inference";
import { GraphBuilder } from "./testing/graph-builder";
import { assertPrimitive, deviation, evaluateNormalForm, random, sharedRunner } from "./testing/lowering-case";
import { normalForm } from "./normal-form";

after(() => sharedRunner().dispose());

const operators = (graph: Graph) => graph.nodes.map((n) => n.operator);

/** Compares the normal form of a graph with ONNX Runtime. */
async function check(graph: Graph): Promise<void> {
  const values = new Map<string, Tensor>();
  [...graph.inputs, ...graph.parameters.values()].forEach((x, i) => values.set(x.name, random(x.shape, i)));
  const { form, outputs } = evaluateNormalForm(graph, values);
  assertPrimitive(form.graph);
  const feeds = new Map(graph.inputs.map((i) => [i.name, values.get(i.name)!]));
  const expected = await sharedRunner().run(writeOnnx(inferShapes(graph).graph, values), feeds);
  graph.outputs.forEach((name, k) => {
    const d = deviation(outputs[k]!, expected.get(name)!);
    assert.ok(d <= 1e-5, `output ${name} deviates by ${d}`);
  });
}

/** An If whose branches read x from outside and hold a parameter of their own. */
function branching(condition: (b: GraphBuilder) => string): Graph {
  const b = new GraphBuilder(17);
  const x = b.add("Identity", [b.input("x", [3, 4])]);
  const branch = (prefix: string, operator: string) => {
    const body = new GraphBuilder(17, prefix);
    return body.build(body.add(operator, [body.add("Mul", [x, body.constant([4], [1, 2, 3, 4])])]));
  };
  const [then_branch, else_branch] = [branch("t.", "Relu"), branch("e.", "Tanh")];
  return b.build(b.add("If", [condition(b), x], { then_branch, else_branch, [CAPTURED_INPUTS]: 1 }));
}

test("the branch that is taken takes the place of an If with a known condition", async () => {
  for (const [value, operator] of [
    [1, "Relu"],
    [0, "Tanh"],
  ] as const) {
    const graph = branching((b) => b.constant([], [value], "bool"));
    assert.deepEqual(operators(normalForm(graph).graph), ["Mul", operator]);
    await check(graph);
  }
  const computed = branching((b) => b.add("Greater", [b.add("Size", ["x"]), b.constant([], [5], "int64")]));
  assert.deepEqual(operators(normalForm(computed).graph), ["Mul", "Relu"]);
});

test("an If that depends on data is opaque, and lists what its branches read under its present name", () => {
  const graph = branching((b) => b.add("Equal", [b.add("ReduceMax", ["x"], { keepdims: 0 }), b.constant([], [1])]));
  const form = normalForm(graph).graph;
  const node = form.nodes.find((n) => n.operator === "If")!;
  assert.equal(node.inputs.length, 2);
  assert.equal(node.inputs[1], "x");
  assert.equal(node.attributes[CAPTURED_INPUTS], 1);
  const body = node.attributes["then_branch"] as Graph;
  assert.equal(body.nodes[0]?.inputs[0], "x");
});

test("parameters inside of a body that stays are read by the node", () => {
  const b = new GraphBuilder(17);
  const x = b.input("x", [3, 4]);
  const body = new GraphBuilder(17, "t.");
  const then_branch = body.build(body.add("MatMul", [x, body.parameter("inner.weight", [4, 4])]));
  const other = new GraphBuilder(17, "e.");
  const else_branch = other.build(other.add("Relu", [x]));
  const condition = b.add("Greater", [b.add("ReduceSum", [x], { keepdims: 0 }), b.constant([], [1])]);
  const form = normalForm(b.build(b.add("If", [condition], { then_branch, else_branch }))).graph;
  const node = form.nodes.find((n) => n.operator === "If")!;
  assert.deepEqual(node.inputs.slice(1).toSorted(), ["inner.weight", "x"]);
  assert.ok(form.parameters.has("inner.weight"));
});

/** A Loop that multiplies a state by a weight picked by the iteration's number, and collects what it saw. */
function looping(count: number, until?: number): Graph {
  const b = new GraphBuilder(17);
  const h = b.add("Tanh", [b.input("x", [3, 4])]);
  const w = b.parameter("w", [6, 4, 4]);
  const body = new GraphBuilder(17, "b.");
  const [i, go, state] = [body.input("b.i", [], "int64"), body.input("b.go", [], "bool"), body.input("b.h", [3, 4])];
  const next = body.add("Tanh", [body.add("MatMul", [state, body.add("Gather", [w, i], { axis: 0 })])]);
  const on = until === undefined ? body.add("Identity", [go]) : body.add("Less", [i, body.constant([], [until], "int64")]);
  const graph = body.build(on, next, body.add("ReduceSum", [next, body.constant([1], [1], "int64")], { keepdims: 0 }));
  const inputs = [b.constant([], [count], "int64"), b.constant([], [1], "bool"), h, w];
  return b.build(...b.addAll("Loop", inputs, 2, { body: graph, [CAPTURED_INPUTS]: 1 }));
}

test("a loop of known length is unrolled, each iteration with its number", async () => {
  await check(looping(4));
  await check(looping(6, 2));
  const form = normalForm(looping(4)).graph;
  assert.equal(form.nodes.filter((n) => n.operator === "MatMul").length, 4);
  assert.deepEqual(form.types.get(form.outputs[1]!)?.shape, [4, 3]);
  assert.ok(form.nodes.every((n) => n.origin.node !== undefined));
});

test("long loops stay", () => {
  assert.ok(operators(normalForm(looping(1000)).graph).includes("Loop"));
});

interface ScanOptions {
  readonly backward?: boolean;
  readonly axis?: number;
  readonly learnt?: boolean;
  readonly steps?: number;
}

/** A Scan over a sequence: h = tanh(x w + h u). With `learnt`, a parameter per step is added to the sequence. */
function scanning({ backward = false, axis = 0, learnt = false, steps = 5 }: ScanOptions = {}): Graph {
  const b = new GraphBuilder(17);
  const shape = axis === 0 ? [steps, 3, 4] : [3, steps, 4];
  let x = b.input("x", shape);
  if (learnt) x = b.add("Add", [x, b.parameter("position", axis === 0 ? [steps, 1, 4] : [steps, 4])]);
  x = b.add("MatMul", [b.add("Relu", [x]), b.parameter("w0", [4, 4])]);
  const [w, u, h] = [b.parameter("w", [4, 2]), b.parameter("u", [2, 2]), b.parameter("h", [3, 2])];
  const body = new GraphBuilder(17, "b.");
  const [state, item] = [body.input("b.h", [3, 2]), body.input("b.x", [3, 4])];
  const next = body.add("Tanh", [body.add("Add", [body.add("MatMul", [item, w]), body.add("MatMul", [state, u])])]);
  const direction = backward ? 1 : 0;
  const attributes = {
    body: body.build(next, body.add("Identity", [next])),
    num_scan_inputs: 1,
    scan_input_axes: [axis],
    scan_input_directions: [direction],
    scan_output_axes: [axis],
    scan_output_directions: [direction],
    [CAPTURED_INPUTS]: 2,
  };
  return b.build(...b.addAll("Scan", [h, x, w, u], 2, attributes));
}

test("a scan is unrolled in either direction along any axis", async () => {
  for (const backward of [false, true]) for (const axis of [0, 1]) await check(scanning({ backward, axis }));
});

test("of a long scan three steps are unrolled, unless parameters tell its steps apart", () => {
  for (const axis of [0, 1]) {
    const short = normalForm(scanning({ axis, steps: 40 }));
    assert.deepEqual(short.notes, ["Scan: 3 of 40 steps are unrolled, they share their parameters"]);
    assert.equal(operators(short.graph).filter((o) => o === "Tanh").length, 3);
    assertPrimitive(short.graph);
    assert.deepEqual(short.graph.types.get(short.graph.outputs[1]!)?.shape, axis === 0 ? [40, 3, 2] : [3, 40, 2]);
    const whole = normalForm(scanning({ axis, steps: 40, learnt: true }));
    assert.deepEqual(whole.notes, []);
    assert.equal(operators(whole.graph).filter((o) => o === "Tanh").length, 40);
  }
});

test("a stack of recurrences is shortened in every layer, behind learnt positions in none", () => {
  const stacked = (learnt: boolean) => {
    const b = new GraphBuilder(14);
    let x = b.input("x", [9, 2, 3]);
    if (learnt) x = b.add("Add", [x, b.parameter("position", [9, 1, 3])]);
    for (const layer of [0, 1]) {
      const sizes = [layer === 0 ? 3 : 4, 2] as const;
      const inputs = [x, b.parameter(`w${layer}`, [2, 6, sizes[0]]), b.parameter(`r${layer}`, [2, 6, 2])];
      const y = b.add("GRU", inputs, { hidden_size: 2, direction: "bidirectional" });
      x = b.add("Reshape", [b.add("Transpose", [y], { perm: [0, 2, 1, 3] }), b.constant([3], [9, 2, 4], "int64")]);
    }
    return normalForm(b.build(x));
  };
  const tanh = (f: ReturnType<typeof stacked>) => operators(f.graph).filter((o) => o === "Tanh").length;
  assert.equal(tanh(stacked(false)), 2 * 2 * 3);
  assert.equal(tanh(stacked(true)), 2 * 2 * 9);
});

test("what reads a recurrence may tell its steps apart: then all of them are unrolled", () => {
  const T = 8;
  const steps = (read: (b: GraphBuilder, y: string, x: string) => string) => {
    const b = new GraphBuilder(14);
    const x = b.input("x", [T, 4, 3]);
    const inputs = [x, b.parameter("w", [1, 3, 3]), b.parameter("r", [1, 3, 3])];
    const [y] = b.addAll("RNN", inputs, 2, { hidden_size: 3 });
    const flat = b.add("Squeeze", [y!, b.constant([1], [1], "int64")]);
    const { graph } = normalForm(b.build(read(b, flat, x)));
    return operators(graph).filter((o) => o === "Tanh").length;
  };
  const list = (b: GraphBuilder, ...v: number[]) => b.constant([v.length], v, "int64");
  const batchFirst = (b: GraphBuilder, y: string) => b.add("Transpose", [y], { perm: [1, 0, 2] });
  const linear = (b: GraphBuilder, y: string, n = 3) => b.add("Gemm", [y, b.parameter("head", [n, 5])]);
  const few: Parameters<typeof steps>[0][] = [
    (_, y) => y,
    (b, y) => b.add("Gather", [y, b.constant([], [T - 1], "int64")], { axis: 0 }),
    (b, y) => b.add("ReduceMean", [y], { axes: [0], keepdims: 0 }),
    (b, y) => linear(b, b.add("Reshape", [batchFirst(b, y), list(b, 4 * T, 3)])),
    (b, y, x) => b.add("MatMul", [b.add("Add", [y, x]), b.parameter("head", [3, 5])]),
    (b, y) => b.add("LayerNormalization", [y, b.parameter("gain", [3])]),
    (b, y) => {
      const keys = batchFirst(b, y);
      const scores = b.add("Softmax", [b.add("MatMul", [keys, b.add("Transpose", [keys], { perm: [0, 2, 1] })])]);
      return b.add("MatMul", [scores, keys]);
    },
  ];
  for (const read of few) assert.equal(steps(read), 3, String(read));
  const all: Parameters<typeof steps>[0][] = [
    (b, y) => linear(b, b.add("Flatten", [batchFirst(b, y)]), 3 * T),
    (b, y) => b.add("Relu", [b.add("Add", [y, b.parameter("position", [T, 1, 3])])]),
    (b, y) => b.add("MatMul", [b.parameter("mixing", [2, T]), batchFirst(b, y)]),
    (b, y) => b.add("Conv", [b.add("Transpose", [y], { perm: [1, 2, 0] }), b.parameter("kernel", [2, 3, 5])]),
    (b, y) => b.add("mystery", [y], {}, "python"),
  ];
  for (const read of all) assert.equal(steps(read), T, String(read));
});

test("lists of tensors are their tensors", async () => {
  const b = new GraphBuilder(17);
  const x = b.input("x", [3, 6]);
  const number = (v: number) => b.constant([], [v], "int64");
  const list = (...v: number[]) => b.constant([v.length], v, "int64");
  const halves = b.add("SplitToSequence", [x, number(2)], { axis: 1 });
  const uneven = b.add("SplitToSequence", [x, list(1, 5)], { axis: 1 });
  const rows = b.add("SplitToSequence", [x], { axis: 0, keepdims: 0 });
  const grown = b.add("SequenceInsert", [b.add("SequenceErase", [halves, number(0)]), b.add("Relu", [x]), number(0)]);
  const graph = b.build(
    b.add("ConcatFromSequence", [grown], { axis: 1 }),
    b.add("ConcatFromSequence", [rows], { axis: -1, new_axis: 1 }),
    b.add("SequenceAt", [uneven, number(-1)]),
    b.add("ConcatFromSequence", [b.add("SequenceConstruct", [x, x])], { axis: 0 }),
  );
  await check(graph);
});

test("a list that grows in a loop is what the loop put there", () => {
  const b = new GraphBuilder(17);
  const x = b.input("x", [3, 4]);
  const body = new GraphBuilder(17, "b.");
  body.input("b.i", [], "int64");
  const go = body.input("b.go", [], "bool");
  const [h, list] = [body.input("b.h", [3, 4]), body.input("b.list", [])];
  const next = body.add("Tanh", [body.add("MatMul", [h, body.parameter("w", [4, 4])])]);
  const graph = body.build(body.add("Identity", [go]), next, body.add("SequenceInsert", [list, next]));
  const inputs = [b.constant([], [3], "int64"), "", x, b.add("SequenceEmpty", [])];
  const [, all] = b.addAll("Loop", inputs, 2, { body: graph });
  const form = normalForm(b.build(b.add("ConcatFromSequence", [all!], { axis: 0, new_axis: 1 }))).graph;
  assertPrimitive(form);
  assert.deepEqual(form.types.get(form.outputs[0]!)?.shape, [3, 3, 4]);
  assert.deepEqual([...form.parameters.keys()], ["w"]);
});

test("a list picked from by data is opaque", () => {
  const b = new GraphBuilder(17);
  const parts = b.add("SplitToSequence", [b.add("Relu", [b.input("x", [3, 4])]), b.constant([], [2], "int64")], { axis: 1 });
  const form = normalForm(b.build(b.add("SequenceAt", [parts, b.input("i", [], "int64")]))).graph;
  assert.deepEqual(operators(form), ["Relu", "SplitToSequence", "SequenceAt"]);
});

test("bodies nested deeper than calls can be stay, and what the innermost reads is read by the outermost", () => {
  const depth = 3000;
  for (const isKnown of [true, false]) {
    const b = new GraphBuilder(17);
    const x = b.add("Identity", [b.input("x", [3, 4])]);
    const condition = isKnown ? b.constant([], [1], "bool") : b.input("condition", []);
    let inside = ((): Graph => {
      const body = new GraphBuilder(17, "innermost.");
      return body.build(body.add("Relu", [x]));
    })();
    for (let k = 1; k < depth; k++) {
      const body = new GraphBuilder(17, `body${k}.`);
      inside = body.build(body.add("If", [condition], { then_branch: inside, else_branch: inside }));
    }
    const form = normalForm(b.build(b.add("If", [condition], { then_branch: inside, else_branch: inside })));
    const [node, ...others] = form.graph.nodes;
    assert.equal(others.length, 0);
    assert.equal(node!.operator, "If");
    assert.ok(node!.inputs.includes("x"), node!.inputs.join());
  }
});

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx/index";
import type { Graph, Node } from "../../graph/graph";
import { elementCount, isFloating, type Shape, scalar, type Tensor, tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { evaluateGraph, tangentGraph } from "../../operators/evaluate";
import { inferShapes } from "../../operators/inference";
import { randomInputs } from "../../runtime/random-inputs";
import { randomWeights } from "../../runtime/random-weights";
import { findInertParameters } from "./inert";

const FIXTURES = path.resolve(import.meta.dirname, "../../../testFixtures");

/** A graph in a few lines: shapes of inputs, parameters and constants, then `output = Operator(inputs)` with attributes. */
function graph(spec: {
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly parameters: Readonly<Record<string, Shape>>;
  readonly buffers?: Readonly<Record<string, Shape>>;
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly nodes: readonly (readonly [output: string, operator: string, inputs: string, attributes?: Node["attributes"]])[];
  readonly outputs?: readonly string[];
}): Graph {
  const parameter = (trainable: boolean) => (entry: [string, Shape]) =>
    [
      entry[0],
      {
        name: entry[0],
        type: "float32" as const,
        shape: entry[1],
        trainable,
        origin: {},
        ...(trainable ? {} : { buffer: true }),
      },
    ] as const;
  return inferShapes({
    name: "test",
    opset: 21,
    inputs: Object.entries(spec.inputs).map(([name, shape]) => ({ name, type: "float32", shape })),
    outputs: spec.outputs ?? [spec.nodes.at(-1)![0]],
    nodes: spec.nodes.map(([output, operator, inputs, attributes]) => ({
      name: output,
      operator,
      domain: "",
      inputs: inputs.split(" ").map((i) => (i === "_" ? "" : i)),
      outputs: [output],
      attributes: attributes ?? {},
      origin: { node: output },
    })),
    parameters: new Map([
      ...Object.entries(spec.parameters).map(parameter(true)),
      ...Object.entries(spec.buffers ?? {}).map(parameter(false)),
    ]),
    constants: new Map(Object.entries(spec.constants ?? {})),
    types: new Map(),
  }).graph;
}

/** What is found in a graph, as `name` or `name[start:end]`. */
function inert(g: Graph): string[] {
  return findInertParameters(normalForm(g).graph)
    .map((x) => x.parameter.name + (x.segment ? `[${x.segment.start}:${x.segment.end}]` : ""))
    .sort();
}

/** Largest derivative of any output along a random direction of (a part of) a parameter, relative to the outputs. */
function sensitivity(source: Graph, normal: Graph, seed: number, moves: (random: Random) => Map<string, Float64Array>): number {
  const values = new Map<string, Tensor>();
  // The source graph says what is a variance and must be positive.
  for (const [name, data] of randomWeights(source, seed)) {
    const p = source.parameters.get(name)!;
    values.set(name, { type: p.type, shape: p.shape, data });
  }
  for (const [name, value] of randomInputs(normal, seed)) values.set(name, value);
  const all = evaluateGraph(normal, values);
  const moving = tangentGraph(normal, all, moves(new Random(seed)));
  let largest = 0;
  for (const output of normal.outputs) {
    const size = Math.max(1e-3, ...all.get(output)!.data.map(Math.abs));
    for (const d of moving.get(output)?.data ?? []) largest = Math.max(largest, Math.abs(d) / size);
  }
  return largest;
}

/** Asserts that each claimed parameter has no influence, and, where asked, that every other one has. */
function checkNumerically(g: Graph, complete: boolean): void {
  const normal = normalForm(g, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY }).graph;
  const found = findInertParameters(normal);
  for (const { parameter, segment } of found) {
    const move = (random: Random) => {
      const data = random.normals(elementCount(parameter.shape));
      if (segment) data.forEach((_, i) => (i < segment.start || i >= segment.end ? (data[i] = 0) : 0));
      return new Map([[parameter.name, data]]);
    };
    const s = sensitivity(g, normal, 3, move);
    assert.ok(s < 1e-9, `${g.name}: ${parameter.name} is claimed inert, but moves the output by ${s}`);
  }
  if (!complete) return;
  const whole = new Set(found.filter((x) => !x.segment).map((x) => x.parameter.name));
  for (const p of normal.parameters.values()) {
    if (!p.trainable || !isFloating(p.type) || whole.has(p.name)) continue;
    const s = sensitivity(g, normal, 3, (random) => new Map([[p.name, random.normals(elementCount(p.shape))]]));
    assert.ok(s > 1e-9, `${g.name}: ${p.name} has no influence (${s}) and was not found`);
  }
}

const BATCH_NORM = { training_mode: 1 };
const norm = (input: string) => ["n", "BatchNormalization", `${input} gamma beta mean var`, BATCH_NORM] as const;
const statistics = (n: number) => ({ mean: [n], var: [n] });

describe("biases before a normalisation", () => {
  const convNorm = (attributes: Node["attributes"] = BATCH_NORM) =>
    graph({
      inputs: { x: [4, 2, 6, 6] },
      parameters: { w: [6, 2, 3, 3], b: [6], gamma: [6], beta: [6] },
      buffers: statistics(6),
      nodes: [
        ["c", "Conv", "x w b", { pads: [1, 1, 1, 1] }],
        ["n", "BatchNormalization", "c gamma beta mean var", attributes],
        ["y", "Relu", "n"],
      ],
    });

  it("are inert under batch statistics", () => {
    assert.deepEqual(inert(convNorm()), ["b"]);
    checkNumerically(convNorm(), true);
  });

  it("are not under running statistics", () => {
    assert.deepEqual(inert(convNorm({ training_mode: 0 })), []);
    checkNumerically(convNorm({ training_mode: 0 }), true);
  });

  it("are inert before instance norm, and before group norm with one channel per group only", () => {
    const groupNorm = (groups: number) =>
      graph({
        inputs: { x: [4, 2, 6, 6] },
        parameters: { w: [6, 2, 3, 3], b: [6], gamma: [6], beta: [6] },
        nodes: [
          ["c", "Conv", "x w b"],
          ["y", "GroupNormalization", "c gamma beta", { num_groups: groups }],
        ],
      });
    assert.deepEqual(inert(groupNorm(6)), ["b"]);
    assert.deepEqual(inert(groupNorm(3)), []);
    assert.deepEqual(inert(groupNorm(1)), []);
    const instance = graph({
      inputs: { x: [4, 2, 6, 6] },
      parameters: { w: [6, 2, 3, 3], b: [6], gamma: [6], beta: [6] },
      nodes: [
        ["c", "Conv", "x w b"],
        ["y", "InstanceNormalization", "c gamma beta"],
      ],
    });
    assert.deepEqual(inert(instance), ["b"]);
    for (const g of [groupNorm(6), groupNorm(3), groupNorm(1), instance]) checkNumerically(g, true);
  });

  it("are not before layer norm or RMS norm, of which only one direction is blind", () => {
    for (const operator of ["LayerNormalization", "RMSNormalization"]) {
      const g = graph({
        inputs: { x: [4, 5] },
        parameters: { w: [5, 6], b: [6], gamma: [6] },
        nodes: [
          ["m", "MatMul", "x w"],
          ["a", "Add", "m b"],
          ["y", operator, "a gamma"],
        ],
      });
      assert.deepEqual(inert(g), []);
      checkNumerically(g, true);
    }
  });

  it("are not behind a ReLU, or where a second path reads them", () => {
    const behindRelu = graph({
      inputs: { x: [4, 2, 6, 6] },
      parameters: { w: [6, 2, 3, 3], b: [6], gamma: [6], beta: [6] },
      buffers: statistics(6),
      nodes: [["c", "Conv", "x w b"], ["r", "Relu", "c"], norm("r")],
    });
    const skipped = graph({
      inputs: { x: [4, 6, 6, 6] },
      parameters: { w: [6, 6, 1, 1], b: [6], gamma: [6], beta: [6] },
      buffers: statistics(6),
      nodes: [["c", "Conv", "x w b"], norm("c"), ["y", "Add", "n c"]],
    });
    const returned = graph({
      inputs: { x: [4, 6, 6, 6] },
      parameters: { w: [6, 6, 1, 1], b: [6], gamma: [6], beta: [6] },
      buffers: statistics(6),
      nodes: [["c", "Conv", "x w b"], norm("c")],
      outputs: ["n", "c"],
    });
    for (const g of [behindRelu, skipped, returned]) {
      assert.deepEqual(inert(g), []);
      checkNumerically(g, true);
    }
  });

  it("are inert through linear maps that keep a constant map constant", () => {
    const between = (nodes: Parameters<typeof graph>[0]["nodes"], parameters = {}, constants = {}) =>
      graph({
        inputs: { x: [4, 2, 6, 6] },
        parameters: { w: [6, 2, 3, 3], b: [6], gamma: [6], beta: [6], ...parameters },
        buffers: statistics(6),
        constants,
        nodes: [["c", "Conv", "x w b"], ...nodes],
      });
    const inertly = [
      between([["p", "AveragePool", "c", { kernel_shape: [2, 2] }], norm("p")]),
      between([["p", "MaxPool", "c", { kernel_shape: [2, 2], pads: [1, 1, 1, 1] }], norm("p")]),
      between([["p", "Conv", "c v"], norm("p")], { v: [6, 6, 1, 1] }),
      between([["s", "Mul", "c k"], norm("s")], {}, { k: scalar(-0.3, "float32") }),
      between([["s", "Mul", "c g"], norm("s")], { g: [6, 1, 1] }),
      between([["t", "Transpose", "c", { perm: [0, 2, 3, 1] }], ["u", "Transpose", "t", { perm: [0, 3, 1, 2] }], norm("u")]),
      between([["s", "Concat", "c c", { axis: 2 }], norm("s")]),
    ];
    for (const g of inertly) {
      assert.deepEqual(inert(g), ["b"], g.nodes.map((n) => n.operator).join());
      checkNumerically(g, true);
    }
    const visible = [
      between([["p", "AveragePool", "c", { kernel_shape: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 }], norm("p")]),
      between([["p", "Conv", "c v", { pads: [1, 1, 1, 1] }], norm("p")], { v: [6, 6, 3, 3] }),
      between([["s", "Mul", "c x1"], norm("s")], { x1: [6, 4, 4] }),
      between([["s", "Add", "c x1"], ["q", "Mul", "s s"], norm("q")], { x1: [6, 1, 1] }),
    ];
    for (const g of visible) {
      assert.ok(!inert(g).includes("b"), g.nodes.map((n) => n.operator).join());
      checkNumerically(g, false);
    }
  });

  it("are inert in one branch of a concatenation, whose other branch is not", () => {
    const g = graph({
      inputs: { x: [4, 2, 6, 6] },
      parameters: { w: [2, 2, 3, 3], b: [2], v: [4, 2, 3, 3], d: [4], gamma: [6], beta: [6] },
      buffers: statistics(6),
      nodes: [["c", "Conv", "x w b"], ["e", "Conv", "x v d"], ["r", "Relu", "e"], ["s", "Concat", "c r", { axis: 1 }], norm("s")],
    });
    assert.deepEqual(inert(g), ["b"]);
    checkNumerically(g, true);
  });

  it("are inert before a normalisation written by hand", () => {
    const g = graph({
      inputs: { x: [8, 5] },
      parameters: { w: [5, 6], b: [6] },
      constants: { axes: tensor([1], [0], "int64") },
      nodes: [
        ["m", "MatMul", "x w"],
        ["a", "Add", "m b"],
        ["mu", "ReduceMean", "a axes"],
        ["d", "Sub", "a mu"],
        ["q", "Mul", "d d"],
        ["v", "ReduceMean", "q axes"],
        ["s", "Sqrt", "v"],
        ["y", "Div", "d s"],
      ],
    });
    assert.deepEqual(inert(g), ["b"]);
    checkNumerically(g, true);
  });
});

describe("biases of keys", () => {
  type Nodes = Parameters<typeof graph>[0]["nodes"];
  const attention = (key: Nodes, scores: Nodes, softmax: Node["attributes"], more: Partial<Parameters<typeof graph>[0]> = {}) =>
    graph({
      inputs: { x: [2, 5, 6] },
      parameters: { wq: [6, 6], bq: [6], wk: [6, 6], bk: [6], wv: [6, 6], ...more.parameters },
      constants: { scale: scalar(0.4, "float32"), ...more.constants },
      nodes: [
        ["q0", "MatMul", "x wq"],
        ["q", "Add", "q0 bq"],
        ["k0", "MatMul", "x wk"],
        ["k1", "Add", "k0 bk"],
        ["v", "MatMul", "x wv"],
        ...key,
        ["kt", "Transpose", "k", { perm: [0, 2, 1] }],
        ["s0", "MatMul", "q kt"],
        ["s", "Mul", "s0 scale"],
        ...scores,
        ["a", "Softmax", "z", softmax],
        ["y", "MatMul", "a v"],
      ],
    });
  const plainKey: Nodes = [["k", "Identity", "k1"]];
  const plainScores: Nodes = [["z", "Identity", "s"]];
  const causal = tensor(
    [5, 5],
    Array.from({ length: 25 }, (_, i) => (i % 5 > Math.floor(i / 5) ? 1 : 0)),
    "bool",
  );

  it("are inert under softmax over the keys", () => {
    const g = attention(plainKey, plainScores, { axis: -1 });
    assert.deepEqual(inert(g), ["bk"]);
    checkNumerically(g, true);
  });

  it("are inert under added and filled masks", () => {
    const added = attention(plainKey, [["z", "Add", "s m"]], { axis: -1 }, { constants: { m: { ...causal, type: "float32" } } });
    const constants = { m: causal, low: scalar(Number.NEGATIVE_INFINITY, "float32") };
    const filled = attention(plainKey, [["z", "Where", "m low s"]], { axis: -1 }, { constants });
    for (const g of [added, filled]) {
      assert.deepEqual(inert(g), ["bk"]);
      checkNumerically(g, true);
    }
    // A mask that fills with ordinary numbers leaves something to compare with.
    const weak = attention(
      plainKey,
      [["z", "Where", "m low s"]],
      { axis: -1 },
      { constants: { m: causal, low: scalar(-1, "float32") } },
    );
    assert.deepEqual(inert(weak), []);
    checkNumerically(weak, true);
  });

  it("are not under softmax over the queries, sigmoid attention or a soft cap", () => {
    const acrossQueries = attention(plainKey, plainScores, { axis: 1 });
    assert.deepEqual(inert(acrossQueries), ["bq"], "then it is the queries' bias that has no effect");
    const capped = attention(plainKey, [["z", "Tanh", "s"]], { axis: -1 });
    assert.deepEqual(inert(capped), []);
    for (const g of [acrossQueries, capped]) checkNumerically(g, true);
    const sigmoid = acrossQueries;
    const swapped = inferShapes({
      ...sigmoid,
      nodes: sigmoid.nodes.map((n) => (n.operator === "Softmax" ? { ...n, operator: "Sigmoid", attributes: {} } : n)),
    }).graph;
    assert.deepEqual(inert(swapped), []);
  });

  it("are not under rotary positions or a norm of the keys", () => {
    const cos = tensor(
      [5, 6],
      Array.from({ length: 30 }, (_, i) => Math.cos(Math.floor(i / 6) * 0.5 ** (i % 3))),
      "float32",
    );
    const sin = tensor(
      [5, 6],
      Array.from({ length: 30 }, (_, i) => Math.sin(Math.floor(i / 6) * 0.5 ** (i % 3))),
      "float32",
    );
    const bounds = (n: number) => tensor([1], [n], "int64");
    const constants = { cos, sin, zero: bounds(0), three: bounds(3), six: bounds(6), axis: bounds(2) };
    const rotary = attention(
      [
        ["k1a", "Slice", "k1 zero three axis"],
        ["k1b", "Slice", "k1 three six axis"],
        ["k1n", "Neg", "k1b"],
        ["turned", "Concat", "k1n k1a", { axis: 2 }],
        ["c", "Mul", "k1 cos"],
        ["d", "Mul", "turned sin"],
        ["k", "Add", "c d"],
      ],
      plainScores,
      { axis: -1 },
      { constants },
    );
    const normed = attention([["k", "RMSNormalization", "k1 g"]], plainScores, { axis: -1 }, { parameters: { g: [6] } });
    for (const g of [rotary, normed]) {
      assert.deepEqual(inert(g), []);
      checkNumerically(g, true);
    }
  });

  it("are not where the keys are read elsewhere as well", () => {
    const g = attention(plainKey, plainScores, { axis: -1 });
    const both = inferShapes({ ...g, outputs: [...g.outputs, "k1"] }).graph;
    assert.deepEqual(inert(both), []);
  });

  it("are found as a part of a fused projection", () => {
    const bounds = (n: number) => tensor([1], [n], "int64");
    const g = graph({
      inputs: { x: [2, 5, 6] },
      parameters: { w: [6, 18], b: [18] },
      constants: { n0: bounds(0), n6: bounds(6), n12: bounds(12), n18: bounds(18), axis: bounds(2) },
      nodes: [
        ["p0", "MatMul", "x w"],
        ["p", "Add", "p0 b"],
        ["q", "Slice", "p n0 n6 axis"],
        ["k", "Slice", "p n6 n12 axis"],
        ["v", "Slice", "p n12 n18 axis"],
        ["kt", "Transpose", "k", { perm: [0, 2, 1] }],
        ["s", "MatMul", "q kt"],
        ["a", "Softmax", "s", { axis: -1 }],
        ["y", "MatMul", "a v"],
      ],
    });
    assert.deepEqual(inert(g), ["b[6:12]"]);
    checkNumerically(g, true);
  });
});

describe("real models", () => {
  for (const file of readdirSync(path.join(FIXTURES, "zoo/onnx")).filter((f) => f.endsWith(".onnx"))) {
    it(`zoo ${file}: exactly the inert parameters are found`, () => {
      checkNumerically({ ...readOnnx({ path: path.join(FIXTURES, "zoo/onnx", file) }).graph, name: file }, true);
    });
  }

  it("torchvision: the biases that are there and have no effect, and none besides", () => {
    const names = (file: string) => inert(readOnnx({ path: path.join(FIXTURES, "models", file) }).graph);
    assert.deepEqual(names("resnet18.onnx"), []);
    assert.equal(names("vgg11_bn.onnx").length, 8);
    assert.equal(names("vit_b_16.onnx").filter((n) => n.endsWith("in_proj_bias[768:1536]")).length, 12);
    assert.equal(names("vit_b_16.onnx").length, 12);
    // The shift of the norm that ends an inverted residual, read by 1x1 convolutions and batch norms only.
    assert.equal(names("mobilenet_v2.onnx").length, 17);
  });
});

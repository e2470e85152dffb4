/** @file Engine B: scalings that depend on blocks, on pieces of a space, and on tables in many pieces. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph, Node } from "../../graph/graph";
import { int64Vector } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { operatorTable } from "../../operators/table";
import { Span } from "../counting/families";
import { certifyGenerators } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { type Line, sketch } from "../counting/testing/models";
import { inferAxes, type InferredAxes } from "../spaces/infer";
import { atomSpaces } from "../spaces/spaces";
import type { ParameterValues } from "../symmetry";
import { mergePieces } from "./merge";
import { findScalings, findUnits, type Scaling, scalingDimension, scalingVectors } from "./scalings";

const equivariance = (node: Node) => operatorTable(node.operator, node.domain)?.equivariance;
const axesOf = (graph: Graph): InferredAxes => inferAxes(graph, { equivariance, softPins: false });
const weightsOf = (graph: Graph): ParameterValues => genericWeights(new Network(graph), new Random(3));

function vectors(graph: Graph, scalings: readonly Scaling[], weights: ParameterValues): ParameterValues[] {
  return scalings.flatMap((s) => scalingVectors(s, (p) => graph.parameters.get(p)!.shape, weights));
}

/** Dimension that vectors span, over all parameters of the graph. */
function spanned(graph: Graph, all: readonly ParameterValues[]): number {
  const size = (p: string) => graph.parameters.get(p)!.shape.reduce((n, d) => n * d, 1);
  const names = [...graph.parameters.keys()];
  const offsets = new Map<string, number>();
  let total = 0;
  for (const p of names) {
    offsets.set(p, total);
    total += size(p);
  }
  const span = new Span(total);
  return span.add(
    all.map((v) => {
      const flat = new Float64Array(total);
      for (const [p, data] of v) flat.set(data, offsets.get(p)!);
      return flat;
    }),
  );
}

/** Two key/value heads, sliced apart and repeated for four query heads, as repeat_interleave is exported. */
function repeatedHeads(): Graph {
  const head = (of: string, i: number) =>
    [
      [`${of}${i}`, "Slice", [`${of}h`, `at${i}`, `at${i + 1}`, "one"]],
      [`${of}${i}r`, "Expand", [`${of}${i}`, "twice"]],
    ] as const;
  return sketch({
    inputs: { x: [6, 5, 3] },
    parameters: { q: [3, 16], k: [3, 8], v: [3, 8], o: [16, 3] },
    constants: {
      four: int64Vector([6, 5, 4, 4]),
      two: int64Vector([6, 5, 2, 4]),
      twice: int64Vector([6, 2, 5, 4]),
      back: int64Vector([6, 5, 16]),
      at0: int64Vector([0]),
      at1: int64Vector([1]),
      at2: int64Vector([2]),
      one: int64Vector([1]),
    },
    lines: [
      ["qx", "MatMul", ["x", "q"]],
      ["kx", "MatMul", ["x", "k"]],
      ["vx", "MatMul", ["x", "v"]],
      ["q4", "Reshape", ["qx", "four"]],
      ["k2", "Reshape", ["kx", "two"]],
      ["v2", "Reshape", ["vx", "two"]],
      ["qh", "Transpose", ["q4"], { perm: [0, 2, 1, 3] }],
      ["kh", "Transpose", ["k2"], { perm: [0, 2, 1, 3] }],
      ["vh", "Transpose", ["v2"], { perm: [0, 2, 1, 3] }],
      ...head("k", 0),
      ...head("k", 1),
      ...head("v", 0),
      ...head("v", 1),
      ["kr", "Concat", ["k0r", "k1r"], { axis: 1 }],
      ["vr", "Concat", ["v0r", "v1r"], { axis: 1 }],
      ["kt", "Transpose", ["kr"], { perm: [0, 1, 3, 2] }],
      ["s", "MatMul", ["qh", "kt"]],
      ["p", "Softmax", ["s"], { axis: -1 }],
      ["a", "MatMul", ["p", "vr"]],
      ["at", "Transpose", ["a"], { perm: [0, 2, 1, 3] }],
      ["flat", "Reshape", ["at", "back"]],
      ["y", "MatMul", ["flat", "o"]],
    ],
    outputs: ["y"],
  });
}

describe("scalings of blocks", () => {
  it("sliced apart: each key/value head has its own, and all are exact", () => {
    const graph = repeatedHeads();
    const scalings = findScalings(graph, axesOf(graph), "scales", equivariance);
    // Per key/value head and coordinate: queries against keys, values against outputs.
    assert.equal(scalingDimension(scalings), 16);
    const weights = weightsOf(graph);
    assert.ok(certifyGenerators(graph, weights, vectors(graph, scalings, weights)) < 1e-9);
  });
});

/** Queries of four heads that are normalised and then turned by halves, as QK-norm before rotary positions. */
function normalisedAndTurned(): Graph {
  const table = {
    type: "float64" as const,
    shape: [5, 1, 4],
    data: Float64Array.from({ length: 20 }, (_, i) => Math.cos(i * i)),
  };
  return sketch({
    inputs: { x: [6, 5, 3] },
    parameters: { q: [3, 16] },
    constants: {
      four: int64Vector([6, 5, 4, 4]),
      at0: int64Vector([0]),
      at2: int64Vector([2]),
      at4: int64Vector([4]),
      last: int64Vector([3]),
      table,
    },
    lines: [
      ["qx", "MatMul", ["x", "q"]],
      ["heads", "Reshape", ["qx", "four"]],
      ["squares", "ReduceSumSquare", ["heads", "last"], { keepdims: 1 }],
      ["length", "Sqrt", ["squares"]],
      ["normed", "Div", ["heads", "length"]],
      ["first", "Slice", ["normed", "at0", "at2", "last"]],
      ["second", "Slice", ["normed", "at2", "at4", "last"]],
      ["negative", "Neg", ["second"]],
      ["turned", "Concat", ["negative", "first"], { axis: -1 }],
      ["y", "Mul", ["turned", "table"]],
      ["z", "Add", ["y", "normed"]],
    ],
    outputs: ["z"],
  });
}

describe("scalings of heads whose coordinates come in pieces", () => {
  it("each head's length is forgotten", () => {
    const graph = normalisedAndTurned();
    const scalings = findScalings(graph, axesOf(graph), "scales", equivariance);
    assert.equal(scalingDimension(scalings), 4);
    const weights = weightsOf(graph);
    assert.ok(certifyGenerators(graph, weights, vectors(graph, scalings, weights)) < 1e-9);
  });
});

/** Two layers side by side, shuffled; halves of the result see different functions, which cuts each layer into two spaces. */
function shuffled(): Graph {
  return sketch({
    inputs: { x: [9, 3] },
    parameters: { p: [3, 4], q: [3, 4], o: [8, 2] },
    constants: {
      blocks: int64Vector([9, 2, 4]),
      flat: int64Vector([9, 8]),
      at0: int64Vector([0]),
      at4: int64Vector([4]),
      at8: int64Vector([8]),
      one: int64Vector([1]),
    },
    lines: [
      ["px", "MatMul", ["x", "p"]],
      ["qx", "MatMul", ["x", "q"]],
      ["c", "Concat", ["px", "qx"], { axis: 1 }],
      ["b", "Reshape", ["c", "blocks"]],
      ["t", "Transpose", ["b"], { perm: [0, 2, 1] }],
      ["s", "Reshape", ["t", "flat"]],
      ["l", "Slice", ["s", "at0", "at4", "one"]],
      ["r", "Slice", ["s", "at4", "at8", "one"]],
      ["fl", "Relu", ["l"]],
      ["fr", "LeakyRelu", ["r"], { alpha: 0.1 }],
      ["f", "Concat", ["fl", "fr"], { axis: 1 }],
      ["y", "MatMul", ["f", "o"]],
    ],
    outputs: ["y"],
  });
}

describe("scalings of a space in pieces", () => {
  const graph = shuffled();
  const axes = axesOf(graph);
  const spaces = atomSpaces(graph, axes, graph.parameters.keys());
  const spaceOf = new Map<number, number>();
  for (const [id, s] of spaces.entries()) if (s.atoms.length > 1) for (const a of s.atoms) spaceOf.set(a, id);

  it("are four spaces of two single entries", () => {
    assert.deepEqual(
      spaces.map((s) => `${s.atoms.length} of ${s.size}`),
      ["2 of 2", "2 of 2", "2 of 2", "2 of 2"],
    );
  });

  it("become scalings of the space: fewer, and the same group", () => {
    const single = findScalings(graph, axes, "scales", equivariance);
    const merged = mergePieces(single, axes, (a) => spaceOf.get(a));
    assert.equal(scalingDimension(single), 8);
    assert.equal(scalingDimension(merged), 8);
    assert.deepEqual(
      merged.map((s) => s.sizes),
      [[], [2], [], [2], [], [2], [], [2]],
    );
    const weights = weightsOf(graph);
    const [a, b] = [vectors(graph, single, weights), vectors(graph, merged, weights)];
    assert.ok(certifyGenerators(graph, weights, b) < 1e-9);
    assert.equal(spanned(graph, b), 8);
    assert.equal(spanned(graph, [...a, ...b]), 8);
  });

  it("stay apart where one piece lacks a scaling that the others have", () => {
    const single = findScalings(graph, axes, "scales", equivariance);
    const some = single.slice(1);
    const merged = mergePieces(some, axes, (a) => spaceOf.get(a));
    assert.equal(scalingDimension(merged), scalingDimension(some));
    assert.equal(spanned(graph, vectors(graph, merged, weightsOf(graph))), 7);
  });
});

describe("scalings of a table in many pieces", () => {
  it("move all its rows", () => {
    // Rows are looked up one by one and meet a pinned axis, so that the axis is 20 pinned pieces.
    const rows = 20;
    const graph = sketch({
      inputs: { x: [4, rows, 3] },
      parameters: { table: [rows, 5], w: [3, 5], o: [5, 2] },
      constants: { order: int64Vector(Array.from({ length: rows }, (_, i) => (7 * i) % rows)) },
      lines: [
        ["h", "MatMul", ["x", "w"]],
        ["t", "Gather", ["table", "order"], { axis: 0 }],
        ["m", "Mul", ["h", "t"]],
        ["y", "MatMul", ["m", "o"]],
      ],
      outputs: ["y"],
    });
    const scalings = findScalings(graph, axesOf(graph), "scales", equivariance);
    // Per coordinate: the table against w, and either against o.
    assert.equal(scalingDimension(scalings), 10);
    const weights = weightsOf(graph);
    assert.ok(certifyGenerators(graph, weights, vectors(graph, scalings, weights)) < 1e-9);
  });
});

/** Gains for each channel and step, steps mixed by what follows: a matrix of them, or a convolution and then a matrix. */
function gainsOfSteps(convolved: boolean): Graph {
  return sketch({
    inputs: { x: [9, 3, 5] },
    parameters: { gain: [3, 5], w: [5, 2], ...(convolved ? { kernel: [2, 3, 3] } : {}) },
    lines: [
      ["m", "Mul", ["x", "gain"]],
      ["h", "Relu", ["m"]],
      ...(convolved ? ([["c", "Conv", ["h", "kernel"], { pads: [1, 1] }]] as const) : []),
      ["y", "MatMul", [convolved ? "c" : "h", "w"]],
    ],
    outputs: ["y"],
  });
}

describe("scalings that differ from place to place", () => {
  const scalingsOf = (graph: Graph) => findUnits(graph, axesOf(graph), equivariance).scalings;

  it("one for each step where every step is read by weights of its own", () => {
    const graph = gainsOfSteps(false);
    const scalings = scalingsOf(graph);
    assert.equal(scalingDimension(scalings), 5);
    const weights = weightsOf(graph);
    const all = vectors(graph, scalings, weights);
    assert.ok(certifyGenerators(graph, weights, all) < 1e-9);
    assert.equal(spanned(graph, all), 5);
  });

  it("one for all steps where a convolution mixes them", () => {
    const graph = gainsOfSteps(true);
    const scalings = scalingsOf(graph);
    // Per channel the gains against the kernel, and the kernel against w.
    assert.equal(scalingDimension(scalings), 4);
    const weights = weightsOf(graph);
    assert.ok(certifyGenerators(graph, weights, vectors(graph, scalings, weights)) < 1e-9);
  });
});

describe("scalings of what is masked, and of what is written to and read from places that data choose", () => {
  const zeros = { type: "float32", shape: [4, 5], data: new Float64Array(20) } as const;
  const between = (line: readonly Line[]) =>
    sketch({
      inputs: { x: [4, 3], rows: [4, 1] },
      integers: ["rows"],
      parameters: { a: [3, 5], o: [5, 2] },
      constants: { zero: 0, one: 1, zeros, last: int64Vector([1]), wide: int64Vector([4, 5]) },
      lines: [
        ["m", "MatMul", ["x", "a"]],
        ["h", "Relu", ["m"]],
        ["places", "Expand", ["rows", "wide"]],
        ...line,
        ["y", "MatMul", ["z", "o"]],
      ],
      outputs: ["y"],
    });
  const dimension = (line: readonly Line[]): number => {
    const graph = between(line);
    const scalings = findScalings(graph, axesOf(graph), "scales", equivariance);
    const weights = weightsOf(graph);
    assert.ok(certifyGenerators(graph, weights, vectors(graph, scalings, weights)) < 1e-9);
    return scalingDimension(scalings);
  };
  const scattered = (data: string, reduction: string): readonly Line[] => [
    ["z", "ScatterElements", [data, "places", "h"], { axis: 0, reduction }],
  ];
  const masked = (by: string): readonly Line[] => [
    ["s", "ReduceSum", ["x", "last"], { keepdims: 1 }],
    ["c", "Greater", ["s", "zero"]],
    ["z", "Where", ["c", "h", by]],
  ];

  it("zero is zero at any scale, one is not", () => {
    assert.equal(dimension(masked("zero")), 5);
    assert.equal(dimension(masked("one")), 0);
  });

  it("sums and extremes of what is written keep the scale of each channel, products do not", () => {
    for (const reduction of ["add", "max", "min", "none"]) assert.equal(dimension(scattered("zeros", reduction)), 5, reduction);
    assert.equal(dimension(scattered("zeros", "mul")), 0);
    assert.equal(dimension(scattered("h", "add")), 5);
  });

  it("what is read keeps it as well", () => {
    assert.equal(dimension([["z", "GatherElements", ["h", "places"], { axis: 0 }]]), 5);
    // Along the channels anything may be anywhere: one scale for all of them.
    assert.equal(dimension([["z", "GatherElements", ["h", "places"], { axis: 1 }]]), 1);
  });
});

/** @file Twins of structures that hold sizes in odd places, as small hand-written graphs. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph, Node } from "../../graph/graph";
import { int64Vector, type Tensor, tensor } from "../../graph/tensor";
import { operatorTable } from "../../operators/table";
import { type Line, type Sketch, sketch } from "../counting/testing/models";
import { inferAxes } from "../spaces/infer";
import { makeTwin, type Twin, type TwinOptions } from "./twin";

const equivariance = (node: Node) => operatorTable(node.operator, node.domain)?.equivariance;

function twinOf(graph: Graph, options: TwinOptions = {}): Twin {
  const twin = makeTwin(graph, inferAxes(graph, { equivariance, softPins: false }), options);
  if ("reason" in twin) assert.fail(twin.reason);
  return twin;
}

/** The twin of a hand-written graph. */
const of = (s: Sketch, options?: TwinOptions): Graph => twinOf(sketch(s), options).graph;
const shape = (g: Graph, value: string): readonly number[] => g.types.get(value)!.shape!;
/** The constant that a node reads. */
function operand(g: Graph, output: string, index: number): Tensor {
  const node = g.nodes.find((n) => n.outputs.includes(output))!;
  return g.constants.get(node.inputs[index]!)!;
}
const reversed = (n: number): Tensor => int64Vector(Array.from({ length: n }, (_, i) => n - 1 - i));
const slice = (out: string, from: string, start: string, end: string, axis: string): Line => [
  out,
  "Slice",
  [from, start, end, axis],
];

describe("twins of tokens", () => {
  it("class token and positions follow the number of patches", () => {
    const g = of({
      inputs: { x: [2, 3, 32, 32] },
      parameters: { patch: [64, 3, 8, 8], token: [1, 1, 64], positions: [1, 17, 64], head: [64, 1000] },
      constants: {
        flat: int64Vector([2, 64, 16]),
        all: int64Vector([2, 1, 64]),
        first: int64Vector([0]),
        second: int64Vector([1]),
        axis: int64Vector([1]),
        row: int64Vector([2, 64]),
      },
      lines: [
        ["p", "Conv", ["x", "patch"], { strides: [8, 8], kernel_shape: [8, 8] }],
        ["f", "Reshape", ["p", "flat"]],
        ["t", "Transpose", ["f"], { perm: [0, 2, 1] }],
        ["c", "Expand", ["token", "all"]],
        ["s", "Concat", ["c", "t"], { axis: 1 }],
        ["a", "Add", ["s", "positions"]],
        ["m", "ReduceMean", ["a", "axis"], { keepdims: 1 }],
        ["d", "Sub", ["a", "m"]],
        ["r", "Relu", ["d"]],
        slice("one", "r", "first", "second", "axis"),
        ["flatOne", "Reshape", ["one", "row"]],
        ["y", "MatMul", ["flatOne", "head"]],
      ],
      outputs: ["y"],
    });
    assert.deepEqual(shape(g, "patch"), [3, 3, 2, 2]);
    assert.deepEqual(shape(g, "positions"), [1, 10, 3]);
    assert.deepEqual(shape(g, "y"), [4, 7]);
  });

  it("tokens that go through a table keep their rows apart", () => {
    const g = of({
      inputs: { x: [2, 20, 48] },
      parameters: { w: [48, 48], places: [512, 48], v: [48, 9] },
      constants: { ids: int64Vector(Array.from({ length: 20 }, (_, i) => i)) },
      lines: [
        ["h", "MatMul", ["x", "w"]],
        ["p", "Gather", ["places", "ids"], { axis: 0 }],
        ["a", "Add", ["h", "p"]],
        ["r", "Tanh", ["a"]],
        ["y", "MatMul", ["r", "v"]],
      ],
      outputs: ["y"],
    });
    assert.deepEqual(shape(g, "p"), [4, 3]);
    assert.deepEqual(Array.from(operand(g, "p", 1).data), [0, 1, 2, 3]);
    assert.ok(shape(g, "places")[0]! > 4 && shape(g, "places")[0]! < 20);
  });

  it("windows, shifts and relative positions agree with each other", () => {
    const n = 7;
    const index = Array.from({ length: n ** 2 }, (_, k) => Math.floor(k / n) - (k % n) + n - 1);
    const g = of({
      inputs: { x: [2, 28, 16] },
      parameters: { w: [16, 16], table: [2 * n - 1, 1], o: [16, 5] },
      constants: {
        index: int64Vector(index),
        square: int64Vector([n, n]),
        windows: int64Vector([8, n, 16]),
        back: int64Vector([2, 28, 16]),
        at0: int64Vector([0]),
        at3: int64Vector([3]),
        at28: int64Vector([28]),
        axis: int64Vector([1]),
      },
      lines: [
        slice("tail", "x", "at3", "at28", "axis"),
        slice("start", "x", "at0", "at3", "axis"),
        ["rolled", "Concat", ["tail", "start"], { axis: 1 }],
        ["h", "MatMul", ["rolled", "w"]],
        ["win", "Reshape", ["h", "windows"]],
        ["t", "Transpose", ["win"], { perm: [0, 2, 1] }],
        ["s", "MatMul", ["win", "t"]],
        ["rows", "Gather", ["table", "index"], { axis: 0 }],
        ["bias", "Reshape", ["rows", "square"]],
        ["b", "Add", ["s", "bias"]],
        ["p", "Softmax", ["b"], { axis: -1 }],
        ["a", "MatMul", ["p", "win"]],
        ["m", "Reshape", ["a", "back"]],
        ["y", "MatMul", ["m", "o"]],
      ],
      outputs: ["y"],
    });
    const [batch, tokens] = shape(g, "x") as [number, number];
    const [windows, width] = shape(g, "win") as [number, number];
    assert.equal(windows * width, batch * tokens);
    assert.ok(tokens < 28 && width < n);
    assert.deepEqual(shape(g, "bias"), [width, width]);
    // Rows of the table that nothing looks up would be dead in the twin only.
    assert.equal(new Set(operand(g, "rows", 1).data).size, shape(g, "table")[0]);
    assert.deepEqual(shape(g, "m").slice(0, 2), [batch, tokens]);
  });
});

describe("twins of heads", () => {
  it("a fused projection has three equal parts", () => {
    const g = of({
      inputs: { x: [2, 10, 96] },
      parameters: { qkv: [96, 288], o: [96, 11] },
      constants: {
        five: int64Vector([2, 10, 3, 8, 12]),
        back: int64Vector([2, 10, 96]),
        zero: tensor([], [0], "int64"),
        one: tensor([], [1], "int64"),
        two: tensor([], [2], "int64"),
        scale: 12 ** -0.5,
      },
      lines: [
        ["h", "MatMul", ["x", "qkv"]],
        ["f", "Reshape", ["h", "five"]],
        ["t", "Transpose", ["f"], { perm: [2, 0, 3, 1, 4] }],
        ["q", "Gather", ["t", "zero"], { axis: 0 }],
        ["k", "Gather", ["t", "one"], { axis: 0 }],
        ["v", "Gather", ["t", "two"], { axis: 0 }],
        ["kt", "Transpose", ["k"], { perm: [0, 1, 3, 2] }],
        ["s", "MatMul", ["q", "kt"]],
        ["d", "Mul", ["s", "scale"]],
        ["p", "Softmax", ["d"], { axis: -1 }],
        ["a", "MatMul", ["p", "v"]],
        ["b", "Transpose", ["a"], { perm: [0, 2, 1, 3] }],
        ["c", "Reshape", ["b", "back"]],
        ["y", "MatMul", ["c", "o"]],
      ],
      outputs: ["y"],
    });
    const [heads, width] = [shape(g, "q")[1]!, shape(g, "q")[3]!];
    assert.equal(heads, 2);
    assert.ok(width >= 3 && width <= 4);
    assert.deepEqual(shape(g, "qkv"), [shape(g, "x")[2], 3 * heads * width]);
    assert.equal(operand(g, "d", 1).data[0], width ** -0.5);
  });

  it("rotary tables keep halves of equal length", () => {
    const d = 16;
    const angles = Array.from({ length: 10 * d }, (_, k) => Math.cos(Math.floor(k / d) / 10 ** (k % (d / 2))));
    const g = of({
      inputs: { x: [2, 10, 32] },
      parameters: { q: [32, d], k: [32, d], v: [32, 6] },
      constants: {
        cos: tensor([10, d], angles, "float32"),
        at0: int64Vector([0]),
        half: int64Vector([d / 2]),
        whole: int64Vector([d]),
        last: int64Vector([2]),
      },
      lines: [
        ...(["q", "k"] as const).flatMap((z): Line[] => [
          [`${z}x`, "MatMul", ["x", z]],
          slice(`${z}a`, `${z}x`, "at0", "half", "last"),
          slice(`${z}b`, `${z}x`, "half", "whole", "last"),
          [`${z}n`, "Neg", [`${z}b`]],
          [`${z}s`, "Concat", [`${z}n`, `${z}a`], { axis: -1 }],
          [`${z}c`, "Mul", [`${z}x`, "cos"]],
          [`${z}r`, "Add", [`${z}c`, `${z}s`]],
        ]),
        ["kt", "Transpose", ["kr"], { perm: [0, 2, 1] }],
        ["s", "MatMul", ["qr", "kt"]],
        ["p", "Softmax", ["s"], { axis: -1 }],
        ["vx", "MatMul", ["x", "v"]],
        ["y", "MatMul", ["p", "vx"]],
      ],
      outputs: ["y"],
    });
    const width = shape(g, "q")[1]!;
    assert.equal(width % 2, 0);
    assert.deepEqual(shape(g, "qs"), [4, shape(g, "x")[1], width]);
    assert.deepEqual(operand(g, "qc", 1).shape, [shape(g, "x")[1], width]);
  });
});

describe("twins of images", () => {
  const conv = (out: string, from: string, w: string, attributes: Node["attributes"] = {}): Line => [
    out,
    "Conv",
    [from, w],
    attributes,
  ];

  it("kernels lose padded taps, and every tap that is left is read", () => {
    const g = of({
      inputs: { x: [1, 3, 64, 64] },
      parameters: { stem: [32, 3, 7, 7], deep: [32, 1, 5, 5], last: [8, 32, 1, 1] },
      lines: [
        conv("a", "x", "stem", { strides: [2, 2], pads: [3, 3, 3, 3] }),
        ["b", "Relu", ["a"]],
        conv("c", "b", "deep", { group: 32, pads: [4, 4, 4, 4], dilations: [2, 2] }),
        conv("y", "c", "last"),
      ],
      outputs: ["y"],
    });
    assert.deepEqual(shape(g, "stem"), [3, 3, 3, 1]);
    assert.deepEqual(shape(g, "deep"), [3, 1, 3, 1]);
    assert.ok(shape(g, "b")[2]! >= 5, "a window of 3 with dilation 2 is 5 wide");
    assert.equal(g.nodes.find((n) => n.outputs[0] === "c")!.attributes.group, 3);
  });

  it("causal padding is not room for a kernel", () => {
    const g = of({
      inputs: { x: [1, 16, 64] },
      parameters: { w: [16, 16, 2] },
      constants: { pads: int64Vector([0, 0, 8, 0, 0, 0]) },
      lines: [["p", "Pad", ["x", "pads"]], conv("y", "p", "w", { dilations: [8] })],
      outputs: ["y"],
    });
    assert.ok(shape(g, "x")[2]! >= 9);
  });

  it("what is made smaller and larger again meets what was not", () => {
    const g = of({
      inputs: { x: [1, 3, 64, 64] },
      parameters: { down: [16, 3, 3, 3], up: [8, 16, 3, 3], out: [4, 11, 1, 1] },
      constants: { none: tensor([0], [], "float32"), twice: tensor([4], [1, 1, 2, 2], "float32") },
      lines: [
        conv("a", "x", "down", { strides: [2, 2], pads: [1, 1, 1, 1] }),
        ["r", "Relu", ["a"]],
        conv("b", "r", "up", { pads: [1, 1, 1, 1] }),
        ["u", "Resize", ["b", "none", "twice"], { mode: "nearest" }],
        ["c", "Concat", ["x", "u"], { axis: 1 }],
        conv("y", "c", "out"),
      ],
      outputs: ["y"],
    });
    assert.deepEqual(shape(g, "u").slice(2), shape(g, "x").slice(2));
    assert.ok(shape(g, "x")[2]! < 16);
    // Here strides have to stay.
    assert.equal(shape(g, "a")[2], shape(g, "x")[2]! / 2);
  });

  it("channels that turn into space stay a multiple of the block", () => {
    const g = of({
      inputs: { x: [1, 1, 32, 32] },
      parameters: { w: [64, 1, 3, 3], v: [9, 64, 3, 3] },
      lines: [
        conv("a", "x", "w", { pads: [1, 1, 1, 1] }),
        ["r", "Relu", ["a"]],
        conv("b", "r", "v", { pads: [1, 1, 1, 1] }),
        ["y", "DepthToSpace", ["b"], { blocksize: 3 }],
      ],
      outputs: ["y"],
    });
    assert.deepEqual(shape(g, "v"), [9, 3, 3, 1]);
  });

  it("flattened maps keep their places", () => {
    const g = of({
      inputs: { x: [4, 3, 16, 16] },
      parameters: { w: [24, 3, 3, 3], head: [24 * 256, 10] },
      constants: { flat: int64Vector([4, 24 * 256]) },
      lines: [
        conv("a", "x", "w", { pads: [1, 1, 1, 1] }),
        ["r", "Relu", ["a"]],
        ["f", "Reshape", ["r", "flat"]],
        ["y", "MatMul", ["f", "head"]],
      ],
      outputs: ["y"],
    });
    const places = shape(g, "a")
      .slice(2)
      .reduce((n, d) => n * d, 1);
    assert.ok(places > 1);
    assert.equal(shape(g, "head")[0], shape(g, "w")[0]! * places);
  });
});

describe("what a twin may be told", () => {
  const mlp: Sketch = {
    inputs: { x: [16, 20] },
    parameters: { a: [20, 30], b: [30, 40], c: [40, 12] },
    lines: [
      ["h", "MatMul", ["x", "a"]],
      ["r", "Relu", ["h"]],
      ["i", "MatMul", ["r", "b"]],
      ["s", "Relu", ["i"]],
      ["y", "MatMul", ["s", "c"]],
    ],
    outputs: ["y"],
  };

  it("widths differ from layer to layer", () => {
    const g = of(mlp);
    assert.deepEqual(
      [shape(g, "a"), shape(g, "b"), shape(g, "c")],
      [
        [8, 3],
        [3, 4],
        [4, 7],
      ],
    );
  });

  it("widths of its own, a batch, and pinned sizes as they are", () => {
    const twin = twinOf(sketch(mlp), { size: ({ size }) => size / 10, batch: 3, spatial: "keep" });
    assert.deepEqual(
      [shape(twin.graph, "x"), shape(twin.graph, "b"), shape(twin.graph, "c")],
      [
        [3, 20],
        [3, 4],
        [4, 12],
      ],
    );
    assert.deepEqual([...twin.sizes.values()], [3, 4]);
  });

  it("counts of a mean stay right", () => {
    const g = of({
      inputs: { x: [4, 8] },
      parameters: { a: [8, 64], b: [64, 5] },
      constants: { share: 1 / 64, half: 0.5, axes: int64Vector([-1]), two: 2 },
      lines: [
        ["h", "MatMul", ["x", "a"]],
        ["q", "Pow", ["h", "two"]],
        ["s", "ReduceSum", ["q", "axes"]],
        ["m", "Mul", ["s", "share"]],
        ["d", "Pow", ["m", "half"]],
        ["n", "Div", ["h", "d"]],
        ["y", "MatMul", ["n", "b"]],
      ],
      outputs: ["y"],
    });
    assert.equal(operand(g, "m", 1).data[0], 1 / shape(g, "a")[1]!);
  });

  it("a list of indices follows the pieces that it picks", () => {
    const g = of({
      inputs: { x: [4, 8] },
      parameters: { a: [8, 12], b: [12, 5] },
      constants: { swap: int64Vector([6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5]) },
      lines: [
        ["h", "MatMul", ["x", "a"]],
        ["g", "Gather", ["h", "swap"], { axis: 1 }],
        ["r", "Relu", ["g"]],
        ["y", "MatMul", ["r", "b"]],
      ],
      outputs: ["y"],
    });
    const n = shape(g, "a")[1]!;
    const indices = Array.from(operand(g, "g", 1).data);
    assert.deepEqual(
      [...indices].sort((a, b) => a - b),
      Array.from({ length: n }, (_, i) => i),
    );
    assert.notDeepEqual(
      indices,
      [...indices].sort((a, b) => a - b),
    );
  });

  it("a permutation entry by entry stays one", () => {
    const g = of({
      inputs: { x: [4, 8] },
      parameters: { a: [8, 6], b: [6, 5] },
      constants: { order: reversed(6) },
      lines: [
        ["h", "MatMul", ["x", "a"]],
        ["g", "Gather", ["h", "order"], { axis: 1 }],
        ["r", "Relu", ["g"]],
        ["y", "MatMul", ["r", "b"]],
      ],
      outputs: ["y"],
    });
    const indices = Array.from(operand(g, "g", 1).data);
    assert.equal(new Set(indices).size, shape(g, "a")[1]);
    assert.equal(Math.max(...indices), shape(g, "a")[1]! - 1);
  });

  it("operators that are not in the table keep shapes that the rest agrees with", () => {
    const graph = sketch(mlp);
    const strange: Graph = {
      ...graph,
      nodes: graph.nodes.map((n) => (n.outputs[0] === "r" ? { ...n, operator: "Strange", domain: "python" } : n)),
    };
    const g = twinOf(strange).graph;
    assert.deepEqual(shape(g, "r"), shape(g, "h"));
    assert.equal(shape(g, "b")[0], shape(g, "r")[1]);
  });
});

describe("twins with fewer blocks", () => {
  const block = (x: string, n: number, table: string): readonly Line[] => [
    [`h${n}`, "MatMul", [x, `w${n}`]],
    [`t${n}`, "Mul", [`h${n}`, table]],
    [`f${n}`, "Tanh", [`t${n}`]],
    [`o${n}`, "MatMul", [`f${n}`, `v${n}`]],
    [`x${n}`, "Add", [x, `o${n}`]],
  ];
  const stack = (frozen: boolean, table = "table"): Graph => {
    const blocks = [1, 2, 3, 4];
    const graph = sketch({
      inputs: { x: [2, 6, 5] },
      parameters: Object.fromEntries([
        ["angles", [6, 1]],
        ...blocks.flatMap((n) => [
          [`w${n}`, [5, 7]],
          [`v${n}`, [7, 5]],
        ]),
      ]) as Record<string, number[]>,
      lines: [["table", "Cos", ["angles"]], ...blocks.flatMap((n) => block(n === 1 ? "x" : `x${n - 1}`, n, table))],
      outputs: ["x4"],
    });
    const angles = { ...graph.parameters.get("angles")!, trainable: !frozen };
    return { ...graph, parameters: new Map([...graph.parameters, ["angles", angles]]) };
  };

  it("blocks that read one table, which does not train, are equal", () => {
    const twin = twinOf(stack(true), { depth: "pairs", size: () => 3 });
    // The first one begins at the input, and not at what another one wrote.
    assert.deepEqual([...twin.graph.parameters.keys()], ["angles", "w1", "v1", "w2", "v2", "w3", "v3"]);
    assert.deepEqual(twin.notes, ["1 repeated block is left out"]);
  });

  it("blocks that read what one trained weight makes are equal, and it stays", () => {
    // As the bias of relative positions in T5: with all its blocks as with some of them 42,473 directions were counted.
    const twin = twinOf(stack(false), { depth: "pairs", size: () => 3 });
    assert.deepEqual([...twin.graph.parameters.keys()], ["angles", "w1", "v1", "w2", "v2", "w3", "v3"]);
  });

  it("blocks that share a weight itself stay", () => {
    assert.equal(twinOf(stack(false, "angles"), { depth: "pairs", size: () => 3 }).graph.parameters.size, 9);
  });

  it("blocks that read what an encoder wrote are equal, and the encoder stays", () => {
    const blocks = [1, 2, 3, 4, 5, 6];
    const graph = sketch({
      inputs: { x: [2, 6, 5] },
      parameters: Object.fromEntries([
        ["e", [5, 7]],
        ["s", [5, 5]],
        ...blocks.flatMap((n) => [
          [`w${n}`, [5, 7]],
          [`v${n}`, [7, 5]],
        ]),
      ]) as Record<string, number[]>,
      lines: [
        ["m", "MatMul", ["x", "e"]],
        ["memory", "Tanh", ["m"]],
        ["x0", "MatMul", ["x", "s"]],
        ...blocks.flatMap((n) => block(`x${n - 1}`, n, "memory")),
      ],
      outputs: ["x6"],
    });
    const twin = twinOf(graph, { depth: "pairs", size: () => 3 });
    assert.deepEqual([...twin.graph.parameters.keys()], ["e", "s", "w1", "v1", "w2", "v2"]);
    assert.deepEqual(twin.notes, ["4 repeated blocks are left out"]);
  });

  it("the end of a block and the beginning of the next, two linear layers in a row, are no block and its copy", () => {
    // As in mobile networks whose norms are folded: what acts between the two would be gone with one of them.
    const chain = (names: readonly string[]): Graph =>
      sketch({
        inputs: { x: [4, 8] },
        parameters: Object.fromEntries([["w", [8, 16]], ...names.map((n) => [n, [16, 16]]), ["head", [16, 5]]]) as Record<
          string,
          number[]
        >,
        lines: [
          ["r", "MatMul", ["x", "w"]],
          ["x0", "Relu", ["r"]],
          ...names.map((n, k): Line => [`x${k + 1}`, "MatMul", [`x${k}`, n]]),
          ["s", "Relu", [`x${names.length}`]],
          ["y", "MatMul", ["s", "head"]],
        ],
        outputs: ["y"],
      });
    const standIns = (names: readonly string[]) =>
      [...twinOf(chain(names), { depth: "pairs", size: () => 3 }).standIns].filter(([name, first]) => name !== first);
    assert.deepEqual(standIns(["a", "b"]), []);
    assert.deepEqual(standIns(["a", "b", "c"]), [
      ["b", "a"],
      ["c", "a"],
    ]);
  });
});

/** @file Families known by rule: what they claim holds to rounding, and on most models they leave nothing unexplained. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx";
import type { Graph, Node } from "../../graph/graph";
import { int64Vector, tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { Retraction } from "../actions/retraction";
import { analyse } from "../analyse";
import { certificates, measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { countsOf, increments } from "../counting/scaled";
import { type Line, sketch } from "../counting/testing/models";
import { FAMILIES, type Family } from "../symmetry";

const FIXTURES = path.join(import.meta.dirname, "..", "..", "..", "testFixtures");
const truth = JSON.parse(readFileSync(path.join(FIXTURES, "zoo", "truth.json"), "utf8")) as Record<
  string,
  {
    readonly onnx: string;
    readonly frozen?: readonly string[];
    readonly continuous: Partial<Record<Family, number>> & { readonly total: number };
  }
>;

/** Models of the zoo whose directions the rules do not all see: tied weights. */
const PARTLY: ReadonlySet<string> = new Set(["EmbeddingLm", "TiedAutoencoder"]);

/** Architectures of which rules know everything: attention of several kinds, norms, streams, recurrences. */
const ARCHITECTURES = [
  ...["AlibiCausal", "AttentionSinks", "AttentionGate", "AffineCoupling", "AggregatedBottleneck"],
  ...["LstmTwoLayers", "GruBidirectional", "NormedUNet"],
];

/** Everything that rules say of a model, checked at random weights; the counts. */
function checked(file: string, frozen: readonly string[]): ReturnType<typeof countsOf> {
  return checkedGraph(readOnnx({ path: path.join(FIXTURES, file) }, { frozen }).graph);
}

function checkedGraph(graph: Graph): ReturnType<typeof countsOf> {
  const analysis = analyse(graph, { numeric: false });
  const network = Network.of(analysis.normal);
  const weights = genericWeights(network, new Random(3));
  const outputs = new Retraction(network, 4);
  const random = new Random(5);
  for (const s of analysis.symmetries) {
    const claim = `${s.group} (${s.kind}) on ${s.parameters.join(", ")}`;
    assert.equal(s.origin, "rule");
    const moved = s.act(
      weights,
      s.randomElement(() => random.uniform()),
    );
    assert.ok(outputs.deviation(weights, new Map([...weights, ...moved])) < 1e-9, `${claim} moves the outputs`);
    const vectors = s.generators(weights).map((g) => g.vector);
    for (const worst of certificates(analysis.normal, weights, vectors, { batches: 1 }))
      assert.ok(worst < 1e-9, `a tangent of ${claim}`);
  }
  return countsOf(increments(analysis.symmetries, weights).map((i) => [i.symmetry.kind as Family, i.gained]));
}

describe("families by rule, on the zoo", () => {
  for (const [name, { onnx, frozen = [], continuous }] of Object.entries(truth)) {
    it(name, () => {
      const found = checked(path.join("zoo", onnx), frozen);
      if (PARTLY.has(name)) assert.ok(found.total < continuous.total, "all of it is known by rule: it need not be an exception");
      else for (const f of FAMILIES) assert.equal(found[f], continuous[f] ?? 0, f);
    });
  }
});

describe("families by rule, on other architectures", () => {
  const expected = JSON.parse(readFileSync(path.join(FIXTURES, "architectures", "expected.json"), "utf8")) as Record<
    string,
    { readonly explained: Partial<Record<Family, number>> }
  >;
  for (const name of ARCHITECTURES) {
    it(name, () => {
      const found = checked(path.join("architectures", "onnx", `${name}.onnx`), []);
      for (const f of FAMILIES) assert.equal(found[f], expected[name]!.explained[f] ?? 0, f);
    });
  }
});

describe("families by rule, in groups", () => {
  it("what a time embedding adds to all channels of a group is forgotten by its norm", () => {
    // Six channels in three groups: a convolution of the picture and a layer of the time, which is the same everywhere.
    const graph = sketch({
      inputs: { x: [2, 2, 3, 3], t: [2, 4] },
      parameters: { a: [6, 2, 1, 1], "a.bias": [6, 1, 1], w: [4, 6], "w.bias": [6], c: [3, 6, 1, 1] },
      constants: {
        places: int64Vector([2, 6, 1, 1]),
        groups: int64Vector([2, 3, 18]),
        picture: int64Vector([2, 6, 3, 3]),
        last: int64Vector([2]),
      },
      lines: [
        ["conv", "Conv", ["x", "a"]],
        ["biased", "Add", ["conv", "a.bias"]],
        ["time", "MatMul", ["t", "w"]],
        ["later", "Add", ["time", "w.bias"]],
        ["everywhere", "Reshape", ["later", "places"]],
        ["sum", "Add", ["biased", "everywhere"]],
        ["grouped", "Reshape", ["sum", "groups"]],
        ["mean", "ReduceMean", ["grouped", "last"], { keepdims: 1 }],
        ["centred", "Sub", ["grouped", "mean"]],
        ["length", "ReduceL2", ["centred", "last"], { keepdims: 1 }],
        ["normed", "Div", ["centred", "length"]],
        ["back", "Reshape", ["normed", "picture"]],
        ["bent", "Tanh", ["back"]],
        ["y", "Conv", ["bent", "c"]],
      ],
      outputs: ["y"],
    });
    const found = checkedGraph(graph);
    // Per group one for each feature of the time and one of the biases; the two biases against each other.
    assert.equal(found.translation, 3 * 4 + 3 + 6);
    const { total } = found;
    assert.equal(measureDimension(graph, { explained: total, seed: 5 }).dimension, total);
  });
});

describe("families by rule, of what is not read", () => {
  it("rows of a table of positions beyond the length of the input may be anything, and are no basis of anything", () => {
    const graph = sketch({
      inputs: { x: [2, 3, 4] },
      parameters: { table: [8, 4], w: [4, 5] },
      constants: { places: int64Vector([0, 1, 2]) },
      lines: [
        ["read", "Gather", ["table", "places"]],
        ["sum", "Add", ["x", "read"]],
        ["active", "Tanh", ["sum"]],
        ["y", "MatMul", ["active", "w"]],
      ],
      outputs: ["y"],
    });
    const found = checkedGraph(graph);
    assert.equal(found.linear, 0);
    assert.equal(found.total, 5 * 4);
  });
});

describe("families by rule, on damaged graphs", () => {
  it("a mean whose attribute is of another type is no mean", () => {
    const types = new Map([
      ["x", [2, 4]],
      ["w", [4, 4]],
      ["v", [4, 3]],
      ["h", [2, 4]],
      ["m", [2, 1]],
      ["c", [2, 4]],
      ["y", [2, 3]],
    ]);
    const typed = (name: string) => ({ name, type: "float32" as const, shape: types.get(name)! });
    const node = (operator: string, inputs: string[], output: string, attributes: Node["attributes"] = {}): Node => {
      return { name: output, operator, domain: "", inputs, outputs: [output], attributes, origin: {} };
    };
    const graph: Graph = {
      name: "damaged",
      opset: 17,
      inputs: [typed("x")],
      outputs: ["y"],
      nodes: [
        node("MatMul", ["x", "w"], "h"),
        node("ReduceMean", ["h"], "m", { axes: [1], keepdims: "1" }),
        node("Sub", ["h", "m"], "c"),
        node("MatMul", ["c", "v"], "y"),
      ],
      parameters: new Map(["w", "v"].map((name) => [name, { ...typed(name), trainable: true, origin: {} }])),
      constants: new Map(),
      types: new Map([...types.keys()].map((name) => [name, typed(name)])),
    };
    const { opaque, symmetries } = analyse(graph, { numeric: false });
    assert.deepEqual(
      opaque.map((o) => o.operator),
      ["ReduceMean"],
    );
    assert.ok(!symmetries.some((s) => s.kind === "unread"));
  });
});

/** A layer norm of `x` over its last axis, with gain and bias. */
const norm = (x: string, to: string): readonly Line[] => [
  [`${to}.m`, "ReduceMean", [x], { axes: [-1], keepdims: 1 }],
  [`${to}.c`, "Sub", [x, `${to}.m`]],
  [`${to}.q`, "ReduceSumSquare", [`${to}.c`], { axes: [-1], keepdims: 1 }],
  [`${to}.r`, "Sqrt", [`${to}.q`]],
  [`${to}.n`, "Div", [`${to}.c`, `${to}.r`]],
  [`${to}.g`, "Mul", [`${to}.n`, `${to}.gain`]],
  [to, "Add", [`${to}.g`, `${to}.bias`]],
];

describe("families by rule, behind norms", () => {
  const all = (graph: Graph) => {
    const found = checkedGraph(graph);
    assert.equal(found.total, measureDimension(graph, { explained: found.total }).dimension);
    return found;
  };
  const constants = { zero: int64Vector([0]), one: int64Vector([1]), six: int64Vector([6]), axis: int64Vector([1]) };

  it("places that are rolled keep what their features add up to", () => {
    const found = all(
      sketch({
        inputs: { x: [5, 6, 5] },
        parameters: { "h.gain": [5], "h.bias": [5], w: [5, 4], b: [4], v: [4, 2] },
        constants,
        lines: [
          ...norm("x", "h"),
          ["s", "Slice", ["h", "one", "six", "axis"]],
          ["t", "Slice", ["h", "zero", "one", "axis"]],
          ["rolled", "Concat", ["s", "t"], { axis: 1 }],
          ["p", "MatMul", ["rolled", "w"]],
          ["a", "Add", ["p", "b"]],
          ["tanh", "Tanh", ["a"]],
          ["y", "MatMul", ["tanh", "v"]],
        ],
        outputs: ["y"],
      }),
    );
    assert.equal(found.unread, 4);
  });

  it("different norms side by side add up to different things", () => {
    const found = checkedGraph(
      sketch({
        inputs: { x: [5, 6, 5] },
        parameters: { "h.gain": [5], "h.bias": [5], "k.gain": [5], "k.bias": [5], w: [5, 4], b: [4], v: [4, 2] },
        constants,
        lines: [
          ["s", "Slice", ["x", "one", "six", "axis"]],
          ["t", "Slice", ["x", "zero", "one", "axis"]],
          ...norm("s", "h"),
          ...norm("t", "k"),
          ["both", "Concat", ["h", "k"], { axis: 1 }],
          ["p", "MatMul", ["both", "w"]],
          ["a", "Add", ["p", "b"]],
          ["tanh", "Tanh", ["a"]],
          ["y", "MatMul", ["tanh", "v"]],
        ],
        outputs: ["y"],
      }),
    );
    assert.equal(found.unread, 0);
  });

  for (const [side, hidden] of [
    ["what is hidden is replaced", ["mask", "never", "s"]],
    ["what is seen is kept", ["seen", "s", "never"]],
  ] as const) {
    it(`keys' biases are not seen behind a mask: ${side}`, () => {
      const rows = (see: (i: number, k: number) => boolean) =>
        tensor(
          [4, 4],
          Float64Array.from({ length: 16 }, (_, n) => (see(n >> 2, n & 3) ? 1 : 0)),
          "bool",
        );
      const found = all(
        sketch({
          inputs: { x: [6, 4, 3] },
          parameters: { q: [3, 2], qb: [2], k: [3, 2], kb: [2], v: [3, 2], w: [2, 3] },
          constants: {
            mask: rows((i, k) => k > i),
            seen: rows((i, k) => k <= i),
            never: tensor([], [Number.NEGATIVE_INFINITY]),
          },
          lines: [
            ["xq", "MatMul", ["x", "q"]],
            ["aq", "Add", ["xq", "qb"]],
            ["xk", "MatMul", ["x", "k"]],
            ["ak", "Add", ["xk", "kb"]],
            ["tk", "Transpose", ["ak"], { perm: [0, 2, 1] }],
            ["s", "MatMul", ["aq", "tk"]],
            ["m", "Where", hidden],
            ["a", "Softmax", ["m"], { axis: -1 }],
            ["xv", "MatMul", ["x", "v"]],
            ["o", "MatMul", ["a", "xv"]],
            ["h", "Tanh", ["o"]],
            ["y", "MatMul", ["h", "w"]],
          ],
          outputs: ["y"],
        }),
      );
      // GL(2) between queries and keys, and a bias that moves all scores of a row alike.
      assert.deepEqual([found.linear, found.translation + found.unread], [4, 2]);
    });
  }

  for (const [name, behind, translation] of [
    ["a function of every feature", [["f", "Tanh", ["h2"]]], 3],
    ["a norm, which forgets their mean", norm("h2", "f"), 4],
  ] as const) {
    it(`a product that writes less than it reads, before ${name}`, () => {
      const found = all(
        sketch({
          inputs: { x: [5, 6, 7] },
          parameters: { "h.gain": [7], "h.bias": [7], w: [7, 4], "f.gain": [4], "f.bias": [4], v: [4, 3], d: [3, 2] },
          lines: [
            ...norm("x", "h"),
            ["h2", "MatMul", ["h", "w"]],
            ...(behind as readonly Line[]),
            ["o", "MatMul", ["f", "v"]],
            ["e", "Tanh", ["o"]],
            ["y", "MatMul", ["e", "d"]],
          ],
          outputs: ["y"],
        }),
      );
      assert.ok(found.translation >= translation, JSON.stringify(found));
      assert.ok(found.unread >= 4, JSON.stringify(found));
    });
  }

  // Tokens side by side (a merge of patches), a norm of them together, and what reads it.
  const merged = (order: readonly string[]): Graph =>
    sketch({
      inputs: { x: [5, 6, 5] },
      parameters: { w: [5, 4], "h.gain": [8], "h.bias": [8], r: [8, 3], v: [3, 2] },
      constants: {
        ...constants,
        three: int64Vector([3]),
        four: int64Vector([4]),
        eight: int64Vector([8]),
        last: int64Vector([2]),
      },
      lines: [
        ["p", "MatMul", ["x", "w"]],
        ["s", "Slice", ["p", "zero", "three", "axis"]],
        ["t", "Slice", ["p", "three", "six", "axis"]],
        ["both", "Concat", ["s", "t"], { axis: 2 }],
        ...norm("both", "h"),
        ...(order.length === 0
          ? ([["g", "Identity", ["h"]]] as Line[])
          : ([
              ["first", "Slice", ["h", "zero", "four", "last"]],
              ["second", "Slice", ["h", "four", "eight", "last"]],
              ["g", "Concat", order, { axis: 2 }],
            ] as Line[])),
        ["o", "MatMul", ["g", "r"]],
        ["e", "Tanh", ["o"]],
        ["y", "MatMul", ["e", "v"]],
      ],
      outputs: ["y"],
    });

  it("copies side by side turn together, behind gains of their own", () => {
    const found = all(merged([]));
    assert.equal(found.rotation, 3);
  });

  it("and nothing is told of copies that have changed places behind their gains but what holds", () => {
    for (const order of [
      ["second", "first"],
      ["first", "second"],
    ])
      checkedGraph(merged(order));
  });
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph, Node } from "../graph/graph";
import { tensor, type TensorType } from "../graph/tensor";
import { inferShapes } from "../operators/inference";
import { swapSymmetry } from "./actions/discrete";
import { equivarianceOf } from "./analyse";
import { findSwaps } from "./swaps";

const ATTRIBUTES: Readonly<Record<string, Node["attributes"]>> = { Gather: { axis: 1 }, ArgMax: { axis: 1, keepdims: 0 } };

/** A graph from `output = Operator(inputs)` lines; parameters are named p.., all of shape [3, 3] or as given. */
function graph(lines: readonly string[], shapes: Readonly<Record<string, readonly number[]>> = {}): Graph {
  const nodes = lines.map((line, k): Node => {
    const [, output, operator, inputs] = /^(\S+) = (\w+)\((.*)\)$/.exec(line)!;
    return {
      name: `n${k}`,
      operator: operator!,
      domain: "",
      inputs: inputs!.split(", "),
      outputs: [output!],
      attributes: ATTRIBUTES[operator!] ?? {},
      origin: {},
    };
  });
  const names = new Set(nodes.flatMap((n) => n.inputs).filter((i) => i.startsWith("p")));
  const bare: Graph = {
    name: "g",
    opset: 17,
    inputs: [{ name: "x", type: "float64", shape: [2, 3] }],
    outputs: ["y"],
    nodes,
    parameters: new Map(
      [...names].map((n) => [n, { name: n, type: "float64" as const, shape: shapes[n] ?? [3, 3], trainable: true, origin: {} }]),
    ),
    constants: new Map([
      ["two", tensor([], [2])],
      ["two3", tensor([3], [2, 2, 2])],
      ["halves", tensor([2, 1], [0.5, 1])],
      ["mask", tensor([2, 1], [1, 0])],
      ["depth", tensor([], [3], "int64")],
      ["off", tensor([2], [0, 1])],
      ["i0", tensor([1], [0], "int64")],
      ["i1", tensor([1], [1], "int64")],
    ]),
    types: new Map<string, TensorType>(),
  };
  return inferShapes(bare).graph;
}

const names = (g: Graph) => findSwaps(g, equivarianceOf).map((s) => s.names);

describe("swaps", () => {
  it("two alike branches of a sum", () => {
    const g = graph(["a = MatMul(x, p.a)", "b = MatMul(x, p.b)", "s = Tanh(a)", "t = Tanh(b)", "y = Add(s, t)"]);
    assert.deepEqual(names(g), [["p.a", "p.b"]]);
  });

  it("not with different activations, shapes or a shared parameter", () => {
    assert.deepEqual(
      names(graph(["a = MatMul(x, p.a)", "b = MatMul(x, p.b)", "s = Tanh(a)", "t = Sin(b)", "y = Add(s, t)"])),
      [],
    );
    assert.deepEqual(names(graph(["a = MatMul(x, p.a)", "s = Tanh(a)", "y = Add(s, s)"])), []);
  });

  it("not in an operator whose operands are told apart", () => {
    assert.deepEqual(names(graph(["a = MatMul(x, p.a)", "b = MatMul(x, p.b)", "y = Sub(a, b)"])), []);
  });

  it("not when a branch is read from elsewhere too", () => {
    const g = graph(["a = MatMul(x, p.a)", "b = MatMul(x, p.b)", "s = Tanh(a)", "t = Tanh(b)", "u = Add(s, t)", "y = Add(u, a)"]);
    assert.deepEqual(names(g), []);
  });

  it("two summed biases are a translation, not a swap", () => {
    const g = graph(["a = MatMul(x, p.w)", "b = Add(a, p.b)", "y = Add(b, p.c)"], { "p.b": [3], "p.c": [3] });
    assert.deepEqual(names(g), []);
  });

  it("three branches are two exchanges", () => {
    const g = graph(["a = MatMul(x, p.a)", "b = MatMul(x, p.b)", "c = MatMul(x, p.c)", "s = Mul(a, b)", "y = Mul(s, c)"]);
    assert.deepEqual(names(g), [
      ["p.a", "p.b"],
      ["p.a", "p.c"],
    ]);
  });

  it("products that are alike as wholes, each with several factors of its own", () => {
    const swish = (k: string) => [`${k} = MatMul(x, p.${k})`, `s${k} = Sigmoid(${k})`, `m${k} = Mul(${k}, s${k})`];
    const g = graph([...swish("a"), ...swish("b"), ...swish("c"), "u = Mul(ma, mb)", "y = Mul(u, mc)"]);
    assert.deepEqual(names(g), [
      ["p.a", "p.b"],
      ["p.a", "p.c"],
      ["p.b", "p.c"],
    ]);
  });

  it("a difference that only even functions read, and no other", () => {
    const lines = ["a = MatMul(x, p.a)", "b = MatMul(x, p.b)", "s = Tanh(a)", "t = Tanh(b)", "d = Sub(s, t)"];
    assert.deepEqual(names(graph([...lines, "y = Abs(d)"])), [["p.a", "p.b"]]);
    assert.deepEqual(names(graph([...lines, "y = Pow(d, two)"])), [["p.a", "p.b"]]);
    assert.deepEqual(names(graph([...lines, "y = Mul(d, d)"])), [["p.a", "p.b"]]);
    assert.deepEqual(names(graph([...lines, "e = Abs(d)", "y = Mul(d, e)"])), []);
    assert.deepEqual(names(graph([...lines, "y = Pow(two3, d)"])), []);
    assert.deepEqual(names(graph([...lines, "y = Relu(d)"])), []);
  });

  describe("of branches that pick entries of one value", () => {
    const pick = (k: number) => `c${k} = Gather(r, i${k})`;
    const gated = [
      "l = MatMul(x, p.router)",
      "r = Softmax(l)",
      ...[0, 1].flatMap((k) => [pick(k), `b${k} = MatMul(x, p.${k})`, `t${k} = Tanh(b${k})`, `m${k} = Mul(c${k}, t${k})`]),
    ];

    it("exchange their weights and the entries", () => {
      const g = graph([...gated, "y = Add(m0, m1)"]);
      const [swap, ...others] = findSwaps(g, equivarianceOf);
      assert.deepEqual(others, []);
      assert.deepEqual(swap!.names, ["p.0", "p.1"]);
      const shape = (p: string) => g.parameters.get(p)!.shape;
      const weights = new Map(
        ["p.router", "p.0", "p.1"].map((p, k) => [p, Float64Array.from({ length: 9 }, (_, i) => 10 * k + i)]),
      );
      const symmetry = swapSymmetry(swap!, 0, shape);
      const moved = symmetry.act(weights, Float64Array.of(1));
      assert.deepEqual([...moved.get("p.router")!], [1, 0, 2, 4, 3, 5, 7, 6, 8]);
      assert.deepEqual([...moved.get("p.0")!], [...weights.get("p.1")!]);
      assert.deepEqual(symmetry.exchange!(), {
        branches: ["p.0", "p.1"],
        parameters: [["p.0", "p.1"]],
        entries: [{ parameter: "p.router", axis: 1, positions: [[0], [1]] }],
      });
    });

    it("not where the entries have an order of their own, are read elsewhere, or picked twice", () => {
      assert.deepEqual(names(graph([...gated, "s = Add(m0, m1)", "y = Add(s, l)"])), []);
      assert.deepEqual(names(graph([...gated, "s = Add(m0, m1)", "w = Mul(r, two3)", "y = Add(s, w)"])), []);
      assert.deepEqual(names(graph([...gated, "s = Add(m0, m1)", "d = Gather(r, i0)", "y = Add(s, d)"])), []);
    });

    it("not where the entries are places of the largest of what may be equal", () => {
      const routed = (scores: readonly string[]) => [
        "l = MatMul(x, p.router)",
        ...scores,
        "i = ArgMax(s)",
        "r = OneHot(i, depth, off)",
        ...gated.slice(2),
        "y = Add(m0, m1)",
      ];
      assert.deepEqual(names(graph(routed(["s = Softmax(l)"]))), [["p.0", "p.1"]]);
      assert.deepEqual(names(graph(routed(["s = Relu(l)"]))), []);
      assert.deepEqual(names(graph(routed(["s = Mul(l, halves)"]))), [["p.0", "p.1"]]);
      assert.deepEqual(names(graph(routed(["s = Mul(l, mask)"]))), [], "the second sample sees zeros");
    });
  });
});

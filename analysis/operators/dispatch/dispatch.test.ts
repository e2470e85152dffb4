import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { elementCount, tensor } from "../../graph/tensor";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { analyse } from "../../symmetry/analyse";
import { evaluateGraph } from "../evaluate";
import { inferShapes } from "../inference";
import { withAllRows } from "./dispatch";

const [TOKENS, WIDTH, HIDDEN, EXPERTS] = [6, 4, 3, 3];

const ints = (b: GraphBuilder, values: readonly number[]): string => b.constant([values.length], values, "int64");
const integer = (b: GraphBuilder, value: number): string => b.constant([], [value], "int64");

function expert(b: GraphBuilder, x: string, e: number): string {
  const inner = b.add("Relu", [b.add("MatMul", [x, b.parameter(`up${e}`, [WIDTH, HIDDEN])])]);
  return b.add("MatMul", [inner, b.parameter(`down${e}`, [HIDDEN, WIDTH])]);
}

function zeros(b: GraphBuilder): string {
  return b.constant([TOKENS, WIDTH], new Array<number>(TOKENS * WIDTH).fill(0));
}

/** Probabilities of experts, the largest `k` of them and whose they are, [tokens, k] each. */
function routed(b: GraphBuilder, x: string, k: number): { weights: string; chosen: string } {
  const scores = b.add("Softmax", [b.add("MatMul", [x, b.parameter("router", [WIDTH, EXPERTS])])], { axis: -1 });
  const [weights, chosen] = b.addAll("TopK", [scores, ints(b, [k])], 2, { axis: -1 });
  return { weights: weights!, chosen: chosen! };
}

/** The columns of what a mask of two axes picks. */
function columns(b: GraphBuilder, mask: string): string[] {
  const rows = b.add("Transpose", [b.add("NonZero", [mask])], { perm: [1, 0] });
  const parts = b.addAll("Split", [rows, ints(b, [1, 1])], 2, { axis: 1 });
  return parts.map((p) => b.add("Squeeze", [p, ints(b, [1])]));
}

/** As exports of Mixtral have it: a one-hot mask [experts, k, tokens] with `classes` classes, rows added to where they were. */
function byAdding(b: GraphBuilder, x: string, { classes = EXPERTS, k = 2 } = {}): string {
  const { weights, chosen } = routed(b, x, k);
  const marks = b.add("OneHot", [chosen, integer(b, classes), b.constant([2], [0, 1], "int64")], { axis: -1 });
  const masks = b.add("Transpose", [marks], { perm: [2, 1, 0] });
  let hits: string[] = Array.from({ length: EXPERTS }, (_, e) => integer(b, e));
  if (classes > EXPERTS) {
    const isHit = b.add("Greater", [
      b.add("ReduceSum", [masks, ints(b, [-1, -2])], { keepdims: 0 }),
      b.constant([], [0], "int64"),
    ]);
    const rows = b.add("Transpose", [b.add("NonZero", [isHit])], { perm: [1, 0] });
    const parts = b.addAll("Split", [rows, ints(b, new Array<number>(EXPERTS).fill(1))], EXPERTS, { axis: 0 });
    hits = parts.map((p) => b.add("Reshape", [p, ints(b, [])]));
  }
  let out = zeros(b);
  hits.forEach((hit, e) => {
    const [place, token] = columns(b, b.add("Gather", [masks, hit], { axis: 0 })) as [string, string];
    const made = expert(b, b.add("Gather", [x, token], { axis: 0 }), e);
    const pairs = b.add("Concat", [b.add("Unsqueeze", [token, ints(b, [1])]), b.add("Unsqueeze", [place, ints(b, [1])])], {
      axis: 1,
    });
    const weighed = b.add("Mul", [made, b.add("Unsqueeze", [b.add("GatherND", [weights, pairs]), ints(b, [1])])]);
    const spread = b.add("Expand", [b.add("Unsqueeze", [token, ints(b, [1])]), b.add("Shape", [weighed])]);
    out = b.add("ScatterElements", [out, spread, weighed], { axis: 0, reduction: "add" });
  });
  return out;
}

/** `out[rows] = out[rows] + expert(x[rows])`, where a mask [tokens, k] names each token once for each of its experts. */
function byAssigning(b: GraphBuilder, x: string): string {
  const { chosen } = routed(b, x, 2);
  let out = zeros(b);
  for (let e = 0; e < EXPERTS; e++) {
    const [token] = columns(b, b.add("Equal", [chosen, integer(b, e)])) as [string];
    const made = expert(b, b.add("Gather", [x, token], { axis: 0 }), e);
    const sum = b.add("Add", [b.add("Gather", [out, token], { axis: 0 }), made]);
    out = b.add("ScatterND", [out, b.add("Unsqueeze", [token, ints(b, [1])]), sum]);
  }
  return out;
}

function graphOf(body: (b: GraphBuilder, x: string) => string): Graph {
  const b = new GraphBuilder(18);
  const graph = b.build(body(b, b.input("x", [TOKENS, WIDTH])));
  return inferShapes(graph).graph;
}

/** Compares what two graphs compute for some draws; `scale` times as large inputs leave some experts without tokens. */
function compare(before: Graph, after: Graph): void {
  const random = new Random(3);
  for (let draw = 0; draw < 8; draw++) {
    const values = new Map([["x", tensor([TOKENS, WIDTH], random.normals(TOKENS * WIDTH))]]);
    for (const [name, { shape }] of before.parameters) values.set(name, tensor(shape, random.normals(elementCount(shape))));
    // One expert is chosen by all, another one by none.
    if (draw % 2 === 1) {
      const router = values.get("router")!;
      values.set("x", { ...values.get("x")!, data: values.get("x")!.data.map(Math.abs) });
      values.set("router", { ...router, data: router.data.map((v, i) => v + [9, 0, -9][i % EXPERTS]!) });
    }
    const [y, z] = [before, after].map((g) => evaluateGraph(g, values).get(g.outputs[0]!)!);
    assert.deepEqual(z!.shape, y!.shape);
    y!.data.forEach((v, i) => assert.ok(Math.abs(v - z!.data[i]!) < 1e-12, `draw ${draw}, entry ${i}: ${v} and ${z!.data[i]}`));
  }
}

const picks = (graph: Graph): number => graph.nodes.filter((n) => n.operator === "NonZero").length;

describe("rows that a mask picks", () => {
  const bodies: [string, (b: GraphBuilder, x: string) => string][] = [
    ["are added to where they were", (b, x) => byAdding(b, x)],
    ["take the place of what was there", byAssigning],
  ];
  for (const [what, body] of bodies) {
    it(what, () => {
      const graph = graphOf(body);
      const dense = withAllRows(graph);
      assert.equal(picks(graph), EXPERTS);
      assert.equal(picks(dense), 0);
      compare(graph, dense);
      const { continuous, opaque } = analyse(graph);
      assert.deepEqual(opaque, []);
      assert.equal(continuous.rescaling, HIDDEN * EXPERTS);
    });
  }

  it("are all of the entries that can be set, where they are cut apart by their number", () => {
    const graph = graphOf((b, x) => byAdding(b, x, { classes: EXPERTS + 1, k: EXPERTS }));
    const dense = withAllRows(graph);
    assert.equal(picks(graph), EXPERTS + 1);
    assert.equal(picks(dense), 0);
    compare(graph, dense);
  });

  it("stay where something sees several of them, or how many there are", () => {
    const kept: [string, (b: GraphBuilder, rows: string) => string][] = [
      ["their mean", (b, rows) => b.add("ReduceMean", [rows, ints(b, [0])])],
      ["a softmax over them", (b, rows) => b.add("Softmax", [rows], { axis: 0 })],
      ["the first of them", (b, rows) => b.add("Gather", [rows, ints(b, [0])], { axis: 0 })],
      ["themselves", (_, rows) => rows],
      ["running sums", (b, rows) => b.add("CumSum", [rows, integer(b, 0)])],
    ];
    for (const [what, body] of kept) {
      const graph = graphOf((b, x) => {
        const { chosen } = routed(b, x, 1);
        const token = columns(b, b.add("Equal", [chosen, integer(b, 1)]))[0]!;
        return body(b, b.add("Gather", [x, token], { axis: 0 }));
      });
      assert.equal(withAllRows(graph), graph, what);
    }
  });

  it("leave other masks alone", () => {
    const graph = graphOf((b, x) => {
      const out = byAssigning(b, x);
      const positive = b.add("Greater", [b.add("ReduceSum", [out, ints(b, [1])], { keepdims: 0 }), b.constant([], [0])]);
      const rows = b.add("Gather", [out, b.add("Squeeze", [b.add("NonZero", [positive]), ints(b, [0])])], { axis: 0 });
      return b.add("ReduceMax", [rows, ints(b, [0])]);
    });
    const dense = withAllRows(graph);
    assert.deepEqual([picks(graph), picks(dense)], [EXPERTS + 1, 1]);
  });
});

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import type { Graph, Node } from "../graph/graph";
import { filled, int64Vector, scalar, type Tensor, type TensorType } from "../graph/tensor";
import { inferShapes } from "./inference";

let made = 0;
/** A node of the standard domain. */
function node(operator: string, inputs: string[], outputs: string[], attributes: Node["attributes"] = {}, domain = ""): Node {
  return { name: `${operator}_${made++}`, operator, domain, inputs, outputs, attributes, origin: {} };
}

function graph(
  nodes: Node[],
  inputs: Record<string, number[]>,
  constants: Record<string, Tensor> = {},
  types: [string, TensorType][] = [],
): Graph {
  return {
    name: "test",
    opset: 17,
    inputs: Object.entries(inputs).map(([name, shape]) => ({ name, type: "float32", shape })),
    outputs: [],
    nodes,
    parameters: new Map([["w", { name: "w", type: "float32", shape: [8, 5], trainable: true, origin: {} }]]),
    constants: new Map(Object.entries(constants)),
    types: new Map(types),
  };
}

describe("inferShapes", () => {
  it("follows a shape through arithmetic into a Reshape", () => {
    // x.view(x.size(0), -1, 2) as PyTorch exports it.
    const {
      graph: typed,
      folded,
      problems,
    } = inferShapes(
      graph(
        [
          node("Shape", ["x"], ["shape"]),
          node("Gather", ["shape", "zero"], ["batch"], { axis: 0 }),
          node("Unsqueeze", ["batch", "axes"], ["batch1"]),
          node("Constant", [], ["minus"], { value: int64Vector([-1]) }),
          node("Constant", [], ["two"], { value_ints: [2] }),
          node("Concat", ["batch1", "minus", "two"], ["target"], { axis: 0 }),
          node("Reshape", ["x", "target"], ["y"]),
          node("Flatten", ["x"], ["flat"]),
          node("MatMul", ["flat", "w"], ["z"]),
        ],
        { x: [4, 4, 2] },
        { zero: scalar(0, "int64"), axes: int64Vector([0]) },
      ),
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(typed.types.get("y"), { type: "float32", shape: [4, 4, 2] });
    assert.deepEqual(typed.types.get("z"), { type: "float32", shape: [4, 5] });
    assert.deepEqual(typed.types.get("w"), { type: "float32", shape: [8, 5] });
    assert.deepEqual([...folded.get("target")!.data], [4, -1, 2]);
  });

  it("records contradictions and goes on", () => {
    const wrong = node("MatMul", ["x", "w"], ["y"]);
    const { graph: typed, problems } = inferShapes(
      graph([wrong, node("Relu", ["y"], ["z"]), node("Relu", ["x"], ["r"])], { x: [4, 3] }),
    );
    assert.equal(problems.length, 1);
    assert.equal(problems[0]!.node, wrong);
    assert.match(problems[0]!.message, /^MatMul: inner sizes 3 and 8 differ/);
    assert.equal(typed.types.get("z")!.shape, undefined);
    assert.deepEqual(typed.types.get("r")!.shape, [4, 3]);
  });

  it("keeps what the file declares behind unknown operators", () => {
    const nodes = [
      node("deform_conv", ["x"], ["y"], {}, "python"),
      node("Relu", ["y"], ["z"]),
      node("Mystery", ["x"], ["u"]),
      node("Relu", ["u"], ["v"]),
    ];
    const declared: [string, TensorType][] = [
      ["y", { type: "float32", shape: [4, 6] }],
      ["z", { type: "float32", shape: [1, 1] }],
    ];
    const types = inferShapes(graph(nodes, { x: [4, 3] }, {}, declared)).graph.types;
    assert.deepEqual(types.get("z"), { type: "float32", shape: [4, 6] });
    assert.deepEqual(types.get("v"), { type: "other", shape: undefined });
  });

  it("does not take parameters for constants", () => {
    const nodes = [node("Transpose", ["w"], ["t"]), node("Shape", ["t"], ["s"])];
    const { folded } = inferShapes(graph(nodes, {}));
    assert.equal(folded.has("t"), false);
    assert.deepEqual([...folded.get("s")!.data], [5, 8]);
  });

  it("records sizes that no tensor has, and computes nothing large", () => {
    const nodes = [
      node("ConstantOfShape", ["negative"], ["a"]),
      node("ConstantOfShape", ["huge"], ["b"]),
      node("MaxPool", ["picture"], ["c"], { kernel_shape: [90000, 90000], pads: [90000, 90000, 90000, 90000] }),
      node("Split", ["x"], ["d"], { num_outputs: 1e9 }),
    ];
    const {
      graph: typed,
      folded,
      problems,
    } = inferShapes(
      graph(
        nodes,
        { x: [4, 3] },
        { negative: int64Vector([2, -1]), huge: int64Vector([1e6, 1e6]), picture: filled([1, 1, 2, 2], 1) },
      ),
    );
    assert.deepEqual(
      problems.map((p) => p.message),
      ["ConstantOfShape: the output would have the shape [2, -1]", "Split: 1000000000 parts for 1 outputs"],
    );
    assert.equal(typed.types.get("a")!.shape, undefined);
    assert.deepEqual(typed.types.get("b")!.shape, [1e6, 1e6]);
    assert.equal(folded.size, 0);
  });

  it("handles 100,000 nodes in one pass", () => {
    const nodes = Array.from({ length: 100_000 }, (_, i) => node("Relu", [i === 0 ? "x" : `v${i - 1}`], [`v${i}`]));
    const { graph: typed, problems } = inferShapes(graph(nodes, { x: [2, 3] }));
    assert.equal(problems.length, 0);
    assert.deepEqual(typed.types.get("v99999")!.shape, [2, 3]);
  });

  for (const folder of ["testFixtures/zoo/onnx", "testFixtures/models"]) {
    it(`knows every shape in ${folder}`, () => {
      const files = readdirSync(folder).filter((f) => f.endsWith(".onnx"));
      assert.ok(files.length >= 18);
      for (const file of files) {
        const { graph: read } = readOnnx({ path: `${folder}/${file}` });
        const { graph: typed, problems } = inferShapes({ ...read, types: new Map() });
        assert.deepEqual(problems, [], file);
        for (const n of typed.nodes) {
          for (const o of n.outputs)
            if (o !== "") assert.ok(typed.types.get(o)?.shape, `${file}: ${n.operator} ${n.name} -> ${o}`);
        }
      }
    });
  }
});

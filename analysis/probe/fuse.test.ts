/** Groups of primitives that are put together compute what they did, and are left alone where they are something else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Node } from "../graph/graph";
import { int64Vector, scalar, tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { GraphBuilder } from "../operators/gradients/builder";
import { geluExact, slice, transpose } from "../operators/lower/build";
import { operatorTable } from "../operators/table";
import { fuse } from "./fuse";

/** What `make` builds on x [2, 3, 8], as it is and fused: the operators of the second, after comparing their values. */
function operatorsOf(make: (b: GraphBuilder) => readonly string[]): string[] {
  const empty = { nodes: [], parameters: new Map(), constants: new Map(), types: new Map() };
  const b = new GraphBuilder({ name: "case", opset: 21, inputs: [], outputs: [], ...empty }, operatorTable);
  b.addInput("x", "float32", [2, 3, 8]);
  b.addInput("w", "float32", [5, 8]);
  b.addInput("bias", "float32", [5]);
  const graph = b.finish(make(b));
  const random = new Random(5);
  const values = new Map(
    graph.inputs.map(({ name, shape }) => {
      const count = shape.reduce((n, d) => n * d, 1);
      return [name, tensor(shape, random.normals(count), "float32")] as const;
    }),
  );
  const fused = fuse(graph);
  const [before, after] = [evaluateGraph(graph, values), evaluateGraph(fused, values)];
  for (const output of graph.outputs) {
    const [expected, found] = [before.get(output)!, after.get(output)!];
    assert.deepEqual(found.shape, expected.shape);
    expected.data.forEach((v, i) =>
      assert.ok(Math.abs(v - found.data[i]!) < 1e-6, `${output}[${i}]: ${found.data[i]}, was ${v}`),
    );
  }
  return fused.nodes.map((n: Node) => n.operator);
}

const number = (b: GraphBuilder, value: number) => b.addConstant(scalar(value, "float32"));

describe("slices", () => {
  it("that share out an axis are a Split, in the order of the axis", () => {
    const operators = operatorsOf((b) => [slice(b, "x", 2, 3, 8), slice(b, "x", 2, 0, 1), slice(b, "x", 2, 1, 3)]);
    assert.deepEqual(operators, ["Split"]);
  });
  it("that leave a rest, overlap, or cut different axes stay", () => {
    const apart = (make: (b: GraphBuilder) => readonly string[]) => assert.deepEqual(operatorsOf(make), ["Slice", "Slice"]);
    apart((b) => [slice(b, "x", 2, 0, 3), slice(b, "x", 2, 3, 7)]);
    apart((b) => [slice(b, "x", 2, 0, 4), slice(b, "x", 2, 3, 8)]);
    apart((b) => [slice(b, "x", 2, 0, 8), slice(b, "x", 1, 0, 3)]);
    apart((b) => {
      const every = b.addConstant(int64Vector([2]));
      const two = (from: number) =>
        b.add("Slice", [
          "x",
          b.addConstant(int64Vector([from])),
          b.addConstant(int64Vector([8])),
          b.addConstant(int64Vector([2])),
          every,
        ]);
      return [two(0), two(1)];
    });
  });
});

describe("Gelu", () => {
  it("is found in each order of its products", () => {
    assert.deepEqual(
      operatorsOf((b) => [geluExact(b, "x")]),
      ["Gelu"],
    );
    const bell = (b: GraphBuilder) => b.add("Add", [number(b, 1), b.add("Erf", [b.add("Mul", ["x", number(b, Math.SQRT1_2)])])]);
    assert.deepEqual(
      operatorsOf((b) => [b.add("Mul", [b.add("Mul", ["x", number(b, 0.5)]), bell(b)])]),
      ["Gelu"],
    );
    assert.deepEqual(
      operatorsOf((b) => [b.add("Mul", ["x", b.add("Mul", [bell(b), number(b, 0.5)])])]),
      ["Gelu"],
    );
  });
  it("is not seen where a part is read elsewhere, or the product is with another value", () => {
    const parts = (b: GraphBuilder) => b.add("Erf", [b.add("Mul", ["x", number(b, Math.SQRT1_2)])]);
    const read = operatorsOf((b) => {
      const erf = parts(b);
      const half = b.add("Mul", [b.add("Add", [erf, number(b, 1)]), number(b, 0.5)]);
      return [b.add("Mul", ["x", half]), erf];
    });
    assert.ok(read.includes("Erf") && !read.includes("Gelu"));
    const other = operatorsOf((b) => {
      const half = b.add("Mul", [b.add("Add", [parts(b), number(b, 1)]), number(b, 0.5)]);
      return [b.add("Mul", [b.add("Abs", ["x"]), half])];
    });
    assert.ok(other.includes("Erf") && !other.includes("Gelu"));
  });
});

describe("affine maps", () => {
  it("are one Gemm that takes the weights as they are stored", () => {
    const operators = operatorsOf((b) => [b.add("Add", [b.add("MatMul", ["x", transpose(b, "w", [1, 0])]), "bias"])]);
    assert.deepEqual(operators, ["Reshape", "Gemm", "Reshape"]);
  });
  it("stay where the product is read elsewhere, or what is added is no vector of the outputs", () => {
    const elsewhere = operatorsOf((b) => {
      const product = b.add("MatMul", ["x", transpose(b, "w", [1, 0])]);
      return [b.add("Add", [product, "bias"]), product];
    });
    assert.ok(elsewhere.includes("MatMul"));
    const matrix = operatorsOf((b) => {
      const product = b.add("MatMul", ["x", transpose(b, "w", [1, 0])]);
      return [b.add("Add", [product, number(b, 2)])];
    });
    assert.ok(matrix.includes("MatMul"));
  });
});

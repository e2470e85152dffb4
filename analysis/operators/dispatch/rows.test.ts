import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Node } from "../../graph/graph";
import { elementCount, type Tensor } from "../../graph/tensor";
import { operatorTable } from "../table";
import { bools, floats, ints } from "../testing/reference";
import { rowAxis } from "./rows";

/** An operator on inputs of which some have rows, each along an axis of its own. */
interface Case {
  readonly operator: string;
  readonly inputs: readonly Tensor[];
  /** The axis of the rows of each input. */
  readonly rows: readonly (number | undefined)[];
  readonly attributes?: Node["attributes"];
  readonly outputs?: number;
  readonly opset?: number;
}

const ROWS = 5;
const KEPT = [0, 2, 3];

function nodeOf({ operator, inputs, attributes = {}, outputs = 1 }: Case): Node {
  const names = Array.from({ length: outputs }, (_, i) => `y${i}`);
  return { name: "n", operator, domain: "", inputs: inputs.map((_, i) => `x${i}`), outputs: names, attributes, origin: {} };
}

function taken(t: Tensor, axis: number): Tensor {
  const inner = elementCount(t.shape.slice(axis + 1));
  const size = t.shape[axis]!;
  const keep = (i: number) => KEPT.includes(Math.floor(i / inner) % size);
  return { ...t, shape: t.shape.map((n, k) => (k === axis ? KEPT.length : n)), data: t.data.filter((_, i) => keep(i)) };
}

function values(c: Case, inputs: readonly Tensor[]): readonly Tensor[] {
  const node = nodeOf(c);
  return operatorTable(c.operator, "")!.evaluate!(node, inputs, c.opset ?? 18);
}

function axisOf(c: Case): number | undefined {
  return rowAxis({
    node: nodeOf(c),
    opset: c.opset ?? 18,
    shape: (i) => c.inputs[i]?.shape,
    outputShape: () => values(c, c.inputs)[0]!.shape,
    rows: (i) => c.rows[i],
    constant: (i) => (c.inputs[i] && (c.inputs[i].type === "int64" || c.rows[i] === undefined) ? c.inputs[i] : undefined),
    isUniform: (i, axis) => c.inputs[i]!.shape[axis] === 1,
  });
}

const x = floats([ROWS, 4], 1);
const deep = floats([3, ROWS, 4], 2);
const row = [0];

const followed: readonly Case[] = [
  { operator: "Relu", inputs: [x], rows: row },
  { operator: "Mul", inputs: [x, floats([ROWS, 1], 3)], rows: [0, 0] },
  { operator: "Add", inputs: [deep, floats([4], 3)], rows: [1, undefined] },
  { operator: "Add", inputs: [floats([4], 3), deep], rows: [undefined, 1] },
  { operator: "Where", inputs: [bools([1, 0, 1, 1, 0], [ROWS, 1]), x, floats([1, 4], 2)], rows: [0, 0, undefined] },
  { operator: "Transpose", inputs: [deep], rows: [1], attributes: { perm: [1, 2, 0] } },
  { operator: "Transpose", inputs: [deep], rows: [1] },
  { operator: "Reshape", inputs: [x, ints([-1, 2, 2])], rows: [0, undefined] },
  { operator: "Reshape", inputs: [deep, ints([3, 1, -1, 2, 2])], rows: [1, undefined] },
  { operator: "Unsqueeze", inputs: [x, ints([0])], rows: [0, undefined] },
  { operator: "Flatten", inputs: [floats([ROWS, 2, 2], 1)], rows: row },
  { operator: "Softmax", inputs: [x], rows: row, attributes: { axis: -1 } },
  { operator: "Softmax", inputs: [x], rows: row, attributes: { axis: 1 }, opset: 11 },
  { operator: "ReduceMean", inputs: [deep, ints([0])], rows: [1, undefined], attributes: { keepdims: 0 } },
  { operator: "ReduceSum", inputs: [deep, ints([-1])], rows: [1, undefined] },
  { operator: "MatMul", inputs: [x, floats([4, 3], 2)], rows: [0, undefined] },
  { operator: "MatMul", inputs: [floats([2, 4], 2), floats([4, ROWS], 1)], rows: [undefined, 1] },
  { operator: "MatMul", inputs: [floats([ROWS, 2, 4], 2), floats([ROWS, 4, 3], 1)], rows: [0, 0] },
  { operator: "MatMul", inputs: [floats([ROWS, 2, 4], 2), floats([4, 3], 1)], rows: [0, undefined] },
  { operator: "Gemm", inputs: [x, floats([3, 4], 2), floats([3], 3)], rows: row, attributes: { transB: 1 } },
  { operator: "Gemm", inputs: [floats([4, ROWS], 1), floats([4, 3], 2)], rows: [1], attributes: { transA: 1 } },
  { operator: "Einsum", inputs: [x, floats([4, 3], 2)], rows: row, attributes: { equation: "nd,dh->hn" } },
  { operator: "Slice", inputs: [x, ints([1]), ints([3]), ints([1])], rows: row },
  { operator: "Slice", inputs: [x, ints([0]), ints([9]), ints([0])], rows: row },
  { operator: "Split", inputs: [x, ints([1, 3])], rows: row, attributes: { axis: 1 }, outputs: 2 },
  { operator: "Concat", inputs: [x, x], rows: [0, 0], attributes: { axis: 1 } },
  { operator: "Gather", inputs: [deep, ints([1])], rows: [1], attributes: { axis: 0 } },
  { operator: "Gather", inputs: [deep, ints([1, 0], [1, 2])], rows: [1], attributes: { axis: 0 } },
  { operator: "Gather", inputs: [floats([4, 3], 1), ints([0, 3, 1, 1, 2])], rows: [undefined, 0] },
  {
    operator: "Gather",
    inputs: [floats([2, 4, 3], 1), ints([0, 3, 1, 1, 2], [1, ROWS])],
    rows: [undefined, 1],
    attributes: { axis: 1 },
  },
  { operator: "GatherND", inputs: [floats([2, 3], 1), ints([0, 1, 1, 2, 0, 0, 1, 1, 1, 0], [ROWS, 2])], rows: [undefined, 0] },
  { operator: "GatherElements", inputs: [x, ints([0, 1, 2, 3, 0], [ROWS, 1])], rows: [0, 0], attributes: { axis: 1 } },
  { operator: "TopK", inputs: [x, ints([2])], rows: row, outputs: 2 },
  { operator: "CumSum", inputs: [x, ints([1], [])], rows: row },
  { operator: "OneHot", inputs: [ints([0, 1, 1, 2, 0]), ints([3], []), floats([2], 1)], rows: row },
  { operator: "LayerNormalization", inputs: [x, floats([4], 2)], rows: row },
  { operator: "Expand", inputs: [x, ints([2, 1, 4])], rows: row },
];

const refused: readonly Case[] = [
  { operator: "Softmax", inputs: [x], rows: row, attributes: { axis: 0 } },
  { operator: "Softmax", inputs: [deep], rows: [1], attributes: { axis: 1 }, opset: 11 },
  { operator: "ReduceMean", inputs: [x, ints([0])], rows: row },
  { operator: "ReduceMean", inputs: [x], rows: row },
  { operator: "MatMul", inputs: [floats([3, ROWS], 1), x], rows: [undefined, 0] },
  { operator: "MatMul", inputs: [floats([4, ROWS], 1), floats([ROWS, 3], 2)], rows: [1, undefined] },
  { operator: "MatMul", inputs: [x, floats([4, ROWS], 2)], rows: [0, 1] },
  { operator: "Add", inputs: [x, floats([ROWS, 4], 4)], rows: [0, undefined] },
  { operator: "Add", inputs: [floats([ROWS, ROWS], 1), floats([ROWS, ROWS], 2)], rows: [0, 1] },
  { operator: "Reshape", inputs: [x, ints([4, ROWS])], rows: [0, undefined] },
  { operator: "Reshape", inputs: [x, ints([-1])], rows: [0, undefined] },
  { operator: "Slice", inputs: [x, ints([0]), ints([3]), ints([0])], rows: row },
  { operator: "Slice", inputs: [x, ints([-1]), ints([-9]), ints([0]), ints([-1])], rows: row },
  { operator: "Gather", inputs: [x, ints([2])], rows: row },
  { operator: "Gather", inputs: [x, ints([2, 0, 1, 4, 3])], rows: [0, 0], attributes: { axis: 1 } },
  { operator: "Concat", inputs: [x, x], rows: [0, 0], attributes: { axis: 0 } },
  { operator: "CumSum", inputs: [x, ints([0], [])], rows: row },
  { operator: "TopK", inputs: [x, ints([2])], rows: row, attributes: { axis: 0 }, outputs: 2 },
  { operator: "Trilu", inputs: [x], rows: row },
  { operator: "Einsum", inputs: [x, floats([4, 3], 2)], rows: row, attributes: { equation: "nd,dh->h" } },
  { operator: "Einsum", inputs: [x, x], rows: row, attributes: { equation: "nd,nd->nd" } },
  { operator: "Gemm", inputs: [x, floats([4, 3], 2), floats([ROWS, 3], 3)], rows: row },
];

function title({ operator, inputs, attributes }: Case): string {
  const given = attributes === undefined ? "" : JSON.stringify(attributes);
  return `${operator} ${inputs.map((t) => `[${t.shape.join()}]`).join(" ")} ${given}`;
}

describe("rows that are worked on one by one", () => {
  for (const c of followed) {
    it(title(c), () => {
      const axis = axisOf(c);
      assert.ok(axis !== undefined, "refused");
      const some = values(
        c,
        c.inputs.map((t, i) => (c.rows[i] === undefined ? t : taken(t, c.rows[i]))),
      );
      values(c, c.inputs).forEach((all, k) => {
        const expected = taken(all, axis);
        assert.deepEqual(some[k]!.shape, expected.shape);
        some[k]!.data.forEach((v, i) => assert.ok(Math.abs(v - expected.data[i]!) < 1e-12, `entry ${i}`));
      });
    });
  }
});

describe("rows that are not worked on one by one", () => {
  for (const c of refused) it(title(c), () => assert.equal(axisOf(c), undefined));
});

import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Node } from "../graph/graph";
import { type Tensor, tensor } from "../graph/tensor";
import { check, constant, graphOf, random, sharedRunner } from "../lowering/testing/lowering-case";
import { normalForm } from "../lowering/normal-form";

after(() => sharedRunner().dispose());

const indices = (shape: readonly number[], data: readonly number[]) => constant(tensor(shape, data, "int64"));
const operators = (
  operator: string,
  inputs: readonly (Tensor | ReturnType<typeof constant>)[],
  attributes: Node["attributes"] = {},
) => normalForm(graphOf({ operator, inputs, attributes }).graph).graph.nodes.map((n) => n.operator);

/** Coordinates of a block of a tensor, in order: what an exporter writes for an assignment to a slice. */
function block(...axes: readonly (readonly number[])[]): ReturnType<typeof constant> {
  let rows: number[][] = [[]];
  for (const axis of axes) rows = rows.flatMap((row) => axis.map((i) => [...row, i]));
  return indices([...axes.map((a) => a.length), axes.length], rows.flat());
}

test("assignments to slices are what is kept beside what is new", async () => {
  const x = random([2, 4, 3], 1);
  const cases: readonly [ReturnType<typeof constant>, readonly number[]][] = [
    [block([1]), [1, 4, 3]],
    [block([0, 1], [1, 2]), [2, 2, 3]],
    [block([0, 1], [3, 0]), [2, 2, 3]],
    [block([0, 1], [-1]), [2, 1, 3]],
    [block([0, 1], [0, 1, 2, 3], [1]), [2, 4, 1]],
    [block([0, 1], [0, 2], [0, 1, 2]), [2, 2, 3]],
    [block([1], [0, 2], [0, 1, 2]), [1, 2, 3]],
    [block([1, 0], [0, 2], [2, 1]), [2, 2, 2]],
    [block([0, 1], [0, 1, 2, 3], [0, 1, 2]), [2, 4, 3]],
    [indices([2, 2], [1, 3, 0, 0]), [2, 3]],
    [indices([2], [1, 2]), [3]],
  ];
  for (const [at, shape] of cases) {
    await check({ operator: "ScatterND", opset: 18, inputs: [x, at, random(shape, 2)] });
    await check({ operator: "ScatterND", opset: 18, inputs: [x, at, random(shape, 2)], attributes: { reduction: "add" } });
  }
  // Blocks of channels stay blocks.
  const last = block([0, 1], [0, 1, 2, 3], [1, 2]);
  assert.deepEqual(operators("ScatterND", [x, last, random([2, 4, 2], 2)]), ["Slice", "Concat"]);
});

test("what is written twice stays whole", () => {
  const twice = indices([2, 1], [1, 1]);
  assert.deepEqual(operators("ScatterND", [random([3, 2], 1), twice, random([2, 2], 2)]), ["ScatterND"]);
  const outside = indices([1, 1], [3]);
  assert.deepEqual(operators("ScatterND", [random([3, 2], 1), outside, random([1, 2], 2)]), ["ScatterND"]);
});

test("entries by constant indices, with and without batches", async () => {
  const x = random([2, 3, 4], 1);
  await check({ operator: "GatherND", inputs: [x, indices([2, 2], [1, -1, 0, 2])] });
  await check({ operator: "GatherND", inputs: [x, indices([2, 1], [2, 0])], attributes: { batch_dims: 1 } });
  await check({ operator: "GatherND", inputs: [x, indices([2, 2, 1], [2, 0, 1, -1])], attributes: { batch_dims: 1 } });
  await check({ operator: "GatherND", inputs: [x, indices([2, 3, 1], [0, 1, 2, 3, 2, 1])], attributes: { batch_dims: 2 } });
});

test("what a constant condition keeps", async () => {
  const x = random([3, 4], 1);
  const keep = (...data: number[]) => constant(tensor([data.length], data, "bool"));
  await check({ operator: "Compress", inputs: [x, keep(1, 0, 1)], attributes: { axis: 0 } });
  await check({ operator: "Compress", inputs: [x, keep(0, 1, 1)], attributes: { axis: -1 } });
  await check({ operator: "Compress", inputs: [x, keep(0, 1, 1, 0, 0, 1)] });
});

test("sequences of constant lengths backwards", async () => {
  const x = random([3, 2, 4], 1);
  await check({ operator: "ReverseSequence", inputs: [x, indices([2], [3, 3])] });
  await check({ operator: "ReverseSequence", inputs: [x, indices([2], [3, 1])] });
  await check({ operator: "ReverseSequence", inputs: [x, indices([3], [2, 2, 2])], attributes: { batch_axis: 0, time_axis: 1 } });
  await check({ operator: "ReverseSequence", inputs: [x, indices([3], [2, 1, 0])], attributes: { batch_axis: 0, time_axis: 1 } });
});

test("the smaller of a value and zero is a rectifier", async () => {
  const zero = constant(tensor([], [0], "float32"));
  await check({ operator: "Min", inputs: [random([2, 3], 1), zero] });
  await check({ operator: "Min", inputs: [zero, random([2, 3], 1)] });
  assert.deepEqual(operators("Min", [random([2, 3], 1), zero]), ["Neg", "Relu", "Neg"]);
});

test("a one where the largest entry is", async () => {
  for (const [opset, axis] of [
    [11, 1],
    [11, 2],
    [13, 1],
    [13, -1],
  ] as const) {
    const form = await checkPlaces({ operator: "Hardmax", opset, inputs: [random([2, 3, 4], 1)], attributes: { axis } });
    assert.ok(form.includes("OneHot"));
  }
});

/** As `check`, but positions may be computed: ArgMax is a rule, though no primitive of the list. */
async function checkPlaces(c: Parameters<typeof check>[0]): Promise<string[]> {
  const { graph } = graphOf(c);
  await check(c, 0, ["ArgMax"]);
  return normalForm(graph).graph.nodes.map((n) => n.operator);
}

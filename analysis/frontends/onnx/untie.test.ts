import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "../../graph/graph";
import type { RawGraph } from "./graph-reader";
import type { FileTensor } from "./tensors";
import { separateStatistics, untie } from "./untie";

function tensor(name: string, shape: readonly number[], values: readonly number[]): FileTensor {
  const data = Float64Array.from(values);
  const read = () => ({ type: "float32" as const, shape, data });
  return { name, type: "float32", typeName: "FLOAT", shape, count: values.length, available: true, missing: false, read };
}

function node(operator: string, inputs: readonly string[], output: string): Node {
  return { name: output, operator, domain: "", inputs, outputs: [output], attributes: {}, origin: { node: output } };
}

/** Two folded convolutions, the second one with an Identity of the first one's bias. */
function folded(bias: readonly number[], second: readonly string[] = ["h", "onnx::Conv_13", "onnx::Conv_14"]): RawGraph {
  const weights = (name: string): FileTensor => tensor(name, [2, 2, 1, 1], [1, 2, 3, 4]);
  const initializers = [weights("onnx::Conv_10"), weights("onnx::Conv_13"), tensor("onnx::Conv_11", [2], bias)];
  return {
    name: "folded",
    inputs: [],
    outputs: [],
    nodes: [
      node("Identity", ["onnx::Conv_11"], "onnx::Conv_14"),
      node("Conv", ["x", "onnx::Conv_10", "onnx::Conv_11"], "h"),
      node("Conv", second, "y"),
    ],
    protos: new Map(),
    initializers: new Map(initializers.map((t) => [t.name, t])),
    listed: new Set(),
    constants: new Map(),
    declared: [],
  };
}

test("fresh biases of folded norms that PyTorch merged are apart again", () => {
  const { nodes, initializers } = untie(folded([0, 0]), "pytorch");
  assert.deepEqual(
    nodes.map((n) => n.operator),
    ["Conv", "Conv"],
  );
  assert.equal(initializers.get("onnx::Conv_14")!.name, "onnx::Conv_14");
  assert.deepEqual(initializers.get("onnx::Conv_14")!.shape, [2]);
});

test("what two folded convolutions may share stays shared", () => {
  const isTied = (raw: RawGraph, producer = "pytorch"): boolean => untie(raw, producer) === raw;
  assert.ok(!isTied(folded([1, 1])));
  assert.ok(isTied(folded([0, 1])), "biases that are no fresh ones");
  assert.ok(isTied(folded([0, 0], ["h", "onnx::Conv_10", "onnx::Conv_14"])), "the same weights");
  assert.ok(isTied(folded([0, 0], ["onnx::Conv_14", "onnx::Conv_13"])), "no bias");
  assert.ok(isTied(folded([0, 0]), "another exporter"));
});

test("statistics of a norm are never what is trained, also where the file names its bias and gain in their place", () => {
  const norm = node("BatchNormalization", ["x", "bn.weight", "bn.bias", "bn.bias", "bn.weight"], "h");
  const raw: RawGraph = {
    ...folded([0, 0]),
    nodes: [norm, node("BatchNormalization", ["h", "bn2.weight", "bn2.bias", "bn2.running_mean", "bn2.running_var"], "y")],
    protos: new Map([[norm, {} as never]]),
    initializers: new Map(
      ["bn.weight", "bn.bias", "bn2.weight", "bn2.bias", "bn2.running_mean", "bn2.running_var"].map((name) => [
        name,
        tensor(name, [2], [1, 1]),
      ]),
    ),
  };
  const apart = separateStatistics(raw);
  assert.deepEqual(apart.nodes[0]!.inputs, ["x", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]);
  assert.deepEqual([...apart.initializers.get("bn.running_mean")!.read()!.data], [1, 1]);
  assert.equal(apart.nodes[1], raw.nodes[1], "what has tensors of its own keeps them");
  assert.ok(apart.protos.has(apart.nodes[0]!));
  assert.equal(separateStatistics(apart), apart);
});

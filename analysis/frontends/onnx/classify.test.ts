import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "../../graph/graph";
import { classify, indexUses, isAnonymous, matchesAny } from "./classify";
import type { FileTensor } from "./tensors";

function node(operator: string, inputs: string[], output: string, domain = ""): Node {
  return { name: output, operator, domain, inputs, outputs: [output], attributes: {}, origin: {} };
}

function tensor(name: string, shape: number[], type: FileTensor["type"] = "float32"): FileTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return { name, type, typeName: type, shape, count, available: true, missing: false, read: () => undefined };
}

function role(t: FileTensor, nodes: Node[], listed = false): string {
  return classify(t, indexUses(nodes), listed);
}

test("named floating tensors are parameters, whatever their rank", () => {
  assert.equal(role(tensor("logit_scale", []), [node("Mul", ["x", "logit_scale"], "y")]), "parameter");
  assert.equal(role(tensor("pos", [5, 4]), [node("Add", ["x", "pos"], "y")]), "parameter");
  assert.equal(role(tensor("unused.weight", [5, 4]), []), "parameter");
  assert.equal(role(tensor("pool.p", [1]), [node("Pow", ["x", "pool.p"], "y")]), "parameter");
});

test("integers, booleans and settings are constants", () => {
  assert.equal(role(tensor("index", [3], "int64"), [node("Gather", ["x", "index"], "y")]), "constant");
  assert.equal(role(tensor("w_int8", [3, 3], "int8"), [node("DequantizeLinear", ["w_int8", "s"], "y")]), "constant");
  assert.equal(role(tensor("clip_max", []), [node("Clip", ["x", "", "clip_max"], "y")]), "constant");
  assert.equal(role(tensor("conv.weight_scale", [8]), [node("DequantizeLinear", ["w", "conv.weight_scale"], "y")]), "constant");
  assert.equal(role(tensor("threshold", []), [node("Greater", ["x", "threshold"], "y")]), "constant");
  // A causal mask that is cut to length and compared.
  assert.equal(
    role(tensor("mask", [1, 1, 16, 16]), [node("Slice", ["mask", "a", "b"], "s"), node("Equal", ["s", "zero"], "y")]),
    "constant",
  );
});

test("running statistics are buffers, also behind Identity, unless something else reads them too", () => {
  const bn = node("BatchNormalization", ["x", "g", "b", "m", "v"], "y");
  assert.equal(role(tensor("m", [4]), [bn]), "buffer");
  assert.equal(role(tensor("v", [4]), [bn]), "buffer");
  assert.equal(role(tensor("g", [4]), [bn]), "parameter");
  assert.equal(role(tensor("shared", [4]), [node("Identity", ["shared"], "m"), bn]), "buffer");
  assert.equal(role(tensor("b", [4]), [node("BatchNormalization", ["x", "g", "b", "b", "v"], "y")]), "parameter");
});

test("unnamed tensors are parameters where weights stand", () => {
  const w = "onnx::MatMul_12";
  assert.equal(role(tensor(w, [4, 3]), [node("MatMul", ["x", w], "y")]), "parameter");
  assert.equal(role(tensor(w, [4, 3]), [node("Transpose", [w], "t"), node("MatMul", ["x", "t"], "y")]), "parameter");
  assert.equal(role(tensor("onnx::Conv_7", [4, 3, 1, 1]), [node("Conv", ["x", "onnx::Conv_7"], "y")]), "parameter");
  assert.equal(role(tensor("onnx::LSTM_7", [1, 8, 3]), [node("LSTM", ["x", "w", "onnx::LSTM_7"], "y")]), "parameter");
  assert.equal(
    role(tensor("onnx::Add_5", [3]), [node("MatMul", ["x", "w"], "h"), node("Add", ["onnx::Add_5", "h"], "y")]),
    "parameter",
  );
  // Gains and shifts of a group normalisation that the exporter reshaped.
  const norm = [
    node("InstanceNormalization", ["x", "one", "zero"], "n"),
    node("Reshape", ["n", "s"], "r"),
    node("Mul", ["r", "onnx::Mul_1"], "m"),
    node("Add", ["m", "onnx::Add_2"], "y"),
  ];
  assert.equal(role(tensor("onnx::Mul_1", [4, 1, 1]), norm), "parameter");
  assert.equal(role(tensor("onnx::Add_2", [4, 1, 1]), norm), "parameter");
});

test("unnamed gains behind x * (1 / sqrt(..)), as PyTorch's older exporter folds Gemma's 1 + weight, are parameters", () => {
  const root = [node("Sqrt", ["square"], "s"), node("Div", ["one", "s"], "r")];
  const gain = node("Mul", ["normed", "onnx::Mul_3"], "y");
  const by = (divisor: string) => [...root, node("Mul", ["x", divisor], "normed"), gain];
  assert.equal(role(tensor("onnx::Mul_3", [8]), by("r")), "parameter");
  assert.equal(role(tensor("onnx::Mul_3", [8]), by("one")), "constant");
});

test("unnamed scalars and tables are constants, unless old files list them as inputs", () => {
  assert.equal(role(tensor("/Constant_3_output_0", []), [node("MatMul", ["x", "/Constant_3_output_0"], "y")]), "constant");
  assert.equal(role(tensor("onnx::Mul_99", [5, 4]), [node("Mul", ["x", "onnx::Mul_99"], "y")]), "constant");
  assert.equal(role(tensor("/Constant_output_0", [5, 4]), [node("Add", ["x", "/Constant_output_0"], "y")]), "constant");
  assert.equal(role(tensor("bn/batchnorm/add/y:0", []), [node("Add", ["x", "bn/batchnorm/add/y:0"], "y")]), "constant");
  assert.equal(role(tensor("7", [5, 4]), [node("Mul", ["x", "7"], "y")], true), "parameter");
  assert.equal(role(tensor("7", [5, 4]), [node("Mul", ["x", "7"], "y")]), "constant");
});

test("types that cannot be decoded are fixed, not constant", () => {
  assert.equal(role(tensor("w", [3], "other"), [node("MatMul", ["x", "w"], "y")]), "frozen");
  assert.equal(role(tensor("words", [3], "string"), []), "frozen");
});

test("made-up names", () => {
  for (const name of [
    "12",
    "onnx::Add_3",
    "/a/Constant_output_0",
    "val_7",
    "Const:0",
    "const_fold_opt__12",
    "model/Const_2:0",
    "add/y:0",
  ]) {
    assert.ok(isAnonymous(name), name);
  }
  for (const name of [
    "fc1.weight",
    "value_embedding",
    "val_proj.bias",
    "w",
    "constraint.weight",
    "model/dense/kernel:0",
    "initial_state",
  ]) {
    assert.ok(!isAnonymous(name), name);
  }
});

test("patterns", () => {
  assert.ok(matchesAny("encoder.0.weight", ["encoder.*"]));
  assert.ok(matchesAny("encoder.0.weight", ["enc*.0.*ght"]));
  assert.ok(matchesAny("a", ["b", "*"]));
  assert.ok(!matchesAny("encoder.0.weight", ["encoder", "*.bias", "encoder.0.weight.*"]));
  assert.ok(!matchesAny("aba", ["ab*ba"]));
});

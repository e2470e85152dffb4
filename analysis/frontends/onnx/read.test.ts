import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CAPTURED_INPUTS, formalInputs, type Graph } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import truth from "../../../testFixtures/zoo/truth.json";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
} from "./generated/onnx_pb";
import { OnnxError, readOnnx } from "./index";

const ZOO = join("testFixtures", "zoo", "onnx");
const MODELS = join("testFixtures", "models");
const FEATURES = join("testFixtures", "onnx-features");
const BAD = join("testFixtures", "onnx-bad");

function onnxFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((f) => f.endsWith(".onnx"))
    .map((f) => join(folder, f));
}

/** A fixture changed at the level of messages, written back. */
function changed(path: string, edit: (model: ModelProto) => void): Uint8Array {
  const model = fromBinary(ModelProtoSchema, readFileSync(path));
  edit(model);
  return toBinary(ModelProtoSchema, model);
}

test("the zoo's trainable parameters are those that truth.json counts", () => {
  for (const [name, facts] of Object.entries(truth)) {
    const frozen = "frozen" in facts ? facts.frozen : [];
    const { graph, problems } = readOnnx({ path: join("testFixtures", "zoo", facts.onnx) }, { frozen });
    const count = [...graph.parameters.values()].filter((p) => p.trainable).reduce((n, p) => n + elementCount(p.shape), 0);
    assert.equal(count, facts.parameters, name);
    assert.deepEqual(problems, [], name);
  }
});

test("every value of the zoo and of the eighteen models has a shape", () => {
  for (const path of [...onnxFiles(ZOO), ...onnxFiles(MODELS)]) {
    const { graph, problems } = readOnnx({ path });
    assert.deepEqual(problems, [], path);
    for (const node of graph.nodes) {
      for (const o of node.outputs) if (o !== "") assert.ok(graph.types.get(o)?.shape, `${path}: ${o} of ${node.name}`);
    }
  }
});

test("names, module paths, buffers and missing weights of resnet18", () => {
  const { graph, producer, opset, externalDataMissing, notes } = readOnnx({ path: join(MODELS, "resnet18.onnx") });
  assert.equal(producer, "pytorch 1.13.0");
  assert.equal(opset, 16);
  assert.equal(externalDataMissing.length, 82);
  assert.ok(notes.some((n) => n.startsWith("82 of 102 tensors have no values")));
  const weight = graph.parameters.get("layer1.0.conv1.weight")!;
  assert.deepEqual(
    [weight.shape, weight.trainable, weight.origin.scope, weight.read],
    [[64, 64, 3, 3], true, "layer1.0.conv1", undefined],
  );
  const mean = graph.parameters.get("layer1.0.bn1.running_mean")!;
  assert.deepEqual([mean.trainable, mean.buffer], [false, true]);
  const conv = graph.nodes.find((n) => n.inputs.includes("layer1.0.conv1.weight"))!;
  assert.deepEqual(conv.origin, { node: "/layer1/layer1.0/conv1/Conv", scope: "layer1.0.conv1" });
});

test("values are read on demand and equal from a file and from memory", () => {
  const path = join(ZOO, "MlpRelu.onnx");
  const a = readOnnx({ path }).graph.parameters.get("fc2.weight")!.read!()!;
  const b = readOnnx({ name: "in memory", bytes: readFileSync(path) }).graph.parameters.get("fc2.weight")!.read!()!;
  const proto = fromBinary(ModelProtoSchema, readFileSync(path)).graph!.initializer.find((t) => t.name === "fc2.weight")!;
  const view = new DataView(proto.rawData.buffer, proto.rawData.byteOffset);
  assert.deepEqual(a, b);
  assert.deepEqual(a.shape, [8, 8]);
  for (let i = 0; i < 64; i++) assert.equal(a.data[i], view.getFloat32(4 * i, true));
});

test("all element types, from typed fields and from raw data", () => {
  const { graph } = readOnnx({ path: join(FEATURES, "types.onnx") });
  const values = (name: string): number[] => [...(graph.parameters.get(name)?.read?.() ?? graph.constants.get(name))!.data];
  const expected: Record<string, number[]> = {
    float16: [1.5, -2, 0.0999755859375],
    bfloat16: [1.5, -2, 0.10009765625],
    double: [1.5, -2, 0.1],
    float: [1.5, -2, Math.fround(0.1)],
    int8: [-3, 4, 5],
    uint8: [3, 200, 5],
    int16: [-300, 4, 5],
    uint16: [60000, 4, 5],
    int32: [-70000, 4, 5],
    int64: [-(2 ** 40), 4, 5],
    uint32: [4000000000, 4, 5],
    uint64: [2 ** 40, 4, 5],
    bool: [1, 0, 1],
  };
  for (const [type, numbers] of Object.entries(expected)) {
    assert.deepEqual(values(`t.${type}`), numbers, type);
    if (type !== "bfloat16") assert.deepEqual(values(`r.${type}`), numbers, type);
  }
});

test("what a nested graph captures is an input of its node, and its weights are parameters", () => {
  const { graph } = readOnnx({ path: join(FEATURES, "if.onnx") });
  assert.deepEqual([...graph.parameters.keys()].sort(), ["b", "w1", "w2"]);
  assert.equal(graph.constants.get("zero")?.data[0], 0);
  const node = graph.nodes.find((n) => n.operator === "If")!;
  assert.deepEqual(formalInputs(node), ["c"]);
  assert.deepEqual([...node.inputs].sort(), ["b", "c", "w1", "w2", "x"]);
  assert.equal(node.attributes[CAPTURED_INPUTS], 4);
});

test("functions are inlined, their attributes filled in, their inner names kept apart", () => {
  const { graph } = readOnnx({ path: join(FEATURES, "functions.onnx") });
  assert.deepEqual(
    graph.nodes.map((n) => n.operator),
    ["MatMul", "Add", "LeakyRelu", "MatMul", "Add", "LeakyRelu"],
  );
  assert.equal(graph.nodes[2]!.attributes["alpha"], 0.25);
  assert.equal(new Set(graph.nodes.flatMap((n) => n.outputs)).size, 6);
  assert.deepEqual(graph.types.get("y"), { type: "float32", shape: [4, 3] });
});

test("a function that calls itself stays opaque and is noted; one that doubles at each level stays small", () => {
  const self = changed(join(FEATURES, "functions.onnx"), (m) => {
    m.functions.find((f) => f.name === "Lin")!.node[0]!.opType = "Lin";
    m.functions.find((f) => f.name === "Lin")!.node[0]!.domain = "my";
  });
  const { graph, notes } = readOnnx({ name: "self", bytes: self });
  assert.ok(notes.some((n) => n.includes("calls itself")));
  assert.ok(graph.nodes.some((n) => n.operator === "Lin" && n.domain === "my"));

  const bomb = changed(join(FEATURES, "functions.onnx"), (m) => {
    const act = m.functions.find((f) => f.name === "Act")!;
    const level = (i: number, inner: string) => ({
      ...act,
      name: `Level${i}`,
      input: ["a"],
      output: ["c"],
      attribute: [],
      node: [
        { ...act.node[0]!, opType: inner, domain: inner === "Relu" ? "" : "my", attribute: [], input: ["a"], output: ["b"] },
        { ...act.node[0]!, opType: inner, domain: inner === "Relu" ? "" : "my", attribute: [], input: ["b"], output: ["c"] },
      ],
    });
    m.functions.push(level(0, "Relu"));
    for (let i = 1; i < 40; i++) m.functions.push(level(i, `Level${i - 1}`));
    const last = m.graph!.node[1]!;
    last.opType = "Level39";
    last.input = ["h"];
  });
  const result = readOnnx({ name: "bomb", bytes: bomb });
  assert.ok(result.graph.nodes.length < 300_000);
  assert.ok(result.notes.some((n) => n.includes("stays opaque")));
});

test("permutations counted from the back are counted from the front", () => {
  const path = join(ZOO, "PreLnTransformer.onnx");
  let turned = 0;
  const data = changed(path, (model) => {
    for (const { opType, attribute } of model.graph!.node) {
      for (const a of attribute) {
        if (opType !== "Transpose" || a.name !== "perm") continue;
        turned++;
        a.ints = a.ints.map((axis, k) => (k > 0 ? axis - BigInt(a.ints.length) : axis));
      }
    }
  });
  assert.ok(turned > 0);
  const perms = (graph: Graph) => graph.nodes.flatMap((n) => (n.operator === "Transpose" ? [n.attributes["perm"]] : []));
  assert.deepEqual(perms(readOnnx({ name: "turned.onnx", bytes: data }).graph), perms(readOnnx({ path }).graph));
});

test("nodes out of order are put in order", () => {
  const { graph } = readOnnx({ path: join(FEATURES, "unordered.onnx") });
  assert.deepEqual(
    graph.nodes.map((n) => n.name),
    ["MatMul_1", "Relu_0"],
  );
});

test("every file of onnx-bad is refused with its name, what was expected and what to do", () => {
  const files = onnxFiles(BAD);
  assert.ok(files.length >= 13);
  for (const path of files) {
    assert.throws(
      () => readOnnx({ path }),
      (error: unknown) =>
        error instanceof OnnxError && error.message.startsWith(path) && error.expected !== "" && error.advice !== "",
      path,
    );
  }
  const fails = (name: string) => {
    try {
      readOnnx({ path: join(BAD, name) });
    } catch (error) {
      return error as OnnxError;
    }
    return assert.fail(name);
  };
  assert.equal(fails("cycle.onnx").node, "first");
  assert.equal(fails("truncated.onnx").offset, 2);
  assert.match(fails("wrong-wire-type.onnx").problem, /field graph of ModelProto has wire type varint/);
  assert.match(fails("pointer.onnx").advice, /git lfs pull/);
  assert.match(fails("missing-input.onnx").message, /node adder reads the value nowhere/);
  assert.match(fails("escaping-data.onnx").problem, /outside the model's folder/);
  assert.throws(() => readOnnx({ path: join(BAD, "no-such-file.onnx") }), /cannot be opened \(ENOENT\)/);
  assert.throws(() => readOnnx({ path: BAD }), /is not a file/);
});

test("every truncation of a model is refused or read, never more", () => {
  const whole = readFileSync(join(FEATURES, "functions.onnx"));
  for (let end = 0; end < whole.length; end++) {
    try {
      readOnnx({ name: "cut", bytes: whole.subarray(0, end) });
    } catch (error) {
      assert.ok(error instanceof OnnxError, `${end}: ${String(error)}`);
    }
  }
});

test("external data is found next to the model, missing data is named, links out of the folder are refused", () => {
  const root = mkdtempSync(join(tmpdir(), "noether-external-"));
  try {
    const model = join(root, "inside", "model.onnx");
    mkdirSync(join(root, "inside"));
    let data = new Uint8Array(0);
    const bytes = changed(join(FEATURES, "unordered.onnx"), (m) => {
      const w = m.graph!.initializer[0]!;
      data = Uint8Array.from([0, 0, 0, 0, ...w.rawData]);
      w.rawData = new Uint8Array(0);
      w.dataLocation = TensorProto_DataLocation.EXTERNAL;
      w.externalData = [
        ["location", "weights.bin"],
        ["offset", "4"],
        ["length", "48"],
      ].map(([key, value]) => create(StringStringEntryProtoSchema, { key: key!, value: value! }));
    });
    writeFileSync(model, bytes);
    assert.deepEqual(readOnnx({ path: model }).externalDataMissing, ["w"]);

    writeFileSync(join(root, "inside", "weights.bin"), data);
    const found = readOnnx({ path: model });
    const expected = readOnnx({ path: join(FEATURES, "unordered.onnx") }).graph.parameters.get("w")!.read!()!;
    assert.deepEqual(found.externalDataMissing, []);
    assert.deepEqual(found.graph.parameters.get("w")!.read!(), expected);

    writeFileSync(join(root, "inside", "weights.bin"), data.subarray(0, 20));
    assert.throws(() => found.graph.parameters.get("w")!.read!(), /ends at byte 52/);
    assert.throws(() => readOnnx({ path: model }), /which has 20 bytes/);

    rmSync(join(root, "inside", "weights.bin"));
    writeFileSync(join(root, "weights.bin"), data);
    symlinkSync(join(root, "weights.bin"), join(root, "inside", "weights.bin"));
    assert.throws(() => readOnnx({ path: model }), /leads outside the model's folder/);

    // Download caches keep both files elsewhere and link to them.
    cpSync(model, join(root, "blob"));
    rmSync(model);
    symlinkSync(join(root, "blob"), model);
    assert.deepEqual(readOnnx({ path: model }).graph.parameters.get("w")!.read!(), expected);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("open sizes get witnesses that fit the weights; inputShapes overrides them", () => {
  const open = changed(join(MODELS, "resnet18.onnx"), (m) => {
    for (const dim of m.graph!.input[0]!.type!.value.case === "tensorType"
      ? m.graph!.input[0]!.type!.value.value.shape!.dim
      : []) {
      dim.value = { case: undefined };
    }
  });
  const { graph, problems } = readOnnx({ name: "open", bytes: open });
  assert.deepEqual(problems, []);
  assert.deepEqual(graph.inputs[0]!.shape, [4, 3, 32, 32]);
  assert.deepEqual(
    readOnnx({ name: "open", bytes: open }, { inputShapes: [[1, 3, 48, 40]] }).graph.inputs[0]!.shape,
    [1, 3, 48, 40],
  );
  assert.throws(() => readOnnx({ name: "open", bytes: open }, { inputShapes: [[1, 3]] }), /has 4 axes/);

  // Only 224 x 224 fits this model's classifier.
  const vgg = changed(join(MODELS, "shufflenet_v2_x1_0.onnx"), (m) => {
    const dims = m.graph!.input[0]!.type!.value.case === "tensorType" ? m.graph!.input[0]!.type!.value.value.shape!.dim : [];
    dims[2]!.value = { case: "dimParam", value: "height" };
    dims[3]!.value = { case: "dimParam", value: "width" };
  });
  const found = readOnnx({ name: "shufflenet", bytes: vgg });
  assert.deepEqual(found.graph.inputs[0]!.shape, [2, 3, 224, 224]);
  assert.equal(found.graph.symbols?.get(224), "height");
});

test("a batch that is declared open, but that a trace has left in an initial state, is the traced one", () => {
  const open = changed(join("testFixtures", "architectures", "onnx", "MinimalGatedUnit.onnx"), (m) => {
    const type = m.graph!.input[0]!.type!.value;
    assert.equal(type.case, "tensorType");
    const [batch] = type.case === "tensorType" ? type.value.shape!.dim : [];
    assert.deepEqual(batch!.value, { case: "dimValue", value: 6n });
    batch!.value = { case: "dimParam", value: "batch" };
  });
  const { graph, problems } = readOnnx({ name: "open", bytes: open });
  assert.deepEqual(problems, []);
  assert.equal(graph.inputs[0]!.shape[0], 6);
});

test("frozen names and patterns", () => {
  const trained = (frozen: string[]) =>
    [...readOnnx({ path: join(ZOO, "MlpRelu.onnx") }, { frozen }).graph.parameters.values()]
      .filter((p) => p.trainable)
      .map((p) => p.name);
  assert.deepEqual(trained(["fc1.*"]), ["fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"]);
  assert.deepEqual(trained(["*.weight", "fc3.bias"]), ["fc1.bias", "fc2.bias"]);
});

test("parameters that PyTorch merged because their values were equal are apart again", () => {
  const merged = (producer: string) =>
    readOnnx({
      name: "merged",
      bytes: changed(join(ZOO, "BatchNormMlp.onnx"), (m) => {
        m.producerName = producer;
        const graph = m.graph!;
        graph.initializer = graph.initializer.filter((t) => t.name !== "bn.running_mean" && t.name !== "bn.running_var");
        graph.node.unshift(
          create(NodeProtoSchema, { name: "Identity_0", opType: "Identity", input: ["bn.bias"], output: ["bn.running_mean"] }),
          create(NodeProtoSchema, { name: "Identity_1", opType: "Identity", input: ["bn.weight"], output: ["bn.running_var"] }),
        );
      }),
    }).graph;
  const graph = merged("pytorch");
  assert.deepEqual(
    [...graph.parameters.values()]
      .filter((p) => p.buffer)
      .map((p) => p.name)
      .sort(),
    ["bn.running_mean", "bn.running_var"],
  );
  assert.ok(graph.parameters.get("bn.bias")!.trainable);
  assert.deepEqual(graph.parameters.get("bn.running_mean")!.read!(), graph.parameters.get("bn.bias")!.read!());
  assert.ok(!graph.nodes.some((n) => n.operator === "Identity"));
  assert.equal(merged("other").nodes.filter((n) => n.operator === "Identity").length, 2);
});

test("weights that are Constant nodes are parameters, tables are not", () => {
  const bytes = changed(join(ZOO, "MlpRelu.onnx"), (m) => {
    const graph = m.graph!;
    for (const t of graph.initializer) {
      const attribute = [
        create(AttributeProtoSchema, { name: "value", type: AttributeProto_AttributeType.TENSOR, t: { ...t, name: "" } }),
      ];
      graph.node.unshift(create(NodeProtoSchema, { opType: "Constant", output: [t.name], attribute }));
    }
    graph.initializer = [];
  });
  const { graph } = readOnnx({ name: "constants", bytes });
  assert.equal(graph.parameters.size, 6);
  assert.equal(graph.parameters.get("fc1.weight")!.origin.scope, "fc1");
});

test("a hundred thousand nodes of one name in reverse order are named and ordered", () => {
  const bytes = changed(join(FEATURES, "unordered.onnx"), (m) => {
    const count = 100_000;
    m.graph!.node = Array.from({ length: count }, (_, i) =>
      create(NodeProtoSchema, { name: "relu", opType: "Relu", input: [i === count - 1 ? "x" : `h${i + 1}`], output: [`h${i}`] }),
    );
    m.graph!.output[0]!.name = "h0";
  });
  const { graph } = readOnnx({ name: "long", bytes });
  assert.equal(graph.nodes[0]!.inputs[0], "x");
  assert.equal(graph.nodes.at(-1)!.outputs[0], "h0");
  assert.equal(new Set(graph.nodes.map((n) => n.name)).size, 100_000);
  // The declared shape of the output, [N, 3], is what `unordered` had after its product.
  assert.deepEqual(graph.types.get("h99999")!.shape, [4, 4]);
});

test("module paths from the metadata of PyTorch's newer exporter, and for modules that are called again", () => {
  const bytes = changed(join(ZOO, "MlpRelu.onnx"), (m) => {
    const [first, , second] = m.graph!.node;
    first!.name = "node_linear";
    first!.metadataProps = [
      create(StringStringEntryProtoSchema, {
        key: "pkg.torch.onnx.name_scopes",
        value: "['', 'encoder', 'encoder.fc1', 'linear']",
      }),
    ];
    second!.name = "/fc2_1/Gemm";
  });
  const { graph } = readOnnx({ name: "scopes", bytes });
  assert.equal(graph.nodes[0]!.origin.scope, "encoder.fc1");
  assert.equal(graph.nodes[2]!.origin.scope, "fc2");
});

test("operator sets outside the known ones are noted", () => {
  const at = (version: bigint) =>
    readOnnx({
      name: "opset",
      bytes: changed(join(ZOO, "MlpRelu.onnx"), (m) => {
        m.opsetImport[0]!.version = version;
      }),
    });
  assert.deepEqual([at(9n).notes, at(23n).notes], [[], []]);
  assert.deepEqual(at(7n).notes, []);
  assert.match(at(6n).notes[0]!, /operator set 6 is outside 7 to 23/);
  assert.equal(at(25n).opset, 25);
  assert.throws(() => at(-3n), OnnxError);
});

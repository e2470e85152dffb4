/** Models as `torch.onnx.export(dynamo=True)` writes them: what its metadata says of tensors that its optimiser folded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { analyse } from "../../symmetry/analyse";
import { type ModelProto, ModelProtoSchema, TensorProto_DataType as DataType } from "./generated/onnx_pb";
import { readOnnx } from "./index";

const entry = (key: string, value: string) => ({ key, value });
const KIND = "pkg.torch.export.graph_signature.InputSpec.kind";
const FOLDED = "pkg.onnxscript.optimizer.folded_from";

/** A value of these sizes; element types are float32 but for tokens. */
const info = (name: string, sizes: readonly number[], metadataProps: { key: string; value: string }[] = [], tokens = false) => ({
  name,
  metadataProps,
  type: {
    value: {
      case: "tensorType" as const,
      value: {
        elemType: tokens ? DataType.INT64 : DataType.FLOAT,
        shape: { dim: sizes.map((n) => ({ value: { case: "dimValue" as const, value: BigInt(n) } })) },
      },
    },
  },
});

const weight = (name: string, dims: readonly number[]) => ({
  name,
  dims: dims.map(BigInt),
  dataType: DataType.FLOAT,
  floatData: Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(1 + i + name.length)),
});

const linear = (parameter: string) => [
  entry(
    "pkg.torch.onnx.fx_node",
    `%linear : call_function[target=torch.ops.aten.linear.default](args = (%x, %${parameter}), kwargs = {})`,
  ),
];

/** Embedded tokens through a linear layer, plus a mask, read by the embedding's own table. */
function model(): ModelProto {
  const signature = ["p_emb_weight: PARAMETER target='emb.weight'", "p_fc_weight: PARAMETER target='fc.weight'", "x: USER_INPUT"];
  return create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: "pytorch",
    opsetImport: [{ domain: "", version: 18n }],
    graph: {
      name: "main_graph",
      metadataProps: [entry("pkg.torch.export.ExportedProgram.graph_signature", `\n# inputs\n${signature.join("\n")}\n`)],
      input: [info("x", [2, 3], [], true)],
      output: [info("y", [2, 3, 5])],
      initializer: [weight("emb.weight", [5, 4]), weight("val_0", [4, 4]), weight("triu", [3, 4]), weight("val_2", [4, 5])],
      valueInfo: [
        info("emb.weight", [5, 4], [entry(KIND, "PARAMETER")]),
        info("val_0", [4, 4], [entry(FOLDED, "['fc.weight']")]),
        info("triu", [3, 4], [entry(FOLDED, "['full', 'val_1']")]),
        info("val_2", [4, 5], [entry(FOLDED, "['emb.weight']")]),
      ],
      node: [
        { opType: "Gather", name: "node_embedding", input: ["emb.weight", "x"], output: ["embedding"] },
        {
          opType: "MatMul",
          name: "node_fc",
          input: ["embedding", "val_0"],
          output: ["fc"],
          metadataProps: linear("p_fc_weight"),
        },
        { opType: "Add", name: "node_add", input: ["fc", "triu"], output: ["add"] },
        { opType: "MatMul", name: "node_head", input: ["add", "val_2"], output: ["y"], metadataProps: linear("p_emb_weight") },
      ],
    },
  });
}

const read = (proto: ModelProto) => readOnnx({ name: "model.onnx", bytes: toBinary(ModelProtoSchema, proto) }).graph;

test("linear layers have their own weights again, shared where the model shares them, and masks are no weights", () => {
  const graph = read(model());
  assert.deepEqual(
    [...graph.parameters.values()].map((p) => [p.name, p.shape, p.trainable]),
    [
      ["emb.weight", [5, 4], true],
      ["fc.weight", [4, 4], true],
    ],
  );
  assert.ok(graph.constants.has("triu"));
  // Row i of the layer's weight is column i of what the file holds.
  const [stored, turned] = [weight("val_0", [4, 4]).floatData, graph.parameters.get("fc.weight")!.read!()!.data];
  assert.ok(Math.abs(turned[4 * 1 + 3]! - stored[4 * 3 + 1]!) < 1e-6);
  // The mask has rank 2: maps of the embedding that leave its rows in place are 4 * (4 - 2) dimensional.
  assert.deepEqual([analyse(graph).continuous.linear, analyse(graph).continuous.total], [8, 8]);
});

test("without metadata the same file's tensors are told by their names and uses", () => {
  const proto = model();
  proto.graph!.metadataProps = [];
  const names = [...read(proto).parameters.keys()];
  assert.deepEqual(names.sort(), ["emb.weight", "triu", "val_0", "val_2"]);
});

test("what was computed from several weights stays as it is", () => {
  const proto = model();
  proto.graph!.valueInfo[1]!.metadataProps[0]!.value = "['fc.weight', 'gain']";
  const names = [...read(proto).parameters.keys()];
  assert.deepEqual(names.sort(), ["emb.weight", "val_0"]);
});

test("a weight that constant folding stored transposed a second time is one parameter again, without metadata too", () => {
  const proto = model();
  const graph = proto.graph!;
  graph.metadataProps = [];
  graph.valueInfo = [];
  const table = graph.initializer[0]!.floatData;
  // The head's weight is the table the other way round: [4, 5] from [5, 4].
  graph.initializer[3]!.floatData = Array.from({ length: 20 }, (_, i) => table[(i % 5) * 4 + Math.floor(i / 5)]!);
  assert.deepEqual([...read(proto).parameters.keys()].sort(), ["emb.weight", "triu", "val_0"]);
  graph.initializer[3]!.floatData[7]! += 1;
  assert.deepEqual([...read(proto).parameters.keys()].sort(), ["emb.weight", "triu", "val_0", "val_2"]);
});

/** Two norms, of which the file holds one: `gains` are what the calls were given. */
function norms(gains: readonly [string, string]): ModelProto {
  const call = (gain: string) => [
    entry(
      "pkg.torch.onnx.fx_node",
      `%mul : call_function[target=torch.ops.aten.mul.Tensor](args = (%x, %p_${gain}_weight), kwargs = {})`,
    ),
  ];
  const signature = ["a", "b"].map((n) => `p_${n}_weight: PARAMETER target='${n}.weight'`);
  return create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: "pytorch",
    opsetImport: [{ domain: "", version: 18n }],
    graph: {
      name: "main_graph",
      metadataProps: [entry("pkg.torch.export.ExportedProgram.graph_signature", `\n# inputs\n${signature.join("\n")}\n`)],
      input: [info("x", [2, 3])],
      output: [info("y", [2, 3])],
      initializer: [weight("a.weight", [3])],
      node: [
        { opType: "Mul", name: "first", input: ["x", "a.weight"], output: ["h"], metadataProps: call(gains[0]) },
        { opType: "Mul", name: "second", input: ["h", "a.weight"], output: ["y"], metadataProps: call(gains[1]) },
      ],
    },
  });
}

test("parameters that were equal when the file was written are parameters of their own, shared ones are not", () => {
  const of = (first: string, second: string) => {
    const graph = read(norms([first, second]));
    return [[...graph.parameters.keys()], graph.nodes.map((n) => n.inputs[1])];
  };
  assert.deepEqual(of("a", "b"), [
    ["a.weight", "b.weight"],
    ["a.weight", "b.weight"],
  ]);
  assert.deepEqual(of("a", "a"), [["a.weight"], ["a.weight", "a.weight"]]);
  // Where no call names it, the file's weight is made of something else.
  assert.deepEqual(of("b", "b"), [["a.weight"], ["a.weight", "a.weight"]]);
});

test("the first step of a cell whose state is zero was folded: zeros are no weight, and the bias is the cell's", () => {
  const signature = ["u", "b"].map((n) => `p_${n}: PARAMETER target='${n}'`);
  const bias = weight("b", [3]);
  const folded = (name: string, data: readonly number[]) => ({ ...weight(name, [2, 3]), floatData: [...data] });
  const graph = read(
    create(ModelProtoSchema, {
      irVersion: 10n,
      producerName: "pytorch",
      opsetImport: [{ domain: "", version: 18n }],
      graph: {
        name: "main_graph",
        metadataProps: [entry("pkg.torch.export.ExportedProgram.graph_signature", `\n# inputs\n${signature.join("\n")}\n`)],
        input: [info("x", [2, 3])],
        output: [info("y", [2, 3])],
        initializer: [
          weight("u", [3, 3]),
          bias,
          folded("first", [0, 0, 0, 0, 0, 0]),
          folded("biased", [...bias.floatData, ...bias.floatData]),
        ],
        valueInfo: [
          info("first", [2, 3], [entry(FOLDED, "['u', 'zeros']")]),
          info("biased", [2, 3], [entry(FOLDED, "['u', 'b', 'zeros']")]),
        ],
        node: [
          { opType: "Add", name: "n0", input: ["x", "first"], output: ["a"] },
          { opType: "Add", name: "n1", input: ["a", "biased"], output: ["h"] },
          { opType: "MatMul", name: "n2", input: ["h", "u"], output: ["m"] },
          { opType: "Add", name: "n3", input: ["m", "b"], output: ["y"] },
        ],
      },
    }),
  );
  assert.deepEqual([...graph.parameters.keys()].sort(), ["b", "u"]);
  assert.equal(graph.nodes.filter((n) => n.inputs.includes("b")).length, 2);
});

test("a buffer that was computed is what it is; one that training starts from, all entries equal, is as good as any", () => {
  const buffers = [
    { ...weight("table", [4]), from: entry(KIND, "BUFFER") },
    { ...weight("state", [4]), floatData: [0, 0, 0, 0], from: entry(KIND, "BUFFER") },
    { ...weight("folded", [4]), from: entry(FOLDED, "['table', 'state']") },
    { ...weight("ones", [4]), floatData: [1, 1, 1, 1], from: entry(FOLDED, "['state']") },
    // The first step of a recurrence whose matrix is a buffer, and what may be zero only before training.
    { ...weight("first", [4, 4]), floatData: new Array<number>(16).fill(0), from: entry(FOLDED, "['table', 'zeros']") },
    { ...weight("early", [4, 4]), floatData: new Array<number>(16).fill(0), from: entry(FOLDED, "['state', 'zeros']") },
  ];
  const proto = create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: "pytorch",
    opsetImport: [{ domain: "", version: 18n }],
    graph: {
      metadataProps: [entry("pkg.torch.export.ExportedProgram.graph_signature", "\n# inputs\nx: USER_INPUT\n")],
      input: [info("y0", [4, 4])],
      output: [info("y6", [4, 4])],
      initializer: buffers.map(({ from: _, ...tensor }) => tensor),
      valueInfo: buffers.map(({ name, from }) => info(name, [4], [from])),
      node: buffers.map(({ name }, k) => ({ opType: "Mul", name: `by_${name}`, input: [`y${k}`, name], output: [`y${k + 1}`] })),
    },
  });
  const graph = read(proto);
  assert.deepEqual(
    buffers.map(({ name }) => (graph.constants.has(name) ? "constant" : graph.parameters.get(name)?.trainable)),
    ["constant", false, "constant", false, "constant", false],
  );
});

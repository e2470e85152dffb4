/** Parameters that PyTorch's newer exporter stored moved about, and what is said of those that it left out or computed with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema, TensorProto_DataType as DataType } from "./generated/onnx_pb";
import { type ReadOptions, readOnnx } from "./index";

const entry = (key: string, value: string) => ({ key, value });

interface Folded {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
  readonly from: readonly string[];
  /** The call of the node that reads it. */
  readonly call?: string;
}

/** A sum of an input [2, 3, 4] and of what was folded from parameters, each read by a node of its own. */
function read(targets: readonly string[], folded: readonly Folded[], options: ReadOptions = {}) {
  const signature = targets.map((t) => `p_${t.replaceAll(".", "_")}: PARAMETER target='${t}'`);
  const info = (name: string, sizes: readonly number[], from?: readonly string[]) => ({
    name,
    metadataProps: from ? [entry("pkg.onnxscript.optimizer.folded_from", `[${from.map((f) => `'${f}'`).join(", ")}]`)] : [],
    type: {
      value: {
        case: "tensorType" as const,
        value: {
          elemType: DataType.FLOAT,
          shape: { dim: sizes.map((n) => ({ value: { case: "dimValue" as const, value: BigInt(n) } })) },
        },
      },
    },
  });
  const model = create(ModelProtoSchema, {
    irVersion: 10n,
    producerName: "pytorch",
    opsetImport: [{ domain: "", version: 18n }],
    graph: {
      name: "main_graph",
      metadataProps: [entry("pkg.torch.export.ExportedProgram.graph_signature", `\n# inputs\n${signature.join("\n")}\n`)],
      input: [info("x", [2, 3, 4])],
      output: [info(`y${folded.length - 1}`, [2, 3, 4])],
      initializer: folded.map(({ name, shape, data }) => ({
        name,
        dims: shape.map(BigInt),
        dataType: DataType.FLOAT,
        floatData: [...data],
      })),
      valueInfo: folded.map(({ name, shape, from }) => info(name, shape, from)),
      node: folded.map(({ name, call = "aten.add.Tensor" }, k) => ({
        opType: "Add",
        name: `n${k}`,
        input: [k === 0 ? "x" : `y${k - 1}`, name],
        output: [`y${k}`],
        metadataProps: [
          entry("pkg.torch.onnx.fx_node", `%v : call_function[target=torch.ops.${call}](args = (%x,), kwargs = {})`),
        ],
      })),
    },
  });
  return readOnnx({ name: "model.onnx", bytes: toBinary(ModelProtoSchema, model) }, options);
}

const parameters = (model: ReturnType<typeof readOnnx>) =>
  [...model.graph.parameters.values()].map((p) => [p.name, p.shape, [...p.read!()!.data]]);

test("a token that was repeated for each sample is one token, also before training, when all its entries are zero", () => {
  const from = ["token", "val_1", "val_2"];
  const repeated = [1, 2, 3, 4, 1, 2, 3, 4];
  const one = read(["token"], [{ name: "expand", shape: [2, 1, 4], data: repeated, from }]);
  assert.deepEqual(parameters(one), [["token", [1, 1, 4], [1, 2, 3, 4]]]);
  assert.deepEqual(one.graph.types.get("expand")?.shape, [2, 1, 4]);
  const zeros = read(["token"], [{ name: "expand", shape: [2, 1, 4], data: new Array<number>(8).fill(0), from }]);
  assert.deepEqual(parameters(zeros), [["token", [1, 1, 4], [0, 0, 0, 0]]]);
  const different = [1, 2, 3, 4, 1, 2, 3, 5];
  const kept = read(["token"], [{ name: "expand", shape: [2, 1, 4], data: different, from }]);
  assert.deepEqual(parameters(kept), [["expand", [2, 1, 4], different]], "nothing is repeated there");
});

test("vectors and matrices that were given axes or turned have their own shape and name", () => {
  const model = read(
    ["sinks", "gain", "w"],
    [
      { name: "expand", shape: [2, 3, 1], data: [1, 2, 3, 1, 2, 3], from: ["sinks", "view_3", "val_30"] },
      { name: "val_21", shape: [3, 1], data: [4, 5, 6], from: ["gain", "val_15"], call: "aten.group_norm.default" },
      { name: "t", shape: [3, 4], data: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], from: ["w"] },
    ],
  );
  assert.deepEqual(parameters(model), [
    ["sinks", [3], [1, 2, 3]],
    ["gain", [3], [4, 5, 6]],
    ["w", [4, 3], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]],
  ]);
  assert.deepEqual(model.problems, []);
  assert.deepEqual(model.notes, []);
});

test("rows that were looked up are rows of a table, those that were looked up twice are one", () => {
  const rows = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4];
  const from = ["arange", "mul", "position.weight"];
  const folded: Folded = { name: "embedding_1", shape: [1, 3, 4], data: rows, from };
  const model = read(["position.weight"], [folded]);
  assert.deepEqual(parameters(model), [["position.weight", [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]]]);
  const gather = model.graph.nodes.find((n) => n.operator === "Gather")!;
  assert.deepEqual([...model.graph.constants.get(gather.inputs[1]!)!.data], [0, 1, 0]);
  assert.deepEqual(model.graph.types.get("embedding_1")?.shape, [1, 3, 4]);
  // The file may hold the table as well: then it is that one, and a row that is not in it is no row of it.
  const table: Folded = { name: "position.weight", shape: [3, 4], data: [9, 9, 9, 9, 5, 6, 7, 8, 1, 2, 3, 4], from: [] };
  const tied = read(["position.weight"], [{ ...folded }, table]);
  assert.deepEqual([...tied.graph.parameters.keys()], ["position.weight"]);
  const indices = tied.graph.nodes.find((n) => n.operator === "Gather")!.inputs[1]!;
  assert.deepEqual([...tied.graph.constants.get(indices)!.data], [2, 1, 2]);
  const apart = read(["position.weight"], [{ ...folded, data: [...rows.slice(0, 11), 0] }, table]);
  assert.deepEqual([...apart.graph.parameters.keys()], ["embedding_1", "position.weight"]);
});

test("what was computed stays as it is, and that it was is said; parameters without a trace are named", () => {
  const model = read(
    ["a", "b", "norm.weight"],
    [
      { name: "exp", shape: [4], data: [1, 2, 3, 4], from: ["a"] },
      { name: "expand", shape: [2, 1, 4], data: [1, 2, 3, 4, 1, 2, 3, 4], from: ["b", "mul"] },
    ],
  );
  assert.deepEqual([...model.graph.parameters.keys()], ["exp", "expand"]);
  assert.equal(model.notes.length, 2);
  assert.match(model.notes[0]!, /^the file has no norm\.weight: .*optimize=False/);
  assert.match(model.notes[1]!, /optimiser stored them: exp, expand \(/);
});

test("a parameter that is frozen is frozen in what was made of it", () => {
  const folded: Folded[] = [
    { name: "t", shape: [3, 4], data: Array.from({ length: 12 }, (_, i) => i), from: ["w"] },
    { name: "mul", shape: [4], data: [1, 2, 3, 4], from: ["g", "b"] },
  ];
  const trainable = (frozen: string[]) =>
    [...read(["w", "g", "b"], folded, { frozen }).graph.parameters.values()].map((p) => p.trainable);
  assert.deepEqual(trainable(["w"]), [false, true]);
  assert.deepEqual(trainable(["g"]), [true, true], "b trains");
  assert.deepEqual(trainable(["g", "b"]), [true, false]);
});

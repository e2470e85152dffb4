import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ByteSource, memorySource } from "./bytes";
import { OnnxError } from "./error";
import { AttributeProtoSchema, GraphProtoSchema, ModelProtoSchema, NodeProtoSchema } from "./generated/onnx_pb";
import { readOnnx } from "./index";
import { scanModel } from "./scanner";

const varint = (value: number): number[] => {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return [...out, rest];
};
const field = (number: number, bytes: readonly number[]): number[] => [
  ...varint(number * 8 + 2),
  ...varint(bytes.length),
  ...bytes,
];
const text = (s: string): number[] => [...new TextEncoder().encode(s)];

test("a model of 6 GB is scanned without reading its weights", () => {
  // Only the places between the weights exist; any other byte that is asked for fails the test.
  const size = 3 * 2 ** 30;
  const pieces: { start: number; bytes: number[] }[] = [];
  let end = 0;
  const put = (bytes: number[]): void => {
    pieces.push({ start: end, bytes });
    end += bytes.length;
  };
  const tensors = ["a", "b"].map((name) => ({
    head: [
      ...varint(1 * 8),
      ...varint(size / 4),
      ...varint(2 * 8),
      1,
      ...field(8, text(name)),
      ...varint(9 * 8 + 2),
      ...varint(size),
    ],
  }));
  const graphTail = [...field(11, field(1, text("x"))), ...field(12, field(1, text("x")))];
  const initializers = tensors.map(({ head }) => ({ head, tag: [...varint(5 * 8 + 2), ...varint(head.length + size)] }));
  const graphSize = initializers.reduce((n, t) => n + t.tag.length + t.head.length + size, graphTail.length);
  put([8, 8, ...field(8, [...varint(16), 16]), ...varint(7 * 8 + 2), ...varint(graphSize)]);
  for (const { tag, head } of initializers) {
    put([...tag, ...head]);
    end += size;
  }
  put(graphTail);

  let asked = 0;
  const byte = (offset: number): number => {
    asked++;
    const piece = pieces.find((p) => offset >= p.start && offset < p.start + p.bytes.length);
    assert.ok(piece, `byte ${offset} is weight data`);
    return piece.bytes[offset - piece.start]!;
  };
  const source: ByteSource = {
    name: "large",
    size: end,
    byte,
    read: (offset, length) => Uint8Array.from({ length }, (_, i) => byte(offset + i)),
    close: () => {},
  };
  const { bytes, skipped } = scanModel(source);
  assert.ok(end > 6 * 2 ** 30);
  assert.ok(asked < 1000, `${asked} bytes were read`);
  assert.ok(bytes.length < 200);
  assert.deepEqual(
    skipped.map((s) => s.get(9)),
    [
      [{ offset: pieces[1]!.start + pieces[1]!.bytes.length, length: size }],
      [{ offset: pieces[2]!.start + pieces[2]!.bytes.length, length: size }],
    ],
  );
  const graph = fromBinary(ModelProtoSchema, bytes).graph!;
  assert.deepEqual(
    graph.initializer.map((t) => [t.name, t.skippedData]),
    [
      ["a", 0],
      ["b", 1],
    ],
  );
});

test("skeletons of small models decode to the models themselves", () => {
  for (const f of readdirSync(join("testFixtures", "onnx-features")).filter((n) => n.endsWith(".onnx"))) {
    const bytes = Uint8Array.from(readFileSync(join("testFixtures", "onnx-features", f)));
    const { bytes: skeleton, skipped } = scanModel(memorySource(f, bytes));
    // Nothing in these files is over the size from which data is skipped.
    assert.equal(skipped.length, 0);
    assert.deepEqual(fromBinary(ModelProtoSchema, skeleton), fromBinary(ModelProtoSchema, bytes));
  }
});

test("packed data in several pieces, and a forged number of skipped data", () => {
  const values = Float32Array.from({ length: 200 }, (_, i) => i / 8);
  const raw = (from: number, to: number): number[] => [...new Uint8Array(values.buffer, 4 * from, 4 * (to - from))];
  const tensor = [
    ...varint(8),
    ...varint(200),
    16,
    1,
    ...field(8, text("w.weight")),
    ...field(4, raw(0, 10)),
    ...field(4, raw(10, 150)),
    ...field(4, raw(150, 199)),
    // One value that is not packed, and a value for the scanner's own field.
    ...varint(4 * 8 + 5),
    ...raw(199, 200),
    ...varint(1000 * 8),
    7,
  ];
  const graph = [...field(5, tensor), ...field(11, field(1, text("x"))), ...field(12, field(1, text("x")))];
  const model = Uint8Array.from([8, 8, ...field(8, [16, 16]), ...field(7, graph)]);
  const { graph: read } = readOnnx({ name: "packed", bytes: model });
  assert.deepEqual([...read.parameters.get("w.weight")!.read!()!.data], [...values]);
});

test("deep nesting is refused before it exhausts the stack", () => {
  let graph = create(GraphProtoSchema, { name: "innermost" });
  for (let i = 0; i < 200; i++) {
    const attribute = create(AttributeProtoSchema, { name: "body", g: graph });
    graph = create(GraphProtoSchema, { node: [create(NodeProtoSchema, { opType: "If", attribute: [attribute] })] });
  }
  const bytes = toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, graph }));
  assert.throws(
    () => readOnnx({ name: "deep", bytes }),
    (e: unknown) => e instanceof OnnxError && /nests more than/.test(e.message),
  );
});

test("endless numbers, groups and fields without a number name their byte", () => {
  const cases: [number[], number, RegExp][] = [
    [[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], 1, /more than 10 bytes/],
    [[8, 8, 11], 2, /no protobuf field/],
    [[8, 8, 0], 2, /no protobuf field/],
    [[8, 128], 1, /ends inside a number/],
    [[8, 8, 66, 200], 3, /ends inside a number/],
    [[8, 8, 66, 9, 1], 2, /opset_import says it has 9 bytes, but only 1 are left/],
  ];
  for (const [bytes, offset, message] of cases) {
    assert.throws(
      () => scanModel(memorySource("bytes", Uint8Array.from(bytes))),
      (e: unknown) => e instanceof OnnxError && e.offset === offset && message.test(e.message),
      String(bytes),
    );
  }
});

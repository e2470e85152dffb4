/**
 * @file Damaged files end in a model or in an OnnxError, never in another exception, a hang or much memory.
 * NOETHER_FUZZ_COUNT sets the number of files (2,000 by default), NOETHER_FUZZ_SEED the seed.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Random } from "../../numerics/random";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type GraphProto, ModelProtoSchema } from "./generated/onnx_pb";
import { OnnxError, readOnnx, writeOnnx } from "./index";

const FOLDER = join("testFixtures", "zoo", "onnx");
const FEATURES = join("testFixtures", "onnx-features");
const COUNT = Number(process.env["NOETHER_FUZZ_COUNT"] ?? 2000);
const SEED = Number(process.env["NOETHER_FUZZ_SEED"] ?? 20251122);

const corpus = [FOLDER, FEATURES].flatMap((folder) =>
  readdirSync(folder)
    .filter((f) => f.endsWith(".onnx"))
    .map((f) => readFileSync(join(folder, f))),
);

/** Bytes that are likely to mean something: ends of ranges, small field tags. */
const TELLING = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x12, 0x2a, 0x3a, 0x4a, 0x6a];

function mutate(random: Random): Uint8Array {
  const source = corpus[random.integer(corpus.length)]!;
  let bytes = Uint8Array.from(source);
  const edits = 1 + random.integer(4);
  for (let i = 0; i < edits && bytes.length > 0; i++) {
    const at = random.integer(bytes.length);
    switch (random.integer(7)) {
      case 0:
        bytes[at] = bytes[at]! ^ (1 << random.integer(8));
        break;
      case 1:
        bytes[at] = TELLING[random.integer(TELLING.length)]!;
        break;
      case 2:
        bytes[at] = random.integer(256);
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4: {
        // A piece of another file in the place of a piece of this one.
        const other = corpus[random.integer(corpus.length)]!;
        const from = random.integer(other.length);
        const piece = other.subarray(from, from + random.integer(200));
        const rest = bytes.subarray(at + random.integer(200));
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...piece, ...rest]);
        break;
      }
      case 5: {
        const length = random.integer(64);
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
        break;
      }
      default: {
        const piece = bytes.slice(at, at + 1 + random.integer(64));
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...piece, ...piece, ...bytes.subarray(at + piece.length)]);
      }
    }
  }
  return bytes;
}

/** A well-formed file whose graph makes no sense: names, sizes, types and operators exchanged. */
function scramble(random: Random): Uint8Array {
  const model = fromBinary(ModelProtoSchema, Uint8Array.from(corpus[random.integer(corpus.length)]!));
  const graph = model.graph!;
  const pick = <T>(list: readonly T[]): T | undefined => list[random.integer(Math.max(1, list.length))];
  const anyName = (g: GraphProto): string =>
    pick([
      ...g.initializer.map((t) => t.name),
      ...g.input.map((v) => v.name),
      ...g.node.flatMap((n) => n.output),
      "",
      "absent",
    ]) ?? "";
  const sizes = [0n, 1n, -1n, -7n, 3n, 2n ** 31n, 2n ** 53n, 2n ** 62n];
  const operators = [
    "MatMul",
    "Conv",
    "Gather",
    "Reshape",
    "If",
    "Loop",
    "Constant",
    "ConstantOfShape",
    "LSTM",
    "Split",
    "Einsum",
    "Nothing",
  ];
  for (let i = 1 + random.integer(6); i > 0; i--) {
    const node = pick(graph.node);
    const tensor = pick(graph.initializer);
    const attribute = node && pick(node.attribute);
    switch (random.integer(9)) {
      case 0:
        if (node && node.input.length > 0) node.input[random.integer(node.input.length)] = anyName(graph);
        break;
      case 1:
        if (node) node.opType = pick(operators)!;
        break;
      case 2:
        if (tensor) tensor.dims[random.integer(4)] = pick(sizes)!;
        break;
      case 3:
        if (tensor) tensor.dataType = random.integer(30);
        break;
      case 4:
        if (attribute) attribute.type = random.integer(16);
        break;
      case 5:
        if (attribute) [attribute.i, attribute.ints] = [pick(sizes)!, sizes.slice(random.integer(4), random.integer(8))];
        break;
      case 6:
        if (node && node.output.length > 0) node.output[0] = anyName(graph);
        break;
      case 7: {
        const shape = pick(graph.input)?.type?.value;
        const dim = shape?.case === "tensorType" ? pick(shape.value.shape?.dim ?? []) : undefined;
        if (dim)
          dim.value = random.uniform() < 0.5 ? { case: "dimValue", value: pick(sizes)! } : { case: "dimParam", value: "n" };
        break;
      }
      default:
        if (node) node.input.push(anyName(graph));
    }
  }
  // Holes that assignments beyond the end have made.
  for (const t of graph.initializer) t.dims = Array.from(t.dims, (d) => d ?? 1n);
  return toBinary(ModelProtoSchema, model);
}

test(`${COUNT / 2} senseless graphs give a model that can be written, or an OnnxError`, () => {
  const random = new Random(SEED + 1);
  let read = 0;
  for (let i = 0; i < COUNT / 2; i++) {
    const bytes = scramble(random);
    let allowed: new (...values: never[]) => Error = OnnxError;
    try {
      const { graph } = readOnnx({ name: `scrambled-${i}.onnx`, bytes });
      read++;
      // The writer refuses absent values and types that have no numbers.
      allowed = RangeError;
      writeOnnx(graph);
    } catch (error) {
      if (error instanceof allowed) continue;
      throw new Error(`graph ${i} of seed ${SEED + 1} ended in ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  assert.ok(read > COUNT / 40, `${read} were read`);
});

test(`${COUNT} damaged files give a model or an OnnxError`, () => {
  const random = new Random(SEED);
  let read = 0;
  let refused = 0;
  for (let i = 0; i < COUNT; i++) {
    const bytes = mutate(random);
    try {
      const { graph } = readOnnx({ name: `damaged-${i}.onnx`, bytes });
      // Values are read later, from the same bytes: that must not end otherwise either.
      for (const p of graph.parameters.values()) p.read?.();
      for (const t of graph.constants.values())
        assert.equal(
          t.data.length,
          t.shape.reduce((a, b) => a * b, 1),
        );
      read++;
    } catch (error) {
      if (!(error instanceof OnnxError)) {
        throw new Error(`file ${i} of seed ${SEED} ended in ${error instanceof Error ? error.stack : String(error)}`);
      }
      assert.match(error.message, /Expected /);
      refused++;
    }
  }
  assert.ok(read > COUNT / 20 && refused > COUNT / 20, `the mutations are of both kinds: ${read} read, ${refused} refused`);
});

/**
 * @file Damaged files end in a model or in an OnnxError, never in another exception, a hang or much memory.
 * NOETHER_FUZZ_COUNT sets the number of files (2,000 by default), NOETHER_FUZZ_SEED the seed.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Random } from "../../numerics/random";
import { OnnxError, readOnnx } from "./index";

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

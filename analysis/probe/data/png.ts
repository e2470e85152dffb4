/** @file PNG images (8 bits per channel, not interlaced) as numbers from 0 to 1. */
import { inflateSync } from "node:zlib";

/** An image: [channels, height, width], row-major, with 1 (grey) or 3 channels; transparency is left out. */
export interface Image {
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/** Decodes a PNG file. @throws Error saying what is not supported or damaged */
export function readPng(bytes: Uint8Array): Image {
  if (SIGNATURE.some((b, i) => bytes[i] !== b)) throw new Error("it is not a PNG file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 8;
  let header: DataView | undefined;
  let palette: Uint8Array | undefined;
  const parts: Uint8Array[] = [];
  while (at + 8 <= bytes.length) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") header = new DataView(body.buffer, body.byteOffset, body.byteLength);
    else if (kind === "PLTE") palette = body;
    else if (kind === "IDAT") parts.push(body);
    else if (kind === "IEND") break;
    at += 12 + length;
  }
  if (!header) throw new Error("its header is missing");
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  const [depth, colour, interlaced] = [header.getUint8(8), header.getUint8(9), header.getUint8(12)];
  const samples = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[colour];
  if (depth !== 8 || samples === undefined || interlaced !== 0) {
    throw new Error(
      `${depth} bits per channel${interlaced ? ", interlaced," : ""} are not supported; save it with 8 bits, not interlaced`,
    );
  }
  const raw = unfilter(inflateSync(Buffer.concat(parts)), width * samples, height, samples);
  const channels = colour === 0 || colour === 4 ? 1 : 3;
  const data = new Float32Array(channels * width * height);
  for (let k = 0; k < width * height; k++) {
    for (let c = 0; c < channels; c++) {
      const value = colour === 3 ? (palette?.[raw[k]! * 3 + c] ?? 0) : raw[k * samples + c]!;
      data[c * width * height + k] = value / 255;
    }
  }
  return { channels, height, width, data };
}

/** Undoes the filters of the rows (PNG specification, section 9). */
function unfilter(bytes: Uint8Array, stride: number, height: number, samples: number): Uint8Array {
  const out = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = bytes[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const to = y * stride + x;
      const left = x >= samples ? out[to - samples]! : 0;
      const up = y > 0 ? out[to - stride]! : 0;
      const corner = x >= samples && y > 0 ? out[to - stride - samples]! : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      if (guess === undefined) throw new Error(`its row ${y} has the unknown filter ${filter}`);
      out[to] = bytes[y * (stride + 1) + 1 + x]! + guess;
    }
  }
  return out;
}

function paeth(a: number, b: number, c: number): number {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

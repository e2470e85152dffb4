/** @file JPEG images (baseline and progressive) as numbers from 0 to 1. */
import { decode } from "jpeg-js";
import type { Image } from "./png";

/** Larger images take more memory than a probe should. */
const MOST_MEGAPIXELS = 40;
const MOST_MEGABYTES = 512;

/** Decodes a JPEG file. @throws Error saying what is damaged or too large */
export function readJpeg(bytes: Uint8Array): Image {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new Error("it is not a JPEG file");
  const { data, height, width } = decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: MOST_MEGAPIXELS,
    maxMemoryUsageInMB: MOST_MEGABYTES,
  });
  const area = width * height;
  const out = new Float32Array(3 * area);
  for (let k = 0; k < area; k++) for (let c = 0; c < 3; c++) out[c * area + k] = data[3 * k + c]! / 255;
  return { channels: 3, height, width, data: out };
}

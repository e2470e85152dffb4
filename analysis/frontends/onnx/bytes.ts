/** @file Random access to the bytes of a model without reading all of it. */
import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { OnnxError } from "./error";

/** Bytes of a model file or of a buffer in memory. */
export interface ByteSource {
  /** The path or name, for messages. */
  readonly name: string;
  readonly size: number;
  /** The byte at an offset below `size`. */
  byte(offset: number): number;
  /** The bytes [offset, offset + length), which must lie inside. The result may be a view: do not write to it. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

/** A buffer in memory as a byte source. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    byte: (offset) => bytes[offset]!,
    read: (offset, length) => bytes.subarray(offset, offset + length),
    close: () => {},
  };
}

/** Bytes fetched at once: large enough for dense runs of nodes, small enough to be cheap between skipped weights. */
const WINDOW = 64 * 1024;
/** Bytes per system call; Node takes less than 2 GiB. */
const MAX_READ = 2 ** 30;

/**
 * A file as a byte source, read through one window; close it after use.
 * @throws OnnxError when the file cannot be opened or is not a plain file.
 */
export function fileSource(path: string): ByteSource {
  let descriptor: number;
  let stat: Stats;
  try {
    stat = statSync(path);
    // Opening a pipe would wait for its writer.
    if (!stat.isFile()) {
      throw new OnnxError({
        file: path,
        problem: "is not a file",
        expected: "an ONNX file",
        advice: "Name the .onnx file itself.",
      });
    }
    descriptor = openSync(path, "r");
  } catch (error) {
    if (error instanceof OnnxError) throw error;
    throw new OnnxError({
      file: path,
      problem: `cannot be opened (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      expected: "a readable file",
      advice: "Check the path and its permissions.",
    });
  }
  const size = stat.size;
  const window = new Uint8Array(WINDOW);
  let start = 0;
  let end = 0;

  const fill = (target: Uint8Array, offset: number, length: number): void => {
    let done = 0;
    while (done < length) {
      const got = readSync(descriptor, target, done, Math.min(length - done, MAX_READ), offset + done);
      if (got === 0) {
        throw new OnnxError({
          file: path,
          problem: "became shorter while it was read",
          offset: offset + done,
          expected: `${size} bytes`,
          advice: "Wait until the file is written completely, then open it again.",
        });
      }
      done += got;
    }
  };
  const load = (offset: number): void => {
    start = offset;
    end = Math.min(size, offset + WINDOW);
    fill(window, start, end - start);
  };

  return {
    name: path,
    size,
    byte(offset) {
      if (offset < start || offset >= end) load(offset);
      return window[offset - start]!;
    },
    read(offset, length) {
      if (length > WINDOW) {
        const out = new Uint8Array(length);
        fill(out, offset, length);
        return out;
      }
      if (offset < start || offset + length > end) load(offset);
      return window.slice(offset - start, offset - start + length);
    },
    close: () => closeSync(descriptor),
  };
}

/** Reads part of a file that is opened for this one read only. */
export function readRange(path: string, offset: number, length: number): Uint8Array {
  const source = fileSource(path);
  try {
    if (offset + length > source.size) {
      throw new OnnxError({
        file: path,
        problem: `has ${source.size} bytes, but a tensor's data ends at byte ${offset + length}`,
        offset,
        expected: `at least ${offset + length} bytes`,
        advice: "The file is incomplete or has changed since the model was opened; download or export it again.",
      });
    }
    return source.read(offset, length);
  } finally {
    source.close();
  }
}

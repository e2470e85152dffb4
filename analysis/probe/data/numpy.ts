/** @file NumPy's .npy and .npz files. */
import { unzipSync } from "fflate";

/** An array of a file, as numbers. */
export interface NumpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** Reads the bytes of an .npy file (format 1 to 3; numbers and booleans, little endian). @throws Error saying what is wrong */
export function readNpy(bytes: Uint8Array): NumpyArray {
  if (bytes.length < 10 || bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw new Error("it does not begin with the magic number of an .npy file");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = bytes[6]! >= 2;
  const length = long ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (long ? 12 : 10) + length;
  const header = new TextDecoder("latin1").decode(bytes.subarray(long ? 12 : 10, start));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const sizes = /'shape'\s*:\s*\(([^)]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || sizes === undefined)
    throw new Error(`its header is not understood: ${header.trim()}`);
  const shape = sizes
    .split(",")
    .map((s) => s.trim())
    .filter((s) => s !== "")
    .map(Number);
  const count = shape.reduce((a, b) => a * b, 1);
  const reader = READERS[descr.replace(/^[|=]/, "<")];
  if (!reader) throw new Error(`arrays of type ${descr} cannot be read; save them as float32 or int64`);
  if (bytes.length - start < count * reader.size)
    throw new Error(`it ends early: ${count} entries of ${reader.size} bytes are missing some`);
  const data = new Float64Array(count);
  for (let i = 0; i < count; i++) data[i] = reader.read(view, start + i * reader.size);
  return { shape, data: order === "True" ? fromFortran(data, shape) : data };
}

interface Reader {
  readonly size: number;
  read(view: DataView, at: number): number;
}

const READERS: Readonly<Record<string, Reader>> = {
  "<f4": { size: 4, read: (v, at) => v.getFloat32(at, true) },
  "<f8": { size: 8, read: (v, at) => v.getFloat64(at, true) },
  "<i8": { size: 8, read: (v, at) => Number(v.getBigInt64(at, true)) },
  "<u8": { size: 8, read: (v, at) => Number(v.getBigUint64(at, true)) },
  "<i4": { size: 4, read: (v, at) => v.getInt32(at, true) },
  "<u4": { size: 4, read: (v, at) => v.getUint32(at, true) },
  "<i2": { size: 2, read: (v, at) => v.getInt16(at, true) },
  "<u2": { size: 2, read: (v, at) => v.getUint16(at, true) },
  "<i1": { size: 1, read: (v, at) => v.getInt8(at) },
  "<u1": { size: 1, read: (v, at) => v.getUint8(at) },
  "<b1": { size: 1, read: (v, at) => v.getUint8(at) },
};

/** Column-major values in row-major order. */
function fromFortran(data: Float64Array, shape: readonly number[]): Float64Array {
  const out = new Float64Array(data.length);
  const index = new Array<number>(shape.length).fill(0);
  const steps: number[] = [];
  let step = 1;
  for (const d of shape) {
    steps.push(step);
    step *= d;
  }
  for (let k = 0; k < out.length; k++) {
    let at = 0;
    for (let a = 0; a < shape.length; a++) at += index[a]! * steps[a]!;
    out[k] = data[at]!;
    for (let a = shape.length - 1; a >= 0; a--) {
      if (++index[a]! < shape[a]!) break;
      index[a] = 0;
    }
  }
  return out;
}

/** The arrays of an .npz file by name. @throws Error naming the array that cannot be read */
export function readNpz(bytes: Uint8Array): Map<string, NumpyArray> {
  const out = new Map<string, NumpyArray>();
  for (const [name, content] of Object.entries(unzipSync(bytes))) {
    if (!name.endsWith(".npy")) continue;
    try {
      out.set(name.slice(0, -4), readNpy(content));
    } catch (error) {
      throw new Error(`its array ${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  return out;
}

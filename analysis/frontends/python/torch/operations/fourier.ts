/** @file Tables that Fourier transforms and their windows are made of, computed once per size. */
import { elementCount } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood } from "../../evaluator/errors";
import { tuple } from "../../values/make";
import type { TensorValue, Value } from "../../values/value";
import { type Reader, shapeOf } from "../arguments";
import type { OperationTable } from "../operation";

/** Tables above this number of entries are not written out. */
const LARGEST_TABLE = 1 << 21;

const tables = new Map<string, Float64Array>();

/** Tables that are kept at most. */
const MOST_TABLES = 16;

function table(key: string, size: number, at: (i: number) => number): Float64Array {
  const known = tables.get(key);
  if (known) return known;
  const made = Float64Array.from({ length: size }, (_, i) => at(i));
  const [oldest] = tables.keys();
  if (tables.size >= MOST_TABLES && oldest !== undefined) tables.delete(oldest);
  tables.set(key, made);
  return made;
}

/**
 * Cosines and sines of 2 pi j k / n, shape [n, m]: what a row vector is multiplied with to be transformed. With `twice`,
 * frequencies that stand for two count double, as in the inverse of a real transform.
 */
function dft(a: Reader, b: GraphBuilder): Value {
  const n = a.int("n");
  const m = a.int("m");
  const scale = a.number("scale", 1);
  const isTwice = a.bool("twice", false);
  if (n * m > LARGEST_TABLE) return notUnderstood(`a Fourier transform of ${n} entries`);
  const weight = (k: number): number => (isTwice && k > 0 && 2 * k !== n ? 2 * scale : scale);
  const made = (name: string, f: (x: number) => number): TensorValue => {
    // Angles are reduced while they are whole numbers, so that sines of multiples of pi are exact zeros.
    const entries = table(`${name} ${n} ${m} ${scale} ${isTwice}`, n * m, (i) => {
      const k = i % m;
      return weight(k) * f((2 * Math.PI * ((Math.floor(i / m) * k) % n)) / n);
    });
    return b.constant({ shape: [n, m], at: (i) => entries[i]! }, "float32");
  };
  return tuple([made("cos", Math.cos), made("sin", Math.sin)]);
}

/** The sum over frames of the squares of a window, where the frames overlap; shape [1, 1, length]. */
function envelope(a: Reader, b: GraphBuilder): Value {
  const window = a.tensor("window");
  const [n] = shapeOf(a.interpreter, window);
  const { constant } = window;
  if (!constant || n === undefined) return notUnderstood("the window of an inverse transform is not known");
  const steps = a.int("steps");
  const hop = a.int("hop");
  const out = new Float64Array((steps - 1) * hop + n);
  const squares = Array.from({ length: n }, (_, i) => constant.at(i) ** 2);
  for (let s = 0; s < steps; s++) for (let i = 0; i < n; i++) out[s * hop + i]! += squares[i]!;
  return b.constant({ shape: [1, 1, out.length], at: (i) => out[i]! }, "float32");
}

const WINDOWS: Readonly<Record<string, (x: number) => number>> = {
  hann_window: (x) => 0.5 - 0.5 * Math.cos(x),
  hamming_window: (x) => 0.54 - 0.46 * Math.cos(x),
  blackman_window: (x) => 0.42 - 0.5 * Math.cos(x) + 0.08 * Math.cos(2 * x),
  bartlett_window: (x) => 1 - Math.abs(x / Math.PI - 1),
};

/** Adds transforms that are linear maps of known entries. */
export function addFourier(operations: OperationTable): void {
  operations.add("_dft", "n m scale twice", dft);
  operations.add("_window_envelope", "window steps hop", envelope);
  for (const [name, f] of Object.entries(WINDOWS)) {
    operations.add(name, "window_length periodic", (a, b) => {
      const n = a.int("window_length");
      const period = a.bool("periodic", true) ? n : Math.max(1, n - 1);
      const shape = [n];
      if (elementCount(shape) > LARGEST_TABLE) return notUnderstood(`a window of ${n} entries`);
      const entries = table(`${name} ${n} ${period}`, n, (i) => f((2 * Math.PI * i) / period));
      return b.constant({ shape, at: (i) => entries[i]! }, "float32");
    });
  }
}

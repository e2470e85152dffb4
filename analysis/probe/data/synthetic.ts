/**
 * @file Made-up tasks that fit a network's inputs and outputs: Gaussian classes for classifiers, a Markov chain for models of
 * tokens, inputs for a teacher of the same architecture for everything else. Equal seeds give equal data.
 */
import { elementCount, type Shape } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import type { WireTensor } from "../../runtime/protocol";
import type { SyntheticKind } from "../types";
import { type DataSet, type DataShape, typed } from "./dataset";

/** Most values of all inputs together: 64 MiB of float32. */
const MOST_VALUES = 2 ** 24;
/** Distance of class centres from the origin, in standard deviations of the noise per class direction. */
const SEPARATION = 2;

/** The task that fits. */
export function fittingTask(shape: DataShape): SyntheticKind {
  const tokens = shape.inputs.find((i) => i.type === "int64");
  if (shape.targets.type !== "int64") return "teacher";
  const perPosition = tokens && shape.targets.shape.length === tokens.shape.length && shape.targets.shape.length > 0;
  return perPosition && sameShape(shape.targets.shape, tokens.shape) ? "markov" : "mixture";
}

const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** How many rows to make: asked for, or a few thousand within bounds of memory. */
export function rowCount(shape: DataShape, batch: number, wanted?: number): number {
  const size = shape.inputs.reduce((n, i) => n + elementCount(i.shape), elementCount(shape.targets.shape));
  const limit = Math.max(2 * batch, Math.floor(MOST_VALUES / Math.max(1, size)));
  return Math.max(batch + 1, Math.min(limit, wanted ?? Math.max(1024, 8 * batch)));
}

/** Rows held out of `examples`. */
export function heldOut(examples: number, batch: number): number {
  return Math.min(Math.floor(examples / 5), 4 * batch) || 1;
}

/** Gaussian classes: a centre per class, the same for all rows of the class; token inputs are drawn from a class's own words. */
export function mixture(shape: DataShape, examples: number, training: number, seed: number): DataSet {
  const random = new Random(seed ^ 0x6d69);
  const classes = Math.max(2, shape.targets.classes);
  const perRow = elementCount(shape.targets.shape);
  const labels = new Float64Array(examples * perRow);
  const rowClass = Int32Array.from({ length: examples }, () => random.integer(classes));
  for (let n = 0; n < examples; n++) labels.fill(rowClass[n]!, n * perRow, (n + 1) * perRow);
  const inputs = new Map<string, WireTensor>();
  for (const input of shape.inputs) {
    const size = elementCount(input.shape);
    const full = [examples, ...input.shape];
    if (input.type === "bool") inputs.set(input.name, typed("bool", full, new Float64Array(examples * size).fill(1)));
    else if (input.type === "int64") {
      const words = Array.from({ length: classes }, () => cumulative(sharpened(input.bound, random)));
      const data = new Float64Array(examples * size);
      for (let n = 0; n < examples; n++) for (let i = 0; i < size; i++) data[n * size + i] = pick(words[rowClass[n]!]!, random);
      inputs.set(input.name, typed("int64", full, data));
    } else {
      const centres = Array.from({ length: classes }, () => centre(input.shape, random));
      const data = new Float32Array(examples * size);
      for (let n = 0; n < examples; n++) {
        const c = centres[rowClass[n]!]!;
        for (let i = 0; i < size; i++) data[n * size + i] = c[i]! + random.normal();
      }
      inputs.set(input.name, typed("float32", full, data));
    }
  }
  const targets = typed(shape.targets.type, [examples, ...shape.targets.shape], labels);
  const description = `${classes} Gaussian classes (made up, seed ${seed})`;
  return { inputs, targets, training, examples, description, notes: [] };
}

/**
 * A class centre. Its length is SEPARATION times the fourth root of the number of entries: the harder classes of large
 * inputs keep about the same overlap. Images get smooth centres, as blobs of a coarse grid.
 */
function centre(shape: Shape, random: Random): Float64Array {
  const size = elementCount(shape);
  const out = random.normals(size);
  const [height, width] = [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
  if (shape.length >= 3 && height >= 8 && width >= 8) {
    const planes = size / (height * width);
    for (let p = 0; p < planes; p++) {
      const coarse = random.normals(16);
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width; j++) {
          out[(p * height + i) * width + j] = coarse[Math.floor((4 * i) / height) * 4 + Math.floor((4 * j) / width)]!;
        }
      }
    }
  }
  let norm = 0;
  for (const v of out) norm += v * v;
  const length = (SEPARATION * size ** 0.25) / Math.sqrt(norm || 1);
  return out.map((v) => v * length);
}

/** A random distribution in which a few entries have most of the mass. */
function sharpened(n: number, random: Random): Float64Array {
  const out = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += out[i] = Math.exp(2 * random.normal());
  return out.map((v) => v / sum);
}

function cumulative(p: Float64Array): Float64Array {
  let sum = 0;
  return p.map((v) => (sum += v));
}

function pick(cumulated: Float64Array, random: Random): number {
  const u = random.uniform() * cumulated.at(-1)!;
  let [low, high] = [0, cumulated.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cumulated[middle]! > u) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Distinct rows of the transition matrix, for large vocabularies: word i follows the distribution of i modulo this number. */
const MOST_STATES = 512;

/** Sequences of a Markov chain; each position's target is the token that comes next. */
export function markov(shape: DataShape, examples: number, training: number, seed: number): DataSet {
  const random = new Random(seed ^ 0x6d61);
  const tokens = shape.inputs.find((i) => i.type === "int64")!;
  const vocabulary = Math.min(tokens.bound, shape.targets.classes);
  const rows = Array.from({ length: Math.min(vocabulary, MOST_STATES) }, () => cumulative(sharpened(vocabulary, random)));
  const length = elementCount(tokens.shape);
  const x = new Float64Array(examples * length);
  const y = new Float64Array(examples * length);
  for (let n = 0; n < examples; n++) {
    let token = random.integer(vocabulary);
    for (let t = 0; t < length; t++) {
      x[n * length + t] = token;
      token = pick(rows[token % rows.length]!, random);
      y[n * length + t] = token;
    }
  }
  const others = shape.inputs.filter((i) => i !== tokens);
  const inputs = new Map([[tokens.name, typed("int64", [examples, ...tokens.shape], x)]]);
  for (const [name, value] of plainInputs(others, examples, random)) inputs.set(name, value);
  const targets = typed("int64", [examples, ...shape.targets.shape], y);
  const description = `sequences of a Markov chain over ${vocabulary} tokens (made up, seed ${seed})`;
  return { inputs, targets, training, examples, description, notes: [] };
}

/** Standard normal inputs, uniform tokens, masks that let everything through. */
export function plainInputs(inputs: DataShape["inputs"], examples: number, random: Random): Map<string, WireTensor> {
  return new Map(
    inputs.map((input) => {
      const full = [examples, ...input.shape];
      const n = elementCount(full);
      if (input.type === "bool" || /mask/i.test(input.name))
        return [input.name, typed(input.type, full, new Float64Array(n).fill(1))];
      if (input.type === "int64") {
        return [
          input.name,
          typed(
            "int64",
            full,
            Float64Array.from({ length: n }, () => random.integer(input.bound)),
          ),
        ];
      }
      const data = new Float32Array(n);
      for (let i = 0; i < n; i++) data[i] = random.normal();
      return [input.name, typed("float32", full, data)];
    }),
  );
}

/**
 * Targets from a teacher's outputs: standardised numbers with noise, or for classifiers the class of the highest noisy score.
 * @param outputs the teacher's outputs [N, ..], class scores along `classAxis` (counted with the row axis) if it is not -1
 * @param noise standard deviation of the noise in units of that of the outputs
 */
export function teacherTargets(
  shape: DataShape,
  outputs: Float32Array,
  examples: number,
  classAxis: number,
  kind: "numbers" | "probabilities",
  noise: number,
  seed: number,
): WireTensor {
  const random = new Random(seed ^ 0x7465);
  let mean = 0;
  let square = 0;
  for (const v of outputs) mean += v / outputs.length;
  for (const v of outputs) square += (v - mean) ** 2 / outputs.length;
  const deviation = Math.sqrt(square) || 1;
  const noisy = outputs.map((v) => (v - mean) / deviation + noise * random.normal());
  const full = [examples, ...shape.targets.shape];
  if (shape.targets.type === "float32") {
    return typed(
      "float32",
      full,
      kind === "numbers" ? noisy : noisy.map((v) => (random.uniform() < 1 / (1 + Math.exp(-2 * v)) ? 1 : 0)),
    );
  }
  const classes = shape.targets.classes;
  const inner = elementCount(shape.targets.shape.slice(classAxis - 1));
  const count = elementCount(full);
  const labels = Float64Array.from({ length: count }, (_, k) => {
    const base = Math.floor(k / inner) * classes * inner + (k % inner);
    let best = 0;
    for (let c = 1; c < classes; c++) if (noisy[base + c * inner]! > noisy[base + best * inner]!) best = c;
    return best;
  });
  return typed("int64", full, labels);
}

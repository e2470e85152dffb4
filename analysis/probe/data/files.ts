/** @file The user's own data: .npz, .npy, CSV, and folders of image folders. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { elementCount } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import type { WireTensor } from "../../runtime/protocol";
import { type DataSet, type DataShape, typed } from "./dataset";
import { type NumpyArray, readNpy, readNpz } from "./numpy";
import { readJpeg } from "./jpeg";
import { type Image, readPng } from "./png";
import { heldOut } from "./synthetic";

/** The data do not fit or cannot be read: the file, what was expected, what to do. */
export class DataError extends Error {
  override readonly name = "DataError";
  constructor(file: string, message: string, options?: ErrorOptions) {
    super(`${file}: ${message}`, options);
  }
}

const TARGET_NAMES = ["y", "target", "targets", "label", "labels", "y_train", "train_y"];

/** Most images that are read from a folder. */
const MOST_IMAGES = 20_000;

/**
 * Reads data that fit a network. Rows are shuffled once, so that the held-out ones are like the others.
 * @throws DataError
 */
export function readData(file: string, shape: DataShape, batch: number, seed: number): DataSet {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat)
    throw new DataError(
      file,
      "it does not exist; name an .npz, .npy or .csv file, or a folder with a folder of images per class",
    );
  const notes: string[] = [];
  let arrays: { readonly inputs: ReadonlyMap<string, NumpyArray>; readonly targets: NumpyArray };
  try {
    if (stat.isDirectory()) arrays = fromImages(file, shape, notes);
    else if (/\.npz$/i.test(file)) arrays = fromNpz(readNpz(readFileSync(file)), shape);
    else if (/\.npy$/i.test(file)) arrays = fromNpy(readNpy(readFileSync(file)), shape);
    else if (/\.(csv|tsv|txt)$/i.test(file)) arrays = fromCsv(readFileSync(file, "utf8"), shape);
    else throw new Error("its kind is unknown; .npz, .npy, .csv and folders of image folders can be read");
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(file, error instanceof Error ? error.message : String(error), { cause: error });
  }
  const rows = arrays.targets.shape[0] ?? 0;
  if (rows < batch + 1)
    throw new DataError(file, `it has ${rows} rows; a batch of ${batch} and a row to hold out need ${batch + 1}`);
  const order = shuffled(rows, seed);
  const inputs = new Map<string, WireTensor>();
  for (const input of shape.inputs) {
    const array = arrays.inputs.get(input.name)!;
    const own = [rows, ...input.shape];
    if (array.shape[0] !== rows || array.data.length !== elementCount(own)) {
      throw new DataError(
        file,
        `the input ${input.name} wants rows of shape [${input.shape.join(", ")}]; it has [${array.shape.join(", ")}]`,
      );
    }
    inputs.set(input.name, typed(input.type, own, reordered(array.data, order)));
  }
  const own = [rows, ...shape.targets.shape];
  if (arrays.targets.data.length !== elementCount(own)) {
    throw new DataError(
      file,
      `targets should have the shape [${own.join(", ")}]; they have [${arrays.targets.shape.join(", ")}]`,
    );
  }
  if (shape.targets.type === "int64") {
    const { data } = arrays.targets;
    const wrong = data.findIndex((v) => !Number.isInteger(v) || v < 0 || v >= shape.targets.classes);
    if (wrong >= 0) {
      const row = Math.floor((wrong * rows) / data.length) + 1;
      throw new DataError(file, `row ${row}: the target ${data[wrong]} is not a class from 0 to ${shape.targets.classes - 1}`);
    }
  }
  for (const input of shape.inputs.filter((i) => i.type === "int64")) {
    const { data } = arrays.inputs.get(input.name)!;
    const wrong = data.findIndex((v) => !Number.isInteger(v) || v < 0 || v >= input.bound);
    if (wrong >= 0) {
      const row = Math.floor((wrong * rows) / data.length) + 1;
      throw new DataError(
        file,
        `row ${row}: the token ${data[wrong]} of ${input.name} is not a number from 0 to ${input.bound - 1}`,
      );
    }
  }
  const targets = typed(shape.targets.type, own, reordered(arrays.targets.data, order));
  const training = rows - heldOut(rows, batch);
  return {
    inputs,
    targets,
    training: Math.max(batch, training),
    examples: rows,
    description: `${path.basename(file)}, ${rows} rows`,
    notes,
  };
}

function shuffled(n: number, seed: number): Int32Array {
  const random = new Random(seed ^ 0x66);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    const t = order[i]!;
    order[i] = order[j]!;
    order[j] = t;
  }
  return order;
}

function reordered(data: ArrayLike<number>, order: Int32Array): Float64Array {
  const size = data.length / order.length;
  const out = new Float64Array(data.length);
  for (let r = 0; r < order.length; r++) for (let i = 0; i < size; i++) out[r * size + i] = data[order[r]! * size + i]!;
  return out;
}

/** Arrays by the names of the inputs, else by the usual names, else in order: inputs first, targets last. */
function fromNpz(arrays: ReadonlyMap<string, NumpyArray>, shape: DataShape) {
  const names = [...arrays.keys()];
  const target =
    names.find((n) => TARGET_NAMES.includes(n.toLowerCase())) ?? (names.length > shape.inputs.length ? names.at(-1) : undefined);
  const rest = names.filter((n) => n !== target);
  const inputs = new Map<string, NumpyArray>();
  shape.inputs.forEach((input, i) => {
    const name = arrays.has(input.name) ? input.name : rest[i];
    if (name === undefined) throw new Error(`it has no array for the input ${input.name}; it has ${names.join(", ")}`);
    inputs.set(input.name, arrays.get(name)!);
  });
  if (target === undefined) return { inputs, targets: ownTargets(inputs, shape) };
  return { inputs, targets: arrays.get(target)! };
}

/** Without targets a network learns its own input, where that has the shape of the output. */
function ownTargets(inputs: ReadonlyMap<string, NumpyArray>, shape: DataShape): NumpyArray {
  const [first] = inputs.values();
  const size = elementCount(shape.targets.shape);
  if (shape.targets.type === "float32" && first && first.data.length / first.shape[0]! === size) return first;
  throw new Error("it has no targets; add an array named y, or a column of targets at the end");
}

function fromNpy(array: NumpyArray, shape: DataShape) {
  return columns(array.shape[0] ?? 0, array.data, shape);
}

/** Rows of numbers: the inputs' entries, then the targets'. A first row that is no numbers is a heading. */
function fromCsv(text: string, shape: DataShape) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const cells = lines.map((line) => line.split(/[,;\t]/));
  const rows = cells.map((line) => line.map((cell) => (cell.trim() === "" ? Number.NaN : Number(cell))));
  const heading = rows[0]?.some(Number.isNaN) ? 1 : 0;
  rows.splice(0, heading);
  if (rows.length === 0) throw new Error("it has no rows of numbers");
  rows.forEach((row, r) => {
    const where = `line ${r + heading + 1}`;
    if (row.length !== rows[0]!.length)
      throw new Error(`${where} has ${row.length} columns; the lines before it have ${rows[0]!.length}`);
    const bad = row.findIndex(Number.isNaN);
    if (bad >= 0)
      throw new Error(
        `${where}, column ${bad + 1}: ${JSON.stringify(cells[r + heading]![bad]!.trim())} where a number is expected`,
      );
  });
  return columns(rows.length, Float64Array.from(rows.flat()), shape);
}

function columns(rows: number, data: Float32Array | Float64Array, shape: DataShape) {
  const width = data.length / rows;
  const part = (from: number, size: number): NumpyArray => {
    const out = new Float64Array(rows * size);
    for (let r = 0; r < rows; r++) for (let i = 0; i < size; i++) out[r * size + i] = data[r * width + from + i]!;
    return { shape: [rows, size], data: out };
  };
  const inputs = new Map<string, NumpyArray>();
  let at = 0;
  for (const input of shape.inputs) {
    const size = elementCount(input.shape);
    inputs.set(input.name, part(at, size));
    at += size;
  }
  const size = elementCount(shape.targets.shape);
  if (width === at) return { inputs, targets: ownTargets(inputs, shape) };
  if (width !== at + size) throw new Error(`its rows have ${width} numbers; the model takes ${at} and its targets ${size}`);
  return { inputs, targets: part(at, size) };
}

/** A folder per class, with PNG and JPEG images that are scaled to the input's size. */
function fromImages(folder: string, shape: DataShape, notes: string[]) {
  const [input] = shape.inputs;
  if (!input || input.shape.length !== 3)
    throw new Error("folders of images need a model with one input [batch, channels, height, width]");
  if (shape.targets.type !== "int64") throw new Error("folders of images need a classifier");
  const classes = readdirSync(folder, { withFileTypes: true })
    .filter((e) => e.isDirectory())
    .map((e) => e.name)
    .sort();
  if (classes.length === 0) throw new Error("it has no folders; one folder of images per class is expected");
  if (classes.length > shape.targets.classes) {
    throw new Error(`it has ${classes.length} classes, and the model ${shape.targets.classes} outputs`);
  }
  const [channels, height, width] = input.shape as [number, number, number];
  const images: Float32Array[] = [];
  const labels: number[] = [];
  let others = 0;
  classes.forEach((name, label) => {
    for (const file of readdirSync(path.join(folder, name)).sort()) {
      const read = /\.png$/i.test(file) ? readPng : /\.jpe?g$/i.test(file) ? readJpeg : undefined;
      if (!read) {
        if (/\.(webp|gif|bmp|tiff?)$/i.test(file)) others++;
        continue;
      }
      if (images.length >= MOST_IMAGES) return;
      const at = path.join(folder, name, file);
      try {
        images.push(fitted(read(readFileSync(at)), channels, height, width));
      } catch (error) {
        throw new DataError(at, error instanceof Error ? error.message : String(error), { cause: error });
      }
      labels.push(label);
    }
  });
  if (images.length === 0)
    throw new Error(
      `it has no PNG or JPEG images${others > 0 ? ` (${others} in other formats, which cannot be read: convert them to PNG)` : ""}`,
    );
  if (others > 0) notes.push(`${others} images that are neither PNG nor JPEG were left out`);
  const size = channels * height * width;
  const data = new Float32Array(images.length * size);
  // Pixels from -1 to 1, as after Normalize(0.5, 0.5).
  images.forEach((image, n) =>
    data.set(
      image.map((v) => 2 * v - 1),
      n * size,
    ),
  );
  return {
    inputs: new Map([[input.name, { shape: [images.length, size], data }]]),
    targets: { shape: [images.length], data: Float64Array.from(labels) },
  };
}

/** The image in the wanted size: what a pixel covers is averaged. Grey is repeated, colours are averaged. */
function fitted(image: Image, channels: number, height: number, width: number): Float32Array {
  const out = new Float32Array(channels * height * width);
  const area = image.height * image.width;
  const range = (i: number, from: number, to: number): readonly [number, number] => {
    const start = Math.floor((i * from) / to);
    return from < to
      ? [Math.floor(((i + 0.5) * from) / to), Math.floor(((i + 0.5) * from) / to) + 1]
      : [start, Math.max(start + 1, Math.floor(((i + 1) * from) / to))];
  };
  const mean = (channel: number, i: number, j: number): number => {
    const [top, bottom] = range(i, image.height, height);
    const [left, right] = range(j, image.width, width);
    let sum = 0;
    for (let y = top; y < bottom; y++)
      for (let x = left; x < right; x++) sum += image.data[channel * area + y * image.width + x]!;
    return sum / ((bottom - top) * (right - left));
  };
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        const value =
          image.channels === 1
            ? mean(0, i, j)
            : channels === 1
              ? (mean(0, i, j) + mean(1, i, j) + mean(2, i, j)) / 3
              : mean(c % 3, i, j);
        out[(c * height + i) * width + j] = value;
      }
    }
  }
  return out;
}

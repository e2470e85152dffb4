/** @file The data of a probe: the user's, or a task that fits. */
import { writeOnnx } from "../../frontends/onnx/write";
import { elementCount } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { toWire } from "../../runtime/values";
import type { WireTensors } from "../../runtime/protocol";
import { initialValues } from "../initial";
import type { DataSource } from "../types";
import type { Variant } from "../variant";
import type { ProbeProcess } from "../worker/process";
import { isNoise } from "../noise";
import { type DataSet, type DataShape, rowsOf, typed } from "./dataset";
import { readData } from "./files";
import { fittingTask, heldOut, markov, mixture, plainInputs, rowCount, teacherTargets } from "./synthetic";

/** Standard deviation of a teacher's noise, in units of that of its outputs. */
const TEACHER_NOISE = 0.1;
/** A teacher's weights are drawn by this much another seed than the first replica's. */
const TEACHER_SEED = 0x7ea;

/**
 * Data for a network.
 * @param worker runs the teacher, where there is one
 * @throws DataError, RuntimeFailure
 */
export async function provideData(
  variant: Variant,
  source: DataSource,
  seed: number,
  worker: () => ProbeProcess,
): Promise<DataSet> {
  const noise = variant.shape.inputs.filter((i) => isNoise(i.name));
  const shape = { ...variant.shape, inputs: variant.shape.inputs.filter((i) => !isNoise(i.name)) };
  const drawn = (examples: number) => plainInputs(noise, examples, new Random(seed ^ 0x6e01));
  const found = await provideInputs(variant, shape, source, seed, worker, drawn);
  return noise.length === 0 ? found : { ...found, inputs: new Map([...found.inputs, ...drawn(found.examples)]) };
}

/** The same without the numbers that the network draws for itself, which a teacher draws as well. */
async function provideInputs(
  variant: Variant,
  shape: DataShape,
  source: DataSource,
  seed: number,
  worker: () => ProbeProcess,
  drawn: (examples: number) => DataSet["inputs"],
): Promise<DataSet> {
  const { rows } = variant;
  if (source.kind === "path") return readData(source.path, shape, rows, seed);
  if (source.kind === "tensors") return given(shape, rows, source);
  const examples = rowCount(shape, rows, source.examples);
  const training = Math.max(rows, examples - heldOut(examples, rows));
  const task = source.task ?? fittingTask(shape);
  if (task === "mixture") return mixture(shape, examples, training, seed);
  if (task === "markov") return markov(shape, examples, training, seed);
  const inputs = plainInputs(shape.inputs, examples, new Random(seed ^ 0x7e));
  const outputs = await teach(variant, new Map([...inputs, ...drawn(examples)]), examples, seed, worker());
  const kind = variant.loss.kind === "bce" ? "probabilities" : "numbers";
  const noise = source.noise ?? TEACHER_NOISE;
  // A batch that is a row has its own batch axis behind the rows'.
  const classAxis = variant.loss.classAxis + (variant.batching === "rows" ? 0 : 1);
  const targets = teacherTargets(shape, outputs, examples, classAxis, kind, noise, seed);
  const description = `a teacher of the same architecture with noise ${noise} (made up, seed ${seed})`;
  return { inputs, targets, training, examples, description, notes: [] };
}

/** Outputs of the same architecture with other weights, batch by batch; rows behind the last whole batch overlap it. */
async function teach(
  variant: Variant,
  inputs: DataSet["inputs"],
  examples: number,
  seed: number,
  worker: ProbeProcess,
): Promise<Float32Array> {
  const graph = { ...variant.trainable.graph, outputs: [variant.loss.value] };
  const model = writeOnnx(graph, initialValues(variant.graph, seed ^ TEACHER_SEED));
  const { rows } = variant;
  const starts: number[] = [];
  for (let from = 0; from < examples; from += rows) starts.push(Math.min(from, examples - rows));
  const batches = starts.map((from): WireTensors => {
    const cut = ([name, t]: readonly [string, Parameters<typeof rowsOf>[0]]) => {
      const part = rowsOf(t, from, from + rows);
      return [name, variant.batching === "rows" ? part : { ...part, shape: part.shape.slice(1) }] as const;
    };
    return Object.fromEntries([...inputs].map(cut));
  });
  const found = await worker.run(model, {}, batches, { name: "cpu", threads: 1 });
  const size = elementCount(graph.types.get(variant.loss.value)!.shape!) / rows;
  const out = new Float32Array(examples * size);
  starts.forEach((from, i) => out.set(found[i]![variant.loss.value]!.data as Float32Array, from * size));
  return out;
}

/** Tensors of the caller; they have to fit. */
function given(shape: DataShape, rows: number, source: Extract<DataSource, { kind: "tensors" }>): DataSet {
  const examples = source.targets.shape[0] ?? 0;
  const inputs = new Map(
    shape.inputs.map((input) => {
      const own = source.inputs.get(input.name);
      if (!own)
        throw new RangeError(
          `${source.name}: the input ${input.name} is missing; it has ${[...source.inputs.keys()].join(", ")}`,
        );
      const wanted = [examples, ...input.shape];
      if (own.data.length !== elementCount(wanted)) {
        throw new RangeError(
          `${source.name}: ${input.name} has the shape [${own.shape.join(", ")}], expected [${wanted.join(", ")}]`,
        );
      }
      return [input.name, toWire({ ...own, shape: wanted, type: input.type })] as const;
    }),
  );
  if (examples < rows) throw new RangeError(`${source.name} has ${examples} rows, fewer than a batch of ${rows}`);
  const targets = typed(shape.targets.type, [examples, ...shape.targets.shape], source.targets.data);
  const training = Math.max(rows, examples - heldOut(examples, rows));
  return { inputs, targets, training, examples, description: `${source.name}, ${examples} rows`, notes: [] };
}

/**
 * @file Shifts random biases so that every rectifier sees both signs, and widens what feeds a function with two kinks so that
 * it sees all three pieces. With plain random biases, deep rectifiers are often on (or off) for all inputs, and a clip may never
 * meet its upper bound; the Jacobian has extra null directions then that belong to that draw of weights only.
 */
import { strides, type Tensor } from "../../graph/tensor";
import type { Node } from "../../graph/graph";
import { operatorsThat } from "../../operators/movers";
import type { Random } from "../../numerics/random";
import { kinksOf } from "./kinks";
import type { Network, Step } from "./network";
import { randomInput } from "./random-inputs";
import { type Bias, biasOf, type Rows, rowsBehind, rowsOf, scaleOf } from "./affine";

/** Operators that move entries of their first input and leave each by itself, so that its kink is that of the entry behind it. */
const MOVEMENT: ReadonlySet<string> = operatorsThat("reshapes", "transposes", "regroups", "picks");
/** Random batches that a kink is set by, and so many more that there are at least this many samples. */
const BATCHES = 6;
const SAMPLES = 24;
/**
 * Width of the range of quantiles around the median in which the kink is set. Quantiles and not distances: what a
 * normalisation writes has a few far outliers in narrow networks, and a kink beyond all others is off on other inputs.
 */
const JITTER = 0.25;

/** Part of their size by which entries have to differ for their spread to be more than rounding. */
const LEAST_SPREAD = 1e-6;
/** Part of the entries that has to be beyond a kink for it to count as seen, where nothing can be widened. */
const SEEN = 0.1;

/**
 * Moves the biases in `weights` that feed a kink directly, so that each entry's inputs have a median near it; where there are
 * several kinks, scales what the biases are added to as well, so that entries fall on all sides of all of them.
 * @param level the quantile of the entries that comes to lie on the kink, where there is one
 */
export function centreKinks(network: Network, weights: Map<string, Float64Array>, random: Random, level = 0.5): void {
  const { kinked, chosen } = kinkedValues(network);
  const isBiased = ({ node }: Step): boolean => node.operator === "Add" && kinked.has(node.outputs[0]!);
  const isBare = ({ node }: Step): boolean => kinked.has(node.outputs[0]!) && rowsOf(network, node) !== undefined;
  if (!network.steps.some((s) => isBiased(s) || isBare(s))) return;
  // What a shared bias shifts where it is read first was calibrated before it moved, and is once more, with it as it is.
  const batches = Math.max(BATCHES, Math.ceil(SAMPLES / samplesOf(network)));
  const late = calibrate(new Set());
  if (late.size > 0) calibrate(late);

  function calibrate(fixed: ReadonlySet<string>): ReadonlySet<string> {
    const late = new Set<string>();
    const runs = Array.from({ length: batches }, () => {
      const values = new Map<string, Tensor>(network.graph.constants);
      for (const input of network.inputs) values.set(input.name, randomInput(network, input, random));
      for (const p of network.graph.parameters.values()) {
        values.set(p.name, { type: "float64", shape: p.shape, data: weights.get(p.name)! });
      }
      return values;
    });
    const moved = new Set(fixed);
    const done = new Set<Node>();
    for (const step of network.steps) {
      for (const values of runs) evaluateStep(step, values);
      done.add(step.node);
      const { node } = step;
      const kinks = kinked.get(node.outputs[0]!);
      if (!kinks) continue;
      const bias = node.operator === "Add" ? biasOf(network, step, moved) : undefined;
      if (!bias) {
        // No bias, or one that others have as well, and that was moved for them.
        const own = rowsOf(network, node);
        const behind = own ? { step, rows: own } : node.operator === "Add" ? rowsBehind(network, step) : undefined;
        if (!behind || moved.has(behind.rows.parameter)) continue;
        moved.add(behind.rows.parameter);
        const oneSided = chosen.has(node.outputs[0]!) ? 0 : own ? ONE_SIDED : Math.max(level, 1 - level) + JITTER;
        if (!turnRows(network, { ...behind, sum: node.outputs[0]!, oneSided }, kinks, { weights, runs, random, level })) continue;
        const from = network.steps.indexOf(behind.step);
        const again = network.steps.slice(from, network.steps.indexOf(step) + 1);
        for (const values of runs) for (const s of [...behind.rows.path, ...again]) evaluateStep(s, values);
        continue;
      }
      moved.add(bias.parameter);
      const carried = [bias.parameter, ...bias.path.slice(0, -1).map((s) => s.node.outputs[0]!)];
      const isOwn = (reader: Node): boolean => bias.path.some((s) => s.node === reader);
      if (carried.some((v) => network.consumers(v).some((n) => !isOwn(n) && done.has(n)))) late.add(bias.parameter);
      const data = weights.get(bias.parameter)!;
      const largest = maximumBehind(network, node.outputs[0]!);
      const seen = entriesByBias(
        runs.map((values) => {
          const entries = values.get(node.outputs[0]!)!;
          return largest ? largest(entries, values) : entries;
        }),
        bias,
        data.length,
      );
      const scale = kinks.length > 1 ? scaleOf(network, step, bias) : undefined;
      const isConstant = !network.isActivation(node.outputs[0]!);
      // Runs hold the arrays themselves, so that their later steps see the change.
      seen.forEach((entries, k) => {
        if (entries.length === 0) return;
        entries.sort((a, b) => a - b);
        const { factor, shift } = isConstant
          ? { factor: 1, shift: kinks[0]! - someGap([...new Set(entries)], random) }
          : placed(entries, kinks, scale !== undefined, random, level);
        scale?.multiply(weights, k, factor);
        data[k] = factor * data[k]! + shift;
      });
      for (const values of runs) for (const again of [...(scale?.path ?? []), ...bias.path]) evaluateStep(again, values);
    }
    return late;
  }
}

/** Samples in one batch; 1 where the inputs have no first axis in common. */
function samplesOf({ inputs }: Network): number {
  const first = inputs[0]?.shape[0] ?? 1;
  return inputs.every((i) => i.shape[0] === first) ? Math.max(1, first) : 1;
}

/** Part of the entries on one side of all kinks from which on a unit without a bias counts as off, or on, for good. */
const ONE_SIDED = 0.95;

/**
 * Turns the rows of weights without a bias of their own whose sums are on one side of the kinks for nearly all inputs, as happens
 * where the inputs are positive: less of the mean input, so that the median is where the kink is.
 * @param sum what the kinked function reads: the contraction itself, or a sum of it and others
 */
function turnRows(
  network: Network,
  { step, rows, sum, oneSided }: { readonly step: Step; readonly rows: Rows; readonly sum: string; readonly oneSided: number },
  kinks: readonly number[],
  { weights, runs, random, level }: Calibration,
): boolean {
  const seen = entriesAlong(
    runs.map((values) => values.get(sum)!),
    rows.outputAxis,
  );
  const given = entriesAlong(
    runs.map((values) => values.get(step.node.inputs[0]!)!),
    rows.inputAxis,
  ).map((entries) => entries.reduce((total, x) => total + x, 0) / entries.length);
  const own = entriesAlong(
    runs.map((values) => values.get(step.node.outputs[0]!)!),
    rows.outputAxis,
  );
  const mean = (entries: readonly number[]): number => entries.reduce((total, x) => total + x, 0) / entries.length;
  const data = weights.get(rows.parameter)!;
  let any = false;
  seen.forEach((entries, k) => {
    const below = entries.filter((x) => x < kinks[0]!).length / entries.length;
    const above = entries.filter((x) => x > kinks.at(-1)!).length / entries.length;
    const square = given.reduce((total, m, i) => total + m * m * rows.entries(k, i).length, 0);
    const isBlind = kinks.length > 1 && Math.min(below, above) === 0;
    if (!((isBlind || Math.max(below, above) > oneSided) && square > 0)) return;
    any = true;
    const offset = mean(entries) - mean(own[k]!);
    const { factor, shift } = placed(
      entries.map((x) => x - offset).sort((a, b) => a - b),
      kinks.map((x) => x - offset),
      kinks.length > 1,
      random,
      level,
    );
    given.forEach((m, i) => {
      for (const e of rows.entries(k, i)) data[e] = factor * data[e]! + (shift * m) / square;
    });
  });
  return any;
}

/** What kinks are set with. */
interface Calibration {
  readonly weights: Map<string, Float64Array>;
  readonly runs: readonly Map<string, Tensor>[];
  readonly random: Random;
  readonly level: number;
}

/** The entries of tensors by their index along an axis. */
function entriesAlong(tensors: readonly Tensor[], axis: number): number[][] {
  const out: number[][] = [];
  for (const { shape, data } of tensors) {
    const stride = shape.slice(axis + 1).reduce((n, d) => n * d, 1);
    for (let i = 0; i < data.length; i++) (out[Math.floor(i / stride) % shape[axis]!] ??= []).push(data[i]!);
  }
  return out;
}

/**
 * A place between two of the ascending entries. What depends on no input (offsets of positions that a small perceptron reads)
 * has these and no others: with all kinks in one gap, or on an entry, units would be alike. Mostly near the middle: of a unit that
 * is on, or off, for one or two entries the weights are not told apart.
 */
function someGap(entries: readonly number[], random: Random): number {
  const gaps = Math.max(1, entries.length - 1);
  const k = Math.floor((random.integer(gaps) + random.integer(gaps) + 1) / 2);
  return (entries[k]! + entries[Math.min(k + 1, entries.length - 1)]!) / 2;
}

/** How entries, in ascending order, have to be scaled and then shifted to fall on all sides of some kinks. */
function placed(
  entries: readonly number[],
  kinks: readonly number[],
  scales: boolean,
  random: Random,
  level: number,
): { readonly factor: number; readonly shift: number } {
  const jitter = () => JITTER * (random.uniform() - 0.5);
  const at = (q: number): number => entries[Math.min(entries.length - 1, Math.floor(entries.length * q))]!;
  const [first, last] = [kinks[0]!, kinks.at(-1)!];
  const middle = at(level * (1 + 2 * jitter()));
  if (first === last) return { factor: 1, shift: first - middle };
  // Between two kinks lies the middle half, or more of them where rectifiers are on more often.
  const [low, high] = [level / 2, 1 - level / 2].map((q) => at(q + 2 * level * jitter())) as [number, number];
  // What hardly changes is off for nearly all inputs: making it larger would magnify rounding.
  if (scales && high - low > LEAST_SPREAD * Math.max(Math.abs(low), Math.abs(high))) {
    const factor = (last - first) / (high - low);
    return { factor, shift: first - factor * low };
  }
  const centred = (first + last) / 2 - middle;
  const sees = at(SEEN) + centred < first && at(1 - SEEN) + centred > last;
  return { factor: 1, shift: sees ? centred : first - middle };
}

/** Operators whose derivative jumps: where each side is seen depends on the weights. */
const BROKEN: ReadonlySet<string> = new Set(["ReduceMax", "ReduceMin", "MaxPool", "Max", "Min", "TopK", "Where"]);

/** Whether the derivatives of some value of a network jump. */
export function hasKinks(network: Network): boolean {
  return network.steps.some(({ node }) => isBroken(network, node));
}

/** Whether the derivative of what a node computes jumps. */
export function isBroken(network: Network, node: Node): boolean {
  return (
    (BROKEN.has(node.operator) || kinksOf(network, node) !== undefined) && node.inputs.some((i) => network.kind(i) !== "constant")
  );
}

const RECTIFIERS: ReadonlySet<string> = new Set(["Relu", "LeakyRelu", "Max"]);

/** Values that kinked operators read. */
interface Kinked {
  /** With all their kinks in order. */
  readonly kinked: Map<string, readonly number[]>;
  /** Those of them among whose entries something is chosen. */
  readonly chosen: ReadonlySet<string>;
}

/** Values whose entries a kinked operator reads, directly or after they were moved about. */
function kinkedValues(network: Network): Kinked {
  const out = new Map<string, readonly number[]>();
  const chosen = new Set<string>();
  const add = (value: string, kinks: readonly number[]): void => {
    out.set(
      value,
      [...new Set([...(out.get(value) ?? []), ...kinks])].sort((a, b) => a - b),
    );
  };
  for (const { node } of [...network.steps].reverse()) {
    const own = kinksOf(network, node);
    const behind = out.get(node.outputs[0]!);
    // A rectifier hands on what is above its kink: a bound behind it is one of its own (ReLU6 as Min(Relu(x), 6)).
    const bounds = own && RECTIFIERS.has(node.operator) ? (behind ?? []).filter((k) => k > own.at(-1)!) : [];
    if (own) for (const i of node.inputs) add(i, [...own, ...bounds]);
    // Each piece of a maximum has to be the largest now and then: all get the same median.
    else if (EXTREMA.has(node.operator)) add(node.inputs[0]!, behind ?? [0]);
    // So has what is chosen (an expert, a code), or weights behind it are read by nothing at that draw.
    else if (CHOICES.has(node.operator) || (ORDERED.has(node.operator) && chosen.has(node.outputs[0]!))) {
      add(node.inputs[0]!, [0]);
      chosen.add(node.inputs[0]!);
    } else if (node.operator === "Concat" && behind) for (const i of node.inputs) add(i, behind);
    else if (MOVEMENT.has(node.operator) && behind) add(node.inputs[0]!, behind);
  }
  return { kinked: out, chosen };
}

/**
 * Where only the largest of several rectified entries is read (a maximum over places), the kink has to be seen by the largest
 * ones: takes the same maximum before the rectifier, which is the same as after it. Undefined where there is none.
 */
function maximumBehind(
  network: Network,
  value: string,
): ((entries: Tensor, values: ReadonlyMap<string, Tensor>) => Tensor) | undefined {
  const [rectifier, ...others] = network.consumers(value);
  if (others.length > 0 || !rectifier || !MONOTONE.has(rectifier.operator)) return undefined;
  const [reader, ...more] = network.consumers(rectifier.outputs[0]!);
  const step = reader && network.producer(reader.outputs[0]!);
  if (more.length > 0 || !step || !MAXIMA.has(step.node.operator) || network.outputs.includes(rectifier.outputs[0]!))
    return undefined;
  const node = {
    ...step.node,
    attributes: { ...step.node.attributes, ...(step.node.operator === "ReduceMax" ? { keepdims: 1 } : {}) },
  };
  return (entries, values) => step.operator.evaluate(node, [entries, ...step.node.inputs.slice(1).map((i) => values.get(i))])[0]!;
}

const MONOTONE: ReadonlySet<string> = new Set(["Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Clip"]);
const MAXIMA: ReadonlySet<string> = new Set(["ReduceMax", "MaxPool", "GlobalMaxPool"]);
const EXTREMA: ReadonlySet<string> = new Set([...MAXIMA, "ReduceMin"]);
const CHOICES: ReadonlySet<string> = new Set(["TopK", "ArgMax", "ArgMin"]);
/** What comes out is in the order of what goes in; entries less their mean, and divided by their length, are what normal forms choose among. */
const ORDERED: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax", "Sigmoid", "Sub", "Div"]);

function evaluateStep(step: Step, values: Map<string, Tensor>): void {
  const out = step.operator.evaluate(
    step.node,
    step.node.inputs.map((i) => (i === "" ? undefined : values.get(i))),
  );
  step.node.outputs.forEach((o, i) => {
    if (o !== "" && out[i]) values.set(o, out[i]!);
  });
}

/**
 * The entries of tensors, gathered by the entry of the parameter, of `count` entries, that is added to them, without those that are
 * not finite: a norm of what is the same everywhere.
 */
function entriesByBias(tensors: readonly Tensor[], bias: Bias, count: number): number[][] {
  const biasStrides = strides(bias.shape);
  const out: number[][] = Array.from({ length: count }, () => []);
  for (const { shape, data } of tensors) {
    const own = strides(shape);
    for (let i = 0; i < data.length; i++) {
      let k = 0;
      for (let axis = 0; axis < bias.shape.length; axis++) {
        const at = shape.length - bias.shape.length + axis;
        if (bias.shape[axis]! > 1) k += (Math.floor(i / own[at]!) % shape[at]!) * biasStrides[axis]!;
      }
      if (Number.isFinite(data[i]!)) out[bias.source?.[k] ?? k]!.push(data[i]!);
    }
  }
  return out;
}

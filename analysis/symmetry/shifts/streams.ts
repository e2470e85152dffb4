/**
 * @file Residual streams as cuts. Every block reads the whole sum of all writers before it; cutting the stream after each sum
 * keeps the cost of a deep network linear. A writer may move a stream by any function along directions that no reader
 * sees (all norms take the mean away, a narrow head has a kernel), so equations of a stream hold modulo those.
 */
import { elementCount } from "../../graph/tensor";
import type { Node } from "../../graph/graph";
import { Matrix } from "../../numerics/matrix";
import type { Random } from "../../numerics/random";
import { nullSpace } from "../../numerics/rank";
import type { Network, Step } from "../counting/network";
import { Program } from "../counting/program";
import type { Channels } from "../fields/channels";
import { isGlue, isParameterContraction, isStream } from "../fields/edges";
import type { ParameterValues } from "../symmetry";
import { readerSources } from "./cells";

const TOLERANCE = { relative: 1e-9, absolute: 1e-9 } as const;
/** Random patterns over positions by which a reader is seen. */
const PATTERNS = 2;
/** Activations of readers, entries times channels, above which narrow readers are not looked for: cost is their product. */
const MOST_ENTRIES = 4_000_000;
/** Weights that write a value above which it is not looked at whole: the cost is cubic in their number. */
const MOST_PARAMETERS = 600;
/** Trainable entries up to which no stream is cut: what its writers do together shows only where none is. */
const UNCUT = 500;
/** Operators that hand on functions which their channels have in common: of their writers as of those of a sum. */
const HANDING_ON: ReadonlySet<string> = new Set(["ReduceMax", "Max", "MaxPool", "MatMul"]);

/**
 * For each stream what its readers see of its channels: an orthonormal basis, one direction per row. Also for other values
 * that sums, contractions and maxima write, where readers of fewer channels see not all of them.
 */
export function streamReadings(
  network: Network,
  weights: ParameterValues,
  channels: (value: string) => Channels,
  random: Random,
): Map<string, Matrix> {
  const out = new Map<string, Matrix>();
  const glue = new Set(network.steps.filter((s) => isGlue(network, s)).map((s) => s.node));
  const streams =
    network.parameterCount <= UNCUT
      ? []
      : network.steps.filter((s) => glue.has(s.node) && isStream(network, s)).map((s) => s.node.outputs[0]!);
  const isCut = new Set(streams);
  const sources = readerSources(network);
  const isWritten = ({ node }: Step): boolean =>
    glue.has(node) || isParameterContraction(network, node) || HANDING_ON.has(node.operator);
  const written = network.steps
    .filter((s) => sources.has(s.node.outputs[0] ?? "") && isWritten(s) && !isCut.has(s.node.outputs[0]!))
    .map((s) => s.node.outputs[0]!);
  const borders = new Set(streams);
  for (const { node } of network.steps)
    if (!glue.has(node) && !isReader(network, node)) for (const o of node.outputs) if (network.isActivation(o)) borders.add(o);
  // Readers come later: what the next stream shows of this one is known by then.
  for (const value of [...streams].reverse()) {
    out.set(value, seenOf(value) ?? Matrix.identity(channels(value).count));
  }
  const cuts = new Set([...streams, ...sources]);
  for (const value of written) {
    if (parametersBefore(network, value, cuts, weights) > MOST_PARAMETERS) continue;
    const seen = seenOf(value);
    if (seen && seen.rows < seen.columns) out.set(value, seen);
  }
  return out;

  function seenOf(value: string): Matrix | undefined {
    const own = channels(value);
    const targets = readersThroughGlue(network, value, glue, isCut);
    if (own.count < 2 || targets.has(value) || own.kinds.some((k) => k !== own.kinds[0])) return undefined;
    const size = [...targets].reduce((n, t) => n + elementCount(network.shape(t)), 0);
    if (size * own.count > MOST_ENTRIES) return undefined;
    const rows = [...targets].flatMap((target) =>
      readingRows(network, weights, value, own, target, borders, random, out.get(target), channels),
    );
    const hidden = nullSpace(Matrix.stacked(rows, own.count), TOLERANCE);
    return nullSpace(hidden.transpose(), TOLERANCE).transpose();
  }
}

/** Number of trainable entries that write a value from the cuts above it. */
function parametersBefore(network: Network, value: string, cuts: ReadonlySet<string>, weights: ParameterValues): number {
  const trainable = new Set(network.trainable);
  const above = new Set(cuts);
  above.delete(value);
  const { leaves } = new Program(network, [value], above);
  return leaves.reduce((n, p) => n + (trainable.has(p) ? weights.get(p)!.length : 0), 0);
}

/** The values, behind glue and weights only, at which something else (or another stream) reads the value. */
function readersThroughGlue(
  network: Network,
  value: string,
  glue: ReadonlySet<unknown>,
  streams: ReadonlySet<string>,
): Set<string> {
  const out = new Set<string>();
  const seen = new Set<string>();
  const stack = [value];
  while (stack.length > 0) {
    const at = stack.pop()!;
    if (seen.has(at)) continue;
    seen.add(at);
    if (network.outputs.includes(at)) out.add(at);
    for (const node of network.consumers(at)) {
      const next = node.outputs[0]!;
      if (!glue.has(node) && !isReader(network, node)) out.add(at);
      else if (streams.has(next)) out.add(next);
      else stack.push(next);
    }
  }
  return out;
}

/** Whether a node contracts one activation with parameters. */
function isReader(network: Network, node: Node): boolean {
  return isParameterContraction(network, node) && node.inputs.filter((i) => network.isActivation(i)).length === 1;
}

/** How the target moves with the channels of the stream, in the directions that the target's own readers see. */
function readingRows(
  network: Network,
  weights: ParameterValues,
  value: string,
  own: Channels,
  target: string,
  borders: ReadonlySet<string>,
  random: Random,
  seen: Matrix | undefined,
  channels: (value: string) => Channels,
): Matrix[] {
  const known = new Set([...borders, value]);
  known.delete(target);
  const program = new Program(network, [target], known);
  const values = program.evaluate((leaf) => {
    const parameter = network.graph.parameters.get(leaf);
    if (parameter) return { type: "float64", shape: parameter.shape, data: weights.get(leaf)! };
    const shape = network.shape(leaf);
    return { type: "float64", shape, data: new Float64Array(elementCount(shape)) };
  });
  const size = elementCount(network.shape(value));
  return Array.from({ length: PATTERNS }, () => {
    const pattern = random.normals(own.entries[0]?.length ?? 0);
    const columns = own.entries.map((entries) => {
      const x = new Float64Array(size);
      entries.forEach((e, p) => {
        x[e] = pattern[p]!;
      });
      const moved = program.differentiate(values, value, x)[0]?.data ?? new Float64Array(elementCount(network.shape(target)));
      return seen ? visible(moved, channels(target), seen) : Float64Array.from(moved);
    });
    return Matrix.fromColumns(columns);
  });
}

/** What is seen of a tensor's channels, position by position. */
function visible(data: Float64Array, { entries }: Channels, seen: Matrix): Float64Array {
  const positions = entries[0]?.length ?? 0;
  const out = new Float64Array(positions * seen.rows);
  for (let p = 0; p < positions; p++) {
    for (let k = 0; k < seen.rows; k++) {
      let sum = 0;
      for (let c = 0; c < seen.columns; c++) sum += seen.get(k, c) * data[entries[c]![p]!]!;
      out[p * seen.rows + k] = sum;
    }
  }
  return out;
}

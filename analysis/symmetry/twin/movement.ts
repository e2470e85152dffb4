/** @file Sizing of movement: Reshape, Expand, Slice, Gather, Tile and the exchange of channels and space. */
import { numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { int64Vector, type Tensor } from "../../graph/tensor";
import type { Sizing, SizingRule } from "./sizing";
import { atomsOf, blamed, fixed, keptEntries, newSize, oldSize, open, SizeConflict, type SizedAxis, UNIT } from "./sizes";
import { axisOfGather, isRun } from "./survey";

/** The new sizes of axes as a shape operand. */
function target(axes: readonly SizedAxis[]): Tensor {
  return int64Vector(axes.map((a) => newSize(a)!));
}

function reshape(s: Sizing): void {
  s.operand(1);
  const out = s.algebra.reshape(s.input(0), s.shape(0), s.outputShape());
  s.output(out);
  s.rewrite((name) => ({ inputs: [s.node.inputs[0]!, name(target(out))], attributes: {} }));
}

function expandTo(s: Sizing): void {
  s.operand(1);
  const from = s.shape(0);
  const shape = s.outputShape();
  const shift = shape.length - from.length;
  const input = s.input(0);
  const out = shape.map((n, i) => (i >= shift && from[i - shift] === n ? input[i - shift]! : s.fresh(n)));
  s.output(out);
  s.rewrite((name) => ({ inputs: [s.node.inputs[0]!, name(target(out))] }));
}

/** Where one axis is sliced in the twin. */
interface Bounds {
  readonly axis: number;
  readonly step: number;
  start(): number;
  end(): number;
}

function slice(s: Sizing): void {
  const parts = s.survey.parts(s.node);
  const axes = [...s.input(0)];
  const shape = s.shape(0);
  const outShape = s.outputShape();
  if (!parts) {
    // Bounds that are data: nothing can be cut off of what they may reach.
    for (const [i, a] of axes.entries()) if (shape[i] !== 1) s.algebra.bind(a, shape[i]!);
    s.output(outShape.map((n) => fixed(n, n)));
    return;
  }
  for (let i = 1; i < s.node.inputs.length; i++) s.operand(i);
  const bounds: Bounds[] = [];
  for (const { axis, start, step } of parts) {
    const n = shape[axis]!;
    const length = outShape[axis]!;
    if (step === 1 && length === n) continue;
    const whole = axes[axis]!;
    if (step === 1) {
      const cuts = s.survey.cuts(s.node.inputs[0]!, axis);
      const least = s.survey.least(s.node.inputs[0]!, axis);
      const [left] = s.algebra.cut(whole, start, [...cuts, start, start + length], least);
      const part = s.algebra.slice(whole, start, start + length, cuts, least);
      axes[axis] = length === 1 ? single(s, part) : part;
      const begin = () => newSize(left) ?? 0;
      bounds.push({ axis, step, start: begin, end: () => begin() + newSize(axes[axis]!)! });
    } else {
      const strided = stride(s, whole, n, length, start, step);
      axes[axis] = strided.out;
      bounds.push({ axis, step, ...strided });
    }
  }
  s.output(axes);
  s.rewrite((name) => {
    const list = (value: (b: Bounds) => number) => name(int64Vector(bounds.map(value)));
    const inputs = [s.node.inputs[0]!, list((b) => b.start()), list((b) => b.end()), list((b) => b.axis), list((b) => b.step)];
    return { inputs, attributes: {} };
  });
}

/** A single entry stays a single entry. */
function single(s: Sizing, part: SizedAxis): SizedAxis {
  if (s.algebra.close(part) !== 1) throw new SizeConflict("a single entry would become several", blamed(part));
  return UNIT;
}

function stride(
  s: Sizing,
  whole: SizedAxis,
  n: number,
  length: number,
  start: number,
  step: number,
): { out: SizedAxis; start(): number; end(): number } {
  if (step === -1 && length === n) {
    return { out: whole, start: () => newSize(whole)! - 1, end: () => -2147483648 };
  }
  if (step < 0) {
    s.algebra.bind(whole, n);
    return { out: fixed(length, length), start: () => start, end: () => start + step * length };
  }
  const inner = whole.segments[0];
  if (start < step && length * step === n && whole.segments.length === 1 && (inner!.length > 1 || newSize(whole) === undefined)) {
    const [outer, period] = s.algebra.split(whole, [length, step]) as [SizedAxis, SizedAxis];
    s.algebra.bind(period, step);
    return { out: outer, start: () => start, end: () => newSize(whole)! };
  }
  const value = s.algebra.close(whole);
  const first = n === value ? start : start % step;
  const count = n === value ? length : Math.ceil((value - first) / step);
  if (count < 1) throw new SizeConflict(`${value} entries are too few for steps of ${step}`);
  return { out: fixed(length, count), start: () => first, end: () => (n === value ? start + step * (length - 1) + 1 : value) };
}

function gather(s: Sizing): void {
  const shape = s.shape(0);
  const at = axisOfGather(s.node, shape.length);
  const n = shape[at]!;
  const axes = s.input(0);
  const whole = axes[at]!;
  const indices = s.constant(1);
  const around = (axis: readonly SizedAxis[]) => [...axes.slice(0, at), ...axis, ...axes.slice(at + 1)];
  if (!indices) {
    return s.output(around(s.input(1)));
  }
  const list = Array.from(indices.data, (i) => (i < 0 ? i + n : i));
  const cuts = s.survey.cuts(s.node.inputs[0]!, at);
  const rewriteIndices = (shapeOf: () => readonly number[], make: () => readonly number[]) => {
    s.operand(1);
    s.rewrite((name) => {
      const data = Float64Array.from(make());
      return { inputs: [s.node.inputs[0]!, name({ type: indices.type, shape: shapeOf(), data })] };
    });
  };
  if (indices.shape.length === 0) {
    s.output(around([]));
    const position = placeOf(s, whole, n, list[0]!, cuts);
    return rewriteIndices(
      () => [],
      () => [position()],
    );
  }
  if (indices.shape.length === 1 && list.length > 0 && isRun(list)) {
    const least = s.survey.least(s.node.inputs[0]!, at);
    const [left] = s.algebra.cut(whole, list[0]!, [...cuts, list[0]!, list[0]! + list.length], least);
    const part = s.algebra.slice(whole, list[0]!, list[0]! + list.length, cuts, least);
    const out = list.length === 1 ? single(s, part) : part;
    s.output(around([out]));
    const range = () => Array.from({ length: newSize(out)! }, (_, i) => (newSize(left) ?? 0) + i);
    return rewriteIndices(() => [newSize(out)!], range);
  }
  if (indices.shape.length === 1 && atomsOf(whole).length > 0) {
    const runs = runsOf(list).map(([from, to]) => ({
      left: s.algebra.cut(whole, from)[0],
      part: s.algebra.slice(whole, from, to),
    }));
    const out = s.algebra.concat(runs.map((r) => r.part));
    s.output(around([out]));
    const positions = () =>
      runs.flatMap(({ left, part }) => Array.from({ length: newSize(part)! }, (_, i) => (newSize(left) ?? 0) + i));
    return rewriteIndices(() => [newSize(out)!], positions);
  }
  table(s, whole, indices, list, around, rewriteIndices);
}

/** A table is looked up by constant indices (relative positions): as many rows as the indices that are left tell apart. */
function table(
  s: Sizing,
  whole: SizedAxis,
  indices: Tensor,
  list: readonly number[],
  around: (axes: readonly SizedAxis[]) => readonly SizedAxis[],
  rewriteIndices: (shape: () => readonly number[], make: () => readonly number[]) => void,
): void {
  const out = indices.shape.map((m) => open(m));
  s.output(around(out));
  const left = (): number[] => {
    const picks = out.map((axis) => (axis === UNIT ? [0] : keptEntries(axis)));
    let offsets = [0];
    picks.forEach((p, k) => {
      const m = indices.shape[k]!;
      offsets = offsets.flatMap((base) => p.map((i) => base * m + i));
    });
    return offsets.map((o) => list[o]!);
  };
  const ranks = (values: readonly number[]) => new Map([...new Set(values)].sort((a, b) => a - b).map((v, i) => [v, i]));
  rewriteIndices(
    () => out.map((a) => newSize(a)!),
    () => {
      const values = left();
      const rank = ranks(values);
      const rows = newSize(whole)!;
      return rows === oldSize(whole) ? values : values.map((v) => rank.get(v)! % rows);
    },
  );
  if (s.reach === "channels" && newSize(whole) === undefined) s.algebra.close(whole);
  if (newSize(whole) === undefined) {
    s.later(() => {
      if (newSize(whole) !== undefined) return;
      for (const a of out) s.algebra.close(a);
      s.algebra.bind(whole, ranks(left()).size);
    });
  }
}

/** Where old entry `index` of an axis is in the twin. */
function placeOf(s: Sizing, whole: SizedAxis, n: number, index: number, cuts: readonly number[]): () => number {
  if (n === 1) return () => 0;
  try {
    const [left] = s.algebra.cut(
      whole,
      index,
      [...cuts, index, index + 1].filter((c) => c > 0 && c < n),
    );
    return () => Math.min(newSize(left) ?? 0, newSize(whole)! - 1);
  } catch (error) {
    if (!(error instanceof SizeConflict)) throw error;
    return () => Math.floor((index * newSize(whole)!) / n);
  }
}

/** Half-open runs of consecutive indices. */
function runsOf(list: readonly number[]): [number, number][] {
  const out: [number, number][] = [];
  for (const v of list) {
    const last = out.at(-1);
    if (last && last[1] === v) last[1] = v + 1;
    else out.push([v, v + 1]);
  }
  return out;
}

function tile(s: Sizing): void {
  const from = s.shape(0);
  const shape = s.outputShape();
  const input = s.input(0);
  const copies = shape.map((n, i) => (n === from[i] ? UNIT : s.fresh(n / from[i]!)));
  const out = input.map((a, i) => (copies[i] === UNIT ? a : s.algebra.product([copies[i]!, a])));
  s.operand(1);
  s.output(out);
  s.rewrite((name) => ({ inputs: [s.node.inputs[0]!, name(target(copies))] }));
}

function spatialTimes(
  axes: readonly SizedAxis[],
  algebra: Sizing["algebra"],
  outShape: readonly number[],
  scale: (n: number) => number,
): SizedAxis[] {
  return axes.map((a, i) => fixed(outShape[i]!, scale(algebra.close(a))));
}

function depthToSpace(s: Sizing): void {
  const size = numberAttribute(s.node, "blocksize", 1);
  const [batch, channels, ...spatial] = s.input(0) as [SizedAxis, SizedAxis, ...SizedAxis[]];
  const kept = s.shape(0)[1]! / size ** 2;
  const columnsFirst = stringAttribute(s.node, "mode", "DCR") === "CRD";
  const parts = s.algebra.split(channels, columnsFirst ? [kept, size ** 2] : [size ** 2, kept]);
  s.algebra.bind(parts[columnsFirst ? 1 : 0]!, size ** 2);
  const out = spatialTimes(spatial, s.algebra, s.outputShape().slice(2), (n) => n * size);
  s.output([batch, parts[columnsFirst ? 0 : 1]!, ...out]);
}

function spaceToDepth(s: Sizing): void {
  const size = numberAttribute(s.node, "blocksize", 1);
  const [batch, channels, ...spatial] = s.input(0) as [SizedAxis, SizedAxis, ...SizedAxis[]];
  const out = spatialTimes(spatial, s.algebra, s.outputShape().slice(2), (n) => {
    if (n % size !== 0) throw new SizeConflict(`${n} places are no multiple of the block size ${size}`);
    return n / size;
  });
  s.output([batch, s.algebra.product([fixed(size ** 2, size ** 2), channels]), ...out]);
}

function transpose(s: Sizing): void {
  const axes = s.input(0);
  const perm = numbersAttribute(s.node, "perm") ?? axes.map((_, i) => axes.length - 1 - i);
  s.output(perm.map((p) => axes[p]!));
}

/** Sizing rules by ONNX operator name. */
export const movementSizing: Readonly<Record<string, SizingRule>> = {
  Reshape: reshape,
  Expand: expandTo,
  Slice: slice,
  Gather: gather,
  Tile: tile,
  Transpose: transpose,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};

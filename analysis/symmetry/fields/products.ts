/**
 * @file Products of parameters: where a weight is itself a contraction of two (low-rank updates, learned queries times a
 * projection, tensor trains), any invertible matrix may pass between the factors, and no activation ever shows it.
 */
import type { AxisStructure } from "../../graph/axes";
import type { Node } from "../../graph/graph";
import { strides, type Tensor } from "../../graph/tensor";
import { exponential } from "../../numerics/exponential";
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix, norm } from "../../numerics/matrix";
import type { Network } from "../counting/network";
import { Program } from "../counting/program";
import type { Generator, ParameterValues } from "../symmetry";

/** A contraction of two weights with the group that acts between them. */
export interface WeightProduct {
  /** The two factors, as values of the graph. */
  readonly factors: readonly [string, string];
  /** Size of the summed index: the group is GL of that size. One product per batch index. */
  readonly size: number;
  /** Atoms of the summed axis. */
  readonly atoms: readonly number[];
  /** Directions a -> a X, b -> -X b for X = E_ij, as far as both factors can follow. */
  readonly generators: readonly Generator[];
  /** The entries (i, j) of X, one per generator. */
  readonly entries: readonly (readonly [number, number])[];
  /** The weights after a -> a exp(X), b -> exp(-X) b, X having the given entries. Throws Error where a factor cannot follow. */
  act(weights: ParameterValues, coefficients: ArrayLike<number>): ParameterValues;
  /** The same to first order. */
  tangents(weights: ParameterValues): readonly ParameterValues[];
}

const FITS = 1e-9;

/** All products of two weights that are made of different parameters, read by nothing else. */
export function weightProducts(network: Network, weights: ParameterValues, axes: AxisStructure): WeightProduct[] {
  return network.steps.flatMap(({ node }) => {
    const [left, right] = node.inputs;
    if (node.operator !== "MatMul" || left === undefined || right === undefined) return [];
    if (network.kind(left) !== "parameter" || network.kind(right) !== "parameter") return [];
    const first = factor(network, weights, left, node);
    const second = factor(network, weights, right, node);
    if (!first || !second || first.parameters.some((p) => second.parameters.includes(p))) return [];
    const atoms = (axes.layout(left)?.at(-1) ?? []).flatMap((segment) => segment.map((f) => f.atom));
    const at = (values: ParameterValues) => {
      const [a, b] = [factor(network, values, left, node), factor(network, values, right, node)];
      if (!a || !b) throw new Error(`${left} and ${right} are no product of weights`);
      return [a, b] as const;
    };
    return between(first, second).map(({ batch, size, generators, entries }) => ({
      factors: [left, right] as const,
      atoms,
      size,
      generators,
      entries,
      act: (values: ParameterValues, coefficients: ArrayLike<number>) =>
        transformed(...at(values), { batch, size, entries }, coefficients),
      tangents: (values: ParameterValues) => {
        const [a, b] = at(values);
        return entries.map(([i, j]) => tangentOf(a, b, batch, i, j) ?? new Map<string, Float64Array>());
      },
    }));
  });
}

/** One operand: its value, and how its own parameters move it. */
interface Factor {
  readonly value: Tensor;
  readonly parameters: readonly string[];
  readonly solver: LeastSquares;
  readonly sizes: readonly number[];
  /** The parameters' present values. */
  readonly before: ParameterValues;
}

/** The operand, if everything that its trainable parameters reach goes through it into this node. */
function factor(network: Network, weights: ParameterValues, operand: string, node: Node): Factor | undefined {
  if (network.consumers(operand).some((n) => n !== node) || network.outputs.includes(operand)) return undefined;
  const program = new Program(network, [operand]);
  const parameters = program.leaves.filter((p) => network.trainable.includes(p) && leadsOnlyTo(network, p, operand));
  if (parameters.length === 0) return undefined;
  const values = program.evaluate((leaf) => {
    const p = network.graph.parameters.get(leaf);
    return p && { type: "float64", shape: p.shape, data: weights.get(leaf)! };
  });
  const value = program.results(values)[0]!;
  const columns: Float64Array[] = [];
  const sizes: number[] = [];
  for (const p of parameters) {
    const direction = new Float64Array(weights.get(p)!.length);
    sizes.push(direction.length);
    for (let k = 0; k < direction.length; k++) {
      direction[k] = 1;
      columns.push(
        Float64Array.from(program.differentiate(values, p, direction)[0]?.data ?? new Float64Array(value.data.length)),
      );
      direction[k] = 0;
    }
  }
  const before = new Map(parameters.map((p) => [p, weights.get(p)!] as const));
  return { value, parameters, sizes, before, solver: new LeastSquares(Matrix.fromColumns(columns, value.data.length)) };
}

/** Whether all that a parameter reaches is reached through one value. */
function leadsOnlyTo(network: Network, parameter: string, target: string): boolean {
  const seen = new Set<string>();
  const stack = [parameter];
  while (stack.length > 0) {
    const at = stack.pop()!;
    if (at === target || seen.has(at)) continue;
    seen.add(at);
    if (network.outputs.includes(at)) return false;
    const readers = network.consumers(at);
    if (readers.length === 0) return false;
    for (const n of readers) {
      if (n.outputs.some((o) => o !== "" && network.kind(o) !== "parameter")) return false;
      stack.push(...n.outputs.filter((o) => o !== ""));
    }
  }
  return true;
}

/** Directions a -> a X, b -> -X b for every entry of X where both factors can follow, per batch index. */
function between(a: Factor, b: Factor): (Pick<WeightProduct, "size" | "generators" | "entries"> & { readonly batch: number })[] {
  const left = a.value.shape;
  const right = b.value.shape;
  if (left.length < 2 || right.length < 2 || left.slice(0, -2).join() !== right.slice(0, -2).join()) return [];
  const size = left.at(-1)!;
  const batches = left.slice(0, -2).reduce((n, d) => n * d, 1);
  return Array.from({ length: batches }, (_, batch) => {
    const generators: Generator[] = [];
    const entries: (readonly [number, number])[] = [];
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        const vector = tangentOf(a, b, batch, i, j);
        if (!vector) continue;
        generators.push({ family: "linear", vector, spaces: [] });
        entries.push([i, j]);
      }
    }
    return { batch, size, generators, entries };
  }).filter((p) => p.generators.length > 0);
}

/** X = E_ij: column j of the left factor gets its column i, row i of the right one loses its row j. */
function tangentOf(a: Factor, b: Factor, batch: number, i: number, j: number): ParameterValues | undefined {
  const vector = new Map<string, Float64Array>();
  const follows = follow(a, shiftColumns(a.value, batch, i, j), vector) && follow(b, shiftRows(b.value, batch, i, j), vector);
  return follows ? vector : undefined;
}

/** The factors' parameters after a -> a exp(X), b -> exp(-X) b. */
function transformed(
  a: Factor,
  b: Factor,
  { batch, size, entries }: { readonly batch: number; readonly size: number; readonly entries: WeightProduct["entries"] },
  coefficients: ArrayLike<number>,
): ParameterValues {
  const x = new Matrix(size, size);
  entries.forEach(([i, j], k) => x.set(i, j, coefficients[k]!));
  const g = exponential(x);
  const inverse = exponential(
    new Matrix(
      size,
      size,
      x.data.map((v) => -v),
    ),
  );
  const change = ({ value }: Factor, fromLeft: boolean): Float64Array => {
    const [rows, columns] = value.shape.slice(-2) as [number, number];
    const start = batch * rows * columns;
    const own = new Matrix(rows, columns, value.data.slice(start, start + rows * columns));
    const moved = fromLeft ? inverse.multiply(own) : own.multiply(g);
    const out = new Float64Array(value.data.length);
    for (let i = 0; i < own.data.length; i++) out[start + i] = moved.data[i]! - own.data[i]!;
    return out;
  };
  const delta = new Map<string, Float64Array>();
  if (!follow(a, change(a, false), delta) || !follow(b, change(b, true), delta)) {
    throw new Error(`${[...a.parameters, ...b.parameters].join(", ")} cannot follow this element`);
  }
  const before = new Map([...a.before, ...b.before]);
  return new Map([...delta].map(([p, d]) => [p, d.map((v, i) => v + before.get(p)![i]!)]));
}

function shiftColumns({ shape, data }: Tensor, batch: number, from: number, to: number): Float64Array {
  const out = new Float64Array(data.length);
  const [rowStride] = strides(shape).slice(-2) as [number, number];
  const rows = shape.at(-2)!;
  const start = batch * rows * rowStride;
  for (let r = 0; r < rows; r++) out[start + r * rowStride + to] = data[start + r * rowStride + from]!;
  return out;
}

function shiftRows({ shape, data }: Tensor, batch: number, to: number, from: number): Float64Array {
  const out = new Float64Array(data.length);
  const width = shape.at(-1)!;
  const start = batch * shape.at(-2)! * width;
  for (let c = 0; c < width; c++) out[start + to * width + c] = -data[start + from * width + c]!;
  return out;
}

/** Moves the factor's parameters so that it changes as wanted; false where they cannot. */
function follow({ solver, parameters, sizes }: Factor, wanted: Float64Array, into: Map<string, Float64Array>): boolean {
  if (norm(solver.reduce(wanted)) > FITS * (1 + norm(wanted))) return false;
  const flat = solver.solve(wanted);
  let at = 0;
  parameters.forEach((p, k) => {
    const part = flat.slice(at, at + sizes[k]!);
    at += sizes[k]!;
    if (part.some((x) => x !== 0)) into.set(p, part);
  });
  return true;
}

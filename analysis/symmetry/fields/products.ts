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
import { type MatrixView, productViews, viewed } from "./product-views";

/** A contraction of two weights with the group that acts between them. */
export interface WeightProduct {
  /** The two factors, as values of the graph. */
  readonly factors: readonly [string, string];
  /** Size of the summed index: the group is GL of that size. One product per batch index. */
  readonly size: number;
  /** Atoms of the summed axis. */
  readonly atoms: readonly number[];
  /** Directions a -> a X, b -> -X b for all X = E_ij. */
  readonly generators: readonly Generator[];
  /** The entries (i, j) of X, one per generator. */
  readonly entries: readonly (readonly [number, number])[];
  /** The weights after a -> a exp(X), b -> exp(-X) b, X having the given entries. Throws Error where a factor cannot follow. */
  act(weights: ParameterValues, coefficients: ArrayLike<number>): ParameterValues;
  /** The same to first order. */
  tangents(weights: ParameterValues): readonly ParameterValues[];
}

const FITS = 1e-9;
const PRODUCTS: ReadonlySet<string> = new Set(["MatMul", "Einsum"]);

/** All products of two weights that are made of different parameters, read by nothing else. */
export function weightProducts(network: Network, weights: ParameterValues, axes: AxisStructure): WeightProduct[] {
  return network.steps.flatMap(({ node }) => {
    const [left, right] = node.inputs;
    if (left === undefined || right === undefined || !PRODUCTS.has(node.operator)) return [];
    if (network.kind(left) !== "parameter" || network.kind(right) !== "parameter") return [];
    const views = productViews(node, network.shape(left), network.shape(right));
    const first = views && factor(network, weights, left, node, views.left);
    const second = views && factor(network, weights, right, node, views.right);
    if (!first || !second || first.parameters.some((p) => second.parameters.includes(p))) return [];
    const layout = axes.layout(left);
    const atoms = views.summed.flatMap((axis) => (layout?.[axis] ?? []).flatMap((segment) => segment.map((f) => f.atom)));
    const side = (operand: string, view: MatrixView) => (values: ParameterValues) => {
      const at = factor(network, values, operand, node, view);
      if (!at) throw new Error(`${left} and ${right} are no product of weights`);
      return at;
    };
    const sides = [side(left, views.left), side(right, views.right)] as const;
    return between(first, second).map(({ batch, size, generators, entries }) => ({
      factors: [left, right] as const,
      atoms,
      size,
      generators,
      entries,
      act: (values: ParameterValues, coefficients: ArrayLike<number>) =>
        transformed(values, sides, { batch, size, entries }, coefficients),
      tangents: (values: ParameterValues) => {
        const [a, b] = [sides[0](values), sides[1](values)];
        return entries.map(([i, j]) => tangentOf(a, b, batch, i, j) ?? new Map<string, Float64Array>());
      },
    }));
  });
}

/** One operand: its value as a stack of matrices, and how its own parameters move it. */
interface Factor {
  readonly value: Tensor;
  readonly parameters: readonly string[];
  readonly solver: LeastSquares;
  readonly sizes: readonly number[];
}

/** One operand at given weights. */
type FactorAt = (weights: ParameterValues) => Factor;

/** The operand, if everything that its trainable parameters reach goes through it into this node. */
function factor(network: Network, weights: ParameterValues, operand: string, node: Node, view: MatrixView): Factor | undefined {
  if (network.consumers(operand).some((n) => n !== node) || network.outputs.includes(operand)) return undefined;
  const program = new Program(network, [operand]);
  const parameters = program.leaves.filter((p) => network.trainable.includes(p) && leadsOnlyTo(network, p, operand));
  if (parameters.length === 0) return undefined;
  const values = program.evaluate((leaf) => {
    const p = network.graph.parameters.get(leaf);
    return p && { type: "float64", shape: p.shape, data: weights.get(leaf)! };
  });
  const value = viewed(program.results(values)[0]!, view);
  const columns: Float64Array[] = [];
  const sizes: number[] = [];
  for (const p of parameters) {
    const direction = new Float64Array(weights.get(p)!.length);
    sizes.push(direction.length);
    for (let k = 0; k < direction.length; k++) {
      direction[k] = 1;
      const change = program.differentiate(values, p, direction)[0];
      columns.push(change ? viewed(change, view).data : new Float64Array(value.data.length));
      direction[k] = 0;
    }
  }
  return { value, parameters, sizes, solver: new LeastSquares(Matrix.fromColumns(columns, value.data.length)) };
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

/** Directions a -> a X, b -> -X b per batch index where both factors can follow every entry of X: a part is no matrix group. */
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
  }).filter((p) => p.generators.length === p.size ** 2);
}

/** X = E_ij: column j of the left factor gets its column i, row i of the right one loses its row j. */
function tangentOf(a: Factor, b: Factor, batch: number, i: number, j: number): ParameterValues | undefined {
  const vector = new Map<string, Float64Array>();
  const follows = follow(a, shiftColumns(a.value, batch, i, j), vector) && follow(b, shiftRows(b.value, batch, i, j), vector);
  return follows ? vector : undefined;
}

/** The factors' parameters after a -> a exp(X), b -> exp(-X) b. */
function transformed(
  weights: ParameterValues,
  [left, right]: readonly [FactorAt, FactorAt],
  { batch, size, entries }: { readonly batch: number; readonly size: number; readonly entries: WeightProduct["entries"] },
  coefficients: ArrayLike<number>,
): ParameterValues {
  const wanted = (before: Tensor, fromLeft: boolean, share: number): Float64Array => {
    const x = new Matrix(size, size);
    entries.forEach(([i, j], k) => x.set(i, j, (fromLeft ? -share : share) * coefficients[k]!));
    const [rows, columns] = before.shape.slice(-2) as [number, number];
    const start = batch * rows * columns;
    const own = new Matrix(rows, columns, before.data.slice(start, start + rows * columns));
    const out = before.data.slice();
    out.set((fromLeft ? exponential(x).multiply(own) : own.multiply(exponential(x))).data, start);
    return out;
  };
  const moved = new Map<string, Float64Array>();
  for (const [at, fromLeft] of [
    [left, false],
    [right, true],
  ] as const) {
    const { value } = at(weights);
    const there =
      led(at, weights, [wanted(value, fromLeft, 1)]) ??
      led(
        at,
        weights,
        Array.from({ length: STEPS }, (_, k) => wanted(value, fromLeft, (k + 1) / STEPS)),
      );
    if (!there) throw new Error(`${at(weights).parameters.join(", ")} cannot follow this element`);
    for (const [p, v] of there) moved.set(p, v);
  }
  return moved;
}

/** How many steps a factor takes that is no linear function of its parameters and cannot follow in one. */
const STEPS = 16;
/** A linear factor needs one correction; one that is not converges quadratically or not at all. */
const CORRECTIONS = 12;
const REACHED = 1e-10;

/** The parameters of a factor that have led it through given values to the last of them; undefined where it strays. */
function led(at: FactorAt, weights: ParameterValues, through: readonly Float64Array[]): Map<string, Float64Array> | undefined {
  const moved = new Map<string, Float64Array>();
  for (const target of through) {
    let best = Infinity;
    for (let k = 0; ; k++) {
      const now = at(new Map([...weights, ...moved]));
      const rest = target.map((v, i) => v - now.value.data[i]!);
      const distance = norm(rest);
      if (distance <= REACHED * (1 + norm(target))) break;
      const delta = new Map<string, Float64Array>();
      if (k === CORRECTIONS || !(distance < best) || !follow(now, rest, delta)) return undefined;
      best = distance;
      for (const [p, d] of delta) {
        const before = moved.get(p) ?? weights.get(p)!;
        moved.set(
          p,
          d.map((v, i) => v + before[i]!),
        );
      }
    }
  }
  return moved;
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

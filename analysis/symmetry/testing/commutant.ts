/**
 * @file Test support: what one operator commutes with, found by numbers alone. An infinitesimal map A of the inputs commutes
 * with f if some map B of the output has Df(x)[A x] = B f(x) at all x; derivatives are differences of values.
 */
import { elementCount, type Tensor, tensor } from "../../graph/tensor";
import { Matrix } from "../../numerics/matrix";
import type { Random } from "../../numerics/random";
import { nullSpace, rank } from "../../numerics/rank";

/** An input that may be acted on, by its shape, or a constant. */
export type OperatorInput = readonly number[] | Tensor;

/** Whether an input of an operator is a shape, so that matrices may act on it. */
export const isFree = (input: OperatorInput | undefined): input is readonly number[] => Array.isArray(input);

/** One operator at small sizes. */
export interface OperatorCase {
  /** The first output, from all inputs. */
  readonly value: (inputs: readonly (Tensor | undefined)[]) => Tensor;
  readonly inputs: readonly (OperatorInput | undefined)[];
  /** Values of free inputs. */
  readonly draw: (random: Random) => number;
}

const STEP = 1e-6;
const TOLERANCE = { relative: 1e-6, absolute: 1e-6 } as const;

/** Values of the free inputs, in order. */
export function drawInputs({ inputs, draw }: OperatorCase, random: Random): Float64Array[] {
  return inputs.filter(isFree).map((shape) => Float64Array.from({ length: elementCount(shape) }, () => draw(random)));
}

/** The first output at these values of the free inputs. */
export function valueAt({ value, inputs }: OperatorCase, free: readonly Float64Array[]): Tensor {
  let at = 0;
  return value(inputs.map((i) => (isFree(i) ? tensor(i, free[at++]!, "float64") : i)));
}

/** Dimensions of the maps of the inputs that commute: all linear ones, and the diagonal ones. */
export interface Commutant {
  readonly linear: number;
  readonly diagonal: number;
  /** Whether f(x + y) - f(x) - f(y) is the same for all x and y, all free inputs taken together. */
  readonly affine: boolean;
  /** Whether a diagonal map, one number per entry of the free inputs in order, commutes. */
  commutes(diagonal: Float64Array): boolean;
}

/**
 * Solves for everything that one operator commutes with, at about twice as many random equations as there are unknowns. Where only
 * diagonal maps are wanted, `linear` is their dimension too.
 */
export function commutant(c: OperatorCase, random: Random, wanted: "linear" | "diagonal"): Commutant {
  const first = drawInputs(c, random);
  const sizes = first.map((x) => x.length);
  const count = sizes.reduce((a, b) => a + b, 0);
  const outputs = valueAt(c, first).data.length;
  const all = sizes.reduce((n, s) => n + s * s, 0) + outputs * outputs;
  const unknowns = wanted === "linear" ? all : count + outputs;
  const points = Math.max(Math.ceil((2 * unknowns) / outputs), wanted === "linear" ? 0 : 40) + 4;
  const linear: Float64Array[] = [];
  const diagonal: Float64Array[] = [];
  for (let p = 0; p < points; p++) {
    const x = drawInputs(c, random);
    const y = valueAt(c, x).data;
    const columns = x.map((v, k) => Array.from(v, (_, j) => derivative(c, x, k, j)));
    for (let m = 0; m < outputs; m++) {
      const row: number[] = [];
      const short: number[] = [];
      // Entry (j, k) of A moves x_j by x_k.
      x.forEach((v, i) => {
        for (let j = 0; j < v.length; j++) {
          for (let k = 0; wanted === "linear" && k < v.length; k++) row.push(columns[i]![j]![m]! * v[k]!);
          short.push(columns[i]![j]![m]! * v[j]!);
        }
      });
      if (wanted === "linear") {
        for (let j = 0; j < outputs; j++) for (let k = 0; k < outputs; k++) row.push(j === m ? -y[k]! : 0);
        linear.push(Float64Array.from(row));
      }
      for (let j = 0; j < outputs; j++) short.push(j === m ? -y[j]! : 0);
      diagonal.push(Float64Array.from(short));
    }
  }
  const small = (rows: readonly Float64Array[]) => Matrix.fromRows(rows).normaliseRows(1e-9);
  const diagonals = nullSpace(small(diagonal), TOLERANCE);
  const acting = (basis: Matrix, entries: number): number =>
    basis.columns === 0
      ? 0
      : rank(basis.selectRows(Array.from({ length: entries }, (_, i) => i)), { relative: 0, absolute: 1e-5 }).rank;
  const diagonalRows = small(diagonal);
  const dimension = acting(diagonals, count);
  return {
    linear: wanted === "linear" ? acting(nullSpace(small(linear), TOLERANCE), unknowns - outputs * outputs) : dimension,
    diagonal: dimension,
    affine: isAffine(c, random),
    commutes: (d) => {
      // The output's own scale follows entry by entry.
      const e = new Float64Array(outputs);
      for (let m = 0; m < outputs; m++) {
        let [num, den] = [0, 0];
        for (let p = 0; p < points; p++) {
          const row = diagonalRows.row(p * outputs + m);
          let moved = 0;
          for (let j = 0; j < count; j++) moved += row[j]! * d[j]!;
          num -= moved * row[count + m]!;
          den += row[count + m]! ** 2;
        }
        e[m] = den > 0 ? num / den : 0;
      }
      for (let r = 0; r < diagonalRows.rows; r++) {
        const row = diagonalRows.row(r);
        let sum = 0;
        for (let j = 0; j < count; j++) sum += row[j]! * d[j]!;
        for (let m = 0; m < outputs; m++) sum += row[count + m]! * e[m]!;
        if (Math.abs(sum) > 1e-5) return false;
      }
      return true;
    },
  };
}

function derivative(c: OperatorCase, x: readonly Float64Array[], input: number, entry: number): Float64Array {
  const moved = (by: number) => {
    const own = x.map((v) => v.slice());
    own[input]![entry]! += by;
    return valueAt(c, own).data;
  };
  const [above, below] = [moved(STEP), moved(-STEP)];
  return above.map((v, i) => (v - below[i]!) / (2 * STEP));
}

function isAffine(c: OperatorCase, random: Random): boolean {
  const constant = (): Float64Array => {
    const [x, y] = [drawInputs(c, random), drawInputs(c, random)];
    const both = x.map((v, k) => v.map((a, i) => a + y[k]![i]!));
    const [sum, a, b] = [both, x, y].map((free) => valueAt(c, free).data);
    return sum!.map((v, i) => v - a![i]! - b![i]!);
  };
  const [one, other] = [constant(), constant()];
  return one.every((v, i) => Math.abs(v - other[i]!) < 1e-9 * (1 + Math.abs(v)));
}

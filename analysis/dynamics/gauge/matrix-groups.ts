/**
 * @file Matrix groups (GL(r), O(r)) on the units of a layer: which weights transform by A and which by its inverse transpose, read
 * off the action itself. From that: the product's singular values, which no element changes, and the balanced gauge.
 */
import { Matrix as MlMatrix, SingularValueDecomposition } from "ml-matrix";
import { LeastSquares } from "../../numerics/leastSquares";
import { Matrix, norm } from "../../numerics/matrix";
import { compressRows } from "../../numerics/qr";
import { Random } from "../../numerics/random";
import { orthonormalBasis, singularValues } from "../../numerics/rank";
import type { ParameterValues, Symmetry, UnitBlock } from "../../symmetry/symmetry";
import { type UnitSet, unitSets, unitVectors } from "./units";

/** How one matrix group acts on one set of units: Z -> A Z for covariant weights, Z -> A^-T Z for contravariant ones. */
export interface MatrixFrame {
  readonly symmetry: Symmetry;
  readonly set: UnitSet;
  readonly covariant: readonly UnitBlock[];
  /** Empty for orthogonal groups, where A^-T = A. */
  readonly contravariant: readonly UnitBlock[];
  /** Orthonormal rows that span what the group moves; all of the space but for what it leaves fixed (layer norm's mean). */
  readonly basis: Matrix;
}

/** Groups on more units than this are left out: their spectra would cost more than the training. */
const LARGEST = 256;
/** How well one matrix has to explain how a weight moved. */
const AGREES = 1e-6;
/** Relative change of an entry below which it did not move. */
const STILL = 1e-9;

/**
 * The frames of a matrix group's symmetry, one per set of units (head) that it acts on as a whole; empty where it acts in another
 * way, or not at these weights. `permutations` are the model's.
 */
export function matrixFrames(symmetry: Symmetry, permutations: readonly Symmetry[], weights: ParameterValues): MatrixFrame[] {
  if (symmetry.kind !== "linear" && symmetry.kind !== "rotation") return [];
  const sets = permutations
    .filter((p) => p.units && p.spaces.some((s) => symmetry.spaces.includes(s)))
    .flatMap(unitSets)
    .filter((s) => s.size > 1 && s.size <= LARGEST && s.crossed.size === 0);
  if (sets.length === 0) return [];
  const random = new Random(17);
  const moved = new Set(symmetry.parameters);
  // Roles do not depend on the weights; zeros and equal units would hide them.
  const at: ParameterValues = new Map(
    [...weights].map(([name, w]) => [
      name,
      moved.has(name) ? w.map((x) => x + 0.3 * (norm(w) / Math.sqrt(w.length) + 0.1) * random.normal()) : w,
    ]),
  );
  const images: ParameterValues[] = [];
  try {
    for (let k = 0; k < 3; k++)
      images.push(
        symmetry.act(
          at,
          symmetry.randomElement(() => random.uniform()),
        ),
      );
  } catch {
    // The group is another one at these weights: it says nothing about them.
    return [];
  }
  return sets.flatMap((set) => frameOf(symmetry, set, at, images) ?? []);
}

function frameOf(
  symmetry: Symmetry,
  set: UnitSet,
  at: ParameterValues,
  images: readonly ParameterValues[],
): MatrixFrame | undefined {
  const moving = set.blocks.filter((b) => images.some((image) => hasMoved(b, at, image)));
  if (moving.length === 0) return undefined;
  const matrices = images.map((image) => actingMatrix(moving, at, image, set.size));
  if (matrices.some((m) => m === undefined)) return undefined;
  const [covariant, contravariant]: [UnitBlock[], UnitBlock[]] = [[], []];
  for (const b of moving) {
    const fits = (side: "matrix" | "dual") =>
      images.every((image, k) => {
        const z = blockMatrix(b, at);
        const then = blockMatrix(b, image, at);
        return distance(matrices[k]![side].multiply(z), then) <= AGREES * norm(then.data);
      });
    if (fits("matrix")) covariant.push(b);
    else if (fits("dual")) contravariant.push(b);
    else return undefined;
  }
  const changes: Float64Array[] = [];
  for (const m of matrices) {
    for (let j = 0; j < set.size; j++) {
      const column = m!.matrix.column(j);
      column[j]! -= 1;
      changes.push(column);
    }
  }
  const basis = orthonormalBasis(Matrix.fromColumns(changes, set.size), { relative: 1e-7 }).transpose();
  return { symmetry, set, covariant, contravariant, basis };
}

interface Acting {
  readonly matrix: Matrix;
  /** Its inverse transpose. */
  readonly dual: Matrix;
}

/** The matrix by which the block with the most features moved; undefined where it has too few to tell. */
function actingMatrix(blocks: readonly UnitBlock[], at: ParameterValues, image: ParameterValues, n: number): Acting | undefined {
  for (const b of [...blocks].sort((x, y) => y.features - x.features)) {
    const z = blockMatrix(b, at);
    const then = blockMatrix(b, image, at);
    const solver = new LeastSquares(z.transpose());
    if (solver.rank < n) return undefined;
    const matrix = Matrix.fromRows(Array.from({ length: n }, (_, i) => solver.solve(then.row(i))));
    if (distance(matrix.multiply(z), then) > AGREES * norm(then.data)) continue;
    const inverse = new LeastSquares(matrix);
    if (inverse.rank < n) return undefined;
    // Row i of A^-T is column i of A^-1.
    const dual = Matrix.fromRows(
      Array.from({ length: n }, (_, i) => inverse.solve(Float64Array.from({ length: n }, (_u, k) => (k === i ? 1 : 0)))),
    );
    return { matrix, dual };
  }
  return undefined;
}

function blockMatrix(b: UnitBlock, values: ParameterValues, otherwise: ParameterValues = values): Matrix {
  const w = values.get(b.parameter) ?? otherwise.get(b.parameter)!;
  return new Matrix(
    b.units,
    b.features,
    Float64Array.from(b.flat, (k) => w[k]!),
  );
}

function hasMoved(b: UnitBlock, at: ParameterValues, image: ParameterValues): boolean {
  const [before, after] = [at.get(b.parameter), image.get(b.parameter)];
  // Elements are solved for: what they leave alone moves by rounding.
  return (
    before !== undefined &&
    after !== undefined &&
    b.flat.some((k) => Math.abs(before[k]! - after[k]!) > STILL * Math.abs(before[k]!))
  );
}

function distance(a: Matrix, b: Matrix): number {
  return norm(a.data.map((x, i) => x - b.data[i]!));
}

/** The weights of some blocks side by side, units x features. */
function side(blocks: readonly UnitBlock[], set: UnitSet, parameters: ParameterValues): Matrix {
  return unitVectors({ ...set, blocks }, parameters);
}

/**
 * What no element of the group changes, falling: for GL the singular values of the product of both sides, for orthogonal groups
 * those of all weights together.
 */
export function invariantSpectrum(frame: MatrixFrame, parameters: ParameterValues): Float64Array {
  const z = side(frame.covariant, frame.set, parameters);
  if (frame.contravariant.length === 0) return singularValues(frame.basis.multiply(z));
  const right = compressRows(z.transpose());
  const left = compressRows(side(frame.contravariant, frame.set, parameters).transpose());
  return singularValues(left.multiply(right.transpose())).subarray(0, frame.set.size);
}

/** Order parameters |O^T theta| of the chain of mirrors: norms of the directions in the balanced gauge. */
export function matrixOrderParameters(frame: MatrixFrame, parameters: ParameterValues): Float64Array {
  const spectrum = invariantSpectrum(frame, parameters);
  const count = Math.min(frame.basis.rows, frame.set.size);
  const out = new Float64Array(count);
  for (let m = 0; m < count; m++) {
    const s = spectrum[m] ?? 0;
    out[m] = frame.contravariant.length === 0 ? s : Math.sqrt(2 * s);
  }
  return out;
}

/** The weights of both sides along what the group moves, r x features; only the covariant one for orthogonal groups. */
export function frameSides(
  frame: MatrixFrame,
  values: ParameterValues,
): { readonly covariant: Matrix; readonly contravariant?: Matrix } {
  const along = (blocks: readonly UnitBlock[]) => frame.basis.multiply(side(blocks, frame.set, values));
  return {
    covariant: along(frame.covariant),
    ...(frame.contravariant.length > 0 ? { contravariant: along(frame.contravariant) } : {}),
  };
}

/**
 * Puts both sides of a GL frame into the balanced gauge Zc Zc^T = Zk Zk^T (the one of least norm), in place. Directions that
 * vanish on a side are left alone. What remains of the group is O(r). Orthogonal frames are balanced as they are.
 */
export function balanceFrame(frame: MatrixFrame, parameters: Map<string, Float64Array>): void {
  if (frame.contravariant.length === 0) return;
  const n = frame.set.size;
  const right = squared(compressRows(side(frame.covariant, frame.set, parameters).transpose()), n);
  const left = squared(compressRows(side(frame.contravariant, frame.set, parameters).transpose()), n);
  const { u, v, sigma } = svd(left.multiply(right.transpose()));
  const largest = sigma[0] ?? 0;
  if (!(largest > 0) || sigma.some((s) => s < 1e-9 * largest)) return;
  // A = sigma^-1/2 U^T left and A^-T = sigma^-1/2 V^T right.
  const scaled = (m: Matrix, by: Matrix): Matrix => {
    const out = m.transpose().multiply(by);
    for (let i = 0; i < n; i++) {
      const f = 1 / Math.sqrt(sigma[i]!);
      const row = out.row(i);
      for (let j = 0; j < n; j++) row[j]! *= f;
    }
    return out;
  };
  transform(frame.covariant, scaled(u, left), parameters);
  transform(frame.contravariant, scaled(v, right), parameters);
}

/** The orthogonal matrix R that brings R Z_b closest to Z_a over all weights that the frame moves (Procrustes). */
export function procrustes(frame: MatrixFrame, a: ParameterValues, b: ParameterValues): Matrix {
  const blocks = [...frame.covariant, ...frame.contravariant];
  const { u, v } = svd(side(blocks, frame.set, a).multiply(side(blocks, frame.set, b).transpose()));
  return u.multiply(v.transpose());
}

/** Z -> R Z on all weights that the frame moves, for orthogonal R. In place. */
export function rotate(frame: MatrixFrame, rotation: Matrix, parameters: Map<string, Float64Array>): void {
  transform([...frame.covariant, ...frame.contravariant], rotation, parameters);
}

function transform(blocks: readonly UnitBlock[], by: Matrix, parameters: Map<string, Float64Array>): void {
  for (const b of blocks) {
    const w = parameters.get(b.parameter);
    if (!w) continue;
    const moved = by.multiply(blockMatrix(b, parameters));
    for (let k = 0; k < b.flat.length; k++) w[b.flat[k]!] = moved.data[k]!;
  }
}

function squared(r: Matrix, n: number): Matrix {
  return r.rows === n ? r : Matrix.stacked([r, new Matrix(n - r.rows, n)], n);
}

function svd(m: Matrix): { readonly u: Matrix; readonly v: Matrix; readonly sigma: readonly number[] } {
  const rows = Array.from({ length: m.rows }, (_, i) => m.row(i));
  const found = new SingularValueDecomposition(new MlMatrix(rows));
  const of = (x: MlMatrix) => new Matrix(x.rows, x.columns, Float64Array.from(x.to1DArray()));
  return { u: of(found.leftSingularVectors), v: of(found.rightSingularVectors), sigma: found.diagonal };
}

/**
 * @file The null space of many small blocks of equations, by eliminating unknowns block by block (multifrontal QR): the cost
 * follows the couplings, not the total size, so that deep networks cost as many steps as they have layers.
 */
import { Matrix } from "../../numerics/matrix";
import { compressRows } from "../../numerics/qr";
import { LeastSquares } from "../../numerics/leastSquares";
import { UnionFind } from "../../numerics/unionFind";
import { BLOCK_TOLERANCE, type Block } from "./constraints";
import { EliminationOrder } from "./elimination-order";

/** Solutions of a connected set of equations: one basis vector per column, over the given unknowns. */
export interface NullSpace {
  readonly unknowns: readonly number[];
  readonly basis: Matrix;
}

interface Elimination {
  readonly own: readonly number[];
  readonly rest: readonly number[];
  readonly solver: LeastSquares;
  /** Top rows of the rest's columns: own = -solve(rest part). */
  readonly restMatrix: Matrix;
}

/** Null spaces of the connected components of the blocks; free unknowns that no block names come alone. */
export function solveBlocks(blocks: readonly Block[], free: Iterable<number>): NullSpace[] {
  const index = new Map<number, number>();
  for (const u of free) if (!index.has(u)) index.set(u, index.size);
  for (const b of blocks) for (const u of b.unknowns) if (!index.has(u)) index.set(u, index.size);
  const sets = new UnionFind(index.size);
  for (const b of blocks) for (const u of b.unknowns) sets.union(index.get(b.unknowns[0]!)!, index.get(u)!);
  const unknowns = [...index.keys()];
  const byRoot = new Map<number, Block[]>();
  for (const b of blocks) {
    const root = sets.find(index.get(b.unknowns[0]!)!);
    const list = byRoot.get(root);
    if (list) list.push(b);
    else byRoot.set(root, [b]);
  }
  return sets.groups(index.values()).map((group) => {
    const own = group.map((i) => unknowns[i]!);
    return { unknowns: own, basis: eliminate(own, byRoot.get(sets.find(group[0]!)) ?? []) };
  });
}

function eliminate(unknowns: readonly number[], blocks: readonly Block[]): Matrix {
  const order = new EliminationOrder(unknowns, blocks);
  const done: Elimination[] = [];
  for (let step = order.take(); step; step = order.take()) {
    const { own, touched } = step;
    const eliminated = new Set(own);
    const rest = [...new Set(touched.flatMap((b) => b.unknowns))].filter((u) => !eliminated.has(u));
    const stacked = stack([...own, ...rest], touched);
    const ownPart = stacked.selectColumns(own.map((_, i) => i));
    const restPart = stacked.selectColumns(rest.map((_, i) => own.length + i));
    const solver = new LeastSquares(ownPart, BLOCK_TOLERANCE);
    done.push({ own, rest, solver, restMatrix: restPart });
    order.leave(whatIsLeft(solver, restPart, rest));
  }
  return substitute(unknowns, done);
}

/** What equations say about other unknowns than those that were eliminated; undefined for nothing. */
function whatIsLeft(solver: LeastSquares, restPart: Matrix, rest: readonly number[]): Block | undefined {
  if (rest.length === 0 || restPart.rows <= solver.rank) return undefined;
  const columns = rest.map((_, j) => solver.reduce(restPart.column(j)));
  const schur = compressRows(Matrix.fromColumns(columns, restPart.rows - solver.rank));
  for (let i = 0; i < schur.data.length; i++) if (Math.abs(schur.data[i]!) < 1e-11) schur.data[i] = 0;
  return schur.maximum() > BLOCK_TOLERANCE.absolute ? { unknowns: rest, matrix: schur } : undefined;
}

function stack(columns: readonly number[], blocks: readonly Block[]): Matrix {
  const at = new Map(columns.map((u, i) => [u, i] as const));
  const out = new Matrix(
    blocks.reduce((n, b) => n + b.matrix.rows, 0),
    columns.length,
  );
  let row = 0;
  for (const b of blocks) {
    for (let i = 0; i < b.matrix.rows; i++, row++) {
      b.unknowns.forEach((u, k) => {
        out.data[row * columns.length + at.get(u)!] = b.matrix.get(i, k);
      });
    }
  }
  return compressRows(out);
}

/** Backwards: unknowns eliminated early follow from those eliminated later, and each step adds its own freedom. */
function substitute(unknowns: readonly number[], done: readonly Elimination[]): Matrix {
  let vectors: Map<number, number>[] = [];
  for (const step of [...done].reverse()) {
    for (const v of vectors) {
      if (step.rest.length === 0) continue;
      const known = Float64Array.from(step.rest, (u) => v.get(u) ?? 0);
      if (known.every((x) => x === 0)) continue;
      const solved = step.solver.solve(step.restMatrix.apply(known));
      step.own.forEach((u, i) => {
        v.set(u, -solved[i]!);
      });
    }
    const kernel = step.solver.kernel();
    vectors = vectors.concat(
      Array.from({ length: kernel.rows }, (_, k) => new Map(step.own.map((u, i) => [u, kernel.get(k, i)] as const))),
    );
  }
  return Matrix.fromColumns(
    vectors.map((v) => Float64Array.from(unknowns, (u) => v.get(u) ?? 0)),
    unknowns.length,
  );
}

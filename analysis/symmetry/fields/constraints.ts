/** @file Linear constraints between unknowns, and their presolve: single zeros and ratios are taken out until none is left. */
import { Matrix } from "../../numerics/matrix";
import { compressRows } from "../../numerics/qr";
import { nullSpace } from "../../numerics/rank";
import { type RatioSets, UnionFind } from "../../numerics/unionFind";

/** A few dense equations between unknowns: matrix * values(unknowns) = 0. */
export interface Block {
  readonly unknowns: readonly number[];
  readonly matrix: Matrix;
}

/** One sparse equation. */
export interface SparseRow {
  readonly unknowns: readonly number[];
  readonly coefficients: readonly number[];
}

/** Entries of rows of about unit length below this are rounding. */
const NEGLIGIBLE = 1e-9;
/** Singular values of a block below this count as zero. */
export const BLOCK_TOLERANCE = { relative: 1e-9, absolute: 1e-9 } as const;

/** Unknowns up to which rows that share them are looked at together ahead of time. */
const FEW = 128;

/** All constraints of a system over shared ratio sets. */
export class Constraints {
  private readonly sets: RatioSets;
  private rows: SparseRow[] = [];
  private blocks: Block[] = [];

  constructor(sets: RatioSets) {
    this.sets = sets;
  }

  /** Adds the equation that a sum of unknowns is zero. */
  addRow(row: SparseRow): void {
    const left = this.reduceRow(row);
    if (left) this.rows.push(left);
  }

  /** Adds several equations in the same unknowns. */
  addBlock(block: Block): void {
    this.blocks.push(...this.reduceBlock(block, true).blocks);
  }

  /** Substitutes what is known; one or two terms become knowledge themselves. */
  private reduceRow(row: SparseRow): SparseRow | undefined {
    const terms = new Map<number, number>();
    let largest = 0;
    row.unknowns.forEach((u, k) => {
      const known = this.sets.resolve(u);
      if (known) terms.set(known.root, (terms.get(known.root) ?? 0) + known.factor * row.coefficients[k]!);
    });
    for (const c of terms.values()) largest = Math.max(largest, Math.abs(c));
    if (largest < 1e-12) return undefined;
    for (const [u, c] of terms) if (Math.abs(c) < NEGLIGIBLE * largest) terms.delete(u);
    const unknowns = [...terms.keys()];
    if (unknowns.length === 1) {
      this.sets.setZero(unknowns[0]!);
      return undefined;
    }
    if (unknowns.length === 2) {
      this.sets.relate(unknowns[0]!, unknowns[1]!, -terms.get(unknowns[1]!)! / terms.get(unknowns[0]!)!);
      return undefined;
    }
    return { unknowns, coefficients: unknowns.map((u) => terms.get(u)! / largest) };
  }

  /** Takes sparse rows into account until they say nothing new. */
  settleRows(): void {
    for (let before = -1; before !== this.rows.length; ) {
      before = this.rows.length;
      const size = this.termCount();
      this.rows = this.rows.flatMap((r) => this.reduceRow(r) ?? []);
      if (this.termCount() !== size) before = -1;
    }
  }

  /**
   * Learns what sparse rows with few unknowns say together, and no single one of them: that a matrix vanishes on what is seen at
   * several positions. Sampled equations, which cost the cube of what is unknown, come after that.
   */
  learnFromRows(): void {
    this.settleRows();
    for (const { unknowns, matrix } of rowsToBlocks(this.rows)) {
      if (unknowns.length <= FEW) this.learn(unknowns, nullSpace(matrix, BLOCK_TOLERANCE));
    }
    this.settleRows();
  }

  private termCount(): number {
    return this.rows.reduce((n, r) => n + r.unknowns.length, 0);
  }

  /** Presolves everything and returns what is left, split into blocks that share no unknown inside. */
  settle(): Block[] {
    this.settleRows();
    this.blocks.push(...rowsToBlocks(this.rows));
    this.rows = [];
    for (let changed = true; changed; ) {
      changed = false;
      const next: Block[] = [];
      for (const block of this.blocks) {
        const reduced = this.reduceBlock(block, false);
        next.push(...reduced.blocks);
        if (reduced.changed) changed = true;
      }
      this.blocks = next;
    }
    return this.blocks;
  }

  /**
   * Substitutes what is known into a block, learns zeros and ratios from its null space, and splits it by what the null space
   * couples. `changed` tells whether anything was learnt or substituted.
   */
  private reduceBlock(block: Block, fresh: boolean): { readonly blocks: readonly Block[]; readonly changed: boolean } {
    const { sets } = this;
    const roots = new Map<number, number>();
    let substituted = false;
    const target = block.unknowns.map((u) => {
      const known = sets.resolve(u);
      if (!known || known.root !== u || known.factor !== 1) substituted = true;
      if (!known) return undefined;
      let at = roots.get(known.root);
      if (at === undefined) {
        at = roots.size;
        roots.set(known.root, at);
      }
      return { at, factor: known.factor };
    });
    if (!substituted && !fresh) return { blocks: [block], changed: false };
    if (roots.size === 0) return { blocks: [], changed: true };
    const matrix = new Matrix(block.matrix.rows, roots.size);
    for (let i = 0; i < matrix.rows; i++) {
      target.forEach((t, k) => {
        if (t) matrix.data[i * matrix.columns + t.at]! += t.factor * block.matrix.get(i, k);
      });
    }
    const unknowns = [...roots.keys()];
    const kernel = nullSpace(matrix, BLOCK_TOLERANCE);
    if (kernel.columns === unknowns.length) return { blocks: [], changed: true };
    this.learn(unknowns, kernel);
    return { blocks: splitByKernel(sets, unknowns, kernel), changed: true };
  }

  /** Zeros and ratios: rows of a null space basis that vanish or are parallel. */
  private learn(unknowns: readonly number[], kernel: Matrix): void {
    const bySignature = new Map<string, number>();
    const k = kernel.columns;
    // A fixed direction projects rows to numbers whose ratios are those of parallel rows: a cheap first sieve.
    unknowns.forEach((u, i) => {
      const row = kernel.row(i);
      let largest = 0;
      for (const v of row) largest = Math.max(largest, Math.abs(v));
      if (largest < 1e-8) {
        this.sets.setZero(u);
        return;
      }
      let lead = 0;
      while (Math.abs(row[lead]!) < 0.5 * largest) lead++;
      const parts: string[] = [];
      for (let c = 0; c < k; c++) parts.push((Math.round((row[c]! / row[lead]!) * 1e6) / 1e6 + 0).toFixed(6));
      const key = parts.join();
      const other = bySignature.get(key);
      if (other === undefined) {
        bySignature.set(key, i);
        return;
      }
      const base = kernel.row(other);
      const ratio = row[lead]! / base[lead]!;
      for (let c = 0; c < k; c++) if (Math.abs(row[c]! - ratio * base[c]!) > 1e-8) return;
      this.sets.relate(u, unknowns[other]!, ratio);
    });
  }
}

/** Groups sparse rows that share unknowns into dense blocks. */
function rowsToBlocks(rows: readonly SparseRow[]): Block[] {
  const index = new Map<number, number>();
  for (const r of rows) for (const u of r.unknowns) if (!index.has(u)) index.set(u, index.size);
  const sets = new UnionFind(index.size);
  for (const r of rows) for (const u of r.unknowns) sets.union(index.get(r.unknowns[0]!)!, index.get(u)!);
  const groups = new Map<number, SparseRow[]>();
  for (const r of rows) {
    const root = sets.find(index.get(r.unknowns[0]!)!);
    const list = groups.get(root);
    if (list) list.push(r);
    else groups.set(root, [r]);
  }
  return [...groups.values()].map((list) => {
    const unknowns = [...new Set(list.flatMap((r) => r.unknowns))];
    const at = new Map(unknowns.map((u, i) => [u, i] as const));
    const matrix = new Matrix(list.length, unknowns.length);
    list.forEach((r, i) => {
      r.unknowns.forEach((u, k) => {
        matrix.set(i, at.get(u)!, r.coefficients[k]!);
      });
    });
    return { unknowns, matrix: compressRows(matrix) };
  });
}

/** The constraints "lie in this null space" in independent pieces, over roots that are neither zero nor merged. */
function splitByKernel(sets: RatioSets, unknowns: readonly number[], kernel: Matrix): Block[] {
  const groups = new UnionFind(unknowns.length);
  const coupling = kernel.timesOwnTranspose();
  const n = unknowns.length;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) if (Math.abs(coupling.data[i * n + j]!) > 1e-8) groups.union(i, j);
  }
  const out: Block[] = [];
  for (const group of groups.groups(unknowns.keys())) {
    const live = group.filter((i) => !sets.isZero(unknowns[i]!));
    if (live.length === 0) continue;
    // I - K K^T restricted to the group: its null space is the group's part of K.
    const complement = coupling.selectRows(group).selectColumns(group);
    for (let i = 0; i < complement.data.length; i++) complement.data[i] = -complement.data[i]!;
    for (let i = 0; i < group.length; i++) complement.data[i * group.length + i]! += 1;
    const merged = mergeColumns(
      sets,
      group.map((i) => unknowns[i]!),
      complement,
    );
    if (merged) out.push(merged);
  }
  return out;
}

/** Substitutes roots into a block; undefined where no constraint is left. */
function mergeColumns(sets: RatioSets, unknowns: readonly number[], matrix: Matrix): Block | undefined {
  const roots = new Map<number, number>();
  const terms = unknowns.map((u) => {
    const known = sets.resolve(u);
    if (!known) return undefined;
    if (!roots.has(known.root)) roots.set(known.root, roots.size);
    return { at: roots.get(known.root)!, factor: known.factor };
  });
  const out = new Matrix(matrix.rows, roots.size);
  for (let i = 0; i < matrix.rows; i++) {
    terms.forEach((t, k) => {
      if (t) out.data[i * out.columns + t.at]! += t.factor * matrix.get(i, k);
    });
  }
  if (out.maximum() < 1e-8) return undefined;
  return { unknowns: [...roots.keys()], matrix: compressRows(out) };
}

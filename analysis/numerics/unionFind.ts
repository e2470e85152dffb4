/** @file Disjoint sets, plain and with ratios, and connected components. */

/** Disjoint sets of the integers below a bound that may grow. */
export class UnionFind {
  private parent: Int32Array;
  private used: number;

  constructor(size: number) {
    this.parent = Int32Array.from({ length: size }, (_, i) => i);
    this.used = size;
  }

  /** Adds one element, alone in its set, and returns it. */
  add(): number {
    if (this.used === this.parent.length) {
      const grown = new Int32Array(Math.max(16, 2 * this.used));
      grown.set(this.parent);
      this.parent = grown;
    }
    this.parent[this.used] = this.used;
    return this.used++;
  }

  /** The element that stands for the set of `x`. */
  find(x: number): number {
    const parent = this.parent;
    let at = x;
    while (parent[at] !== at) {
      const up = parent[parent[at]!]!;
      parent[at] = up;
      at = up;
    }
    return at;
  }

  /** Joins two sets; the smaller representative stands for both. Returns false where they were one already. */
  union(x: number, y: number): boolean {
    const a = this.find(x);
    const b = this.find(y);
    if (a === b) return false;
    this.parent[Math.max(a, b)] = Math.min(a, b);
    return true;
  }

  /** The sets among the given elements, each in the given order, in order of first appearance. */
  groups(elements: Iterable<number>): number[][] {
    const byRoot = new Map<number, number[]>();
    for (const x of elements) {
      const root = this.find(x);
      const list = byRoot.get(root);
      if (list) list.push(x);
      else byRoot.set(root, [x]);
    }
    return [...byRoot.values()];
  }
}

/**
 * Unknown numbers related by x = ratio * y and x = 0: the presolve of sparse linear systems. Every unknown is a multiple of
 * its root, or zero.
 */
export class RatioSets {
  private readonly parent: Int32Array;
  /** value(x) = factor[x] * value(parent[x]). */
  private readonly factor: Float64Array;
  private readonly zero: Uint8Array;

  constructor(size: number) {
    this.parent = Int32Array.from({ length: size }, (_, i) => i);
    this.factor = new Float64Array(size).fill(1);
    this.zero = new Uint8Array(size);
  }

  /** The root of `x` and the factor f with x = f * root; undefined where x is zero. */
  resolve(x: number): { readonly root: number; readonly factor: number } | undefined {
    const { parent, factor } = this;
    let root = x;
    let product = 1;
    while (parent[root] !== root) {
      product *= factor[root]!;
      root = parent[root]!;
    }
    const whole = product;
    // Point every element of the path at the root directly.
    let at = x;
    while (parent[at] !== root && at !== root) {
      const up = parent[at]!;
      const own = factor[at]!;
      parent[at] = root;
      factor[at] = product;
      product /= own;
      at = up;
    }
    return this.zero[root] ? undefined : { root, factor: whole };
  }

  isZero(x: number): boolean {
    return this.resolve(x) === undefined;
  }

  /** States x = 0. Returns whether that was new. */
  setZero(x: number): boolean {
    const r = this.resolve(x);
    if (!r) return false;
    this.zero[r.root] = 1;
    return true;
  }

  /** States x = ratio * y (ratio not zero). Two different ratios for one pair make both zero. Returns whether it was new. */
  relate(x: number, y: number, ratio: number): boolean {
    const a = this.resolve(x);
    const b = this.resolve(y);
    if (!a || !b) return a ? this.setZero(x) : b ? this.setZero(y) : false;
    const scaled = (ratio * b.factor) / a.factor; // a.root = scaled * b.root
    if (a.root === b.root) return Math.abs(scaled - 1) > 1e-7 ? this.setZero(x) : false;
    this.parent[a.root] = b.root;
    this.factor[a.root] = scaled;
    return true;
  }
}

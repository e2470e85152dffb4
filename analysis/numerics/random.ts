/**
 * @file Seeded random numbers: xoshiro128** (Blackman and Vigna 2018) seeded through splitmix32, normals by Box and Muller.
 * Every engine takes its randomness from here, so that results repeat.
 */

/** A repeatable source of random numbers. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d: number;
  private spare: number | undefined;

  /** Equal seeds give equal sequences; any finite number will do. */
  constructor(seed: number) {
    let state = seed | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) | 0;
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.d = next() | 1; // never all zero
  }

  /** 32 random bits as an unsigned integer. */
  bits(): number {
    const x = Math.imul(this.b, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9);
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return (this.bits() * 2097152 + (this.bits() >>> 11)) / 9007199254740992;
  }

  /** Uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Standard normal. */
  normal(): number {
    if (this.spare !== undefined) {
      const out = this.spare;
      this.spare = undefined;
      return out;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** `count` normals with mean zero. */
  normals(count: number, deviation = 1): Float64Array {
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) out[i] = deviation * this.normal();
    return out;
  }

  /** `count` numbers, uniform in [from, to). */
  uniforms(count: number, from: number, to: number): Float64Array {
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) out[i] = from + (to - from) * this.uniform();
    return out;
  }

  /**
   * `count` numbers, uniform in [from, to), of 32 random bits each: the millions of weights of a model take a fifth of the time that
   * as many normals take.
   */
  coarse(count: number, from: number, to: number): Float64Array {
    const out = new Float64Array(count);
    // Local variables stay in registers; fields would be written back at every step.
    let { a, b, c, d } = this;
    const step = (to - from) / 4294967296;
    for (let i = 0; i < count; i++) {
      const x = Math.imul(b, 5);
      out[i] = from + step * (Math.imul((x << 7) | (x >>> 25), 9) >>> 0);
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = (d << 11) | (d >>> 21);
    }
    this.a = a;
    this.b = b;
    this.c = c;
    this.d = d;
    return out;
  }

  /** `count` distinct integers below `bound` in random order; all of them when `count` reaches `bound`. */
  sample(bound: number, count: number): Int32Array {
    const all = Int32Array.from({ length: bound }, (_, i) => i);
    const k = Math.min(count, bound);
    for (let i = 0; i < k; i++) {
      const j = i + this.integer(bound - i);
      const t = all[i]!;
      all[i] = all[j]!;
      all[j] = t;
    }
    return all.subarray(0, k);
  }
}

/** @file Which examples each step sees. */
import { Random } from "../../numerics/random";

/** Shuffled rows without end: every row once per epoch, as torch's DataLoader(shuffle=True, drop_last=True). */
export class Batches {
  private readonly random: Random;
  private readonly order: Int32Array;
  private at: number;

  /** @param examples number of rows; @param batch rows per step, at most `examples` */
  constructor(
    seed: number,
    private readonly examples: number,
    private readonly batch: number,
  ) {
    if (batch > examples) throw new RangeError(`a batch of ${batch} needs as many examples; there are ${examples}`);
    this.random = new Random(seed ^ 0x5eed);
    this.order = Int32Array.from({ length: examples }, (_, i) => i);
    this.at = examples;
  }

  /** The rows of the next step, written to `out` from `offset` on. */
  next(out: BigInt64Array, offset: number): void {
    if (this.at + this.batch > this.examples) {
      for (let i = this.examples - 1; i > 0; i--) {
        const j = this.random.integer(i + 1);
        const t = this.order[i]!;
        this.order[i] = this.order[j]!;
        this.order[j] = t;
      }
      this.at = 0;
    }
    for (let i = 0; i < this.batch; i++) out[offset + i] = BigInt(this.order[this.at + i]!);
    this.at += this.batch;
  }
}

/**
 * @file What a rule's page claims by numbers. Claims are data: tests evaluate them on the page's own examples, in float64
 * and without PyTorch (testing/check-claim.ts), and the page lists them.
 */

/** A parameter of an example, or its entries at one index of one axis. */
export interface Slice {
  readonly parameter: string;
  readonly axis?: number;
  readonly index?: number;
}

/** Entries of the weights that a claim sets: to a number, or to those of another slice of the same size. */
export interface Setting extends Slice {
  readonly to: number | Slice;
}

/** Where a claim about gradients is made: where the example's own initialisation puts it, or at generic weights with changes. */
export type Point = "start" | readonly Setting[];

interface Said {
  /** One sentence for the page. */
  readonly says: string;
}

/**
 * flat: so many directions in the span of some parameters do not move the function at generic weights (all parameters but
 * these held fixed; under "softmax" what all logits share is forgotten), in each example that is named.
 */
export interface FlatClaim extends Said {
  readonly kind: "flat";
  readonly parameters: readonly string[];
  readonly loss?: "softmax";
  readonly bad?: number;
  readonly fixed?: number;
  readonly good?: number;
}

/** same-function: the bad and the mended example compute the same, at equal weights of equal names. */
export interface SameFunctionClaim extends Said {
  readonly kind: "same-function";
}

/** no-gradient: the gradient of a generic loss of the bad example is exactly zero on some entries. */
export interface NoGradientClaim extends Said {
  readonly kind: "no-gradient";
  readonly at: Point;
  readonly slices: readonly Slice[];
}

/** equal-gradients: pairs of entries get equal gradients, before and after each of some steps of gradient descent. */
export interface EqualGradientsClaim extends Said {
  readonly kind: "equal-gradients";
  readonly at: Point;
  readonly pairs: readonly (readonly [Slice, Slice])[];
  readonly steps?: number;
}

/** exchange: the function does not change when the entries of all pairs change places. */
export interface ExchangeClaim extends Said {
  readonly kind: "exchange";
  readonly pairs: readonly (readonly [Slice, Slice])[];
}

/** entries: numbers of trained entries of the bad and the mended example. */
export interface EntriesClaim extends Said {
  readonly kind: "entries";
  readonly bad: number;
  readonly fixed: number;
}

/** output: with these weights every output entry of the bad example has one value. */
export interface OutputClaim extends Said {
  readonly kind: "output";
  readonly at: readonly Setting[];
  readonly value: number;
}

/** Something that a page says and a test computes. */
export type Claim =
  | FlatClaim
  | SameFunctionClaim
  | NoGradientClaim
  | EqualGradientsClaim
  | ExchangeClaim
  | EntriesClaim
  | OutputClaim;

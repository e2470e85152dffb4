/** @file The families of continuous symmetries in words: what each is and what it does to training. */
import type { ModelAnalysis } from "../symmetry/analysis";
import { type ContinuousCounts, FAMILIES, type Family } from "../symmetry/symmetry";

/** What the directions of a family are, in a few words. */
export const FAMILY_WORDS: Readonly<Record<Family, string>> = {
  linear: "any invertible change of basis between linear maps",
  rotation: "rotations of a space that only its length is read from",
  scale: "sizes of weights that a normalisation forgets",
  rescaling: "scales that one layer trades with the next",
  translation: "shifts that something behind forgets or absorbs",
  unread: "directions that nothing reads",
};

/** What a family leads to in training, as a sentence (see the papers in the rule pages). */
export const FAMILY_EFFECTS: Readonly<Record<Family, string>> = {
  linear: "Only the product of the two maps counts. Weight decay shrinks the product's small singular values to zero: low rank.",
  rotation: "Training has no preferred axes here. Weight decay favours few directions: low rank.",
  scale: "Only the direction of these weights counts. Weight decay sets their effective learning rate, not their size.",
  rescaling: "A unit can trade scale between its two sides. Weight decay balances them and drives weak units to zero: sparsity.",
  translation: "The gradient along the shift is zero. Plain gradient descent leaves it alone, Adam lets it drift.",
  unread: "The gradient along these directions is zero: these weights do no work.",
};

/** How far the counts go, where they do not go all the way. */
export function countWords(origin: ModelAnalysis["countOrigin"]): string | undefined {
  switch (origin) {
    case "model":
      return undefined;
    case "twin":
      return "directions were counted on a small copy of the model and scaled up by rule";
    case "scalings":
      return "only scalings were counted: the total is a lower bound";
  }
}

/** Families that occur, in counting order, with their numbers. */
export function familyCounts(counts: ContinuousCounts): { readonly family: Family; readonly count: number }[] {
  return FAMILIES.filter((family) => counts[family] > 0).map((family) => ({ family, count: counts[family] }));
}

/** @file The families of continuous symmetries in words: what each is and what it does to training. */
import { mark, say } from "../texts/say";
import type { Certificate, ModelAnalysis } from "../symmetry/analysis";
import { type ContinuousCounts, FAMILIES, type Family } from "../symmetry/symmetry";

/** What the directions of a family are, in a few words. */
export const FAMILY_WORDS: Readonly<Record<Family, string>> = {
  linear: mark`any invertible change of basis between linear maps`,
  rotation: mark`rotations of a space that only its length is read from`,
  scale: mark`sizes of weights that a normalisation forgets`,
  rescaling: mark`scales that one layer trades with the next`,
  translation: mark`shifts that something behind forgets or absorbs`,
  unread: mark`directions that nothing reads`,
};

/** What a family leads to in training, as a sentence (see the papers in the rule pages). */
export const FAMILY_EFFECTS: Readonly<Record<Family, string>> = {
  linear: mark`Only the product of the two maps counts. Weight decay shrinks the product's small singular values to zero: low rank.`,
  rotation: mark`Training has no preferred axes here. Weight decay favours few directions: low rank.`,
  scale: mark`Only the direction of these weights counts. Weight decay sets their effective learning rate, not their size.`,
  rescaling: mark`A unit can trade scale between its two sides. Weight decay balances them and drives weak units to zero: sparsity.`,
  translation: mark`The gradient along the shift is zero. Plain gradient descent leaves it alone, Adam lets it drift.`,
  unread: mark`The gradient along these directions is zero: these weights do no work.`,
};

/** The dimensions of a model as far as they are known. */
export interface Counted {
  readonly continuous: ContinuousCounts;
  readonly origin: ModelAnalysis["countOrigin"];
  /** Whether there may be more. */
  readonly isLeast: boolean;
  /** How far the counts go, where they do not go all the way. */
  readonly limits?: string;
}

/** The best counts of a model: those of its certificate where it has been measured on a small copy. */
export function countedOf(analysis: ModelAnalysis, certificate: Certificate | undefined): Counted {
  const model = certificate?.twin?.model;
  if (analysis.countOrigin !== "scalings" || !model) {
    const { continuous, countOrigin: origin } = analysis;
    if (origin === "model") return { continuous, origin, isLeast: false };
    const limits = say`only scalings were counted: the total is a lower bound; certification counts all of them`;
    return { continuous, origin, isLeast: true, limits };
  }
  const { continuous, exact, unexplained, open } = model;
  const scaled = say`directions were measured on a small copy of the model and scaled up by rule`;
  const missing = [
    ...(unexplained > 0 ? [`${unexplained} of the small copy's directions have no rule that says how many they are here`] : []),
    ...(open.length > 0 ? [`${open.length} groups have no counterpart in the small copy`] : []),
  ];
  const limits = exact ? scaled : say`${scaled}; the total is a lower bound: ${missing.join(", and ")}`;
  return { continuous, origin: "twin", isLeast: !exact, limits };
}

/** Claims that failed their check, in words: group, kind and what they move. */
export function withdrawnClaims(analysis: ModelAnalysis, certificate: Certificate): string[] {
  const failed = new Set(certificate.failed);
  const own = analysis.symmetries.flatMap((s) => (failed.has(s.id) ? [claimWords(s)] : []));
  return [...own, ...(certificate.twin?.failed ?? []).map((claim) => `${claim}, on the small copy`)];
}

function claimWords({ group, kind, parameters }: ModelAnalysis["symmetries"][number]): string {
  const more = parameters.length - 3;
  return `${group} (${kind}) on ${parameters.slice(0, 3).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Families that occur, in counting order, with their numbers. */
export function familyCounts(counts: ContinuousCounts): { readonly family: Family; readonly count: number }[] {
  return FAMILIES.filter((family) => counts[family] > 0).map((family) => ({ family, count: counts[family] }));
}

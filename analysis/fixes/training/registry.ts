/** @file All fixes that change training, and those that a finding gets. */
import type { CheckedFile } from "../../rules/checked";
import type { Fix } from "../../rules/finding";
import type { Subject } from "../../rules/rule";
import { Draft, NotEditable } from "../source/draft";
import { PythonSource } from "../source/python-source";
import { syre, syreDiagonal, syreParametrization } from "./anchored-decay";
import { biasFields, undecayedFactors } from "./attention";
import { activationBetween, mergeChain } from "./chains";
import { asymmetricWeights, lowRankProduct, sparseProduct, weightNorm } from "./computed-weights";
import { redrawnCopies, routerNoise } from "./experts";
import { inputExpansion } from "./input-expansion";
import { decayMatrices, decayValue, rateValue } from "./options";
import type { TrainingRemedy } from "./remedy";
import { figlu, normalise } from "./units";

/** In the order in which they are offered. */
export const trainingRemedies: readonly TrainingRemedy[] = [
  inputExpansion,
  activationBetween,
  mergeChain,
  decayMatrices,
  decayValue,
  rateValue,
  undecayedFactors,
  syre,
  syreDiagonal,
  syreParametrization,
  asymmetricWeights,
  figlu,
  biasFields,
  normalise,
  weightNorm,
  sparseProduct,
  lowRankProduct,
  routerNoise,
  redrawnCopies,
];

const sources = new WeakMap<CheckedFile, PythonSource | undefined>();

/** The text of a file with its syntax; undefined for ONNX, and where the syntax is another version's. */
export function sourceOf(file: CheckedFile): PythonSource | undefined {
  if (!sources.has(file)) {
    const chunks = file.text === undefined ? undefined : file.syntax?.();
    sources.set(file, chunks && PythonSource.of(file.file, file.text!, chunks));
  }
  return sources.get(file);
}

/** One fix at one place; the reason where it cannot be made rightly there. */
export function trainingFix(
  remedy: TrainingRemedy,
  file: CheckedFile,
  subject: Subject,
): { readonly fix: Fix } | { readonly reason: string } {
  const source = sourceOf(file);
  if (!source) return { reason: "the text could not be parsed" };
  const draft = new Draft(source);
  try {
    const title = remedy.write({ file, source, subject }, draft);
    const target = { model: subject.model.name, parameters: subject.parameters };
    return { fix: { title, remedy: remedy.id, target, exact: false, edits: draft.edits() } };
  } catch (error) {
    if (error instanceof NotEditable) return { reason: error.message };
    throw error;
  }
}

/** The fixes that change training for a finding of a rule; those that cannot be made rightly are left out. */
export function trainingFixes(rule: string, file: CheckedFile, subject: Subject): Fix[] {
  return trainingRemedies.flatMap((remedy) => {
    if (!remedy.rules.includes(rule)) return [];
    const outcome = trainingFix(remedy, file, subject);
    return "fix" in outcome ? [outcome.fix] : [];
  });
}

/** @file All fixes that a Python file can be given, by name: those of its findings, and those that suit any weight. */
import type { Position, SourceRange } from "../graph/source";
import type { CheckedFile, CheckedModel } from "../rules/checked";
import { linearStructure } from "../rules/contractions";
import type { Finding, Fix } from "../rules/finding";
import type { RuleOptions, Subject } from "../rules/rule";
import { checkWithSubjects } from "./check";
import { trainingFix, trainingRemedies } from "./training/registry";

/** A fix that may be asked for. */
export interface Offer {
  /** Name of the remedy. */
  readonly id: string;
  readonly fix: Fix;
  /** The model in question, where the fix says. */
  readonly model?: CheckedModel;
  readonly parameters: readonly string[];
  readonly finding?: Finding;
}

/** What is asked for. */
export interface OfferRequest {
  readonly options?: (rule: string) => RuleOptions | undefined;
  /** Which findings are to be mended (default: all). */
  readonly reported?: (finding: Finding) => boolean;
  /** Only this remedy. */
  readonly id?: string;
  /** Only at this parameter. */
  readonly parameter?: string;
  /** Only in this model. */
  readonly model?: string;
}

/** Fixes of the findings first, then those that suit any weight, one for each remedy and model; and why some cannot be made. */
export function offersOf(
  file: CheckedFile,
  { options, reported, id, parameter, model: named }: OfferRequest = {},
): { readonly offers: Offer[]; readonly refusals: readonly string[] } {
  const offers: Offer[] = [];
  const refusals: string[] = [];
  const fits = (name: string | undefined): boolean => id === undefined || name === id;
  for (const { finding, subject } of checkWithSubjects(file, options)) {
    if (reported && !reported(finding)) continue;
    if (parameter !== undefined && !subject?.parameters.includes(parameter)) continue;
    if (named !== undefined && subject !== undefined && subject.model.name !== named) continue;
    for (const fix of finding.fixes) {
      if (!fits(fix.remedy)) continue;
      const about = subject ? { model: subject.model, parameters: subject.parameters } : { parameters: [] };
      offers.push({ id: fix.remedy!, fix, finding, ...about });
    }
  }
  for (const model of file.models) {
    if ((named !== undefined && model.name !== named) || model.range?.file !== file.file) continue;
    for (const remedy of trainingRemedies) {
      if (!remedy.anywhere || !fits(remedy.id)) continue;
      if (offers.some((o) => o.id === remedy.id && o.model === model)) continue;
      const reasons = new Set<string>();
      for (const p of candidates(model, remedy.id, parameter)) {
        const subject: Subject = { model, parameters: [p] };
        const outcome = trainingFix(remedy, file, subject);
        if ("fix" in outcome) {
          offers.push({ id: remedy.id, fix: outcome.fix, model, parameters: [p] });
          reasons.clear();
          break;
        }
        reasons.add(outcome.reason);
      }
      for (const reason of reasons) refusals.push(`${remedy.id}: ${reason}`);
    }
  }
  return { offers, refusals };
}

/** Weights that a remedy is tried on, in the order of the model; of input expansion only what reads the input. */
function candidates(model: CheckedModel, id: string, parameter: string | undefined): string[] {
  if (parameter !== undefined) return model.graph.parameters.has(parameter) ? [parameter] : [];
  if (id !== "input-expansion") {
    return [...model.graph.parameters.values()].filter((p) => p.trainable && p.shape.length >= 2).map((p) => p.name);
  }
  const normal = model.normal();
  const inputs = new Set(normal.inputs.map((i) => i.name));
  return [...linearStructure(normal).contractions.values()].filter((c) => inputs.has(c.data)).map((c) => c.weight.name);
}

/**
 * Fixes that suit the weights of the layers that a range touches, and the optimisers' for a call that makes one: what removes or
 * enforces a symmetry there, whether a rule finds anything or not.
 */
export function rewritesAt(file: CheckedFile, range: SourceRange): Fix[] {
  const out: Fix[] = [];
  const seen = new Set<string>();
  const touches = (r: SourceRange): boolean =>
    r.file === range.file && compare(r.start, range.end) <= 0 && compare(range.start, r.end) <= 0;
  const optimisers = (file.facts?.().optimisers ?? []).filter((o) => touches(o.range));
  for (const model of file.models) {
    const layers = model.layers.filter((l) => touches(l.constructor));
    const weights = layers.flatMap((l) =>
      l.parameters.filter((p) => (model.graph.parameters.get(p)?.shape.length ?? 0) >= 2).slice(0, 1),
    );
    for (const remedy of trainingRemedies) {
      if (!remedy.anywhere) continue;
      const isOptimisers = remedy.id.startsWith("syre");
      const optimiser = optimisers.find((o) => o.model === model.name);
      if (isOptimisers && !optimiser) continue;
      const first = isOptimisers ? [...model.graph.parameters.keys()].slice(0, 1) : weights.slice(0, 1);
      for (const parameter of first) {
        if (remedy.id === "input-expansion" && !candidates(model, remedy.id, undefined).includes(parameter)) continue;
        const outcome = trainingFix(remedy, file, { model, parameters: [parameter], ...(optimiser ? { optimiser } : {}) });
        const key = "fix" in outcome ? JSON.stringify(outcome.fix.edits) : "";
        if (!("fix" in outcome) || seen.has(key)) continue;
        seen.add(key);
        out.push(outcome.fix);
      }
    }
  }
  return out;
}

function compare(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column;
}

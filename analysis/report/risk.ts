/** @file Collapse risks as reports show them: in the text and the JSON of `noether symmetries`. */
import { mark, say, translated } from "../texts/say";
import { higher, type ModelRisk, modelRisk, type RiskGroup, type TrainedBy } from "../dynamics/risk/model";
import { type CollapseRisk, type RiskLevel, short } from "../dynamics/risk/risk";
import type { TrainingSettings } from "../dynamics/risk/settings";
import type { ModelAnalysis } from "../symmetry/analysis";
import { typeset } from "./typeset";

/** What is needed to tell a model's risks. */
export interface RiskyModel {
  readonly name: string;
  readonly analysis: ModelAnalysis;
  training?(): TrainedBy;
}

const RISKS = new WeakMap<
  ModelAnalysis,
  { readonly trained: TrainedBy["facts"]; readonly measured: TrainedBy["measured"]; readonly risk: ModelRisk }
>();

/** The risks of a model, made once for its analysis and training. */
export function riskOf(model: RiskyModel): ModelRisk {
  const trained = model.training?.() ?? {};
  const known = RISKS.get(model.analysis);
  if (known && known.trained === trained.facts && known.measured === trained.measured) return known.risk;
  const risk = modelRisk(model.name, model.analysis, trained);
  RISKS.set(model.analysis, { trained: trained.facts, measured: trained.measured, risk });
  return risk;
}

/** The highest risk of the symmetries that act on each space, by the space's id. */
export function spaceRisks({ symmetries }: Pick<ModelAnalysis, "symmetries">, risk: ModelRisk): ReadonlyMap<number, RiskLevel> {
  const out = new Map<number, RiskLevel>();
  for (const s of symmetries) {
    const level = risk.of(s)?.level ?? "low";
    for (const id of s.spaces) out.set(id, higher(out.get(id) ?? "low", level));
  }
  return out;
}

/** Risks of a model in the public JSON. */
export interface RiskJson {
  readonly level: RiskLevel;
  readonly symmetries: readonly {
    readonly kind: string;
    /** Number of symmetries of the kind under these settings, with the groups of the first ones. */
    readonly count: number;
    readonly groups: readonly string[];
    readonly level: RiskLevel;
    readonly outcome: CollapseRisk["what"];
    readonly basis: CollapseRisk["basis"];
    readonly sentence: string;
    readonly formula: string;
    readonly source: string;
    readonly numbers: CollapseRisk["numbers"];
    readonly assumed: readonly string[];
    readonly levers: readonly string[];
  }[];
}

/** Groups that one entry names. */
const MOST_GROUPS = 5;

/** The risks as a member of a model in the public JSON. Infinite times are left out: JSON has none. */
export function riskJson({ level, groups }: ModelRisk): RiskJson {
  return {
    level,
    symmetries: groups.map(({ kind, risk, symmetries }) => ({
      kind,
      count: symmetries.length,
      groups: [...new Set(symmetries.map((s) => s.group))].slice(0, MOST_GROUPS),
      level: risk.level,
      outcome: risk.what,
      basis: risk.basis,
      sentence: risk.sentence,
      formula: typeset(risk.formula.formula),
      source: risk.formula.source,
      numbers: risk.numbers.filter((n) => Number.isFinite(n.value)),
      assumed: risk.assumed,
      levers: risk.levers.map((l) => l.text),
    })),
  };
}

/** Outcomes in words that follow "risk of". */
const OUTCOME_WORDS: Readonly<Record<CollapseRisk["what"], string>> = {
  sparsity: mark`sparsity (dead units)`,
  "identical units": mark`identical units`,
  "low rank": mark`low rank`,
  "scale drift": mark`scale drift`,
  none: mark`nothing to collapse to`,
};

const LEVEL_WORDS: Readonly<Record<RiskLevel, string>> = { low: mark`low`, medium: mark`medium`, high: mark`high` };

/** A level in words. */
export function levelWords(level: RiskLevel): string {
  return translated(LEVEL_WORDS[level]);
}

/** What a risk is a risk of, in words. */
export function outcomeWords(risk: CollapseRisk): string {
  return translated(OUTCOME_WORDS[risk.what]);
}

/** How a model trains, as far as its code says: `SGD, learning rate 0.1, weight decay 0.0005`. */
export function settingWords({ learningRate, optimiser, unknown, weightDecay }: TrainingSettings): string {
  if (unknown) return say`no optimiser was found: plain SGD without weight decay is assumed`;
  return say`${optimiser}, learning rate ${short(learningRate)}, weight decay ${short(weightDecay)}`;
}

/** Among equal levels what is lost counts before what drifts, and that before what changes nothing. */
const WEIGHT: Readonly<Record<CollapseRisk["what"], number>> = {
  sparsity: 0,
  "low rank": 0,
  "identical units": 0,
  "scale drift": 1,
  none: 2,
};

/** The group of the highest risk, groups being in that order; among equals the one that tells most. */
export function telling(groups: readonly RiskGroup[]): RiskGroup | undefined {
  const highest = groups.filter((g) => g.risk.level === groups[0]?.risk.level);
  return highest.reduce<RiskGroup | undefined>((a, b) => (a && WEIGHT[a.risk.what] <= WEIGHT[b.risk.what] ? a : b), undefined);
}

/** @file The collapse risks of all symmetries of a model: from the user's settings, sharper where a probe measured. */
import type { ModelAnalysis } from "../../symmetry/analysis";
import type { Symmetry } from "../../symmetry/symmetry";
import { measuredRisk, type MeasuredSymmetry } from "./measured";
import { type CollapseRisk, collapseRisk, type RiskLevel } from "./risk";
import { settingsReader, type TrainingFactsLike, type TrainingSettings } from "./settings";

/** Symmetries of one kind that train under the same settings: their risk is one. */
export interface RiskGroup {
  readonly kind: Symmetry["kind"];
  readonly settings: TrainingSettings;
  readonly risk: CollapseRisk;
  readonly symmetries: readonly Symmetry[];
}

type OpenGroup = RiskGroup & { readonly symmetries: Symmetry[] };

/** The risks of a model. */
export interface ModelRisk {
  /** The highest level of any symmetry; low where there are none. */
  readonly level: RiskLevel;
  /** The highest first, within a level those of more symmetries first. */
  readonly groups: readonly RiskGroup[];
  /** Risk of one of the model's symmetries. */
  of(symmetry: Symmetry): CollapseRisk | undefined;
}

/** What is known of how a model trains. */
export interface TrainedBy {
  /** Facts of the code, or of a probe's settings. */
  readonly facts?: TrainingFactsLike;
  /** What a probe measured, of the model or of its twin. */
  readonly measured?: readonly MeasuredSymmetry[];
}

/** Levels from low to high, as numbers. */
const HEIGHT: Readonly<Record<RiskLevel, number>> = { low: 0, medium: 1, high: 2 };

/** The higher of two levels. */
export function higher(a: RiskLevel, b: RiskLevel): RiskLevel {
  return HEIGHT[a] >= HEIGHT[b] ? a : b;
}

const NO_TRAINING: TrainingFactsLike = { optimisers: [] };

/** The risks of the symmetries of `analysis`, where the model called `name` trains as `trained` says. */
export function modelRisk(name: string, analysis: ModelAnalysis, trained: TrainedBy = {}): ModelRisk {
  const facts = factsOf(name, trained.facts ?? NO_TRAINING);
  const rank = (p: string): number | undefined => analysis.graph.parameters.get(p)?.shape.length;
  const settingsOf = settingsReader(facts, rank);
  const groups: OpenGroup[] = [];
  const ofSettings = new Map<TrainingSettings, Map<Symmetry["kind"], OpenGroup>>();
  const of = new Map<string, CollapseRisk>();
  const measured = new Map((trained.measured ?? []).map((m) => [nameOf(m.symmetry), m]));
  for (const symmetry of analysis.symmetries) {
    const settings = settingsOf(symmetry.parameters);
    const summary = measured.size > 0 ? measured.get(nameOf(symmetry)) : undefined;
    const alike = ofSettings.get(settings) ?? new Map<Symmetry["kind"], OpenGroup>();
    ofSettings.set(settings, alike);
    // What was measured is measured of one symmetry: it is a group of its own.
    let group = summary ? undefined : alike.get(symmetry.kind);
    if (!group) {
      const closed = collapseRisk(symmetry, settings);
      group = { kind: symmetry.kind, settings, risk: summary ? measuredRisk(closed, summary) : closed, symmetries: [] };
      groups.push(group);
      if (!summary) alike.set(symmetry.kind, group);
    }
    group.symmetries.push(symmetry);
    of.set(symmetry.id, group.risk);
  }
  const ordered = groups.sort((a, b) => HEIGHT[b.risk.level] - HEIGHT[a.risk.level] || b.symmetries.length - a.symmetries.length);
  return { level: ordered[0]?.risk.level ?? "low", groups: ordered, of: (s) => of.get(s.id) };
}

/** Names a symmetry on a model and on its twin alike: by what it is and moves. */
function nameOf({ kind, parameters }: Pick<Symmetry, "kind" | "parameters">): string {
  return [kind, ...parameters].join(" ");
}

/** The facts as they hold for one model: those of the optimisers that move it, or of the only setting that there is. */
function factsOf(name: string, facts: TrainingFactsLike): TrainingFactsLike {
  const own = facts.optimisers.filter((o) => o.model === undefined || o.model === name);
  if (own.length > 0 || facts.optimisers.length === 0) return { ...facts, optimisers: own };
  // A part of a model that is trained: it trains like the whole where the whole has one setting.
  const [other] = facts.optimisers;
  const settings = new Set(facts.optimisers.flatMap((o) => o.groups.map((g) => `${g.learningRate} ${g.weightDecay}`)));
  if (!other || settings.size !== 1) return { ...facts, optimisers: [] };
  const [group] = other.groups;
  return {
    ...facts,
    optimisers: [{ ...other, groups: group ? [{ ...group, parameters: undefined }] : [] }],
    assumed: [`it trains like ${other.model ?? "the whole"}`],
  };
}

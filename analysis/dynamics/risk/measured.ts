/** @file The risk of a symmetry after a probe: what its runs measured takes the place of the closed form's typical values. */
import { verdictWord } from "../verdict/verdict";
import { say } from "../../texts/say";
import type { Estimate } from "../measures/statistics";
import type { Symmetry } from "../../symmetry/symmetry";
import type { CollapseRisk, RiskLevel, RiskNumber } from "./risk";

/** Shares of a layer that are lost: from the first on a risk is medium, from the second on high. */
const NOTABLE_SHARE = 0.05;
const LARGE_SHARE = 0.3;

/** What a probe measured of one symmetry, as far as its risk depends on it (a SymmetrySummary fits). */
export interface MeasuredSymmetry {
  readonly symmetry: Pick<Symmetry, "kind" | "parameters">;
  readonly units?: { readonly units: number; readonly dead: Estimate; readonly duplicates: Estimate };
  readonly ranks?: { readonly full: number; readonly numerical: Estimate };
  readonly verdict?: { readonly kind: string; readonly driver: string; readonly start: Estimate; readonly end: Estimate };
}

/** One way in which a probe saw something being lost. */
interface Loss {
  readonly name: string;
  readonly share: Estimate;
}

/**
 * The closed form's risk with the level, sentence and numbers of a probe. A loss counts where it exceeds two standard errors.
 * Symmetries of which a probe measures no loss (scales, shifts) keep the closed form.
 */
export function measuredRisk(closed: CollapseRisk, summary: MeasuredSymmetry): CollapseRisk {
  const losses = lossesOf(summary);
  if (losses.length === 0) return closed;
  const largest = losses.reduce((a, b) => (b.share.value > a.share.value ? b : a));
  const { value, error } = largest.share;
  const isSure = !(value - 2 * error <= 0);
  const level: RiskLevel = !isSure || value < NOTABLE_SHARE ? "low" : value < LARGE_SHARE ? "medium" : "high";
  const numbers: RiskNumber[] = losses.map((l) => ({ name: l.name, value: l.share.value, unit: "1" }));
  const { verdict } = summary;
  const words = `${percent(value)}${Number.isFinite(error) ? ` ± ${percent(error)}` : ""} ${largest.name}`;
  const { bestLever, levers, ...rest } = closed;
  return {
    ...rest,
    level,
    basis: "measured",
    sentence: verdict
      ? say`Measured in a probe: ${words}; it ${verdictWord(verdict.kind)}, driven by ${verdictWord(verdict.driver)}.`
      : say`Measured in a probe: ${words}.`,
    numbers: [...numbers, ...closed.numbers],
    assumed: [],
    levers: level === "low" ? [] : levers,
    ...(bestLever && level !== "low" ? { bestLever } : {}),
  };
}

function lossesOf({ units, ranks, verdict }: MeasuredSymmetry): Loss[] {
  const out: Loss[] = [];
  if (units && units.units > 0) {
    out.push({ name: say`of the units dead`, share: over(units.dead, units.units) });
    out.push({ name: say`of the units duplicates`, share: over(units.duplicates, units.units) });
  }
  if (ranks && ranks.full > 0) {
    const lost = { ...ranks.numerical, value: ranks.full - ranks.numerical.value };
    out.push({ name: say`of the singular directions gone`, share: over(lost, ranks.full) });
  }
  if (verdict) {
    const fall = verdict.start.value - verdict.end.value;
    const error = Math.hypot(verdict.start.error, verdict.end.error);
    if (verdict.kind === "collapses")
      out.push({ name: say`of the mirrors restored`, share: { ...verdict.end, value: fall, error } });
  }
  return out;
}

function over({ value, error, ...rest }: Estimate, whole: number): Estimate {
  return { ...rest, value: value / whole, error: error / whole };
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))}%`;
}

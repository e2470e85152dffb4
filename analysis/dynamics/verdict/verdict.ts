/**
 * @file The verdict on a symmetry after a probe: does training break it, keep it, or restore it, from when on, and which of the
 * user's settings does that.
 */
import { mark, say, translated } from "../../texts/say";
import type { Symmetry } from "../../symmetry/symmetry";
import { type Estimate, estimate } from "../measures/statistics";
import type { RunSettings } from "../measures/settings";
import { short } from "../risk/risk";
import type { SymmetryCourse } from "./course";

/** What training does with a symmetry. */
export type VerdictKind =
  /** The weights end away from its mirrors. */
  | "breaks"
  /** They start on its mirrors and end there. */
  | "stays symmetric"
  /** They start away from its mirrors and some of them are restored. */
  | "collapses";

/** Settings that can drive a verdict. */
export type Driver = "weight decay" | "learning rate" | "batch size" | "initialisation" | "architecture and data";

const WORDS: Readonly<Record<VerdictKind | Driver, string>> = {
  breaks: mark`breaks`,
  "stays symmetric": mark`stays symmetric`,
  collapses: mark`collapses`,
  "weight decay": mark`weight decay`,
  "learning rate": mark`learning rate`,
  "batch size": mark`batch size`,
  initialisation: mark`initialisation`,
  "architecture and data": mark`architecture and data`,
};

/** A kind or a driver, as records hold it, as people read it. */
export function verdictWord(word: string): string {
  const words: Readonly<Record<string, string>> = WORDS;
  return translated(words[word] ?? word);
}

/** The verdict on one symmetry. */
export interface Verdict {
  readonly symmetry: Symmetry;
  readonly kind: VerdictKind;
  /** Recorded step at which half of the change had happened (collapse, or breaking of symmetric starts), mean over replicas. */
  readonly step?: Estimate;
  /** Share of broken mirrors at the start and at the end. */
  readonly start: Estimate;
  readonly end: Estimate;
  /** About how many of its mirrors are restored at the end. */
  readonly restored: number;
  readonly mirrors: number;
  readonly driver: Driver;
  /** Sentences with the numbers behind kind and driver. */
  readonly evidence: readonly string[];
  /**
   * Step at which the weakest mirror would be reached if it went on shrinking as in the second half of the run; absent where it
   * does not shrink.
   */
  readonly heading?: number;
}

/** At most this share at start and end: it was never broken. */
const SYMMETRIC = 0.5;
/** A fall of the share below this says nothing, however small its error: a handful of weak units comes and goes. */
const LEAST_FALL = 0.05;
/** Falls have to exceed this many standard errors. */
const SIGNIFICANT = 2;
/** Weakest order parameter, relative to the scale, at which a mirror counts as reached. */
const REACHED = 1e-3;

/** The verdict from the courses of one symmetry over replicas (one setting). Throws RangeError without any. */
export function verdictOf(courses: readonly SymmetryCourse[], settings: RunSettings): Verdict {
  const first = courses[0];
  if (!first) throw new RangeError("a verdict needs at least one run");
  const start = estimate(courses.map((c) => c.broken[0]!));
  const end = estimate(courses.map((c) => c.broken.at(-1)!));
  const fall = estimate(courses.map((c) => c.broken[0]! - c.broken.at(-1)!));
  const restored = (1 - end.value) * first.mirrors;
  // Half of a mirror is no mirror: in small groups one unit is a large share.
  const least = Math.max(LEAST_FALL, 0.5 / first.mirrors);
  const isFalling = fall.value > least && !(fall.value <= SIGNIFICANT * fall.error);
  const kind: VerdictKind = isFalling
    ? "collapses"
    : start.value <= SYMMETRIC && end.value <= SYMMETRIC
      ? "stays symmetric"
      : "breaks";
  const turned = kind === "collapses" || (kind === "breaks" && start.value <= SYMMETRIC);
  const step = turned ? estimate(courses.map(halfway)) : undefined;
  const heading = kind === "breaks" ? extrapolate(courses) : undefined;
  const { driver, sentence } = findDriver(kind, start, courses, settings);
  const evidence = [
    say`share of broken mirrors ${withError(start)} at the start, ${withError(end)} at the end`,
    ...(kind === "collapses" || kind === "stays symmetric"
      ? [say`about ${Math.round(restored)} of ${first.mirrors} mirrors are not broken at the end`]
      : []),
    ...(heading === undefined ? [] : [say`its weakest mirror would be reached at about step ${short(heading)}`]),
    sentence,
  ];
  return {
    symmetry: first.symmetry,
    kind,
    start,
    end,
    restored,
    mirrors: first.mirrors,
    driver,
    evidence,
    ...(step ? { step } : {}),
    ...(heading === undefined ? {} : { heading }),
  };
}

/** A value and its standard error in words. */
export function withError(e: Estimate): string {
  if (e.replicas < 2 || !Number.isFinite(e.error)) return say`${e.value.toFixed(2)} (one replica: no error)`;
  return `${e.value.toFixed(2)} +- ${e.error.toFixed(2)}`;
}

/** First recorded step after which the share stays on the far side of the middle between start and end, interpolated. */
function halfway(course: SymmetryCourse): number {
  const { broken, at } = course;
  const [start, end] = [broken[0]!, broken.at(-1)!];
  const middle = (start + end) / 2;
  const beyond = (d: number) => (end < start ? d <= middle : d >= middle);
  let k = broken.length - 1;
  while (k > 0 && beyond(broken[k - 1]!)) k--;
  if (k === 0) return at[0]!;
  const [before, after] = [broken[k - 1]!, broken[k]!];
  const share = before === after ? 1 : (middle - before) / (after - before);
  return at[k - 1]! + share * (at[k]! - at[k - 1]!);
}

function extrapolate(courses: readonly SymmetryCourse[]): number | undefined {
  const steps = courses.map((c) => {
    const n = c.weakest.length;
    const half = Math.floor(n / 2);
    const [a, b] = [c.weakest[half] ?? 0, c.weakest.at(-1) ?? 0];
    const time = (c.at.at(-1) ?? 0) - (c.at[half] ?? 0);
    if (time <= 0 || a <= 0 || b <= 0) return Number.NaN;
    const rate = Math.log(a / b) / time;
    // Less than a tenth per run is no trend.
    return rate * time > 0.1 ? c.at.at(-1)! + Math.log(b / REACHED) / rate : Infinity;
  });
  const mean = steps.reduce((x, y) => x + y, 0) / steps.length;
  return Number.isFinite(mean) ? Math.max(mean, courses[0]!.at.at(-1)!) : undefined;
}

function findDriver(
  kind: VerdictKind,
  start: Estimate,
  courses: readonly SymmetryCourse[],
  settings: RunSettings,
): { readonly driver: Driver; readonly sentence: string } {
  if (kind === "stays symmetric") {
    return {
      driver: "initialisation",
      sentence: say`the initial weights lie on its mirrors, where the gradient has no component away from them`,
    };
  }
  if (kind === "breaks") {
    return start.value > SYMMETRIC
      ? { driver: "initialisation", sentence: say`the random initial weights break it, and nothing restores it` }
      : { driver: "architecture and data", sentence: say`the gradient leads away from its mirrors` };
  }
  const budgets = courses.flatMap((c) => (c.budget ? [c.budget] : []));
  if (budgets.length === 0) {
    const decays = settings.weightDecay > 0;
    return {
      driver: decays ? "weight decay" : "architecture and data",
      sentence: decays
        ? say`weight decay ${short(settings.weightDecay)} is the only setting that pulls onto mirrors by itself; shares were not recorded`
        : say`there is no weight decay: gradients and their noise lead onto its mirrors`,
    };
  }
  const decay = estimate(budgets.map((b) => b.decay)).value;
  const gradient = estimate(budgets.map((b) => b.gradient)).value;
  const shares = say`per step, decay moves the squared weights by ${percent(decay)}, updates by ${percent(gradient)}`;
  if (decay < 0 && decay <= gradient) return { driver: "weight decay", sentence: say`${shares}: decay pulls more` };
  // Without much decay only steps that are large for their noise lead onto mirrors that the mean gradient leaves.
  const scale = estimate(budgets.map((b) => b.steps)).value;
  if (gradient + scale < 0 && scale < 0.1 * -gradient) {
    return { driver: "architecture and data", sentence: say`${shares}: the gradient itself leads there` };
  }
  return {
    driver: "learning rate",
    sentence: say`${shares}, the squares of steps by ${percent(scale)}: noisy large steps lead there; smaller steps or larger batches lessen it`,
  };
}

function percent(x: number): string {
  return `${x > 0 ? "+" : ""}${Number((100 * x).toPrecision(2))} %`;
}

/**
 * @file Collapse risk of a symmetry from closed forms and the user's own settings: what would happen, how strongly, how soon,
 * and what lowers it most. Without measures the strength with which the loss holds a direction is unknown; two typical
 * values stand in for it and are named in the result.
 */
import { mark, say, translated } from "../../texts/say";
import { FORMULAS, type Formula, type FormulaName } from "../closed-forms/formulas";
import { angularStep, relaxationSteps } from "../closed-forms/scale-invariance";
import { attraction, effectiveRate, stepsToShrink } from "../closed-forms/thresholds";
import type { Symmetry } from "../../symmetry/symmetry";
import { decayLevers, type Lever, scaleLevers } from "./levers";
import type { TrainingSettings } from "./settings";

/** How likely training is to end on a symmetry's fixed set. */
export type RiskLevel = "low" | "medium" | "high";

/** What the weights would become. */
export type RiskOutcome = "sparsity" | "low rank" | "identical units" | "scale drift" | "none";

/** One number with its name and unit ("1" for pure numbers). */
export interface RiskNumber {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** The risk of one symmetry; everything a hover shows of it. */
export interface CollapseRisk {
  readonly level: RiskLevel;
  readonly what: RiskOutcome;
  /** One sentence with the deciding numbers. */
  readonly sentence: string;
  readonly numbers: readonly RiskNumber[];
  readonly formula: Formula;
  readonly formulaName: FormulaName;
  /** Where the answer comes from: settings and typical values, or a probe's measures. */
  readonly basis: "closed form" | "measured";
  /** What had to be assumed, in words; empty where everything was known. */
  readonly assumed: readonly string[];
  /** What lowers the risk, the strongest first; empty where nothing needs lowering. */
  readonly levers: readonly Lever[];
  readonly bestLever?: Lever;
}

/** What a probe measured along the mirrors of a symmetry, at the symmetric point, in units of the loss per weight squared. */
export interface MeasuredCurvature {
  /** Lowest curvature h along the mirrors; negative where the loss leads away. */
  readonly curvature: number;
  /** Variance of the curvature per sample. */
  readonly variance?: number;
}

/**
 * Strength with which a mean loss of standardised data holds a direction: weak ones (0.005) are the first to go, strong ones
 * (0.05) carry the function. Calibrated on a tanh network whose rank fell at decay 0.01 and not at 0.001.
 */
export const TYPICAL_HOLD = { weak: 0.005, strong: 0.05 } as const;
/** The same for decoupled decay, where the mean normalised update per weight size holds a direction. */
export const TYPICAL_ADAPTIVE_HOLD = { weak: 0.2, strong: 1 } as const;
/** Variance of curvature per sample where none was measured. */
export const TYPICAL_VARIANCE = 1;
/** Angles per step: above the first the direction is noise, above the second it is worth a look. */
export const UNSTABLE_ANGLE = 0.1;
const NOTABLE_ANGLE = 0.05;
/** To this fraction a collapsing direction is said to have shrunk. */
const SHRUNK = 1e-3;

const OUTCOMES: Readonly<Record<Symmetry["kind"], { readonly what: RiskOutcome; readonly formula: FormulaName }>> = {
  permutation: { what: "identical units", formula: "identicalUnits" },
  swap: { what: "identical units", formula: "identicalUnits" },
  rescaling: { what: "sparsity", formula: "deadUnit" },
  sign: { what: "sparsity", formula: "deadUnit" },
  linear: { what: "low rank", formula: "softThreshold" },
  rotation: { what: "low rank", formula: "softThreshold" },
  scale: { what: "scale drift", formula: "angularStep" },
  translation: { what: "none", formula: "translationDecay" },
  unread: { what: "none", formula: "translationDecay" },
};

/** The risk of one symmetry under these settings, sharper where a probe measured the curvature. */
export function collapseRisk(
  symmetry: Pick<Symmetry, "kind">,
  settings: TrainingSettings,
  measured?: MeasuredCurvature,
): CollapseRisk {
  if (symmetry.kind === "scale") return scaleRisk(settings);
  if (symmetry.kind === "translation" || symmetry.kind === "unread") return freeRisk(settings);
  return mirrorRisk(symmetry.kind, settings, measured);
}

function mirrorRisk(kind: Symmetry["kind"], settings: TrainingSettings, measured?: MeasuredCurvature): CollapseRisk {
  const { what, formula } = OUTCOMES[kind];
  const assumed = [...settings.assumed];
  const { adaptive, decayForm, weightDecay, learningRate, batchSize, steps } = settings;
  const normalised = decayForm === "decoupled" && adaptive;
  const typical = normalised ? TYPICAL_ADAPTIVE_HOLD : TYPICAL_HOLD;
  const rate = adaptive ? learningRate : effectiveRate(learningRate, settings.momentum);
  const variance = measured?.variance ?? TYPICAL_VARIANCE;
  // Normalised steps turn curvature noise into noise of the weights themselves: the threshold for SGD says nothing there.
  const noise = adaptive ? 0 : attraction(0, rate, variance, batchSize);
  const pull = weightDecay + noise;
  const shrinking = stepsToShrink(SHRUNK, rate, 0, pull);
  const useMeasured = measured !== undefined && !normalised;
  const hold = useMeasured ? { weak: -measured.curvature, strong: -measured.curvature } : typical;
  let level: RiskLevel = pull >= hold.strong ? "high" : pull >= hold.weak ? "medium" : "low";
  if (useMeasured && level === "low" && pull >= hold.weak / 2) level = "medium";
  if (!useMeasured) {
    assumed.push(
      normalised
        ? say`directions are held with ${typical.weak} (weak) to ${typical.strong} (strong), mean update per weight`
        : say`directions are held with ${typical.weak} (weak) to ${typical.strong} (strong)`,
    );
    // A guess about noise alone is no reason for alarm.
    if (level === "high" && weightDecay < hold.strong) level = "medium";
    if (!adaptive && measured?.variance === undefined) assumed.push(say`curvature variance ${TYPICAL_VARIANCE} per sample`);
  }
  const tooShort = rate * pull * steps < 1;
  if (tooShort) level = "low";
  const numbers: RiskNumber[] = [
    { name: "weight decay", value: weightDecay, unit: "1/step per learning rate" },
    ...(adaptive ? [] : [{ name: "pull of gradient noise", value: noise, unit: "1/step per learning rate" }]),
    { name: "threshold, weak directions", value: hold.weak, unit: "1/step per learning rate" },
    { name: "threshold, strong directions", value: hold.strong, unit: "1/step per learning rate" },
    { name: "time to shrink a thousandfold", value: shrinking, unit: "steps" },
    { name: "steps", value: steps, unit: "steps" },
  ];
  const name = normalised ? "adamThreshold" : noise > weightDecay ? "noiseThreshold" : formula;
  const levers = level === "low" ? [] : decayLevers(settings, hold.weak, noise);
  return {
    level,
    what,
    sentence: mirrorSentence(settings, what, { pull, noise, level, shrinking, tooShort, normalised }),
    numbers,
    formula: FORMULAS[name],
    formulaName: name,
    basis: useMeasured ? "measured" : "closed form",
    assumed,
    levers,
    ...(levers[0] ? { bestLever: levers[0] } : {}),
  };
}

interface MirrorFindings {
  readonly pull: number;
  readonly noise: number;
  readonly level: RiskLevel;
  readonly shrinking: number;
  readonly tooShort: boolean;
  readonly normalised: boolean;
}

const OUTCOME_WORDS: Readonly<Record<RiskOutcome, string>> = {
  sparsity: mark`sparsity`,
  "identical units": mark`identical units`,
  "low rank": mark`low rank`,
  "scale drift": mark`scale drift`,
  none: mark`nothing`,
};

const SUBJECT: Readonly<Record<RiskOutcome, string>> = {
  sparsity: mark`units`,
  "identical units": mark`differences between units`,
  "low rank": mark`singular directions`,
  "scale drift": mark`scales`,
  none: mark`directions`,
};

function mirrorSentence(settings: TrainingSettings, what: RiskOutcome, found: MirrorFindings): string {
  const decay = settings.weightDecay;
  if (decay === 0 && found.noise === 0) return say`Without weight decay nothing pulls towards the symmetric point.`;
  if (found.tooShort) {
    return say`Weight decay ${short(decay)} needs ${short(found.shrinking)} steps to shrink anything a thousandfold; training has ${short(settings.steps)}.`;
  }
  const limit = short(found.pull);
  const cause =
    found.noise > decay
      ? say`Learning rate ${short(settings.learningRate)} at batch size ${short(settings.batchSize)}: its gradient noise pulls like a decay of ${short(found.noise)}`
      : say`Weight decay ${short(decay)}`;
  const what2 = found.normalised
    ? say`${translated(SUBJECT[what])} whose mean normalised update stays below ${limit} of their weight`
    : say`${translated(SUBJECT[what])} whose gradient per weight stays below ${limit}`;
  const ending = found.level === "low" ? say`few are expected to` : say`expect ${translated(OUTCOME_WORDS[what])}`;
  return say`${cause}: ${what2} shrink towards zero (a thousandfold in ${short(found.shrinking)} steps); ${ending}.`;
}

function scaleRisk(settings: TrainingSettings): CollapseRisk {
  const { learningRate, weightDecay, momentum, steps, adaptive, decayForm } = settings;
  const assumed = [...settings.assumed];
  const coupledAdaptive = adaptive && decayForm === "coupled";
  const undecayed = weightDecay === 0;
  const angle = angularStep(learningRate, weightDecay, momentum, adaptive ? "adamw" : "sgd");
  // r^2 follows decoupled decay directly: no second factor of the norm from the gradient's own 1/r.
  const relaxation = adaptive
    ? relaxationSteps(learningRate, weightDecay) * 2
    : relaxationSteps(learningRate, weightDecay, momentum);
  let level: RiskLevel = "low";
  if (!undecayed && !coupledAdaptive) level = angle > UNSTABLE_ANGLE ? "high" : angle > NOTABLE_ANGLE ? "medium" : "low";
  if (coupledAdaptive && !undecayed) {
    assumed.push(say`decay inside of an adaptive gradient has no closed form for the angle: no alarm from it`);
  }
  const reached = relaxation < steps;
  const sentence = undecayed
    ? say`Without weight decay the norm only grows, and the effective learning rate falls by itself, like steps^(-1/2).`
    : say`In equilibrium these weights turn by ${short(angle)} rad per step whatever the gradient; the norm comes ${
        reached ? say`there` : say`only partly there`
      } (relaxation ${short(relaxation)} of ${short(steps)} steps). They do not collapse.`;
  const levers = level === "low" ? [] : scaleLevers(settings, NOTABLE_ANGLE);
  const name = undecayed ? "undecayedNorm" : "angularStep";
  return {
    level,
    what: "scale drift",
    sentence,
    numbers: [
      { name: "angle per step", value: angle, unit: "rad" },
      { name: "relaxation of the norm", value: relaxation, unit: "steps" },
      { name: "steps", value: steps, unit: "steps" },
    ],
    formula: FORMULAS[name],
    formulaName: name,
    basis: "closed form",
    assumed,
    levers,
    ...(levers[0] ? { bestLever: levers[0] } : {}),
  };
}

/** Directions that the loss does not see: nothing to lose, but adaptive steps may drift along them. */
function freeRisk(settings: TrainingSettings): CollapseRisk {
  const left = (1 - settings.learningRate * settings.weightDecay) ** settings.steps;
  return {
    level: "low",
    what: "none",
    sentence: settings.adaptive
      ? say`The loss does not see this direction; adaptive steps may drift along it, which changes nothing but the numbers.`
      : say`The loss does not see this direction: its gradient is zero, and only decay moves it.`,
    numbers: [{ name: "share left after training", value: left, unit: "1" }],
    formula: FORMULAS.translationDecay,
    formulaName: "translationDecay",
    basis: "closed form",
    assumed: settings.assumed,
    levers: [],
  };
}

/** Two significant digits, plain where that is short. */
export function short(x: number): string {
  if (!Number.isFinite(x)) return x > 0 ? "infinitely many" : String(x);
  if (x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6)) return Number(x.toPrecision(2)).toExponential();
  return String(Math.abs(x) >= 100 ? Math.round(x) : Number(x.toPrecision(2)));
}

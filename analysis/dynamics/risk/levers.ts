/** @file What lowers a collapse risk, with the value that the thresholds ask for (SCIENCE: raise B or lower eta, lower lambda, break the symmetry). */
import { say } from "../../texts/say";
import { effectiveRate } from "../closed-forms/thresholds";
import type { TrainingSettings } from "./settings";

/** One way to lower a risk. `value` is the setting's new value where the thresholds give one. */
export interface Lever {
  readonly kind: "weight decay" | "learning rate" | "batch size" | "break symmetry";
  readonly text: string;
  readonly value?: number;
}

/** Two significant digits, rounded down so that the value stays on the safe side. */
export function roundedDown(x: number): number {
  if (x <= 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(x)) - 1);
  return Number((Math.floor(x / unit + 1e-9) * unit).toPrecision(2));
}

/** Levers against decay and noise that pull with at least `hold`; the largest contribution first. */
export function decayLevers(settings: TrainingSettings, hold: number, noise: number): Lever[] {
  const { weightDecay, batchSize, learningRate, momentum } = settings;
  const decayFirst = weightDecay >= noise;
  const out: Lever[] = [];
  const room = hold - (decayFirst ? noise : weightDecay);
  if (decayFirst && room > 0) {
    const value = roundedDown(room);
    out.push({ kind: "weight decay", value, text: say`weight decay below ${value}` });
  } else if (!decayFirst && room > 0) {
    const rate = effectiveRate(learningRate, momentum);
    // noise = rate * v / (2 B): the batch that brings it below what is left of the threshold.
    const batch = Math.ceil((noise * batchSize) / room);
    out.push({ kind: "batch size", value: batch, text: say`batch size above ${batch}` });
    const lower = roundedDown((learningRate * room) / noise);
    if (rate > 0) out.push({ kind: "learning rate", value: lower, text: say`learning rate below ${lower}` });
  } else {
    const value = roundedDown(hold / 2);
    out.push({ kind: "weight decay", value, text: say`weight decay below ${value}` });
    const batch = Math.ceil((2 * noise * batchSize) / hold);
    if (noise > 0) out.push({ kind: "batch size", value: batch, text: say`batch size above ${batch}` });
  }
  if (weightDecay > 0) out.push({ kind: "break symmetry", text: say`break the symmetry (syre) and keep the decay` });
  return out;
}

/** Levers that bring the angle per step of scale-invariant weights below `angle`. */
export function scaleLevers(settings: TrainingSettings, angle: number): Lever[] {
  const { learningRate, momentum, adaptive } = settings;
  const product = (angle * angle * (1 + momentum)) / 2 / (adaptive ? 1 - momentum : 1);
  const decay = roundedDown(product / learningRate);
  const rate = roundedDown(product / settings.weightDecay);
  return [
    { kind: "weight decay", value: decay, text: say`weight decay below ${decay}` },
    { kind: "learning rate", value: rate, text: say`learning rate below ${rate}` },
  ];
}

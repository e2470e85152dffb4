/** @file How a recorded run trained, as far as measures need it (a probe's settings fit). */

/** Settings of one run. */
export interface RunSettings {
  readonly optimiser: "sgd" | "adam" | "adamw";
  readonly learningRate: number;
  readonly momentum: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  /** Parameters with options of their own; names may hold `*`. The first group that matches counts. */
  readonly groups: readonly {
    readonly parameters: readonly string[];
    readonly learningRate?: number;
    readonly weightDecay?: number;
  }[];
  readonly clipNorm?: number;
  readonly batchSize: number;
}

function groupOf(settings: RunSettings, parameter: string): RunSettings["groups"][number] | undefined {
  return settings.groups.find((g) => g.parameters.some((pattern) => matches(pattern, parameter)));
}

function matches(pattern: string, name: string): boolean {
  if (!pattern.includes("*")) return pattern === name;
  const parts = pattern.split("*").map((p) => p.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

/** Weight decay of one parameter. */
export function decayOf(settings: RunSettings, parameter: string): number {
  return groupOf(settings, parameter)?.weightDecay ?? settings.weightDecay;
}

/** Learning rate of one parameter at a step whose scheduled base rate is `base`. */
export function rateOf(settings: RunSettings, parameter: string, base: number): number {
  const own = groupOf(settings, parameter)?.learningRate;
  return own === undefined ? base : (base / settings.learningRate) * own;
}

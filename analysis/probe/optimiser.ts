/** @file Optimisers as nodes, in PyTorch's definitions, and the numbers that change from step to step. */
import { scalar, tensor } from "../graph/tensor";
import { range, reduce } from "../operators/lower/build";
import type { GraphBuilder } from "../operators/gradients/builder";
import { type Pack, packShape } from "./packs";
import type { ParameterGroup, Schedule, TrainingSettings } from "./types";

/** State tensors that an optimiser keeps per pack, besides the parameters. */
export function optimiserSlots(settings: TrainingSettings): readonly ("momentum" | "variance")[] {
  if (settings.optimiser !== "sgd") return ["momentum", "variance"];
  return settings.momentum === 0 ? [] : ["momentum"];
}

/** Names of the numbers that are fed for each step, in order. */
export function stepNumbers(settings: TrainingSettings): readonly string[] {
  if (settings.optimiser === "sgd") return settings.momentum !== 0 && settings.dampening !== 0 ? ["rate", "fresh"] : ["rate"];
  return settings.optimiser === "adamw" ? ["rate", "corrected", "deviation"] : ["corrected", "deviation"];
}

/** The factor of a schedule at a step (counted from 0) of a run. */
export function scheduleFactor(schedule: Schedule, step: number, steps: number): number {
  if (schedule.kind === "constant") return 1;
  if (schedule.kind === "step") return schedule.factor ** Math.floor(step / schedule.every);
  const warmup = schedule.warmup ?? 0;
  if (step < warmup) return (step + 1) / warmup;
  const final = schedule.final ?? 0;
  const done = steps - 1 <= warmup ? 1 : (step - warmup) / (steps - 1 - warmup);
  return schedule.kind === "linear" ? 1 - done * (1 - final) : final + (1 - final) * 0.5 * (1 + Math.cos(Math.PI * done));
}

/** The numbers of {@link stepNumbers} at a step. */
export function numbersAt(settings: TrainingSettings, step: number, steps: number): number[] {
  const rate = settings.learningRate * scheduleFactor(settings.schedule, step, steps);
  if (settings.optimiser === "sgd") {
    // PyTorch's first momentum buffer is the gradient itself, undamped.
    return settings.momentum !== 0 && settings.dampening !== 0 ? [rate, step === 0 ? 1 : 1 - settings.dampening] : [rate];
  }
  const [b1, b2] = settings.betas;
  const corrected = rate / (1 - b1 ** (step + 1));
  const deviation = 1 / Math.sqrt(1 - b2 ** (step + 1));
  return settings.optimiser === "adamw" ? [rate, corrected, deviation] : [corrected, deviation];
}

/** The learning rate factor and weight decay of a parameter: those of the first group that matches. */
export function optionsOf(settings: TrainingSettings, parameter: string): { readonly ratio: number; readonly decay: number } {
  const group = settings.groups.find((g) => groupMatches(g, parameter));
  return {
    ratio: group?.learningRate === undefined || settings.learningRate === 0 ? 1 : group.learningRate / settings.learningRate,
    decay: group?.weightDecay ?? settings.weightDecay,
  };
}

/** Whether a group names a parameter, by name or by a pattern with `*`. */
export function groupMatches(group: ParameterGroup, parameter: string): boolean {
  return group.parameters.some((pattern) => {
    if (!pattern.includes("*")) return pattern === parameter;
    const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`).test(parameter);
  });
}

/** A pack's values in an update. */
export interface UpdateInputs {
  readonly pack: Pack;
  readonly theta: string;
  readonly gradient: string;
  readonly momentum?: string;
  readonly variance?: string;
}

/** The new values. */
export interface UpdateOutputs {
  readonly theta: string;
  readonly momentum?: string;
  readonly variance?: string;
}

/**
 * Appends the norm of the whole gradient and, where asked for, clips it (torch.nn.utils.clip_grad_norm_).
 * @param replicas size of the replica axis, 0 for none
 * @returns the norm (a scalar, or [R]) and the gradients to use
 */
export function addClipping(
  b: GraphBuilder,
  gradients: readonly string[],
  replicas: number,
  clipNorm: number,
): { readonly norm: string; readonly gradients: readonly string[] } {
  const lead = replicas > 0 ? 1 : 0;
  const squares = gradients.map((g) => reduce(b, "ReduceSumSquare", g, range(lead, b.type(g).shape!.length), 0));
  const total = squares.length === 1 ? squares[0]! : b.add("Sum", squares);
  const norm = b.add("Sqrt", [total]);
  if (!Number.isFinite(clipNorm)) return { norm, gradients };
  const number = (v: number) => b.addConstant(scalar(v, "float32"));
  const factor = b.add("Min", [b.add("Div", [number(clipNorm), b.add("Add", [norm, number(1e-6)])]), number(1)]);
  const wide = replicas > 0 ? b.add("Reshape", [factor, b.addConstant(tensor([2], [replicas, 1], "int64"))]) : factor;
  return { norm, gradients: gradients.map((g) => b.add("Mul", [g, wide])) };
}

/**
 * Appends the update of one pack.
 * @param settings one per run of the replica axis, or one alone; they may differ in learning rate, decay and groups
 * @param numbers names of the step's numbers: scalars, or [R, 1]
 */
export function addUpdate(
  b: GraphBuilder,
  values: UpdateInputs,
  settings: readonly TrainingSettings[],
  numbers: ReadonlyMap<string, string>,
  replicas: number,
): UpdateOutputs {
  const [first] = settings as [TrainingSettings];
  const mul = (x: string, y: string) => b.add("Mul", [x, y]);
  const add = (x: string, y: string) => b.add("Add", [x, y]);
  const number = (v: number) => b.addConstant(scalar(v, "float32"));
  const decay = options(b, values.pack, settings, replicas, (s, name) => optionsOf(s, name).decay, 0);
  const ratio = options(b, values.pack, settings, replicas, (s, name) => optionsOf(s, name).ratio, 1);
  const step = (name: string) => {
    const value = numbers.get(name)!;
    return ratio === undefined ? value : mul(ratio, value);
  };
  const { theta } = values;
  const decayed = () => (decay === undefined ? values.gradient : add(values.gradient, mul(decay, theta)));
  if (first.optimiser === "sgd") {
    const g = decayed();
    if (values.momentum === undefined) return { theta: b.add("Sub", [theta, mul(step("rate"), g)]) };
    const fresh = first.dampening === 0 ? g : mul(g, numbers.get("fresh")!);
    const momentum = add(mul(values.momentum, number(first.momentum)), fresh);
    const direction = first.nesterov ? add(g, mul(momentum, number(first.momentum))) : momentum;
    return { theta: b.add("Sub", [theta, mul(step("rate"), direction)]), momentum };
  }
  const g = first.optimiser === "adam" ? decayed() : values.gradient;
  const [b1, b2] = first.betas;
  const momentum = add(mul(values.momentum!, number(b1)), mul(g, number(1 - b1)));
  const variance = add(mul(values.variance!, number(b2)), mul(mul(g, g), number(1 - b2)));
  const denominator = add(mul(b.add("Sqrt", [variance]), numbers.get("deviation")!), number(first.epsilon));
  const kept =
    first.optimiser === "adamw" && decay !== undefined ? b.add("Sub", [theta, mul(mul(step("rate"), decay), theta)]) : theta;
  return { theta: b.add("Sub", [kept, b.add("Div", [mul(step("corrected"), momentum), denominator])]), momentum, variance };
}

/** An option of all entries of a pack: a scalar, [size], [R, 1] or [R, size]; undefined where it is `neutral` everywhere. */
function options(
  b: GraphBuilder,
  pack: Pack,
  settings: readonly TrainingSettings[],
  replicas: number,
  option: (settings: TrainingSettings, parameter: string) => number,
  neutral: number,
): string | undefined {
  const table = settings.map((s) => pack.entries.map((e) => option(s, e.name)));
  if (table.every((row) => row.every((v) => v === neutral))) return undefined;
  const uniformRows = table.every((row) => row.every((v) => v === row[0]));
  if (uniformRows && table.every((row) => row[0] === table[0]![0])) return b.addConstant(scalar(table[0]![0]!, "float32"));
  if (uniformRows) {
    const column = table.length === replicas ? table.map((row) => row[0]!) : new Array<number>(replicas).fill(table[0]![0]!);
    return b.addConstant(tensor([replicas, 1], column, "float32"));
  }
  const expand = (row: readonly number[]) => {
    const out = new Float64Array(pack.size);
    pack.entries.forEach((e, i) => out.fill(row[i]!, e.offset, pack.entries[i + 1]?.offset ?? pack.size));
    return out;
  };
  if (replicas === 0) return b.addConstant(tensor(packShape(pack, 0), expand(table[0]!), "float32"));
  const rows = table.length === replicas ? table : new Array<readonly number[]>(replicas).fill(table[0]!);
  const data = new Float64Array(replicas * pack.size);
  rows.forEach((row, r) => data.set(expand(row), r * pack.size));
  return b.addConstant(tensor([replicas, pack.size], data, "float32"));
}

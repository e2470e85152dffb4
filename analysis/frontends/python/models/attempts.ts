/** @file Attempts at making a model of a class: what came of them, and how well the model was understood. */
import type { SizeConflict } from "../evaluator/errors";
import type { DependencyKey } from "../modules/world";
import type { Arguments, ClassValue } from "../values/value";
import type { PythonModel, UnmadeModel } from "./results";

/** The outcome for one class, with all names that it depends on. */
export interface ClassResult {
  readonly model: PythonModel | undefined;
  readonly failure: Shortfall | undefined;
  readonly dependencies: ReadonlySet<DependencyKey>;
}

/** Why there is no graph. */
export type Shortfall = Pick<UnmadeModel, "stage" | "reason">;

interface Failure extends Shortfall {
  readonly conflicts: readonly SizeConflict[];
  readonly witnesses: ReadonlyMap<string, number>;
}

/** What came of following one recipe: a model, or why there is none; and the sizes that did not fit. */
export type Attempt =
  | { readonly model: PythonModel; readonly conflicts: readonly SizeConflict[]; readonly witnesses: ReadonlyMap<string, number> }
  | Failure;

/** A class as part of another model. */
export interface Block {
  readonly args: Arguments;
  readonly called: Arguments | undefined;
  /** Where it was seen, in words. */
  readonly how: string;
}

/** Code that makes layers or parameters. */
const MAKES_LAYERS = /\bnn\.(?!Module\b|functional\b)\w|Parameter/;

/** What is said of a class that no recipe was found for. */
export const NO_INSTANCE: Shortfall = { stage: "construction", reason: "no way to make an instance was found" };

/** Learns from sizes that do not fit which witness should have been another. */
export function learn(result: Attempt, overrides: Map<string, number>): boolean {
  for (const { got, expected, ranks, entries } of result.conflicts) {
    if (ranks || entries) continue;
    for (const [name, value] of result.witnesses) {
      if (overrides.has(name)) continue;
      if (value === got && expected > 0) {
        overrides.set(name, expected);
        return true;
      }
      if (value === expected && got > 0) {
        overrides.set(name, got);
        return true;
      }
    }
  }
  return false;
}

/** Whether there is a model of which all was followed. */
export function isDone(a: Attempt): boolean {
  return "model" in a && shortcomings(a.model) === 0;
}

/** Whether nothing is left to improve: all is understood, or there are no parameters to say anything about. */
export function isUnderstood(cls: ClassValue, m: PythonModel | undefined): boolean {
  if (m === undefined) return false;
  return shortcomings(m) === 0 || (m.graph.parameters.size === 0 && !MAKES_LAYERS.test(cls.chunk?.text ?? ""));
}

/** Parts of a model that were not followed. */
export function shortcomings(m: PythonModel): number {
  return m.opaque.length + m.contradictions.length;
}

/** Whether a model that was made with errors passed over still tells something. */
export function mostlyUnderstood(m: PythonModel): boolean {
  return m.graph.parameters.size > 0 && m.understood > 0 && m.opaque.length * 4 <= m.calls;
}

/** @file How many optimiser steps a file trains for: `for step in range(N)` whose body steps an optimiser once per turn. */
import { blocksOf } from "../parser/blocks";
import type { Expr, Param, Stmt } from "../parser/syntax";
import type { SourceScope } from "../modules/scope";
import { numberOf } from "../values/inspect";
import type { Fact } from "./facts";

/** Names under which code keeps the number of optimiser steps. */
export const STEPS_NAME =
  /^(?:max|total|num|n|train|num_train|max_train|num_training|training)_(?:iters?|iterations|steps)$|^(?:iterations|n_iter)$/i;

/** Arguments of schedules and trainers that say the number of optimiser steps. */
export const STEPS_ARGUMENTS: readonly string[] = ["max_steps", "total_steps", "num_training_steps", "total_iters"];

/** The number of turns of the first loop that steps an optimiser in each turn, where it can be read. */
export function loopedSteps(scope: SourceScope): Fact<number> | undefined {
  for (const top of scope.bindings.statements) {
    const found = search([top.statement], (e, params) => value(e, params, scope));
    if (found) {
      const { statement, turns, isLiteral } = found;
      const range = top.chunk.range(statement);
      const source = top.chunk.source(statement).split("\n")[0]!.slice(0, 200);
      return { value: turns, range, source, certainty: isLiteral ? "literal" : "default" };
    }
  }
  return undefined;
}

type Evaluate = (e: Expr, params: readonly Param[]) => number | undefined;

interface Loop {
  readonly statement: Stmt;
  readonly turns: number;
  readonly isLiteral: boolean;
}

function search(block: readonly Stmt[], evaluate: Evaluate, params: readonly Param[] = []): Loop | undefined {
  for (const s of block) {
    if (s.kind === "For" && stepsDirectly(s.body)) {
      const turns = turnsOf(s.iterable, (e) => evaluate(e, params));
      if (turns !== undefined && turns > 0) return { statement: s, turns, isLiteral: isLiteral(s.iterable) };
    }
    const inner = s.kind === "FunctionDef" ? s.params : params;
    for (const body of blocksOf(s)) {
      const found = search(body, evaluate, inner);
      if (found) return found;
    }
  }
  return undefined;
}

/** Whether a block calls `optimizer.step()`, outside of further loops. */
function stepsDirectly(block: readonly Stmt[]): boolean {
  return block.some((s) => {
    if (s.kind === "Expression") return isStep(s.value);
    if (s.kind === "For" || s.kind === "While" || s.kind === "FunctionDef" || s.kind === "ClassDef") return false;
    return blocksOf(s).some(stepsDirectly);
  });
}

function isStep(e: Expr): boolean {
  if (e.kind !== "Call" || e.callee.kind !== "Attribute") return false;
  const { name, object } = e.callee;
  const owner = object.kind === "Name" ? object.id : object.kind === "Attribute" ? object.name : "";
  // A scaler of mixed precision steps the optimiser that it is given.
  return name === "step" && /opt|scaler/i.test(owner);
}

/** How often a loop over an iterable turns. */
function turnsOf(e: Expr, evaluate: (e: Expr) => number | undefined): number | undefined {
  if (e.kind !== "Call" || e.callee.kind !== "Name") return undefined;
  const [first, second, third] = e.args;
  // A progress bar counts what it is given.
  if (/^(?:tqdm|trange)$/.test(e.callee.id) && first && e.callee.id === "tqdm") return turnsOf(first.value, evaluate);
  if (!/^(?:range|trange)$/.test(e.callee.id) || !first || third || first.form !== "positional") return undefined;
  const start = second?.form === "positional" ? evaluate(first.value) : 0;
  const end = evaluate(second?.form === "positional" ? second.value : first.value);
  return start === undefined || end === undefined ? undefined : end - start;
}

function isLiteral(e: Expr): boolean {
  return e.kind === "Call" && e.args.every((a) => a.value.kind === "Number");
}

function value(e: Expr, params: readonly Param[], scope: SourceScope): number | undefined {
  if (e.kind === "Number") return e.value;
  if (e.kind === "Binary") {
    const [a, b] = [value(e.left, params, scope), value(e.right, params, scope)];
    if (a === undefined || b === undefined) return undefined;
    if (e.operator === "*") return a * b;
    return e.operator === "+" ? a + b : e.operator === "-" ? a - b : undefined;
  }
  if (e.kind !== "Name") return undefined;
  const own = params.find((p) => p.name === e.id);
  if (own) return own.defaultValue ? value(own.defaultValue, [], scope) : undefined;
  return numberOf(scope.variables.get(e.id));
}

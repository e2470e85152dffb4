/** @file Runs what a file does at top level and in its main guard, to see how its classes are made there. */
import { operatorTable } from "../../../operators/table";
import { GraphBuilder } from "../emit/builder";
import { BudgetExceeded, PythonError } from "../evaluator/errors";
import { Interpreter } from "../evaluator/interpreter";
import { runStatement } from "../evaluator/statements";
import type { TopLevel } from "../modules/bindings";
import type { SourceScope } from "../modules/scope";
import type { World } from "../modules/world";
import type { Expr, Stmt } from "../parser/syntax";
import type { Arguments, ClassValue } from "../values/value";
import { moduleFrame, namesIn } from "./instantiate";
import { required } from "./invent";

/** Functions that a script is likely to run. */
export const SCRIPT_FUNCTION = /^(?:main|train|test|run|demo|_?test_\w+)$/;

const calling = new WeakMap<object, boolean>();

/** Whether a statement, or a part of it, calls something. */
export function makesCalls(statement: Stmt): boolean {
  const holds = (x: unknown): boolean => {
    if (typeof x !== "object" || x === null) return false;
    if (Array.isArray(x)) return x.some(holds);
    return (x as { kind?: string }).kind === "Call" || Object.values(x).some(holds);
  };
  let known = calling.get(statement);
  if (known === undefined) calling.set(statement, (known = holds(statement)));
  return known;
}

/** One construction that was seen. */
export interface Sighting {
  readonly cls: ClassValue;
  readonly args: Arguments;
  /** Where, in words. */
  readonly how: string;
}

function isMainGuard(x: Expr): boolean {
  return x.kind === "Compare" && x.first.kind === "Name" && x.first.id === "__name__";
}

/** Statements that a script runs: those of the main guard one by one, and others at top level. */
function scriptStatements(scope: SourceScope): TopLevel[] {
  const out: TopLevel[] = [];
  for (const top of scope.bindings.statements) {
    const s = top.statement;
    if (s.kind === "If" && isMainGuard(s.test)) for (const inner of s.body) out.push({ chunk: top.chunk, statement: inner });
    else if (s.kind === "Assign" || s.kind === "Expression" || s.kind === "Annotated") out.push(top);
  }
  return out;
}

function mentionsAny(s: Stmt, names: ReadonlySet<string>): boolean {
  for (const n of namesIn(s)) if (names.has(n)) return true;
  return false;
}

/**
 * Constructions of the given classes at top level, in the main guard, and in functions without required parameters that
 * mention one of them. Failures are silent: what could be seen is reported.
 */
export function observeConstructions(
  world: World,
  scope: SourceScope,
  classNames: ReadonlySet<string>,
  isWanted = (cls: ClassValue): boolean => classNames.has(cls.name) && cls.module === scope,
): Sighting[] {
  const statements = scriptStatements(scope);
  const functions = scope.bindings.statements.filter(
    (t) =>
      t.statement.kind === "FunctionDef" &&
      required(t.statement.params).length === 0 &&
      SCRIPT_FUNCTION.test(t.statement.name) &&
      mentionsAny(t.statement, classNames),
  );
  const functionNames = new Set(functions.map((f) => (f.statement.kind === "FunctionDef" ? f.statement.name : "")));
  const wanted = statements.filter((t) => mentionsAny(t.statement, classNames) || mentionsAny(t.statement, functionNames));
  if (wanted.length === 0 && functions.length === 0) return [];
  const builder = new GraphBuilder(operatorTable);
  const interpreter = new Interpreter(world, builder, { steps: 60_000, nodes: 4000 });
  const out: Sighting[] = [];
  let inside = 0;
  interpreter.onConstruct = (cls, args) => {
    if (interpreter.frames.some((f) => f.callee?.name === "__init__")) return;
    if (inside > 0 && isWanted(cls)) out.push({ cls, args, how: "as this file makes it" });
  };
  world.using(interpreter, () => {
    // Names that earlier statements of the main guard bind are visible to the later ones.
    const frame = moduleFrame(scope, scope.bindings.statements[0]?.chunk ?? ({} as never), { s: 0, e: 0 });
    const attempt = (run: () => void): void => {
      interpreter.restart();
      inside++;
      try {
        run();
      } catch (error) {
        if (!(error instanceof PythonError) && !(error instanceof BudgetExceeded)) throw error;
      } finally {
        inside--;
      }
    };
    for (const top of statements) {
      if (
        !wanted.includes(top) &&
        !(top.statement.kind === "Assign" && wanted.length > 0 && !scope.bindings.statements.includes(top))
      )
        continue;
      const local = { ...frame, chunk: top.chunk, at: top.statement };
      attempt(() => interpreter.inFrame(local, () => runStatement(interpreter, top.statement, local)));
    }
    for (const f of functions) {
      if (out.length > 0) break;
      const s = f.statement;
      if (s.kind !== "FunctionDef") continue;
      const local = { ...frame, chunk: f.chunk, at: s };
      attempt(() =>
        interpreter.inFrame(local, () =>
          runStatement(interpreter, { kind: "Expression", s: s.s, e: s.e, value: callOf(s.name, s) }, local),
        ),
      );
    }
  });
  return out;
}

function callOf(name: string, at: { s: number; e: number }): Expr {
  return { kind: "Call", s: at.s, e: at.e, callee: { kind: "Name", s: at.s, e: at.e, id: name }, args: [], list: at };
}

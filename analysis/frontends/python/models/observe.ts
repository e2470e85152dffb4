/** @file Runs what a file does at top level and in its main guard, to see how its classes are made there. */
import { operatorTable } from "../../../operators/table";
import { GraphBuilder } from "../emit/builder";
import { findInClass } from "../evaluator/attributes";
import { BudgetExceeded, PythonError } from "../evaluator/errors";
import { callFunction } from "../evaluator/functions";
import { type Frame, Interpreter } from "../evaluator/interpreter";
import { evaluate } from "../evaluator/expressions";
import { runStatement } from "../evaluator/statements";
import type { TopLevel } from "../modules/bindings";
import type { SourceScope } from "../modules/scope";
import type { World } from "../modules/world";
import type { Expr, Stmt } from "../parser/syntax";
import { is } from "../values/inspect";
import { positional, unknown } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, Value } from "../values/value";
import { exampleArguments, portableArguments } from "./examples";
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

/** A class of unit tests that mentions some classes, with its tests. */
interface TestClass {
  readonly name: string;
  readonly chunk: TopLevel["chunk"];
  readonly statement: Stmt;
  readonly tests: readonly string[];
}

/** Classes of unit tests by their names or bases, as unittest and pytest find them. */
function testClasses(scope: SourceScope, classNames: ReadonlySet<string>): TestClass[] {
  return scope.bindings.statements.flatMap(({ chunk, statement }): TestClass[] => {
    if (statement.kind !== "ClassDef" || !/^Test|Tests?$|TestCase$/.test(statement.name)) return [];
    if (classNames.has(statement.name) || !mentionsAny(statement, classNames)) return [];
    const tests = statement.body.flatMap((s) =>
      s.kind === "FunctionDef" && s.name.startsWith("test") && required(s.params).length === 1 ? [s.name] : [],
    );
    return tests.length > 0 ? [{ name: statement.name, chunk, statement, tests }] : [];
  });
}

/** One construction that was seen. */
export interface Sighting {
  readonly cls: ClassValue;
  readonly args: Arguments;
  /** Where, in words. */
  readonly how: string;
  /** What the file calls the instance with, where that is known: tensors by shape and type. */
  readonly called?: Arguments;
}

function isMainGuard(x: Expr): boolean {
  return x.kind === "Compare" && x.first.kind === "Name" && x.first.id === "__name__";
}

/** Functions that take a model and what to call it with: `torch.onnx.export(model, (x,), path)`, `summary(model, input_size=...)`. */
const CALLERS = /^(?:export|trace|summary|profile|add_graph|draw_graph|FlopCountAnalysis|get_model_complexity_info)$/;
const EXAMPLES = /^(?:args|example_inputs|inputs|input_data|input_to_model|input_size|input_shape)$/;

/** Calls of such functions in a statement. */
function callersIn(x: unknown, out: Extract<Expr, { kind: "Call" }>[] = []): Extract<Expr, { kind: "Call" }>[] {
  if (typeof x !== "object" || x === null) return out;
  if (Array.isArray(x)) for (const y of x) callersIn(y, out);
  else {
    const node = x as Expr;
    if (node.kind === "Call" && node.args.length > 1) {
      const { callee } = node;
      const name = callee.kind === "Name" ? callee.id : callee.kind === "Attribute" ? callee.name : "";
      if (CALLERS.test(name)) out.push(node);
    }
    for (const v of Object.values(x)) if (typeof v === "object") callersIn(v, out);
  }
  return out;
}

/** Names that a statement binds. */
function boundNames(s: Stmt): string[] {
  if (s.kind !== "Assign") return [];
  const names = (x: Expr): string[] =>
    x.kind === "Name" ? [x.id] : x.kind === "Tuple" || x.kind === "List" ? x.items.flatMap(names) : [];
  return s.targets.flatMap(names);
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
 * Constructions of the given classes at top level, in the main guard, in functions without required parameters that mention one
 * of them, and in unit tests. Failures are silent: what could be seen is reported.
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
  const suites = testClasses(scope, classNames);
  if (wanted.length === 0 && functions.length === 0 && suites.length === 0) return [];
  const builder = new GraphBuilder(operatorTable);
  const interpreter = new Interpreter(world, builder, { steps: 60_000, nodes: 4000 });
  const out: { cls: ClassValue; args: Arguments; how: string; called?: Arguments }[] = [];
  let inside = 0;
  const seen = new Map<InstanceValue, (typeof out)[number]>();
  interpreter.onConstruct = (cls, args, instance) => {
    if (interpreter.frames.some((f) => f.callee?.name === "__init__")) return;
    if (inside === 0 || !isWanted(cls)) return;
    const sighting: (typeof out)[number] = { cls, args, how: "as this file makes it" };
    out.push(sighting);
    seen.set(instance, sighting);
  };
  // What the models are called with is of interest here, not what they answer.
  interpreter.answers = new Map();
  const note = (instance: InstanceValue, args: Arguments): void => {
    const sighting = seen.get(instance);
    const called = sighting && !sighting.called ? portableArguments(args) : undefined;
    if (sighting && called) sighting.called = called;
  };
  interpreter.onForward = (module, args) => {
    if (interpreter.running.length > 0 || !seen.has(module)) return;
    note(module, args);
    interpreter.answers?.set(module, unknown("what a model answers"));
  };
  /** Takes note of what is handed to a function that calls a model. */
  const noteCallers = (statement: Stmt, local: Frame): void => {
    for (const x of callersIn(statement)) {
      const [model] = x.args;
      if (model?.form !== "positional") continue;
      const instance = evaluate(interpreter, model.value, local);
      if (!is(instance, "instance") || !seen.has(instance)) continue;
      for (const a of x.args.slice(1)) {
        if (a.form !== "positional" && !(a.form === "keyword" && EXAMPLES.test(a.name ?? ""))) continue;
        const args = exampleArguments(evaluate(interpreter, a.value, local), a.form === "keyword" ? (a.name ?? "") : "");
        if (!args) continue;
        note(instance, args);
        break;
      }
    }
  };
  world.using(interpreter, () => {
    // Names that earlier statements of the main guard bind are visible to the later ones.
    const frame = moduleFrame(scope, scope.bindings.statements[0]?.chunk ?? ({} as never), { s: 0, e: 0 });
    const attempt = (run: () => unknown, constructs = true): void => {
      interpreter.restart();
      if (constructs) inside++;
      try {
        run();
      } catch (error) {
        if (!(error instanceof PythonError) && !(error instanceof BudgetExceeded)) throw error;
      } finally {
        if (constructs) inside--;
      }
    };
    // Names that hold models. What else happens to these is looked at for what they are called with.
    const live = new Set<string>();
    for (const top of statements) {
      const uses = live.size > 0 && mentionsAny(top.statement, live);
      if (
        !wanted.includes(top) &&
        !uses &&
        !(top.statement.kind === "Assign" && wanted.length > 0 && !scope.bindings.statements.includes(top))
      )
        continue;
      const local = { ...frame, chunk: top.chunk, at: top.statement };
      attempt(() => interpreter.inFrame(local, () => runStatement(interpreter, top.statement, local)), wanted.includes(top));
      if (wanted.includes(top)) for (const n of boundNames(top.statement)) live.add(n);
      if (uses) attempt(() => interpreter.inFrame(local, () => noteCallers(top.statement, local)));
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
    for (const suite of suites) {
      let cls: Value | undefined;
      attempt(() => (cls = scope.lookup(suite.name)), false);
      if (!is(cls, "class")) continue;
      const local = { ...frame, chunk: suite.chunk, at: suite.statement };
      for (const test of suite.tests) {
        if ([...classNames].every((name) => out.some((o) => o.cls.name === name))) break;
        const self: InstanceValue = { k: "instance", id: interpreter.id(), cls, attributes: new Map() };
        for (const name of ["setUp", "setup_method", test]) {
          const method = findInClass(cls, name);
          if (is(method, "function"))
            attempt(() => interpreter.inFrame(local, () => callFunction(interpreter, method, positional(self))));
        }
      }
    }
  });
  return out;
}

function callOf(name: string, at: { s: number; e: number }): Expr {
  return { kind: "Call", s: at.s, e: at.e, callee: { kind: "Name", s: at.s, e: at.e, id: name }, args: [], list: at };
}

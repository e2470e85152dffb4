/**
 * @file Models that no class statement names: those that functions put together and return, and those that a script holds in
 * a variable. `def build_model(width=64): ... return keras.Model(inputs, outputs)`, `model = keras.Sequential([...])`.
 */
import { BudgetExceeded, NotUnderstood, PythonError, raise, ShapeDemand } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Frame, Interpreter } from "../evaluator/interpreter";
import { runStatement } from "../evaluator/statements";
import type { SourceRange } from "../../../graph/source";
import type { TopLevel } from "../modules/bindings";
import type { SourceScope } from "../modules/scope";
import { witnessIn } from "../stdlib/witnesses";
import type { Expr, Stmt } from "../parser/syntax";
import { is, isObject } from "../values/inspect";
import type { Arguments, ClassValue, FunctionValue, InstanceValue, Value } from "../values/value";
import { moduleFrame, type Recipe } from "./instantiate";
import { constructorParams, inventArgument, required } from "./invent";

/** A function or a variable that gives a model. */
export interface MadeModel {
  readonly name: string;
  /** The name where it is written. */
  readonly range: SourceRange;
  readonly form: "function" | "variable";
}

/** Calls that put a model together out of layers. */
const ASSEMBLES = /^(?:Model|Sequential|Functional)$/;
const FRAMEWORKS = /^(?:keras|tensorflow|tf_keras|flax)(?:\.|$)/;

function calleeNames(x: unknown, into: Set<string>): void {
  if (typeof x !== "object" || x === null) return;
  if (Array.isArray(x)) {
    for (const y of x) calleeNames(y, into);
    return;
  }
  const node = x as { kind?: string; callee?: Expr };
  if (node.kind === "Call" && node.callee) {
    const { callee } = node;
    if (callee.kind === "Name") into.add(callee.id);
    else if (callee.kind === "Attribute") into.add(callee.name);
  }
  for (const v of Object.values(x)) if (typeof v === "object") calleeNames(v, into);
}

const calledIn = new WeakMap<object, ReadonlySet<string>>();

/** Names of everything that a statement calls. */
function calls(top: TopLevel): ReadonlySet<string> {
  let known = calledIn.get(top.statement);
  if (!known) {
    const out = new Set<string>();
    calleeNames(top.statement, out);
    calledIn.set(top.statement, (known = out));
  }
  return known;
}

function returnsSomething(x: unknown): boolean {
  if (typeof x !== "object" || x === null) return false;
  if (Array.isArray(x)) return x.some(returnsSomething);
  const node = x as { kind?: string; value?: unknown; body?: unknown };
  if (node.kind === "Return") return node.value !== undefined && node.value !== null;
  if (node.kind === "ClassDef") return false;
  return Object.entries(x).some(([k, v]) => k !== "value" && typeof v === "object" && returnsSomething(v));
}

/** Whether a file imports a framework whose models need no class. */
function importsFramework(block: readonly Stmt[]): boolean {
  return block.some((s) => {
    if (s.kind === "Import") return s.names.some((n) => FRAMEWORKS.test(n.name));
    if (s.kind === "ImportFrom") return FRAMEWORKS.test(s.module);
    return s.kind === "Try" && (importsFramework(s.body) || s.handlers.some((h) => importsFramework(h.body)));
  });
}

/** Functions and variables of a file that look as if they gave a model put together out of layers. */
export function madeModels(scope: SourceScope): MadeModel[] {
  const { statements } = scope.bindings;
  const assembles = (top: TopLevel): boolean => [...calls(top)].some((n) => ASSEMBLES.test(n));
  if (!statements.some(assembles) || !importsFramework(statements.map((t) => t.statement))) return [];
  const functions = new Map<string, MadeModel>();
  // A function that returns what another one made is one too.
  for (let grown = true; grown; ) {
    grown = false;
    for (const top of statements) {
      const s = top.statement;
      if (s.kind !== "FunctionDef" || functions.has(s.name) || !returnsSomething(s.body)) continue;
      if (!assembles(top) && ![...calls(top)].some((n) => functions.has(n))) continue;
      functions.set(s.name, { name: s.name, range: top.chunk.range(s.nameSpan), form: "function" });
      grown = true;
    }
  }
  const variables = new Map<string, MadeModel>();
  for (const top of statements) {
    const s = top.statement;
    if (s.kind !== "Assign" || !assembles(top)) continue;
    for (const t of s.targets)
      if (t.kind === "Name") variables.set(t.id, { name: t.id, range: top.chunk.range(t), form: "variable" });
  }
  return [...functions.values(), ...variables.values()];
}

/** What stops a statement of a script without stopping the script. */
function isStop(error: unknown): boolean {
  return (
    error instanceof PythonError ||
    error instanceof NotUnderstood ||
    error instanceof ShapeDemand ||
    error instanceof BudgetExceeded
  );
}

/** Runs the statements of a script up to a place, each as far as it goes; gives the variables. */
function runScript(i: Interpreter, scope: SourceScope, until: (top: TopLevel) => boolean): Map<string, Value> {
  const variables = new Map<string, Value>();
  for (const top of scope.bindings.statements) {
    const { kind } = top.statement;
    if (kind === "FunctionDef" || kind === "ClassDef" || kind === "Import" || kind === "ImportFrom") continue;
    const frame: Frame = { ...moduleFrame(scope, top.chunk, top.statement), scope: { variables, outer: undefined } };
    const { strict } = i;
    i.strict = false;
    try {
      i.inFrame(frame, () => runStatement(i, top.statement, frame));
    } catch (error) {
      if (!isStop(error)) throw error;
      i.frames.length = 0;
      i.running.length = 0;
    } finally {
      i.strict = strict;
    }
    if (until(top)) break;
  }
  return variables;
}

/** The model in what a function returned: itself, or the first of several. */
export function modelIn(v: Value | undefined): InstanceValue | undefined {
  if (is(v, "tuple") || is(v, "list")) for (const x of v.items) if (modelIn(x)) return modelIn(x);
  if (!is(v, "instance")) return undefined;
  // A single layer is none.
  return v.cls.order.some((c) => c.framework) && !v.cls.order.some((c) => c.signature && c.name !== "Sequential") ? v : undefined;
}

function changed(top: TopLevel, name: string, scope: SourceScope): boolean {
  return (scope.bindings.changes.get(name) ?? []).includes(top) || (scope.bindings.binds.get(name) ?? []).includes(top);
}

/** The script up to the last statement that says what a variable holds. */
export function fromScript(scope: SourceScope, name: string): Recipe {
  return {
    how: "as this file makes it",
    make(i) {
      const last = scope.bindings.statements.findLast((top) => changed(top, name, scope) && !calls(top).has("fit"));
      const variables = runScript(i, scope, (top) => top === last);
      return modelIn(variables.get(name)) ?? raise("TypeError", `${name} is not a model that could be made`);
    },
  };
}

/** The script up to the statement that makes an instance of a class out of other models. */
export function fromScriptInstance(scope: SourceScope, cls: ClassValue): Recipe {
  return {
    how: "as this file makes it",
    make(i) {
      let made: InstanceValue | undefined;
      const before = i.onConstruct;
      i.onConstruct = (c, args, instance) => {
        before?.(c, args, instance);
        if (c === cls) made ??= instance;
      };
      try {
        runScript(i, scope, () => made !== undefined);
      } finally {
        i.onConstruct = before;
      }
      return made ?? raise("TypeError", `${cls.name} is not made by this file`);
    },
  };
}

/** Variables of a file that hold a class with some of its arguments: `ResNet18 = partial(ResNet, stage_sizes=[2, 2])`. */
export function fromPartials(scope: SourceScope, cls: ClassValue): Recipe[] {
  const out: Recipe[] = [];
  for (const { statement: s } of scope.bindings.statements) {
    const [target] = s.kind === "Assign" ? s.targets : [];
    if (s.kind !== "Assign" || target?.kind !== "Name" || s.value.kind !== "Call") continue;
    const { id } = target;
    if (!calls({ chunk: scope.bindings.statements[0]!.chunk, statement: s }).has("partial")) continue;
    out.push({
      how: `as \`${id}\` makes it`,
      make(i) {
        const v = scope.lookup(id);
        if (!is(v, "partial") || v.callee !== cls) raise("TypeError", `${id} does not make ${cls.name}`);
        const keywords = new Map<string, Value>();
        const given = new Set(v.args.keywords.keys());
        constructorParams(cls).forEach((p, k) => {
          if (p.defaultValue || given.has(p.name) || k < v.args.positional.length) return;
          const value = witnessIn(i, p.name);
          if (value !== undefined) keywords.set(p.name, value);
        });
        return modelIn(call(i, v, { positional: [], keywords })) ?? raise("TypeError", `${id} does not make a model`);
      },
    });
  }
  return out;
}

/** A function with the arguments that the file calls it with, or that it has by default, or invented ones. */
export function fromFunction(scope: SourceScope, name: string, seen: Arguments | undefined): Recipe {
  return {
    how: seen ? "as this file makes it" : `as \`${name}()\` makes it`,
    make(i) {
      const f = scope.lookup(name);
      if (!is(f, "function")) raise("TypeError", `${name} is no function`);
      const run = (args: Arguments): InstanceValue => {
        const at = isObject(f) && f.k === "function" ? f.span : { s: 0, e: 0 };
        const frame = moduleFrame(scope, f.chunk, at);
        const result = i.inFrame(frame, () => call(i, f, args));
        return modelIn(result) ?? raise("TypeError", `${name}() does not give a model`);
      };
      if (seen) return run(seen);
      const keywords = new Map<string, Value>();
      for (const p of required(f.params)) {
        const v = shapeWitness(p.name) ?? inventArgument(i, p, f);
        if (v !== undefined) keywords.set(p.name, v);
      }
      return run({ positional: [], keywords });
    },
  };
}

/** Shapes of inputs that functions take: images. */
function shapeWitness(name: string): Value | undefined {
  if (!/^(?:input_)?shape$|^(?:image|img|in)_shape$|^input_dims$/.test(name)) return undefined;
  return { k: "tuple", items: [32, 32, 3].map((v) => ({ k: "int", v })) };
}

/** The arguments that the script calls its functions with, the first time each. */
export function callsSeen(i: Interpreter, scope: SourceScope, names: ReadonlySet<string>): Map<string, Arguments> {
  const seen = new Map<string, Arguments>();
  if (!scope.bindings.statements.some((t) => t.statement.kind !== "FunctionDef" && [...calls(t)].some((n) => names.has(n))))
    return seen;
  i.onFunction = (f: FunctionValue, args) => {
    if (f.module === scope && names.has(f.name) && !seen.has(f.name) && plain(args)) seen.set(f.name, args);
  };
  runScript(i, scope, () => false);
  i.onFunction = undefined;
  return seen;
}

/** Whether arguments can be used in another evaluation: no tensors, no unknown values. */
export function plain(args: Arguments): boolean {
  const ok = (v: Value, depth: number): boolean => {
    if (!isObject(v)) return true;
    if (v.k === "tensor" || v.k === "unknown" || depth > 5) return false;
    if (v.k === "list" || v.k === "tuple") return v.items.every((x) => ok(x, depth + 1));
    if (v.k === "dict") return [...v.entries.values()].every((e) => ok(e.value, depth + 1));
    if (v.k === "instance") return !v.cls.order.some((c) => c.framework);
    return true;
  };
  return !args.open && [...args.positional, ...args.keywords.values()].every((v) => ok(v, 0));
}

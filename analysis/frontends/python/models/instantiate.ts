/** @file Ways to make an instance of a class: from its defaults, a call seen in the code, a factory, a typed configuration, or witnesses. */
import { construct } from "../evaluator/classes";
import { PythonError, raise } from "../evaluator/errors";
import { evaluate, evaluateArguments } from "../evaluator/expressions";
import { call } from "../evaluator/functions";
import type { Frame, Interpreter } from "../evaluator/interpreter";
import type { SourceScope } from "../modules/scope";
import type { TopLevel } from "../modules/bindings";
import { is, isObject } from "../values/inspect";
import { NO_ARGUMENTS, positional } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, Value } from "../values/value";
import { annotationName, constructorParams, inventInstance, required } from "./invent";
import type { Pragma } from "./pragma";

/** One way to make an instance. */
export interface Recipe {
  /** In words, for people: "from its defaults", "as in `resnet18()`". */
  readonly how: string;
  readonly make: (interpreter: Interpreter) => InstanceValue;
  /** What a surrounding model calls it with. */
  readonly called?: Arguments;
}

function instanceOf(v: Value, name: string): InstanceValue {
  return is(v, "instance") ? v : raise("TypeError", `${name}() does not make an instance`);
}

/** A frame in which expressions of a module can be evaluated. */
export function moduleFrame(scope: SourceScope, chunk: Frame["chunk"], at: { s: number; e: number }): Frame {
  return { form: "module", scope: { variables: new Map(), outer: undefined }, module: scope, chunk, at, pending: [] };
}

/** Construction with given arguments. */
export function fromArguments(cls: ClassValue, how: string, args: Arguments, called?: Arguments): Recipe {
  return {
    how,
    make: (i) =>
      instanceOf(
        inClassFrame(i, cls, () => construct(i, cls, args)),
        cls.name,
      ),
    ...(called ? { called } : {}),
  };
}

function inClassFrame<T>(i: Interpreter, cls: ClassValue, run: () => T): T {
  if (!cls.chunk || !cls.module || !cls.nameSpan) return run();
  const frame: Frame = {
    form: "module",
    scope: { variables: new Map(), outer: undefined },
    module: cls.module,
    chunk: cls.chunk,
    at: cls.nameSpan,
    pending: [],
  };
  return i.inFrame(frame, run);
}

/** With witnesses for all that has no default. */
export function fromWitnesses(cls: ClassValue, choice?: { overrides: ReadonlyMap<string, number>; scale: number }): Recipe {
  const params = required(constructorParams(cls));
  const typed =
    params.length > 0 &&
    params.every((p) => p.annotation !== undefined && !["int", "float", "bool", "str"].includes(annotationName(p.annotation)));
  const names = params.map((p) => p.name).join(", ");
  return {
    how: params.length === 0 ? "from its defaults" : typed ? `with a default ${names}` : `with sizes standing in for ${names}`,
    make: (i) =>
      inClassFrame(i, cls, () => {
        if (choice) {
          i.overrides = choice.overrides;
          i.witnessScale = choice.scale;
        }
        const v = inventInstance(i, cls);
        return v === undefined ? raise("TypeError", `no values for ${names}`) : instanceOf(v, cls.name);
      }),
  };
}

/** As a pragma says. */
export function fromPragma(pragma: Pragma, scope: SourceScope, cls: ClassValue | undefined): Recipe {
  return {
    how: "as its pragma says",
    make(i) {
      const x = pragma.call;
      const frame = moduleFrame(scope, pragma.chunk, x ?? { s: 0, e: 0 });
      if (x?.kind !== "Call") {
        if (!cls) raise("TypeError", `the pragma does not call ${pragma.name}`);
        return instanceOf(construct(i, cls, NO_ARGUMENTS), cls.name);
      }
      return i.inFrame(frame, () => {
        const callee = evaluate(i, x.callee, frame);
        return instanceOf(call(i, callee, evaluateArguments(i, x.args, frame)), cls?.name ?? pragma.name);
      });
    },
  };
}

/** As a function without required arguments makes it. */
export function fromFactory(scope: SourceScope, name: string, cls: ClassValue | undefined): Recipe {
  return {
    how: `as \`${name}()\` makes it`,
    make(i) {
      const f = scope.lookup(name);
      if (f === undefined) raise("NameError", `name '${name}' is not defined`);
      let made: InstanceValue | undefined;
      const before = i.onConstruct;
      i.onConstruct = (c, args, instance) => {
        before?.(c, args, instance);
        if (c === cls) made = instance;
      };
      let result: Value;
      try {
        const chunk = isObject(f) && f.k === "function" ? f.chunk : cls?.chunk;
        const at = isObject(f) && f.k === "function" ? f.span : { s: 0, e: 0 };
        result = chunk ? i.inFrame(moduleFrame(scope, chunk, at), () => call(i, f, positional())) : call(i, f, positional());
      } catch (error) {
        // The model may be there although loading weights into it failed.
        if (!(error instanceof PythonError) || !made || !i.made.includes(made)) throw error;
        result = made;
      } finally {
        i.onConstruct = before;
      }
      if (is(result, "instance") && (!cls || result.cls === cls)) return result;
      return made ?? raise("TypeError", `${name}() does not make a model`);
    },
  };
}

const mentioned = new WeakMap<object, ReadonlySet<string>>();

/** All names that a statement mentions. */
export function namesIn(statement: TopLevel["statement"]): ReadonlySet<string> {
  const known = mentioned.get(statement);
  if (known) return known;
  const out = new Set<string>();
  const visit = (x: unknown): void => {
    if (typeof x !== "object" || x === null) return;
    if (Array.isArray(x)) {
      for (const y of x) visit(y);
      return;
    }
    const node = x as { kind?: string; id?: string };
    if (node.kind === "Name" && node.id !== undefined) out.add(node.id);
    for (const v of Object.values(x)) if (typeof v === "object") visit(v);
  };
  visit(statement);
  mentioned.set(statement, out);
  return out;
}

/** Functions of a file without required parameters that lead to a class, nearest first. */
export function factoriesOf(scope: SourceScope, className: string): string[] {
  const functions = scope.bindings.statements.flatMap((t) =>
    t.statement.kind === "FunctionDef" ? [{ name: t.statement.name, top: t, def: t.statement }] : [],
  );
  const reaches = new Map<string, number>([[className, 0]]);
  for (let hop = 1; hop <= 3; hop++) {
    for (const f of functions) {
      if (reaches.has(f.name)) continue;
      for (const n of namesIn(f.top.statement)) {
        const d = reaches.get(n);
        if (d !== undefined && d < hop) {
          reaches.set(f.name, hop);
          break;
        }
      }
    }
  }
  return functions.filter((f) => reaches.has(f.name) && required(f.def.params).length === 0).map((f) => f.name);
}

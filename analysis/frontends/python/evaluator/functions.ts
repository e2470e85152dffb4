/** @file Calls: binding arguments, running functions, and what happens when something that is called is not known. */
import type { Block, Expr, Param } from "../parser/syntax";
import { is, isObject, numberOf } from "../values/inspect";
import { dict, tuple, unknown } from "../values/make";
import type { Arguments, ClassValue, FunctionValue, InstanceValue, Scope, TensorValue, Value } from "../values/value";
import { findInClass, getAttribute } from "./attributes";
import { joinValues } from "./branches";
import { construct } from "./classes";
import { BudgetExceeded, NotUnderstood, PythonError, raise } from "./errors";
import { evaluate } from "./expressions";
import type { Frame, Interpreter } from "./interpreter";
import { runBlock } from "./statements";

/** Binds arguments to parameters as Python does. Throws PythonError (TypeError) where Python would. */
export function bindArguments(
  name: string,
  params: readonly Param[],
  defaults: ReadonlyMap<string, Value>,
  args: Arguments,
): Map<string, Value> {
  const out = new Map<string, Value>();
  let next = 0;
  const used = new Set<string>();
  let keywordRest: Param | undefined;
  for (const p of params) {
    if (p.form === "star") {
      out.set(p.name, tuple(args.positional.slice(next)));
      next = args.positional.length;
    } else if (p.form === "doubleStar") keywordRest = p;
    else if (p.form === "positional" && next < args.positional.length) {
      out.set(p.name, args.positional[next++]!);
      if (args.keywords.has(p.name) && !args.open) raise("TypeError", `${name}() got multiple values for argument '${p.name}'`);
    } else {
      const given = args.keywords.get(p.name);
      if (given !== undefined) {
        out.set(p.name, given);
        used.add(p.name);
      } else if (args.open && !defaults.has(p.name)) out.set(p.name, unknown(`argument ${p.name}`));
      else {
        const fallback = defaults.get(p.name);
        if (fallback === undefined) raise("TypeError", `${name}() missing required argument '${p.name}'`);
        out.set(p.name, fallback);
      }
    }
  }
  if (next < args.positional.length && !args.open) {
    raise("TypeError", `${name}() takes ${next} positional arguments but ${args.positional.length} were given`);
  }
  if (keywordRest) {
    out.set(keywordRest.name, dict([...args.keywords].filter(([k]) => !used.has(k) && !out.has(k))));
  } else if (!args.open) {
    for (const k of args.keywords.keys()) {
      if (!used.has(k) && !params.some((p) => p.name === k))
        raise("TypeError", `${name}() got an unexpected keyword argument '${k}'`);
    }
  }
  return out;
}

/** Runs a function written in Python. */
export function callFunction(interpreter: Interpreter, f: FunctionValue, args: Arguments): Value {
  interpreter.step();
  interpreter.onFunction?.(f, args);
  const variables = bindArguments(f.name, f.params, f.defaults, args);
  const scope: Scope = { variables, outer: f.scope };
  const first = f.params[0];
  const self = first && f.owner ? variables.get(first.name) : undefined;
  const yields: Value[] | undefined = f.isGenerator ? [] : undefined;
  const frame: Frame = {
    form: "function",
    scope,
    module: f.module,
    chunk: f.chunk,
    callee: f,
    at: f.span,
    pending: [],
    ...(yields ? { yields } : {}),
    ...(self !== undefined ? { self } : {}),
  };
  return interpreter.inFrame(frame, () => {
    if (f.isLambda) return evaluate(interpreter, f.body as Expr, frame);
    const outcome = runBlock(interpreter, f.body as Block, frame);
    if (yields) return { k: "iterator", items: yields, at: 0 };
    let value: Value = outcome.kind === "return" ? outcome.value : null;
    for (const p of frame.pending.reverse()) value = joinValues(interpreter, p.test, p.value, value);
    return value;
  });
}

/** The name to show for something that is called. */
export function calleeName(callee: Value, written?: string): string {
  if (written) return written;
  if (!isObject(callee)) return "call";
  switch (callee.k) {
    case "function":
    case "native":
    case "class":
    case "namespace":
      return callee.name;
    case "bound":
      return calleeName(callee.callee);
    case "partial":
      return calleeName(callee.callee);
    case "instance":
      return callee.cls.name;
    default:
      return "call";
  }
}

/** An unknown call: an opaque node over everything it may read, or an unknown value when no tensor is involved. */
export function opaqueCall(interpreter: Interpreter, name: string, callee: Value, args: Arguments, reason: string): Value {
  const values = [callee, ...args.positional, ...args.keywords.values()];
  const tensors = interpreter.tensorsIn(values);
  if (tensors.length === 0) return unknown(reason);
  interpreter.calls++;
  interpreter.noteOpaque(name, reason);
  return interpreter.builder.opaque(name, tensors);
}

/** What stochastic depth makes of a branch: noise, as dropout is, where it has a rate. */
function droppedAtRandom(interpreter: Interpreter, x: TensorValue, args: Arguments): Value {
  const rate = args.positional[1] ?? args.keywords.get("drop_prob") ?? args.keywords.get("p") ?? null;
  const p = numberOf(rate) ?? 0;
  if (p <= 0 || !interpreter.training || x.shape === undefined) return x;
  return interpreter.builder.node("Dropout", [x, interpreter.builder.scalar(p, "float32")]);
}

/** Names of functions that only act at random: noise, as dropout is. */
const STOCHASTIC_DEPTH = new Set(["drop_path", "stochastic_depth", "drop_connect"]);

function aroundOf(self: InstanceValue): ClassValue["around"] {
  return self.cls.order.find((c) => c.around)?.around;
}

/** Calls anything. `written` is the callee as the user wrote it. */
export function call(interpreter: Interpreter, callee: Value, args: Arguments, written?: string): Value {
  interpreter.step();
  if (!isObject(callee)) raise("TypeError", `'${calleeName(callee, written)}' is not callable`);
  switch (callee.k) {
    case "function": {
      const first = args.positional[0];
      if (STOCHASTIC_DEPTH.has(callee.name) && is(first, "tensor")) return droppedAtRandom(interpreter, first, args);
      return callFunction(interpreter, callee, args);
    }
    case "bound": {
      const around = is(callee.self, "instance") && is(callee.callee, "function") ? aroundOf(callee.self) : undefined;
      if (around) {
        const { self, callee: f } = callee;
        return around(interpreter, self as InstanceValue, () =>
          call(interpreter, f, { ...args, positional: [self, ...args.positional] }, written),
        );
      }
      return call(interpreter, callee.callee, { ...args, positional: [callee.self, ...args.positional] }, written);
    }
    case "native":
      return callee.call(interpreter, args);
    case "partial":
      return call(
        interpreter,
        callee.callee,
        {
          positional: [...callee.args.positional, ...args.positional],
          keywords: new Map([...callee.args.keywords, ...args.keywords]),
          ...(args.open || callee.args.open ? { open: true } : {}),
        },
        written,
      );
    case "class":
      return construct(interpreter, callee, args);
    case "instance": {
      const native = callee.cls.order.find((c) => c.invoke);
      if (native?.invoke) return native.invoke(interpreter, callee, args);
      const method = findInClass(callee.cls, "__call__");
      if (method !== undefined) return call(interpreter, getAttribute(interpreter, callee, "__call__"), args, written);
      if (callee.cls.openBase)
        return opaqueCall(interpreter, calleeName(callee, written), callee, args, `${callee.cls.name} is not known`);
      return raise("TypeError", `'${callee.cls.name}' object is not callable`);
    }
    case "wrapper":
      return call(interpreter, callee.callee, args, written);
    case "namespace":
    case "unknown":
      return opaqueCall(
        interpreter,
        calleeName(callee, written),
        callee,
        args,
        callee.k === "unknown" ? callee.reason : `${callee.name} is no function`,
      );
    default:
      return opaqueCall(interpreter, calleeName(callee, written), callee, args, "what is called is no function");
  }
}

/**
 * Calls with recovery: an exception that the program does not handle becomes an opaque node over the arguments, unless
 * the run is strict. ShapeDemand passes through, and so do exceptions while a `try` of the program is running.
 */
export function guardedCall(interpreter: Interpreter, callee: Value, args: Arguments, written?: string): Value {
  const depth = interpreter.running.length;
  try {
    return call(interpreter, callee, args, written);
  } catch (error) {
    interpreter.running.length = Math.min(interpreter.running.length, depth);
    if (error instanceof RangeError && /call stack/i.test(error.message)) {
      throw new BudgetExceeded("calls nested too deeply");
    }
    if (error instanceof TypeError) {
      // A defect in a rule of this front end: the call is not understood, and the rest of the model still is.
      interpreter.notes.add(`internal: ${error.message}`);
      return opaqueCall(interpreter, calleeName(callee, written), callee, args, `internal: ${error.message}`);
    }
    if (error instanceof NotUnderstood) return opaqueCall(interpreter, calleeName(callee, written), callee, args, error.message);
    if (!(error instanceof PythonError) || interpreter.tries > 0 || interpreter.forks > 0 || interpreter.strict) throw error;
    interpreter.contradiction(error);
    return opaqueCall(interpreter, calleeName(callee, written), callee, args, error.message);
  }
}

/** Runs a module: what `module(x)` does. Hooks are ignored. */
export function callModule(interpreter: Interpreter, module: InstanceValue, args: Arguments): Value {
  const forward = findInClass(module.cls, "forward");
  const own = module.attributes.get("forward");
  interpreter.uses.push({ module, range: interpreter.here() });
  if (forward === undefined && own === undefined) {
    return opaqueCall(interpreter, module.cls.name, module, args, `${module.cls.name} has no forward that can be read`);
  }
  if (module.cls.module) interpreter.onForward?.(module, args);
  const { answers } = interpreter;
  const answer = interpreter.running.length === 0 ? answers?.get(module) : undefined;
  if (answer !== undefined) return answer;
  interpreter.running.push(module);
  try {
    const result = call(interpreter, own ?? getAttribute(interpreter, module, "forward"), args, module.cls.name);
    if (interpreter.running.length === 1) answers?.set(module, result);
    return result;
  } finally {
    interpreter.running.pop();
  }
}

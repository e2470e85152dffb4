/**
 * @file flax.linen: modules are dataclasses whose variables live in scopes. A scope belongs to a place in the tree of modules;
 * modules that are made while another one runs get theirs below it, named after their class and counted from 0.
 */
import { findInClass } from "../evaluator/attributes";
import { instantiate, makeClass } from "../evaluator/classes";
import { uniformValue } from "../emit/initialisation";
import { raise } from "../evaluator/errors";
import { call, opaqueCall } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import type { Framework } from "../models/framework";
import { intOf, is } from "../values/inspect";
import { positional, unknown } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, TensorValue, Value } from "../values/value";
import { arrays } from "../arrays/index";
import { arrayAttribute } from "./array";
import { FlaxContext, type FlaxSpec, method, readParams, type Start, type VariableStore } from "./context";

/** The variables of one place in the tree of modules. */
interface Scope {
  readonly path: string;
  readonly variables: Map<string, TensorValue>;
  readonly children: Map<string, Scope>;
  /** How many modules of each class were made in the present call. */
  counters: Map<string, number>;
  module: InstanceValue | undefined;
}

interface LinenState {
  scope?: Scope | undefined;
  name?: string;
  isSetUp?: boolean;
  settingUp?: boolean;
}

function stateOf(m: InstanceValue): LinenState {
  m.native ??= {};
  return m.native as LinenState;
}

/** Changes what is known of a module, so that another attempt at the same model starts afresh. */
function change(interpreter: Interpreter, m: InstanceValue, fields: LinenState): void {
  const state = stateOf(m);
  const before = { ...state };
  interpreter.journal.onRollback(() => {
    m.native = before;
  });
  Object.assign(state, fields);
}

/** Whether a value is a linen module. */
export function isLinen(v: Value | undefined): v is InstanceValue {
  return is(v, "instance") && v.cls.order.some((c) => c.framework?.name === "linen");
}

function newScope(path: string): Scope {
  return { path, variables: new Map(), children: new Map(), counters: new Map(), module: undefined };
}

function childScope(interpreter: Interpreter, parent: Scope, name: string): Scope {
  let child = parent.children.get(name);
  if (!child) {
    child = newScope(parent.path === "" ? name : `${parent.path}.${name}`);
    interpreter.journal.set(parent.children, name, child);
  }
  return child;
}

/** Gives a module its scope, and those that hang in its fields theirs below it. */
function bind(interpreter: Interpreter, m: InstanceValue, scope: Scope): void {
  change(interpreter, m, { scope });
  scope.module = m;
  interpreter.paths.set(m, scope.path);
  adopt(interpreter, m);
}

/** Modules in the attributes of another one, in containers too, that have no place yet: they are named by the attribute. */
function adopt(interpreter: Interpreter, m: InstanceValue): void {
  const { scope } = stateOf(m);
  if (!scope) return;
  const visit = (v: Value, name: string, depth: number): void => {
    if (isLinen(v)) {
      const state = stateOf(v);
      if (!state.scope && v !== m) bind(interpreter, v, childScope(interpreter, scope, state.name ?? name));
    } else if ((is(v, "list") || is(v, "tuple")) && depth < 4) v.items.forEach((x, i) => visit(x, `${name}_${i}`, depth + 1));
    else if (is(v, "dict") && depth < 4)
      for (const e of v.entries.values())
        visit(e.value, `${name}_${typeof e.key === "string" ? e.key : (intOf(e.key) ?? "")}`, depth + 1);
  };
  for (const [k, v] of m.attributes) visit(v, k, 0);
}

/** The innermost linen module that runs. */
function runningModule(interpreter: Interpreter): InstanceValue | undefined {
  const top = interpreter.running.at(-1);
  return top && isLinen(top) ? top : undefined;
}

/** Makes a module; while another one runs, below it. */
function constructLinen(interpreter: Interpreter, cls: ClassValue, args: Arguments): Value {
  return constructNamed(interpreter, cls, args, "");
}

/** The same, where a transform puts its name before that of the class. */
export function constructNamed(interpreter: Interpreter, cls: ClassValue, args: Arguments, prefix: string): Value {
  const keywords = new Map(args.keywords);
  const name = keywords.get("name");
  keywords.delete("name");
  keywords.delete("parent");
  const m = instantiate(interpreter, cls, { ...args, keywords });
  if (!is(m, "instance")) return m;
  const parent = runningModule(interpreter);
  if (typeof name === "string") stateOf(m).name = name;
  interpreter.journal.set(m.attributes, "name", typeof name === "string" ? name : null);
  const above = parent && stateOf(parent);
  if (!above?.scope || above.settingUp) return m;
  let own = typeof name === "string" ? name : undefined;
  if (own === undefined) {
    const kind = prefix + cls.name;
    const n = above.scope.counters.get(kind) ?? 0;
    interpreter.journal.set(above.scope.counters, kind, n + 1);
    own = `${kind}_${n}`;
  }
  bind(interpreter, m, childScope(interpreter, above.scope, own));
  return m;
}

/** Runs `setup`, once, and names the modules that it made by their attributes. */
function setUp(interpreter: Interpreter, m: InstanceValue): void {
  const state = stateOf(m);
  if (state.isSetUp || state.settingUp || !state.scope) return;
  const setup = findInClass(m.cls, "setup");
  if (!is(setup, "function")) {
    change(interpreter, m, { isSetUp: true });
    return;
  }
  change(interpreter, m, { settingUp: true });
  interpreter.running.push(m);
  try {
    call(interpreter, setup, positional(m));
    change(interpreter, m, { settingUp: false, isSetUp: true });
    adopt(interpreter, m);
  } finally {
    stateOf(m).settingUp = false;
    interpreter.running.pop();
  }
}

/** A module that is used before anybody gave it a place: below the one that runs, or a root of its own. */
function place(interpreter: Interpreter, m: InstanceValue): void {
  if (stateOf(m).scope) return;
  const parent = runningModule(interpreter);
  const above = parent && stateOf(parent).scope;
  if (above && parent) adopt(interpreter, parent);
  if (stateOf(m).scope) return;
  bind(interpreter, m, above ? childScope(interpreter, above, stateOf(m).name ?? `${m.cls.name}_0`) : newScope(""));
}

/** Runs a method of a module within its scope. */
function within(interpreter: Interpreter, m: InstanceValue, run: () => Value): Value {
  if (interpreter.running.at(-1) === m) return run();
  place(interpreter, m);
  setUp(interpreter, m);
  const { scope } = stateOf(m);
  if (scope) {
    const before = scope.counters;
    interpreter.journal.onRollback(() => {
      scope.counters = before;
    });
    // Names are counted anew in every call: a module that runs twice finds its variables again.
    scope.counters = new Map();
    scope.module = m;
  }
  interpreter.running.push(m);
  try {
    return run();
  } finally {
    interpreter.running.pop();
  }
}

/** What `module(x)` does. */
function callLinen(interpreter: Interpreter, m: InstanceValue, args: Arguments): Value {
  interpreter.uses.push({ module: m, range: interpreter.here() });
  const method = findInClass(m.cls, "__call__");
  if (method === undefined) return opaqueCall(interpreter, m.cls.name, m, args, `${m.cls.name} has no __call__ that can be read`);
  return within(interpreter, m, () => {
    if (m.cls.module) interpreter.onForward?.(m, args);
    return call(interpreter, method, { ...args, positional: [m, ...args.positional] }, m.cls.name);
  });
}

function scopeOf(m: InstanceValue): Scope {
  return stateOf(m).scope ?? raise("ValueError", `${m.cls.name} has no place in a model yet`);
}

/** The variables of a built-in layer. */
function storeOf(interpreter: Interpreter, m: InstanceValue): VariableStore {
  const scope = scopeOf(m);
  return {
    get: (name) => scope.variables.get(name),
    make: (name, shape, start, trainable) => makeVariable(interpreter, m, scope, name, shape, start, trainable),
  };
}

function makeVariable(
  interpreter: Interpreter,
  m: InstanceValue,
  scope: Scope,
  name: string,
  shape: readonly number[],
  start: Start,
  trainable: boolean,
): TensorValue {
  if (shape.some((d) => !Number.isInteger(d) || d < 0))
    raise("ValueError", `a variable of shape [${shape.join(", ")}] cannot be made`);
  const { made } = m;
  const t = interpreter.builder.parameter([...shape], "float32", {
    buffer: !trainable,
    trainable,
    initialisation: start,
    origin: made
      ? { range: made.range, related: made.callers.slice(0, 3).map((range) => ({ label: "called from here", range })) }
      : interpreter.origin(),
  });
  interpreter.journal.set(scope.variables, name, t);
  return t;
}

/** `self.param(name, init, *args)`, `self.variable(collection, name, init, *args)`. */
function ownVariable(
  interpreter: Interpreter,
  m: InstanceValue,
  name: string,
  init: Value,
  args: Arguments,
  trainable: boolean,
): TensorValue | undefined {
  const scope = scopeOf(m);
  const known = scope.variables.get(name);
  if (known) return known;
  const key = unknown("a key for random numbers");
  const value = is(init, "tensor")
    ? init
    : call(interpreter, init, trainable ? { ...args, positional: [key, ...args.positional] } : args);
  if (!is(value, "tensor")) return undefined;
  const first = uniformValue(value.constant);
  const initialisation = value.drawn
    ? { ...value.drawn, origin: interpreter.origin() }
    : {
        scheme: first === 0 ? "zeros_" : first === 1 ? "ones_" : "computed",
        ...(first !== undefined ? { constant: first } : {}),
        origin: interpreter.origin(),
      };
  const t = interpreter.builder.parameter(
    value.shape,
    value.type,
    { buffer: !trainable, trainable, initialisation },
    trainable ? undefined : value.constant,
  );
  interpreter.journal.set(scope.variables, name, t);
  return t;
}

/** The class flax.linen.Module. `root` is the class `object`. */
export function linenModule(root: ClassValue): ClassValue {
  const holder = makeClass({ name: "Variable", bases: [root], fields: [] });
  return makeClass({
    name: "linen.Module",
    bases: [root],
    fields: [],
    record: true,
    framework: LINEN,
    construct: constructLinen,
    invoke: callLinen,
    around: within,
    attributes: new Map<string, Value>([
      method("param", (i, self, args) => {
        const [name, init, ...rest] = args.positional;
        const keywords = new Map([...args.keywords].filter(([k]) => k !== "unbox"));
        if (typeof name !== "string" || init === undefined) return unknown("a parameter that is not named");
        return (
          ownVariable(i, self, name, init, { positional: rest, keywords }, true) ??
          unknown(`the parameter ${name} is of unknown shape`)
        );
      }),
      method("variable", (i, self, args) => {
        const [, name, init, ...rest] = args.positional;
        const made: InstanceValue = { k: "instance", id: i.id(), cls: holder, attributes: new Map() };
        const t =
          typeof name === "string" && init !== undefined && init !== null
            ? ownVariable(i, self, name, init, { positional: rest, keywords: args.keywords }, false)
            : undefined;
        made.attributes.set("value", t ?? unknown("a variable of unknown shape"));
        return made;
      }),
      method(
        "has_variable",
        (_, self, args) => typeof args.positional[1] === "string" && scopeOf(self).variables.has(args.positional[1]),
      ),
      method("make_rng", () => unknown("a key for random numbers")),
      method("is_initializing", () => false),
      method("is_mutable_collection", () => false),
      method("sow", () => true),
      method("perturb", (_, __, args) => args.positional[1] ?? null),
      method("init", () => unknown("variables")),
      method("init_with_output", () => unknown("variables")),
      method("tabulate", () => ""),
      method("apply", (i, self, args) => {
        const rest = {
          positional: args.positional.slice(1),
          keywords: new Map([...args.keywords].filter(([k]) => !["rngs", "mutable", "method"].includes(k))),
        };
        return rest.positional.some((v) => is(v, "tensor")) ? callLinen(i, self, rest) : unknown("what a model gives");
      }),
      method("clone", (_, self) => self),
      method("copy", (_, self) => self),
    ]),
    missing(interpreter, self, name) {
      const state = stateOf(self);
      if (!state.scope || state.isSetUp || state.settingUp || name.startsWith("__")) return undefined;
      setUp(interpreter, self);
      return self.attributes.get(name);
    },
  });
}

/** Makes the class of a built-in layer. */
export function linenLayer(base: ClassValue, spec: FlaxSpec): ClassValue {
  const { names, defaults, required } = readParams(spec.params);
  const context = (i: Interpreter, self: InstanceValue, params: string, args: Arguments): FlaxContext =>
    new FlaxContext(i, self, params.split(" "), args, storeOf(i, self), undefined);
  const attributes = new Map<string, Value>([
    method("__init__", (i, self, args) => {
      if (args.positional.length > names.length) raise("TypeError", `${spec.name}() takes ${names.length} positional arguments`);
      for (const [k, v] of defaults) i.journal.set(self.attributes, k, v);
      args.positional.forEach((v, k) => i.journal.set(self.attributes, names[k]!, v));
      for (const [k, v] of args.keywords) i.journal.set(self.attributes, k, v);
      return null;
    }),
    method("__call__", (i, self, args) => {
      i.calls++;
      const c = context(i, self, spec.inputs ?? "inputs", args);
      if (spec.build) {
        if (spec.name === "Conv" || spec.name === "ConvTranspose") {
          const rank = (c.ints("kernel_size")?.length ?? 2) + 2;
          c.shaped({ rank, channelsLast: true });
        } else if (spec.name !== "Embed") c.shaped({ minimumRank: 2 });
        spec.build(c);
      }
      return spec.call(c);
    }),
  ]);
  for (const [name, m] of Object.entries(spec.methods ?? {})) {
    const [key, value] = method(name, (i, self, args) => {
      if (name !== "initialize_carry") place(i, self);
      i.calls++;
      const c = new FlaxContext(
        i,
        self,
        m.params.split(" "),
        args,
        stateOf(self).scope ? storeOf(i, self) : NO_VARIABLES,
        undefined,
      );
      if (name === "attend") spec.build?.(c);
      return m.run(c);
    });
    attributes.set(key, value);
  }
  return makeClass({
    name: spec.name,
    bases: [base],
    attributes,
    fields: [],
    signature: { params: names, required, ...(names.includes("use_bias") ? { bias: "use_bias", biasName: "bias" } : {}) },
  });
}

const NO_VARIABLES: VariableStore = {
  get: () => undefined,
  make: () => raise("ValueError", "a module without a place has no variables"),
};

function visit(scope: Scope, run: (scope: Scope) => void): void {
  run(scope);
  for (const c of scope.children.values()) visit(c, run);
}

/** Flax's linen as a framework. */
export const LINEN: Framework = {
  name: "linen",
  method: "__call__",
  separator: ".",
  arrayAttribute,
  modules(root) {
    const out: ReturnType<Framework["modules"]> = [["", root]];
    const { scope } = stateOf(root);
    if (scope) visit(scope, (s) => s.module && s.module !== root && out.push([s.path, s.module]));
    return out;
  },
  ownTensors: (m) => [...(stateOf(m).scope?.variables ?? [])],
  argument(_, name) {
    if (/^act|activation|nonlin/.test(name)) return arrays.callable("relu");
    return name === "dtype" || name === "param_dtype" ? { k: "dtype", type: "float32" } : undefined;
  },
  call(interpreter, root, args) {
    bind(interpreter, root, newScope(""));
    return callLinen(interpreter, root, args);
  },
};

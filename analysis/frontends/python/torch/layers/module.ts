/** @file nn.Module itself: registration, traversal, and what all modules inherit. */
import { derivesFrom, getAttribute, setAttribute } from "../../evaluator/attributes";
import { makeClass } from "../../evaluator/classes";
import { copyOf } from "../../emit/initialisation";
import { raise } from "../../evaluator/errors";
import { call, callModule } from "../../evaluator/functions";
import type { Interpreter } from "../../evaluator/interpreter";
import { iterate } from "../../evaluator/iterate";
import { computedWeight } from "../parametrise";
import { is, isObject } from "../../values/inspect";
import { dict, native, positional, tuple } from "../../values/make";
import type { Arguments, ClassValue, InstanceValue, TensorValue, Value } from "../../values/value";

/** Whether a value is an instance of nn.Module. */
export function isModule(v: Value | undefined): v is InstanceValue {
  return is(v, "instance") && derivesFrom(v.cls, "Module");
}

/** Direct submodules by name, in order of registration. */
export function children(m: InstanceValue): [string, InstanceValue][] {
  const out: [string, InstanceValue][] = [];
  for (const [k, v] of m.attributes) if (isModule(v)) out.push([k, v]);
  return out;
}

/** All modules below and including one, with their paths; each object once, under its first name. */
export function namedModules(root: InstanceValue, prefix = ""): [string, InstanceValue][] {
  const out: [string, InstanceValue][] = [];
  const seen = new Set<InstanceValue>();
  const visit = (m: InstanceValue, path: string): void => {
    if (seen.has(m)) return;
    seen.add(m);
    out.push([path, m]);
    for (const [k, c] of children(m)) visit(c, path === "" ? k : `${path}.${k}`);
  };
  visit(root, prefix);
  return out;
}

/** Parameters or buffers below a module with their paths; shared ones once, under their first name. */
export function namedTensors(
  root: InstanceValue,
  wanted: "parameters" | "buffers" | "all",
  prefix = "",
): [string, TensorValue][] {
  const out: [string, TensorValue][] = [];
  const seen = new Set<number>();
  for (const [path, m] of namedModules(root, prefix)) {
    for (const [k, v] of m.attributes) {
      if (!is(v, "tensor") || !v.parameter) continue;
      if (wanted === "parameters" && v.parameter.buffer) continue;
      if (wanted === "buffers" && !v.parameter.buffer) continue;
      if (seen.has(v.parameter.id)) continue;
      seen.add(v.parameter.id);
      out.push([path === "" ? k : `${path}.${k}`, v]);
    }
  }
  return out;
}

function self(args: Arguments): InstanceValue {
  const [s] = args.positional;
  return is(s, "instance") ? s : raise("TypeError", "this method needs a module");
}

function iterator(items: Value[]): Value {
  return { k: "iterator", items, at: 0 };
}

/** Names of buffers that are measured as the model runs, where their updates may stand in code that is not followed. */
const STATISTICS = /^(?:running|moving|ema|num_batches)_|_(?:ema|avg|running)$|^cluster_size$/;

/** Makes a tensor a buffer of a module. */
export function registerBuffer(interpreter: Interpreter, m: InstanceValue, name: string, value: Value): void {
  if (!is(value, "tensor")) {
    interpreter.journal.set(m.attributes, name, value);
    return;
  }
  const t = value.parameter
    ? value
    : interpreter.builder.parameter(value.shape, value.type, { buffer: true, trainable: false }, value.constant);
  if (t.parameter?.buffer && STATISTICS.test(name)) t.parameter.statistic = true;
  interpreter.journal.set(m.attributes, name, t);
}

/** Gives the parameters of a module the entries of another one's state, where that is known. */
function takeState(interpreter: Interpreter, m: InstanceValue, state: Value): void {
  if (!is(state, "dict")) return;
  const own = new Map(namedTensors(m, "all"));
  for (const { key, value } of state.entries.values()) {
    const target = typeof key === "string" ? own.get(key)?.parameter : undefined;
    if (!target || !is(value, "tensor") || !value.parameter?.entries) continue;
    target.entries = value.parameter.entries;
    target.initialisation = copyOf(value.parameter, interpreter.origin());
  }
}

type Method = (interpreter: Interpreter, m: InstanceValue, args: readonly Value[], keywords: ReadonlyMap<string, Value>) => Value;

const METHODS: Readonly<Record<string, Method>> = {
  __init__: () => null,
  register_buffer(i, m, args, keywords) {
    const name = args[0] ?? keywords.get("name") ?? null;
    if (typeof name === "string") registerBuffer(i, m, name, args[1] ?? keywords.get("tensor") ?? null);
    return null;
  },
  register_parameter(i, m, args, keywords) {
    const name = args[0] ?? keywords.get("name") ?? null;
    if (typeof name === "string") i.journal.set(m.attributes, name, args[1] ?? keywords.get("param") ?? null);
    return null;
  },
  add_module(i, m, args, keywords) {
    const name = args[0] ?? keywords.get("name") ?? null;
    if (typeof name === "string") i.journal.set(m.attributes, name, args[1] ?? keywords.get("module") ?? null);
    return null;
  },
  parameters: (_, m) => iterator(namedTensors(m, "parameters").map(([, t]) => t)),
  named_parameters: (_, m, args) =>
    iterator(namedTensors(m, "parameters", typeof args[0] === "string" ? args[0] : "").map(([n, t]) => tuple([n, t]))),
  buffers: (_, m) => iterator(namedTensors(m, "buffers").map(([, t]) => t)),
  named_buffers: (_, m) => iterator(namedTensors(m, "buffers").map(([n, t]) => tuple([n, t]))),
  state_dict: (_, m) => dict(namedTensors(m, "all").map(([n, t]) => [n, t] as const)),
  children: (_, m) => iterator(children(m).map(([, c]) => c)),
  named_children: (_, m) => iterator(children(m).map(([n, c]) => tuple([n, c]))),
  modules: (_, m) => iterator(namedModules(m).map(([, c]) => c)),
  named_modules: (_, m) => iterator(namedModules(m).map(([n, c]) => tuple([n, c]))),
  get_submodule(i, m, args) {
    let at: Value = m;
    const path = args[0];
    if (typeof path === "string" && path !== "") for (const part of path.split(".")) at = getAttribute(i, at, part);
    return at;
  },
  apply(i, m, args) {
    const visit = (x: InstanceValue): void => {
      for (const [, c] of children(x)) visit(c);
      if (args[0] !== undefined) call(i, args[0], positional(x));
    };
    visit(m);
    return m;
  },
  train(i, m, args) {
    const mode = args[0] !== false;
    for (const [, x] of namedModules(m)) i.journal.set(x.attributes, "training", mode);
    return m;
  },
  eval(i, m) {
    for (const [, x] of namedModules(m)) i.journal.set(x.attributes, "training", false);
    return m;
  },
  requires_grad_(i, m, args) {
    for (const [, t] of namedTensors(m, "parameters")) setAttribute(i, t, "requires_grad", args[0] !== false);
    return m;
  },
  load_state_dict(i, m, args, keywords) {
    takeState(i, m, args[0] ?? keywords.get("state_dict") ?? null);
    return tuple(
      [
        { k: "list", items: [] },
        { k: "list", items: [] },
      ],
      ["missing_keys", "unexpected_keys"],
    );
  },
  zero_grad: () => null,
  share_memory: (_, m) => m,
  register_forward_hook: () => null,
  register_forward_pre_hook: () => null,
  register_full_backward_hook: () => null,
  _register_load_state_dict_pre_hook: () => null,
  register_load_state_dict_post_hook: () => null,
  register_state_dict_pre_hook: () => null,
  _register_state_dict_hook: () => null,
  extra_repr: () => "",
  compile: (_, m) => m,
};

const SAME = ["to", "cuda", "cpu", "half", "float", "double", "bfloat16", "type", "to_empty", "xpu", "ipu"];

/** The class nn.Module. */
export function moduleClass(root: ClassValue): ClassValue {
  const attributes = new Map<string, Value>();
  for (const [name, run] of Object.entries(METHODS)) {
    attributes.set(
      name,
      native(`Module.${name}`, (i, a) => run(i, self(a), a.positional.slice(1), a.keywords)),
    );
  }
  attributes.set("register_module", attributes.get("add_module")!);
  for (const name of SAME)
    attributes.set(
      name,
      native(name, (_, a) => self(a)),
    );
  attributes.set(
    "__call__",
    native("Module.__call__", (i, a) => callModule(i, self(a), { ...a, positional: a.positional.slice(1) })),
  );
  attributes.set("dump_patches", false);
  const registry = (m: InstanceValue, keep: (v: Value) => boolean): Value =>
    dict([...m.attributes].filter(([, v]) => keep(v)).map(([k, v]) => [k, v] as const));
  return makeClass({
    name: "Module",
    bases: [root],
    attributes,
    fields: [],
    missing(interpreter, m, name) {
      switch (name) {
        case "training":
          return interpreter.training;
        case "_modules":
          return registry(m, (v) => isModule(v));
        case "_parameters":
          return registry(m, (v) => is(v, "tensor") && v.parameter !== undefined && !v.parameter.buffer);
        case "_buffers":
          return registry(m, (v) => is(v, "tensor") && v.parameter?.buffer === true);
        case "_forward_hooks":
        case "_forward_pre_hooks":
        case "_backward_hooks":
          return dict();
        case "_version":
          return null;
        default:
          return computedWeight(m, name)?.(interpreter);
      }
    },
  });
}

/** Members of a sequence of modules, whatever holds it. */
export function members(interpreter: Interpreter, v: Value): Value[] {
  if (isObject(v) && v.k === "instance") return children(v).map(([, c]) => c);
  return iterate(interpreter, v) ?? [];
}

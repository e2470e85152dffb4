/** @file flax.nnx: modules are plain objects whose variables are attributes, made in the constructor. */
import { findInClass } from "../evaluator/attributes";
import { makeClass } from "../evaluator/classes";
import { raise } from "../evaluator/errors";
import { call, opaqueCall } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import type { Framework } from "../models/framework";
import { intOf, is } from "../values/inspect";
import { list, unknown } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, TensorValue, Value } from "../values/value";
import { arrayAttribute } from "./array";
import { FlaxContext, type FlaxSpec, method, readParams, type VariableStore } from "./context";

/** Whether a value is an nnx module. */
export function isNnx(v: Value | undefined): v is InstanceValue {
  return is(v, "instance") && v.cls.order.some((c) => c.framework?.name === "nnx");
}

/** All modules below one, by the attributes and items that lead to them. */
function modulesBelow(root: InstanceValue): [string, InstanceValue][] {
  const out: [string, InstanceValue][] = [];
  const seen = new Set<InstanceValue>();
  const visit = (v: Value, path: string, depth: number): void => {
    if (isNnx(v)) {
      if (seen.has(v)) return;
      seen.add(v);
      out.push([path, v]);
      for (const [k, a] of v.attributes) visit(a, path === "" ? k : `${path}.${k}`, 0);
    } else if ((is(v, "list") || is(v, "tuple")) && depth < 4) v.items.forEach((x, i) => visit(x, `${path}.${i}`, depth + 1));
    else if (is(v, "dict") && depth < 4)
      for (const e of v.entries.values())
        visit(e.value, `${path}.${typeof e.key === "string" ? e.key : (intOf(e.key) ?? "")}`, depth + 1);
  };
  visit(root, "", 0);
  return out;
}

function callNnx(interpreter: Interpreter, m: InstanceValue, args: Arguments): Value {
  interpreter.uses.push({ module: m, range: interpreter.here() });
  const method = findInClass(m.cls, "__call__");
  if (method === undefined) return opaqueCall(interpreter, m.cls.name, m, args, `${m.cls.name} has no __call__ that can be read`);
  if (m.cls.module) interpreter.onForward?.(m, args);
  interpreter.running.push(m);
  try {
    return call(interpreter, method, { ...args, positional: [m, ...args.positional] }, m.cls.name);
  } finally {
    interpreter.running.pop();
  }
}

/** Prefix of attributes for variables of parts that Flax has modules for: `query.kernel`. */
const PART = "@";

function storeOf(interpreter: Interpreter, m: InstanceValue): VariableStore {
  const key = (name: string): string => (name.includes(".") ? PART + name : name);
  return {
    get(name) {
      const v = m.attributes.get(key(name));
      return is(v, "tensor") ? v : undefined;
    },
    make(name, shape, start, trainable) {
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
      interpreter.journal.set(m.attributes, key(name), t);
      return t;
    },
  };
}

/** The class flax.nnx.Module. `root` is the class `object`. */
export function nnxModule(root: ClassValue): ClassValue {
  return makeClass({
    name: "nnx.Module",
    bases: [root],
    fields: [],
    framework: NNX,
    invoke: callNnx,
    attributes: new Map<string, Value>([
      method("__init__", () => null),
      method("train", () => null),
      method("eval", () => null),
      method("set_attributes", () => null),
      method("sow", () => true),
      method("iter_modules", (_, self) => list(modulesBelow(self).map(([path, m]) => ({ k: "tuple", items: [path, m] })))),
    ]),
  });
}

/** Makes the class of a built-in layer; undefined where nnx does not have it. */
export function nnxLayer(base: ClassValue, spec: FlaxSpec): ClassValue | undefined {
  const params = spec.nnx ?? (spec.name === "Sequential" ? "layers" : undefined);
  if (params === undefined) return undefined;
  const { names, defaults, required } = readParams(params);
  const context = (i: Interpreter, self: InstanceValue, inputs: string, args: Arguments): FlaxContext =>
    new FlaxContext(i, self, inputs.split(" "), args, storeOf(i, self), spec.widthField);
  const attributes = new Map<string, Value>([
    method("__init__", (i, self, args) => {
      for (const [k, v] of defaults) i.journal.set(self.attributes, k, v);
      if (spec.name === "Sequential") {
        i.journal.set(self.attributes, "layers", list([...args.positional]));
        return null;
      }
      if (args.positional.length > names.length) raise("TypeError", `${spec.name}() takes ${names.length} positional arguments`);
      args.positional.forEach((v, k) => i.journal.set(self.attributes, names[k]!, v));
      for (const [k, v] of args.keywords) if (k !== "rngs") i.journal.set(self.attributes, k, v);
      if (spec.build) spec.build(context(i, self, "inputs", { positional: [], keywords: new Map() }));
      return null;
    }),
    method("__call__", (i, self, args) => {
      i.calls++;
      return spec.call(context(i, self, spec.inputs ?? "inputs", args));
    }),
  ]);
  for (const [name, m] of Object.entries(spec.methods ?? {})) {
    const [key, value] = method(name, (i, self, args) => {
      i.calls++;
      return m.run(context(i, self, m.params, args));
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

/** Flax's nnx as a framework. */
export const NNX: Framework = {
  name: "nnx",
  method: "__call__",
  separator: ".",
  arrayAttribute,
  modules: modulesBelow,
  ownTensors(m) {
    const out: [string, TensorValue][] = [];
    for (const [k, v] of m.attributes)
      if (is(v, "tensor") && v.parameter) out.push([k.startsWith(PART) ? k.slice(PART.length) : k, v]);
    return out;
  },
  call: callNnx,
  argument: (_, name) => (name === "rngs" ? unknown("keys for random numbers") : undefined),
};

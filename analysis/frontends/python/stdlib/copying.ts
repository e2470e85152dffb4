/** @file copy.deepcopy: containers, modules and their parameters are copied, shared parts stay shared. */
import { copyOf } from "../emit/initialisation";
import type { Interpreter } from "../evaluator/interpreter";
import { isObject } from "../values/inspect";
import { tuple } from "../values/make";
import type { InstanceValue, ListValue, TensorValue, Value } from "../values/value";

/** A deep copy. Copied parameters start with the same entries as the originals, which their initialisation says. */
export function deepCopy(interpreter: Interpreter, value: Value): Value {
  const known = new Map<object, Value>();
  const copy = (v: Value): Value => {
    if (!isObject(v)) return v;
    const done = known.get(v);
    if (done !== undefined) return done;
    switch (v.k) {
      case "list": {
        const out: ListValue = { k: "list", items: [] };
        known.set(v, out);
        out.items = v.items.map(copy);
        return out;
      }
      case "tuple":
        return tuple(v.items.map(copy), v.names);
      case "dict": {
        const out = { ...v, entries: new Map<string, { key: Value; value: Value }>() };
        known.set(v, out);
        for (const [k, e] of v.entries) out.entries.set(k, { key: e.key, value: copy(e.value) });
        return out;
      }
      case "instance": {
        const out: InstanceValue = { ...v, id: interpreter.id(), attributes: new Map() };
        known.set(v, out);
        for (const [k, a] of v.attributes) out.attributes.set(k, copy(a));
        interpreter.made.push(out);
        return out;
      }
      case "tensor": {
        const out = copyTensor(interpreter, v);
        known.set(v, out);
        return out;
      }
      case "bound":
        return { ...v, self: copy(v.self) };
      default:
        return v;
    }
  };
  return copy(value);
}

function copyTensor(interpreter: Interpreter, t: TensorValue): TensorValue {
  if (!t.parameter) return { ...t, view: undefined };
  const { parameter } = t;
  return interpreter.builder.parameter(
    t.shape,
    t.type,
    {
      buffer: parameter.buffer,
      ...(parameter.statistic ? { statistic: true } : {}),
      trainable: parameter.trainable,
      initialisation: copyOf(parameter, interpreter.origin()),
      ...(parameter.entries ? { entries: parameter.entries } : {}),
      origin: parameter.origin,
    },
    t.constant,
  );
}

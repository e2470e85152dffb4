/** @file Reading and writing attributes: descriptors, classes, modules, tensors, containers. */
import { containerMethod } from "./containers";
import { recordConstructor } from "./classes";
import { raise } from "./errors";
import { call } from "./functions";
import type { Interpreter } from "./interpreter";
import { readTensorAttribute, writeTensorAttribute } from "../torch/tensor-attributes";
import { dictKey, is, isObject, typeName } from "../values/inspect";
import { dict, int, native, positional, tuple, unknown } from "../values/make";
import type { ClassValue, InstanceValue, SuperValue, Value } from "../values/value";

/** An attribute of a class or its bases, in method resolution order. */
export function findInClass(cls: ClassValue, name: string): Value | undefined {
  for (const c of cls.order) {
    const v = c.attributes.get(name);
    if (v !== undefined) return v;
  }
  return undefined;
}

/** Whether a class derives from one with the given name. */
export function derivesFrom(cls: ClassValue, name: string): boolean {
  return cls.order.some((c) => c.name === name);
}

function bind(interpreter: Interpreter, found: Value, self: Value, cls: ClassValue): Value {
  if (!isObject(found)) return found;
  switch (found.k) {
    case "function":
    case "native":
      return { k: "bound", callee: found, self };
    case "property":
      return call(interpreter, found.getter, positional(self));
    case "wrapper":
      return found.form === "class" ? { k: "bound", callee: found.callee, self: cls } : found.callee;
    case "partial":
      // functools.partialmethod
      return found;
    default:
      return found;
  }
}

function openBase(cls: ClassValue): string | undefined {
  return cls.order.find((c) => c.openBase)?.openBase;
}

/** A property or field of an instance; undefined where there is none. */
export function instanceAttribute(interpreter: Interpreter, self: InstanceValue, name: string): Value | undefined {
  const found = findInClass(self.cls, name);
  if (is(found, "property")) {
    // A cached property or a plain one that an assignment has shadowed.
    const shadow = self.attributes.get(name);
    return shadow !== undefined && !found.setter ? shadow : call(interpreter, found.getter, positional(self));
  }
  const own = self.attributes.get(name);
  if (own !== undefined) return own;
  if (found !== undefined) return bind(interpreter, found, self, self.cls);
  if (name === "__class__") return self.cls;
  if (name === "__module__") return self.cls.module?.name ?? "builtins";
  if (name === "__doc__") return null;
  if (name === "__dict__") return dict([...self.attributes]);
  for (const c of self.cls.order) {
    const special = c.missing?.(interpreter, self, name);
    if (special !== undefined) return special;
  }
  // Mostly a class derives from dict so that its items are attributes, by one of many tricks.
  const item = is(self.contents, "dict") ? self.contents.entries.get(dictKey(name)) : undefined;
  if (item !== undefined) return item.value;
  const fallback = findInClass(self.cls, "__getattr__");
  if (is(fallback, "function") || is(fallback, "native"))
    return call(interpreter, { k: "bound", callee: fallback, self }, positional(name));
  return undefined;
}

function superAttribute(interpreter: Interpreter, s: SuperValue, name: string): Value | undefined {
  const cls = s.self.k === "instance" ? s.self.cls : s.self;
  const at = cls.order.indexOf(s.after);
  for (const c of cls.order.slice(at + 1)) {
    let v = c.attributes.get(name);
    if (v === undefined && name === "__init__" && c.record && c.fields.length > 0) v = recordConstructor();
    if (v === undefined) continue;
    if (name === "__new__") return v;
    if (c.name === "object" && is(v, "wrapper")) return { k: "bound", callee: v.callee, self: s.self };
    return bind(interpreter, v, s.self, cls);
  }
  const open = openBase(cls);
  if (open !== undefined && s.self.k === "instance") {
    const from = `${open} is not known`;
    if (name === "__init__") return native("__init__", () => null);
    return unknown(from);
  }
  if (name === "__init__" || name === "__init_subclass__" || name === "__post_init__" || name === "__setattr__") {
    if (name === "__setattr__") {
      return native(name, (i, args) => {
        const [key, value] = args.positional;
        if (typeof key === "string" && value !== undefined) setAttribute(i, s.self, key, value, true);
        return null;
      });
    }
    return native(name, () => null);
  }
  for (const c of cls.order.slice(at + 1)) {
    const special = s.self.k === "instance" ? c.missing?.(interpreter, s.self, name) : undefined;
    if (special !== undefined) return special;
  }
  return undefined;
}

/** An attribute, or undefined where Python would raise AttributeError. */
export function tryAttribute(interpreter: Interpreter, object: Value, name: string): Value | undefined {
  if (!isObject(object)) return containerMethod(interpreter, object, name);
  switch (object.k) {
    case "instance": {
      const hook = findInClass(object.cls, "__getattribute__");
      if (is(hook, "function")) {
        return call(interpreter, { k: "bound", callee: hook, self: object }, positional(name));
      }
      const found = instanceAttribute(interpreter, object, name);
      if (found !== undefined) return found;
      const open = openBase(object.cls);
      return open !== undefined ? unknown(`${open} is not known`) : undefined;
    }
    case "class": {
      const found = findInClass(object, name);
      if (found !== undefined) {
        if (is(found, "wrapper"))
          return found.form === "class" ? { k: "bound", callee: found.callee, self: object } : found.callee;
        return found;
      }
      if (name === "__name__" || name === "__qualname__") return object.name;
      if (name === "__module__") return object.module?.name ?? "builtins";
      if (name === "__bases__") return tuple(object.bases);
      if (name === "__mro__") return tuple(object.order);
      if (name === "__doc__") return null;
      if (name === "__dict__") return dict([...object.attributes]);
      if (name === "__members__") return dict([...object.attributes].filter(([, v]) => is(v, "instance") && v.cls === object));
      const open = openBase(object);
      return open !== undefined ? unknown(`${open} is not known`) : undefined;
    }
    case "namespace":
      return object.get(name);
    case "tensor":
      return readTensorAttribute(interpreter, object, name);
    case "super":
      return superAttribute(interpreter, object, name);
    case "unknown":
      if (name === "backward") interpreter.onFact?.("backward", positional(object), null);
      return { ...object, reason: object.reason };
    case "int":
    case "float":
      if (name === "real") return object;
      if (name === "imag") return int(0);
      if (name === "is_integer") return native(name, () => Number.isInteger(object.v));
      return containerMethod(interpreter, object, name);
    case "function": {
      const own = object.attributes?.get(name);
      if (own !== undefined) return own;
      if (name === "__name__" || name === "__qualname__") return object.name;
      if (name === "__module__") return object.module.name;
      if (name === "__doc__") return null;
      if (name === "__wrapped__") return undefined;
      if (name === "__defaults__") return tuple([...object.defaults.values()]);
      if (name === "__code__" || name === "__annotations__") return unknown(`function.${name}`);
      if (name === "apply" || name === "register") return unknown(`function.${name}`);
      return undefined;
    }
    case "native":
      if (name === "__name__" || name === "__qualname__") return object.name.split(".").at(-1)!;
      if (name === "__module__") return "builtins";
      return undefined;
    case "bound":
      if (name === "__self__") return object.self;
      if (name === "__func__") return object.callee;
      return tryAttribute(interpreter, object.callee, name);
    case "partial":
      if (name === "func") return object.callee;
      if (name === "keywords") return dict([...object.args.keywords]);
      if (name === "args") return tuple(object.args.positional);
      return undefined;
    case "slice":
      if (name === "start") return object.lower;
      if (name === "stop") return object.upper;
      if (name === "step") return object.step;
      return undefined;
    case "range":
      if (name === "start" || name === "stop" || name === "step") return int(object[name]);
      return containerMethod(interpreter, object, name);
    case "dtype":
      if (name === "is_floating_point") return object.type.startsWith("float") || object.type === "bfloat16";
      if (name === "itemsize") return int(4);
      if (name === "is_complex") return object.type.startsWith("complex");
      return undefined;
    case "property":
      if (name === "setter") {
        return native("setter", (_, args) => ({ k: "property", getter: object.getter, setter: args.positional[0] ?? null }));
      }
      if (name === "getter" || name === "deleter") return native(name, () => object);
      if (name === "fget") return object.getter;
      return undefined;
    case "wrapper":
      return name === "__func__" ? object.callee : tryAttribute(interpreter, object.callee, name);
    default:
      return containerMethod(interpreter, object, name);
  }
}

/** An attribute. Throws PythonError (AttributeError) where there is none. */
export function getAttribute(interpreter: Interpreter, object: Value, name: string): Value {
  const found = tryAttribute(interpreter, object, name);
  if (found !== undefined) return found;
  if (name === "__class__") return interpreter.environment.classOf(object) ?? unknown("__class__");
  if (is(object, "namespace")) return unknown(`${object.name}.${name} is not known`);
  return raise("AttributeError", `'${typeName(object)}' object has no attribute '${name}'`);
}

/** Assigns an attribute. `plain` skips properties and `__setattr__`. */
export function setAttribute(interpreter: Interpreter, object: Value, name: string, value: Value, plain = false): void {
  if (!isObject(object)) return;
  switch (object.k) {
    case "instance": {
      if (!plain) {
        const found = findInClass(object.cls, name);
        if (is(found, "property") && found.setter !== undefined) {
          call(interpreter, found.setter, positional(object, value));
          return;
        }
        const hook = findInClass(object.cls, "__setattr__");
        if (is(hook, "function") || is(hook, "native")) {
          call(interpreter, { k: "bound", callee: hook, self: object }, positional(name, value));
          return;
        }
      }
      if (is(value, "tensor") && value.parameter) interpreter.noteTie(object, name, value);
      const before = object.attributes.get(name);
      if (is(before, "tensor") && before !== value) interpreter.builder.measured(before);
      interpreter.journal.set(object.attributes, name, value);
      return;
    }
    case "class":
      interpreter.journal.set(object.attributes, name, value);
      return;
    case "tensor":
      writeTensorAttribute(interpreter, object, name, value);
      return;
    case "function":
      object.attributes ??= new Map();
      interpreter.journal.set(object.attributes, name, value);
      return;
    default:
      // Attributes of modules, of unknown values and of built-in objects are not tracked.
      return;
  }
}

/** `del object.name`. */
export function deleteAttribute(interpreter: Interpreter, object: Value, name: string): void {
  if (is(object, "instance") || is(object, "class")) interpreter.journal.delete(object.attributes, name);
}

/** @file Classes: their definition, method resolution order, construction, dataclasses, enumerations and named tuples. */
import type { Expr, StmtOf } from "../parser/syntax";
import { is, isObject } from "../values/inspect";
import { native, positional, unknown } from "../values/make";
import type { Arguments, ClassValue, InstanceValue, Value } from "../values/value";
import { findInClass, getAttribute } from "./attributes";
import { newContents } from "./derived";
import { PythonError, raise } from "./errors";
import { evaluateArguments } from "./expressions";
import { call } from "./functions";
import type { Frame, Interpreter } from "./interpreter";
import { runStatement } from "./statements";

/** C3 linearisation; falls back to depth first where the bases contradict each other. */
function linearise(self: ClassValue, bases: readonly ClassValue[]): ClassValue[] {
  const sequences = [...bases.map((b) => [...b.order]), [...bases]];
  const out = [self];
  for (;;) {
    const rest = sequences.filter((s) => s.length > 0);
    if (rest.length === 0) return out;
    const head = rest.map((s) => s[0]!).find((c) => rest.every((s) => s.indexOf(c) <= 0)) ?? rest[0]![0]!;
    out.push(head);
    for (const s of sequences) {
      const i = s.indexOf(head);
      if (i >= 0) s.splice(i, 1);
    }
  }
}

/** Makes a class from its parts. */
export function makeClass(
  parts: Omit<ClassValue, "k" | "order" | "attributes"> & { attributes?: Map<string, Value> },
): ClassValue {
  const order: ClassValue[] = [];
  const cls: ClassValue = { k: "class", ...parts, attributes: parts.attributes ?? new Map(), order };
  order.push(...linearise(cls, parts.bases));
  const inherited = cls.order.find((c) => c.record);
  if (inherited && cls.record === undefined) cls.record = cls.order.some((c) => c.name === "NamedTuple");
  return cls;
}

function decoratorName(x: Expr): string {
  if (x.kind === "Name") return x.id;
  if (x.kind === "Attribute") return x.name;
  return x.kind === "Call" ? decoratorName(x.callee) : "";
}

/** Runs a class body. Statements that fail leave their names undefined; the rest of the class stands. */
export function defineClass(interpreter: Interpreter, s: StmtOf<"ClassDef">, frame: Frame): ClassValue {
  frame.at = s.nameSpan;
  const bases: ClassValue[] = [];
  let open: string | undefined;
  const args = evaluateArgumentsLeniently(interpreter, s, frame);
  args.positional.forEach((b, i) => {
    const base = baseOf(interpreter, b);
    if (base) bases.push(base);
    else open ??= frame.chunk.source(s.bases[i]?.value ?? s.nameSpan).slice(0, 60);
  });
  const attributes = new Map<string, Value>();
  const fields: { name: string; annotation: Expr | undefined; value: Value | undefined }[] = [];
  const definesForward = s.body.some((b) => b.kind === "FunctionDef" && b.name === "forward");
  const isModule = (c: ClassValue): boolean => c.order.some((o) => o.name === "Module");
  if (open !== undefined && definesForward && !bases.some(isModule)) {
    // A base that cannot be read, and a forward method: it is a module for all that matters here.
    const module = interpreter.environment.importModule("torch.nn", undefined);
    const base = is(module, "namespace") ? module.get("Module") : undefined;
    if (is(base, "class")) bases.push(base);
  }
  const root = interpreter.environment.builtin("object");
  if (bases.length === 0 && is(root, "class")) bases.push(root);
  const cls = makeClass({
    name: s.name,
    bases,
    attributes,
    fields,
    module: frame.module,
    chunk: frame.chunk,
    span: s,
    nameSpan: s.nameSpan,
    ...(open !== undefined ? { openBase: open } : {}),
  });
  const inner: Frame = {
    form: "class",
    scope: { variables: attributes, outer: frame.form === "function" ? frame.scope : frame.scope.outer },
    module: frame.module,
    chunk: frame.chunk,
    at: s,
    pending: [],
  };
  interpreter.inFrame(inner, () => {
    for (const b of s.body) {
      try {
        runStatement(interpreter, b, inner);
      } catch (error) {
        if (!(error instanceof PythonError)) throw error;
      }
      if (b.kind === "Annotated" && b.target.kind === "Name") {
        fields.push({ name: b.target.id, annotation: b.annotation, value: attributes.get(b.target.id) });
      }
    }
  });
  claim(cls, attributes);
  if (s.decorators.some((d) => /^(?:dataclass|define|attrs|s|frozen)$/.test(decoratorName(d)))) cls.record = true;
  if (cls.order.some((c) => c.name === "NamedTuple" || c.name === "BaseModel" || (c.name === "ModelOutput" && fields.length > 0)))
    cls.record = true;
  if (cls.order.some((c) => c.name === "Enum")) makeMembers(interpreter, cls, fields);
  const hook = cls.order
    .slice(1)
    .map((c) => c.attributes.get("__init_subclass__"))
    .find((v) => v !== undefined);
  if (is(hook, "function") || is(hook, "wrapper")) {
    try {
      call(interpreter, is(hook, "wrapper") ? hook.callee : hook, { positional: [cls], keywords: args.keywords });
    } catch (error) {
      if (!(error instanceof PythonError)) throw error;
    }
  }
  return cls;
}

function evaluateArgumentsLeniently(interpreter: Interpreter, s: StmtOf<"ClassDef">, frame: Frame): Arguments {
  const out: Value[] = [];
  const keywords = new Map<string, Value>();
  for (const b of s.bases) {
    try {
      const one = evaluateArguments(interpreter, [b], frame);
      out.push(...one.positional);
      for (const [k, v] of one.keywords) keywords.set(k, v);
    } catch (error) {
      if (!(error instanceof PythonError)) throw error;
      if (b.form === "positional") out.push(unknown(error.message));
    }
  }
  return { positional: out, keywords };
}

/** The class that a base expression stands for; null is for bases that add nothing (typing helpers). */
function baseOf(interpreter: Interpreter, b: Value): ClassValue | undefined {
  if (is(b, "class")) return b;
  if (is(b, "native")) {
    const object = interpreter.environment.builtin("object");
    return is(object, "class") ? object : undefined;
  }
  return undefined;
}

/** Marks functions as written in a class, so that `super()` finds its place. */
function claim(cls: ClassValue, attributes: Map<string, Value>): void {
  const own = (v: Value | undefined): void => {
    if (!isObject(v)) return;
    if (v.k === "function") v.owner ??= cls;
    else if (v.k === "property") {
      own(v.getter);
      own(v.setter);
    } else if (v.k === "wrapper" || v.k === "partial") own(v.callee);
  };
  for (const v of attributes.values()) own(v);
}

function makeMembers(interpreter: Interpreter, cls: ClassValue, fields: ClassValue["fields"]): void {
  const annotatedOnly = new Set(fields.filter((f) => f.value === undefined).map((f) => f.name));
  for (const [name, value] of [...cls.attributes]) {
    if (name.startsWith("_") || annotatedOnly.has(name)) continue;
    if (isObject(value) && ["function", "property", "wrapper", "native"].includes(value.k)) continue;
    const member: InstanceValue = { k: "instance", id: interpreter.id(), cls, attributes: new Map<string, Value>() };
    member.attributes.set("name", name);
    member.attributes.set("_name_", name);
    member.attributes.set("value", value);
    member.attributes.set("_value_", value);
    cls.attributes.set(name, member);
  }
}

/** Calls a class. */
export function construct(interpreter: Interpreter, cls: ClassValue, args: Arguments): Value {
  interpreter.step();
  for (const c of cls.order) if (c.construct) return c.construct(interpreter, cls, args);
  return instantiate(interpreter, cls, args);
}

/** Makes an instance and runs its constructor, whatever the class does instead when it is called. */
export function instantiate(interpreter: Interpreter, cls: ClassValue, args: Arguments): Value {
  if (cls.order.some((c) => c.name === "Enum")) {
    const wanted = args.positional[0];
    for (const member of cls.attributes.values()) {
      if (!is(member, "instance") || member.cls !== cls) continue;
      const v = member.attributes.get("value");
      if (v === wanted || member === wanted || (v !== undefined && wanted !== undefined && sameNumber(v, wanted))) return member;
    }
    return unknown(`member of ${cls.name}`);
  }
  const maker = findInClass(cls, "__new__");
  if (is(maker, "function")) {
    const result = call(interpreter, maker, { ...args, positional: [cls, ...args.positional] });
    if (!is(result, "instance") || result.cls !== cls) return result;
    initialise(interpreter, result, args);
    return result;
  }
  const self = newInstance(interpreter, cls, args);
  if (cls.chunk) interpreter.onConstruct?.(cls, args, self);
  initialise(interpreter, self, args);
  interpreter.made.push(self);
  return self;
}

/** An instance as `object.__new__` makes it, before any constructor has run; `args` are those of the class. */
export function newInstance(interpreter: Interpreter, cls: ClassValue, args: Arguments): InstanceValue {
  const made = interpreter.construction(cls);
  const contents = newContents(interpreter, cls, args);
  return {
    k: "instance",
    id: interpreter.id(),
    cls,
    attributes: new Map(),
    ...(made ? { made } : {}),
    ...(contents === undefined ? {} : { contents }),
  };
}

function sameNumber(a: Value, b: Value): boolean {
  return isObject(a) && isObject(b) && a.k === "int" && b.k === "int" && a.v === b.v;
}

/** The constructor that `@dataclass` writes, as a method. */
export function recordConstructor(): Value {
  return native("__init__", (interpreter, args) => {
    const [self, ...rest] = args.positional;
    if (is(self, "instance")) initialiseRecord(interpreter, self, { ...args, positional: rest });
    return null;
  });
}

function initialise(interpreter: Interpreter, self: InstanceValue, args: Arguments): void {
  const { cls } = self;
  const init = findInClass(cls, "__init__");
  const record = cls.order.find((c) => c.record);
  const definedAt = cls.order.findIndex((c) => c.attributes.has("__init__"));
  const recordAt = record ? cls.order.indexOf(record) : -1;
  if (recordAt >= 0 && (definedAt < 0 || recordAt <= definedAt || cls.order[definedAt]!.name === "object")) {
    initialiseRecord(interpreter, self, args);
    return;
  }
  if (init === undefined) {
    if (cls.order.some((c) => c.openBase)) {
      for (const [k, v] of args.keywords) self.attributes.set(k, v);
      return;
    }
    return;
  }
  call(interpreter, init, { ...args, positional: [self, ...args.positional] });
}

/** The annotated fields of a dataclass, bases first; ClassVar left out. */
export function recordFields(cls: ClassValue): { name: string; value: Value | undefined; owner: ClassValue }[] {
  const out = new Map<string, { name: string; value: Value | undefined; owner: ClassValue }>();
  for (const c of [...cls.order].reverse()) {
    for (const f of c.fields) {
      const a = f.annotation;
      const name = a?.kind === "Subscript" && a.object.kind === "Name" ? a.object.id : a?.kind === "Name" ? a.id : "";
      if (name === "ClassVar") continue;
      out.set(f.name, { name: f.name, value: f.value, owner: c });
    }
  }
  return [...out.values()];
}

/** What `field(default=..., default_factory=...)` leaves behind. */
export interface FieldDefault {
  readonly value?: Value;
  readonly factory?: Value;
  readonly init: boolean;
}

function initialiseRecord(interpreter: Interpreter, self: InstanceValue, args: Arguments): void {
  const fields = recordFields(self.cls);
  let next = 0;
  const initOnly: Value[] = [];
  for (const f of fields) {
    let value: Value | undefined;
    const marker = is(f.value, "instance") && f.value.cls.name === "Field" ? (f.value.native as FieldDefault) : undefined;
    if (marker?.init !== false) {
      if (next < args.positional.length) value = args.positional[next++];
      else value = args.keywords.get(f.name);
    }
    if (value === undefined && marker) {
      if (marker.factory !== undefined) value = call(interpreter, marker.factory, positional());
      else value = marker.value;
    } else if (value === undefined) value = f.value;
    if (value === undefined) {
      if (marker?.init === false) continue;
      if (args.open || self.cls.order.some((c) => c.openBase)) value = unknown(`field ${f.name}`);
      else raise("TypeError", `${self.cls.name}() missing required argument '${f.name}'`);
    }
    interpreter.journal.set(self.attributes, f.name, value);
  }
  for (const [k, v] of args.keywords) {
    if (fields.some((f) => f.name === k)) continue;
    if (self.cls.order.some((c) => c.openBase || c.name === "BaseModel" || c.name === "ModelOutput"))
      interpreter.journal.set(self.attributes, k, v);
    else raise("TypeError", `${self.cls.name}() got an unexpected keyword argument '${k}'`);
  }
  const post = findInClass(self.cls, "__post_init__");
  if (post !== undefined) call(interpreter, getAttribute(interpreter, self, "__post_init__"), positional(...initOnly));
}

/** The values of a record's fields in order, as a tuple; undefined for other instances. */
export function recordItems(self: InstanceValue): readonly Value[] | undefined {
  if (!self.cls.order.some((c) => c.record)) return undefined;
  return recordFields(self.cls)
    .map((f) => self.attributes.get(f.name))
    .filter((v) => v !== undefined && v !== null) as Value[];
}

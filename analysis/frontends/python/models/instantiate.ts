/** @file Ways to make an instance of a class: from its defaults, a call seen in the code, a factory, a typed configuration, or witnesses. */
import { findInClass } from "../evaluator/attributes";
import { construct } from "../evaluator/classes";
import { PythonError, raise } from "../evaluator/errors";
import { evaluate, evaluateArguments } from "../evaluator/expressions";
import { call } from "../evaluator/functions";
import type { Frame, Interpreter } from "../evaluator/interpreter";
import { SourceScope } from "../modules/scope";
import type { TopLevel } from "../modules/bindings";
import type { Expr, Param } from "../parser/syntax";
import { requiredLayerParameters } from "../torch/layers/layer";
import { recordSymbol, namespaceMissing, witnessIn } from "../stdlib/witnesses";
import { makeClass } from "../evaluator/classes";
import {
  type Arguments,
  type ClassValue,
  type FunctionValue,
  int,
  type InstanceValue,
  is,
  isObject,
  list,
  NO_ARGUMENTS,
  positional,
  type Value,
} from "../values/value";
import type { Pragma } from "./pragma";

/** One way to make an instance. */
export interface Recipe {
  /** In words, for people: "from its defaults", "as in `resnet18()`". */
  readonly how: string;
  readonly make: (interpreter: Interpreter) => InstanceValue;
  /** What a surrounding model calls it with. */
  readonly called?: Arguments;
}

/** The constructor of a class written in Python, if it has one of its own. */
export function constructorOf(cls: ClassValue): FunctionValue | undefined {
  const init = findInClass(cls, "__init__");
  return is(init, "function") ? init : undefined;
}

/** Constructor parameters without `self`; those that `**kwargs` hands on to a base class are among them. */
export function constructorParams(cls: ClassValue): readonly Param[] {
  const out: Param[] = [];
  for (const c of cls.order) {
    const init = c.attributes.get("__init__");
    if (!is(init, "function")) {
      if (init === undefined) continue;
      for (const name of requiredLayerParameters(c.name))
        if (!out.some((o) => o.name === name)) out.push({ s: 0, e: 0, name, form: "positional" });
      break;
    }
    const own = init.params.slice(1);
    for (const p of own) if (!out.some((o) => o.name === p.name)) out.push(p);
    if (!own.some((p) => p.form === "doubleStar")) break;
  }
  return out;
}

/** Parameters that a caller has to give. */
export function required(params: readonly Param[]): Param[] {
  return params.filter((p) => !p.defaultValue && (p.form === "positional" || p.form === "keywordOnly"));
}

function instanceOf(v: Value, cls: ClassValue): InstanceValue {
  return is(v, "instance") ? v : raise("TypeError", `${cls.name}() does not make an instance`);
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
        cls,
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

/** The class behind an annotation such as `config: GPTConfig` or `Optional[Config]`. */
function annotatedClass(interpreter: Interpreter, p: Param, owner: FunctionValue): ClassValue | undefined {
  const find = (x: Expr | undefined): ClassValue | undefined => {
    if (!x) return undefined;
    try {
      if (x.kind === "Name") {
        const v = owner.module.lookup(x.id);
        return is(v, "class") && v.module ? v : undefined;
      }
      if (x.kind === "Attribute") {
        const v = evaluate(interpreter, x, {
          form: "module",
          scope: { variables: new Map(), outer: undefined },
          module: owner.module,
          chunk: owner.chunk,
          at: x,
          pending: [],
        });
        return is(v, "class") && v.module ? v : undefined;
      }
    } catch (error) {
      if (!(error instanceof PythonError)) throw error;
      return undefined;
    }
    if (x.kind === "String" && /^[A-Za-z_]\w*$/.test(x.value)) return find({ kind: "Name", id: x.value, s: x.s, e: x.e });
    if (x.kind === "Subscript") return x.index.kind === "Tuple" ? x.index.items.map(find).find((c) => c) : find(x.index);
    if (x.kind === "Binary" || x.kind === "Broken") {
      const parts = x.kind === "Binary" ? [x.left, x.right] : x.parts;
      return parts.map(find).find((c) => c);
    }
    return undefined;
  };
  return find(p.annotation);
}

/** The class of an unannotated configuration: what the class says beside it, or what another constructor of the file says. */
function relatedClass(interpreter: Interpreter, p: Param, owner: FunctionValue): ClassValue | undefined {
  if (p.annotation || !CONFIGURATION.test(p.name)) return undefined;
  for (const c of owner.owner?.order ?? []) {
    const declared = c.attributes.get("config_class");
    if (is(declared, "class") && declared.module) return declared;
    const field = c.fields.find((f) => f.name === p.name || f.name === "config");
    const found = field?.annotation && annotatedClass(interpreter, { ...p, annotation: field.annotation }, owner);
    if (found) return found;
  }
  const scope = owner.module;
  if (!(scope instanceof SourceScope)) return undefined;
  for (const { statement } of scope.bindings.statements) {
    if (statement.kind !== "ClassDef") continue;
    for (const s of statement.body) {
      if (s.kind !== "FunctionDef" || s.name !== "__init__") continue;
      const same = s.params.find((q) => q.name === p.name && q.annotation);
      const found = same && annotatedClass(interpreter, same, owner);
      if (found) return found;
    }
  }
  return undefined;
}

function annotationName(x: Expr | undefined): string {
  if (!x) return "";
  if (x.kind === "Name") return x.id;
  if (x.kind === "Attribute") return x.name;
  if (x.kind === "Subscript") {
    const outer = annotationName(x.object);
    if (outer === "Callable" || outer === "Type" || outer === "type") return outer;
    if (/^(?:List|Sequence|Iterable|Tuple|list|tuple)$/.test(outer)) return "List";
    return annotationName(x.index.kind === "Tuple" ? x.index.items[0] : x.index);
  }
  return x.kind === "String" ? x.value : "";
}

const CONFIGURATION =
  /^(?:config|cfg|args|opt|opts|options|conf|hparams|hps|params|model_args|model_config|configs|hp|settings|c)$/;

/** A value for a constructor parameter that nothing is known about but its name and annotation. */
export function inventArgument(interpreter: Interpreter, p: Param, owner: FunctionValue, depth = 0): Value | undefined {
  const cls = annotatedClass(interpreter, p, owner) ?? relatedClass(interpreter, p, owner);
  if (cls && depth < 3) return inventInstance(interpreter, cls, depth + 1);
  const annotation = annotationName(p.annotation);
  if (CONFIGURATION.test(p.name) || /Config$|Args$|Namespace$/.test(annotation)) return untypedConfiguration(interpreter);
  const nn = interpreter.environment.importModule("torch.nn", undefined);
  const classes = is(nn, "namespace") ? nn : undefined;
  if (annotation === "Module") {
    const make = (name: string): Value | undefined => {
      const c = is(nn, "namespace") ? nn.get(name) : undefined;
      return is(c, "class") ? construct(interpreter, c, NO_ARGUMENTS) : undefined;
    };
    if (/act/.test(p.name)) return make("ReLU");
    return make("Identity");
  }
  if (annotation === "Callable" || annotation === "Type" || annotation === "type") {
    return classes?.get(/norm/.test(p.name) ? "LayerNorm" : /act/.test(p.name) ? "ReLU" : "Identity");
  }
  const witness = witnessIn(interpreter, p.name);
  if (annotation === "List") {
    if (is(witness, "list") || is(witness, "tuple")) return witness;
    const size = /scale|stride|kernel|ratio|factor|mult/.test(p.name) ? int(2) : is(witness, "int") ? witness : int(16);
    return list([size, size]);
  }
  if (annotation === "bool") return typeof witness === "boolean" ? witness : false;
  if (annotation === "float") return is(witness, "float") ? witness : { k: "float", v: 1 };
  if (annotation === "str") return typeof witness === "string" ? witness : "";
  if (annotation === "int" && !is(witness, "int")) return int(interpreter.overrides.get(p.name) ?? 24);
  if (witness !== undefined) {
    recordSymbol(interpreter, p.name, witness);
    return witness;
  }
  if (/^norm(?:_layer)?$|norm_layer$/.test(p.name)) return classes?.get("LayerNorm");
  if (/^act(?:_layer)?$|act_layer$|activation_layer$/.test(p.name)) return classes?.get("ReLU");
  if (
    /^(?:fn|func|layer|module|block|net|sublayer|encoder|decoder|backbone|model|embedding|head|submodule|inner|base|wrapped)$/.test(
      p.name,
    )
  ) {
    const identityClass = classes?.get("Identity");
    return is(identityClass, "class") ? construct(interpreter, identityClass, NO_ARGUMENTS) : undefined;
  }
  return int(24);
}

/** An object whose attributes are witnesses by name. */
export function untypedConfiguration(interpreter: Interpreter): Value {
  const object = interpreter.environment.builtin("object");
  const cls = makeClass({
    name: "configuration",
    bases: is(object, "class") ? [object] : [],
    fields: [],
    missing: namespaceMissing,
  });
  return { k: "instance", id: interpreter.id(), cls, attributes: new Map() };
}

/** An instance of a class with invented values where it has no defaults. */
export function inventInstance(interpreter: Interpreter, cls: ClassValue, depth = 0): Value | undefined {
  const init = constructorOf(cls);
  const keywords = new Map<string, Value>();
  const layer = cls.order.find((c) => !c.module && requiredLayerParameters(c.name).length > 0);
  if (!init && layer && !cls.record) {
    for (const name of requiredLayerParameters(layer.name)) keywords.set(name, witnessIn(interpreter, name) ?? int(24));
  } else if (init && !(cls.record && !cls.attributes.has("__init__"))) {
    for (const p of required(constructorParams(cls))) {
      const v = inventArgument(interpreter, p, init, depth);
      if (v === undefined) return undefined;
      keywords.set(p.name, v);
    }
  } else {
    for (const c of [...cls.order].reverse()) {
      if (!c.record) continue;
      for (const f of c.fields) {
        if (f.value !== undefined) continue;
        const v = witnessIn(interpreter, f.name);
        if (v === undefined) continue;
        recordSymbol(interpreter, f.name, v);
        keywords.set(f.name, v);
      }
    }
  }
  return construct(interpreter, cls, { positional: [], keywords });
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
        return v === undefined ? raise("TypeError", `no values for ${names}`) : instanceOf(v, cls);
      }),
  };
}

/** As a pragma says. */
export function fromPragma(pragma: Pragma, scope: SourceScope, cls: ClassValue): Recipe {
  return {
    how: "as its pragma says",
    make(i) {
      const x = pragma.call;
      const frame = moduleFrame(scope, pragma.chunk, x ?? { s: 0, e: 0 });
      if (x?.kind !== "Call") return instanceOf(construct(i, cls, NO_ARGUMENTS), cls);
      return i.inFrame(frame, () => {
        const callee = evaluate(i, x.callee, frame);
        return instanceOf(call(i, callee, evaluateArguments(i, x.args, frame)), cls);
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

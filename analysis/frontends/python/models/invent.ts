/** @file Values for what nobody gave a constructor: by annotation, by name, and by what the constructor does with them. */
import { frameworkOf } from "./framework";
import type { Expr, Param } from "../parser/syntax";
import { findInClass } from "../evaluator/attributes";
import { construct, makeClass, recordFields } from "../evaluator/classes";
import { PythonError } from "../evaluator/errors";
import { evaluate } from "../evaluator/expressions";
import type { Interpreter } from "../evaluator/interpreter";
import type { Chunk } from "../parser/document";
import { SourceScope } from "../modules/scope";
import { namespaceMissing, recordSymbol, witnessIn } from "../stdlib/witnesses";
import { requiredLayerParameters } from "../torch/layers/layer";
import { intOf, is } from "../values/inspect";
import { int, list, NO_ARGUMENTS } from "../values/make";
import type { ClassValue, FunctionValue, GlobalScope, Value } from "../values/value";
import { type ParameterUse, useOf } from "./parameter-use";

/** The constructor of a class written in Python, if it has one of its own. */
export function constructorOf(cls: ClassValue): FunctionValue | undefined {
  const init = findInClass(cls, "__init__");
  return is(init, "function") ? init : undefined;
}

/** Constructor parameters of a built-in layer that have no defaults. */
function requiredOf(cls: ClassValue): readonly string[] {
  if (cls.signature) return cls.signature.params.slice(0, cls.signature.required);
  return cls.framework ? [] : requiredLayerParameters(cls.name);
}

/** A field of a dataclass as a parameter of its constructor. */
function fieldParam(name: string, annotation: Expr | undefined): Param {
  return { s: 0, e: 0, name, form: "positional", ...(annotation ? { annotation } : {}) };
}

/** The constructor that a dataclass has without writing it, as far as inventing its arguments looks at it. */
function fieldOwner(cls: ClassValue, chunk: Chunk, module: GlobalScope): FunctionValue {
  const span = cls.nameSpan ?? { s: 0, e: 0 };
  return {
    k: "function",
    name: "__init__",
    params: [],
    body: [],
    isLambda: false,
    isGenerator: false,
    scope: undefined,
    module,
    chunk,
    span,
    defaults: new Map(),
    owner: cls,
  };
}

/** Constructor parameters without `self`; those that `**kwargs` hands on to a base class are among them. */
export function constructorParams(cls: ClassValue): readonly Param[] {
  if (!constructorOf(cls) && cls.order.some((c) => c.framework && c.record)) {
    // Dataclasses: their fields.
    return recordFields(cls).map((f) => ({
      ...fieldParam(f.name, f.owner.fields.find((g) => g.name === f.name)?.annotation),
      ...(f.value !== undefined ? { defaultValue: { kind: "Name", id: f.name, s: 0, e: 0 } as const } : {}),
    }));
  }
  const out: Param[] = [];
  for (const c of cls.order) {
    const init = c.attributes.get("__init__");
    if (!is(init, "function")) {
      if (init === undefined) continue;
      for (const name of requiredOf(c)) if (!out.some((o) => o.name === name)) out.push({ s: 0, e: 0, name, form: "positional" });
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

/** The class behind an annotation such as `config: GPTConfig` or `Optional[Config]`. */
function annotatedClass(interpreter: Interpreter, p: Param, owner: FunctionValue): ClassValue | undefined {
  const find = (x: Expr | undefined): ClassValue | undefined => {
    if (!x) return undefined;
    try {
      if (x.kind === "Name") {
        const v = owner.module.lookup(x.id);
        return is(v, "class") && v.module && !isOpenConfiguration(v) ? v : undefined;
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

/** Whether a class is the base of all configurations, which names no sizes: it stands in for transformers' own. */
function isOpenConfiguration(cls: ClassValue): boolean {
  return cls.module?.file.startsWith("<") === true && OPEN_CONFIGURATION.test(cls.name);
}

const OPEN_CONFIGURATION = /^Pre[tT]rainedConfig$/;

/** The class of a configuration whose annotation does not name one: what the class says beside it, or what another constructor of the file says. */
function relatedClass(interpreter: Interpreter, p: Param, owner: FunctionValue): ClassValue | undefined {
  if (!CONFIGURATION.test(p.name) || (p.annotation && !OPEN_CONFIGURATION.test(annotationName(p.annotation)))) return undefined;
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

/** The outermost name of an annotation that says what a value is. */
export function annotationName(x: Expr | undefined): string {
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

/** A layer that passes its input on and has whatever attribute is asked of it, by witness. */
function openModule(interpreter: Interpreter): Value | undefined {
  const nn = interpreter.environment.importModule("torch.nn", undefined);
  const identity = is(nn, "namespace") ? nn.get("Identity") : undefined;
  if (!is(identity, "class")) return undefined;
  const missing: ClassValue["missing"] = (i, self, name) => namespaceMissing(i, self, name);
  return construct(interpreter, makeClass({ name: "Identity", bases: [identity], fields: [], missing }), NO_ARGUMENTS);
}

/** Classes of the same file whose name is, or ends in, the parameter's: `encoder_layer` is a `TransformerEncoderLayer`. */
function namesakes(p: Param, owner: FunctionValue): ClassValue[] {
  const scope = owner.module;
  const wanted = p.name
    .replace(/_/g, "")
    .toLowerCase()
    .replace(/(?:class|cls|type|module|layer)$/, "");
  if (!(scope instanceof SourceScope) || wanted.length < 4) return [];
  const found: { cls: ClassValue; rank: number }[] = [];
  for (const { statement } of scope.bindings.statements) {
    if (statement.kind !== "ClassDef" || statement.name === owner.owner?.name) continue;
    const name = statement.name.replace(/_/g, "").toLowerCase();
    const plain = name.replace(/(?:module|layer|model|net|network)$/, "");
    const rank =
      name === wanted || plain === wanted
        ? 0
        : plain.endsWith(wanted) || name.endsWith(wanted)
          ? 1
          : plain.startsWith(wanted)
            ? 2
            : 3;
    if (rank === 3) continue;
    const cls = scope.lookup(statement.name);
    if (is(cls, "class") && !cls.order.includes(owner.owner ?? cls)) found.push({ cls, rank });
    else if (is(cls, "class") && owner.owner === undefined) found.push({ cls, rank });
  }
  return found.sort((a, b) => a.rank - b.rank || a.cls.name.length - b.cls.name.length).map((f) => f.cls);
}

/** What a parameter stands for that the constructor calls, as `block(planes)` does: a class. */
function classArgument(interpreter: Interpreter, p: Param, owner: FunctionValue): Value | undefined {
  const [own] = namesakes(p, owner).filter((c) => c.order.some((o) => o.name === "Module"));
  if (own) return own;
  const nn = interpreter.environment.importModule("torch.nn", undefined);
  const layer = (name: string): Value | undefined => (is(nn, "namespace") ? nn.get(name) : undefined);
  if (/norm/.test(p.name)) return layer(/bn|batch|2d/.test(p.name) ? "BatchNorm2d" : "LayerNorm");
  if (/act|nonlin/.test(p.name)) return layer("ReLU");
  if (/conv/.test(p.name)) return layer("Conv2d");
  if (/linear|fc|dense/.test(p.name)) return layer("Linear");
  return undefined;
}

/** What a parameter stands for that the constructor or forward uses as an object. */
function objectArgument(
  interpreter: Interpreter,
  p: Param,
  owner: FunctionValue,
  use: ParameterUse,
  depth: number,
): Value | undefined {
  if (depth < 3) {
    for (const cls of namesakes(p, owner).slice(0, 3)) {
      try {
        const made = inventInstance(interpreter, cls, depth + 1);
        if (made !== undefined) return made;
      } catch (error) {
        if (!(error instanceof PythonError)) throw error;
      }
    }
  }
  if (use.isIterated && use.isModule) {
    const nn = interpreter.environment.importModule("torch.nn", undefined);
    const cls = is(nn, "namespace") ? nn.get("ModuleList") : undefined;
    const member = openModule(interpreter);
    if (is(cls, "class") && member !== undefined)
      return construct(interpreter, cls, { positional: [list([member])], keywords: new Map() });
  }
  if (use.isModule) return openModule(interpreter);
  return use.attributes.length > 0 ? untypedConfiguration(interpreter) : undefined;
}

/** A value for a constructor parameter that nothing is known about but its name, its annotation and its use. */

/** A value for a constructor parameter that nothing gives; undefined where none comes to mind. */
export function inventArgument(interpreter: Interpreter, p: Param, owner: FunctionValue, depth = 0): Value | undefined {
  const usual = owner.owner && frameworkOf(owner.owner).argument?.(interpreter, p.name);
  if (usual !== undefined) return usual;
  const cls = annotatedClass(interpreter, p, owner) ?? relatedClass(interpreter, p, owner);
  if (cls && depth < 3) return inventInstance(interpreter, cls, depth + 1);
  const annotation = annotationName(p.annotation);
  if (CONFIGURATION.test(p.name) || /Config$|Args$|Namespace$/.test(annotation)) return untypedConfiguration(interpreter);
  const nn = interpreter.environment.importModule("torch.nn", undefined);
  const classes = is(nn, "namespace") ? nn : undefined;
  const use = useOf(owner, p.name);
  if (annotation === "Module") {
    const c = /act/.test(p.name) && is(nn, "namespace") ? nn.get("ReLU") : undefined;
    if (is(c, "class")) return construct(interpreter, c, NO_ARGUMENTS);
    return objectArgument(interpreter, p, owner, { ...use, isModule: true }, depth);
  }
  if (annotation === "" && use.isCalled) {
    const cls = classArgument(interpreter, p, owner);
    if (cls !== undefined) return cls;
  } else if (annotation === "" && (use.isModule || use.attributes.length > 0)) {
    const made = objectArgument(interpreter, p, owner, use, depth);
    if (made !== undefined) return made;
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
  const layer = cls.order.find((c) => !c.module && requiredOf(c).length > 0);
  const framework = cls.order.find((c) => c.framework);
  if (framework?.record && !init && !layer) {
    for (const f of recordFields(cls)) {
      if (f.value !== undefined || !f.owner.chunk || !f.owner.module) continue;
      const annotation = f.owner.fields.find((g) => g.name === f.name)?.annotation;
      const v = inventArgument(
        interpreter,
        fieldParam(f.name, annotation),
        fieldOwner(f.owner, f.owner.chunk, f.owner.module),
        depth,
      );
      if (v !== undefined) keywords.set(f.name, v);
    }
  } else if (!init && layer && !cls.record) {
    for (const name of requiredOf(layer)) keywords.set(name, witnessIn(interpreter, name) ?? int(24));
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
        // A size of -1 stands for one that is filled in later.
        if (f.value !== undefined && !((intOf(f.value) ?? 0) < 0 && typeof f.value === "object")) continue;
        const v = witnessIn(interpreter, f.name);
        if (v === undefined) continue;
        recordSymbol(interpreter, f.name, v);
        keywords.set(f.name, v);
      }
    }
  }
  return construct(interpreter, cls, { positional: [], keywords });
}

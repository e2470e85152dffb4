/**
 * @file The abstract values that the evaluator computes with. Sizes are always concrete: a size that the source leaves
 * open gets a witness (see models/witness.ts). What is not known at all is `Unknown`, which remembers the tensors that
 * flowed into it so that the graph stays connected.
 */
import type { Origin, SourceRange } from "../../../graph/source";
import type { ElementType, Shape } from "../../../graph/tensor";
import type { Chunk } from "../parser/document";
import type { Block, Expr, FunctionDef, Param, Span } from "../parser/syntax";
import type { LazyConstant } from "./constant";
import type { Interpreter } from "../evaluator/interpreter";
import type { Framework } from "../models/framework";

/** Python's None is null; bool and str are JavaScript's. */
export type Value = null | boolean | string | ObjectValue;

/** Every value that is an object of its own kind, told by `k`. */
export type ObjectValue =
  | IntValue
  | FloatValue
  | EllipsisValue
  | SliceValue
  | ListValue
  | TupleValue
  | DictValue
  | SetValue
  | RangeValue
  | IteratorValue
  | FunctionValue
  | BoundValue
  | NativeValue
  | PartialValue
  | ClassValue
  | InstanceValue
  | NamespaceValue
  | TensorValue
  | DtypeValue
  | PropertyValue
  | WrapperValue
  | SuperValue
  | UnknownValue;

/** An int. */
export interface IntValue {
  readonly k: "int";
  readonly v: number;
}

/** A float. */
export interface FloatValue {
  readonly k: "float";
  readonly v: number;
}

/** `...`. */
export interface EllipsisValue {
  readonly k: "ellipsis";
}

/** A slice; absent bounds are None. */
export interface SliceValue {
  readonly k: "slice";
  readonly lower: Value;
  readonly upper: Value;
  readonly step: Value;
}

/** A list; its items change in place. */
export interface ListValue {
  readonly k: "list";
  items: Value[];
}

/** A tuple, a named tuple or an output record. */
export interface TupleValue {
  readonly k: "tuple";
  readonly items: readonly Value[];
  /** Field names of a named tuple or output record. */
  readonly names?: readonly string[];
}

/** Keys are normalised by `dictKey`. */
export interface DictValue {
  readonly k: "dict";
  readonly entries: Map<string, { readonly key: Value; readonly value: Value }>;
  /** `collections.defaultdict`: makes missing members. */
  readonly factory?: Value;
}

/** A set, by `dictKey`. */
export interface SetValue {
  readonly k: "set";
  readonly entries: Map<string, Value>;
}

/** A range. */
export interface RangeValue {
  readonly k: "range";
  readonly start: number;
  readonly stop: number;
  readonly step: number;
}

/** An iterator over values that are already known. */
export interface IteratorValue {
  readonly k: "iterator";
  readonly items: readonly Value[];
  at: number;
}

/** Variables of one scope and the scopes around it. */
export interface Scope {
  readonly variables: Map<string, Value>;
  /** Function scopes around this one, innermost first; class bodies are not among them. */
  readonly outer: Scope | undefined;
  /** Names that `global` or `nonlocal` redirect. */
  redirects?: Map<string, Map<string, Value> | "global">;
}

/** A function or lambda written in Python. */
export interface FunctionValue {
  readonly k: "function";
  readonly name: string;
  readonly params: readonly Param[];
  readonly body: Block | Expr;
  readonly isLambda: boolean;
  readonly isGenerator: boolean;
  readonly definition?: FunctionDef;
  readonly scope: Scope | undefined;
  readonly module: GlobalScope;
  readonly chunk: Chunk;
  readonly span: Span;
  /** Default values by parameter name. */
  readonly defaults: ReadonlyMap<string, Value>;
  /** The class in whose body it was written, for `super()`. */
  owner?: ClassValue;
  attributes?: Map<string, Value>;
}

/** A method with the object that it was looked up on. */
export interface BoundValue {
  readonly k: "bound";
  readonly callee: Value;
  readonly self: Value;
}

/** Arguments of a call, already evaluated. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly keywords: ReadonlyMap<string, Value>;
  /** A `*x` or `**x` whose members are not known. */
  readonly open?: boolean;
}

/** What a callable that is known to the evaluator computes. Throws PythonError where Python would raise. */
export type NativeCall = (interpreter: Interpreter, args: Arguments) => Value;

/** A callable known to the evaluator. */
export interface NativeValue {
  readonly k: "native";
  readonly name: string;
  readonly call: NativeCall;
  /** Counts as an operation on tensors in "12 of 14 calls understood". */
  readonly tensorCall?: boolean;
}

/** `functools.partial`. */
export interface PartialValue {
  readonly k: "partial";
  readonly callee: Value;
  readonly args: Arguments;
}

/** Where a module is found by import, and its variables. */
export interface GlobalScope {
  readonly name: string;
  readonly file: string;
  lookup(name: string): Value | undefined;
  assign(name: string, value: Value): void;
  names(): readonly string[];
}

/** A class, written in Python or built in. */
export interface ClassValue {
  readonly k: "class";
  readonly name: string;
  readonly bases: readonly ClassValue[];
  /** Method resolution order, itself first. */
  readonly order: readonly ClassValue[];
  readonly attributes: Map<string, Value>;
  readonly module?: GlobalScope;
  readonly chunk?: Chunk;
  readonly span?: Span;
  readonly nameSpan?: Span;
  /** Annotated names in the class body in order, for dataclasses. */
  readonly fields: readonly { readonly name: string; readonly annotation: Expr | undefined; readonly value: Value | undefined }[];
  /** Set by `@dataclass` and by named tuples: the constructor takes the fields. */
  record?: boolean;
  /** A base that could not be resolved: anything may be inherited. */
  readonly openBase?: string;
  /** Constructs without an instance (`int`, `list`, enum lookups, factories such as `nn.Parameter`). */
  readonly construct?: (interpreter: Interpreter, cls: ClassValue, args: Arguments) => Value;
  /** What an instance of a native class does with attributes it does not have. */
  readonly missing?: (interpreter: Interpreter, self: InstanceValue, name: string) => Value | undefined;
  /** What calling an instance does where that is more than its `__call__`: scopes of names, parameters made on the way. */
  readonly invoke?: (interpreter: Interpreter, self: InstanceValue, args: Arguments) => Value;
  /** What goes around a method of an instance that is written in Python. */
  readonly around?: (interpreter: Interpreter, self: InstanceValue, run: () => Value) => Value;
  /** Set on the base class of a framework's models. */
  readonly framework?: Framework;
  /** Set on built-in layers: the parameters of their constructors. */
  readonly signature?: LayerSignature;
}

/** The constructor of a built-in layer, for edits of its calls. */
export interface LayerSignature {
  /** Parameter names in order. */
  readonly params: readonly string[];
  /** How many of the first have no default. */
  readonly required: number;
  /** The parameter that says whether there is a bias, where there is one. */
  readonly bias?: string;
  /** The name of the bias among the layer's own parameters. */
  readonly biasName?: string;
}

/** How and where an instance was made. */
export interface Construction {
  readonly range: SourceRange;
  readonly chunk: Chunk;
  readonly callSpan: Span;
  readonly listSpan: Span;
  readonly args: readonly { readonly form: string; readonly name: string; readonly span: Span; readonly valueSpan: Span }[];
  /** Whether the call names the class itself, so that its arguments are the constructor's. */
  readonly direct: boolean;
  /** Calls around it, innermost first. */
  readonly callers: readonly SourceRange[];
}

/** An instance of a class. */
export interface InstanceValue {
  readonly k: "instance";
  readonly id: number;
  readonly cls: ClassValue;
  readonly attributes: Map<string, Value>;
  readonly made?: Construction;
  /** Payload of native classes. */
  native?: unknown;
}

/** A module or a package, or a table that behaves like one. */
export interface NamespaceValue {
  readonly k: "namespace";
  readonly name: string;
  get(name: string): Value | undefined;
  names(): readonly string[];
}

/** What is shared by all uses of one nn.Parameter or buffer. */
export interface ParameterCell {
  readonly id: number;
  buffer: boolean;
  /** A buffer that the model measures as it runs: running statistics, averages. Other buffers are as fixed as constants. */
  statistic?: boolean;
  trainable: boolean;
  initialisation?: { scheme: string; constant?: number; std?: number; origin?: Origin };
  /** Stands for the entries at the start: cells with the same one start equal, because one was copied from the other. */
  entries?: object;
  readonly origin: Origin;
  /** Set when the names of the model's parameters are settled. */
  name?: string;
}

/** How a tensor was cut out of another, for writes through views. */
export interface ViewLink {
  readonly base: TensorValue;
  readonly version: number;
  /** Computes the same view of the base's present value. */
  readonly read: (interpreter: Interpreter, base: TensorValue) => TensorValue;
  /** Computes the base with the view replaced. */
  readonly write: (interpreter: Interpreter, base: TensorValue, value: TensorValue) => TensorValue;
}

/** A tensor. In-place operators change the fields of the same object, so that all names for it see the change. */
export interface TensorValue {
  readonly k: "tensor";
  /** Name of the value in the graph; "" for a constant that no node has read yet. */
  value: string;
  type: ElementType;
  shape: Shape | undefined;
  /** Known entries. */
  constant?: LazyConstant | undefined;
  parameter?: ParameterCell | undefined;
  view?: ViewLink | undefined;
  version: number;
  /** Entries drawn at random, before they become a parameter: how. */
  drawn?: { scheme: string; constant?: number; std?: number } | undefined;
  attributes?: Map<string, Value>;
}

/** An element type of tensors. */
export interface DtypeValue {
  readonly k: "dtype";
  readonly type: ElementType;
}

/** A property of a class. */
export interface PropertyValue {
  readonly k: "property";
  readonly getter: Value;
  readonly setter?: Value;
  /** `functools.cached_property` and friends behave the same here. */
}

/** A static method or class method. */
export interface WrapperValue {
  readonly k: "wrapper";
  readonly form: "static" | "class";
  readonly callee: Value;
}

/** What `super()` gives: attributes are looked up behind a class. */
export interface SuperValue {
  readonly k: "super";
  readonly after: ClassValue;
  readonly self: InstanceValue | ClassValue;
}

/** A value that is not known, with the reason; what it was computed from is pinned where it is used. */
export interface UnknownValue {
  readonly k: "unknown";
  readonly reason: string;
  /** Tensors that it was computed from. */
  readonly inputs: readonly TensorValue[];
  /** A number drawn evenly from 0 to 1. */
  readonly uniform?: boolean;
}

/** The one `...`. */
export const ELLIPSIS: EllipsisValue = { k: "ellipsis" };

const SMALL_INTS: IntValue[] = Array.from({ length: 1025 }, (_, v) => ({ k: "int", v }));

/** An int; small ones are shared, and there is no negative zero. */
export function int(v: number): IntValue {
  return SMALL_INTS[v] ?? { k: "int", v: Object.is(v, -0) ? 0 : v };
}

/** A float. */
export function float(v: number): FloatValue {
  return { k: "float", v };
}

/** A list of these items, which it takes over. */
export function list(items: Value[]): ListValue {
  return { k: "list", items };
}

/** A tuple, with field names where it is a record. */
export function tuple(items: readonly Value[], names?: readonly string[]): TupleValue {
  return names ? { k: "tuple", items, names } : { k: "tuple", items };
}

/** A dict of these entries. */
export function dict(entries: Iterable<readonly [Value, Value]> = []): DictValue {
  const out: DictValue = { k: "dict", entries: new Map() };
  for (const [key, value] of entries) out.entries.set(dictKey(key), { key, value });
  return out;
}

/** A value that is not known, computed from these. */
export function unknown(reason: string, ...from: Value[]): UnknownValue {
  const inputs = new Set<TensorValue>();
  for (const v of from) collectTensors(v, inputs);
  return { k: "unknown", reason, inputs: [...inputs] };
}

/** A callable known to the evaluator. */
export function native(name: string, call: NativeCall): NativeValue {
  return { k: "native", name, call };
}

/** The arguments of a call with none. */
export const NO_ARGUMENTS: Arguments = { positional: [], keywords: new Map() };

/** Arguments by position. */
export function positional(...values: Value[]): Arguments {
  return { positional: values, keywords: new Map() };
}

/** Whether a value is neither None nor a bool nor a string. */
export function isObject(v: Value | undefined): v is ObjectValue {
  return typeof v === "object" && v !== null;
}

/** Whether a value is of the given kind. */
export function is<K extends ObjectValue["k"]>(v: Value | undefined, k: K): v is Extract<ObjectValue, { k: K }> {
  return typeof v === "object" && v !== null && v.k === k;
}

/** The number behind an int, float or bool. */
export function numberOf(v: Value | undefined): number | undefined {
  if (typeof v === "boolean") return v ? 1 : 0;
  if (isObject(v) && (v.k === "int" || v.k === "float")) return v.v;
  return undefined;
}

/** The number behind an int or bool. */
export function intOf(v: Value | undefined): number | undefined {
  if (typeof v === "boolean") return v ? 1 : 0;
  if (is(v, "int")) return v.v;
  return undefined;
}

const identities = new WeakMap<object, number>();
let nextIdentity = 1;

/** A number that stands for an object's identity. */
export function identity(v: object): number {
  let id = identities.get(v);
  if (id === undefined) {
    id = nextIdentity++;
    identities.set(v, id);
  }
  return id;
}

/** A string that is equal for values that Python's dict holds for one key. */
export function dictKey(v: Value): string {
  if (v === null) return "None";
  if (typeof v === "string") return `s${v}`;
  const n = numberOf(v);
  if (n !== undefined) return `n${n}`;
  const o = v as ObjectValue;
  if (o.k === "tuple") return `(${o.items.map(dictKey).join(",")})`;
  if (o.k === "dtype") return `d${o.type}`;
  return `#${identity(o)}`;
}

/** Python's `==` for plain values; undefined where it is not known. */
export function equal(a: Value, b: Value): boolean | undefined {
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== undefined && y !== undefined) return x === y;
  if (is(a, "unknown") || is(b, "unknown") || is(a, "tensor") || is(b, "tensor")) return a === b ? true : undefined;
  if (a === null || b === null || typeof a === "string" || typeof b === "string") return a === b;
  if (x !== undefined || y !== undefined) return false;
  const p = a as ObjectValue;
  const q = b as ObjectValue;
  if ((p.k === "list" && q.k === "list") || (p.k === "tuple" && q.k === "tuple")) {
    if (p.items.length !== q.items.length) return false;
    for (let i = 0; i < p.items.length; i++) {
      const e = equal(p.items[i]!, q.items[i]!);
      if (e !== true) return e;
    }
    return true;
  }
  if (p.k === "dict" && q.k === "dict") {
    if (p.entries.size !== q.entries.size) return false;
    for (const [key, entry] of p.entries) {
      const other = q.entries.get(key);
      if (!other) return false;
      const e = equal(entry.value, other.value);
      if (e !== true) return e;
    }
    return true;
  }
  if (p.k === "dtype" && q.k === "dtype") return p.type === q.type;
  if (p.k === "range" && q.k === "range") return p.start === q.start && p.stop === q.stop && p.step === q.step;
  if (p.k === "set" && q.k === "set")
    return p.entries.size === q.entries.size && [...p.entries.keys()].every((key) => q.entries.has(key));
  return p === q;
}

/** Adds the tensors inside a value (containers included, modules not). */
export function collectTensors(v: Value | undefined, into: Set<TensorValue>, depth = 0): void {
  if (!isObject(v) || depth > 6) return;
  switch (v.k) {
    case "tensor":
      into.add(v);
      return;
    case "unknown":
      for (const t of v.inputs) into.add(t);
      return;
    case "list":
    case "tuple":
      for (const i of v.items) collectTensors(i, into, depth + 1);
      return;
    case "dict":
      for (const e of v.entries.values()) collectTensors(e.value, into, depth + 1);
      return;
    case "iterator":
      for (const i of v.items) collectTensors(i, into, depth + 1);
      return;
    default:
  }
}

/** The name of a value's type, as Python prints it. */
export function typeName(v: Value): string {
  if (v === null) return "NoneType";
  if (typeof v === "boolean") return "bool";
  if (typeof v === "string") return "str";
  switch (v.k) {
    case "instance":
      return v.cls.name;
    case "tensor":
      return v.parameter && !v.parameter.buffer ? "Parameter" : "Tensor";
    case "class":
      return "type";
    case "bound":
      return "method";
    case "native":
      return "builtin_function_or_method";
    case "namespace":
      return "module";
    default:
      return v.k;
  }
}

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
  /** The container that an instance of a class derived from dict, list, tuple, set or str holds. */
  readonly contents?: Value;
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
  /** The mask whose entries' coordinates these rows are, as if it picked them all. */
  picked?: TensorValue | undefined;
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

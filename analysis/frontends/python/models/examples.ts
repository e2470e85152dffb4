/**
 * @file What a file itself says its models are called with: calls in its scripts and tests, example inputs among a class's
 * attributes, and tables of shapes by class name. They are tried before shapes are searched for.
 */
import type { ElementType } from "../../../graph/tensor";
import { isFloating } from "../../../graph/tensor";
import type { SourceScope } from "../modules/scope";
import { BudgetExceeded, PythonError } from "../evaluator/errors";
import { makeTensor } from "../emit/known";
import { intOf, is, isObject } from "../values/inspect";
import { list, positional, tuple } from "../values/make";
import type { Arguments, ClassValue, Value } from "../values/value";
import { BATCH } from "./suppositions";

/** Attributes that hold an example: tensors, or one shape or several. */
const TENSORS = /^(?:example|dummy|sample)_(?:inputs?|input_array|args)$/;
const SHAPES = /^(?:(?:example|dummy|sample|default)_)?in(?:put)?_(?:shapes?|sizes?)$|^(?:example|dummy|sample)_shapes?$/;

/** The same where a class itself has it; an instance's `shape` may be anything's. */
const OWN_SHAPES = /^shapes?$/;

/** Tables of shapes or of example inputs by class. */
const TABLES = /inputs?|shapes?|examples?/i;

/** A value of a script as an argument of another evaluation: tensors keep shape and type only. Undefined where it is not known. */
function portable(v: Value): Value | undefined {
  if (is(v, "tensor")) return v.shape ? makeTensor("", v.type, [...v.shape]) : undefined;
  if (is(v, "list") || is(v, "tuple")) {
    const items = v.items.map(portable);
    if (items.includes(undefined)) return undefined;
    return is(v, "list") ? list(items as Value[]) : tuple(items as Value[], v.names);
  }
  if (is(v, "dict")) {
    const entries = new Map<string, { key: Value; value: Value }>();
    for (const [k, e] of v.entries) {
      const value = portable(e.value);
      if (value === undefined) return undefined;
      entries.set(k, { key: e.key, value });
    }
    return { k: "dict", entries };
  }
  return isObject(v) && v.k !== "int" && v.k !== "float" ? undefined : v;
}

/** The arguments of a call that a script makes, without the values of its tensors; undefined where one is not known, or none is a tensor. */
export function portableArguments(args: Arguments): Arguments | undefined {
  const given = args.positional.map(portable);
  const named = [...args.keywords].map(([k, v]) => [k, portable(v)] as const);
  if (args.open || given.includes(undefined) || named.some(([, v]) => v === undefined)) return undefined;
  const out = { positional: given as Value[], keywords: new Map(named as [string, Value][]) };
  return tensorsOf(out).length > 0 ? out : undefined;
}

function mapTensors(args: Arguments, change: (shape: readonly number[], type: ElementType, at: number) => Value): Arguments {
  let at = 0;
  const visit = (v: Value): Value => {
    if (is(v, "tensor")) return change(v.shape ?? [], v.type, at++);
    if (is(v, "list")) return list(v.items.map(visit));
    if (is(v, "tuple")) return tuple(v.items.map(visit), v.names);
    if (is(v, "dict")) {
      const entries = new Map([...v.entries].map(([k, e]) => [k, { key: e.key, value: visit(e.value) }]));
      return { k: "dict", entries };
    }
    return v;
  };
  return { positional: args.positional.map(visit), keywords: new Map([...args.keywords].map(([k, v]) => [k, visit(v)])) };
}

function tensorsOf(args: Arguments): { shape: readonly number[]; type: ElementType }[] {
  const out: { shape: readonly number[]; type: ElementType }[] = [];
  mapTensors(args, (shape, type) => {
    out.push({ shape, type });
    return makeTensor("", type, shape);
  });
  return out;
}

/** One example made larger: a batch of one hides which axis is the batch, and statistics over it say nothing. */
function rebatched(args: Arguments): Arguments | undefined {
  const tensors = tensorsOf(args);
  if (tensors.length === 0 || tensors.some((t) => t.shape[0] !== 1) || tensors.every((t) => t.shape.length < 2)) return undefined;
  return mapTensors(args, (shape, type) => makeTensor("", type, [BATCH, ...shape.slice(1)]));
}

/** An example and what it may stand for, the likeliest first. */
export function variants(args: Arguments): Arguments[] {
  const larger = rebatched(args);
  return larger ? [larger, args] : [args];
}

/**
 * The same with whole numbers in the place of real ones, in as few inputs as will do: a shape alone does not say which input
 * is looked up in a table.
 */
export function withIntegers(args: Arguments): Arguments[] {
  const floating = tensorsOf(args).flatMap((t, i) => (isFloating(t.type) ? [i] : []));
  let chosen: number[][] = [[]];
  for (const at of floating.slice(0, 4)) chosen = chosen.flatMap((c) => [c, [...c, at]]);
  chosen = chosen.filter((c) => c.length > 0).sort((a, b) => a.length - b.length);
  return chosen.map((which) => mapTensors(args, (shape, type, at) => makeTensor("", which.includes(at) ? "int64" : type, shape)));
}

function shapeOf(v: Value): number[] | undefined {
  if (!is(v, "tuple") && !is(v, "list")) return undefined;
  const sizes = v.items.map(intOf);
  return sizes.length > 0 && sizes.every((n) => n !== undefined && n > 0 && n <= 1 << 16) ? (sizes as number[]) : undefined;
}

/**
 * What an argument of a function that calls a model stands for: `(x,)` of an exporter, or a shape. Sizes that come by name
 * (`input_size=(3, 32, 32)` of torchsummary) have a batch before them where they are those of one image.
 */
export function exampleArguments(v: Value, name: string): Arguments | undefined {
  const args = argumentsOf(v);
  const [only] = args ? tensorsOf(args) : [];
  if (!args || only?.shape.length !== 3 || shapeOf(v) === undefined || /data/.test(name)) return args;
  return mapTensors(args, (shape, type) => makeTensor("", type, [BATCH, ...shape]));
}

/** Arguments that an example stands for: tensors, a shape, or several of either. */
function argumentsOf(v: Value | undefined): Arguments | undefined {
  if (v === undefined || !isObject(v)) return undefined;
  const one = (x: Value): Value | undefined => {
    if (is(x, "tensor")) return portable(x);
    const shape = shapeOf(x);
    return shape && makeTensor("", "float32", shape);
  };
  const single = one(v);
  if (single !== undefined) return positional(single);
  if (is(v, "dict")) return portableArguments({ positional: [], keywords: stringKeys(v) });
  if (!is(v, "tuple") && !is(v, "list")) return undefined;
  const all = v.items.map(one);
  return all.length === 0 || all.includes(undefined) ? undefined : { positional: all as Value[], keywords: new Map() };
}

function stringKeys(v: Extract<Value, { k: "dict" }>): Map<string, Value> {
  return new Map([...v.entries.values()].flatMap((e) => (typeof e.key === "string" ? [[e.key, e.value] as const] : [])));
}

/** Shapes without and with a batch before them: an attribute such as `input_size = (3, 32, 32)` leaves it out. */
function withBatch(args: Arguments, name: string): Arguments[] {
  const batched = mapTensors(args, (shape, type) => makeTensor("", type, [BATCH, ...shape]));
  return /size/.test(name) ? [batched, args] : [args, batched];
}

/** What attributes of a class or of an instance say an example is. */
export function attributeExamples(attributes: ReadonlyMap<string, Value>, ofClass = false): Arguments[] {
  const out: Arguments[] = [];
  for (const [name, value] of attributes) {
    if (TENSORS.test(name)) {
      const args = argumentsOf(value);
      if (args) out.push(...variants(args));
    } else if ((SHAPES.test(name) || (ofClass && OWN_SHAPES.test(name))) && (is(value, "tuple") || is(value, "list"))) {
      const args = argumentsOf(value);
      // Two sizes are height and width, and say nothing of channels.
      if (args && !(/size/.test(name) && tensorsOf(args).some((t) => t.shape.length < 3))) out.push(...withBatch(args, name));
    }
  }
  return out;
}

/** What tables of the file have for a class: `INPUTS = {"Net": (8, 4)}`, `SHAPES = {Net: ((8, 4), (8, 2))}`. */
export function tableExamples(scope: SourceScope, cls: ClassValue): Arguments[] {
  const out: Arguments[] = [];
  for (const [name, tops] of scope.bindings.binds) {
    if (!TABLES.test(name) || !tops.some((t) => t.statement.kind === "Assign" && t.statement.value.kind === "Dict")) continue;
    let table: Value | undefined;
    try {
      table = scope.lookup(name);
    } catch (error) {
      if (!(error instanceof PythonError) && !(error instanceof BudgetExceeded)) throw error;
    }
    if (!is(table, "dict")) continue;
    for (const e of table.entries.values()) {
      if (e.key !== cls.name && e.key !== cls) continue;
      const args = argumentsOf(e.value);
      if (args) out.push(...variants(args));
    }
  }
  return out;
}

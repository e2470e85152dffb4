/** @file Values are made here: ints and floats, containers, what is not known, arguments of calls. */
import { collectTensors, dictKey } from "./inspect";
import type {
  Value,
  IntValue,
  FloatValue,
  EllipsisValue,
  ListValue,
  TupleValue,
  DictValue,
  Arguments,
  NativeCall,
  NativeValue,
  TensorValue,
  UnknownValue,
} from "./value";

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

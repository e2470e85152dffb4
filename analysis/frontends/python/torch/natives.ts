/** @file Makers of the small functions that the tree `torch` is full of. */
import { native, unknown } from "../values/make";
import type { Value } from "../values/value";

/** A function that returns its first argument. */
export function identity(name: string): Value {
  return native(name, (_, a) => a.positional[0] ?? null);
}

/** A decorator or a wrapper: `f(module)` gives the module, `f(option=...)` gives a decorator. */
export function wrapper(name: string): Value {
  return native(name, (_, a) => a.positional[0] ?? identity(name));
}

/** A function of that name that always returns one value. */
export function constant(name: string, value: Value): [string, Value] {
  return [name, native(name, () => value)];
}

/** A call that matters for training facts and computes nothing here. */
export function factCall(name: string): Value {
  return native(name, (i, a) => {
    const value = unknown(name);
    i.onFact?.(name, a, value);
    return value;
  });
}

/** @file Sorting, as `sorted`, `list.sort`, `min` and `max` need it. */
import { positional } from "../values/make";
import type { Value } from "../values/value";
import { truth } from "./branches";
import { call } from "./functions";
import type { Interpreter } from "./interpreter";
import { compare } from "./operators";

/** The items in ascending order (descending when `reverse` is true), stable; undefined where the order is not known. */
export function sortValues(interpreter: Interpreter, items: readonly Value[], key?: Value, reverse?: Value): Value[] | undefined {
  const keyed = items.map((item) => ({
    item,
    key: key === undefined || key === null ? item : call(interpreter, key, positional(item)),
  }));
  let known = true;
  const down = reverse !== undefined && truth(reverse) === true;
  keyed.sort((a, b) => {
    const less = truth(compare(interpreter, "<", a.key, b.key));
    const more = truth(compare(interpreter, ">", a.key, b.key));
    if (less === undefined || more === undefined) known = false;
    return (less ? -1 : more ? 1 : 0) * (down ? -1 : 1);
  });
  return known ? keyed.map((k) => k.item) : undefined;
}

/** @file `itertools`, as far as its iterators end. */
import { truth } from "../evaluator/branches";
import { listLength } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { iterate } from "../evaluator/iterate";
import { binary } from "../evaluator/operators";
import { functions, namespaceOf } from "../values/namespaces";
import { intOf } from "../values/inspect";
import { int, positional, tuple, unknown } from "../values/make";
import type { Value } from "../values/value";

/** Combinations beyond which a product is not made. */
const MOST_ROWS = 20_000;

/** The module `itertools`. */
export function itertoolsModule(): Value {
  const items = (i: Interpreter, v: Value | undefined): Value[] => iterate(i, v ?? tuple([])) ?? [];
  const iterator = (values: Value[]): Value => ({ k: "iterator", items: values, at: 0 });
  return namespaceOf(
    "itertools",
    functions("itertools", {
      chain: (i, a) => iterator(a.positional.flatMap((v) => items(i, v))),
      product: (i, a) => {
        const repeat = intOf(a.keywords.get("repeat")) ?? 1;
        const columns = Array.from({ length: listLength(repeat, MOST_ROWS) }, () => a.positional.map((v) => items(i, v))).flat();
        let rows: Value[][] = [[]];
        for (const c of columns) {
          if (rows.length * c.length > MOST_ROWS) return unknown("product");
          rows = rows.flatMap((r) => c.map((v) => [...r, v]));
        }
        return iterator(rows.map((r) => tuple(r)));
      },
      repeat: (_, a) => {
        const n = intOf(a.positional[1] ?? a.keywords.get("times"));
        return iterator(new Array<Value>(listLength(n ?? 64)).fill(a.positional[0] ?? null));
      },
      count: (_, a) => {
        const start = intOf(a.positional[0] ?? a.keywords.get("start")) ?? 0;
        const step = intOf(a.positional[1] ?? a.keywords.get("step")) ?? 1;
        return iterator(Array.from({ length: 512 }, (__, k) => int(start + k * step)));
      },
      cycle: (i, a) => {
        const once = items(i, a.positional[0]);
        return iterator(Array.from({ length: 512 }, (_, k) => once[k % Math.max(1, once.length)] ?? null));
      },
      islice: (i, a) => {
        const [v, x, y, z] = a.positional;
        const start = a.positional.length > 2 ? (intOf(x) ?? 0) : 0;
        const stop = a.positional.length > 2 ? intOf(y) : intOf(x);
        const step = intOf(z) ?? 1;
        return iterator(
          items(i, v)
            .slice(start, stop)
            .filter((_, k) => k % step === 0),
        );
      },
      accumulate: (i, a) => {
        const out: Value[] = [];
        for (const v of items(i, a.positional[0])) {
          const last = out.at(-1);
          out.push(
            last === undefined ? v : a.positional[1] ? call(i, a.positional[1], positional(last, v)) : binary(i, "+", last, v),
          );
        }
        return iterator(out);
      },
      zip_longest: (i, a) => {
        const columns = a.positional.map((v) => items(i, v));
        const n = Math.max(0, ...columns.map((c) => c.length));
        return iterator(
          Array.from({ length: n }, (_, k) => tuple(columns.map((c) => c[k] ?? a.keywords.get("fillvalue") ?? null))),
        );
      },
      pairwise: (i, a) => {
        const all = items(i, a.positional[0]);
        return iterator(all.slice(1).map((v, k) => tuple([all[k]!, v])));
      },
      combinations: (i, a) => {
        const all = items(i, a.positional[0]);
        const n = intOf(a.positional[1]) ?? 2;
        const pick = (from: number, left: number): Value[][] => {
          if (left === 0) return [[]];
          const out: Value[][] = [];
          for (let k = from; k < all.length && out.length < 5000; k++)
            for (const rest of pick(k + 1, left - 1)) out.push([all[k]!, ...rest]);
          return out;
        };
        return iterator(pick(0, n).map((r) => tuple(r)));
      },
      starmap: (i, a) =>
        iterator(items(i, a.positional[1]).map((row) => call(i, a.positional[0] ?? null, positional(...items(i, row))))),
      takewhile: (i, a) => {
        const out: Value[] = [];
        for (const v of items(i, a.positional[1])) {
          if (truth(call(i, a.positional[0] ?? null, positional(v))) !== true) break;
          out.push(v);
        }
        return iterator(out);
      },
    }),
    (name) => (name === "from_iterable" ? undefined : undefined),
  );
}

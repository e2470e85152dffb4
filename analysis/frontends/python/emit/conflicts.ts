/** @file Which sizes kept an operator from its inputs: what a search for input shapes corrects. */
import type { Attribute } from "../../../graph/graph";
import type { Shape } from "../../../graph/tensor";
import type { SizeConflict } from "../evaluator/errors";

/** Pairs of sizes that should have been equal, where an operator does not fit its inputs. */
export function sizeConflicts(
  operator: string,
  shapes: readonly (Shape | undefined)[],
  along: Attribute | undefined,
  message: string,
): SizeConflict[] {
  const known = shapes.flatMap((s) => (s && s.length > 0 ? [s] : []));
  const [a, b] = known;
  if (operator === "Einsum") {
    const [, x, y] = /axes of sizes (\d+) and (\d+)/.exec(message) ?? [];
    const [p, q] = [Number(x), Number(y)];
    return x === undefined
      ? []
      : [
          { got: p, expected: q },
          { got: q, expected: p },
        ];
  }
  if (!a || !b) return [];
  const out: SizeConflict[] = [];
  if (operator === "MatMul" || operator === "Gemm") {
    const inner = operator === "Gemm" ? b.at(-1) : b.at(b.length > 1 ? -2 : -1);
    if (a.at(-1) !== inner) out.push({ got: a.at(-1)!, expected: inner! }, { got: inner!, expected: a.at(-1)! });
    return out;
  }
  if (operator === "Concat") {
    for (const other of known.slice(1)) {
      if (other.length !== a.length) {
        const [few, many] = [Math.min(a.length, other.length), Math.max(a.length, other.length)];
        out.push({ got: few, expected: many, ranks: true }, { got: many, expected: few, ranks: true });
        continue;
      }
      a.forEach((x, i) => {
        const y = other[i]!;
        if (i !== along && x !== y) out.push({ got: x, expected: y }, { got: y, expected: x });
      });
    }
    return out;
  }
  for (const p of known) {
    for (const q of known) {
      if (p === q) continue;
      for (let i = 1; i <= Math.min(p.length, q.length); i++) {
        const x = p.at(-i)!;
        const y = q.at(-i)!;
        if (x !== y && x !== 1 && y !== 1) out.push({ got: x, expected: y });
      }
    }
  }
  return out;
}

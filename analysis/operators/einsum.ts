/** @file Einsum equations. */

/** An equation with one list of letters per input and the output's letters; an ellipsis becomes letters of its own. */
export interface EinsumEquation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/**
 * Parses an Einsum equation for inputs of the given ranks. Axes under an ellipsis get the letters `...0`, `...1`, counted
 * from the right so that they broadcast. Without `->` the output has every letter that occurs once, in alphabetical order,
 * after the ellipsis. Throws Error with a plain sentence when the equation does not fit the ranks.
 */
export function parseEinsum(equation: string, ranks: readonly number[]): EinsumEquation {
  const text = equation.replace(/\s+/g, "");
  if (!/^[A-Za-z.,]*(->[A-Za-z.]*)?$/.test(text))
    throw new Error(`Einsum "${equation}" is not an equation such as "bij,bjk->bik"`);
  const [left, right] = text.split("->") as [string, string | undefined];
  const terms = left.split(",");
  for (const term of right === undefined ? terms : [...terms, right]) {
    if (term.replace("...", "").includes(".")) throw new Error(`Einsum "${equation}": stray dot in the term "${term}"`);
  }
  if (right !== undefined && new Set(right.replace("...", "")).size !== right.replace("...", "").length) {
    throw new Error(`Einsum "${equation}": the output names a letter twice`);
  }
  if (terms.length !== ranks.length) throw new Error(`Einsum "${equation}": ${terms.length} terms for ${ranks.length} inputs`);
  let widest = 0;
  const inputs = terms.map((term, i) => {
    const named = term.replace("...", "").length;
    const hidden = ranks[i]! - named;
    if (hidden < 0 || (hidden > 0 && !term.includes("..."))) {
      throw new Error(`Einsum "${equation}": term "${term}" does not fit an input of rank ${ranks[i]}`);
    }
    widest = Math.max(widest, hidden);
    return expand(term, hidden);
  });
  if (right !== undefined) return { inputs, output: expand(right, widest) };
  const count = new Map<string, number>();
  for (const letters of inputs) for (const l of letters) count.set(l, (count.get(l) ?? 0) + 1);
  const once = [...count].filter(([l, n]) => n === 1 && !l.startsWith("...")).map(([l]) => l);
  return { inputs, output: [...expand("...", widest), ...once.sort()] };
}

function expand(term: string, hidden: number): string[] {
  const [before, after] = term.split("...") as [string, string | undefined];
  if (after === undefined) return [...before];
  return [...before, ...Array.from({ length: hidden }, (_, i) => `...${hidden - 1 - i}`), ...after];
}

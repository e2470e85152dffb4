/** @file The fix for `[module] * n`: a comprehension, which makes a module for each. */
import { say } from "../texts/say";
import type { Comprehension } from "../rules/rule";
import { type Mended, textOf } from "./mended";
import { classifyPython } from "./python-text";

/** Rewrites a product of a list and a number. */
export function comprehension({ range }: Comprehension, text: string): Mended {
  const source = textOf(text, range);
  const parts = splitProduct(source);
  if (!parts) return { reason: "No fix: the list and the number could not be told apart; write a comprehension by hand." };
  const { element, times } = parts;
  if (!/^[A-Za-z_][\w.]*\s*\(/.test(element)) {
    return { reason: "No fix: the list repeats a module that is made elsewhere; make one for each place." };
  }
  const newText = `[${element} for _ in range(${times})]`;
  return {
    fix: {
      title: say`Make ${times} modules: ${shortened(newText)}`,
      exact: true,
      note: say`each gets weights of its own`,
      edits: [{ range, newText }],
    },
  };
}

function shortened(code: string): string {
  const line = code.replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}

/** `[element] * times` or `times * [element]` with one element. */
function splitProduct(source: string): { readonly element: string; readonly times: string } | undefined {
  const kinds = classifyPython(source);
  let depth = 0;
  let open = -1;
  let close = -1;
  let star = -1;
  for (let i = 0; i < source.length; i++) {
    if (kinds[i] !== 0) continue;
    const c = source[i]!;
    if ("([{".includes(c)) {
      if (depth === 0 && c === "[" && open < 0 && (i === 0 || star >= 0)) open = i;
      depth++;
    } else if (")]}".includes(c)) {
      depth--;
      if (depth === 0 && open >= 0 && close < 0) close = i;
    } else if (depth === 0 && c === "*" && star < 0) star = i;
    else if (depth === 1 && c === "," && open >= 0 && close < 0 && source.slice(i + 1).trimStart()[0] !== "]") return undefined;
  }
  if (open < 0 || close < 0 || star < 0) return undefined;
  // Comments inside would be lost or would swallow code.
  if (kinds.some((k) => k === 2)) return undefined;
  const element = source
    .slice(open + 1, close)
    .trim()
    .replace(/,$/, "")
    .trim();
  const times = (open < star ? source.slice(star + 1) : source.slice(0, star)).trim();
  return element === "" || times === "" ? undefined : { element, times };
}

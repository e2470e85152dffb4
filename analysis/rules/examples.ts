/** @file Examples of a rule from one text and what the others change in it, so that the difference is what one reads. */
import type { Rule } from "./rule";

/** Pieces of the bad example, each of which stands there once, with what stands in their place; or a text of its own. */
type Changes = readonly (readonly [before: string, after: string])[] | string;

/**
 * The examples of a rule.
 * @throws Error when a piece is not in the bad example, or more than once: the rule's file is wrong then
 */
export function examplesFrom(
  bad: string,
  { fixed, good }: { readonly fixed: Changes; readonly good: Changes },
): Rule["examples"] {
  return { bad, fixed: changed(bad, fixed), good: changed(bad, good) };
}

function changed(text: string, changes: Changes): string {
  if (typeof changes === "string") return changes;
  return changes.reduce((now, [before, after]) => {
    const [head, tail, ...more] = now.split(before);
    if (head === undefined || tail === undefined || more.length > 0) {
      throw new Error(`${JSON.stringify(before)} stands ${more.length + (tail === undefined ? 0 : 1)} times in the example`);
    }
    return head + after + tail;
  }, text);
}

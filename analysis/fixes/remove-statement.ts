/** @file The fix for a module that nothing reads: the statement that makes it goes. */
import { say } from "../texts/say";
import type { RemoveStatement } from "../rules/rule";
import type { Mended } from "./mended";
import { classifyPython, lineStarts, offsetAt, positionAt } from "./python-text";

/** Takes out `self.name = ...` with its line, where the statement has the line to itself and nothing mentions the name. */
export function removeStatement({ call, attribute }: RemoveStatement, text: string): Mended {
  const kinds = classifyPython(text);
  const starts = lineStarts(text);
  const begin = starts[call.start.line]!;
  const head = text.slice(begin, offsetAt(starts, call.start, text.length));
  const end = offsetAt(starts, call.end, text.length);
  const lineEnd = text.indexOf("\n", end) < 0 ? text.length : text.indexOf("\n", end) + 1;
  const tail = text.slice(end, lineEnd);
  if (!new RegExp(`^\\s*self\\.${attribute}\\s*(:[^=]+)?=\\s*$`).test(head) || !/^\s*(#.*)?\r?\n?$/.test(tail)) {
    return { reason: `No fix: the statement that makes \`${attribute}\` does more than that; remove it by hand.` };
  }
  const mentions = [...text.matchAll(new RegExp(`\\b${attribute}\\b`, "g"))].filter((m) => kinds[m.index] !== 2);
  if (mentions.length > 1) return { reason: `No fix: \`${attribute}\` is mentioned elsewhere; remove it by hand.` };
  if (onlyStatement(text, starts, call.start.line, call.end.line)) return { reason: "No fix: the block would be empty." };
  const range = { file: call.file, start: positionAt(starts, begin), end: positionAt(starts, lineEnd) };
  return { fix: { title: say`Remove \`${attribute}\``, exact: true, edits: [{ range, newText: "" }] } };
}

/** Whether a statement is alone in its block. */
function onlyStatement(text: string, starts: readonly number[], first: number, last: number): boolean {
  const line = (n: number): string => text.slice(starts[n], starts[n + 1] ?? text.length);
  const width = (s: string): number => s.length - s.trimStart().length;
  const indent = width(line(first));
  const isCode = (s: string): boolean => s.trim() !== "" && !s.trim().startsWith("#");
  let above = first - 1;
  while (above >= 0 && !isCode(line(above))) above--;
  let below = last + 1;
  while (below < starts.length && !isCode(line(below))) below++;
  const opens = above >= 0 && width(line(above)) < indent;
  const closes = below >= starts.length || width(line(below)) < indent;
  return opens && closes;
}

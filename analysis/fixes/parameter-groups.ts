/** @file The fix for decay on vectors: two parameter groups, told apart by the number of axes. */
import { say } from "../texts/say";
import type { TextEdit } from "../rules/finding";
import type { ParameterGroups } from "../rules/rule";
import { type Mended, textOf } from "./mended";
import { classifyPython, lineStarts, offsetAt, positionAt } from "./python-text";

const WHOLE = /((?:[A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*)\.parameters\(\s*\)/g;

/**
 * Splits `model.parameters()` in an optimiser's call into matrices, which decay, and vectors, which do not.
 * @param option what the group of matrices is given, where the optimiser itself gives no decay
 */
export function parameterGroups({ call }: ParameterGroups, text: string, option?: readonly [string, string]): Mended {
  const refusal = {
    reason: "No fix: the optimiser's parameters are not `model.parameters()`; give vectors weight_decay=0 by hand.",
  };
  const source = textOf(text, call);
  const kinds = classifyPython(source);
  const found = [...source.matchAll(WHOLE)].filter((m) => kinds[m.index] === 0);
  const [match] = found;
  if (!match || found.length > 1) return refusal;
  // It must be the whole argument: the first one, or `params=`.
  const before = source.slice(0, match.index).trimEnd();
  const after = source.slice(match.index + match[0].length).trimStart();
  if (!/(\(|params\s*=)$/.test(before) || !/^[,)]/.test(after)) return refusal;
  const starts = lineStarts(text);
  const begin = offsetAt(starts, call.start, text.length) + match.index;
  const [start, end] = [positionAt(starts, begin), positionAt(starts, begin + match[0].length)];
  const line = text.slice(starts[start.line], starts[start.line + 1] ?? text.length);
  const indent = /^[^\S\n]*/.exec(line)![0];
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const owner = match[1]!;
  const group = (test: string, more: string) =>
    `${indent}    {"params": [p for p in ${owner}.parameters() if p.ndim ${test}]${more}},`;
  const [decays, spared] = option ? [`, "${option[0]}": ${option[1]}`, ""] : ["", `, "weight_decay": 0.0`];
  const newText = ["[", group("> 1", decays), group("<= 1", spared), `${indent}]`].join(eol);
  const edits: TextEdit[] = [{ range: { file: call.file, start, end }, newText }];
  const note = "the model stays the same; its vectors are no longer decayed";
  return { fix: { title: say`Decay matrices only: two parameter groups`, exact: true, note, edits } };
}

/** @file The fix `bias=False`: edits the call that makes a layer. */
import { say } from "../texts/say";
import type { SourceRange } from "../graph/source";
import type { BiasArgument, Layer } from "../rules/checked";
import type { TextEdit } from "../rules/finding";
import type { DropBias } from "../rules/rule";
import { unguardedBiasReader } from "./bias-readers";
import type { Mended } from "./mended";
import { callArguments, classifyPython, lineStarts, offsetAt, positionAt } from "./python-text";

/** The fix for a layer whose bias nothing sees, in the text that makes it. */
export function dropBias(remedy: DropBias, text: string): Mended {
  const first = remedy.layers[0];
  const bias = first?.bias;
  if (!first || !bias) return { reason: "No fix: the call that makes it is not known." };
  if (remedy.refusal !== undefined) return { reason: `No fix: ${remedy.refusal}.` };
  if (remedy.layers.some((l) => l.bias?.form === "indirect") || !isLiteral(bias, text)) {
    return { reason: "No fix: the bias comes from a variable or a wrapper; set it to False where that is decided." };
  }
  const reader = unguardedBiasReader(text, attributesOf(remedy.layers));
  if (reader) return { reason: `No fix: line ${reader.line} reads a bias without asking for None (\`${reader.code}\`).` };
  const edit = setToFalse(bias, text);
  if (!edit) return { reason: `No fix: the call could not be read; write ${keyword(bias)}=False by hand.` };
  return { fix: { title: say`Remove the bias of \`${name(first)}\`: ${keyword(bias)}=False`, exact: true, edits: [edit] } };
}

/** Names under which layers hang in their modules; numbers are items of containers. */
function attributesOf(layers: readonly Layer[]): string[] {
  return layers.flatMap((l) =>
    l.scope
      .split(/[./]/)
      .filter((part) => !/^\d+$/.test(part))
      .slice(-1),
  );
}

/** The end of a module path from its last name on: `conv1`, `stem.0`. */
function name(layer: Layer): string {
  return /[^./]*[^./\d][^./]*(\.\d+)*$/.exec(layer.scope)?.[0] ?? layer.scope;
}

/** Whether the argument, where it is given, says True in so many words; a variable is decided elsewhere. */
function isLiteral({ form, range }: BiasArgument, text: string): boolean {
  if (form !== "keyword" && form !== "positional") return true;
  if (range === undefined) return false;
  const starts = lineStarts(text);
  const value = text.slice(offsetAt(starts, range.start, text.length), offsetAt(starts, range.end, text.length));
  return /^(True|1)$/.test(value.trim());
}

/** The constructor's parameter. */
function keyword(bias: BiasArgument): string {
  return bias.parameter ?? "bias";
}

/** The edit that sets a constructor's parameter to False; undefined where the call cannot be read. */
export function setToFalse(bias: BiasArgument, text: string): TextEdit | undefined {
  const { form, range, call } = bias;
  const given = `${keyword(bias)}=False`;
  if (form === "keyword" || form === "positional") return range && { range, newText: "False" };
  const starts = lineStarts(text);
  const start = offsetAt(starts, call.start, text.length);
  const end = offsetAt(starts, call.end, text.length);
  const found = callArguments(text, classifyPython(text), start, end);
  if (!found || found.starred) return undefined;
  const at = positionAt(starts, found.lastCode);
  const here: SourceRange = { file: call.file, start: at, end: at };
  if (found.lastCode === found.open) return { range: here, newText: given };
  if (!found.trailingComma) return { range: here, newText: `, ${given}` };
  // Behind a trailing comma: on a line of its own, where the bracket has one.
  const before = text.slice(found.lastCode, found.close);
  if (!before.includes("\n")) return { range: here, newText: ` ${given},` };
  const line = text.slice(starts[at.line], found.lastCode);
  const indent = /^\s*/.exec(line)![0];
  const ownLine = text.slice(found.open, found.lastCode).includes("\n");
  if (!ownLine) return { range: here, newText: ` ${given},` };
  return {
    range: endOfLine(call.file, text, starts, at.line),
    newText: `${text.includes("\r\n") ? "\r\n" : "\n"}${indent}${given},`,
  };
}

/** The end of a line, before its line break: behind a comment that follows the last argument. */
function endOfLine(file: string, text: string, starts: readonly number[], line: number): SourceRange {
  const end = text.indexOf("\n", starts[line]);
  const last = text[end - 1] === "\r" ? end - 1 : end;
  const position = positionAt(starts, last);
  return { file, start: position, end: position };
}

/**
 * @file Reading Python text just far enough to edit it: which characters are code, and where the arguments of a call end.
 * Works on text that does not parse, too.
 */
import type { Position } from "../graph/source";

/** One character class per character: code, or inside a string or comment. */
export type Kinds = Uint8Array;
const CODE = 0;
const STRING = 1;
const COMMENT = 2;

/** A function of a text that remembers its last answer: fixes ask about the same file again and again. */
export function ofLastText<T>(make: (text: string) => T): (text: string) => T {
  let last: { readonly text: string; readonly answer: T } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, answer: make(text) };
    return last.answer;
  };
}

/** Classifies every character of a text. Quotes count as part of their string. */
export const classifyPython = ofLastText((text: string): Kinds => {
  const kinds = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ) {
    const c = text[i]!;
    if (c === "#") {
      while (i < text.length && text[i] !== "\n") kinds[i++] = COMMENT;
    } else if (c === '"' || c === "'") {
      const end = stringEnd(text, i);
      kinds.fill(STRING, i, end);
      i = end;
    } else i++;
  }
  return kinds;
});

/** The offset behind a string that starts at `i`. An unterminated one ends with its line, a triple-quoted one with the text. */
function stringEnd(text: string, i: number): number {
  const quote = text[i]!;
  const triple = text.startsWith(quote.repeat(3), i);
  const close = triple ? quote.repeat(3) : quote;
  let at = i + close.length;
  for (; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text.startsWith(close, at)) return at + close.length;
    else if (!triple && text[at] === "\n") return at;
  }
  return Math.min(at, text.length);
}

/** Offsets of the lines of a text. */
export const lineStarts = ofLastText((text: string): readonly number[] => {
  const out = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) out.push(i + 1);
  return out;
});

/** The offset of a position; clamped to the text. */
export function offsetAt(starts: readonly number[], position: Position, length: number): number {
  const start = starts[position.line];
  return start === undefined ? length : Math.min(start + position.column, length);
}

/** The position of an offset. */
export function positionAt(starts: readonly number[], offset: number): Position {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low, column: offset - starts[low]! };
}

/** The argument list of a call. */
export interface Arguments {
  /** Offset behind the opening bracket. */
  readonly open: number;
  /** Offset of the closing bracket. */
  readonly close: number;
  /** Offset behind the last character of code before the closing bracket; equal to `open` without arguments. */
  readonly lastCode: number;
  /** Whether the last argument is followed by a comma. */
  readonly trailingComma: boolean;
  /** Whether an argument is `*args` or `**kwargs`. */
  readonly starred: boolean;
}

/** The argument list that closes at the end of a call [start, end); undefined where the text is not a call. */
export function callArguments(text: string, kinds: Kinds, start: number, end: number): Arguments | undefined {
  let depth = 0;
  let open: number | undefined;
  let lastCode = start;
  let starred = false;
  // Whether the next code character begins an argument.
  let begins = false;
  for (let i = start; i < end; i++) {
    const code = kinds[i] === CODE;
    const c = text[i]!;
    if (kinds[i] === COMMENT || (code && /\s/.test(c))) continue;
    if (code && ")]}".includes(c)) {
      depth--;
      if (depth === 0 && i === end - 1 && c === ")" && open !== undefined) {
        return { open, close: i, lastCode, trailingComma: lastCode > open && text[lastCode - 1] === ",", starred };
      }
    }
    if (code && depth === 1 && begins && c === "*") starred = true;
    begins = code && depth === 1 && c === ",";
    lastCode = i + 1;
    if (code && "([{".includes(c)) {
      depth++;
      if (depth === 1) {
        open = i + 1;
        starred = false;
        begins = true;
      }
    }
  }
  return undefined;
}

/**
 * @file Cuts a Python text into its top-level statements without parsing it. Each piece is parsed alone, so a broken
 * class never takes its neighbours with it, and an edit costs one small parse.
 */

/** A stretch of whole lines that holds one or more complete top-level statements. */
export interface TextPiece {
  /** Offset of its first character in the file. */
  readonly start: number;
  /** Its first line, zero based. */
  readonly line: number;
  readonly text: string;
}

const STARTS_ANEW = /^(?:class|def|async\s+def|import|from)\b|^@/;
const CONTINUES = /^(?:else|elif|except|finally)\b/;

/** What the scanner is inside of at the end of a line. */
interface ScanState {
  quote: string;
  depth: number;
  escaped: boolean;
}

/** Reads one line and updates the state: open triple quotes, open brackets, a trailing backslash. */
function scanLine(line: string, state: ScanState): void {
  state.escaped = false;
  let i = 0;
  while (i < line.length) {
    if (state.quote) {
      if (line[i] === "\\") i += 2;
      else if (line.startsWith(state.quote, i)) {
        i += state.quote.length;
        state.quote = "";
      } else i++;
      continue;
    }
    const c = line[i]!;
    if (c === "#") break;
    if (c === '"' || c === "'") {
      const triple = c.repeat(3);
      state.quote = line.startsWith(triple, i) ? triple : c;
      i += state.quote.length;
      continue;
    }
    if (c === "(" || c === "[" || c === "{") state.depth++;
    else if (c === ")" || c === "]" || c === "}") state.depth = Math.max(0, state.depth - 1);
    else if (c === "\\" && i === line.length - 1) state.escaped = true;
    i++;
  }
  // A plain quote does not reach beyond its line.
  if (state.quote.length === 1) state.quote = "";
}

/** Splits a text. The pieces cover it without gaps; blank lines and comments go to the piece before them. */
export function splitChunks(text: string): TextPiece[] {
  const out: TextPiece[] = [];
  const state: ScanState = { quote: "", depth: 0, escaped: false };
  let pieceStart = 0;
  let pieceLine = 0;
  let decorated = false;
  let at = 0;
  let line = 0;
  while (at < text.length) {
    let end = text.indexOf("\n", at);
    if (end < 0) end = text.length;
    const content = text.slice(at, end).replace(/\r$/, "");
    const inString = state.quote !== "";
    const anew = STARTS_ANEW.test(content);
    const startsHere =
      !inString &&
      /^[^\s#)\]}]/.test(content) &&
      (anew || (state.depth === 0 && !state.escaped)) &&
      !CONTINUES.test(content) &&
      !decorated;
    if (startsHere && at > pieceStart) {
      out.push({ start: pieceStart, line: pieceLine, text: text.slice(pieceStart, at) });
      pieceStart = at;
      pieceLine = line;
    }
    if (startsHere) {
      state.depth = 0;
      state.escaped = false;
    }
    // A decorator belongs to the definition after it, also when it spans several lines.
    if (!inString && /^[^\s#]/.test(content) && (state.depth === 0 || anew)) decorated = content.startsWith("@");
    scanLine(content, state);
    at = end + 1;
    line++;
  }
  if (pieceStart < text.length) out.push({ start: pieceStart, line: pieceLine, text: text.slice(pieceStart) });
  return out;
}

/**
 * @file Whether code in a file would break once a layer has no bias: `self.conv.bias.zero_()`, or an initialisation loop
 * that fills `m.bias` of every module without asking whether there is one.
 */
import { classifyPython } from "./python-text";

/** A place that reads a bias; the line counts from 1. */
export interface BiasReader {
  readonly line: number;
  readonly code: string;
}

const READ = /([A-Za-z_][\w.]*(?:\[[^\]\n]*\])*)\s*\.\s*bias\b(?!\s*=(?!=))/g;

/** The reading of the bias of one of these attributes, or of some module that may be it; undefined where there is none. */
export function unguardedBiasReader(text: string, attributes: readonly string[]): BiasReader | undefined {
  const kinds = classifyPython(text);
  const code = Array.from(text, (c, i) => (kinds[i] === 0 || c === "\n" ? c : " ")).join("");
  const lines = code.split("\n");
  for (const [number, line] of lines.entries()) {
    for (const match of line.matchAll(READ)) {
      const subject = match[1]!;
      const last = subject.split(".").at(-1)!.replace(/\[.*$/, "");
      // `self.bias` is the class's own; `self.fc.bias` some other layer's when `fc` is none of ours; `m.bias` may be anybody's.
      if (subject === "self" || subject === "cls") continue;
      const named = subject.includes(".") && /^[A-Za-z_]\w*$/.test(last);
      if (named && !attributes.includes(last)) continue;
      if (isGuarded(lines, number, subject) || isTest(line, match.index, subject)) continue;
      return { line: number + 1, code: text.split("\n")[number]!.trim() };
    }
  }
  return undefined;
}

/** `if m.bias is not None` and its like: the reading is the question itself. */
function isTest(line: string, index: number, subject: string): boolean {
  const rest = line.slice(index + subject.length).replace(/^\s*\.\s*bias/, "");
  if (/^\s*is\s+(not\s+)?None\b/.test(rest)) return true;
  return /^\s*(if|elif|while)\b/.test(line.slice(0, index)) && /^\s*(:|and\b|or\b)/.test(rest);
}

/** Whether a line stands below `if ... <subject>.bias ...` or a `hasattr`-like question, in a block that it opens. */
function isGuarded(lines: readonly string[], number: number, subject: string): boolean {
  const escaped = subject.replace(/[.[\]*+?^${}()|\\]/g, "\\$&");
  const question = new RegExp(`\\b(if|elif|while)\\b.*\\b${escaped}\\s*\\.\\s*bias\\b`);
  const own = lines[number]!;
  if (question.test(own)) return true;
  let indent = width(own);
  for (let k = number - 1; k >= 0 && number - k < 40; k--) {
    const line = lines[k]!;
    if (line.trim() === "") continue;
    if (width(line) >= indent) continue;
    if (question.test(line)) return true;
    indent = width(line);
    if (/^\s*(def|class)\b/.test(line)) return false;
  }
  return false;
}

function width(line: string): number {
  return line.length - line.trimStart().length;
}

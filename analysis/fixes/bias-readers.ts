/**
 * @file Whether code in a file would break once a layer has no bias: `self.conv.bias.zero_()`, or an initialisation loop
 * that fills `m.bias` of every module without asking whether there is one.
 */
import { classifyPython, ofLastText } from "./python-text";

/** A place that reads a bias; the line counts from 1. */
export interface BiasReader {
  readonly line: number;
  readonly code: string;
}

const READ = /([A-Za-z_][\w.]*(?:\[[^\]\n]*\])*)\s*\.\s*bias\b(?!\s*=(?!=))/g;

interface Reading extends BiasReader {
  /** The attribute whose bias is read; undefined where it may be any module's. */
  readonly attribute: string | undefined;
}

/** The reading of the bias of one of these attributes, or of some module that may be it; undefined where there is none. */
export function unguardedBiasReader(text: string, attributes: readonly string[]): BiasReader | undefined {
  const found = readingsOf(text).find((r) => r.attribute === undefined || attributes.includes(r.attribute));
  return found && { line: found.line, code: found.code };
}

/** All readings of biases in a text that do not ask whether there is one. */
const readingsOf = ofLastText((text: string): readonly Reading[] => {
  const kinds = classifyPython(text);
  const code = text.split("").map((c, i) => (kinds[i] === 0 || c === "\n" ? c : " "));
  const lines = code.join("").split("\n");
  const written = text.split("\n");
  return lines.flatMap((line, number) =>
    line.includes("bias") ? [...line.matchAll(READ)].flatMap((match) => reading(lines, written, number, match)) : [],
  );
});

function reading(lines: readonly string[], written: readonly string[], number: number, match: RegExpExecArray): Reading[] {
  const subject = match[1]!;
  const last = subject.split(".").at(-1)!.replace(/\[.*$/, "");
  // `self.bias` is the class's own; `self.fc.bias` some other layer's when `fc` is none of ours; `m.bias` may be anybody's.
  if (subject === "self" || subject === "cls") return [];
  if (isGuarded(lines, number, subject) || isTest(lines[number]!, match.index, subject)) return [];
  const named = subject.includes(".") && /^[A-Za-z_]\w*$/.test(last);
  return [{ line: number + 1, code: written[number]!.trim(), attribute: named ? last : undefined }];
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

/** @file Edits that silence a finding by a comment, for editors to offer. */
import { say } from "../texts/say";
import { ofLastText } from "../fixes/python-text";
import type { Finding, Fix, TextEdit } from "../rules/finding";
import { readSuppressions } from "./suppressions";

const linesOf = ofLastText((text) => text.split(/\r\n|\n|\r/));

/** Ways to silence a finding of a Python text: on its line, and in the whole file. */
export function silencingFixes(finding: Finding, text: string): Fix[] {
  const { range, rule, file } = finding;
  if (!range || range.file !== file) return [];
  const lines = linesOf(text);
  const newline = /\r\n/.test(text) ? "\r\n" : "\n";
  const fix = (title: string, edit: TextEdit): Fix => ({ title, exact: true, edits: [edit] });
  return [
    fix(say`Ignore ${rule} on this line`, onLine(finding, text, lines, newline)),
    fix(say`Ignore ${rule} in this file`, {
      range: { file, ...insertion(headLength(lines), 0) },
      newText: `# noether: ignore-file[${rule}]${newline}`,
    }),
  ];
}

function insertion(line: number, column: number): Pick<TextEdit["range"], "start" | "end"> {
  return { start: { line, column }, end: { line, column } };
}

/** Joins a comment that is there already, or adds one where a comment can stand. */
function onLine(finding: Finding, text: string, lines: readonly string[], newline: string): TextEdit {
  const { start } = finding.range!;
  const { file, rule } = finding;
  const before = readSuppressions(text).find((s) => s.from === start.line && s.to === start.line && s.rules.length > 0);
  if (before) {
    const { line, column, text: comment } = before.comment;
    const bracket = column + comment.indexOf("]");
    return { range: { file, ...insertion(line, bracket) }, newText: `, ${rule}` };
  }
  const line = lines[start.line] ?? "";
  // Behind a backslash or inside a string over several lines there is no place for a comment: it goes above.
  if (/\\\s*$/.test(line) || /("""|''')/.test(line) || line.includes("#")) {
    const indent = /^\s*/.exec(line)![0];
    return { range: { file, ...insertion(start.line, 0) }, newText: `${indent}# noether: ignore[${rule}]${newline}` };
  }
  return { range: { file, ...insertion(start.line, line.trimEnd().length) }, newText: `  # noether: ignore[${rule}]` };
}

/** Lines that must stay first: the interpreter and the encoding. */
function headLength(lines: readonly string[]): number {
  let n = 0;
  if (lines[0]?.startsWith("#!")) n++;
  if (/^#.*coding[:=]/.test(lines[n] ?? "")) n++;
  return n;
}

/**
 * @file Comments that silence findings:
 *   `x = f()  # noether: ignore[rule] reason`   this line; on a line of its own, the next line of code
 *   `# noether: off[rule] reason` ... `# noether: on[rule]`   the lines between
 *   `# noether: ignore-file[rule] reason`   the whole file
 * Without brackets all rules are meant; several are separated by commas.
 */
import { say } from "../texts/say";
import { ofLastText } from "../fixes/python-text";
import type { Finding, Severity } from "../rules/finding";
import { type Comment, commentsOf } from "./comments";

/** One comment that silences. */
export interface Suppression {
  readonly comment: Comment;
  /** Rules that it names; empty for all. */
  readonly rules: readonly string[];
  /** What stands behind it, for people. */
  readonly reason: string;
  /** Lines that it covers, both inclusive. */
  readonly from: number;
  readonly to: number;
}

const MARK = /#\s*noether:\s*(ignore-file|ignore|off|on)\b\s*(?:\[([^\]]*)\])?\s*(?:[-:\u2013\u2014]+\s*)?(.*)$/i;

/** All suppressions of a text, by line. */
export const readSuppressions = ofLastText((text: string): readonly Suppression[] => {
  if (!/noether:/i.test(text)) return [];
  const lines = text.split("\n");
  const out: Suppression[] = [];
  const open: { comment: Comment; rules: readonly string[]; reason: string }[] = [];
  const close = (rules: readonly string[], last: number): void => {
    for (let i = open.length - 1; i >= 0; i--) {
      const o = open[i]!;
      // `on` ends what it names, or everything.
      if (rules.length > 0 && String(o.rules) !== String(rules)) continue;
      out.push({ ...o, from: o.comment.line, to: last });
      open.splice(i, 1);
    }
  };
  for (const comment of commentsOf(text)) {
    const match = MARK.exec(comment.text);
    if (!match) continue;
    const rules = (match[2] ?? "")
      .split(",")
      .map((r) => r.trim())
      .filter((r) => r !== "");
    const said = { comment, rules, reason: match[3]!.trim() };
    switch (match[1]!.toLowerCase()) {
      case "ignore-file":
        out.push({ ...said, from: 0, to: lines.length });
        break;
      case "off":
        open.push(said);
        break;
      case "on":
        close(rules, comment.line);
        break;
      default: {
        const line = comment.alone ? nextCode(lines, comment.line) : comment.line;
        out.push({ ...said, from: line, to: line });
      }
    }
  }
  close([], lines.length);
  return out.sort((a, b) => a.comment.line - b.comment.line);
});

/** The line of code that a comment of its own line speaks of. */
function nextCode(lines: readonly string[], line: number): number {
  for (let i = line + 1; i < lines.length; i++) {
    const text = lines[i]!.trim();
    if (text !== "" && !text.startsWith("#")) return i;
  }
  return line;
}

/** Findings that stay, and how often each suppression was of use. */
export interface Suppressed {
  readonly kept: readonly Finding[];
  readonly silenced: readonly { readonly finding: Finding; readonly suppression: Suppression }[];
  readonly unused: readonly Suppression[];
}

/**
 * Silences the findings of one file. A finding over several lines is silenced on its first line and on its last, where a
 * comment behind the statement stands.
 */
export function suppress(findings: readonly Finding[], suppressions: readonly Suppression[]): Suppressed {
  const used = new Set<Suppression>();
  const kept: Finding[] = [];
  const silenced: { finding: Finding; suppression: Suppression }[] = [];
  for (const finding of findings) {
    const { range } = finding;
    const by = suppressions.find((s) => {
      if (s.rules.length > 0 && !s.rules.includes(finding.rule)) return false;
      if (!range) return false;
      return [range.start.line, range.end.line].some((line) => line >= s.from && line <= s.to);
    });
    if (by) {
      used.add(by);
      silenced.push({ finding, suppression: by });
    } else kept.push(finding);
  }
  return { kept, silenced, unused: suppressions.filter((s) => !used.has(s)) };
}

/** The id under which unused suppressions are reported. */
export const UNUSED_SUPPRESSION = "unused-suppression";

/** A suppression that silences nothing, as a finding whose fix removes the comment. */
export function unusedSuppression(file: string, text: string, s: Suppression, severity: Severity): Finding {
  const { line, column, alone } = s.comment;
  const source = text.split("\n")[line]!.replace(/\r$/, "");
  const range = { file, start: { line, column }, end: { line, column: source.length } };
  const start = alone ? { line, column: 0 } : { line, column: source.slice(0, column).trimEnd().length };
  const end = alone ? { line: line + 1, column: 0 } : range.end;
  const what = s.rules.length > 0 ? s.rules.join(", ") : say`any rule`;
  return {
    rule: UNUSED_SUPPRESSION,
    severity,
    file,
    range,
    message: say`this comment silences nothing: there is no finding of ${what} here`,
    symmetry: "",
    related: [],
    fixes: [{ title: say`Remove the comment`, exact: true, edits: [{ range: { file, start, end }, newText: "" }] }],
  };
}

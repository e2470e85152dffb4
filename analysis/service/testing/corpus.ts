/**
 * @file The corpus of Python snippets in testFixtures/corpus, one file per rule, and one of realistic code for all of them
 * (`realistic.txt`: real styles, labelled before any rule had seen them; fixes are not written out).
 *
 * A case is a title behind `===`, Python, and behind `==>` the expectations: `no findings`, or one line per finding with its
 * rule, the text that it stands on and, behind `->`, that text after the fix (¶ is a line break, `(removed)` says that the
 * statement is gone); `missed RULE: text` a finding that there should be and is not; `message:` a line that some message has;
 * `quiet RULE` that a rule which is a hint or remark finds nothing; `spaces Net: 8 6` the sizes of a model's channel spaces.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { checkFile } from "../../fixes/check";
import { lineStarts, offsetAt } from "../../fixes/python-text";
import type { SourceRange } from "../../graph/source";
import type { Finding } from "../../rules/finding";
import { checkedFile } from "../checked-file";
import { Loader } from "../models";
import { edited } from "./edited";

const FOLDER = path.resolve(import.meta.dirname, "../../../testFixtures/corpus");

/** The file of snippets for all rules. */
export const REALISTIC = "realistic";

/** One snippet. */
export interface Case {
  readonly title: string;
  readonly python: string;
  readonly expected: readonly string[];
}

/** The files of the corpus, by the rule that each is about. */
export function corpusRules(): string[] {
  return readdirSync(FOLDER).flatMap((f) => (f.endsWith(".txt") ? [f.slice(0, -".txt".length)] : []));
}

/** The cases of a rule's file. Throws where one has no expectations. */
export function cases(rule: string): Case[] {
  const file = `${rule}.txt`;
  const text = readFileSync(path.join(FOLDER, file), "utf8");
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const [head, expectations, ...more] = part.split(/^==>\n/m);
      if (head === undefined || expectations === undefined || more.length > 0) throw new Error(`${file}: a case without ==>`);
      const at = head.indexOf("\n");
      return {
        title: head.slice(0, at),
        python: head.slice(at + 1),
        expected: expectations.split("\n").filter((line) => line.trim() !== ""),
      };
    });
}

function textAt(text: string, range: SourceRange, extra = 0): string {
  const starts = lineStarts(text);
  const end = offsetAt(starts, range.end, text.length) + extra;
  return text.slice(offsetAt(starts, range.start, text.length), end).replaceAll("\n", "¶");
}

/** A finding as the corpus writes it, with what its fix makes of the text that it stands on. */
export function written(text: string, f: Finding): string {
  const before = `${f.rule}: ${textAt(text, f.range!)}`;
  // What changes training has tests of its own.
  const fix = f.fixes.find((x) => x.exact);
  if (!fix) return before;
  const starts = lineStarts(text);
  const at = (p: { readonly line: number; readonly column: number }) => offsetAt(starts, p, text.length);
  const [start, end] = [at(f.range!.start), at(f.range!.end)];
  if (fix.edits.some((e) => at(e.range.start) < start && at(e.range.end) > end)) return `${before} -> (removed)`;
  const inside = fix.edits.filter((e) => at(e.range.start) >= start && at(e.range.end) <= end);
  const after = edited(text, inside);
  return `${before} -> ${textAt(after, { ...f.range!, end: f.range!.start }, end - start + after.length - text.length)}`;
}

/** The findings that a case is about: those of the file's rule and of rules that it names, and all that are loud. */
export function relevant(rule: string, expected: readonly string[], findings: readonly Finding[]): Finding[] {
  // Hints of other rules are the business of their own files.
  const mine = new Set([rule, ...expected.map((line) => line.split(":")[0]!.replace("quiet ", ""))]);
  const isLoud = (f: Finding) => f.severity === "error" || f.severity === "warning";
  return findings.filter((f) => mine.has(f.rule) || isLoud(f));
}

/** The lines of a case that say what is found. */
export function wanted(expected: readonly string[]): string[] {
  return expected.filter((line) => !/^(message|missed|spaces \w+|quiet|no findings)/.test(line));
}

/** How the findings of one rule compare with the labels. */
export interface Score {
  readonly rule: string;
  /** Cases in which the rule should find something, and in which it should not. */
  readonly positive: number;
  readonly negative: number;
  readonly found: number;
  /** Found and labelled. */
  readonly right: number;
  readonly labelled: number;
}

/** Runs the whole corpus. Findings count for the rule that made them, in whatever file they turn up. */
export async function scores(): Promise<Score[]> {
  const out = new Map<string, { positive: number; negative: number; found: number; right: number; labelled: number }>();
  const of = (rule: string) => {
    const known = out.get(rule) ?? { positive: 0, negative: 0, found: 0, right: 0, labelled: 0 };
    out.set(rule, known);
    return known;
  };
  const loader = new Loader({ analysis: { numeric: false } });
  for (const rule of corpusRules()) {
    for (const { title, python, expected } of cases(rule)) {
      const loaded = await loader.loadPython(`${title.replaceAll(" ", "-")}.py`, python);
      const labels = new Map<string, number>();
      const label = (line: string): void => {
        labels.set(line, (labels.get(line) ?? 0) + 1);
        of(line.split(":")[0]!).labelled++;
      };
      for (const line of wanted(expected)) label(line.split(" -> ")[0]!);
      for (const line of expected) if (line.startsWith("missed ")) label(line.slice("missed ".length));
      const isPositive = [...labels.keys()].some((l) => rule === REALISTIC || l.startsWith(`${rule}:`));
      if (isPositive) of(rule).positive++;
      else of(rule).negative++;
      for (const f of relevant(rule, expected, checkFile(checkedFile(loaded)))) {
        const line = written(python, f).split(" -> ")[0]!;
        const left = labels.get(line) ?? 0;
        of(f.rule).found++;
        if (left > 0) of(f.rule).right++;
        labels.set(line, left - 1);
      }
    }
  }
  return [...out].map(([rule, score]) => ({ rule, ...score }));
}

/** @file Findings as `noether check` prints them: for people, and as JSON (schema/findings.schema.json). */
import type { SourceRange } from "../graph/source";
import type { Finding, Fix, Severity } from "../rules/finding";
import { PLAIN, type Style } from "./style";
import { plural } from "./words";

/** One finding of the public JSON; lines and columns count from 1. Findings in ONNX files name a node and have no place. */
export interface FindingJson {
  readonly rule: string;
  readonly severity: Severity;
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly endLine: number | null;
  readonly endColumn: number | null;
  readonly node?: string;
  readonly message: string;
  readonly symmetry: string;
  readonly related: readonly { readonly label: string; readonly file: string; readonly line: number; readonly column: number }[];
  readonly fixes: readonly {
    readonly title: string;
    readonly exact: boolean;
    readonly note?: string;
    readonly edits: readonly {
      readonly file: string;
      readonly line: number;
      readonly column: number;
      readonly endLine: number;
      readonly endColumn: number;
      readonly newText: string;
    }[];
  }[];
}

function rangeJson(range: SourceRange) {
  return {
    line: range.start.line + 1,
    column: range.start.column + 1,
    endLine: range.end.line + 1,
    endColumn: range.end.column + 1,
  };
}

/** One finding. */
export function findingJson(finding: Finding): FindingJson {
  const place = finding.range ? rangeJson(finding.range) : { line: null, column: null, endLine: null, endColumn: null };
  return {
    rule: finding.rule,
    severity: finding.severity,
    file: finding.file,
    ...place,
    ...(finding.node === undefined ? {} : { node: finding.node }),
    message: finding.message,
    symmetry: finding.symmetry,
    related: finding.related.map(({ label, range }) => ({
      label,
      file: range.file,
      line: range.start.line + 1,
      column: range.start.column + 1,
    })),
    fixes: finding.fixes.map((fix) => ({
      title: fix.title,
      exact: fix.exact,
      ...(fix.note === undefined ? {} : { note: fix.note }),
      edits: fix.edits.map((e) => ({ file: e.range.file, ...rangeJson(e.range), newText: e.newText })),
    })),
  };
}

/** Findings in the order in which a person meets them: by file, then by place. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  const at = (f: Finding): readonly [number, number] => (f.range ? [f.range.start.line, f.range.start.column] : [-1, -1]);
  return [...findings].sort((a, b) => {
    if (a.file !== b.file) return a.file < b.file ? -1 : 1;
    const [p, q] = [at(a), at(b)];
    return p[0] - q[0] || p[1] - q[1] || a.rule.localeCompare(b.rule);
  });
}

/** What a run looked at, for the last line of its report. */
export interface CheckSummary {
  readonly files: number;
  readonly models: number;
  /** Classes and texts that could not be analysed. */
  readonly skipped?: number;
  /** Findings that are not shown: only errors were asked for. */
  readonly hidden?: number;
}

const PAINT: Readonly<Record<Severity, (style: Style, text: string) => string>> = {
  error: (s, t) => s.bad(t),
  warning: (s, t) => s.warning(t),
  info: (s, t) => s.info(t),
  hint: (s, t) => s.quiet(t),
};

/** The report of findings, with a summary as its last line; no line break at the end. */
export function findingsText(findings: readonly Finding[], summary: CheckSummary, style: Style = PLAIN): string {
  const blocks = findingBlocks(findings, style);
  return [...blocks, summaryLine(findings, summary, style)].join(blocks.length > 0 ? "\n\n" : "\n");
}

/** Findings as blocks of lines, in the order in which a person meets them. */
export function findingBlocks(findings: readonly Finding[], style: Style = PLAIN): string[] {
  return sortFindings(findings).map((f) => block(f, style));
}

function block(f: Finding, style: Style): string {
  const place = f.range ? `${f.file}:${f.range.start.line + 1}:${f.range.start.column + 1}` : f.file;
  const [first, ...rest] = f.message.split("\n");
  const severity = PAINT[f.severity](style, f.severity);
  const lines = [
    `${style.place(place)}: ${severity}: ${style.title(first!)} ${style.quiet(`[${f.rule}]`)}`,
    ...rest.map((l) => `    ${l}`),
    ...f.related.map(
      ({ label, range }) => `    ${style.quiet(`${label}: ${range.file}:${range.start.line + 1}:${range.start.column + 1}`)}`,
    ),
    ...f.fixes.map((fix) => `    ${style.good("fix")}: ${fix.title}${told(fix)}`),
  ];
  return lines.join("\n");
}

function summaryLine(findings: readonly Finding[], summary: CheckSummary, style: Style): string {
  const skipped = summary.skipped ? `, ${summary.skipped} not understood (--verbose says what)` : "";
  const looked = `${plural(summary.models, "model")} in ${plural(summary.files, "file")} checked${skipped}`;
  if (findings.length === 0) {
    return summary.hidden
      ? `no errors; ${plural(summary.hidden, "other finding")}; ${looked}`
      : `${style.good("no findings")}; ${looked}`;
  }
  const counts = (["error", "warning", "info", "hint"] as const)
    .map((severity) => ({ severity, n: findings.filter((f) => f.severity === severity).length }))
    .filter(({ n }) => n > 0)
    .map(({ severity, n }) => {
      const [one, many] = severity === "info" ? ["remark", "remarks"] : [severity, `${severity}s`];
      return PAINT[severity](style, plural(n, one!, many));
    });
  const fixable = findings.filter((f) => f.fixes.some((fix) => fix.exact)).length;
  const fixes = fixable > 0 ? `; ${fixable === findings.length ? "all" : fixable} fixable by --fix` : "";
  return `${counts.join(", ")}${fixes}; ${looked}`;
}

/** What a fix changes, in brackets. */
function told({ exact, note }: Fix): string {
  const said = note ?? (exact ? "the function stays the same" : "");
  return said === "" ? "" : ` (${said})`;
}

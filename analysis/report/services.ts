/** @file Findings in the formats of continuous integration services: GitHub, GitLab, JUnit. */
import path from "node:path";
import type { Finding, Severity } from "../rules/finding";
import { sortFindings } from "./findings";
import { Fingerprints } from "./sarif";

const ANNOTATIONS = { error: "error", warning: "warning", info: "notice", hint: "notice" } as const;

/** Workflow commands of GitHub Actions, one line per finding. */
export function githubAnnotations(findings: readonly Finding[], root: string): string {
  return sortFindings(findings)
    .map((f) => {
      const place = f.range
        ? `,line=${f.range.start.line + 1},col=${f.range.start.column + 1},endLine=${f.range.end.line + 1},endColumn=${f.range.end.column + 1}`
        : "";
      const file = property(relative(root, f.range?.file ?? f.file));
      return `::${ANNOTATIONS[f.severity]} file=${file}${place},title=${property(`noether ${f.rule}`)}::${data(f.message)}`;
    })
    .join("\n");
}

function data(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}

const GITLAB: Readonly<Record<Severity, string>> = { error: "critical", warning: "major", info: "minor", hint: "info" };

/** A GitLab Code Quality report. */
export function gitlabReport(findings: readonly Finding[], root: string): string {
  const print = new Fingerprints();
  const entries = sortFindings(findings).map((f) => ({
    check_name: f.rule,
    description: f.message.split("\n")[0],
    content: { body: f.message },
    fingerprint: print.of(f, root),
    severity: GITLAB[f.severity],
    location: {
      path: relative(root, f.range?.file ?? f.file),
      lines: { begin: (f.range?.start.line ?? 0) + 1, end: (f.range?.end.line ?? 0) + 1 },
    },
  }));
  return JSON.stringify(entries, undefined, 2);
}

/** What was checked, for reports that also list what is right. */
export interface CheckedFiles {
  readonly files: readonly string[];
  readonly failures: readonly { readonly file: string; readonly message: string }[];
}

/** A JUnit report: a test suite per file, a failure per finding; hints and remarks do not fail. */
export function junitReport(findings: readonly Finding[], { files, failures }: CheckedFiles, root: string): string {
  const sorted = sortFindings(findings);
  const all = [...new Set([...files, ...sorted.map((f) => f.file)])];
  const failing = (f: Finding): boolean => f.severity === "error" || f.severity === "warning";
  const suites = all.map((file) => {
    const own = sorted.filter((f) => f.file === file);
    const broken = failures.filter((f) => f.file === file);
    const name = xml(relative(root, file));
    const cases = [
      ...own.map((f) => {
        const place = f.range ? `:${f.range.start.line + 1}:${f.range.start.column + 1}` : "";
        const head = `    <testcase name="${xml(f.rule)}${place}" classname="${name}">`;
        const tag = failing(f) ? "failure" : "system-out";
        const first = failing(f) ? ` type="${f.severity}" message="${xml(f.message.split("\n")[0]!)}"` : "";
        return `${head}\n      <${tag}${first}>${xml(f.message)}</${tag}>\n    </testcase>`;
      }),
      ...broken.map(
        (b) => `    <testcase name="analysis" classname="${name}">\n      <error message="${xml(b.message)}"/>\n    </testcase>`,
      ),
    ];
    if (cases.length === 0) cases.push(`    <testcase name="noether" classname="${name}"/>`);
    const failed = own.filter(failing).length;
    return `  <testsuite name="${name}" tests="${cases.length}" failures="${failed}" errors="${broken.length}">\n${cases.join("\n")}\n  </testsuite>`;
  });
  const total = sorted.filter(failing).length;
  const head = `<testsuites name="noether" failures="${total}" errors="${failures.length}">`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${[head, ...suites, "</testsuites>"].join("\n")}`;
}

function xml(text: string): string {
  return (
    text
      // XML 1.0 knows no control characters but these.
      // oxlint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F]/g, "?")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
  );
}

function relative(root: string, file: string): string {
  const out = path.relative(root, path.resolve(file)).split(path.sep).join("/");
  return out.startsWith("..") ? file : out;
}

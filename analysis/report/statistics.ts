/** @file Counts of findings by rule. */
import type { Finding } from "../rules/finding";
import { PLAIN, type Style } from "./style";
import { count } from "./words";

/** How often a rule finds something. */
export interface RuleCount {
  readonly rule: string;
  readonly count: number;
  /** Of these, those that an exact fix mends. */
  readonly fixable: number;
}

/** Rules with their numbers of findings, most frequent first. */
export function statistics(findings: readonly Finding[]): RuleCount[] {
  const rows = [...new Set(findings.map((f) => f.rule))].map((rule) => {
    const own = findings.filter((f) => f.rule === rule);
    return { rule, count: own.length, fixable: own.filter((f) => f.fixes.some((fix) => fix.exact)).length };
  });
  return rows.sort((a, b) => b.count - a.count || a.rule.localeCompare(b.rule));
}

/** The same for people. */
export function statisticsText(findings: readonly Finding[], style: Style = PLAIN): string {
  const rows = statistics(findings);
  const width = Math.max(0, ...rows.map((r) => count(r.count).length));
  return rows
    .map(({ rule, count: n, fixable }) => {
      const note = fixable > 0 ? style.quiet(`  ${fixable === n ? "all" : count(fixable)} fixable exactly`) : "";
      return `${count(n).padStart(width)}  ${rule}${note}`;
    })
    .join("\n");
}

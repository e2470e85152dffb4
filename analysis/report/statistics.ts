/** @file Counts of findings by rule. */
import type { Finding } from "../rules/finding";
import { PLAIN, type Style } from "./style";
import { count } from "./words";

/** Rules with their numbers of findings and of those that an exact fix mends, most frequent first. */
export function statisticsText(findings: readonly Finding[], style: Style = PLAIN): string {
  const rows = [...new Set(findings.map((f) => f.rule))].map((rule) => {
    const own = findings.filter((f) => f.rule === rule);
    return { rule, n: own.length, fixable: own.filter((f) => f.fixes.some((fix) => fix.exact)).length };
  });
  rows.sort((a, b) => b.n - a.n || a.rule.localeCompare(b.rule));
  const width = Math.max(0, ...rows.map((r) => count(r.n).length));
  return rows
    .map(({ rule, n, fixable }) => {
      const note = fixable > 0 ? style.quiet(`  ${fixable === n ? "all" : count(fixable)} fixable exactly`) : "";
      return `${count(n).padStart(width)}  ${rule}${note}`;
    })
    .join("\n");
}

/** @file `noether explain RULE` and `noether rules`: the documentation of the rules on a terminal. */
import { meant } from "../configuration/nearest";
import { explanation } from "../rules/page";
import { rules } from "../rules/registry";
import type { ExplainArguments } from "./arguments/explain";
import type { RulesArguments } from "./arguments/rules";
import type { Console } from "./console";
import { EXIT, UsageError } from "./usage";

/** Prints what a rule finds, why it matters and what to do. @throws UsageError where there is no such rule */
export function explain({ rule: id, format }: ExplainArguments, console: Console): number {
  const rule = rules.find((r) => r.id === id);
  if (!rule) {
    const ids = rules.map((r) => r.id);
    throw new UsageError(`there is no rule ${id}${meant(id, ids)}; noether rules lists them`);
  }
  if (format === "json") console.out(JSON.stringify(ruleJson(rule), undefined, 2));
  else console.out(explanation(rule, Math.min(100, Math.max(60, console.columns ?? 100))));
  return EXIT.ok;
}

/** Lists all rules. */
export function listRules({ format }: RulesArguments, console: Console): number {
  if (format === "json") {
    console.out(JSON.stringify(rules.map(ruleJson), undefined, console.isTTY ? 2 : undefined));
    return EXIT.ok;
  }
  const names = Math.max(...rules.map((r) => r.id.length));
  const levels = Math.max(...rules.map((r) => r.severity.length));
  const lines = rules.map((r) => `${r.id.padEnd(names)}  ${r.severity.padEnd(levels)}  ${r.title}`);
  console.out([...lines, "", "noether explain RULE says more."].join("\n"));
  return EXIT.ok;
}

function ruleJson(rule: (typeof rules)[number]): object {
  const { id, title, severity, category, since, documentation, examples, options = {} } = rule;
  return { id, title, severity, category, since, documentation, examples, options };
}

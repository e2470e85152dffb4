/** @file Rules as people read them: the page of each, the table of all, and what `noether explain` prints. */
import type { Rule } from "./rule";

/** What Noether says of a rule's example, line by line. */
export interface ExampleFindings {
  readonly bad: readonly string[];
}

const SEVERITIES: Readonly<Record<Rule["severity"], string>> = {
  error: "error",
  warning: "warning",
  info: "remark",
  hint: "hint",
};

const CATEGORIES: Readonly<Record<Rule["category"], string>> = {
  redundancy: "Redundancy: parameters that do nothing, or the same twice",
  collapse: "Collapse: symmetries that training cannot or does not break",
  initialisation: "Initialisation: starts that cannot be left",
  optimisation: "Optimisation: what optimisers do along symmetries",
  sharing: "Sharing: one tensor under several names",
  opportunity: "Opportunities and notes",
};

/** Where a rule looks, in a few words. */
function source(rule: Rule): string {
  if (rule.onnxOnly) return "ONNX files";
  return rule.measured ? "probe runs" : "source and ONNX files";
}

/** The page of a rule in Markdown, without a final line break. `findings` are what the bad example gives. */
export function rulePage(rule: Rule, findings: readonly string[]): string {
  const { documentation: d, examples, options } = rule;
  const python = (code: string): string => `\`\`\`python\n${code.trimEnd()}\n\`\`\``;
  const said = findings.length > 0 ? ["Noether says:", `\`\`\`text\n${findings.join("\n")}\n\`\`\``] : [];
  const settings = Object.entries(options ?? {}).map(([name, o]) => `| \`${name}\` | ${o.default} | ${o.description} |`);
  return [
    `# ${rule.id}`,
    `${rule.title}. ${capital(SEVERITIES[rule.severity])} by default, in ${source(rule)}, since ${rule.since}. ${CATEGORIES[rule.category].split(":")[0]}.`,
    "## What it finds",
    d.what,
    "## Why it matters",
    d.why,
    "## When not to care",
    d.whenNot,
    "## Examples",
    rule.onnxOnly
      ? "Exported like this, the file is reported:"
      : rule.measured
        ? "A probe of this may be reported:"
        : "Reported:",
    python(examples.bad),
    ...said,
    "Mended:",
    python(examples.fixed),
    "Not reported:",
    python(examples.good),
    "## Checked by numbers",
    `A test computes these on the examples above, in double precision:\n\n${rule.claims.map((c) => `- ${c.says}`).join("\n")}`,
    ...(settings.length > 0 ? ["## Options", ["| option | default | |", "| --- | --- | --- |", ...settings].join("\n")] : []),
    "## Configuration",
    `\`\`\`toml\n[tool.noether.rules]\n${setting(rule)}\n\`\`\``,
    "## References",
    d.references.map((r) => `- ${r}`).join("\n"),
    "[All rules](README.md)",
  ].join("\n\n");
}

/** A line of configuration that sets a rule. */
function setting(rule: Rule): string {
  const options = Object.entries(rule.options ?? {}).map(([name, o]) => `${name} = ${o.default}`);
  return options.length === 0 ? `${rule.id} = "off"` : `${rule.id} = { severity = "${rule.severity}", ${options.join(", ")} }`;
}

/** The index of all rules, by category. */
export function rulesIndex(rules: readonly Rule[], fires: string): string {
  const categories = [...new Set(rules.map((r) => r.category))];
  return [
    "# Rules",
    "Errors and warnings are for what the author should change. Remarks state numbers, hints state structure; both are quiet.",
    ...categories.flatMap((category) => [
      `## ${CATEGORIES[category]}`,
      ruleTable(
        rules.filter((r) => r.category === category),
        "",
      ),
    ]),
    "## What fires on real code",
    fires,
  ].join("\n\n");
}

/** The table of rules, with links into the folder of their pages. */
export function ruleTable(rules: readonly Rule[], folder: string): string {
  const rows = rules.map((r) => `| [\`${r.id}\`](${folder}${r.id}.md) | ${SEVERITIES[r.severity]} | ${r.documentation.what} |`);
  return ["| rule | by default | what it finds |", "| --- | --- | --- |", ...rows].join("\n");
}

/** What `noether explain` prints, wrapped to a width. */
export function explanation(rule: Rule, width: number): string {
  const { documentation: d, examples, options } = rule;
  const indented = (code: string): string =>
    code
      .trimEnd()
      .split("\n")
      .map((l) => (l === "" ? l : `    ${l}`))
      .join("\n");
  const settings = Object.entries(options ?? {}).map(([name, o]) => `  ${name} (default ${o.default}): ${o.description}`);
  return [
    `${rule.id}: ${rule.title}`,
    `${capital(SEVERITIES[rule.severity])} by default, in ${source(rule)}.`,
    wrap(d.what, width),
    `Why\n${wrap(d.why, width)}`,
    `When not to care\n${wrap(d.whenNot, width)}`,
    `Reported\n${indented(examples.bad)}`,
    `Mended\n${indented(examples.fixed)}`,
    `Not reported\n${indented(examples.good)}`,
    ...(settings.length > 0 ? [`Options\n${settings.join("\n")}`] : []),
    `References\n${d.references.map((r) => `  ${r}`).join("\n")}`,
  ].join("\n\n");
}

function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = " ";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > width && line.trim() !== "") {
      lines.push(line);
      line = " ";
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\n");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @file The lists of fixes in docs/fixes.md, from the registries. */
import { graphRewrites } from "../fixes/graph/registry";
import { trainingRemedies } from "../fixes/training/registry";

const OUTPUTS = { same: "stay", start: "stay at first", other: "change" } as const;

/** A page with the lists between their marks. */
export function withFixLists(page: string): string {
  const source = trainingRemedies.map((r) => {
    const where = [...(r.anywhere ? ["everywhere"] : []), ...r.rules.map((id) => `[\`${id}\`](rules/${id}.md)`)].join(", ");
    return `| \`${r.id}\` | ${r.description} | ${where} |`;
  });
  const graphs = graphRewrites.map((r) => `| \`${r.id}\` | ${r.description} | ${OUTPUTS[r.outputs]} |`);
  return filled(
    filled(page, "fixes of source", ["| fix | what it does | offered |", "| --- | --- | --- |", ...source]),
    "fixes of graphs",
    ["| fix | what it does | outputs |", "| --- | --- | --- |", ...graphs],
  );
}

function filled(page: string, mark: string, rows: readonly string[]): string {
  const between = new RegExp(`(<!-- ${mark} -->\\n)[^]*?(<!-- end of ${mark} -->)`);
  return page.replace(between, (_, begin: string, end: string) => `${begin}\n${rows.join("\n")}\n\n${end}`);
}

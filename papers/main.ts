/**
 * @file `npm run papers`: trains, measures, and writes docs/papers.md with its plots. Arguments choose effects by their id and
 * print their rows without writing the page.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { lineChart } from "../analysis/report/plot/svg";
import type { Effect } from "./effect";
import { criticalRate } from "./effects/critical-rate";
import { goldstone } from "./effects/goldstone";
import { inputExpansion } from "./effects/input-expansion";
import { charges, equilibrium } from "./effects/learning-dynamics";
import { identicalUnits, softThresholdLaw, sparsity } from "./effects/mirrors";
import { syre } from "./effects/syre";
import { Laboratory } from "./laboratory";

const root = path.resolve(__dirname, "..");

const EFFECTS: Readonly<Record<string, (lab: Laboratory) => Promise<Effect>>> = {
  sparsity,
  "soft-threshold": softThresholdLaw,
  "identical-units": identicalUnits,
  syre,
  charges,
  equilibrium,
  goldstone,
  "critical-rate": criticalRate,
  "input-expansion": (lab) => inputExpansion(lab, root),
};

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.filter((a) => !(a in EFFECTS));
  if (unknown.length > 0) {
    console.error(`papers: no effect ${unknown.join(", ")}; there are ${Object.keys(EFFECTS).join(", ")}`);
    return 1;
  }
  const lab = new Laboratory(root);
  const effects: Effect[] = [];
  const started = performance.now();
  try {
    for (const [id, run] of Object.entries(EFFECTS)) {
      if (args.length > 0 && !args.includes(id)) continue;
      const from = performance.now();
      const effect = await run(lab);
      effects.push(effect);
      console.log(`${id}: ${effect.outcome}. ${effect.result} (${((performance.now() - from) / 1000).toFixed(0)} s)`);
    }
  } finally {
    lab.dispose();
  }
  if (args.length === 0) write(effects, (performance.now() - started) / 1000);
  return 0;
}

function write(effects: readonly Effect[], seconds: number): void {
  const images = path.join(root, "docs", "images", "papers");
  mkdirSync(images, { recursive: true });
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const sections = effects.map((e) => {
    const plots = e.charts.map((chart, i) => {
      const file = `${e.id}${e.charts.length > 1 ? `-${i + 1}` : ""}.svg`;
      // Outside of a page nothing gives the text a colour: plots have a ground of their own.
      const svg = lineChart(chart)
        .replace(/(<svg [^>]*>)/, '$1<rect width="100%" height="100%" fill="#fff"/>')
        .replace('fill="currentColor"', 'fill="#222" color="#222"');
      writeFileSync(path.join(images, file), `${svg}\n`);
      return `![${chart.title}](images/papers/${file})`;
    });
    return [
      `## ${e.claim}`,
      `*${e.paper}*. ${e.outcome[0]!.toUpperCase()}${e.outcome.slice(1)}: ${e.result}.`,
      `Measured: ${e.measure}.`,
      ...e.remarks,
      ...plots,
    ].join("\n\n");
  });
  const rows = effects.map((e) => `| ${cell(e.claim)} | ${e.paper} | ${cell(e.measure)} | ${cell(e.result)} | ${e.outcome} |`);
  const cpu = os.cpus()[0]?.model.trim() ?? "unknown processor";
  const page = `# The papers, reproduced

\`npm run papers\` wrote this page: it trains the networks of \`papers/models.py\` with the probe (ONNX Runtime on the CPU), several replicas per setting, the same initial weights and order of the data in all settings of a comparison, and measures what the papers are about. ± is the standard error over replicas. Last run: ${Math.round(seconds)} s on ${os.cpus().length} cores (${cpu}).

| Claim | Paper | Our measure | Result | Verdict |
| --- | --- | --- | --- | --- |
${rows.join("\n")}

${sections.join("\n\n")}
`;
  writeFileSync(path.join(root, "docs", "papers.md"), page);
  console.log(`docs/papers.md written (${Math.round(seconds)} s)`);
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);

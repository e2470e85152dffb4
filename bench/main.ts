/**
 * @file `npm run bench`: how fast Noether is on this machine, beside the machine's own speed. Arguments choose sections
 * (inference, depth, opening, numeric, certification, probe, python, editor; all of them unless told);
 * `--json` prints JSON instead of a table. Ends with 1 where an answer that was timed is not the expected one.
 */
import os from "node:os";
import path from "node:path";
import { editorSection } from "./editor";
import { depthSection, inferenceSection } from "./inference";
import { certificationSection, numericSection } from "./numeric";
import { openingSection } from "./opening-section";
import { probeSection } from "./probe";
import { pythonSection } from "./python";
import { type Section, table, timed } from "./report";
import { scaleSection } from "./scale";
import { baseline, memoryBaseline } from "./timing";

const SECTIONS: Readonly<Record<string, () => Section | Promise<Section>>> = {
  inference: inferenceSection,
  depth: depthSection,
  scale: scaleSection,
  opening: () => openingSection(path.join(import.meta.dirname, "opening.mjs")),
  numeric: numericSection,
  certification: () => certificationSection(path.join(import.meta.dirname, "certification.mjs")),
  probe: probeSection,
  python: pythonSection,
  editor: editorSection,
};

async function main(args: readonly string[]): Promise<number> {
  const chosen = args.filter((a) => !a.startsWith("--"));
  const unknown = chosen.filter((name) => !(name in SECTIONS));
  if (unknown.length > 0) {
    console.error(`bench: no section ${unknown.join(", ")}; there are ${Object.keys(SECTIONS).join(", ")}`);
    return 1;
  }
  const isJson = args.includes("--json");
  const machine = `${os.cpus()[0]?.model ?? "unknown processor"}, ${os.cpus().length} cores, Node ${process.version}`;
  const sections: Section[] = [machineSection(machine)];
  if (!isJson) console.log(table(sections));
  for (const [name, run] of Object.entries(SECTIONS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const section = await run();
    sections.push(section);
    if (!isJson) console.log(`\n${table([section])}`);
  }
  if (isJson) console.log(JSON.stringify({ schema: 1, machine, load: os.loadavg()[0], sections }, undefined, 2));
  return sections.some(({ rows }) => rows.some((r) => r.wrong !== undefined)) ? 1 : 0;
}

function machineSection(machine: string): Section {
  const load = `load ${os.loadavg()[0]!.toFixed(1)}`;
  const rows = [
    timed("10 million steps of integer arithmetic", baseline(), { note: load }),
    timed("2 million reads of memory, one after another", memoryBaseline()),
  ];
  return { title: `Machine: ${machine}`, rows };
}

process.exitCode = await main(process.argv.slice(2));

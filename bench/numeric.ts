/** @file The numeric engines on small models, and certification through ONNX Runtime. */
import { readdirSync } from "node:fs";
import { certify } from "../analysis/certification/certify";
import { readOnnx } from "../analysis/frontends/onnx/index";
import { createRunner } from "../analysis/runtime/index";
import { analyse } from "../analysis/symmetry/analyse";
import { fixture } from "./inference";
import { type Row, type Section, timed } from "./report";
import { summary, time } from "./timing";

const ZOO = "testFixtures/zoo/onnx";

/** All engines on the models of the zoo, each of which has up to a few hundred parameters. */
export function numericSection(): Section {
  const graphs = readdirSync(ZOO)
    .filter((f) => f.endsWith(".onnx"))
    .sort()
    .map((f) => ({ name: f.slice(0, -5), graph: readOnnx({ path: `${ZOO}/${f}` }).graph }));
  const timings = graphs.map(({ name, graph }) => ({
    name,
    timing: time(() => analyse(graph), { runs: 5, warmUp: 1, limit: 2_000 }),
  }));
  const sorted = [...timings].sort((a, b) => b.timing.median - a.timing.median);
  const all = summary(timings.map((t) => t.timing.median));
  const slowest = sorted.slice(0, 3).map((t) => timed(`slowest: ${t.name}`, t.timing));
  return {
    title: "Numeric engines, small models (matrix groups, shifts, dimensions)",
    rows: [{ ...timed(`median of ${timings.length} zoo models`, all) }, ...slowest],
  };
}

/** Certification in a process of its own, which is started beforehand. */
export async function certificationSection(): Promise<Section> {
  const runner = createRunner();
  const rows: Row[] = [];
  try {
    await certify(analyse(readOnnx({ path: `${ZOO}/MlpRelu.onnx` }).graph, { numeric: false }), { runner });
    for (const [name, target] of [
      ["resnet18", 3000],
      ["resnet50", undefined],
      ["vit_b_16", undefined],
    ] as const) {
      const analysis = analyse(fixture(name).graph, { numeric: false });
      const start = performance.now();
      const certificate = await certify(analysis, { runner });
      const ms = performance.now() - start;
      const note = `${certificate.status}${certificate.reason ? `: ${certificate.reason}` : `, deviation ${certificate.maxRelativeDeviation.toExponential(1)}`}`;
      rows.push({ what: name, value: ms, unit: "ms", runs: 1, note, ...(target === undefined ? {} : { target }) });
    }
  } finally {
    runner.dispose();
  }
  return { title: "Certification (one run each)", rows };
}

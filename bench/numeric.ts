/** @file The numeric engines on small models, and certification. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { readOnnx } from "../analysis/frontends/onnx/index";
import { analyse } from "../analysis/symmetry/analyse";
import type { CertificationRun } from "./certification";
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

/** Models to certify, with the most milliseconds that it should take. */
const CERTIFIED = [
  { name: "resnet18", target: 3000 },
  { name: "resnet50", target: undefined },
  { name: "vit_b_16", target: undefined },
] as const;

/** Seconds after which a certification is ended. */
const PATIENCE = 60;

/** Certification by the child program at the given path; a model that takes too long is reported so and no more. */
export function certificationSection(child: string): Section {
  const rows = CERTIFIED.map(({ name, target }): Row => {
    const args = [child, `${ZOO}/MlpRelu.onnx`, `testFixtures/models/${name}.onnx`];
    const run = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 1000 * PATIENCE, killSignal: "SIGKILL" });
    const goal = target === undefined ? {} : { target };
    const ended = run.status === 0 ? (JSON.parse(run.stdout) as CertificationRun) : undefined;
    if (ended) return { what: name, value: ended.ms, unit: "ms", runs: 1, note: ended.note, ...goal };
    const isLate = run.signal === "SIGKILL";
    const note = isLate ? `over ${PATIENCE} s, ended` : `failed: ${run.stderr.trim().split("\n")[0] ?? ""}`;
    return { what: name, value: isLate ? 1000 * PATIENCE : Number.NaN, unit: "ms", runs: 1, note, ...goal };
  });
  return { title: "Certification (one run each, in a process of its own)", rows };
}

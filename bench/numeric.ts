/** @file The numeric engines on small models, and certification. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { readOnnx } from "../analysis/frontends/onnx/index";
import { analyse } from "../analysis/symmetry/analyse";
import type { CertificationRun, CertificationStep } from "./certification";
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

/** Models to certify at full size and on the twin, with the most milliseconds that the former should take. */
const CERTIFIED = [
  { name: "resnet18", target: 3000 },
  { name: "resnet50", target: undefined },
  { name: "vit_b_16", target: undefined },
] as const;
/** Models whose twin alone is timed. */
const TWINS = ["alexnet", "vgg11_bn", "mnasnet0_5", "efficientnet_b0", "regnet_y_400mf", "resnext50_32x4d", "shufflenet_v2_x1_0"];
/** The most milliseconds that a twin should take. */
const TWIN_TARGET = 1000;

/** Seconds after which a certification is ended: at full size, and of a twin. */
const PATIENCE = 50;
const PATIENCE_TWIN = 15;

/** Certification by the child program at the given path; a model that takes too long is reported so and no more. */
export function certificationSection(child: string): Section {
  const full = CERTIFIED.flatMap(({ name, target }): Row[] => {
    const run = certified(child, name, PATIENCE, []);
    if (typeof run === "string") return [failed(`${name}, full size`, run, target)];
    return [step(`${name}, full size`, run.full!, target), step(`${name}, twin`, run.twin, TWIN_TARGET)];
  });
  const twins = TWINS.map((name): Row => {
    const run = certified(child, name, PATIENCE_TWIN, ["twin"]);
    return typeof run === "string" ? failed(`${name}, twin`, run, TWIN_TARGET) : step(`${name}, twin`, run.twin, TWIN_TARGET);
  });
  return { title: "Certification (one run each, in a process of its own)", rows: [...full, ...twins] };
}

/** What the child says, or why it does not. */
function certified(child: string, name: string, patience: number, more: readonly string[]): CertificationRun | string {
  const args = [child, `${ZOO}/MlpRelu.onnx`, `testFixtures/models/${name}.onnx`, ...more];
  const run = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 1000 * patience, killSignal: "SIGKILL" });
  if (run.status === 0) return JSON.parse(run.stdout) as CertificationRun;
  return run.signal === "SIGKILL" ? `ended: over ${patience} s` : `failed: ${run.stderr.trim().split("\n")[0] ?? ""}`;
}

function step(what: string, { ms, note }: CertificationStep, target: number | undefined): Row {
  return { what, value: ms, unit: "ms", runs: 1, note, ...(target === undefined ? {} : { target }) };
}

function failed(what: string, note: string, target: number | undefined): Row {
  return { what, value: Number.POSITIVE_INFINITY, unit: "ms", runs: 1, note, ...(target === undefined ? {} : { target }) };
}

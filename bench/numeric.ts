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

const MODELS = "testFixtures/models";
/** The most milliseconds that certifying at full size should take, of models that have a target. */
const TARGETS: Readonly<Record<string, number>> = { resnet18: 3000, vit_b_16: 12_000, densenet121: 8000 };
/** The most milliseconds that a twin should take. */
const TWIN_TARGET = 1000;
/** Continuous directions of the models, all of them explained: what their twins say has to be this. */
const TOTALS: Readonly<Record<string, number>> = {
  alexnet: 9344,
  convnext_tiny: 61_478,
  densenet121: 52_064,
  efficientnet_b0: 23_600,
  googlenet: 14_560,
  inception_v3: 34_432,
  mnasnet0_5: 21_016,
  mobilenet_v2: 19_272,
  mobilenet_v3_small: 7776,
  regnet_y_400mf: 24_664,
  resnet18: 8576,
  resnet50: 41_856,
  resnext50_32x4d: 56_960,
  shufflenet_v2_x1_0: 17_944,
  squeezenet1_1: 2944,
  swin_t: 742_438,
  vgg11_bn: 16_448,
  vit_b_16: 1_644_359,
};

/** Seconds after which a certification is ended. */
const PATIENCE = 120;

/** Certification by the child program at the given path; a model that takes too long is reported so and no more. */
export function certificationSection(child: string): Section {
  const names = readdirSync(MODELS)
    .filter((f) => f.endsWith(".onnx"))
    .sort()
    .map((f) => f.slice(0, -5));
  const rows = names.flatMap((name): Row[] => {
    const run = certified(child, name, PATIENCE);
    if (typeof run === "string") return [failed(`${name}, full size`, run, TARGETS[name])];
    return [step(`${name}, full size`, run.full, TARGETS[name]), twin(name, run.twin)];
  });
  return { title: "Certification (at full size one run, of twins the median of three; a process of its own each)", rows };
}

/** What the child says, or why it does not. */
function certified(child: string, name: string, patience: number): CertificationRun | string {
  const args = [child, `${ZOO}/MlpRelu.onnx`, `${MODELS}/${name}.onnx`];
  const run = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 1000 * patience, killSignal: "SIGKILL" });
  if (run.status === 0) return JSON.parse(run.stdout) as CertificationRun;
  return run.signal === "SIGKILL" ? `ended: over ${patience} s` : `failed: ${run.stderr.trim().split("\n")[0] ?? ""}`;
}

function step(what: string, { ms, note }: CertificationStep, target: number | undefined): Row {
  return { what, value: ms, unit: "ms", runs: 1, note, ...(target === undefined ? {} : { target }) };
}

/** The twin's line: wrong where it does not explain the model whole, or counts anything else. */
function twin(name: string, found: CertificationStep): Row {
  const row = step(`${name}, twin`, found, TWIN_TARGET);
  const expected = TOTALS[name];
  if (found.total === expected) return row;
  return { ...row, wrong: expected === undefined ? "no total is noted for it" : `expected: exactly ${expected}` };
}

function failed(what: string, note: string, target: number | undefined): Row {
  const wrong = "no certificate";
  return { what, value: Number.POSITIVE_INFINITY, unit: "ms", runs: 1, note, wrong, ...(target === undefined ? {} : { target }) };
}

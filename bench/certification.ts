/**
 * @file The child process that certifies one model, so that a certification that does not end can be ended. Prints one line of
 * JSON (`CertificationRun`).
 */
import { certify } from "../analysis/certification/certify";
import { certifyTwin } from "../analysis/certification/twin";
import { readOnnx } from "../analysis/frontends/onnx/index";
import { createRunner } from "../analysis/runtime/index";
import { analyse } from "../analysis/symmetry/analyse";
import type { ModelAnalysis } from "../analysis/symmetry/analysis";
import { summary } from "./timing";

/** Runs of a twin that are timed. */
const RUNS = 3;
/** A first run of more milliseconds than this is warm enough by itself, and not repeated. */
const LONG = 10_000;

/** What a step took and gave. */
export interface CertificationStep {
  readonly ms: number;
  readonly note: string;
  /** Continuous directions of the model, where they are known exactly and whole. */
  readonly total?: number;
}

/** What certifying a model took and gave. */
export interface CertificationRun {
  /** Through ONNX Runtime. */
  readonly full: CertificationStep;
  readonly twin: CertificationStep;
}

async function main(small: string, file: string): Promise<void> {
  const analysis = analyse(readOnnx({ path: file }).graph, { numeric: false });
  const full = await fullSize(small, analysis);
  const out: CertificationRun = { full, twin: await onTwin(analysis) };
  process.stdout.write(`${JSON.stringify(out)}\n`);
}

/** Random elements through ONNX Runtime, at the size that the model has. */
async function fullSize(small: string, analysis: ModelAnalysis): Promise<CertificationStep> {
  const runner = createRunner({ kind: "in-process" });
  try {
    // The processes and the code are there when an editor asks for a certificate.
    await certify(analyse(readOnnx({ path: small }).graph, { numeric: false }), { runner });
    const { status, reason, maxRelativeDeviation, milliseconds: ms = 0 } = await certify(analysis, { runner, twin: false });
    return { ms, note: reason ? `${status}: ${reason}` : `${status}, deviation ${maxRelativeDeviation.toExponential(1)}` };
  } finally {
    runner.dispose();
  }
}

/** The twin, once the code is warm: the median of three, or the only run of one that takes long. */
async function onTwin(analysis: ModelAnalysis): Promise<CertificationStep> {
  const timed = async () => {
    const start = performance.now();
    return { twin: await certifyTwin(analysis), ms: performance.now() - start };
  };
  const { twin, ms: first } = await timed();
  const times = first > LONG ? [first] : [];
  while (first <= LONG && times.length < RUNS) times.push((await timed()).ms);
  const ms = summary(times).median;
  if (typeof twin === "string") return { ms, note: `no twin: ${twin}` };
  const { exact, continuous } = twin.model;
  const whole = `${exact ? "" : "at least "}${continuous.total} directions of the model`;
  const note = `${twin.explained} of ${twin.measured} explained, ${twin.parameters} weights; ${whole}`;
  return exact && twin.failed.length === 0 ? { ms, note, total: continuous.total } : { ms, note };
}

const [small, file] = process.argv.slice(2);
await main(small!, file!);
process.exit(0);

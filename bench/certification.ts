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

/** What a step took and gave. */
export interface CertificationStep {
  readonly ms: number;
  readonly note: string;
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

/** The twin, once the code is warm: the median of three. */
async function onTwin(analysis: ModelAnalysis): Promise<CertificationStep> {
  let twin = await certifyTwin(analysis);
  const times: number[] = [];
  while (times.length < RUNS) {
    const start = performance.now();
    twin = await certifyTwin(analysis);
    times.push(performance.now() - start);
  }
  const ms = summary(times).median;
  if (typeof twin === "string") return { ms, note: `no twin: ${twin}` };
  const { exact, continuous } = twin.model;
  const whole = `${exact ? "" : "at least "}${continuous.total} directions of the model`;
  return { ms, note: `${twin.explained} of ${twin.measured} explained, ${twin.parameters} weights; ${whole}` };
}

const [small, file] = process.argv.slice(2);
await main(small!, file!);
process.exit(0);

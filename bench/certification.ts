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

/** What a step took and gave. */
export interface CertificationStep {
  readonly ms: number;
  readonly note: string;
}

/** What certifying a model took and gave. */
export interface CertificationRun {
  /** Through ONNX Runtime; absent where only the twin was asked for. */
  readonly full?: CertificationStep;
  readonly twin: CertificationStep;
}

async function main(small: string, file: string, part: string | undefined): Promise<void> {
  const analysis = analyse(readOnnx({ path: file }).graph, { numeric: false });
  const full = part === "twin" ? undefined : await fullSize(small, analysis);
  const out: CertificationRun = { ...(full ? { full } : {}), twin: await onTwin(analysis) };
  process.stdout.write(`${JSON.stringify(out)}\n`);
}

/** Random elements through ONNX Runtime. */
async function fullSize(small: string, analysis: ModelAnalysis): Promise<CertificationStep> {
  const runner = createRunner();
  try {
    // The processes and the code are there when an editor asks for a certificate.
    await certify(analyse(readOnnx({ path: small }).graph, { numeric: false }), { runner });
    const start = performance.now();
    const { status, reason, maxRelativeDeviation } = await certify(analysis, { runner, twin: false });
    const ms = performance.now() - start;
    return { ms, note: reason ? `${status}: ${reason}` : `${status}, deviation ${maxRelativeDeviation.toExponential(1)}` };
  } finally {
    runner.dispose();
  }
}

/** The twin, once the code is warm. */
async function onTwin(analysis: ModelAnalysis): Promise<CertificationStep> {
  await certifyTwin(analysis);
  const start = performance.now();
  const twin = await certifyTwin(analysis);
  const ms = performance.now() - start;
  if (typeof twin === "string") return { ms, note: `no twin: ${twin}` };
  const { exact, continuous } = twin.model;
  const whole = `${exact ? "" : "at least "}${continuous.total} directions of the model`;
  return { ms, note: `${twin.explained} of ${twin.measured} explained, ${twin.parameters} weights; ${whole}` };
}

const [small, file, part] = process.argv.slice(2);
await main(small!, file!, part);
process.exit(0);

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

/** What certifying a model took and gave. */
export interface CertificationRun {
  readonly ms: number;
  readonly status: string;
  readonly note: string;
}

async function main(small: string, file: string): Promise<void> {
  const runner = createRunner();
  try {
    // The processes and the code are there when an editor asks for a certificate.
    await certify(analyse(readOnnx({ path: small }).graph, { numeric: false }), { runner });
    const analysis = analyse(readOnnx({ path: file }).graph, { numeric: false });
    const start = performance.now();
    const { status, reason, maxRelativeDeviation } = await certify(analysis, { runner, twin: false });
    const ms = performance.now() - start;
    const outcome = reason ? `${status}: ${reason}` : `${status}, deviation ${maxRelativeDeviation.toExponential(1)}`;
    const out: CertificationRun = { ms, status, note: `${outcome}; ${await twinNote(analysis)}` };
    process.stdout.write(`${JSON.stringify(out)}\n`);
  } finally {
    runner.dispose();
  }
}

/** What the twin shows, and how long that takes once the code is warm. */
async function twinNote(analysis: ModelAnalysis): Promise<string> {
  await certifyTwin(analysis);
  const start = performance.now();
  const twin = await certifyTwin(analysis);
  const ms = Math.round(performance.now() - start);
  return typeof twin === "string" ? `no twin: ${twin}` : `twin ${twin.explained} of ${twin.measured} explained in ${ms} ms`;
}

const [small, file] = process.argv.slice(2);
await main(small!, file!);
process.exit(0);

/**
 * @file The processes of the server. This module comes first among the server's imports: the process that analyses starts
 * while the server itself is still being loaded, so that the first diagnostics wait for one start, not for two.
 */
import path from "node:path";
import { AnalysisHost } from "./analysis-host";
import { ProbeHost } from "./probe/host";
import type { WorkerModule } from "./worker/process";

const module = (name: string, execArgv: readonly string[] = []): WorkerModule => ({ path: path.join(__dirname, name), execArgv });

/**
 * One analysis makes more short-lived objects than V8's young generation holds by default (two halves of 16 MB), so that each
 * collection copies the analysis that is under way. With halves four times as large that happens a quarter as often; they grow only where
 * much survives. A process cannot set it for itself: V8 reads it once, at its start. The benchmark runs under the same flag.
 */
const YOUNG_GENERATION = "--max-semi-space-size=64";

/** Analyses; its quick process is starting. */
export const host = new AnalysisHost(module("analysis.js", [YOUNG_GENERATION]), undefined, module("layout.js"));
host.warmUp();

/** Runs probes. */
export const probes = new ProbeHost(module("probe-session.js"));

process.on("exit", () => {
  host.dispose();
  probes.dispose();
});

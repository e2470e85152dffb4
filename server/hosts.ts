/**
 * @file The processes of the server. This module comes first among the server's imports: the process that analyses starts
 * while the server itself is still being loaded, so that the first diagnostics wait for one start, not for two.
 */
import path from "node:path";
import { AnalysisHost } from "./analysis-host";
import { ProbeHost } from "./probe/host";
import type { WorkerModule } from "./worker/process";

const module = (name: string): WorkerModule => ({ path: path.join(__dirname, name) });

/** Analyses; its quick process is starting. */
export const host = new AnalysisHost(module("analysis.js"), undefined, module("layout.js"));
host.warmUp();

/** Runs probes. */
export const probes = new ProbeHost(module("probe-session.js"));

process.on("exit", () => {
  host.dispose();
  probes.dispose();
});

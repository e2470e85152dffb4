/** @file Entry of the language server: `node dist/server.js --stdio`, or `--node-ipc` as VS Code starts it. */
import path from "node:path";
import { createConnection, ProposedFeatures } from "vscode-languageserver/node";
import { version } from "../package.json";
import { AnalysisHost } from "./analysis-host";
import { ProbeHost } from "./probe/host";
import { startServer } from "./server";
import type { WorkerModule } from "./worker/process";

const module = (name: string): WorkerModule => ({ path: path.join(__dirname, name) });
const host = new AnalysisHost(module("analysis.js"), undefined, module("layout.js"));
const probes = new ProbeHost(module("probe-session.js"));
process.on("exit", () => {
  host.dispose();
  probes.dispose();
});
startServer(createConnection(ProposedFeatures.all), host, probes, version);

/** @file Entry of the language server: `node dist/server.js --stdio`, or `--node-ipc` as VS Code starts it. */
import path from "node:path";
import { createConnection, ProposedFeatures } from "vscode-languageserver/node";
import { version } from "../package.json";
import { AnalysisHost } from "./analysis-host";
import { ProbeHost } from "./probe/host";
import { startServer } from "./server";

const host = new AnalysisHost({ path: path.join(__dirname, "analysis.js") });
const probes = new ProbeHost({ path: path.join(__dirname, "probe-session.js") });
process.on("exit", () => {
  host.dispose();
  probes.dispose();
});
startServer(createConnection(ProposedFeatures.all), host, probes, version);

/** @file Entry of the language server: `node dist/server.js --stdio`, or `--node-ipc` as VS Code starts it. */
import { host, probes } from "./hosts";
import { createConnection, ProposedFeatures } from "vscode-languageserver/node";
import { version } from "../package.json";
import { startServer } from "./server";

startServer(createConnection(ProposedFeatures.all), host, probes, version);

/** @file Entry of the language server: `node dist/server.js --stdio`, or `--node-ipc` as VS Code starts it. */
import { host, probes } from "./hosts";
import { createConnection, ProposedFeatures } from "vscode-languageserver/node";
import { useTextsOf } from "../analysis/texts/say";
import { version } from "../package.json";
import { startServer } from "./server";

useTextsOf(process.env);
startServer(createConnection(ProposedFeatures.all), host, probes, version);

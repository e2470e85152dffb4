/** @file The language server: documents in, diagnostics, hovers and actions out. Composes the features. */
import {
  DidChangeConfigurationNotification,
  NotebookDocuments,
  TextDocuments,
  TextDocumentSyncKind,
  type ClientCapabilities,
  type Connection,
  type InitializeResult,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { Analyses } from "./analyses";
import type { AnalysisHost } from "./analysis-host";
import * as codeAction from "./features/code-action";
import * as codeLens from "./features/code-lens";
import * as configuration from "./features/configuration";
import * as diagnostics from "./features/diagnostics";
import * as highlight from "./features/highlight";
import * as hover from "./features/hover";
import * as information from "./features/information";
import * as inlayHint from "./features/inlay-hint";
import * as models from "./features/models";
import * as probe from "./features/probe";
import * as onnx from "./features/onnx";
import * as status from "./features/status";
import type { ProbeHost } from "./probe/host";
import { followNotebooks } from "./notebooks";
import { ClientSettings } from "./settings";
import { SOURCE } from "./convert";
import type { ServerState } from "./state";
import { sameDocument } from "./uris";

/** Serves on a connection until the client says exit. The hosts are freed at shutdown. */
export function startServer(connection: Connection, host: AnalysisHost, probes: ProbeHost, version: string): void {
  const documents = new TextDocuments(TextDocument);
  const notebooks = new NotebookDocuments(documents);
  let client: ClientCapabilities = {};
  let commands: ReadonlySet<string> = new Set();
  const settings = new ClientSettings(connection, () => client.workspace?.configuration === true);
  const analyses = new Analyses(host, (uri) => settings.of(uri));

  const state: ServerState = {
    documents,
    analyses,
    host,
    settings: (uri) => settings.of(uri),
    get enabled() {
      return settings.known.enable;
    },
    get client() {
      return client;
    },
    get commands() {
      return commands;
    },
    log(message, detail) {
      connection.console.error(message);
      if (detail !== undefined) connection.tracer.log(message, detail);
    },
  };

  connection.onInitialize((params): InitializeResult => {
    client = params.capabilities;
    commands = commandsOf(params.initializationOptions);
    host.warmUp();
    return {
      serverInfo: { name: SOURCE, version },
      capabilities: {
        notebookDocumentSync: { notebookSelector: [{ notebook: "*", cells: [{ language: "python" }] }] },
        textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: true },
        diagnosticProvider: { identifier: SOURCE, interFileDependencies: true, workspaceDiagnostics: false },
        hoverProvider: true,
        codeLensProvider: {},
        inlayHintProvider: true,
        documentHighlightProvider: true,
        codeActionProvider: { codeActionKinds: [...codeAction.CODE_ACTION_KINDS] },
      },
    };
  });

  connection.onInitialized(() => {
    void state.settings().then(() => showStatus());
    if (client.workspace?.didChangeConfiguration?.dynamicRegistration === true) {
      connection.client.register(DidChangeConfigurationNotification.type, { section: SOURCE }).catch(() => {}); // client gone
    }
  });
  connection.onDidChangeConfiguration(async ({ settings: sent }: { settings: unknown }) => {
    await settings.changed(sent);
    analyses.invalidate();
    showStatus();
    refreshDiagnostics();
  });
  connection.onDidChangeWatchedFiles(({ changes }) => {
    // What an open document says is in the editor, so its own file on disk is no news to it.
    analyses.invalidate((uri) => changes.every((change) => sameDocument(change.uri, uri)));
    refreshDiagnostics();
  });
  connection.onShutdown(() => {
    analyses.dispose();
    host.dispose();
    probes.dispose();
  });

  // A notebook's cells are no files: their notebook is analysed as a whole.
  documents.onDidChangeContent(({ document }) => {
    if (!isCell(document.uri)) analyses.update(document);
  });
  documents.onDidClose(({ document }) => {
    analyses.close(document.uri);
    settings.forget(document.uri);
  });

  const showStatus = status.register(connection, state);
  const refreshDiagnostics = diagnostics.register(connection, state);
  for (const feature of [hover, codeAction, codeLens, configuration, highlight, information, inlayHint, models, onnx])
    feature.register(connection, state);
  probe.register(connection, state, probes, () => {
    analyses.invalidate();
    refreshDiagnostics();
  });
  followNotebooks(connection, notebooks, analyses, refreshDiagnostics);
  documents.listen(connection);
  connection.listen();

  function isCell(uri: string): boolean {
    return uri.startsWith("vscode-notebook-cell:") || notebooks.getNotebookCell(uri) !== undefined;
  }
}

/** The commands that a client says it runs. */
function commandsOf(sent: unknown): ReadonlySet<string> {
  const listed = typeof sent === "object" && sent !== null && "commands" in sent ? sent.commands : undefined;
  return new Set(Array.isArray(listed) ? listed.filter((c): c is string => typeof c === "string") : []);
}

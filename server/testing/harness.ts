/** @file A language server on a pair of streams in this process, and a client that speaks to it. For tests. */
import path from "node:path";
import { PassThrough } from "node:stream";
import {
  createConnection,
  createProtocolConnection,
  ConfigurationRequest,
  DiagnosticRefreshRequest,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  DocumentDiagnosticRequest,
  InitializedNotification,
  InitializeRequest,
  LogMessageNotification,
  ProposedFeatures,
  PublishDiagnosticsNotification,
  RegistrationRequest,
  ShutdownRequest,
  WorkspaceFoldersRequest,
  type CancellationToken,
  type ClientCapabilities,
  type Diagnostic,
  type DocumentDiagnosticReport,
  type InitializeResult,
  type ProtocolConnection,
} from "vscode-languageserver/node";
import { AnalysisHost, type TimeLimits } from "../analysis-host";
import { STATUS_NOTIFICATION, type InitialisationOptions, type ServerStatus } from "../protocol";
import { ProbeHost } from "../probe/host";
import { startServer } from "../server";

const CAPABILITIES: ClientCapabilities = {
  textDocument: { diagnostic: { relatedInformation: true }, synchronization: { didSave: true } },
  workspace: {
    configuration: true,
    didChangeConfiguration: { dynamicRegistration: true },
    diagnostics: { refreshSupport: true },
    workspaceEdit: { documentChanges: true, changeAnnotationSupport: {} },
  },
};

/** How the client of a test behaves. */
export interface HarnessOptions {
  /** What the client answers to `workspace/configuration`. */
  readonly configuration?: unknown;
  /** What it answers for documents below a URI, instead. */
  readonly scoped?: Readonly<Record<string, unknown>>;
  readonly folders?: readonly string[];
  readonly limits?: TimeLimits;
  /** Replaces the client's capabilities. */
  readonly capabilities?: ClientCapabilities;
  readonly initializationOptions?: InitialisationOptions;
}

/** A started server and its client. Call `stop` at the end of the test. */
export class Harness {
  readonly statuses: ServerStatus[] = [];
  readonly logs: string[] = [];
  /** Diagnostics that the server pushed, by URI. */
  readonly pushed = new Map<string, Diagnostic[]>();
  /** How often the server asked for a new pull. */
  refreshes = 0;
  /** The answer to `workspace/configuration`. */
  configuration: unknown = null;
  #versions = new Map<string, number>();

  private constructor(
    readonly client: ProtocolConnection,
    /** What the client writes into; for messages that no client would write. */
    readonly toServer: PassThrough,
    readonly initialized: InitializeResult,
  ) {}

  static async start(options: HarnessOptions = {}): Promise<Harness> {
    const toServer = new PassThrough();
    const toClient = new PassThrough();
    const execArgv = ["--import", "tsx"];
    const host = new AnalysisHost({ path: path.join(import.meta.dirname, "fake-worker.ts"), execArgv }, options.limits);
    const probes = new ProbeHost({ path: path.join(import.meta.dirname, "fake-probe.ts"), execArgv });
    startServer(createConnection(ProposedFeatures.all, toServer, toClient), host, probes, "0.0.0");
    const client = createProtocolConnection(toClient, toServer);
    const early: { harness?: Harness } = {};
    client.onRequest(ConfigurationRequest.type, ({ items }) =>
      items.map(({ scopeUri }) => {
        const folder = Object.keys(options.scoped ?? {}).find((f) => scopeUri?.startsWith(f));
        return (folder === undefined ? early.harness?.configuration : options.scoped?.[folder]) ?? null;
      }),
    );
    client.onRequest(WorkspaceFoldersRequest.type, () => (options.folders ?? []).map((uri) => ({ uri, name: uri })));
    client.onRequest(RegistrationRequest.type, () => {});
    client.onRequest(DiagnosticRefreshRequest.type, () => {
      if (early.harness) early.harness.refreshes++;
    });
    client.onNotification(STATUS_NOTIFICATION, (status: ServerStatus) => void early.harness?.statuses.push(status));
    client.onNotification(LogMessageNotification.type, ({ message }) => void early.harness?.logs.push(message));
    client.onNotification(
      PublishDiagnosticsNotification.type,
      ({ uri, diagnostics }) => void early.harness?.pushed.set(uri, diagnostics),
    );
    client.listen();
    const result = await client.sendRequest(InitializeRequest.type, {
      processId: null,
      rootUri: null,
      capabilities: options.capabilities ?? CAPABILITIES,
      ...(options.initializationOptions ? { initializationOptions: options.initializationOptions } : {}),
    });
    const harness = new Harness(client, toServer, result);
    harness.configuration = options.configuration ?? null;
    early.harness = harness;
    await client.sendNotification(InitializedNotification.type, {});
    return harness;
  }

  async open(uri: string, text: string): Promise<void> {
    this.#versions.set(uri, 1);
    await this.client.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: "python", version: 1, text },
    });
  }

  async change(uri: string, text: string): Promise<void> {
    const version = this.#versions.get(uri)! + 1;
    this.#versions.set(uri, version);
    await this.client.sendNotification(DidChangeTextDocumentNotification.type, {
      textDocument: { uri, version },
      contentChanges: [{ text }],
    });
  }

  pull(uri: string, previousResultId?: string, token?: CancellationToken): Promise<DocumentDiagnosticReport> {
    const textDocument = { uri };
    const params = previousResultId === undefined ? { textDocument } : { textDocument, previousResultId };
    return this.client.sendRequest(DocumentDiagnosticRequest.type, params, token);
  }

  /** Waits until a condition holds; fails after a time that only a broken server needs. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const end = Date.now() + 20_000;
    while (!holds()) {
      if (Date.now() > end) throw new Error(`timed out waiting for ${what}; log: ${this.logs.join(" | ")}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async stop(): Promise<void> {
    await this.client.sendRequest(ShutdownRequest.type);
    this.client.dispose();
  }
}

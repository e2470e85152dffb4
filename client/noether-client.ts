/** @file The language client: starts, restarts and talks to the bundled server. */
import { randomUUID } from "node:crypto";
import * as vscode from "vscode";
import {
  ErrorAction,
  LanguageClient,
  State,
  TransportKind,
  type LanguageClientOptions,
  type ServerOptions,
} from "vscode-languageclient/node";
import {
  INFORMATION_REQUEST,
  DRAWING_REQUEST,
  LAYOUT_REQUEST,
  ONNX_REQUEST,
  PROBE_NOTIFICATION,
  PROBE_REQUEST,
  ONNX_TEXT_REQUEST,
  SOURCE_REQUEST,
  STRUCTURE_REQUEST,
  STATUS_NOTIFICATION,
  SYMMETRIES_REQUEST,
  type DocumentStructure,
  type DrawnFile,
  type Layout,
  type LayoutRequest,
  type InitialisationOptions,
  type OnnxParams,
  type OnnxSummary,
  type ProbeAnswer,
  type ProbeChoices,
  type ProbeEvent,
  type ProbeNotice,
  type ProbeParams,
  type OnnxTextView,
  type ServerInformation,
  type ServerStatus,
  type SourceMatch,
  type SourceParams,
  type StructureParams,
  type SymmetriesParams,
  type SymmetriesReport,
} from "../server/protocol";

import { TraceChannel } from "./trace";

/** Commands that links in hovers and lenses may run. */
const LINKED_COMMANDS: readonly string[] = [
  "noether.probe",
  "noether.showSymmetries",
  "noether.nextMember",
  "noether.openRule",
  "noether.showFixes",
];

/** Schemes of documents that are followed from the start; further ones when a document of theirs opens. */
const SCHEMES: readonly string[] = ["file", "untitled", "vscode-vfs", "vscode-remote"];

/** `starting` and `stopped` are the client's own findings, the others the server's. */
export type ClientStatus =
  | ServerStatus
  | { readonly state: "starting" | "stopped"; readonly message: string; readonly uri?: string; readonly milliseconds?: number };

/** The connection to the server, with Noether's own requests by name. */
export class NoetherClient {
  readonly output: vscode.LogOutputChannel;
  readonly onDidChangeStatus: vscode.Event<ClientStatus>;
  readonly #changed = new vscode.EventEmitter<ClientStatus>();
  readonly #context: vscode.ExtensionContext;
  readonly #trace: TraceChannel;
  readonly #files = vscode.workspace.createFileSystemWatcher("**/*.{py,toml}");
  readonly #schemes = new Set(SCHEMES);
  #client: LanguageClient;
  /** The last start or restart; requests wait for it. */
  #started: Promise<void> = Promise.resolve();
  /** Who listens to which running probe. */
  readonly #probes = new Map<string, (event: ProbeEvent) => void>();
  #status: ClientStatus = { state: "starting", message: vscode.l10n.t("Starting") };

  constructor(context: vscode.ExtensionContext) {
    this.onDidChangeStatus = this.#changed.event;
    this.output = vscode.window.createOutputChannel("Noether", { log: true });
    this.#context = context;
    this.#trace = new TraceChannel(this.output);
    for (const document of vscode.workspace.textDocuments) if (this.#isNew(document)) this.#schemes.add(document.uri.scheme);
    for (const { uri } of vscode.workspace.workspaceFolders ?? []) this.#schemes.add(uri.scheme);
    this.#client = this.#make();
    context.subscriptions.push(
      this.output,
      this.#changed,
      this.#files,
      this.#trace,
      vscode.workspace.onDidOpenTextDocument((document) => {
        if (this.#isNew(document)) void this.#follow(document.uri.scheme);
      }),
    );
  }

  get status(): ClientStatus {
    return this.#status;
  }

  /** Resolves once the server answers; a failure to start is shown, not thrown, as the commands must stay usable. */
  start(): Promise<void> {
    return this.#attempt(() => this.#client.start());
  }

  restart(): Promise<void> {
    return this.#attempt(() => this.#client.restart());
  }

  /** The analysis of an .onnx file. Rejects with a CancellationError or with an Error that says what is wrong. */
  onnx(uri: vscode.Uri, certify: boolean, token: vscode.CancellationToken): Promise<OnnxSummary> {
    return this.#request<OnnxParams, OnnxSummary>(ONNX_REQUEST, { uri: uri.toString(), certify }, token);
  }

  /** An .onnx file drawn; null where there is no model in it. Rejects as `onnx`. */
  onnxDrawing(uri: vscode.Uri, token: vscode.CancellationToken): Promise<DrawnFile | null> {
    return this.#request<OnnxParams, DrawnFile | null>(DRAWING_REQUEST, { uri: uri.toString() }, token);
  }

  /** An .onnx file as text; null where there is no model in it. Rejects as `onnx`. */
  onnxText(uri: vscode.Uri, token?: vscode.CancellationToken): Promise<OnnxTextView | null> {
    return this.#request<OnnxParams, OnnxTextView | null>(ONNX_TEXT_REQUEST, { uri: uri.toString() }, token);
  }

  /** The Python class of some folders that an .onnx file was exported from. Rejects as `onnx`. */
  onnxSource(uri: vscode.Uri, folders: readonly vscode.Uri[], token: vscode.CancellationToken): Promise<SourceMatch | null> {
    const params: SourceParams = { uri: uri.toString(), folders: folders.map((f) => f.toString()) };
    return this.#request<SourceParams, SourceMatch | null>(SOURCE_REQUEST, params, token);
  }

  /** Places the boxes of a drawing; cancelling ends the work. */
  layout(request: LayoutRequest, token: vscode.CancellationToken): Promise<Layout> {
    return this.#request<LayoutRequest, Layout>(LAYOUT_REQUEST, request, token);
  }

  /** The text report of the model at a position, null where the document has no model. */
  symmetries(uri: vscode.Uri, position?: vscode.Position): Promise<SymmetriesReport | null> {
    const params: SymmetriesParams = position
      ? { uri: uri.toString(), position: { line: position.line, character: position.character } }
      : { uri: uri.toString() };
    return this.#request<SymmetriesParams, SymmetriesReport | null>(SYMMETRIES_REQUEST, params);
  }

  /** What the server says of itself. */
  information(): Promise<ServerInformation> {
    return this.#request<null, ServerInformation>(INFORMATION_REQUEST, null);
  }

  /** Where the symmetries of an open document are; null where there are none to tell. */
  structure(uri: vscode.Uri): Promise<DocumentStructure | null> {
    return this.#request<StructureParams, DocumentStructure | null>(STRUCTURE_REQUEST, { uri: uri.toString() });
  }

  /**
   * Trains a model of a document for a short while, and tells on the way. Rejects with an Error that says why there is no
   * result, or because `token` was cancelled: then the probe's processes end.
   */
  async probe(
    uri: vscode.Uri,
    model: string | undefined,
    choices: ProbeChoices,
    tell: (event: ProbeEvent) => void,
    token: vscode.CancellationToken,
  ): Promise<ProbeAnswer> {
    const id = randomUUID();
    this.#probes.set(id, tell);
    try {
      const params = { id, uri: uri.toString(), choices, ...(model === undefined ? {} : { model }) };
      return await this.#request<ProbeParams, ProbeAnswer>(PROBE_REQUEST, params, token);
    } finally {
      this.#probes.delete(id);
    }
  }

  async dispose(): Promise<void> {
    await this.#client.dispose();
  }

  #make(): LanguageClient {
    const module = this.#context.asAbsolutePath("dist/server.js");
    // The server and the processes that it starts speak the editor's language.
    const texts = vscode.l10n.uri?.scheme === "file" ? { NOETHER_TEXTS: vscode.l10n.uri.fsPath } : {};
    const env = { ...process.env, ...texts };
    const server: ServerOptions = {
      run: { module, transport: TransportKind.ipc, options: { env } },
      debug: { module, transport: TransportKind.ipc, options: { env, execArgv: ["--nolazy", "--enable-source-maps"] } },
    };
    const options: LanguageClientOptions = {
      documentSelector: [
        ...[...this.#schemes].map((scheme) => ({ scheme, language: "python" })),
        { notebook: "*", language: "python" },
      ],
      diagnosticPullOptions: { onChange: true, onSave: true, onFocus: true },
      outputChannel: this.output,
      traceOutputChannel: this.#trace,
      initializationOptions: { commands: LINKED_COMMANDS } satisfies InitialisationOptions,
      markdown: { isTrusted: { enabledCommands: LINKED_COMMANDS } },
      synchronize: { fileEvents: this.#files },
      errorHandler: {
        // A server that has ended is started again when its connection closes. What was written into its pipe before
        // that fails; the default handler counts such failures and after three of them gives the server up for good.
        error: (error) => {
          this.output.warn(`the connection to the language server failed: ${error.message}`);
          return { action: ErrorAction.Continue, handled: true };
        },
        closed: () => closing.closed(),
      },
    };
    const client = new LanguageClient("noether", "Noether", server, options);
    const closing = client.createDefaultErrorHandler();
    client.onNotification(STATUS_NOTIFICATION, (status: ServerStatus) => this.#setStatus(status));
    client.onNotification(PROBE_NOTIFICATION, ({ event, id }: ProbeNotice) => this.#probes.get(id)?.(event));
    client.onDidChangeState(({ newState }) => {
      if (client !== this.#client) return; // another has taken its place
      if (newState === State.Starting) this.#setStatus({ state: "starting", message: vscode.l10n.t("Starting") });
      if (newState === State.Stopped)
        this.#setStatus({ state: "stopped", message: vscode.l10n.t("The language server is not running") });
    });
    return client;
  }

  /** Whether a document is a model's source in a file system that nothing was opened from yet. Views of history are none. */
  #isNew({ languageId, uri }: vscode.TextDocument): boolean {
    if (languageId !== "python" || this.#schemes.has(uri.scheme)) return false;
    return (
      vscode.workspace.fs.isWritableFileSystem(uri.scheme) === true || vscode.workspace.getWorkspaceFolder(uri) !== undefined
    );
  }

  /** Follows the documents of one more file system. What is followed is fixed when a client is made. */
  async #follow(scheme: string): Promise<void> {
    this.#schemes.add(scheme);
    const before = this.#client;
    this.#client = this.#make();
    await this.#attempt(async () => {
      await before.dispose().catch(() => {}); // it was not running
      await this.#client.start();
    });
  }

  async #request<P, R>(method: string, params: P, token?: vscode.CancellationToken): Promise<R> {
    await this.#started;
    if (!this.#client.isRunning()) throw new Error("the language server is not running; run the command Noether: Restart Server");
    // An undefined token would count as a second parameter.
    return token ? this.#client.sendRequest<R>(method, params, token) : this.#client.sendRequest<R>(method, params);
  }

  #attempt(start: () => Promise<void>): Promise<void> {
    const attempt = async (): Promise<void> => {
      try {
        await start();
        if (this.#status.state === "starting") this.#setStatus({ state: "ready", message: "Ready" });
      } catch (error) {
        this.output.error(`the language server did not start: ${String(error)}`);
        this.#setStatus({ state: "stopped", message: vscode.l10n.t("The language server did not start; see the output") });
      }
    };
    this.#started = attempt();
    return this.#started;
  }

  #setStatus(status: ClientStatus): void {
    this.#status = status;
    this.#changed.fire(status);
  }
}

/** @file A language server as a child process, and the little of an editor that drives it. For benchmarks. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import {
  CancellationTokenSource,
  createProtocolConnection,
  type Diagnostic,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  DocumentDiagnosticRequest,
  ConfigurationRequest,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  type ProtocolConnection,
  PublishDiagnosticsNotification,
  RegistrationRequest,
  ShutdownRequest,
} from "vscode-languageserver/node";

/** One insertion of text. */
export interface Insertion {
  readonly line: number;
  readonly character: number;
  readonly text: string;
}

/** What a document's diagnostics were, and when they came. */
export interface Answer {
  readonly diagnostics: readonly Diagnostic[];
  /** `performance.now()` */
  readonly at: number;
}

/** One document in a server that speaks over standard input and output. */
export class LanguageClient {
  private version = 1;
  private pull: CancellationTokenSource | undefined;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  private constructor(
    private readonly process: ChildProcess,
    private readonly connection: ProtocolConnection,
    private readonly uri: string,
    private readonly pulls: boolean,
  ) {}

  /** Starts a server and opens a Python file in it; the document's diagnostics come with `answer(1)`. */
  static async open(args: readonly string[], folder: string, uri: string, text: string): Promise<LanguageClient> {
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "ignore"] });
    const connection = createProtocolConnection(child.stdout, child.stdin);
    const early: { client?: LanguageClient } = {};
    connection.onRequest(ConfigurationRequest.type, ({ items }) => items.map(() => null));
    connection.onRequest(RegistrationRequest.type, () => {});
    connection.onNotification(PublishDiagnosticsNotification.type, ({ uri: about, version, diagnostics }) => {
      if (about === uri) early.client?.answered(version ?? early.client.version, diagnostics);
    });
    connection.listen();
    const { capabilities } = await connection.sendRequest(InitializeRequest.type, {
      processId: process.pid,
      rootUri: folder,
      workspaceFolders: [{ uri: folder, name: "bench" }],
      capabilities: { textDocument: { diagnostic: {}, publishDiagnostics: { versionSupport: true } } },
    });
    const client = new LanguageClient(child, connection, uri, capabilities.diagnosticProvider !== undefined);
    early.client = client;
    await connection.sendNotification(InitializedNotification.type, {});
    await connection.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: "python", version: 1, text },
    });
    client.ask();
    return client;
  }

  /** Sends an edit; asks for diagnostics as VS Code does, taking back the question before. Returns the new version. */
  edit({ line, character, text }: Insertion): number {
    this.version++;
    const at = { line, character };
    void this.connection.sendNotification(DidChangeTextDocumentNotification.type, {
      textDocument: { uri: this.uri, version: this.version },
      contentChanges: [{ range: { start: at, end: at }, text }],
    });
    this.ask();
    return this.version;
  }

  /** The diagnostics of a version. */
  answer(version: number): Promise<Answer> {
    return new Promise((resolve) => this.waiting.set(version, resolve));
  }

  /** Resident memory of the server and its processes, in bytes; undefined where /proc is absent. */
  memory(): number | undefined {
    return this.process.pid === undefined ? undefined : residentMemory(this.process.pid);
  }

  async close(): Promise<void> {
    await this.connection.sendRequest(ShutdownRequest.type);
    await this.connection.sendNotification(ExitNotification.type);
    this.connection.dispose();
    this.process.kill();
  }

  private ask(): void {
    if (!this.pulls) return;
    this.pull?.cancel();
    const source = new CancellationTokenSource();
    this.pull = source;
    const { version } = this;
    this.connection
      .sendRequest(DocumentDiagnosticRequest.type, { textDocument: { uri: this.uri } }, source.token)
      .then((report) => this.answered(version, "items" in report ? report.items : []))
      .catch(() => {}); // Taken back, or the text changed: a later question gets the answer.
  }

  private answered(version: number, diagnostics: readonly Diagnostic[]): void {
    this.waiting.get(version)?.({ diagnostics, at: performance.now() });
    this.waiting.delete(version);
  }
}

/** Resident bytes of a process and all its children. */
function residentMemory(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const own = Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/).filter(Boolean);
    return children.reduce((sum, child) => sum + (residentMemory(Number(child)) ?? 0), own);
  } catch {
    return undefined;
  }
}

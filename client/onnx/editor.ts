/** @file The read-only editor of .onnx files: the network drawn, its symmetries and findings, read from disk by the server. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import * as vscode from "vscode";
import type { SourceMatch } from "../../server/protocol";
import type { NoetherClient } from "../noether-client";
import type { FromView, ToView } from "../webview/onnx/messages";
import { viewPage } from "./page";
import { errorReport, progressReport, summaryReport } from "./report";
import { showText } from "./text-document";

export const VIEW_TYPE = "noether.onnx";

/** What the view of a file shows. */
export interface ShownView {
  /** The report, as HTML. */
  readonly report: string;
  /** The page around it, as HTML. */
  readonly page: string;
  /** What is drawn; absent until something is. */
  readonly drawn?: Extract<FromView, { readonly kind: "shown" }>;
  /** The Python class behind the file, where it was found. */
  readonly source?: string;
}

/** What the open views show, by URI. */
const shown = new Map<string, ShownView>();
/** How to reach the open views, by URI. */
const open = new Map<string, (message: ToView) => void>();

/** What the view of a file shows now; undefined where there is none. */
export function viewOf(uri: vscode.Uri): ShownView | undefined {
  return shown.get(uri.toString());
}

export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const provider = new OnnxEditorProvider(client, context.extensionUri);
  context.subscriptions.push(
    vscode.window.registerCustomEditorProvider(VIEW_TYPE, provider, {
      supportsMultipleEditorsPerDocument: true,
      webviewOptions: { retainContextWhenHidden: true },
    }),
    vscode.commands.registerCommand("noether.revealOnnxNode", async (uri: string, node: string) => {
      const target = vscode.Uri.parse(uri);
      await vscode.commands.executeCommand("vscode.openWith", target, VIEW_TYPE);
      open.get(target.toString())?.({ kind: "select", node });
    }),
  );
}

class OnnxEditorProvider implements vscode.CustomReadonlyEditorProvider {
  constructor(
    private readonly client: NoetherClient,
    private readonly extension: vscode.Uri,
  ) {}

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => shown.delete(uri.toString()) };
  }

  resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): void {
    const view = new OnnxView(uri, panel.webview, this.client, this.extension);
    const name = uri.path.slice(uri.path.lastIndexOf("/") + 1);
    const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(vscode.Uri.joinPath(uri, ".."), name));
    watcher.onDidChange(() => void view.show());
    watcher.onDidCreate(() => void view.show());
    panel.onDidDispose(() => {
      view.dispose();
      watcher.dispose();
    });
    // Not awaited: the editor is there as soon as it shows that it is reading.
    void view.show();
  }
}

/** The texts of a bundle; comments for translators are left out. */
function bundleTexts(bundle: typeof vscode.l10n.bundle): Record<string, string> {
  const texts = Object.entries(bundle ?? {}) as [string, unknown][];
  return Object.fromEntries(texts.filter((e): e is [string, string] => typeof e[1] === "string"));
}

/** One open view: what is found goes in, wishes come out. */
class OnnxView {
  /** The last message of each kind, for when the page is made anew. */
  readonly #said = new Map<ToView["kind"], ToView>();
  readonly #layouts = new Map<number, vscode.CancellationTokenSource>();
  #running: vscode.CancellationTokenSource | undefined;
  #match: SourceMatch | undefined;
  #ready = false;

  constructor(
    private readonly uri: vscode.Uri,
    private readonly webview: vscode.Webview,
    private readonly client: NoetherClient,
    extension: vscode.Uri,
  ) {
    const dist = vscode.Uri.joinPath(extension, "dist", "webview");
    webview.options = { enableScripts: true, localResourceRoots: [dist] };
    const resource = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(dist, name)).toString();
    const nonce = randomBytes(16).toString("hex");
    const { cspSource } = webview;
    webview.onDidReceiveMessage((message: FromView) => this.#receive(message));
    webview.html = viewPage(path.posix.basename(uri.path), {
      nonce,
      cspSource,
      script: resource("onnx.js"),
      style: resource("onnx-style.css"),
      translations: bundleTexts(vscode.l10n.bundle),
    });
    shown.set(uri.toString(), { report: "", page: webview.html });
    open.set(uri.toString(), (message) => this.#say(message));
  }

  dispose(): void {
    this.#stop();
    for (const source of this.#layouts.values()) source.cancel();
    open.delete(this.uri.toString());
  }

  /** Shows the claims as soon as they are known, and again once they are certified. Every failure ends up in the view. */
  async show(): Promise<void> {
    this.#stop();
    this.#running = new vscode.CancellationTokenSource();
    const { token } = this.#running;
    const report = (html: string): void => {
      if (token.isCancellationRequested) return;
      this.#note({ report: html });
      this.#say({ kind: "report", html });
    };
    report(progressReport());
    try {
      const summary = await this.client.onnx(this.uri, false, token);
      const setting = vscode.workspace.getConfiguration("noether", this.uri).get("certify");
      const certifies = summary.models.length > 0 && setting !== "never";
      report(summaryReport(summary, { certifying: certifies }));
      if (summary.models.length === 0) return;
      const file = await this.client.onnxDrawing(this.uri, token);
      if (file && !token.isCancellationRequested) {
        this.#say({ kind: "drawing", name: path.posix.basename(this.uri.path), file });
      }
      const source = this.#findSource(token);
      if (certifies) {
        const certified = await this.client.onnx(this.uri, true, token);
        // A certification that broke off is no reason to take away what is known.
        const problems = [...summary.problems, ...certified.problems];
        report(summaryReport(certified.models.length > 0 ? certified : { ...summary, problems }, { certifying: false }));
      }
      await source;
    } catch (error) {
      report(errorReport(error instanceof Error ? error.message : String(error)));
    }
  }

  /** Looks for the Python class behind the file, in the folder that it is in. */
  async #findSource(token: vscode.CancellationToken): Promise<void> {
    const folder = vscode.workspace.getWorkspaceFolder(this.uri)?.uri ?? vscode.Uri.joinPath(this.uri, "..");
    const match = await this.client.onnxSource(this.uri, [folder], token).catch(() => null);
    if (!match || token.isCancellationRequested) return;
    this.#match = match;
    const label = `${path.basename(match.file)} (${match.model})`;
    this.#note({ source: label });
    this.#say({ kind: "source", label, match });
  }

  #stop(): void {
    this.#running?.cancel();
    this.#running?.dispose();
    this.#running = undefined;
  }

  #note(part: Partial<ShownView>): void {
    const known = shown.get(this.uri.toString());
    if (known) shown.set(this.uri.toString(), { ...known, ...part });
  }

  #say(message: ToView): void {
    this.#said.set(message.kind, message);
    if (this.#ready) void this.webview.postMessage(message);
  }

  #receive(message: FromView): void {
    switch (message.kind) {
      case "ready":
        this.#ready = true;
        for (const kind of ["report", "drawing", "source", "select"] as const) {
          const said = this.#said.get(kind);
          if (said) void this.webview.postMessage(said);
        }
        return;
      case "layout":
        return void this.#layout(message);
      case "cancelLayout":
        return this.#layouts.get(message.id)?.cancel();
      case "openSource":
        return this.#openSource(message.scope);
      case "openText":
        return void showText(this.uri, message.node);
      case "shown":
        return this.#note({ drawn: message });
    }
  }

  async #layout({ id, request }: Extract<FromView, { readonly kind: "layout" }>): Promise<void> {
    const source = new vscode.CancellationTokenSource();
    this.#layouts.set(id, source);
    try {
      const layout = await this.client.layout(request, source.token);
      if (!source.token.isCancellationRequested) void this.webview.postMessage({ kind: "layout", id, layout } satisfies ToView);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const failed: ToView = { kind: "layoutFailed", id, message: vscode.l10n.t("The network could not be drawn: {0}", reason) };
      if (!source.token.isCancellationRequested) void this.webview.postMessage(failed);
    } finally {
      this.#layouts.delete(id);
      source.dispose();
    }
  }

  #openSource(scope: string): void {
    const range = this.#match?.layers[scope];
    if (!range) return;
    const selection = new vscode.Range(range.start.line, range.start.column, range.end.line, range.end.column);
    void vscode.window.showTextDocument(vscode.Uri.file(range.file), { selection, viewColumn: vscode.ViewColumn.Beside });
  }
}

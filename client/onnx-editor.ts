/** @file The read-only view of .onnx files: the symmetries of the graph, read from disk by the server. */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { NoetherClient } from "./noether-client";
import { errorPage, progressPage, summaryPage } from "./onnx-page";

export const VIEW_TYPE = "noether.onnx";

/** The page that the view of each open file shows, by URI. */
const pages = new Map<string, string>();

/** What the view of a file shows now, as HTML; undefined where there is none. */
export function pageOf(uri: vscode.Uri): string | undefined {
  return pages.get(uri.toString());
}

export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const provider = new OnnxEditorProvider(client);
  context.subscriptions.push(
    vscode.window.registerCustomEditorProvider(VIEW_TYPE, provider, { supportsMultipleEditorsPerDocument: true }),
  );
}

class OnnxEditorProvider implements vscode.CustomReadonlyEditorProvider {
  readonly #client: NoetherClient;

  constructor(client: NoetherClient) {
    this.#client = client;
  }

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => pages.delete(uri.toString()) };
  }

  resolveCustomEditor(document: vscode.CustomDocument, panel: vscode.WebviewPanel): void {
    panel.webview.options = { enableScripts: false, localResourceRoots: [] };
    let running: vscode.CancellationTokenSource | undefined;
    const stop = (): void => {
      running?.cancel();
      running?.dispose();
      running = undefined;
    };
    const show = async (): Promise<void> => {
      stop();
      running = new vscode.CancellationTokenSource();
      await this.#show(document.uri, panel.webview, running.token);
    };
    const watcher = vscode.workspace.createFileSystemWatcher(
      new vscode.RelativePattern(
        vscode.Uri.joinPath(document.uri, ".."),
        document.uri.path.slice(document.uri.path.lastIndexOf("/") + 1),
      ),
    );
    watcher.onDidChange(() => void show());
    watcher.onDidCreate(() => void show());
    panel.onDidDispose(() => {
      stop();
      watcher.dispose();
    });
    // Not awaited: the editor is there as soon as it shows that it is reading.
    void show();
  }

  /** Shows the claims as soon as they are known, and again once they are certified. Every failure ends up in the view. */
  async #show(uri: vscode.Uri, webview: vscode.Webview, token: vscode.CancellationToken): Promise<void> {
    const name = uri.path.slice(uri.path.lastIndexOf("/") + 1);
    const set = (page: (nonce: string) => string): void => {
      if (token.isCancellationRequested) return;
      webview.html = page(randomBytes(16).toString("hex"));
      pages.set(uri.toString(), webview.html);
    };
    set((nonce) => progressPage(name, nonce));
    try {
      const summary = await this.#client.onnx(uri, false, token);
      const certifies = summary.models.length > 0 && vscode.workspace.getConfiguration("noether", uri).get("certify") !== "never";
      set((nonce) => summaryPage(name, summary, { nonce, certifying: certifies }));
      if (!certifies) return;
      const certified = await this.#client.onnx(uri, true, token);
      // A certification that broke off is no reason to take away what is known.
      const shown =
        certified.models.length > 0 ? certified : { ...summary, problems: [...summary.problems, ...certified.problems] };
      set((nonce) => summaryPage(name, shown, { nonce, certifying: false }));
    } catch (error) {
      set((nonce) => errorPage(name, error instanceof Error ? error.message : String(error), nonce));
    }
  }
}

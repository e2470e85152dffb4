/** @file The text report of a model as a read-only document. */
import * as vscode from "vscode";
import type { NoetherClient } from "./noether-client";

const SCHEME = "noether";
const EMPTY = "No model found: Noether looks for torch.nn.Module classes with a forward method.\n";

/** Registers the provider and the command that opens the report of the model at the cursor. */
export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const changed = new vscode.EventEmitter<vscode.Uri>();
  context.subscriptions.push(
    changed,
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
      onDidChange: changed.event,
      async provideTextDocumentContent(uri) {
        const { source, position } = parse(uri);
        const report = await client.symmetries(source, position);
        return report?.text ?? EMPTY;
      },
    }),
    vscode.commands.registerCommand("noether.showSymmetries", async () => {
      const editor = vscode.window.activeTextEditor;
      if (editor?.document.languageId !== "python") {
        void vscode.window.showInformationMessage("Open a Python file with a model, and put the cursor on its class.");
        return;
      }
      try {
        const position = editor.selection.active;
        const title = (await client.symmetries(editor.document.uri, position))?.title ?? "none";
        const uri = reportUri(editor.document.uri, position, title);
        changed.fire(uri); // a report shown before may be out of date
        const document = await vscode.workspace.openTextDocument(uri);
        await vscode.window.showTextDocument(document, {
          viewColumn: vscode.ViewColumn.Beside,
          preview: true,
          preserveFocus: true,
        });
      } catch (error) {
        void vscode.window.showErrorMessage(`Noether: ${error instanceof Error ? error.message : String(error)}`);
      }
    }),
  );
}

/** The report's URI names the model for the tab's title, and carries the place that it is about. */
function reportUri(source: vscode.Uri, { line, character }: vscode.Position, title: string): vscode.Uri {
  const query = JSON.stringify({ source: source.toString(), line, character });
  return vscode.Uri.from({ scheme: SCHEME, path: `/Symmetries of ${title.replaceAll("/", "_")}`, query });
}

function parse(uri: vscode.Uri): { source: vscode.Uri; position: vscode.Position } {
  const { source, line, character } = JSON.parse(uri.query) as { source: string; line: number; character: number };
  return { source: vscode.Uri.parse(source), position: new vscode.Position(line, character) };
}

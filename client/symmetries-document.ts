/** @file The text report of a model as a read-only document. */
import * as vscode from "vscode";
import type { NoetherClient } from "./noether-client";

const SCHEME = "noether";

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
        const empty = vscode.l10n.t("No model found: Noether reads PyTorch, Keras and Flax models.");
        return report?.text ?? `${empty}\n`;
      },
    }),
    vscode.commands.registerCommand("noether.showSymmetries", async (place?: Place) => {
      const target = place ? parsePlace(place) : placeOfCursor();
      if (!target) {
        void vscode.window.showInformationMessage(
          vscode.l10n.t("Open a Python file with a model, and put the cursor on its class."),
        );
        return;
      }
      try {
        const { source, position } = target;
        const title = (await client.symmetries(source, position))?.title ?? "none";
        const uri = reportUri(source, position, title);
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

/** A place in a document, as a code lens hands it over. */
interface Place {
  readonly uri: string;
  readonly line: number;
  readonly character: number;
}

function parsePlace({ uri, line, character }: Place): { source: vscode.Uri; position: vscode.Position } {
  return { source: vscode.Uri.parse(uri), position: new vscode.Position(line, character) };
}

function placeOfCursor(): { source: vscode.Uri; position: vscode.Position } | undefined {
  const editor = vscode.window.activeTextEditor;
  return editor?.document.languageId === "python"
    ? { source: editor.document.uri, position: editor.selection.active }
    : undefined;
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

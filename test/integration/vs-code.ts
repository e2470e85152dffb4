/** @file What the tests do in VS Code, in words. */
import assert from "node:assert/strict";
import * as vscode from "vscode";
import { picturesTaken } from "./user";
import type { NoetherApi } from "../../client/extension";

/** The id in the manifest. */
const EXTENSION = "noether-lint.noether";

/** Milliseconds until something that is waited for counts as missing. */
const PATIENCE = Number(process.env["VSCODE_PATIENCE"] ?? 45_000);

/** Polls until there is a value. For states of VS Code that have no event. */
export async function until<T>(what: string, probe: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The activated extension. */
export async function noether(): Promise<NoetherApi> {
  const extension = vscode.extensions.getExtension<NoetherApi>(EXTENSION);
  assert.ok(extension, `${EXTENSION} is not installed`);
  return extension.activate();
}

/** A file of the workspace. */
export function file(name: string): vscode.Uri {
  return vscode.Uri.joinPath(vscode.workspace.workspaceFolders![0]!.uri, name);
}

/** Opens a text file in an editor. */
export async function open(name: string): Promise<vscode.TextDocument> {
  const document = await vscode.workspace.openTextDocument(file(name));
  await vscode.window.showTextDocument(document);
  return document;
}

/** Where a text first stands in a document; the n-th time with `occurrence`. */
export function find(document: vscode.TextDocument, text: string, occurrence = 1): vscode.Position {
  let at = -1;
  for (let i = 0; i < occurrence; i++) at = document.getText().indexOf(text, at + 1);
  assert.ok(at >= 0, `${JSON.stringify(text)} is not in ${document.uri.path}`);
  return document.positionAt(at);
}

/** All hover texts at a position. */
export async function hover(document: vscode.TextDocument, position: vscode.Position): Promise<string> {
  const hovers = await vscode.commands.executeCommand<vscode.Hover[]>("vscode.executeHoverProvider", document.uri, position);
  return hovers.flatMap((h) => h.contents.map((c) => (typeof c === "string" ? c : c.value))).join("\n");
}

/** Noether's diagnostics of a file now. */
export function diagnostics(uri: vscode.Uri): vscode.Diagnostic[] {
  return vscode.languages.getDiagnostics(uri).filter((d) => d.source === "noether");
}

/** The rule that a diagnostic comes from. */
export function rule(diagnostic: vscode.Diagnostic): string {
  return typeof diagnostic.code === "object" ? String(diagnostic.code.value) : String(diagnostic.code);
}

/** Quick fixes offered for a diagnostic. */
export async function fixes(document: vscode.TextDocument, { range }: vscode.Diagnostic): Promise<vscode.CodeAction[]> {
  const kind = vscode.CodeActionKind.QuickFix.value;
  return vscode.commands.executeCommand<vscode.CodeAction[]>("vscode.executeCodeActionProvider", document.uri, range, kind);
}

/** Puts the file back as it is on disk and closes all editors. */
export async function close(): Promise<void> {
  await picturesTaken();
  while (vscode.window.activeTextEditor?.document.isDirty) await vscode.commands.executeCommand("workbench.action.files.revert");
  await vscode.commands.executeCommand("workbench.action.closeAllEditors");
}

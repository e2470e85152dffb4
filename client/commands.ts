/** @file Commands about the server itself, and about rules. */
import * as vscode from "vscode";
import type { NoetherClient } from "./noether-client";

export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  context.subscriptions.push(
    vscode.commands.registerCommand("noether.restartServer", () => client.restart()),
    vscode.commands.registerCommand("noether.showOutput", () => client.output.show(true)),
    vscode.commands.registerCommand("noether.openRule", (rule?: unknown) => openRule(context.extensionUri, rule)),
  );
}

/** Shows the page of a rule; asks which where none is named. */
async function openRule(extension: vscode.Uri, rule: unknown): Promise<void> {
  const folder = vscode.Uri.joinPath(extension, "docs", "rules");
  const pages = (await vscode.workspace.fs.readDirectory(folder)).map(([name]) => name.replace(/\.md$/, ""));
  const names = pages.filter((name) => name !== "README");
  const chosen =
    typeof rule === "string" && names.includes(rule)
      ? rule
      : await vscode.window.showQuickPick(names, { placeHolder: vscode.l10n.t("Which rule?") });
  if (chosen === undefined) return;
  const page = vscode.Uri.joinPath(folder, `${chosen}.md`);
  try {
    await vscode.commands.executeCommand("markdown.showPreview", page);
  } catch {
    await vscode.window.showTextDocument(page, { preview: true }); // the built-in Markdown extension is switched off
  }
}

/** @file The language status item: what Noether is doing, in the braces menu of the status bar. */
import * as vscode from "vscode";
import type { ClientStatus, NoetherClient } from "./noether-client";

export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const item = vscode.languages.createLanguageStatusItem("noether.status", [{ language: "python" }, { pattern: "**/*.onnx" }]);
  item.name = "Noether";
  const show = (status: ClientStatus): void => {
    const trouble = status.state === "failed" || status.state === "stopped";
    item.text = `Noether: ${status.message}`;
    item.busy = status.state === "starting" || status.state === "analysing" || status.state === "certifying";
    item.severity = trouble ? vscode.LanguageStatusSeverity.Warning : vscode.LanguageStatusSeverity.Information;
    item.command = trouble
      ? { command: "noether.restartServer", title: vscode.l10n.t("Restart") }
      : { command: "noether.showOutput", title: vscode.l10n.t("Show output") };
    if (status.uri !== undefined) item.detail = vscode.workspace.asRelativePath(vscode.Uri.parse(status.uri));
  };
  show(client.status);
  context.subscriptions.push(item, client.onDidChangeStatus(show));
}

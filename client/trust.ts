/** @file What only happens in workspaces that are trusted. Reading models is not among it. */
import * as vscode from "vscode";

/** Whether the workspace is trusted; where it is not, tells why that is needed and offers the way there. */
export async function trusts(why: string): Promise<boolean> {
  if (vscode.workspace.isTrusted) return true;
  const manage = vscode.l10n.t("Manage Workspace Trust");
  if ((await vscode.window.showWarningMessage(`Noether: ${why}`, manage)) === manage) {
    await vscode.commands.executeCommand("workbench.trust.manage");
  }
  return false;
}

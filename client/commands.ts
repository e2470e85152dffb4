/** @file Commands about the server itself. */
import * as vscode from "vscode";
import type { NoetherClient } from "./noether-client";

export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  context.subscriptions.push(
    vscode.commands.registerCommand("noether.restartServer", () => client.restart()),
    vscode.commands.registerCommand("noether.showOutput", () => client.output.show(true)),
  );
}

/** @file Commands about the server itself, about rules, and the sample. */
import * as vscode from "vscode";
import type { NoetherClient } from "./noether-client";
import { problemReport } from "./problem-report";

/** Timings that a report of a problem knows. */
const MOST_TIMINGS = 100;

export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const milliseconds: number[] = [];
  context.subscriptions.push(
    client.onDidChangeStatus((status) => {
      if (status.milliseconds !== undefined) milliseconds.push(status.milliseconds);
      if (milliseconds.length > MOST_TIMINGS) milliseconds.shift();
    }),
    vscode.commands.registerCommand("noether.reportProblem", () => reportProblem(context, client, milliseconds)),
    vscode.commands.registerCommand("noether.openSample", () => openSample(context.extensionUri)),
    vscode.commands.registerCommand("noether.restartServer", () => client.restart()),
    vscode.commands.registerCommand("noether.showOutput", () => client.output.show(true)),
    vscode.commands.registerCommand("noether.showFixes", showFixes),
    vscode.commands.registerCommand("noether.openRule", (rule?: unknown) => openRule(context.extensionUri, rule)),
  );
}

/** Lists what mends or changes the code at a place; a link in hovers. `range` is one of the protocol's. */
async function showFixes(uri: string, range: { readonly start: PlainPosition; readonly end: PlainPosition }): Promise<void> {
  const editor = await vscode.window.showTextDocument(vscode.Uri.parse(uri));
  const { start } = range;
  editor.selection = new vscode.Selection(start.line, start.character, start.line, start.character);
  editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  await vscode.commands.executeCommand("editor.action.quickFix");
}

interface PlainPosition {
  readonly line: number;
  readonly character: number;
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

/** Opens the sample of the walkthrough as a text that is not saved anywhere. */
async function openSample(extension: vscode.Uri): Promise<void> {
  const file = vscode.Uri.joinPath(extension, "docs", "walkthrough", "sample.py");
  const content = Buffer.from(await vscode.workspace.fs.readFile(file)).toString();
  const document = await vscode.workspace.openTextDocument({ language: "python", content });
  await vscode.window.showTextDocument(document, { preview: false });
}

/** Opens a report for the user to fill in and send wherever they like; nothing is sent from here. */
async function reportProblem(
  context: vscode.ExtensionContext,
  client: NoetherClient,
  milliseconds: readonly number[],
): Promise<void> {
  const { version } = context.extension.packageJSON as { readonly version: string };
  const server = await client.information().catch(() => undefined);
  const content = problemReport({
    extension: version,
    editor: vscode.version,
    host: [
      vscode.env.uiKind === vscode.UIKind.Web ? "web" : "desktop",
      vscode.env.remoteName === undefined ? "local" : "remote",
    ].join(", "),
    platform: `${process.platform} ${process.arch}`,
    trusted: vscode.workspace.isTrusted,
    folders: vscode.workspace.workspaceFolders?.length ?? 0,
    settings: changedSettings(context),
    status: client.status.state,
    milliseconds,
    ...(server ? { server } : {}),
  });
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ language: "markdown", content }));
}

/** Settings that somebody set, by their names without the prefix. */
function changedSettings(context: vscode.ExtensionContext): Record<string, unknown> {
  const { contributes } = context.extension.packageJSON as {
    readonly contributes: { readonly configuration: { readonly properties: Readonly<Record<string, unknown>> } };
  };
  const names = Object.keys(contributes.configuration.properties).map((name) => name.replace(/^noether\./, ""));
  const configuration = vscode.workspace.getConfiguration("noether");
  return Object.fromEntries(
    names.flatMap((name) => {
      const { globalValue, workspaceFolderValue, workspaceValue } = configuration.inspect(name) ?? {};
      const value: unknown = workspaceFolderValue ?? workspaceValue ?? globalValue;
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

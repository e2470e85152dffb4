/** @file The symmetry explorer: models of the open Python file, their channel spaces, and the layers that share each. */
import path from "node:path";
import * as vscode from "vscode";
import type { DocumentStructure } from "../server/protocol";
import type { NoetherClient } from "./noether-client";

type Model = DocumentStructure["models"][number];
type Space = Model["spaces"][number];
type Member = Space["members"][number];

/** One line of the tree. */
type Entry =
  | { readonly kind: "model"; readonly model: Model; readonly file: string }
  | { readonly kind: "space"; readonly space: Space; readonly file: string }
  | { readonly kind: "member"; readonly member: Member };

/** Registers the view and what belongs to it. */
export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const tree = new Explorer(client);
  const view = vscode.window.createTreeView("noether.explorer", { treeDataProvider: tree, showCollapseAll: true });
  context.subscriptions.push(
    view,
    tree,
    vscode.commands.registerCommand("noether.refreshExplorer", () => tree.refresh()),
    vscode.commands.registerCommand("noether.nextMember", () => goToMember(1)),
    vscode.commands.registerCommand("noether.previousMember", () => goToMember(-1)),
  );
}

class Explorer implements vscode.TreeDataProvider<Entry>, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #subscriptions: vscode.Disposable[];
  /** The file that is shown; it stays while something else than Python has the focus. */
  #document: vscode.Uri | undefined;
  /** Ends the waiting for what was asked about the file before: VS Code shows nothing new until it has an answer. */
  #leave: () => void = () => {};
  #left = Promise.resolve<null>(null);

  constructor(private readonly client: NoetherClient) {
    this.#follow(vscode.window.activeTextEditor);
    this.#subscriptions = [
      this.#changed,
      vscode.window.onDidChangeActiveTextEditor((editor) => this.#follow(editor)),
      client.onDidChangeStatus(({ state, uri }) => {
        if (state === "ready" && uri !== undefined && uri === this.#document?.toString()) this.refresh();
      }),
    ];
  }

  refresh(): void {
    this.#changed.fire();
  }

  dispose(): void {
    for (const s of this.#subscriptions) s.dispose();
  }

  #follow(editor: vscode.TextEditor | undefined): void {
    if (editor?.document.languageId !== "python" || editor.document.uri.toString() === this.#document?.toString()) return;
    this.#document = editor.document.uri;
    this.#leave();
    this.#left = new Promise((resolve) => (this.#leave = () => resolve(null)));
    this.refresh();
  }

  getTreeItem(entry: Entry): vscode.TreeItem {
    const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;
    switch (entry.kind) {
      case "model": {
        const item = new vscode.TreeItem(entry.model.name, Expanded);
        item.description = entry.model.summary;
        item.iconPath = new vscode.ThemeIcon("symbol-class");
        item.contextValue = "model";
        item.accessibilityInformation = {
          label: vscode.l10n.t("Model {0}, {1}", entry.model.name, entry.model.summary),
        };
        item.tooltip = [`${entry.model.name}: ${entry.model.summary}`, entry.model.riskReason].filter((t) => t !== "").join("\n");
        if (entry.model.range) item.command = reveal(entry.model.range);
        return item;
      }
      case "space": {
        const item = new vscode.TreeItem(entry.space.label, Collapsed);
        const scopes = [...new Set(entry.space.members.map((m) => m.scope))];
        const risk = entry.space.risk === "low" ? "" : `${vscode.l10n.t("risk {0}", entry.space.risk)} · `;
        item.description = risk + scopes.slice(0, 3).join(", ") + (scopes.length > 3 ? `, ${scopes.length - 3} more` : "");
        item.iconPath = new vscode.ThemeIcon("symbol-array");
        item.tooltip = [entry.space.label, vscode.l10n.t("collapse risk {0}", entry.space.risk), ...scopes].join("\n");
        return item;
      }
      case "member": {
        const { places, range, scope, side } = entry.member;
        const item = new vscode.TreeItem(scope, None);
        item.description =
          side === "out" ? vscode.l10n.t("writes {0}", places.join(", ")) : vscode.l10n.t("reads {0}", places.join(", "));
        item.iconPath = new vscode.ThemeIcon(side === "out" ? "arrow-right" : "arrow-left");
        item.command = reveal(range);
        return item;
      }
    }
  }

  async getChildren(entry?: Entry): Promise<Entry[]> {
    if (!entry) {
      if (!this.#document) return [];
      const file = this.#document.toString();
      // Cancelled by the next keystroke, or the server is not there: the next refresh asks again.
      const asked = this.client.structure(this.#document).catch(() => null);
      const structure = await Promise.race([asked, this.#left]);
      return (structure?.models ?? []).map((model) => ({ kind: "model", model, file }));
    }
    if (entry.kind === "model") return entry.model.spaces.map((space) => ({ kind: "space", space, file: entry.file }));
    return entry.kind === "space" ? entry.space.members.map((member) => ({ kind: "member", member })) : [];
  }
}

function reveal(range: Member["range"]): vscode.Command {
  const uri =
    /^[a-z][a-z0-9+.-]+:/i.test(range.file) && !path.isAbsolute(range.file)
      ? vscode.Uri.parse(range.file)
      : vscode.Uri.file(range.file);
  const selection = new vscode.Range(range.start.line, range.start.column, range.end.line, range.end.column);
  return { title: "Reveal", command: "vscode.open", arguments: [uri, { selection, preserveFocus: true }] };
}

/** Moves the cursor to the next or previous layer that shares a symmetry with the one at the cursor. */
async function goToMember(step: 1 | -1): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) return;
  const at = editor.selection.active;
  const found = await vscode.commands.executeCommand<vscode.DocumentHighlight[] | undefined>(
    "vscode.executeDocumentHighlights",
    editor.document.uri,
    at,
  );
  // Words that the editor highlights by itself are no members.
  const members = (found ?? [])
    .filter((h) => h.kind !== vscode.DocumentHighlightKind.Text)
    .map((h) => h.range)
    .sort((a, b) => a.start.compareTo(b.start));
  const here = members.findIndex((r) => r.contains(at));
  const next = members[(here + step + members.length) % members.length];
  if (here < 0 || !next || members.length < 2) {
    void vscode.window.setStatusBarMessage(
      vscode.l10n.t("Noether: no other layer shares a symmetry with what is at the cursor"),
      4000,
    );
    return;
  }
  editor.selection = new vscode.Selection(next.start, next.start);
  editor.revealRange(next, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

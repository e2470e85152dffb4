/**
 * @file An .onnx file as a read-only document in ONNX's text syntax, with findings, hovers, an outline and folding. The document
 * is a view: its URI carries that of the file.
 */
import * as vscode from "vscode";
import type { OnnxTextView } from "../../server/protocol";
import type { NoetherClient } from "../noether-client";

export const SCHEME = "noether-onnx";
/** The command behind links in hovers: goes to a line of a text. */
const GO_TO_LINE = "noether.goToOnnxLine";
const SELECTOR: vscode.DocumentSelector = { scheme: SCHEME };

const SEVERITIES = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  info: vscode.DiagnosticSeverity.Information,
  hint: vscode.DiagnosticSeverity.Hint,
} as const;

type Place = OnnxTextView["remarks"][number]["place"];

/** Registers the document's provider and everything that it shows. */
export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const changed = new vscode.EventEmitter<vscode.Uri>();
  const diagnostics = vscode.languages.createDiagnosticCollection("noether-onnx");
  const texts = new Texts(client, diagnostics);
  const watcher = vscode.workspace.createFileSystemWatcher("**/*.onnx");
  watcher.onDidChange((uri) => changed.fire(textUri(uri)));
  context.subscriptions.push(
    changed,
    diagnostics,
    watcher,
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, {
      onDidChange: changed.event,
      provideTextDocumentContent: (uri, token) => texts.load(uri, token),
    }),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => uri.scheme === SCHEME && texts.forget(uri)),
    vscode.languages.registerHoverProvider(SELECTOR, { provideHover: ({ uri }, position) => texts.hover(uri, position) }),
    vscode.languages.registerDocumentSymbolProvider(SELECTOR, { provideDocumentSymbols: ({ uri }) => texts.symbols(uri) }),
    vscode.languages.registerFoldingRangeProvider(SELECTOR, { provideFoldingRanges: ({ uri }) => texts.folds(uri) }),
    vscode.commands.registerCommand(GO_TO_LINE, async (uri: string, line: number) => {
      const selection = new vscode.Range(line, 0, line, 0);
      await vscode.window.showTextDocument(vscode.Uri.parse(uri), { selection });
    }),
    vscode.commands.registerCommand("noether.showOnnxText", (uri?: vscode.Uri) => {
      const file = uri ?? activeOnnx();
      if (file) return showText(file, undefined);
      void vscode.window.showInformationMessage(vscode.l10n.t("Open an .onnx file first."));
      return undefined;
    }),
  );
}

/** Opens the text of a file beside its view, at a node where one is named. */
export async function showText(file: vscode.Uri, node: string | undefined): Promise<void> {
  try {
    const document = await vscode.workspace.openTextDocument(textUri(file));
    const place = node === undefined ? undefined : placeOf(document.uri, node);
    const options = { viewColumn: vscode.ViewColumn.Beside, preview: true };
    await vscode.window.showTextDocument(document, place ? { ...options, selection: rangeOf(place) } : options);
  } catch (error) {
    void vscode.window.showErrorMessage(`Noether: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The document's URI: named after the file, which its query carries. */
function textUri(file: vscode.Uri): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: `${file.path.replace(/\.onnx$/i, "")}.onnxtxt`, query: file.toString() });
}

/** The .onnx file of the active custom editor. */
function activeOnnx(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  return input instanceof vscode.TabInputCustom && /\.onnx$/i.test(input.uri.path) ? input.uri : undefined;
}

/** The views of open documents, by URI. */
const views = new Map<string, OnnxTextView>();

function placeOf(uri: vscode.Uri, node: string): Place | undefined {
  return views.get(uri.toString())?.symbols.find((s) => s.name === node)?.place;
}

class Texts {
  constructor(
    private readonly client: NoetherClient,
    private readonly diagnostics: vscode.DiagnosticCollection,
  ) {}

  async load(uri: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    const view = await this.client.onnxText(vscode.Uri.parse(uri.query), token);
    if (!view) {
      this.forget(uri);
      return `# ${uri.path.slice(uri.path.lastIndexOf("/") + 1)} holds no model that can be read; open the .onnx file to see why.\n`;
    }
    views.set(uri.toString(), view);
    this.diagnostics.set(
      uri,
      view.remarks.map(({ place, message, severity, rule }) => {
        const diagnostic = new vscode.Diagnostic(rangeOf(place), message, SEVERITIES[severity]);
        diagnostic.source = "noether";
        diagnostic.code = rule;
        return diagnostic;
      }),
    );
    return view.text;
  }

  forget(uri: vscode.Uri): void {
    views.delete(uri.toString());
    this.diagnostics.delete(uri);
  }

  hover(uri: vscode.Uri, position: vscode.Position): vscode.Hover | undefined {
    const found = views.get(uri.toString())?.hovers.find((h) => rangeOf(h.place).contains(position));
    if (!found) return undefined;
    // Editors open links of a few schemes only, and this document's is none of them; a command gets there.
    const markdown = found.markdown.replace(/\]\(place:(\d+)\)/g, (_, index: string) => {
      const args = encodeURIComponent(JSON.stringify([uri.toString(), found.links[Number(index)] ?? 0]));
      return `](command:${GO_TO_LINE}?${args})`;
    });
    const text = new vscode.MarkdownString(markdown);
    text.isTrusted = { enabledCommands: [GO_TO_LINE] };
    return new vscode.Hover(text, rangeOf(found.place));
  }

  /** Nodes, below the modules that they are in. */
  symbols(uri: vscode.Uri): vscode.DocumentSymbol[] {
    const view = views.get(uri.toString());
    if (!view) return [];
    const top: vscode.DocumentSymbol[] = [];
    const modules = new Map<string, vscode.DocumentSymbol>();
    for (const { detail, lastLine, name, place, scope } of view.symbols) {
      const range = new vscode.Range(place.line, 0, lastLine, 10_000);
      const own = new vscode.DocumentSymbol(name, detail, vscode.SymbolKind.Operator, range, rangeOf(place));
      const key = scope?.split(".")[0];
      if (key === undefined) {
        top.push(own);
        continue;
      }
      let module = modules.get(key);
      if (!module) {
        module = new vscode.DocumentSymbol(key, "", vscode.SymbolKind.Module, range, rangeOf(place));
        modules.set(key, module);
        top.push(module);
      }
      module.range = module.range.union(range);
      module.children.push(own);
    }
    return top;
  }

  folds(uri: vscode.Uri): vscode.FoldingRange[] {
    const view = views.get(uri.toString());
    const nested = view?.symbols.filter((s) => s.lastLine > s.place.line) ?? [];
    return [
      ...(view?.sections ?? []).map((s) => new vscode.FoldingRange(s.first, s.last)),
      ...nested.map((s) => new vscode.FoldingRange(s.place.line, s.lastLine)),
    ];
  }
}

function rangeOf({ line, start, end }: Place): vscode.Range {
  return new vscode.Range(line, start, line, end);
}

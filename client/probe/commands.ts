/** @file The command that probes a model, from lenses, hovers, the explorer, files and the palette. */
import * as vscode from "vscode";
import type { ProbeChoices } from "../../server/protocol";
import type { NoetherClient } from "../noether-client";
import { VIEW_TYPE as ONNX_VIEW } from "../onnx/editor";
import { ProbeHistory } from "./history";
import { type DrawnProbe, mayProbe, nameOf, type ProbedModel, ProbePanel, VIEW_TYPE } from "./panel";

const panels = new Map<string, ProbePanel>();

/** What the panel of a model shows; undefined where there is none. */
export function drawnProbe(uri: vscode.Uri, model?: string): DrawnProbe | undefined {
  return panels.get(keyOf({ uri, model }))?.drawn;
}

export function register(context: vscode.ExtensionContext, client: NoetherClient): void {
  const history = new ProbeHistory(context);
  const adopt = (panel: vscode.WebviewPanel, target: ProbedModel): ProbePanel => {
    const made = new ProbePanel(panel, target, { client, history, extension: context.extensionUri });
    const key = keyOf(target);
    panels.set(key, made);
    panel.onDidDispose(() => panels.delete(key));
    return made;
  };
  const panelOf = (target: ProbedModel): ProbePanel => {
    const known = panels.get(keyOf(target));
    known?.reveal();
    if (known) return known;
    const column = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    return adopt(vscode.window.createWebviewPanel(VIEW_TYPE, "Probe", column), target);
  };
  const withTarget = async (place: unknown, model: unknown, act: (target: ProbedModel) => Promise<unknown>): Promise<void> => {
    try {
      const target = await targetOf(client, place, model);
      if (target) await act(target);
    } catch (error) {
      void vscode.window.showErrorMessage(`Noether: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  context.subscriptions.push(
    // Keybindings may say how: ["", "Net", { "steps": 100 }].
    vscode.commands.registerCommand("noether.probe", (place?: unknown, model?: unknown, choices?: unknown) =>
      withTarget(place, model, async (target) => {
        if (await mayProbe()) await panelOf(target).run({ ...configured(target), ...choicesOf(choices) });
      }),
    ),
    vscode.commands.registerCommand("noether.showProbes", (place?: unknown, model?: unknown) =>
      withTarget(place, model, async (target) => {
        if (await panelOf(target).open()) return;
        void vscode.window.showInformationMessage(
          vscode.l10n.t("This model has not been probed yet. Run the command Noether: Probe."),
        );
      }),
    ),
    vscode.commands.registerCommand("noether.cancelProbe", () => {
      for (const panel of panels.values()) panel.cancel();
    }),
    vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, {
      async deserializeWebviewPanel(panel, state: unknown) {
        const { model, uri } = (state ?? {}) as { readonly uri?: string; readonly model?: string };
        if (uri === undefined) return panel.dispose();
        await adopt(panel, { uri: vscode.Uri.parse(uri), model }).open();
      },
    }),
  );
}

/** What the settings say that differs from the defaults. */
function configured({ uri }: ProbedModel): ProbeChoices {
  const settings = vscode.workspace.getConfiguration("noether.probe", uri);
  const own = <T>(name: string): T | undefined => {
    const { defaultValue } = settings.inspect<T>(name) ?? {};
    const value = settings.get<T>(name);
    return value === defaultValue ? undefined : value;
  };
  const [steps, replicas, budget] = ["steps", "replicas", "seconds"].map((name) => own<number>(name));
  const device = own<NonNullable<ProbeChoices["device"]>>("device");
  return {
    ...(steps === undefined ? {} : { steps }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(budget === undefined ? {} : { budget }),
    ...(device === undefined ? {} : { device }),
  };
}

function choicesOf(given: unknown): ProbeChoices {
  return typeof given === "object" && given !== null ? given : {};
}

function keyOf({ model, uri }: ProbedModel): string {
  return `${uri.toString()}#${model ?? ""}`;
}

/**
 * The model that a command is about: of what was handed over (a URI and a class from a lens or a link, an entry of the explorer, a file) or of the
 * active editor. Asks only where there are several models; undefined when the user chose none.
 */
export async function targetOf(
  client: NoetherClient,
  place: unknown,
  model: unknown,
  question: string = vscode.l10n.t("Which model should be probed?"),
): Promise<ProbedModel | undefined> {
  const uri = uriOf(place) ?? activeUri();
  if (!uri) throw new Error(vscode.l10n.t("Open a Python file with a model, or an .onnx file, and run the command again."));
  if (/\.onnx$/i.test(uri.path)) return { uri, model: undefined };
  const named = typeof model === "string" ? model : nameInEntry(place);
  if (named !== undefined) return { uri, model: named };
  // The server knows open documents only.
  await vscode.workspace.openTextDocument(uri);
  const models = (await client.structure(uri))?.models ?? [];
  const [first, ...more] = models;
  if (!first) throw new Error(vscode.l10n.t("{0} has no model that Noether could read.", nameOf(uri)));
  if (more.length === 0) return { uri, model: first.name };
  const chosen = await pick(uri, models, question);
  return chosen === undefined ? undefined : { uri, model: chosen };
}

/** Asks which model, with the one at the cursor first. */
async function pick(
  uri: vscode.Uri,
  models: readonly {
    readonly name: string;
    readonly summary: string;
    readonly range?: { readonly start: { readonly line: number } };
  }[],
  question: string,
): Promise<string | undefined> {
  const editor = vscode.window.activeTextEditor;
  const line = editor?.document.uri.toString() === uri.toString() ? editor.selection.active.line : -1;
  const begun = models.filter((m) => m.range && m.range.start.line <= line);
  const here = begun.reduce<(typeof begun)[number] | undefined>(
    (best, m) => (best && best.range!.start.line > m.range!.start.line ? best : m),
    undefined,
  );
  const sorted = here ? [here, ...models.filter((m) => m !== here)] : models;
  const items = sorted.map((m) => ({ label: m.name, description: m.summary }));
  return (await vscode.window.showQuickPick(items, { placeHolder: question }))?.label;
}

function uriOf(place: unknown): vscode.Uri | undefined {
  if (place instanceof vscode.Uri) return place;
  if (typeof place === "string") return place === "" ? undefined : vscode.Uri.parse(place);
  if (typeof place !== "object" || place === null) return undefined;
  const { file } = place as { readonly file?: unknown };
  return typeof file === "string" ? vscode.Uri.parse(file) : undefined;
}

/** The model of an entry of the explorer. */
function nameInEntry(place: unknown): string | undefined {
  if (typeof place !== "object" || place === null || !("model" in place)) return undefined;
  const { model } = place as { readonly model?: { readonly name?: unknown } };
  return typeof model?.name === "string" ? model.name : undefined;
}

function activeUri(): vscode.Uri | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  if (input instanceof vscode.TabInputCustom && input.viewType === ONNX_VIEW) return input.uri;
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === "python" ? document.uri : undefined;
}

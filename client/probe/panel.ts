/** @file The panel of the probes of one model: a webview that shows the running or a kept probe. */
import * as vscode from "vscode";
import type { ProbeAnswer, ProbeChoices, ProbeEvent } from "../../server/protocol";
import type { NoetherClient } from "../noether-client";
import type { Phase, ToHost, ToPage } from "../webview/probe/messages";
import type { ProbeHistory } from "./history";
import { trusts } from "../trust";
import { probePage } from "./page";

export const VIEW_TYPE = "noether.probe";

/** What is probed: a model of a document, or its only one. */
export interface ProbedModel {
  readonly uri: vscode.Uri;
  readonly model: string | undefined;
}

/** What a page says that it shows; for tests. */
export interface DrawnProbe {
  readonly phase: Phase["kind"];
  readonly titles: readonly string[];
  readonly text: string;
}

/** One panel. It lives until its tab is closed, and cancels its probe then. */
export class ProbePanel {
  readonly #panel: vscode.WebviewPanel;
  readonly #target: ProbedModel;
  readonly #client: NoetherClient;
  readonly #history: ProbeHistory;
  #phase: Phase = { kind: "done" };
  #choices: ProbeChoices = {};
  #events: ProbeEvent[] = [];
  #answer: ProbeAnswer | undefined;
  /** Which kept probe is shown. */
  #shown: string | undefined;
  #running: vscode.CancellationTokenSource | undefined;
  #drawn: DrawnProbe | undefined;
  #closed = false;

  constructor(
    panel: vscode.WebviewPanel,
    target: ProbedModel,
    parts: { readonly client: NoetherClient; readonly history: ProbeHistory; readonly extension: vscode.Uri },
  ) {
    this.#panel = panel;
    this.#target = target;
    this.#client = parts.client;
    this.#history = parts.history;
    const folder = vscode.Uri.joinPath(parts.extension, "dist", "webview");
    panel.webview.options = { enableScripts: true, localResourceRoots: [folder] };
    panel.webview.onDidReceiveMessage((message: ToHost) => this.#receive(message));
    panel.onDidDispose(() => {
      this.#closed = true;
      this.cancel();
    });
    const source = (name: string): string => panel.webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
    panel.webview.html = probePage({
      script: source("probe.js"),
      style: source("probe-style.css"),
      origin: panel.webview.cspSource,
      language: vscode.env.language,
      state: { uri: target.uri.toString(), ...(target.model === undefined ? {} : { model: target.model }) },
    });
  }

  get drawn(): DrawnProbe | undefined {
    return this.#drawn;
  }

  reveal(): void {
    this.#panel.reveal(undefined, true);
  }

  cancel(): void {
    this.#running?.cancel();
  }

  /** Trains, with progress here and in a notification. Shows what came of it; never rejects. */
  async run(choices: ProbeChoices): Promise<void> {
    if (!(await mayProbe())) return;
    this.cancel();
    const running = new vscode.CancellationTokenSource();
    this.#running = running;
    void vscode.commands.executeCommand("setContext", "noether.probing", true);
    this.#choices = choices;
    this.#events = [];
    this.#answer = undefined;
    this.#shown = undefined;
    this.#phase = { kind: "running" };
    this.#show();
    const title = vscode.l10n.t("Probing {0}", this.#name);
    const progress = { location: vscode.ProgressLocation.Notification, cancellable: true, title };
    const outcome = await vscode.window.withProgress(progress, async (report, token) => {
      token.onCancellationRequested(() => running.cancel());
      let done = 0;
      const tell = (event: ProbeEvent): void => {
        if (this.#running !== running) return;
        this.#events.push(event);
        this.#post({ kind: "event", event });
        if (event.kind === "points") {
          const share = (100 * event.step) / event.steps;
          report.report({ increment: share - done, message: vscode.l10n.t("step {0} of {1}", event.step, event.steps) });
          done = share;
        } else if (event.kind === "phase") report.report({ message: event.text });
      };
      return this.#attempt(choices, running.token, tell);
    });
    running.dispose();
    if (this.#running !== running) return; // another run has begun meanwhile
    this.#running = undefined;
    void vscode.commands.executeCommand("setContext", "noether.probing", false);
    this.#phase = outcome.phase;
    if (outcome.answer) await this.#keep(outcome.answer);
    this.#show();
  }

  /** Shows a kept probe, the latest by default; false where there is none. */
  async open(id: string | undefined = this.#past[0]?.id): Promise<boolean> {
    const kept = id === undefined ? undefined : await this.#history.read(id);
    if (!kept || this.#running) return false;
    this.#phase = { kind: "done" };
    this.#choices = kept.choices;
    this.#events = [...kept.events];
    this.#answer = kept.answer;
    this.#shown = kept.id;
    this.#show();
    return true;
  }

  get #name(): string {
    return this.#target.model ?? nameOf(this.#target.uri);
  }

  get #past() {
    return this.#history.list(this.#target.uri.toString(), this.#target.model);
  }

  async #attempt(
    choices: ProbeChoices,
    token: vscode.CancellationToken,
    tell: (event: ProbeEvent) => void,
  ): Promise<{ readonly phase: Phase; readonly answer?: ProbeAnswer }> {
    const { model, uri } = this.#target;
    try {
      return { phase: { kind: "done" }, answer: await this.#client.probe(uri, model, choices, tell, token) };
    } catch (error) {
      if (token.isCancellationRequested) return { phase: { kind: "cancelled" } };
      const message = error instanceof Error ? error.message : String(error);
      return { phase: { kind: "failed", message: vscode.l10n.t("The probe ended without a result. {0}", message) } };
    }
  }

  async #keep(answer: ProbeAnswer): Promise<void> {
    this.#answer = answer;
    const id = `${Date.now().toString(36)}-${Math.floor(Math.random() * 1e6).toString(36)}`;
    // Losses are in the record; what was measured on the way is not.
    this.#events = this.#events.filter((e) => e.kind !== "points");
    const { model, uri } = this.#target;
    await this.#history.add({ id, uri: uri.toString(), model, choices: this.#choices, answer, events: this.#events });
    if (this.#past.some((p) => p.id === id)) this.#shown = id;
  }

  #receive(message: ToHost): void {
    switch (message.kind) {
      case "ready":
        return this.#show();
      case "run":
        return void this.run(message.choices);
      case "cancel":
        return this.cancel();
      case "open":
        return void this.open(message.id);
      case "forget":
        return void this.#forget();
      case "export":
        return message.format === "png" ? this.#post({ kind: "picture" }) : void this.#exportPage();
      case "picture":
        return void this.#save(Buffer.from(message.png, "base64"), "png");
      case "drawn":
        this.#drawn = { phase: message.phase, titles: message.titles, text: message.text };
    }
  }

  async #forget(): Promise<void> {
    const { model, uri } = this.#target;
    await this.#history.forget(uri.toString(), model);
    this.#shown = undefined;
    this.#show();
  }

  async #exportPage(): Promise<void> {
    if (this.#answer) await this.#save(Buffer.from(this.#answer.html), "html");
  }

  async #save(content: Buffer, extension: "html" | "png"): Promise<void> {
    const { uri } = this.#target;
    const defaultUri = uri.scheme === "file" ? vscode.Uri.joinPath(uri, "..", `${this.#name}-probe.${extension}`) : undefined;
    const filters = { [extension.toUpperCase()]: [extension] };
    const to = await vscode.window.showSaveDialog({ filters, ...(defaultUri ? { defaultUri } : {}) });
    if (!to) return;
    try {
      await vscode.workspace.fs.writeFile(to, content);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      void vscode.window.showErrorMessage(vscode.l10n.t("{0} cannot be written: {1}", to.fsPath, why));
      return;
    }
    const open = vscode.l10n.t("Open");
    const chosen = await vscode.window.showInformationMessage(vscode.l10n.t("Saved {0}", to.fsPath), open);
    if (chosen === open) await vscode.env.openExternal(to);
  }

  #show(): void {
    if (this.#closed) return;
    this.#panel.title = vscode.l10n.t("Probe of {0}", this.#name);
    this.#post({
      kind: "show",
      model: this.#name,
      choices: this.#choices,
      phase: this.#phase,
      events: this.#events,
      history: this.#past,
      translations: vscode.l10n.bundle ?? {},
      ...(this.#answer ? { record: this.#answer.record } : {}),
      ...(this.#shown === undefined ? {} : { shown: this.#shown }),
    });
  }

  #post(message: ToPage): void {
    // A probe may still tell something when its tab is gone, and VS Code throws at panels that are.
    if (this.#closed) return;
    // A page that is hidden or gone asks for everything when it is there again.
    void this.#panel.webview.postMessage(message).then(undefined, () => {});
  }
}

/** Whether the workspace is trusted enough for a probe; says so where it is not. */
export function mayProbe(): Promise<boolean> {
  return trusts(vscode.l10n.t("A probe trains the model on data that this workspace names, and the workspace is not trusted."));
}

/** The file's name without its extension. */
export function nameOf(uri: vscode.Uri): string {
  return uri.path.slice(uri.path.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
}

/** @file The probes of a workspace that are kept: a list in the workspace's state, each with its record in a file of its own. */
import * as vscode from "vscode";
import type { ProbeAnswer, ProbeChoices, ProbeEvent } from "../../server/protocol";
import type { PastRun } from "../webview/probe/messages";

/** A finished probe. */
export interface KeptProbe {
  readonly id: string;
  readonly uri: string;
  readonly model: string | undefined;
  readonly choices: ProbeChoices;
  readonly answer: ProbeAnswer;
  /** What was told while it ran, as far as charts need it. */
  readonly events: readonly ProbeEvent[];
}

interface Entry extends PastRun {
  readonly uri: string;
  readonly model?: string;
}

const KEY = "noether.probes";
/** The oldest go when there are more. */
const MOST_KEPT = 30;

/** Keeps probes; a folder that cannot be written costs the history and nothing else. */
export class ProbeHistory {
  readonly #state: vscode.Memento;
  readonly #folder: vscode.Uri;

  constructor(context: vscode.ExtensionContext) {
    this.#state = context.workspaceState;
    this.#folder = vscode.Uri.joinPath(context.storageUri ?? context.globalStorageUri, "probes");
  }

  /** Runs of a model, the latest first. */
  list(uri: string, model: string | undefined): readonly PastRun[] {
    return this.#entries.filter((e) => e.uri === uri && e.model === model).map(({ id, label }) => ({ id, label }));
  }

  async add(probe: KeptProbe): Promise<void> {
    const { answer, id, model, uri } = probe;
    const entry: Entry = { id, uri, label: labelOf(answer.record), ...(model === undefined ? {} : { model }) };
    const all = [entry, ...this.#entries.filter((e) => e.id !== id)];
    try {
      await vscode.workspace.fs.createDirectory(this.#folder);
      await vscode.workspace.fs.writeFile(this.#file(id), Buffer.from(JSON.stringify(probe)));
      await this.#state.update(KEY, all.slice(0, MOST_KEPT));
    } catch {
      return; // the disk is full, or there is none
    }
    for (const { id: old } of all.slice(MOST_KEPT)) await this.#delete(old);
  }

  /** A kept probe; undefined where its file is gone or damaged. */
  async read(id: string): Promise<KeptProbe | undefined> {
    try {
      return JSON.parse(Buffer.from(await vscode.workspace.fs.readFile(this.#file(id))).toString()) as KeptProbe;
    } catch {
      return undefined;
    }
  }

  /** Forgets all runs of a model. */
  async forget(uri: string, model: string | undefined): Promise<void> {
    const gone = this.list(uri, model);
    await this.#state.update(
      KEY,
      this.#entries.filter((e) => !gone.some((g) => g.id === e.id)),
    );
    for (const { id } of gone) await this.#delete(id);
  }

  get #entries(): readonly Entry[] {
    return this.#state.get<readonly Entry[]>(KEY, []);
  }

  #file(id: string): vscode.Uri {
    return vscode.Uri.joinPath(this.#folder, `${id}.json`);
  }

  async #delete(id: string): Promise<void> {
    try {
      await vscode.workspace.fs.delete(this.#file(id));
    } catch {
      // It was gone already.
    }
  }
}

function labelOf({ replicas, settings, steps }: ProbeAnswer["record"]): string {
  const time = new Date().toLocaleString(vscode.env.language, { dateStyle: "medium", timeStyle: "short" });
  const several = settings.length > 1 ? `, ${settings.map((s) => s.name).join(" / ")}` : "";
  return vscode.l10n.t("{0}: {1} steps, {2} replicas{3}", time, steps, replicas, several);
}

/** @file The settings that the server reads, and their defaults. */
import path from "node:path";
import type { Connection } from "vscode-languageserver/node";
import { SOURCE } from "./convert";
import type { Settings } from "./protocol";
import { pathOf } from "./uris";

/** What holds where the client says nothing. */
export const DEFAULT_SETTINGS: Settings = {
  enable: true,
  lint: { run: "onType", configuration: "", rules: {} },
  certify: "idle",
  codeLens: true,
  inlayHints: false,
};

/** The settings in force: of the window, and of each document, since folders of a workspace may differ. */
export class ClientSettings {
  readonly #connection: Connection;
  /** Whether the client can be asked; known after initialize. */
  readonly #canAsk: () => boolean;
  /** By URI of the document; "" is the window. */
  readonly #asked = new Map<string, Promise<Settings>>();
  #window: Settings = DEFAULT_SETTINGS;

  constructor(connection: Connection, canAsk: () => boolean) {
    this.#connection = connection;
    this.#canAsk = canAsk;
  }

  /** Those of the window, as far as they are known. */
  get known(): Settings {
    return this.#window;
  }

  /** Those of a document, or of the window. Never rejects: without an answer the defaults hold. */
  of(uri = ""): Promise<Settings> {
    const known = this.#asked.get(uri);
    if (known) return known;
    const asked = this.#ask(uri);
    this.#asked.set(uri, asked);
    return asked;
  }

  /** The client says that settings changed; clients that cannot be asked send them along. */
  async changed(sent: unknown): Promise<void> {
    this.#asked.clear();
    if (!this.#canAsk()) this.#window = parseSettings(section(sent));
    await this.of();
  }

  /** Forgets a closed document. */
  forget(uri: string): void {
    this.#asked.delete(uri);
  }

  async #ask(uri: string): Promise<Settings> {
    if (!this.#canAsk()) return this.#window;
    const item = uri === "" ? { section: SOURCE } : { section: SOURCE, scopeUri: uri };
    const settings = parseSettings(await this.#connection.workspace.getConfiguration(item).catch(() => undefined));
    if (uri === "") this.#window = settings;
    const { configuration } = settings.lint;
    if (configuration === "" || path.isAbsolute(configuration)) return settings;
    const folder = await this.#folderOf(uri);
    return folder === undefined
      ? settings
      : { ...settings, lint: { ...settings.lint, configuration: path.join(folder, configuration) } };
  }

  /** The folder of the workspace that a document is in; the first one for documents in none. */
  async #folderOf(uri: string): Promise<string | undefined> {
    const folders = (await this.#connection.workspace.getWorkspaceFolders().catch(() => null)) ?? [];
    const around = folders.filter((f) => uri.startsWith(`${f.uri}/`)).sort((a, b) => b.uri.length - a.uri.length);
    const folder = around[0] ?? folders[0];
    return folder?.uri.startsWith("file:") === true ? pathOf(folder.uri) : undefined;
  }
}

/** Clients that push their configuration send it whole or by section. */
function section(sent: unknown): unknown {
  return typeof sent === "object" && sent !== null && SOURCE in sent ? sent[SOURCE] : sent;
}

/** Settings as a client sent them; whatever is missing or of another kind takes its default. */
export function parseSettings(value: unknown): Settings {
  const given = record(value);
  const { configuration, rules, run } = record(given["lint"]);
  const severities = Object.entries(record(rules)).filter((e): e is [string, string] => typeof e[1] === "string");
  return {
    enable: typeof given["enable"] === "boolean" ? given["enable"] : DEFAULT_SETTINGS.enable,
    lint: {
      run: run === "onSave" || run === "onType" ? run : DEFAULT_SETTINGS.lint.run,
      configuration: typeof configuration === "string" ? configuration : DEFAULT_SETTINGS.lint.configuration,
      rules: Object.fromEntries(severities),
    },
    codeLens: typeof given["codeLens"] === "boolean" ? given["codeLens"] : DEFAULT_SETTINGS.codeLens,
    inlayHints: typeof given["inlayHints"] === "boolean" ? given["inlayHints"] : DEFAULT_SETTINGS.inlayHints,
    certify: given["certify"] === "never" || given["certify"] === "idle" ? given["certify"] : DEFAULT_SETTINGS.certify,
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

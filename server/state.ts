/** @file What the features share. */
import type { CancellationToken, ClientCapabilities, TextDocuments } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Analyses } from "./analyses";
import type { AnalysisHost } from "./analysis-host";
import type { Settings } from "./protocol";

/** The server's state, as the features see it. */
export interface ServerState {
  readonly documents: TextDocuments<TextDocument>;
  readonly analyses: Analyses;
  readonly host: AnalysisHost;
  /** Settings in force for a document, or for the window; resolves once the client has been asked for them. */
  settings(uri?: string): Promise<Settings>;
  /** `enable` of the settings as far as they are known. */
  readonly enabled: boolean;
  /** What the client can do; empty before initialize. */
  readonly client: ClientCapabilities;
  /** Commands that the client runs from links in hovers and lenses. */
  readonly commands: ReadonlySet<string>;
  /** One line for the log that a person reads; `detail` is shown with tracing on. */
  log(message: string, detail?: string): void;
}

/** An AbortSignal for a request's cancellation token. */
export function signalOf(token: CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  else token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}

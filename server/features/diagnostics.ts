/**
 * @file Findings as diagnostics: pulled by the client, with result ids so that nothing is sent twice; pushed to clients
 * that cannot pull.
 */
import { createHash } from "node:crypto";
import {
  DocumentDiagnosticReportKind,
  LSPErrorCodes,
  ResponseError,
  type Connection,
  type Diagnostic,
  type DocumentDiagnosticReport,
} from "vscode-languageserver/node";
import type { Analysed } from "../analyses";
import { diagnosticOf } from "../convert";
import type { Finding, SourceRange } from "../protocol";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";

/**
 * Answers `textDocument/diagnostic`, and asks for a new pull when certification changed a result. The returned function
 * asks for new pulls of everything, for when other files or settings changed.
 */
export function register(connection: Connection, state: ServerState): () => void {
  const sent = new Map<string, { readonly resultId: string; readonly version: number }>();
  const savedVersions = new Map<string, number>();

  state.documents.onDidOpen(({ document }) => savedVersions.set(document.uri, document.version));
  state.documents.onDidSave(({ document }) => savedVersions.set(document.uri, document.version));
  state.documents.onDidClose(({ document }) => {
    savedVersions.delete(document.uri);
    sent.delete(document.uri);
  });

  connection.languages.diagnostics.on(async ({ textDocument: { uri }, previousResultId }, token) => {
    const settings = await state.settings(uri);
    const document = state.documents.get(uri);
    if (!document || !settings.enable) return report([], previousResultId).answer;
    if (settings.lint.run === "onSave" && document.version !== savedVersions.get(uri)) {
      // Unsaved text: the client keeps what it shows, and moves it along with the text.
      return previousResultId === undefined ? report([], undefined).answer : unchanged(previousResultId);
    }
    const signal = signalOf(token);
    try {
      await state.analyses.settled(uri, signal);
      const analysed = await state.analyses.get(uri, signal);
      const { answer, resultId } = report(analysed ? diagnosticsOf(analysed, state) : [], previousResultId);
      if (analysed) sent.set(uri, { resultId, version: analysed.version });
      return answer;
    } catch (error) {
      // Not the client's wish: the text changed meanwhile. The client may ask again.
      if (!signal.aborted) {
        throw new ResponseError(LSPErrorCodes.ServerCancelled, "the document changed", { retriggerRequest: true });
      }
      throw new ResponseError(LSPErrorCodes.RequestCancelled, String(error));
    }
  });

  state.analyses.on("done", (analysed) => {
    if (!analysed.certified) return;
    if (!pulls()) return push(analysed);
    // Cells have no version that certification could be told by.
    if (state.analyses.partsOf(analysed.uri).length > 0) return refresh();
    const last = sent.get(analysed.uri);
    if (last?.version !== analysed.version) return;
    if (report(diagnosticsOf(analysed, state), last.resultId).answer.kind === DocumentDiagnosticReportKind.Full) refresh();
  });
  state.documents.onDidChangeContent(({ document }) => {
    if (!pulls()) void analyse(document.uri);
  });
  state.documents.onDidSave(({ document }) => {
    if (!pulls()) void analyse(document.uri);
  });
  state.documents.onDidClose(({ document: { uri } }) => {
    if (!pulls()) send(uri, []);
  });
  return refresh;

  function refresh(): void {
    if (!pulls()) for (const uri of state.documents.keys()) void analyse(uri);
    else if (state.client.workspace?.diagnostics?.refreshSupport === true) {
      connection.languages.diagnostics.refresh().catch(() => {}); // the client is shutting down
    }
  }

  function pulls(): boolean {
    return state.client.textDocument?.diagnostic !== undefined;
  }

  /** For clients that cannot pull: analyses and pushes. */
  async function analyse(uri: string): Promise<void> {
    const settings = await state.settings(uri);
    if (!settings.enable) return send(uri, []);
    if (settings.lint.run === "onSave" && state.documents.get(uri)?.version !== savedVersions.get(uri)) return;
    const never = new AbortController().signal;
    try {
      await state.analyses.settled(uri, never);
      const analysed = await state.analyses.get(uri, never);
      if (analysed) push(analysed);
    } catch {
      // The text changed: its next version is under way.
    }
  }

  function push(analysed: Analysed): void {
    send(analysed.uri, diagnosticsOf(analysed, state), analysed.version);
  }

  function send(uri: string, diagnostics: Diagnostic[], version?: number): void {
    connection.sendDiagnostics(version === undefined ? { uri, diagnostics } : { uri, version, diagnostics }).catch(() => {}); // client gone
  }
}

function diagnosticsOf({ uri, analysis }: Analysed, state: ServerState): Diagnostic[] {
  const path = pathOf(uri);
  return analysis.findings
    .filter((f): f is Finding & { readonly range: SourceRange } => f.range !== undefined && f.range.file === path)
    .map((f) => diagnosticOf(f, state));
}

function report(diagnostics: Diagnostic[], previousResultId: string | undefined) {
  const resultId = createHash("sha256").update(JSON.stringify(diagnostics)).digest("base64url").slice(0, 16);
  const answer: DocumentDiagnosticReport =
    resultId === previousResultId
      ? unchanged(resultId)
      : { kind: DocumentDiagnosticReportKind.Full, resultId, items: diagnostics };
  return { answer, resultId };
}

function unchanged(resultId: string): DocumentDiagnosticReport {
  return { kind: DocumentDiagnosticReportKind.Unchanged, resultId };
}

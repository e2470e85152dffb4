/** @file Findings as diagnostics: pulled by the client, with result ids so that nothing is sent twice. */
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

/** Answers `textDocument/diagnostic`, and asks for a new pull when certification or another file changed a result. */
export function register(connection: Connection, state: ServerState): void {
  const sent = new Map<string, { readonly resultId: string; readonly analysed: Analysed }>();
  const savedVersions = new Map<string, number>();

  state.documents.onDidOpen(({ document }) => savedVersions.set(document.uri, document.version));
  state.documents.onDidSave(({ document }) => savedVersions.set(document.uri, document.version));
  state.documents.onDidClose(({ document }) => {
    savedVersions.delete(document.uri);
    sent.delete(document.uri);
  });

  connection.languages.diagnostics.on(async ({ textDocument: { uri }, previousResultId }, token) => {
    const settings = await state.settings();
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
      const { answer, resultId } = report(analysed ? diagnosticsOf(analysed, withRelated()) : [], previousResultId);
      if (analysed) sent.set(uri, { resultId, analysed });
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
    const last = sent.get(analysed.uri);
    if (!analysed.certified || last?.analysed.version !== analysed.version) return;
    if (report(diagnosticsOf(analysed, withRelated()), last.resultId).answer.kind === DocumentDiagnosticReportKind.Full) {
      refresh(connection, state);
    }
  });

  function withRelated(): boolean {
    return (
      state.client.textDocument?.diagnostic?.relatedInformation ??
      state.client.textDocument?.publishDiagnostics?.relatedInformation ??
      false
    );
  }
}

/** Asks the client to pull all diagnostics again, where it can. */
export function refresh(connection: Connection, state: ServerState): void {
  if (state.client.workspace?.diagnostics?.refreshSupport !== true) return;
  connection.languages.diagnostics.refresh().catch(() => {}); // the client is shutting down
}

function diagnosticsOf({ uri, analysis }: Analysed, withRelated: boolean): Diagnostic[] {
  const path = pathOf(uri);
  return analysis.findings
    .filter((f): f is Finding & { readonly range: SourceRange } => f.range !== undefined && f.range.file === path)
    .map((f) => diagnosticOf(f, withRelated));
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

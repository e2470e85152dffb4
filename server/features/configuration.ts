/** @file Mistakes in configuration files as diagnostics at their lines, as long as a document is open that they hold for. */
import { type Connection, type Diagnostic, DiagnosticSeverity } from "vscode-languageserver/node";
import { rangeOf, SOURCE } from "../convert";
import type { DocumentAnalysis } from "../protocol";
import type { ServerState } from "../state";
import { uriOf } from "../uris";

type Mistakes = DocumentAnalysis["configuration"]["mistakes"];

/** Pushes what analyses say of their configuration; a mistake is shown once, however many documents it touches. */
export function register(connection: Connection, state: ServerState): void {
  const byDocument = new Map<string, Mistakes>();
  let shown = new Map<string, string>();

  state.analyses.on("done", ({ uri, analysis }) => {
    byDocument.set(uri, analysis.configuration.mistakes);
    show();
  });
  state.documents.onDidClose(({ document }) => {
    byDocument.delete(document.uri);
    show();
  });

  function show(): void {
    const byFile = new Map<string, Diagnostic[]>();
    for (const { message, range } of [...byDocument.values()].flat()) {
      const uri = uriOf(range.file);
      const diagnostics = byFile.get(uri) ?? [];
      const diagnostic = { range: rangeOf(range), severity: DiagnosticSeverity.Error, source: SOURCE, message };
      if (!diagnostics.some((d) => JSON.stringify(d) === JSON.stringify(diagnostic))) diagnostics.push(diagnostic);
      byFile.set(uri, diagnostics);
    }
    const now = new Map([...byFile].map(([uri, diagnostics]) => [uri, JSON.stringify(diagnostics)]));
    for (const uri of new Set([...shown.keys(), ...now.keys()])) {
      if (shown.get(uri) === now.get(uri)) continue;
      connection.sendDiagnostics({ uri, diagnostics: byFile.get(uri) ?? [] }).catch(() => {}); // client gone
    }
    shown = now;
  }
}

/** @file From the analysis's findings and ranges to the protocol's. */
import {
  DiagnosticSeverity,
  type Diagnostic,
  type DiagnosticRelatedInformation,
  type Position,
  type Range,
} from "vscode-languageserver/node";
import type { Finding, SourceRange } from "./protocol";
import type { ServerState } from "./state";
import { uriOf } from "./uris";

/** The name that diagnostics and code actions carry; clients show it and users filter by it. */
export const SOURCE = "noether";

const SEVERITIES: Readonly<Record<Finding["severity"], DiagnosticSeverity>> = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  info: DiagnosticSeverity.Information,
  hint: DiagnosticSeverity.Hint,
};

/** A range as the protocol counts it: lines and UTF-16 code units from zero, as here. */
export function rangeOf({ start, end }: SourceRange): Range {
  return { start: { line: start.line, character: start.column }, end: { line: end.line, character: end.column } };
}

/** The client's command that opens the page of a rule. */
export const OPEN_RULE = "noether.openRule";

/** A finding with a place in text as a diagnostic, with what the client can show of it. */
export function diagnosticOf(
  finding: Finding & { readonly range: SourceRange },
  { client, commands }: Pick<ServerState, "client" | "commands">,
): Diagnostic {
  const { diagnostic: pulled, publishDiagnostics: pushed } = client.textDocument ?? {};
  const shows = pulled ?? pushed;
  const diagnostic: Diagnostic = {
    range: rangeOf(finding.range),
    severity: SEVERITIES[finding.severity],
    source: SOURCE,
    code: finding.rule,
    message: finding.message,
  };
  if (shows?.codeDescriptionSupport === true && commands.has(OPEN_RULE)) {
    diagnostic.codeDescription = { href: `command:${OPEN_RULE}?${encodeURIComponent(JSON.stringify([finding.rule]))}` };
  }
  if (shows?.relatedInformation === true && finding.related.length > 0)
    diagnostic.relatedInformation = finding.related.map(relatedOf);
  return diagnostic;
}

function relatedOf({ label, range }: Finding["related"][number]): DiagnosticRelatedInformation {
  return { message: label, location: { uri: uriOf(range.file), range: rangeOf(range) } };
}

/** Whether a position lies in a range; its end counts, as a cursor may stand there. */
export function contains(range: Range, position: Position): boolean {
  return compare(range.start, position) <= 0 && compare(position, range.end) <= 0;
}

/** Whether two ranges touch or overlap. */
export function touches(a: Range, b: Range): boolean {
  return compare(a.start, b.end) <= 0 && compare(b.start, a.end) <= 0;
}

/** Negative, zero or positive as `a` comes before, is or comes after `b`. */
export function compare(a: Position, b: Position): number {
  return a.line - b.line || a.character - b.character;
}

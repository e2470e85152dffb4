/** @file Fixes of findings as quick fixes, and all exact ones of a file as `source.fixAll.noether`. */
import {
  CodeActionKind,
  type CodeAction,
  type Connection,
  type Range,
  type TextDocumentEdit,
  type TextEdit,
  type WorkspaceEdit,
} from "vscode-languageserver/node";
import type { Analysed } from "../analyses";
import { compare, diagnosticOf, rangeOf, touches } from "../convert";
import type { Finding, Fix, SourceRange } from "../protocol";
import { signalOf, type ServerState } from "../state";
import { pathOf, uriOf } from "../uris";

/** All exact fixes of a file. */
export const FIX_ALL = `${CodeActionKind.SourceFixAll}.noether`;
export const CODE_ACTION_KINDS: readonly string[] = [CodeActionKind.QuickFix, FIX_ALL];

/** Answers `textDocument/codeAction`. */
export function register(connection: Connection, state: ServerState): void {
  connection.onCodeAction(async ({ textDocument: { uri }, range, context }, token) => {
    if (!(await state.settings(uri)).enable) return [];
    const analysed = await state.analyses.get(uri, signalOf(token)).catch(() => undefined); // cancelled, or the text changed
    if (!analysed) return [];
    const wanted = (kind: string): boolean => !context.only || context.only.some((k) => kind === k || kind.startsWith(`${k}.`));
    return [
      ...(wanted(CodeActionKind.QuickFix) ? quickFixes(analysed, range, state) : []),
      ...(wanted(FIX_ALL) && context.only ? fixAll(analysed) : []),
    ];
  });
}

function quickFixes(analysed: Analysed, range: Range, state: ServerState): CodeAction[] {
  const path = pathOf(analysed.uri);
  return analysed.analysis.findings
    .filter((f): f is Finding & { readonly range: SourceRange } => f.range !== undefined && f.range.file === path)
    .filter((finding) => touches(rangeOf(finding.range), range))
    .flatMap((finding) =>
      [...finding.fixes, ...finding.silence].map((fix) => ({
        title: fix.title,
        kind: CodeActionKind.QuickFix,
        diagnostics: [diagnosticOf(finding, false)],
        isPreferred: fix === finding.fixes[0] && fix.exact,
        edit: editOf(analysed, fix, state),
      })),
    );
}

function fixAll(analysed: Analysed): CodeAction[] {
  const taken: SourceRange[] = [];
  const edits = analysed.analysis.findings
    .map((finding) => finding.fixes.find((fix) => fix.exact)?.edits ?? [])
    .filter((group) => {
      // A fix is applied whole or not at all, and never over another one.
      if (group.length === 0 || group.some((e) => taken.some((t) => t.file === e.range.file && overlap(t, e.range))))
        return false;
      taken.push(...group.map((e) => e.range));
      return true;
    })
    .flat();
  if (edits.length === 0) return [];
  return [
    { title: "Apply all exact fixes of Noether", kind: FIX_ALL, edit: { documentChanges: documentEdits(analysed, edits) } },
  ];
}

function overlap(a: SourceRange, b: SourceRange): boolean {
  const [first, second] = [rangeOf(a), rangeOf(b)];
  return compare(first.start, second.end) < 0 && compare(second.start, first.end) < 0;
}

function editOf(analysed: Analysed, fix: Fix, state: ServerState): WorkspaceEdit {
  const documentChanges = documentEdits(analysed, fix.edits);
  const annotates = state.client.workspace?.workspaceEdit?.changeAnnotationSupport !== undefined;
  if (fix.exact || !annotates) return { documentChanges };
  const id = "training";
  return {
    documentChanges: documentChanges.map((d) => ({ ...d, edits: d.edits.map((e) => ({ ...e, annotationId: id })) })),
    changeAnnotations: {
      [id]: {
        label: fix.title,
        needsConfirmation: true,
        description: "Changes how the model trains, not only how it is written.",
      },
    },
  };
}

/** Edits by document; the analysed one with its version, so that a client refuses them once the text has moved on. */
function documentEdits(analysed: Analysed, edits: Fix["edits"]): TextDocumentEdit[] {
  const path = pathOf(analysed.uri);
  const files = [...new Set(edits.map((e) => e.range.file))];
  return files.map((file) => ({
    textDocument: file === path ? { uri: analysed.uri, version: analysed.version } : { uri: uriOf(file), version: null },
    edits: edits.filter((e) => e.range.file === file).map((e): TextEdit => ({ range: rangeOf(e.range), newText: e.newText })),
  }));
}

/** @file Fixes of findings as quick fixes, and all exact ones of a file as `source.fixAll.noether`. */
import { say } from "../../analysis/texts/say";
import {
  CodeActionKind,
  CodeActionTriggerKind,
  type CodeAction,
  type Connection,
  type Range,
  type TextDocumentEdit,
  type TextEdit,
  type WorkspaceEdit,
} from "vscode-languageserver/node";
import type { Analysed } from "../analyses";
import { compare, diagnosticOf, OPEN_RULE, rangeOf, touches } from "../convert";
import type { Finding, Fix, SourceRange } from "../protocol";
import { signalOf, type ServerState } from "../state";
import { isCell, pathOf, uriOf } from "../uris";

/** All exact fixes of a file. */
export const FIX_ALL = `${CodeActionKind.SourceFixAll}.noether`;
/** Changes of training that suit the layer or the optimiser under the cursor, whether a rule finds anything or not. */
export const REWRITE = `${CodeActionKind.RefactorRewrite}.noether`;
/** All kinds of code actions that the server offers. */
export const CODE_ACTION_KINDS: readonly string[] = [CodeActionKind.QuickFix, FIX_ALL, REWRITE];
/** Command of clients that can probe: measures fixes. */
const PROBE = "noether.probe";

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
      // Clients ask at every move of the cursor; these are for who asks.
      ...(wanted(REWRITE) && (context.only || context.triggerKind === CodeActionTriggerKind.Invoked)
        ? await rewrites(analysed, range, state, signalOf(token))
        : []),
    ];
  });
}

async function rewrites(analysed: Analysed, range: Range, state: ServerState, signal: AbortSignal): Promise<CodeAction[]> {
  const { start, end } = range;
  const at = ({ line, character }: Range["start"]) => ({ line, column: character });
  const place = { file: pathOf(analysed.uri), start: at(start), end: at(end) };
  const fixes = await state.analyses.rewrites(analysed.uri, place, signal).catch(() => []); // cancelled, or the text changed
  const known = new Set(analysed.analysis.findings.flatMap((f) => f.fixes.map((fix) => fix.title)));
  return fixes
    .filter((fix) => !known.has(fix.title))
    .map((fix) => ({ title: fix.title, kind: REWRITE, edit: editOf(analysed, fix, state) }));
}

/** Trains the model with and without a fix and shows both. */
function measurement(analysed: Analysed, finding: Placed, fix: Fix, state: ServerState): CodeAction[] {
  const { remedy, target } = fix;
  if (fix.exact || !remedy || !target || !state.commands.has(PROBE)) return [];
  const title = say`Measure what this gains: ${fix.title}`;
  const fixes = [{ id: remedy, ...(target.parameters[0] === undefined ? {} : { parameter: target.parameters[0] }) }];
  const command = { title, command: PROBE, arguments: [analysed.uri, target.model, { fixes }] };
  return [{ title, kind: CodeActionKind.QuickFix, diagnostics: [diagnosticOf(finding, state)], command }];
}

type Placed = Finding & { readonly range: SourceRange };

function quickFixes(analysed: Analysed, range: Range, state: ServerState): CodeAction[] {
  const path = pathOf(analysed.uri);
  const here = analysed.analysis.findings
    .filter((f): f is Placed => f.range !== undefined && f.range.file === path)
    .filter((finding) => touches(rangeOf(finding.range), range));
  const kind = CodeActionKind.QuickFix;
  const each = (finding: Placed, fixes: readonly Fix[]): CodeAction[] =>
    fixes.map((fix) => ({
      title: fix.title,
      kind,
      diagnostics: [diagnosticOf(finding, state)],
      isPreferred: fix === finding.fixes[0] && fix.exact,
      edit: editOf(analysed, fix, state),
    }));
  // What mends comes before what only silences or explains.
  return [
    ...here.flatMap((finding) => each(finding, finding.fixes)),
    ...[...new Set(here.map((f) => f.rule))].flatMap((rule) => fixRule(analysed, rule, here, state)),
    ...here.flatMap((finding) => finding.fixes.flatMap((fix) => measurement(analysed, finding, fix, state))),
    ...here.flatMap((finding) => each(finding, finding.silence)),
    ...here.flatMap((finding) => explanation(finding, state)),
  ];
}

/** All exact fixes of one rule in the file, where there are several. */
function fixRule(analysed: Analysed, rule: string, here: readonly Placed[], state: ServerState): CodeAction[] {
  const findings = analysed.analysis.findings.filter((f) => f.rule === rule && f.fixes.some((fix) => fix.exact));
  if (findings.length < 2) return [];
  const edit = { documentChanges: documentEdits(analysed, exactEdits(findings)) };
  const diagnostics = here.filter((f) => f.rule === rule).map((f) => diagnosticOf(f, state));
  return [{ title: say`Fix all ${rule} in this file`, kind: CodeActionKind.QuickFix, diagnostics, edit }];
}

/** Opens the page of a finding's rule, in clients that can. */
function explanation(finding: Placed, { commands }: ServerState): CodeAction[] {
  if (!commands.has(OPEN_RULE)) return [];
  const title = say`Why ${finding.rule} matters`;
  return [{ title, kind: CodeActionKind.QuickFix, command: { title, command: OPEN_RULE, arguments: [finding.rule] } }];
}

function fixAll(analysed: Analysed): CodeAction[] {
  // Of a notebook each cell is asked for; what another one's answer mends is not mended twice.
  const path = pathOf(analysed.uri);
  const { findings } = analysed.analysis;
  const edits = exactEdits(isCell(path) ? findings.filter((f) => f.range?.file === path) : findings);
  if (edits.length === 0) return [];
  return [
    { title: say`Apply all exact fixes of Noether`, kind: FIX_ALL, edit: { documentChanges: documentEdits(analysed, edits) } },
  ];
}

/** The edits of the first exact fix of each finding. A fix is applied whole or not at all, and never over another one. */
function exactEdits(findings: readonly Finding[]): Fix["edits"] {
  const taken: SourceRange[] = [];
  return findings
    .map((finding) => finding.fixes.find((fix) => fix.exact)?.edits ?? [])
    .filter((group) => {
      if (group.length === 0 || group.some((e) => taken.some((t) => t.file === e.range.file && overlap(t, e.range))))
        return false;
      taken.push(...group.map((e) => e.range));
      return true;
    })
    .flat();
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
        description: fix.note ?? say`Changes how the model trains, not only how it is written.`,
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

/** @file The layers that share a symmetry with the one at the cursor: those that write the space, and those that read it. */
import { type Connection, type DocumentHighlight, DocumentHighlightKind } from "vscode-languageserver/node";
import { contains, rangeOf } from "../convert";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";

/** Answers `textDocument/documentHighlight`. */
export function register(connection: Connection, state: ServerState): void {
  connection.onDocumentHighlight(async ({ textDocument: { uri }, position }, token): Promise<DocumentHighlight[] | null> => {
    if (!(await state.settings(uri)).enable) return null;
    const structure = await state.analyses.structure(uri, signalOf(token)).catch(() => undefined); // the text changed
    const path = pathOf(uri);
    const found = new Map<string, DocumentHighlight>();
    for (const space of (structure?.models ?? []).flatMap((m) => m.spaces)) {
      const here = space.members.filter((m) => m.range.file === path);
      if (!here.some((m) => contains(rangeOf(m.range), position))) continue;
      for (const { range, side } of here) {
        const highlight = {
          range: rangeOf(range),
          kind: side === "out" ? DocumentHighlightKind.Write : DocumentHighlightKind.Read,
        };
        const key = JSON.stringify(highlight.range);
        // A layer that does both writes.
        if (found.get(key)?.kind !== DocumentHighlightKind.Write) found.set(key, highlight);
      }
    }
    // Null lets the client highlight words as it does without us.
    return found.size > 0 ? [...found.values()] : null;
  });
}

/** @file Axis labels at the layers: `a:16 → b:32`, one letter per channel space, the same wherever the space is. */
import { type Connection, type InlayHint, InlayHintKind } from "vscode-languageserver/node";
import { rangeOf, touches } from "../convert";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";

/** Answers `textDocument/inlayHint` if the settings ask for it. */
export function register(connection: Connection, state: ServerState): void {
  connection.languages.inlayHint.on(async ({ textDocument: { uri }, range }, token): Promise<InlayHint[]> => {
    const { enable, inlayHints } = await state.settings(uri);
    if (!enable || !inlayHints) return [];
    const signal = signalOf(token);
    const structure = await state.analyses
      .settled(uri, signal)
      .then(() => state.analyses.structure(uri, signal))
      .catch(() => undefined); // cancelled, or the text changed
    const path = pathOf(uri);
    return (structure?.hints ?? [])
      .filter((hint) => hint.range.file === path && touches(rangeOf(hint.range), range))
      .map(({ label, range: place, tooltip }) => ({
        position: rangeOf(place).end,
        label,
        kind: InlayHintKind.Type,
        paddingLeft: true,
        tooltip,
      }));
  });
}

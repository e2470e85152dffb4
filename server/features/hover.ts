/** @file What acts on the layer under the pointer. */
import { MarkupKind, type Connection } from "vscode-languageserver/node";
import { compare, contains, rangeOf } from "../convert";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";

/** Answers `textDocument/hover` with the texts of the smallest range around the position. */
export function register(connection: Connection, state: ServerState): void {
  connection.onHover(async ({ textDocument: { uri }, position }, token) => {
    if (!(await state.settings()).enable) return null;
    const signal = signalOf(token);
    const analysed = await state.analyses.get(uri, signal).catch(() => undefined); // cancelled, or the text changed
    const path = pathOf(uri);
    const around = (analysed?.analysis.hovers ?? [])
      .filter((h) => h.range.file === path)
      .map(({ range, markdown }) => ({ range: rangeOf(range), markdown }))
      .filter(({ range }) => contains(range, position));
    const smallest = around.reduce<(typeof around)[number] | undefined>(
      (best, h) => (best && contains(h.range, best.range.start) && contains(h.range, best.range.end) ? best : h),
      undefined,
    );
    if (!smallest) return null;
    const same = around.filter(
      ({ range }) => compare(range.start, smallest.range.start) === 0 && compare(range.end, smallest.range.end) === 0,
    );
    return {
      contents: { kind: MarkupKind.Markdown, value: same.map((h) => h.markdown).join("\n\n---\n\n") },
      range: smallest.range,
    };
  });
}

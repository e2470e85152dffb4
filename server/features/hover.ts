/** @file What acts on the layer under the pointer. */
import { MarkupKind, type Connection, type Range } from "vscode-languageserver/node";
import { compare, contains, rangeOf } from "../convert";
import type { DocumentAnalysis } from "../protocol";
import { signalOf, type ServerState } from "../state";
import { pathOf, uriOf } from "../uris";

/** Answers `textDocument/hover` with the texts of the smallest range around the position. */
export function register(connection: Connection, state: ServerState): void {
  connection.onHover(async ({ textDocument: { uri }, position }, token) => {
    if (!(await state.settings(uri)).enable) return null;
    const signal = signalOf(token);
    const details = await state.analyses.details(uri, signal).catch(() => undefined); // cancelled, or the text changed
    const path = pathOf(uri);
    const around = (details?.hovers ?? [])
      .filter((h) => h.range.file === path)
      .map((h) => ({ ...h, range: rangeOf(h.range) }))
      .filter(({ range }) => contains(range, position));
    const smallest = around.reduce<(typeof around)[number] | undefined>(
      (best, h) => (best && contains(h.range, best.range.start) && contains(h.range, best.range.end) ? best : h),
      undefined,
    );
    if (!smallest) return null;
    const same = around.filter(
      ({ range }) => compare(range.start, smallest.range.start) === 0 && compare(range.end, smallest.range.end) === 0,
    );
    const texts = same.map((h) => [withPlaces(h), commandLine(h, uri, state.commands)].filter((t) => t !== "").join("\n\n"));
    return {
      contents: { kind: MarkupKind.Markdown, value: texts.join("\n\n---\n\n") },
      range: smallest.range,
    };
  });
}

type Hover = DocumentAnalysis["hovers"][number];

/** The text with its links to places as links that clients open. */
function withPlaces({ markdown, links }: Pick<Hover, "markdown" | "links">): string {
  return markdown.replace(/\]\(place:(\d+)\)/g, (_, index: string) => {
    const place = links[Number(index)];
    return place ? `](${uriOf(place.file)}#L${place.start.line + 1},${place.start.column + 1})` : "](#)";
  });
}

/** Links that run commands, for clients that can. */
function commandLine(
  { model, range }: { readonly model: string; readonly range: Range },
  uri: string,
  known: ReadonlySet<string>,
): string {
  const place = { uri, name: model, line: range.start.line, character: range.start.character };
  const link = (text: string, command: string, ...args: unknown[]): string[] =>
    known.has(command) ? [`[${text}](command:${command}?${encodeURIComponent(JSON.stringify(args))})`] : [];
  return [
    ...link("Probe", "noether.probe", uri, model),
    ...link("Full report", "noether.showSymmetries", place),
    ...link("Next layer of the symmetry", "noether.nextMember"),
  ].join(" · ");
}

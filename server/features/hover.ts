/** @file What acts on the layer under the pointer. */
import { say } from "../../analysis/texts/say";
import { MarkupKind, type Connection, type Range } from "vscode-languageserver/node";
import { compare, contains, OPEN_RULE, rangeOf, touches } from "../convert";
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
    const offers = await offersAt(smallest.range, uri, state, signal);
    const texts = same.map((h) => withCommands(withPlaces(h), commandLine(h, uri, state.commands, offers)));
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

/** Editors show the upper lines of a long hover first: commands come right after its head. */
function withCommands(markdown: string, commands: string): string {
  if (commands === "") return markdown;
  const [head, ...rest] = markdown.split("\n\n");
  return [head, commands, ...rest].join("\n\n");
}

/** What can be done about a place beyond looking. */
interface Offers {
  /** Whether a quick fix or a change of training is offered there. */
  readonly fixes: boolean;
  /** The rule that finds something there. */
  readonly rule: string | undefined;
}

async function offersAt(range: Range, uri: string, { analyses, commands }: ServerState, signal: AbortSignal): Promise<Offers> {
  const analysed = await analyses.get(uri, signal).catch(() => undefined); // cancelled, or the text changed
  const path = pathOf(uri);
  const here = (analysed?.analysis.findings ?? []).filter((f) => f.range?.file === path && touches(rangeOf(f.range), range));
  const found = here.some((f) => f.fixes.length > 0);
  const at = ({ line, character }: Range["start"]) => ({ line, column: character });
  const place = { file: path, start: at(range.start), end: at(range.end) };
  const fixes = found || (commands.has(SHOW_FIXES) && (await analyses.rewrites(uri, place, signal).catch(() => [])).length > 0); // as above
  return { fixes, rule: here[0]?.rule };
}

/** The client's command that lists what mends or changes the code at a place. */
const SHOW_FIXES = "noether.showFixes";

/** Links that run commands, for clients that can. */
function commandLine(
  { model, range }: { readonly model: string; readonly range: Range },
  uri: string,
  known: ReadonlySet<string>,
  { fixes, rule }: Offers,
): string {
  const place = { uri, name: model, line: range.start.line, character: range.start.character };
  const link = (text: string, command: string, ...args: unknown[]): string[] =>
    known.has(command) ? [`[${text}](command:${command}?${encodeURIComponent(JSON.stringify(args))})`] : [];
  return [
    ...link("Probe", "noether.probe", uri, model),
    ...(rule === undefined ? [] : link("Explain", OPEN_RULE, rule)),
    ...(fixes ? link("Fixes", SHOW_FIXES, uri, range) : []),
    ...link(say`Full report`, "noether.showSymmetries", place),
    ...link(say`Next layer`, "noether.nextMember"),
  ].join(" · ");
}

/** @file One line above each model: its groups, how much of it is symmetry, and what can be done. */
import { say } from "../../analysis/texts/say";
import { CodeLensRefreshRequest, type CodeLens, type Connection } from "vscode-languageserver/node";
import { rangeOf } from "../convert";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";

/** Answers `textDocument/codeLens`, and asks for new ones when a certification changed what they say. */
export function register(connection: Connection, state: ServerState): void {
  connection.onCodeLens(async ({ textDocument: { uri } }, token): Promise<CodeLens[]> => {
    const { enable, codeLens } = await state.settings(uri);
    if (!enable || !codeLens) return [];
    const signal = signalOf(token);
    // While somebody types, what is said of the text before is not wrong enough to compute anew at each key.
    const structure = await state.analyses
      .settled(uri, signal)
      .then(() => state.analyses.structure(uri, signal))
      .catch(() => undefined); // cancelled, or the text changed
    const path = pathOf(uri);
    return (structure?.models ?? []).flatMap(({ name, range, summary }) => {
      if (!range || range.file !== path) return [];
      const place = { uri, name, line: range.start.line, character: range.start.column };
      const title = { title: summary, command: "noether.showSymmetries", arguments: [place] };
      const lens: CodeLens = { range: rangeOf(range), command: title };
      if (!state.commands.has("noether.probe")) return [lens];
      return [lens, { range: lens.range, command: { title: say`Probe`, command: "noether.probe", arguments: [uri, name] } }];
    });
  });

  state.analyses.on("done", ({ certified }) => {
    if (certified && state.client.workspace?.codeLens?.refreshSupport === true) {
      connection.sendRequest(CodeLensRefreshRequest.type).catch(() => {}); // the client is shutting down
    }
  });
}

/** @file Probes: short trainings of the model of a document, in processes of their own. */
import { say } from "../../analysis/texts/say";
import { LSPErrorCodes, ResponseError, type Connection } from "vscode-languageserver/node";
import { ProbeFailure, type ProbeHost } from "../probe/host";
import { PROBE_NOTIFICATION, PROBE_REQUEST, type ProbeAnswer, type ProbeNotice, type ProbeParams } from "../protocol";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";

/**
 * Answers `noether/probe`. `measured` is called after each probe that ended: rules that judge what was measured have
 * something to say now.
 */
export function register(connection: Connection, state: ServerState, probes: ProbeHost, measured: () => void): void {
  connection.onRequest(PROBE_REQUEST, async ({ choices, id, model, uri }: ProbeParams, token): Promise<ProbeAnswer> => {
    const document = state.analyses.document(uri);
    const path = pathOf(document?.uri ?? uri);
    if (!document && !uri.startsWith("file:")) {
      throw new ResponseError(
        LSPErrorCodes.RequestFailed,
        say`A probe reads files from disk: save a local copy of this one first.`,
      );
    }
    const { configuration } = (await state.settings(document?.uri ?? uri)).lint;
    const probe = {
      path,
      choices,
      configuration,
      ...(document ? { text: document.getText() } : {}),
      ...(model === undefined ? {} : { model }),
    };
    const tell = (event: ProbeNotice["event"]): void => {
      connection.sendNotification(PROBE_NOTIFICATION, { id, event } satisfies ProbeNotice).catch(() => {}); // client gone
    };
    const signal = signalOf(token);
    try {
      const answer = await probes.run(probe, signal, tell);
      measured();
      return answer;
    } catch (error) {
      if (signal.aborted) throw new ResponseError(LSPErrorCodes.RequestCancelled, "cancelled");
      if (!(error instanceof ProbeFailure)) throw error;
      state.log(`the probe of ${path} failed: ${error.message}`, error.detail);
      throw new ResponseError(LSPErrorCodes.RequestFailed, error.message);
    }
  });
}

/** @file Noether's own requests: an .onnx file for its view, and the text report of the model at the cursor. */
import { say } from "../../analysis/texts/say";
import { LSPErrorCodes, ResponseError, type Connection } from "vscode-languageserver/node";
import { contains, rangeOf } from "../convert";
import {
  ONNX_REQUEST,
  STRUCTURE_REQUEST,
  SYMMETRIES_REQUEST,
  type DocumentStructure,
  type OnnxParams,
  type OnnxSummary,
  type StructureParams,
  type SymmetriesParams,
  type SymmetriesReport,
} from "../protocol";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";
import { AnalysisFailure } from "../worker/process";

/** Answers `noether/onnx`, `noether/symmetries` and `noether/structure`. */
export function register(connection: Connection, state: ServerState): void {
  connection.onRequest(ONNX_REQUEST, async ({ uri, certify }: OnnxParams, token): Promise<OnnxSummary> => {
    if (!uri.startsWith("file:")) {
      return nothing(uri, say`Noether reads .onnx files from disk only; save a local copy of this one and open that.`);
    }
    const { lint: settings } = await state.settings(uri);
    const input = { kind: "onnx", path: pathOf(uri), settings } as const;
    const signal = signalOf(token);
    try {
      const analysis = await (certify === true ? state.host.certify(input, signal) : state.host.analyse(input, signal));
      const { models, findings, problems, milliseconds } = analysis;
      return { uri, models, findings, problems, milliseconds };
    } catch (error) {
      if (signal.aborted) throw new ResponseError(LSPErrorCodes.RequestCancelled, "cancelled");
      if (!(error instanceof AnalysisFailure)) throw error;
      state.log(`cannot analyse ${input.path}: ${error.message}`, error.detail);
      return nothing(uri, say`The analysis broke off: ${error.message}.`);
    }
  });

  connection.onRequest(
    STRUCTURE_REQUEST,
    async ({ uri }: StructureParams, token): Promise<DocumentStructure | null> =>
      (await state.analyses.structure(uri, signalOf(token))) ?? null,
  );

  connection.onRequest(
    SYMMETRIES_REQUEST,
    async ({ uri, position }: SymmetriesParams, token): Promise<SymmetriesReport | null> => {
      // A broken analysis has been reported; there is nothing to show.
      const broken = (error: unknown): undefined => {
        if (!(error instanceof AnalysisFailure)) throw error;
      };
      const models = (await state.analyses.details(uri, signalOf(token)).catch(broken))?.models ?? [];
      if (models.length === 0) return null;
      // A model's range is its class name or its whole class, so the model at the cursor is the last one begun before it.
      const here =
        position &&
        models.filter(
          (m) =>
            m.range &&
            m.range.file === pathOf(uri) &&
            (contains(rangeOf(m.range), position) || m.range.start.line <= position.line),
        );
      const last = here?.reduce<(typeof here)[number] | undefined>(
        (best, m) => (best && best.range!.start.line > m.range!.start.line ? best : m),
        undefined,
      );
      const chosen = last ? [last] : models;
      return { title: chosen.map((m) => m.name).join(", "), text: chosen.map((m) => m.text.trimEnd()).join("\n\n") + "\n" };
    },
  );
}

function nothing(uri: string, message: string): OnnxSummary {
  return { uri, models: [], findings: [], problems: [{ message }], milliseconds: 0 };
}

/** @file Views of .onnx files: the drawing, the layout of its boxes, the text, and the Python class behind it. */
import { LSPErrorCodes, ResponseError, type CancellationToken, type Connection } from "vscode-languageserver/node";
import type { AnalysisInput } from "../analysis-host";
import {
  DRAWING_REQUEST,
  LAYOUT_REQUEST,
  ONNX_TEXT_REQUEST,
  SOURCE_REQUEST,
  type DrawnFile,
  type Layout,
  type LayoutRequest,
  type OnnxParams,
  type OnnxTextView,
  type SourceMatch,
  type SourceParams,
} from "../protocol";
import { signalOf, type ServerState } from "../state";
import { pathOf } from "../uris";
import { AnalysisFailure } from "../worker/process";

/** Answers the requests about .onnx files that `models.ts` does not. Files that are not on disk have no views: null. */
export function register(connection: Connection, state: ServerState): void {
  connection.onRequest(DRAWING_REQUEST, async ({ uri }: OnnxParams, token): Promise<DrawnFile | null> => {
    const input = await inputOf(uri, state);
    // The drawing's layout is what is asked for next.
    state.host.warmUpLayout();
    return input && attempt(token, state, (signal) => state.host.drawing(input, signal));
  });
  connection.onRequest(ONNX_TEXT_REQUEST, async ({ uri }: OnnxParams, token): Promise<OnnxTextView | null> => {
    const input = await inputOf(uri, state);
    return input && attempt(token, state, (signal) => state.host.onnxText(input, signal));
  });
  connection.onRequest(SOURCE_REQUEST, async ({ uri, folders }: SourceParams, token): Promise<SourceMatch | null> => {
    const input = await inputOf(uri, state);
    const paths = folders.filter((f) => f.startsWith("file:")).map(pathOf);
    return input && attempt(token, state, (signal) => state.host.sourceOf(input, paths, signal));
  });
  connection.onRequest(
    LAYOUT_REQUEST,
    (request: LayoutRequest, token): Promise<Layout> => attempt(token, state, (signal) => state.host.layout(request, signal)),
  );
}

async function inputOf(uri: string, state: ServerState): Promise<AnalysisInput | null> {
  return uri.startsWith("file:") ? { kind: "onnx", path: pathOf(uri), settings: (await state.settings()).lint } : null;
}

async function attempt<T>(token: CancellationToken, state: ServerState, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = signalOf(token);
  try {
    return await run(signal);
  } catch (error) {
    if (signal.aborted) throw new ResponseError(LSPErrorCodes.RequestCancelled, "cancelled");
    if (error instanceof AnalysisFailure) {
      state.log(error.message, error.detail);
      throw new ResponseError(LSPErrorCodes.RequestFailed, error.message);
    }
    throw error;
  }
}

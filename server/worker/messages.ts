/** @file What the server and its analysis process say to each other over Node's IPC channel. */
import type { AnalysisService, Layout, LayoutRequest } from "../protocol";

type ServiceMethod = "analysePython" | "analyseOnnx" | "certify" | "structure" | "rewrites" | "onnxText" | "drawing" | "sourceOf";

/** The service's methods that analyse, by name, with their arguments. */
export type AnalysisCall = {
  [M in ServiceMethod]: { readonly method: M; readonly args: Parameters<AnalysisService[M]> };
}[ServiceMethod];

/** Placing a drawing's boxes; a process of its own does nothing else. */
export interface LayoutCall {
  readonly method: "layout";
  readonly args: readonly [LayoutRequest];
}

/** What calls answer. */
export type AnalysisResult = Awaited<ReturnType<AnalysisService[ServiceMethod]>>;

/** Server -> process. */
export type WorkerRequest = { readonly id: number } & (AnalysisCall | LayoutCall);

/** Process -> server. `error` holds a message and a stack for the log. */
export type WorkerReply =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly id: number; readonly result: AnalysisResult | Layout }
  | { readonly kind: "error"; readonly id: number; readonly error: { readonly message: string; readonly stack?: string } };

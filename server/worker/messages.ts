/** @file What the server and its analysis process say to each other over Node's IPC channel. */
import type { AnalysisService, DocumentAnalysis, DocumentStructure } from "../protocol";

/** The service's methods that analyse, by name, with their arguments. */
export type AnalysisCall = {
  [M in "analysePython" | "analyseOnnx" | "certify" | "structure"]: {
    readonly method: M;
    readonly args: Parameters<AnalysisService[M]>;
  };
}["analysePython" | "analyseOnnx" | "certify" | "structure"];

/** What calls answer. */
export type AnalysisResult = DocumentAnalysis | DocumentStructure;

/** Server -> process. */
export type WorkerRequest = { readonly id: number } & AnalysisCall;

/** Process -> server. `error` holds a message and a stack for the log. */
export type WorkerReply =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly id: number; readonly result: AnalysisResult }
  | { readonly kind: "error"; readonly id: number; readonly error: { readonly message: string; readonly stack?: string } };

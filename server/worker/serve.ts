/** @file Answers requests on this process's IPC channel: those about documents, or those for layouts. */
import type { AnalysisService, Layout, LayoutRequest } from "../protocol";
import type { WorkerReply, WorkerRequest } from "./messages";
import type { Answer } from "./process";

/** Serves the analysis of documents. @param onFirst called when the first request has been answered */
export function serveAnalysis(service: AnalysisService, onFirst: () => void = () => {}): void {
  let first = true;
  serve(
    async (request) => {
      try {
        return await callService(service, request);
      } finally {
        if (first) onFirst();
        first = false;
      }
    },
    () => service.dispose(),
  );
}

/** Serves the layout of drawings. */
export function serveLayout(layout: (request: LayoutRequest) => Promise<Layout>): void {
  serve(
    async (request) => {
      if (request.method !== "layout") throw new TypeError(`this process lays drawings out; it knows no ${request.method}`);
      return layout(...request.args);
    },
    () => {},
  );
}

/**
 * Serves until the parent goes away, then frees what there is to free and ends the process. A call that throws is answered with an
 * error; what cannot be caught ends the process, and the parent starts another.
 */
function serve(call: (request: WorkerRequest) => Promise<Answer>, dispose: () => void): void {
  const reply = (message: WorkerReply): void => {
    process.send?.(message, (error) => {
      if (error) process.exit(1);
    });
  };
  process.on("message", (request: WorkerRequest) => {
    call(request).then(
      (result) => reply({ kind: "result", id: request.id, result }),
      (thrown: unknown) => {
        const error = thrown instanceof Error ? thrown : new Error(String(thrown));
        const { message, stack } = error;
        reply({ kind: "error", id: request.id, error: stack === undefined ? { message } : { message, stack } });
      },
    );
  });
  process.on("disconnect", () => {
    dispose();
    process.exit(0);
  });
  reply({ kind: "ready" });
}

async function callService(service: AnalysisService, request: WorkerRequest): Promise<Answer> {
  switch (request.method) {
    case "analysePython":
      return service.analysePython(...request.args);
    case "analyseOnnx":
      return service.analyseOnnx(...request.args);
    case "certify":
      return service.certify(...request.args);
    case "rewrites":
      return service.rewrites(...request.args);
    case "structure":
      return service.structure(...request.args);
    case "onnxText":
      return service.onnxText(...request.args);
    case "drawing":
      return service.drawing(...request.args);
    case "sourceOf":
      return service.sourceOf(...request.args);
    case "layout":
      throw new TypeError("drawings are laid out by a process of their own");
  }
}

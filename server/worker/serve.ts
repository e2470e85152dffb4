/** @file Answers analysis requests on this process's IPC channel with a service. */
import type { AnalysisService } from "../protocol";
import type { AnalysisResult, WorkerReply, WorkerRequest } from "./messages";

/**
 * Serves until the parent goes away, then frees the service and ends the process. A call that throws is answered with an
 * error; what cannot be caught ends the process, and the parent starts another.
 */
export function serveAnalysis(service: AnalysisService): void {
  const reply = (message: WorkerReply): void => {
    process.send?.(message, (error) => {
      if (error) process.exit(1);
    });
  };
  process.on("message", (request: WorkerRequest) => {
    call(service, request).then(
      (result) => reply({ kind: "result", id: request.id, result }),
      (thrown: unknown) => {
        const error = thrown instanceof Error ? thrown : new Error(String(thrown));
        const { message, stack } = error;
        reply({ kind: "error", id: request.id, error: stack === undefined ? { message } : { message, stack } });
      },
    );
  });
  process.on("disconnect", () => {
    service.dispose();
    process.exit(0);
  });
  reply({ kind: "ready" });
}

async function call(service: AnalysisService, request: WorkerRequest): Promise<AnalysisResult> {
  switch (request.method) {
    case "analysePython":
      return service.analysePython(...request.args);
    case "analyseOnnx":
      return service.analyseOnnx(...request.args);
    case "certify":
      return service.certify(...request.args);
    case "structure":
      return service.structure(...request.args);
  }
}

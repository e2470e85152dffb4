/**
 * @file Entry of the child process that runs ONNX Runtime (dist/worker.js in the bundle). Native code blocks its event loop
 * and cannot be interrupted; the parent cancels by killing the process.
 */
import { OrtSession, RuntimeFailure } from "./ort";
import type { Reply, Request } from "./protocol";

const sessions = new Map<number, OrtSession>();

async function handle(request: Request): Promise<Reply> {
  const { id } = request;
  if (request.kind === "open") {
    sessions.set(request.session, await OrtSession.open(request.model, request.options));
    return { id, kind: "done" };
  }
  const session = sessions.get(request.session);
  if (!session) return { id, kind: "failed", reason: "model", message: `session ${request.session} is not open` };
  switch (request.kind) {
    case "bind":
      session.bind(request.feeds);
      return { id, kind: "done" };
    case "run":
      return { id, kind: "done", outputs: await session.run(request.feeds) };
    case "close":
      sessions.delete(request.session);
      await session.close();
      return { id, kind: "done" };
  }
}

function send(reply: Reply): void {
  // The parent may be gone by now; then there is nobody to tell.
  process.send?.(reply, undefined, {}, () => {});
}

process.on("message", (request: Request) => {
  handle(request).then(send, (error: unknown) => {
    const reason = error instanceof RuntimeFailure ? error.reason : "model";
    send({ id: request.id, kind: "failed", reason, message: error instanceof Error ? error.message : String(error) });
  });
});
process.on("disconnect", () => process.exit(0));

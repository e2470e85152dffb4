/**
 * @file Entry of the process that trains (dist/probe.js in the bundle). Native code blocks its event loop and cannot be
 * interrupted; the parent cancels by killing the process.
 */
import { loadOrt, RuntimeFailure } from "../../runtime/ort";
import type { ProbeMessage, ProbeReply } from "./protocol";
import { feedsOf, openSession, train, wireOf } from "./trainer";

function send(reply: ProbeReply): void {
  // The parent may be gone by now; then there is nobody to tell.
  process.send?.(reply, undefined, {}, () => {});
}

/** Lets messages leave before native code blocks the event loop again. */
const flushed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function handle(message: ProbeMessage): Promise<void> {
  const { id } = message;
  switch (message.kind) {
    case "warm":
      await loadOrt();
      send({ id, kind: "done" });
      return;
    case "run": {
      const session = await openSession(message.model, message.provider);
      const outputs = await session.run(await feedsOf(message.feeds));
      send({ id, kind: "done", outputs: wireOf(outputs) });
      await session.release();
      return;
    }
    case "train": {
      const steps = await train(message.job, {
        progress: async (step, losses, norms) => {
          send({ id, kind: "progress", step, losses, norms });
          await flushed();
        },
        recording: async (recording) => {
          send({ id, kind: "recording", recording });
          await flushed();
        },
      });
      send({ id, kind: "done", steps });
    }
  }
}

process.on("message", (message: ProbeMessage) => {
  handle(message).catch((error: unknown) => {
    const reason = error instanceof RuntimeFailure ? error.reason : "model";
    send({ id: message.id, kind: "failed", reason, message: error instanceof Error ? error.message : String(error) });
  });
});
process.on("disconnect", () => process.exit(0));

/**
 * @file Entry of the process that trains (dist/probe.js in the bundle). Native code blocks its event loop and cannot be
 * interrupted; the parent cancels by killing the process.
 */
import { loadOrt, RuntimeFailure } from "../../runtime/ort";
import type { ProbeMessage, ProbeReply } from "./protocol";
import { feedsOf, openSession, wireOf } from "./session";
import { train } from "./trainer";

/** Models that stay open, with what is fed to all of their runs. */
const sessions = new Map<
  number,
  { session: Awaited<ReturnType<typeof openSession>>; fixed: Awaited<ReturnType<typeof feedsOf>> }
>();

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
      send({ id, kind: "done", cpu: (await loadOrt()).cpu });
      return;
    case "open": {
      const session = await openSession(message.model, message.provider);
      sessions.set(message.session, { session, fixed: await feedsOf(message.fixed) });
      send({ id, kind: "done" });
      return;
    }
    case "run": {
      const found = sessions.get(message.session);
      if (!found) throw new RuntimeFailure("model", `session ${message.session} is not open`);
      const outputs = [];
      for (const batch of message.batches) {
        outputs.push(wireOf(await found.session.run({ ...found.fixed, ...(await feedsOf(batch)) })));
      }
      send({ id, kind: "done", outputs });
      return;
    }
    case "close": {
      const found = sessions.get(message.session);
      sessions.delete(message.session);
      await found?.session.release();
      send({ id, kind: "done" });
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

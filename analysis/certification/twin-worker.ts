/** @file Entry of the child process that looks at twins (dist/twin-worker.js in the bundle). */
import { certifyTwinOf } from "./twin";
import type { TwinReply, TwinRequest } from "./twin-process";

function send(reply: TwinReply): void {
  // The parent may be gone by now; then there is nobody to tell.
  process.send?.(reply, undefined, {}, () => {});
}

process.on("message", ({ id, subject, options }: TwinRequest) => {
  certifyTwinOf(subject, options).then(
    (outcome) => send({ id, outcome }),
    (error: unknown) => send({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));

/**
 * @file The process of a probe for tests of the server. How it behaves is written in the text: `FAILS` is a failure with a
 * sentence, `DIES` a crash, `LONG` never ends by itself. It tells its process id as a note.
 */
import type { ProbeRecord } from "../protocol";
import { serveProbe } from "../probe/serve";

serveProbe(async ({ choices, model, path, text }, { onEvent, signal }) => {
  const steps = choices.steps ?? 300;
  const started = { model: model ?? path, steps, replicas: 1, settings: ["as it is"], parameters: 4 };
  onEvent({ kind: "started", ...started });
  onEvent({ kind: "note", text: String(process.pid) });
  onEvent({ kind: "points", step: 1, steps, points: [{ setting: "as it is", replica: 0, step: 1, loss: 0.5 }] });
  if (text?.includes("FAILS")) throw new Error("the fake probe failed");
  if (text?.includes("DIES")) process.kill(process.pid, "SIGKILL");
  if (text?.includes("LONG")) {
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
  }
  // Tests look at nothing else of a record.
  return { record: { schema: 1, model: started.model, steps } as unknown as ProbeRecord, html: `<p>${started.model}</p>` };
});

/** @file Runs one probe for the parent process. */
import type { DocumentProbe, ProbeAnswer, ProbeEvent } from "../protocol";
import type { ProbeCommand, ProbeReply } from "./messages";

/** What trains and measures. */
export type RunProbe = (
  probe: DocumentProbe,
  host: { readonly signal: AbortSignal; readonly onEvent: (event: ProbeEvent) => void },
) => Promise<ProbeAnswer>;

/** Answers the parent's one command, and ends with it: the processes that train end when this one does. */
export function serveProbe(run: RunProbe): void {
  const abort = new AbortController();
  const reply = (message: ProbeReply, sent?: () => void): void => {
    process.send?.(message, undefined, {}, () => sent?.());
  };
  process.on("message", (command: ProbeCommand) => {
    if (command.kind === "cancel") return abort.abort();
    const end = (): never => process.exit(0);
    run(command.probe, { signal: abort.signal, onEvent: (event) => reply({ kind: "event", event }) }).then(
      (answer) => reply({ kind: "done", answer }, end),
      (thrown: unknown) => {
        const { message, stack } = thrown instanceof Error ? thrown : new Error(String(thrown));
        reply({ kind: "failed", message, ...(stack === undefined ? {} : { detail: stack }) }, end);
      },
    );
  });
  process.on("disconnect", () => process.exit(0));
}

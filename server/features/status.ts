/** @file Tells the client what the server is doing (`noether/status`), and the log what went wrong. */
import { mark, say } from "../../analysis/texts/say";
import type { Connection } from "vscode-languageserver/node";
import type { Analysed } from "../analyses";
import { STATUS_NOTIFICATION, type ServerStatus } from "../protocol";
import type { ServerState } from "../state";
import { pathOf } from "../uris";

/** Sends a status at each change of it; returns what sends it anew, for when the settings change. */
export function register(connection: Connection, state: ServerState): () => void {
  /** What is under way, the latest last. */
  const running = new Map<string, "analysing" | "certifying">();
  let rest: ServerStatus = { state: "ready", message: say`Ready` };

  state.analyses.on("start", (uri, what) => {
    running.delete(uri);
    running.set(uri, what);
    send();
  });
  state.analyses.on("done", (analysed) => {
    running.delete(analysed.uri);
    rest = { state: "ready", message: summary(analysed), uri: analysed.uri, milliseconds: analysed.analysis.milliseconds };
    send();
  });
  state.analyses.on("failed", (uri, failure) => {
    running.delete(uri);
    rest = { state: "failed", message: failure.message, uri };
    state.log(`cannot analyse ${pathOf(uri)}: ${failure.message}`, failure.detail);
    send();
  });
  state.analyses.on("dropped", (uri) => {
    if (running.delete(uri)) send();
  });
  return send;

  function send(): void {
    // The client may be gone, and then nobody wants to know.
    connection.sendNotification(STATUS_NOTIFICATION, current()).catch(() => {});
  }

  function current(): ServerStatus {
    if (!state.enabled) return { state: "off", message: say`Switched off in the settings (noether.enable)` };
    const latest = [...running].at(-1);
    return latest ? { state: latest[1], message: PROGRESS[latest[1]], uri: latest[0] } : rest;
  }
}

const PROGRESS = { analysing: mark`Reading models`, certifying: mark`Certifying symmetries numerically` } as const;

function summary({ analysis, certified }: Analysed): string {
  const models = count(analysis.models.length, "model");
  const findings = count(analysis.findings.length, "finding");
  const took = analysis.milliseconds < 10 ? analysis.milliseconds.toFixed(1) : analysis.milliseconds.toFixed(0);
  const { calls } = analysis;
  const understood = calls && calls.all > 0 ? `, ${calls.understood} of ${count(calls.all, "call")} understood` : "";
  return `${models}, ${findings} in ${took} ms${understood}${certified ? ", certified" : ""}`;
}

function count(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n} ${noun}s`;
}

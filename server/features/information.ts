/** @file What the server says of itself, for reports of problems. */
import type { Connection } from "vscode-languageserver/node";
import { INFORMATION_REQUEST, type ServerInformation } from "../protocol";
import type { ServerState } from "../state";

/** Answers `noether/information`. */
export function register(connection: Connection, state: ServerState): void {
  connection.onRequest(
    INFORMATION_REQUEST,
    (): ServerInformation => ({
      node: process.versions.node,
      documents: state.documents.keys().length,
      megabytes: process.memoryUsage.rss() / 2 ** 20,
      uptime: process.uptime(),
    }),
  );
}

/** @file Entry of the VS Code extension: starts the language server and registers what VS Code shows of it. */
import type * as vscode from "vscode";
import * as commands from "./commands";
import * as explorer from "./explorer";
import * as exporting from "./export";
import { NoetherClient } from "./noether-client";
import * as onnxEditor from "./onnx/editor";
import * as onnxText from "./onnx/text-document";
import * as probe from "./probe/commands";
import * as statusItem from "./status-item";
import * as symmetriesDocument from "./symmetries-document";

/** What `activate` returns: for other extensions, and for tests. */
export interface NoetherApi {
  /** Whether the server runs and what it does; changes with `onDidChangeStatus`. */
  readonly status: NoetherClient["status"];
  readonly onDidChangeStatus: NoetherClient["onDidChangeStatus"];
  /** What the open view of an .onnx file shows. */
  readonly onnxView: typeof onnxEditor.viewOf;
  /** What the command Export and Verify does once its question is answered. */
  readonly exportModel: typeof exporting.exportModel;
  /** What the panel of a model's probes shows. */
  readonly drawnProbe: typeof probe.drawnProbe;
}

let client: NoetherClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<NoetherApi> {
  const noether = new NoetherClient(context);
  client = noether;
  for (const part of [statusItem, symmetriesDocument, onnxEditor, onnxText, exporting, explorer, probe, commands])
    part.register(context, noether);
  await noether.start();
  return {
    get status() {
      return noether.status;
    },
    onDidChangeStatus: noether.onDidChangeStatus,
    onnxView: onnxEditor.viewOf,
    exportModel: exporting.exportModel,
    drawnProbe: probe.drawnProbe,
  };
}

export async function deactivate(): Promise<void> {
  await client?.dispose();
}

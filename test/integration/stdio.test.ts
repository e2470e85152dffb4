import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import * as vscode from "vscode";
import {
  createProtocolConnection,
  DidOpenTextDocumentNotification,
  DocumentDiagnosticRequest,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  ShutdownRequest,
} from "vscode-languageserver/node";

describe("the bundled server over stdio, for other editors", () => {
  it("finds, and ends when told to", async () => {
    const extension = vscode.extensions.getExtension("noether-lint.noether");
    assert.ok(extension);
    const server = spawn(process.execPath, [path.join(extension.extensionPath, "dist", "server.js"), "--stdio"], {
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const exited = new Promise<number | null>((resolve) => server.once("exit", resolve));
    const client = createProtocolConnection(server.stdout, server.stdin);
    client.listen();
    await client.sendRequest(InitializeRequest.type, {
      processId: process.pid,
      rootUri: null,
      capabilities: { textDocument: { diagnostic: {} } },
    });
    await client.sendNotification(InitializedNotification.type, {});
    const text = [
      "from torch import nn",
      "",
      "class Net(nn.Module):",
      "    def __init__(self):",
      "        super().__init__()",
      "        self.conv = nn.Conv2d(3, 8, 3)",
      "        self.norm = nn.BatchNorm2d(8)",
      "",
      "    def forward(self, x):",
      "        return self.norm(self.conv(x))",
      "",
    ].join("\n");
    const uri = "untitled:net.py";
    await client.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: "python", version: 1, text },
    });
    const report = await client.sendRequest(DocumentDiagnosticRequest.type, { textDocument: { uri } });
    assert.equal(report.kind, "full");
    assert.deepEqual(
      report.items.map((d) => [d.code, d.range.start.line]),
      [["bias-before-norm", 5]],
    );
    await client.sendRequest(ShutdownRequest.type);
    await client.sendNotification(ExitNotification.type);
    assert.equal(await exited, 0);
    client.dispose();
  });
});

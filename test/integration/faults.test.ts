import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import path from "node:path";
import * as vscode from "vscode";
import {
  createProtocolConnection,
  DidChangeConfigurationNotification,
  DidChangeTextDocumentNotification,
  DidOpenTextDocumentNotification,
  DocumentDiagnosticRequest,
  ExitNotification,
  InitializedNotification,
  InitializeRequest,
  ShutdownRequest,
  type Diagnostic,
  type ProtocolConnection,
} from "vscode-languageserver/node";
import { close, diagnostics, noether, open, until } from "./vs-code";

/** A model whose bias its norm removes. */
function model(name: string): string {
  return [
    `class ${name}(nn.Module):`,
    "    def __init__(self):",
    "        super().__init__()",
    "        self.conv = nn.Conv2d(3, 8, 3)",
    "        self.norm = nn.BatchNorm2d(8)",
    "",
    "    def forward(self, x):",
    "        return self.norm(self.conv(x))",
    "",
    "",
  ].join("\n");
}

/** Process ids by a part of their command line. */
function processes(part: string): number[] {
  const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  return lines.filter((l) => l.includes(part)).map((l) => Number.parseInt(l, 10));
}

describe("when something breaks", () => {
  after(close);

  it("a killed server comes back and knows the text that is open", async function () {
    if (process.platform === "win32") return this.skip();
    const document = await open("net.py");
    const found = await until("findings", () => diagnostics(document.uri).length > 0 && diagnostics(document.uri));
    const extension = vscode.extensions.getExtension("noether-lint.noether")!;
    const before = processes(path.join(extension.extensionPath, "dist", "server.js"));
    assert.ok(before.length > 0, "the server is a process");
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, new vscode.Position(document.lineCount, 0), `\n\n${model("Unsaved")}`);
    assert.ok(await vscode.workspace.applyEdit(edit));
    for (const pid of before) process.kill(pid, "SIGKILL");
    // What is asked before the editor hears of the end goes into pipes that nobody reads any more.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    const place = { uri: document.uri.toString(), line: 0, character: 0 };
    const asked = Array.from({ length: 20 }, () => vscode.commands.executeCommand("noether.showSymmetries", place));
    await Promise.allSettled(asked);
    await until("more findings, in text that is nowhere but in the editor", () => {
      const now = diagnostics(document.uri);
      return now.length === found.length + 1 && now.some((d) => d.range.start.line > found.at(-1)!.range.start.line + 8);
    });
    assert.ok(document.getText().includes("class Unsaved"), "the text is as it was typed");
    const api = await noether();
    await until("the server is ready", () => api.status.state === "ready");
    await vscode.window.showTextDocument(document);
    await vscode.commands.executeCommand("workbench.action.files.revert");
  });
});

describe("the bundled server under load", () => {
  let client: ProtocolConnection;
  let exited: Promise<number | null>;

  before(async () => {
    const extension = vscode.extensions.getExtension("noether-lint.noether")!;
    const server = spawn(process.execPath, [path.join(extension.extensionPath, "dist", "server.js"), "--stdio"], {
      env: { ...process.env, ELECTRON_RUN_AS_NODE: "1" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    exited = new Promise((resolve) => server.once("exit", resolve));
    client = createProtocolConnection(server.stdout, server.stdin);
    client.listen();
    const capabilities = { textDocument: { diagnostic: {} } };
    await client.sendRequest(InitializeRequest.type, { processId: process.pid, rootUri: null, capabilities });
    await client.sendNotification(InitializedNotification.type, {});
  });

  after(async () => {
    await client.sendRequest(ShutdownRequest.type);
    await client.sendNotification(ExitNotification.type);
    assert.equal(await exited, 0);
    client.dispose();
  });

  async function opened(uri: string, text: string): Promise<void> {
    await client.sendNotification(DidOpenTextDocumentNotification.type, {
      textDocument: { uri, languageId: "python", version: 1, text },
    });
  }

  /** Asks until the answer is for the present text. */
  async function pulled(uri: string): Promise<Diagnostic[]> {
    for (;;) {
      try {
        const report = await client.sendRequest(DocumentDiagnosticRequest.type, { textDocument: { uri } });
        assert.equal(report.kind, "full");
        return report.items;
      } catch (error) {
        if ((error as { code?: number }).code !== -32802) throw error;
      }
    }
  }

  it("serves fifty documents at once", async () => {
    const uris = Array.from({ length: 50 }, (_, k) => `untitled:many${k}.py`);
    for (const [k, uri] of uris.entries())
      await opened(uri, `from torch import nn\n\n\n${model("A")}${model("B").repeat(k % 2)}`);
    const counts = await Promise.all(uris.map(async (uri) => (await pulled(uri)).length));
    assert.deepEqual(
      counts,
      uris.map((_, k) => 1 + (k % 2)),
    );
  });

  it("takes a file of 20,000 lines, and edits in it", async () => {
    const uri = "untitled:long.py";
    const names = Array.from({ length: 400 }, (_, k) => `Net${k}`);
    const between = names.map((name) => `def ${name.toLowerCase()}(x):\n${"    x = x + 1\n".repeat(40)}    return x\n\n\n`);
    const text = `from torch import nn\n\n\n${names.map((name, k) => model(name) + between[k]!).join("")}`;
    assert.ok(text.split("\n").length > 20_000);
    await opened(uri, text);
    assert.equal((await pulled(uri)).length, names.length);
    const at = { line: text.split("\n").length - 1, character: 0 };
    await client.sendNotification(DidChangeTextDocumentNotification.type, {
      textDocument: { uri, version: 2 },
      contentChanges: [{ range: { start: at, end: at }, text: model("Last") }],
    });
    assert.equal((await pulled(uri)).length, names.length + 1);
  });

  it("follows settings that change while it works", async () => {
    const uri = "untitled:changing.py";
    await opened(uri, `from torch import nn\n\n\n${model("Net")}`);
    const first = pulled(uri);
    await client.sendNotification(DidChangeConfigurationNotification.type, {
      settings: { noether: { lint: { rules: { "bias-before-norm": "off" } } } },
    });
    await first;
    assert.deepEqual(
      (await pulled(uri)).map((d) => String(d.code)),
      [],
    );
  });
});

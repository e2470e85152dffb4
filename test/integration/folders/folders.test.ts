import assert from "node:assert/strict";
import * as vscode from "vscode";
import { needsUser, seen } from "../user";
import { close, diagnostics, find, hover, noether, rule, until } from "../vs-code";
import { MemoryFiles } from "./memory-files";

const folder = (name: string): vscode.Uri => vscode.workspace.workspaceFolders!.find((f) => f.name === name)!.uri;

const TINY = `from torch import nn


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 3)
        self.fc2 = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())
`;

async function open(uri: vscode.Uri): Promise<vscode.TextDocument> {
  const document = await vscode.workspace.openTextDocument(uri);
  // Not in the tab of another file, whose findings would go with it.
  await vscode.window.showTextDocument(document, { preview: false });
  return document;
}

describe("a workspace of several folders", () => {
  after(close);

  it("checks each folder by its own configuration", async () => {
    // The same file: one folder calls the finding an error, the other does not want it.
    const strict = await open(vscode.Uri.joinPath(folder("strict"), "net.py"));
    await until("errors", () => {
      const found = diagnostics(strict.uri).filter((d) => rule(d) === "bias-before-norm");
      return found.length === 2 && found.every((d) => d.severity === vscode.DiagnosticSeverity.Error);
    });
    const quiet = await open(vscode.Uri.joinPath(folder("quiet"), "net.py"));
    assert.equal(quiet.getText(), strict.getText());
    await until("a hover, so that it is read", async () =>
      /S\(16\)/.test(await hover(quiet, find(quiet, "nn.Conv2d").translate(0, 4))),
    );
    assert.deepEqual(diagnostics(quiet.uri), []);
  });

  it("follows the configuration of one folder alone", async () => {
    const toml = vscode.Uri.joinPath(folder("quiet"), "noether.toml");
    const before = await vscode.workspace.fs.readFile(toml);
    const [strict, quiet] = [folder("strict"), folder("quiet")].map((f) => vscode.Uri.joinPath(f, "net.py"));
    await open(quiet!);
    try {
      await vscode.workspace.fs.writeFile(toml, Buffer.from('[rules]\nbias-before-norm = "hint"\n'));
      await until("hints", () => {
        const found = diagnostics(quiet!);
        return found.length === 2 && found.every((d) => d.severity === vscode.DiagnosticSeverity.Hint);
      });
      const others = diagnostics(strict!);
      assert.ok(others.length === 2 && others.every((d) => d.severity === vscode.DiagnosticSeverity.Error));
    } finally {
      await vscode.workspace.fs.writeFile(toml, before);
    }
  });

  it("takes the settings of the folder that a file is in", async () => {
    const { uri } = await open(vscode.Uri.joinPath(folder("plain"), "net.py"));
    const severities = () => diagnostics(uri).map((d) => d.severity);
    const { Error: error, Warning: warning } = vscode.DiagnosticSeverity;
    await until("warnings", () => severities().join() === [warning, warning].join());
    const settings = vscode.workspace.getConfiguration("noether.lint", uri);
    const set = (name: string, value: unknown) => settings.update(name, value, vscode.ConfigurationTarget.WorkspaceFolder);
    try {
      await set("rules", { "bias-before-norm": "off" });
      await until("no findings", () => diagnostics(uri).length === 0);
      assert.equal(diagnostics(vscode.Uri.joinPath(folder("strict"), "net.py")).length, 2);
      await set("rules", undefined);
      // Relative to the folder.
      await set("configuration", "../strict/noether.toml");
      await until("errors", () => severities().join() === [error, error].join());
    } finally {
      await set("rules", undefined);
      await set("configuration", undefined);
    }
  });
});

describe("a remote window", () => {
  it("runs the extension where the files are", async function () {
    const extension = vscode.extensions.getExtension("noether-lint.noether")!;
    await extension.activate();
    if (vscode.env.remoteName === undefined) return this.skip();
    // Beside the files: the server and Python are there, not where the window is drawn.
    assert.equal(extension.extensionKind, vscode.ExtensionKind.Workspace);
    assert.equal((await noether()).status.state === "stopped", false);
    assert.equal(folder("strict").scheme, "file");
  });
});

describe("a workspace that is not on disk", () => {
  const root = vscode.Uri.parse("memory:/models");
  const python = vscode.Uri.joinPath(root, "net.py");
  const model = vscode.Uri.joinPath(root, "net.onnx");

  before(async () => {
    const source = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(folder("strict"), "net.py"));
    const files = new MemoryFiles({
      "/models/net.py": source,
      "/models/tiny.py": Buffer.from(TINY),
      "/models/net.onnx": new Uint8Array([8, 7]),
    });
    vscode.workspace.registerFileSystemProvider("memory", files, { isCaseSensitive: true });
    const { length } = vscode.workspace.workspaceFolders!;
    assert.ok(vscode.workspace.updateWorkspaceFolders(0, length, { uri: root, name: "memory" }));
    await until(
      "the folder",
      () => vscode.workspace.workspaceFolders?.length === 1 && vscode.workspace.workspaceFolders[0]!.uri.scheme === "memory",
    );
  });
  // The folders stay as they are: the window ends with these tests.
  after(close);

  it("is checked, explained and mended as it is in the editor", async () => {
    const document = await open(python);
    const found = await until("findings", () => {
      const list = diagnostics(document.uri).filter((d) => rule(d) === "bias-before-norm");
      return list.length === 2 && list;
    });
    assert.match(await hover(document, find(document, "nn.Conv2d").translate(0, 4)), /S\(16\)/);
    const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      "vscode.executeCodeActionProvider",
      document.uri,
      found[0]!.range,
      vscode.CodeActionKind.QuickFix.value,
    );
    const fix = actions.find((a) => a.isPreferred === true);
    assert.ok(fix?.edit && (await vscode.workspace.applyEdit(fix.edit)));
    await until("one finding less", () => diagnostics(document.uri).length === 1);
    await vscode.commands.executeCommand("workbench.action.files.revert");
  });

  it("probes the model that is in the editor", async () => {
    const document = await open(vscode.Uri.joinPath(root, "tiny.py"));
    const api = await noether();
    void vscode.commands.executeCommand("noether.probe", document.uri, "Tiny", { steps: 5, replicas: 1 });
    const drawn = await until("the end", () => {
      const shown = api.drawnProbe(document.uri, "Tiny");
      return shown !== undefined && shown.phase !== "running" && shown;
    });
    assert.equal(drawn.phase, "done", drawn.text);
  });

  it("says why its .onnx files are not read", async () => {
    const api = await noether();
    await vscode.commands.executeCommand("vscode.openWith", model, "noether.onnx");
    await until("the reason", () => /from disk only; save a local copy/.test(api.onnxView(model)?.report ?? ""));
  });

  it("says why it cannot be exported", async function () {
    needsUser(this);
    const document = await open(python);
    await (await noether()).exportModel(document.uri, "Net").then(
      () => assert.fail("was exported"),
      (error: Error) => assert.match(error.message, /Only files on disk can be exported/),
    );
    void vscode.commands.executeCommand("noether.exportAndVerify", document.uri, "Net");
    await seen(".notification-toast", "Only files on disk can be exported").shown();
    await vscode.commands.executeCommand("notifications.clearAll");
  });
});

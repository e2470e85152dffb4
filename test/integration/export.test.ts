import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as vscode from "vscode";
import { close, file, noether, open } from "./vs-code";

const PYTHON = "/usr/bin/python3";
const LOOK = "import importlib.util as u, sys; sys.exit(not (u.find_spec('torch') and u.find_spec('onnx')))";
const hasTorch = (): boolean => spawnSync(PYTHON, ["-c", LOOK], { timeout: 60_000 }).status === 0;

describe("Export and Verify", () => {
  const settings = () => vscode.workspace.getConfiguration("noether", file("zoo.py"));

  before(() => settings().update("python.interpreter", PYTHON, vscode.ConfigurationTarget.Workspace));
  after(async () => {
    await settings().update("python.interpreter", undefined, vscode.ConfigurationTarget.Workspace);
    await close();
  });

  it("compares PyTorch's export with what was read, and marks what it finds", async function () {
    // Without PyTorch there is nothing to export with.
    if (!hasTorch()) return this.skip();
    const api = await noether();
    const document = await open("zoo.py");
    const exported = await api.exportModel(document.uri, "BatchNormMlp");
    assert.ok(exported.agrees, exported.text);
    assert.match(exported.text, /outputs +agree/);
    const bias = exported.findings.find((f) => f.rule === "bias-before-norm");
    assert.match(document.lineAt(bias!.range!.start.line).text, /self\.fc1 = nn\.Linear/);
  });

  it("ends Python when it is cancelled", async function () {
    if (!hasTorch()) return this.skip();
    const api = await noether();
    const source = new vscode.CancellationTokenSource();
    const running = api.exportModel(file("zoo.py"), "MlpRelu", source.token);
    setTimeout(() => source.cancel(), 500);
    await assert.rejects(running, { name: "Canceled" });
  });

  it("says what is wrong with the user's code", async () => {
    const api = await noether();
    await assert.rejects(api.exportModel(file("zoo.py"), "NoSuchModel"), /no model NoSuchModel/);
  });
});

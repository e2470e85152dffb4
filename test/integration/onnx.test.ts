import assert from "node:assert/strict";
import * as vscode from "vscode";
import { close, file, noether, until } from "./vs-code";

/** Opens an .onnx file as a double click does, and waits until its view says something. */
async function view(name: string, holds: RegExp): Promise<string> {
  const api = await noether();
  const uri = file(name);
  await vscode.commands.executeCommand("vscode.open", uri);
  return until(`the view of ${name} to show ${holds}`, () => {
    const page = api.onnxPage(uri);
    return page !== undefined && holds.test(page) && page;
  });
}

describe("the view of .onnx files", () => {
  after(close);

  it("opens by default", async () => {
    await view("MlpRelu.onnx", /Channel spaces/);
    const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    assert.ok(input instanceof vscode.TabInputCustom);
    assert.equal(input.viewType, "noether.onnx");
  });

  it("lists the symmetries of a graph", async () => {
    const page = await view("MlpRelu.onnx", /Channel spaces/);
    for (const text of ["S(8)", "fc1.weight/0", "fc2.weight/1", "rescaling"]) assert.ok(page.includes(text), text);
  });

  it("certifies what it lists", async () => {
    await view("MlpRelu.onnx", /class="badge good">certified/);
  });

  it("reads a ResNet-18 of a real exporter", async () => {
    const page = await view("resnet18.onnx", /Channel spaces/);
    for (const text of ["512", "layer4.0.conv1.weight/0"]) assert.ok(page.includes(text), text);
  });

  it("says what is wrong with a file that is no model", async () => {
    const page = await view("broken.onnx", /role="alert"/);
    assert.match(page, /broken\.onnx/);
    assert.doesNotMatch(page, /undefined|\[object/);
  });

  it("shows no script and nothing remote", async () => {
    const page = await view("MlpRelu.onnx", /Channel spaces/);
    assert.match(page, /default-src 'none'/);
    assert.doesNotMatch(page, /<script|https?:/);
  });
});

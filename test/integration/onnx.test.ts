import assert from "node:assert/strict";
import * as vscode from "vscode";
import { inPage, needsUser } from "./user";
import { close, file, hover, noether, until } from "./vs-code";

/** Opens an .onnx file as a double click does, and waits until its view says something. */
async function view(name: string, holds: RegExp): Promise<string> {
  const api = await noether();
  const uri = file(name);
  await vscode.commands.executeCommand("vscode.open", uri);
  return until(`the view of ${name} to show ${holds}`, () => {
    const report = api.onnxView(uri)?.report;
    return report !== undefined && holds.test(report) && report;
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

  it("draws the graph, and marks what shares a symmetry with a node", async () => {
    const api = await noether();
    const uri = file("resnet18.onnx");
    await view("resnet18.onnx", /Channel spaces/);
    const drawn = await until("a drawing", () => api.onnxView(uri)?.drawn);
    assert.ok(drawn.boxes > 20 && drawn.boxes <= 75, `${drawn.boxes} boxes`);
    assert.ok(drawn.elements < 2000, `${drawn.elements} elements`);
    await vscode.commands.executeCommand("noether.revealOnnxNode", uri.toString(), "/layer4/layer4.0/conv1/Conv");
    await until("the node to be selected", () => api.onnxView(uri)?.drawn?.selected !== undefined);
  });

  it("folds blocks that are built alike, and opens what a search finds among them", async function () {
    needsUser(this);
    const api = await noether();
    const uri = file("resnet50.onnx");
    await view("resnet50.onnx", /Channel spaces/);
    const { boxes } = await until("a drawing", () => api.onnxView(uri)?.drawn);
    await inPage("input[type=search]").fill("layer3.4.conv2");
    await inPage("input[type=search]").press("Enter");
    await inPage(".details h2", "Conv 3×3").shown();
    const drawn = () => api.onnxView(uri)?.drawn?.boxes ?? 0;
    // Five blocks instead of one box, and the nodes of the fourth.
    const opened = await until("the blocks", () => drawn() > boxes + 8 && drawn());
    await inPage(".stage").press("Enter"); // closes the block that the node is in
    await until("the block to be closed", () => drawn() < opened);
    assert.ok(drawn() > boxes);
  });

  it("finds the Python class behind a file", async () => {
    const api = await noether();
    await view("MlpRelu.onnx", /Channel spaces/);
    const source = await until("the class", () => api.onnxView(file("MlpRelu.onnx"))?.source);
    assert.equal(source, "zoo.py (MlpRelu)");
  });

  it("shows the graph as text, with an outline, hovers and folding", async () => {
    await view("MlpRelu.onnx", /Channel spaces/);
    await vscode.commands.executeCommand("noether.showOnnxText", file("MlpRelu.onnx"));
    const editor = vscode.window.activeTextEditor!;
    assert.equal(editor.document.uri.scheme, "noether-onnx");
    assert.equal(editor.document.languageId, "onnx-text");
    const text = editor.document.getText();
    assert.match(text, /^# MlpRelu\.onnx: .*\n<ir_version: \d+, opset_import: \["" : \d+\]>/);
    const at = editor.document.positionAt(text.indexOf('"fc1.weight"') + 3);
    const said = await hover(editor.document, at);
    assert.match(said, /interchangeable/);
    const [, args] = /command:noether\.goToOnnxLine\?([^)]*)\)/.exec(said)!;
    const [, line] = JSON.parse(decodeURIComponent(args!)) as [string, number];
    await vscode.commands.executeCommand("noether.goToOnnxLine", editor.document.uri.toString(), line);
    assert.equal(vscode.window.activeTextEditor?.selection.active.line, line);
    const symbols = await vscode.commands.executeCommand<vscode.DocumentSymbol[]>(
      "vscode.executeDocumentSymbolProvider",
      editor.document.uri,
    );
    assert.ok(symbols.length > 0);
    const folds = await vscode.commands.executeCommand<vscode.FoldingRange[]>(
      "vscode.executeFoldingRangeProvider",
      editor.document.uri,
    );
    assert.ok(folds.length >= 2);
  });

  it("runs its own script only, and loads nothing remote", async () => {
    await view("MlpRelu.onnx", /Channel spaces/);
    const page = (await noether()).onnxView(file("MlpRelu.onnx"))!.page;
    assert.match(page, /default-src 'none'/);
    const nonce = /script-src 'nonce-(\w+)'/.exec(page)![1];
    assert.equal(page.match(/<script/g)?.length, 1);
    assert.ok(page.includes(`<script type="module" nonce="${nonce}"`));
  });
});

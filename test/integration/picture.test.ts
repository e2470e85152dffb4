import assert from "node:assert/strict";
import * as vscode from "vscode";
import { inPage, needsUser } from "./user";
import { close, file, find, noether, until } from "./vs-code";

describe("the picture of an .onnx file, by keyboard and pointer", () => {
  const stage = inPage(".stage");
  const details = inPage("aside.details");

  async function show(name: string): Promise<void> {
    const api = await noether();
    await vscode.commands.executeCommand("vscode.open", file(name));
    await until("the picture", () => (api.onnxView(file(name))?.drawn?.boxes ?? 0) > 0);
    await stage.shown();
  }

  beforeEach(function () {
    needsUser(this);
  });
  afterEach(close);

  it("finds a weight by its name, opens the modules around it and says what acts on it", async () => {
    await show("resnet18.onnx");
    await stage.press("/");
    const search = inPage("input[type=search]");
    await search.fill("layer3.0.conv1");
    await inPage("[role=option]", "layer3.0.conv1").shown();
    await search.press("Enter");
    await details.at(".space").shown();
    assert.match(await details.text(), /layer3\.0\.conv1\.weight/);
    assert.match((await details.at(".space").texts()).join("\n"), /S\(256\)[^]*layer3\.0\.conv1\.weight\/0/);
    assert.ok((await inPage(".box.selected").count()) === 1 && (await inPage(".box.member").count()) > 1);
  });

  it("goes from a member of a group to its box", async () => {
    await show("resnet18.onnx");
    await inPage(".box", "conv1").at("text", "Conv").click();
    const members = details.at(".members button");
    await members.shown();
    const names = await members.texts();
    const other = names.find((name) => name.startsWith("layer1.0.conv2"));
    assert.ok(other, names.join(", "));
    await details.at(".members button", other).click();
    await until("the other box", async () => /layer1\.0\.conv2/.test(await details.at(".facts").text()));
  });

  it("goes along the lines with the arrow keys, and says where it is", async () => {
    await show("MlpRelu.onnx");
    const said = inPage(".live");
    await stage.press("ArrowDown");
    const first = await said.text();
    assert.notEqual(first, "");
    await stage.press("ArrowDown");
    const second = await said.text();
    assert.notEqual(second, first);
    assert.match(second, /Gemm|MatMul/);
    assert.match(second, /space \w+ of 8 channels, shared with \d+ other boxes/);
    await stage.press("ArrowUp");
    assert.equal(await said.text(), first);
    await stage.press("Escape");
    await inPage(".box.selected").gone();
  });

  it("lists spaces and findings in tabs that the keys walk through", async () => {
    await show("MlpRelu.onnx");
    const tab = (name: string) => inPage("[role=tab]", name);
    await tab("Report").press("ArrowLeft");
    assert.equal(await tab("Findings").attribute("aria-selected"), "true");
    await tab("Findings").press("ArrowLeft");
    await inPage("[role=tabpanel] button.link", "8 channels").press("Enter");
    assert.equal(await tab("Selection").attribute("aria-selected"), "true");
    assert.match(await details.at(".space").text(), /fc1\.weight/);
    const spoken = await inPage("body").spoken();
    for (const name of [
      'toolbar "Picture"',
      'searchbox "Find operator, module or weight"',
      'application "The network',
      'tab "Selection" [selected]',
    ])
      assert.ok(spoken.includes(name), `${name} in\n${spoken}`);
    assert.doesNotMatch(spoken, /^\s*- (button|tab|searchbox|application)\b(?! ")/m);
  });

  it("jumps to the line of Python that makes a layer", async () => {
    await show("MlpRelu.onnx");
    const api = await noether();
    await until("the class behind the file", () => api.onnxView(file("MlpRelu.onnx"))?.source);
    await stage.press("/");
    await inPage("input[type=search]").fill("fc2");
    await inPage("input[type=search]").press("Enter");
    await details.at("button", "Go to zoo.py").click();
    const editor = await until("the source", () => {
      const active = vscode.window.activeTextEditor;
      return active?.document.uri.path.endsWith("zoo.py") && active;
    });
    const { line } = editor.selection.active;
    assert.match(editor.document.lineAt(line).text, /self\.fc2 = nn\.Linear/);
    assert.ok(line > find(editor.document, "class MlpRelu").line);
  });

  it("shows a node in the text, where its findings are too", async () => {
    await show("PreLnTransformer.onnx");
    await inPage("[role=tab]", "Findings").click();
    await inPage("#page-Findings button.link").click();
    await details.at("button", "Show in text").click();
    const editor = await until("the text", () => {
      const active = vscode.window.activeTextEditor;
      return active?.document.languageId === "onnx-text" && active;
    });
    const { line } = editor.selection.active;
    const remarks = vscode.languages.getDiagnostics(editor.document.uri).filter((d) => d.source === "noether");
    assert.ok(
      remarks.some((d) => d.range.start.line === line),
      `line ${line}, findings in ${remarks.map((d) => d.range.start.line).join(", ")}`,
    );
  });
});

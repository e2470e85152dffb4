import assert from "node:assert/strict";
import * as vscode from "vscode";
import { needsUser, seen } from "./user";
import { close, find, open, until } from "./vs-code";

describe("the Symmetries view", () => {
  after(async () => {
    await close();
    await vscode.commands.executeCommand("workbench.view.explorer");
  });

  const tree = seen(".pane", "Symmetries");
  const row = (text: string) => tree.at(".monaco-list-row", text);

  it("lists models, spaces and the layers that share them, and goes to what is selected", async function () {
    needsUser(this);
    const document = await open("net.py");
    await vscode.commands.executeCommand("noether.explorer.focus");
    await row("Block").shown();
    assert.match((await row("Block").attribute("aria-label")) ?? "", /^Model Block, \d+ group/);
    // A space of the model, then the layer that writes it.
    const space = row("S(16)");
    await space.click();
    await space.press("ArrowRight");
    const member = row("conv1").at(".monaco-icon-label", "writes weight/0");
    await member.click();
    const { line } = find(document, "self.conv1 = nn.Conv2d");
    await until("the layer's line", () => vscode.window.activeTextEditor?.selection.active.line === line);
  });

  it("goes to a model's class by keyboard alone", async function () {
    needsUser(this);
    const document = await open("net.py");
    await vscode.commands.executeCommand("noether.explorer.focus");
    await vscode.commands.executeCommand("list.focusFirst");
    await row("Block").shown();
    await vscode.commands.executeCommand("list.select");
    const { line } = find(document, "class Block");
    await until("the class", () => vscode.window.activeTextEditor?.selection.active.line === line);
  });

  it("follows the file in the editor", async function () {
    needsUser(this);
    await open("zoo.py");
    await row("MlpRelu").shown();
    await open("net.py");
    await row("MlpRelu").gone();
    await row("Block").shown();
  });
});

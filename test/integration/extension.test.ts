import assert from "node:assert/strict";
import * as vscode from "vscode";
import { close, find, hover, noether, open, until } from "./vs-code";

describe("the extension", () => {
  after(close);

  it("activates on a Python file and starts its server", async () => {
    await open("net.py");
    const api = await noether();
    await until("the server", () => api.status.state === "ready");
  });

  it("contributes its commands", async () => {
    const commands = await vscode.commands.getCommands(true);
    for (const command of ["noether.restartServer", "noether.showOutput", "noether.showSymmetries"])
      assert.ok(commands.includes(command), command);
  });

  it("answers after a restart of the server", async () => {
    const document = await open("net.py");
    await vscode.commands.executeCommand("noether.restartServer");
    const position = find(document, "nn.Conv2d").translate(0, 4);
    const text = await until("a hover after the restart", async () => (await hover(document, position)) || undefined);
    assert.match(text, /conv1|S\(/);
  });

  it("shows its output", async () => {
    await vscode.commands.executeCommand("noether.showOutput");
    await vscode.commands.executeCommand("workbench.action.closePanel");
  });
});

import assert from "node:assert/strict";
import * as vscode from "vscode";
import { needsUser, press, seen } from "./user";
import { close, diagnostics, find, fixes, hover, open, rule, until } from "./vs-code";

describe("Python models", () => {
  afterEach(close);

  it("hovers over a layer with the symmetries that act on it", async () => {
    const document = await open("net.py");
    const text = await until(
      "a hover",
      async () => (await hover(document, find(document, "nn.Conv2d").translate(0, 4))) || undefined,
    );
    assert.match(text, /S\(16\)/);
    assert.match(text, /conv1/);
    const [, commands = ""] = text.slice(text.indexOf("**`")).split("\n\n");
    assert.deepEqual(
      [...commands.matchAll(/\[([^\]]+)\]\(command:/g)].map((m) => m[1]),
      ["Probe", "Explain", "Fixes", "Full report", "Next layer"],
      "the commands come right after the head",
    );
  });

  it("lists fixes from a hover", async function () {
    needsUser(this);
    const document = await open("net.py");
    await until("the finding", () => diagnostics(document.uri).some((d) => rule(d) === "bias-before-norm"));
    const { line, character } = find(document, "nn.Conv2d");
    const place = { start: { line, character }, end: { line, character: character + 9 } };
    void vscode.commands.executeCommand("noether.showFixes", document.uri.toString(), place);
    await seen(".action-widget", "bias=False").shown();
    await press("Escape");
    assert.equal(vscode.window.activeTextEditor?.selection.start.line, line);
  });

  it("reports a bias before batch normalisation and removes it", async () => {
    const document = await open("net.py");
    const found = await until("two findings", () => {
      const list = diagnostics(document.uri).filter((d) => rule(d) === "bias-before-norm");
      return list.length === 2 && list;
    });
    for (const finding of found) {
      const current = diagnostics(document.uri).find((d) => d.message === finding.message);
      assert.ok(current, finding.message);
      const fix = (await fixes(document, current)).find((a) => a.isPreferred === true);
      assert.ok(fix?.edit, `no preferred fix for ${finding.message}`);
      assert.ok(await vscode.workspace.applyEdit(fix.edit));
      await until("the finding to go", () => !diagnostics(document.uri).some((d) => d.message === finding.message));
    }
    assert.match(document.getText(), /self\.conv1 = nn\.Conv2d\(width, width, 3, padding=1, bias=False\)/);
    assert.match(document.getText(), /self\.stem = nn\.Conv2d\(3, width, 3, padding=1, bias=False\)/);
  });

  it("offers changes of training at a layer, asks before they are applied, and takes them back in one step", async () => {
    const document = await open("net.py");
    const layer = find(document, "nn.Linear(width, classes)");
    const range = new vscode.Range(layer, layer.translate(0, 9));
    const kind = vscode.CodeActionKind.RefactorRewrite.value;
    const offered = await until("rewrites", async () => {
      const list = await vscode.commands.executeCommand<vscode.CodeAction[]>(
        "vscode.executeCodeActionProvider",
        document.uri,
        range,
        kind,
        5,
      );
      return list.some((a) => a.edit) && list;
    });
    const { edit } = offered.find((a) => a.edit)!;
    const before = document.getText();
    assert.ok(await vscode.workspace.applyEdit(edit!));
    const after = document.getText();
    assert.notEqual(after, before);
    assert.match(after, /class Net\(nn\.Module\)/);
    await vscode.commands.executeCommand("undo");
    assert.equal(document.getText(), before);
  });

  it("follows the text while it is broken and whole again", async () => {
    const document = await open("net.py");
    await until("findings", () => diagnostics(document.uri).length > 0);
    const change = async (edit: (edit: vscode.WorkspaceEdit) => void): Promise<void> => {
      const workspaceEdit = new vscode.WorkspaceEdit();
      edit(workspaceEdit);
      assert.ok(await vscode.workspace.applyEdit(workspaceEdit));
    };
    const line = find(document, "self.norm = ").line;
    await change((e) => e.insert(document.uri, new vscode.Position(line, 0), "        self.broken = nn.Conv2d((\n"));
    await hover(document, find(document, "nn.Conv2d").translate(0, 4)); // answered or not, the server goes on
    await change((e) => e.delete(document.uri, new vscode.Range(line, 0, line + 1, 0)));
    await until("findings again", () => diagnostics(document.uri).filter((d) => rule(d) === "bias-before-norm").length === 2);
  });

  it("opens the text report of the model at the cursor", async () => {
    const document = await open("zoo.py");
    const position = find(document, "class MlpRelu").translate(1);
    vscode.window.activeTextEditor!.selection = new vscode.Selection(position, position);
    await until("a hover", async () => (await hover(document, find(document, "nn.Linear").translate(0, 4))) || undefined);
    await vscode.commands.executeCommand("noether.showSymmetries");
    const report = await until("the report", () => vscode.workspace.textDocuments.find((d) => d.uri.scheme === "noether"));
    assert.match(report.uri.path, /MlpRelu/);
    assert.match(report.getText(), /S\(8\) with R\+\^8/);
  });
});

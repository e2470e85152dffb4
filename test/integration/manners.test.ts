import assert from "node:assert/strict";
import * as vscode from "vscode";
import { close, diagnostics, file, fixes, noether, open, rule, until } from "./vs-code";

describe("manners", () => {
  afterEach(close);

  it("opens a sample that is not saved anywhere, with something to fix", async () => {
    await vscode.commands.executeCommand("noether.openSample");
    const document = vscode.window.activeTextEditor!.document;
    assert.equal(document.uri.scheme, "untitled");
    await until("its finding", () => diagnostics(document.uri).some((d) => rule(d) === "bias-before-norm"));
    await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
  });

  it("explains a rule in its page, from its finding's link and from the list of fixes", async () => {
    const document = await open("net.py");
    const finding = await until("a finding", () => diagnostics(document.uri).find((d) => rule(d) === "bias-before-norm"));
    assert.ok(typeof finding.code === "object");
    assert.equal(finding.code.target.scheme, "command");
    const actions = await fixes(document, finding);
    assert.equal(actions[0]!.isPreferred, true);
    const why = actions.find((a) => a.title === "Why bias-before-norm matters");
    assert.ok(why?.command);
    await vscode.commands.executeCommand(why.command.command, ...why.command.arguments!);
    await until("the page", () => vscode.window.tabGroups.activeTabGroup.activeTab?.label.includes("bias-before-norm"));
  });

  it("fixes all of one rule at once", async () => {
    const document = await open("net.py");
    const finding = await until("findings", () => {
      const found = diagnostics(document.uri).filter((d) => rule(d) === "bias-before-norm");
      return found.length === 2 && found[0];
    });
    const all = (await fixes(document, finding)).find((a) => a.title === "Fix all bias-before-norm in this file");
    assert.ok(all?.edit && (await vscode.workspace.applyEdit(all.edit)));
    await until("no more of them", () => !diagnostics(document.uri).some((d) => rule(d) === "bias-before-norm"));
  });

  it("reports problems with versions, and without code or names of files", async () => {
    await open("net.py");
    await noether();
    await vscode.commands.executeCommand("noether.reportProblem");
    const document = vscode.window.activeTextEditor!.document;
    const text = document.getText();
    assert.match(text, /\| VS Code \| \d+\.\d+/);
    assert.match(text, /\| Server \| Node \d+/);
    assert.ok(!text.includes("net.py") && !text.includes(file("").path));
    await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
  });

  it("has a walkthrough whose commands exist", async () => {
    const extension = vscode.extensions.getExtension("noether-lint.noether")!;
    const { contributes } = extension.packageJSON as {
      readonly contributes: { readonly walkthroughs: readonly { readonly steps: readonly { readonly description: string }[] }[] };
    };
    const known = new Set(await vscode.commands.getCommands(true));
    const { steps } = contributes.walkthroughs[0]!;
    const linked = steps.flatMap((s) => [...s.description.matchAll(/\(command:([\w.]+)\)/g)].map((m) => m[1]!));
    assert.ok(linked.length >= steps.length);
    for (const command of linked) assert.ok(known.has(command), command);
  });
});

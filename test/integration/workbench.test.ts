import assert from "node:assert/strict";
import * as vscode from "vscode";
import { needsUser, press, seen, type } from "./user";
import { close, diagnostics, file, find, noether, open, rule, until } from "./vs-code";

/** Asks for a menu of code actions until it stays: one that opens while the editor is still settling closes again. */
async function menu(ask: () => PromiseLike<unknown>): Promise<void> {
  const entry = seen(".action-widget .monaco-list-row.action");
  await until("the menu", async () => {
    await ask();
    for (let looks = 0; looks < 20; looks++) {
      if ((await entry.count()) > 0) return true;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
  });
}

describe("around the editor", () => {
  afterEach(async () => {
    await close();
    await vscode.commands.executeCommand("notifications.clearAll");
    await vscode.commands.executeCommand("workbench.action.closePanel");
  });

  it("the language status says what was found and how long that took, with a way to the output", async function () {
    needsUser(this);
    const { uri } = await open("net.py");
    await until("findings", () => diagnostics(uri).length > 0);
    await seen("[id='status.languageStatus']").click();
    const item = seen(".hover-language-status", "Noether:");
    await item.shown();
    // What it is doing comes first: models of earlier tests may still be certified.
    await until("timing", async () =>
      /Noether: (2 models, 2 findings in [\d.]+ ms, .*calls? understood|Certifying symmetries numerically)/.test(
        (await item.text()).replaceAll("\u00a0", " "),
      ),
    );
    await item.at("a", "Show output").click();
    await seen(".panel .output-view-container, .panel .pane-body.output-view, [id='workbench.panel.output']").shown();
  });

  it("the trace of what client and server say can be read in the output", async () => {
    const settings = vscode.workspace.getConfiguration("noether");
    await settings.update("trace.server", "messages", vscode.ConfigurationTarget.Workspace);
    try {
      await vscode.commands.executeCommand("noether.showOutput");
      const document = await open("net.py");
      const edit = new vscode.WorkspaceEdit();
      edit.insert(document.uri, new vscode.Position(document.lineCount, 0), "\n# a comment\n");
      assert.ok(await vscode.workspace.applyEdit(edit));
      const output = await until("the output", () =>
        vscode.workspace.textDocuments.find((d) => d.uri.scheme === "output" && /noether/i.test(d.uri.path)),
      );
      await until("requests", () => /Sending request 'textDocument\/diagnostic/.test(output.getText()));
    } finally {
      await settings.update("trace.server", undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  it("the walkthrough opens, and its first step opens the sample", async function () {
    needsUser(this);
    await vscode.commands.executeCommand("workbench.action.openWalkthrough", "noether-lint.noether#start");
    const page = seen(".gettingStartedContainer");
    for (const step of ["Open a model", "Fix what has no effect", "Probe what training does"])
      await page.at(".step-title", step).shown();
    await page.at(".monaco-button", "Open a sample model").click();
    const document = await until("the sample", () => {
      const shown = vscode.window.activeTextEditor?.document;
      return shown?.uri.scheme === "untitled" && shown.getText().includes("class Digits") && shown;
    });
    await until("its finding", () => diagnostics(document.uri).some((d) => rule(d) === "bias-before-norm"));
    await vscode.commands.executeCommand("workbench.action.revertAndCloseActiveEditor");
  });

  it("the palette asks which rule to open, and shows its page", async function () {
    needsUser(this);
    void vscode.commands.executeCommand("noether.openRule");
    await seen(".quick-input-list .monaco-list-row", "absorbed-value-bias").shown();
    await type("inert-key");
    await seen(".quick-input-list .monaco-list-row.focused", "inert-key-bias").shown();
    await press("Enter");
    await until("the page", () => vscode.window.tabGroups.activeTabGroup.activeTab?.label.includes("inert-key-bias"));
  });

  it("a link in a hover goes to the layer that it names", async function () {
    needsUser(this);
    const document = await open("net.py");
    await until("findings", () => diagnostics(document.uri).length > 0);
    const at = find(document, "nn.Linear(width").translate(0, 5);
    const editor = vscode.window.activeTextEditor!;
    editor.selection = new vscode.Selection(at, at);
    const shown = seen(".monaco-hover", "head");
    await until("the hover", async () => {
      await vscode.commands.executeCommand("editor.action.showHover");
      return (await shown.count()) > 0;
    });
    await shown.at("a", "stem").click();
    const { line } = find(document, "self.stem = nn.Conv2d");
    await until("the layer", () => vscode.window.activeTextEditor?.selection.active.line === line);
  });

  it("exact fixes are applied when a file is saved, where the settings say so", async () => {
    const copy = file("saved.py");
    await vscode.workspace.fs.copy(file("net.py"), copy, { overwrite: true });
    const document = await open("saved.py");
    const settings = vscode.workspace.getConfiguration("editor", document.uri);
    await settings.update("codeActionsOnSave", { "source.fixAll.noether": "explicit" }, vscode.ConfigurationTarget.Workspace);
    try {
      await until("findings", () => diagnostics(document.uri).length === 2);
      const edit = new vscode.WorkspaceEdit();
      edit.insert(document.uri, new vscode.Position(document.lineCount, 0), "\n");
      assert.ok(await vscode.workspace.applyEdit(edit));
      assert.ok(await document.save());
      const saved = Buffer.from(await vscode.workspace.fs.readFile(document.uri)).toString();
      assert.equal(saved.match(/bias=False/g)?.length, 3, saved);
      await until("no findings", () => diagnostics(document.uri).length === 0);
    } finally {
      await settings.update("codeActionsOnSave", undefined, vscode.ConfigurationTarget.Workspace);
      await close();
      await vscode.workspace.fs.delete(copy);
    }
  });

  it("a rule is silenced in a file from the list of fixes, and the comment says which", async function () {
    needsUser(this);
    const document = await open("net.py");
    await until("findings", () => diagnostics(document.uri).length === 2);
    const at = find(document, "self.conv1 = nn.Conv2d").translate(0, 16);
    vscode.window.activeTextEditor!.selection = new vscode.Selection(at, at);
    const list = seen(".action-widget");
    await vscode.commands.executeCommand("workbench.action.focusActiveEditorGroup");
    await menu(() => press("Control+."));
    await list.at(".monaco-list-row", "bias=False").shown();
    // The fix comes first, what only silences after it.
    const titles = await list.at(".monaco-list-row.action").texts();
    assert.match(titles[0] ?? "", /bias=False/);
    await list.at(".monaco-list-row", "in this file").at("span", "Ignore").click();
    await until("silence", () => diagnostics(document.uri).length === 0);
    assert.match(document.getText(), /# noether: ignore-file\[bias-before-norm\]|# noether: .*bias-before-norm/);
  });

  it("changes of training are shown before they are applied", async function () {
    needsUser(this);
    const document = await open("net.py");
    await until("findings", () => diagnostics(document.uri).length === 2);
    const before = document.getText();
    const at = find(document, "nn.Linear(width, classes)").translate(0, 4);
    vscode.window.activeTextEditor!.selection = new vscode.Selection(at, at);
    const [range, kind] = [new vscode.Range(at, at), vscode.CodeActionKind.RefactorRewrite.value];
    // The menu asks once and says that there is nothing where the answer is not known yet.
    await until("rewrites", async () => {
      const id = "vscode.executeCodeActionProvider";
      return (await vscode.commands.executeCommand<vscode.CodeAction[]>(id, document.uri, range, kind)).length > 0;
    });
    await vscode.commands.executeCommand("workbench.action.focusActiveEditorGroup");
    await menu(() => vscode.commands.executeCommand("editor.action.refactor"));
    await press("Enter");
    const preview = seen(".bulk-edit-panel");
    await preview.shown();
    assert.equal(document.getText(), before, "nothing is changed yet");
    // Ticks all changes of the file at once.
    await preview.at("input.edit-checkbox, .edit-checkbox").click();
    await preview.at(".monaco-button", "Apply").click();
    await until("the change", () => document.getText() !== before);
    await vscode.commands.executeCommand("workbench.action.focusActiveEditorGroup");
    await vscode.commands.executeCommand("undo");
    await until("the text as it was", () => document.getText() === before);
  });

  it("measures what a change of training gains", async () => {
    const document = await open("chain.py");
    const finding = await until("a finding with a choice", () =>
      diagnostics(document.uri).find((d) => rule(d) === "linear-chain"),
    );
    const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
      "vscode.executeCodeActionProvider",
      document.uri,
      finding.range,
      vscode.CodeActionKind.QuickFix.value,
    );
    const measure = actions.find((a) => a.title.startsWith("Measure what this gains"));
    assert.ok(measure?.command, actions.map((a) => a.title).join("\n"));
    const [uri, model, choices] = measure.command.arguments as [string, string, object];
    void vscode.commands.executeCommand(measure.command.command, uri, model, { ...choices, steps: 20, replicas: 2 });
    const api = await noether();
    const drawn = await until("the comparison", () => {
      const shown = api.drawnProbe(document.uri, model);
      return shown !== undefined && shown.phase !== "running" && shown;
    });
    assert.equal(drawn.phase, "done", drawn.text);
    assert.ok(drawn.titles.includes("What the settings change"), drawn.titles.join(", "));
  });
});

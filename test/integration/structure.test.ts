import assert from "node:assert/strict";
import * as vscode from "vscode";
import { close, diagnostics, file, find, fixes, open, until } from "./vs-code";

describe("where symmetries are in the text", () => {
  afterEach(close);

  const lenses = (uri: vscode.Uri) => vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", uri);
  const highlights = (uri: vscode.Uri, at: vscode.Position) =>
    vscode.commands.executeCommand<vscode.DocumentHighlight[]>("vscode.executeDocumentHighlights", uri, at);

  it("has a line above a model that opens its report", async () => {
    const document = await open("net.py");
    const { line } = find(document, "class Net");
    const lens = await until("a lens", async () =>
      (await lenses(document.uri)).find((l) => l.command && l.range.start.line === line),
    );
    assert.match(lens.command!.title, /groups? · .*symmetry/);
    await vscode.commands.executeCommand(lens.command!.command, ...(lens.command!.arguments ?? []));
    await until("the report", () => vscode.workspace.textDocuments.find((d) => d.uri.scheme === "noether"));
  });

  it("lights up the partners of a layer, and walks through them", async () => {
    const document = await open("net.py");
    const at = find(document, "self.conv1 = ").translate(0, "self.conv1 = nn.C".length);
    const found = await until("partners", async () => {
      const all = await highlights(document.uri, at);
      return all.some((h) => h.kind === vscode.DocumentHighlightKind.Write) && all;
    });
    assert.ok(found.length >= 2);
    const editor = vscode.window.activeTextEditor!;
    editor.selection = new vscode.Selection(at, at);
    await vscode.commands.executeCommand("noether.nextMember");
    const { active } = editor.selection;
    assert.ok(!active.isEqual(at), "the cursor moved");
    assert.ok(found.some((h) => h.range.start.isEqual(active)));
    await vscode.commands.executeCommand("noether.previousMember");
    assert.ok(found.some((h) => h.range.start.isEqual(editor.selection.active) && h.range.contains(at)));
  });

  it("labels axes when the setting asks for it", async () => {
    const document = await open("net.py");
    const all = new vscode.Range(0, 0, document.lineCount, 0);
    const hints = () => vscode.commands.executeCommand<vscode.InlayHint[]>("vscode.executeInlayHintProvider", document.uri, all);
    assert.deepEqual(await hints(), []);
    const settings = vscode.workspace.getConfiguration("noether");
    await settings.update("inlayHints", true, vscode.ConfigurationTarget.Workspace);
    try {
      const shown = await until("labels", async () => {
        const now = await hints();
        return now.length > 0 && now;
      });
      const line = find(document, "self.conv1 = ").line;
      const label = shown.find((h) => h.position.line === line)?.label;
      assert.ok(typeof label === "string");
      assert.match(label, /^[a-z]:\d+ → [a-z]:\d+/);
    } finally {
      await settings.update("inlayHints", undefined, vscode.ConfigurationTarget.Workspace);
    }
  });

  it("follows a configuration file, and shows what is wrong in it", async () => {
    const toml = file("noether.toml");
    const document = await open("net.py");
    await until("findings", () => diagnostics(document.uri).length > 0);
    try {
      await vscode.workspace.fs.writeFile(toml, Buffer.from('[rules]\n"*" = "off"\nnothing = 1\n'));
      await until("no findings", () => diagnostics(document.uri).length === 0);
      const [mistake] = await until("the mistake", () => {
        const found = diagnostics(toml);
        return found.length > 0 && found;
      });
      assert.match(mistake!.message, /there is no rule nothing/);
      assert.equal(mistake!.range.start.line, 2);
    } finally {
      await vscode.workspace.fs.delete(toml);
    }
    await until("findings again", () => diagnostics(document.uri).length > 0);
  });

  it("silences a finding by a comment", async () => {
    const document = await open("net.py");
    const [finding] = await until("findings", () => {
      const found = diagnostics(document.uri);
      return found.length > 0 && found;
    });
    const silence = (await fixes(document, finding!)).find((a) => /^Ignore .* on this line$/.test(a.title));
    assert.ok(silence?.edit && silence.isPreferred !== true);
    const before = diagnostics(document.uri).length;
    assert.ok(await vscode.workspace.applyEdit(silence.edit));
    await until("one finding less", () => diagnostics(document.uri).length < before);
    assert.match(document.lineAt(finding!.range.start.line).text, /# noether: ignore\[/);
  });
});

import assert from "node:assert/strict";
import * as vscode from "vscode";
import { close, diagnostics, file, fixes, hover, rule, until } from "./vs-code";

describe("Notebooks", () => {
  afterEach(close);

  it("finds, explains and mends in the cell that is meant", async () => {
    const notebook = await vscode.workspace.openNotebookDocument(file("train.ipynb"));
    await vscode.window.showNotebookDocument(notebook);
    const [imports, model, training] = notebook.getCells().filter((c) => c.kind === vscode.NotebookCellKind.Code);
    assert.ok(imports && model && training);
    const found = await until("a finding in the model's cell", () => {
      const list = diagnostics(model.document.uri).filter((d) => rule(d) === "bias-before-norm");
      return list.length === 1 && list[0];
    });
    assert.equal(model.document.getText(found.range).startsWith("nn.Conv2d("), true);
    assert.deepEqual(diagnostics(imports.document.uri), []);
    const text = await until(
      "a hover",
      async () => (await hover(model.document, found.range.start.translate(0, 4))) || undefined,
    );
    assert.match(text, /S\(8\)/);
    const fix = (await fixes(model.document, found)).find((a) => a.isPreferred === true);
    assert.ok(fix?.edit, "a preferred fix");
    assert.ok(await vscode.workspace.applyEdit(fix.edit));
    await until("the finding to go", () => !diagnostics(model.document.uri).some((d) => rule(d) === "bias-before-norm"));
    assert.match(model.document.getText(), /nn\.Conv2d\(3, 8, 3, bias=False\)/);
  });
});

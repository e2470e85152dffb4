import assert from "node:assert/strict";
import * as vscode from "vscode";
import { close, file, find, noether, open, until } from "./vs-code";

describe("probes", () => {
  afterEach(close);

  it("train a model of a file and show curves, verdicts and tables", async () => {
    const document = await open("net.py");
    const api = await noether();
    const position = find(document, "class Net");
    const lens = await until("the lens", async () =>
      (await vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", document.uri)).find(
        (l) => l.command?.command === "noether.probe" && l.range.start.line === position.line,
      ),
    );
    void vscode.commands.executeCommand(lens.command!.command, ...lens.command!.arguments!);
    const drawn = await until("a finished probe", () => {
      const shown = api.drawnProbe(document.uri, "Net");
      return shown !== undefined && shown.phase !== "running" && shown;
    });
    assert.equal(drawn.phase, "done", drawn.text);
    for (const title of ["Loss", "Degree of symmetry breaking", "Symmetries"]) assert.ok(drawn.titles.includes(title), title);
    assert.match(drawn.text, /Probe of Net[^]*Degree of symmetry breaking \d/);
  });

  it("are kept, and shown again without training", async () => {
    const document = await open("net.py");
    const api = await noether();
    await vscode.commands.executeCommand("noether.showProbes", document.uri, "Net");
    await until("the kept probe", () => api.drawnProbe(document.uri, "Net")?.titles.includes("Symmetries"));
  });

  it("end when cancelled, and say so", async () => {
    const api = await noether();
    const uri = file("MlpRelu.onnx");
    void vscode.commands.executeCommand("noether.probe", uri);
    await until("a running probe", () => api.drawnProbe(uri)?.phase === "running");
    await vscode.commands.executeCommand("noether.cancelProbe");
    await until("the end", () => api.drawnProbe(uri)?.phase === "cancelled");
    assert.match(api.drawnProbe(uri)!.text, /Cancelled/);
  });
});

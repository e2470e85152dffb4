import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import * as vscode from "vscode";
import { needsUser, seen } from "./user";
import { close, diagnostics, file, find, noether, open, until } from "./vs-code";

describe("probes", () => {
  afterEach(close);

  it("can be started above a model", async () => {
    const document = await open("net.py");
    const { line } = find(document, "class Net");
    await until("the lens", async () =>
      (await vscode.commands.executeCommand<vscode.CodeLens[]>("vscode.executeCodeLensProvider", document.uri)).some(
        (l) => l.command?.command === "noether.probe" && l.range.start.line === line,
      ),
    );
  });

  it("train a model and show curves, verdicts and tables, and are kept", async () => {
    const document = await open("zoo.py");
    const api = await noether();
    void vscode.commands.executeCommand("noether.probe", document.uri, "MlpRelu", { steps: 40, replicas: 2 });
    const drawn = await until("a finished probe", () => {
      const shown = api.drawnProbe(document.uri, "MlpRelu");
      return shown !== undefined && shown.phase !== "running" && shown;
    });
    assert.equal(drawn.phase, "done", drawn.text);
    for (const title of ["Loss", "Degree of symmetry breaking", "Symmetries"]) assert.ok(drawn.titles.includes(title), title);
    assert.match(drawn.text, /Probe of MlpRelu[^]*Degree of symmetry breaking \d/);
    await close();
    await until("the panel to close", () => api.drawnProbe(document.uri, "MlpRelu") === undefined);
    await vscode.commands.executeCommand("noether.showProbes", document.uri, "MlpRelu");
    await until("the kept probe", () => api.drawnProbe(document.uri, "MlpRelu")?.titles.includes("Symmetries"));
  });

  it("compare settings, in words and in a table", async () => {
    const { uri } = await open("zoo.py");
    const api = await noether();
    const choices = { steps: 10, replicas: 2, weightDecay: 0.01, compare: ["syre"] };
    void vscode.commands.executeCommand("noether.probe", uri, "MlpRelu", choices);
    const drawn = await until("the result", () => {
      const shown = api.drawnProbe(uri, "MlpRelu");
      return shown !== undefined && shown.phase !== "running" && shown;
    });
    assert.match(drawn.text, /syre against as it is: /);
    assert.ok(drawn.titles.includes("What the settings change"));
  });

  it("cost nothing but themselves when their process is killed", async function () {
    if (process.platform === "win32") return this.skip();
    const api = await noether();
    const uri = file("MlpRelu.onnx");
    void vscode.commands.executeCommand("noether.probe", uri, undefined, { steps: 200_000, replicas: 2 });
    await until("a running probe", () => api.drawnProbe(uri)?.phase === "running");
    const training = await until("its processes", () => {
      const lines = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
      const found = lines.filter((l) => /dist\/probe\.js/.test(l)).map((l) => Number.parseInt(l, 10));
      return found.length > 0 && found;
    });
    for (const pid of training) process.kill(pid, "SIGKILL");
    await until("the end", () => api.drawnProbe(uri)?.phase !== "running");
    assert.match(api.drawnProbe(uri)!.text, /SIGKILL|ended/);
    const document = await open("net.py");
    await until("findings all the same", () => diagnostics(document.uri).length > 0);
  });

  it("end with their panel, and nothing complains", async function () {
    needsUser(this);
    const api = await noether();
    const uri = file("MlpRelu.onnx");
    await vscode.commands.executeCommand("notifications.clearAll");
    const running = vscode.commands.executeCommand("noether.probe", uri, undefined, { steps: 200_000, replicas: 2 });
    await until("steps", () => /step [\d,]+ of 200,000/.test(api.drawnProbe(uri)?.text ?? ""));
    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    await running;
    await seen(".notification-toast").gone();
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

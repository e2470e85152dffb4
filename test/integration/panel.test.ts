import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as vscode from "vscode";
import { inPage, needsUser, preferMotion, press, seen } from "./user";
import { close, file, noether, open, until } from "./vs-code";

/** Waits until the panel of the tests' probe has ended in one way or another. */
async function ended(uri: vscode.Uri): Promise<void> {
  const api = await noether();
  await until("the end of the probe", () => {
    const phase = api.drawnProbe(uri, "MlpRelu")?.phase;
    return phase !== undefined && phase !== "running";
  });
}

describe("the panel of probes, by keyboard and pointer", () => {
  const chart = inPage("figure", "Mini-batch loss").at("[role=slider]");

  before(async function () {
    needsUser(this);
    const { uri } = await open("zoo.py");
    void vscode.commands.executeCommand("noether.probe", uri, "MlpRelu", { steps: 30, replicas: 2 });
    await ended(uri);
  });
  after(async () => {
    await close();
    await vscode.commands.executeCommand("notifications.clearAll");
  });

  it("reads a chart to whoever walks along it with the keys", async () => {
    await chart.focus();
    await chart.press("Home");
    const first = await chart.attribute("aria-valuetext");
    assert.match(first ?? "", /^step \S+: .*\d/);
    assert.equal(await chart.attribute("aria-valuenow"), "0");
    await chart.press("ArrowRight");
    assert.equal(await chart.attribute("aria-valuenow"), "1");
    const second = await chart.attribute("aria-valuetext");
    assert.notEqual(second, first);
    // What is heard is what is seen below the chart.
    assert.equal(await inPage("figure", "Mini-batch loss").at(".readout").text(), second);
    await chart.press("End");
    assert.equal(await chart.attribute("aria-valuenow"), await chart.attribute("aria-valuemax"));
  });

  it("walks over the cells of a heat map", async () => {
    const map = inPage("figure", "Cosines").at("[role=slider]");
    await map.focus();
    await map.press("Home");
    assert.match((await map.attribute("aria-valuetext")) ?? "", /^unit 0 and 0: 1$/);
    await map.press("ArrowDown");
    assert.match((await map.attribute("aria-valuetext")) ?? "", /^unit 1 and 0: /);
  });

  it("has a name for everything that takes the focus", async () => {
    const spoken = await inPage("main").spoken();
    const takesFocus = /^\s*- (button|slider|combobox|spinbutton|textbox|checkbox|region|progressbar)\b(?! ")/;
    assert.deepEqual(
      spoken.split("\n").filter((line) => takesFocus.test(line)),
      [],
    );
    for (const name of ['slider "Loss"', 'region "Symmetries"', 'button "Export as HTML"', 'combobox "Earlier probes"'])
      assert.ok(spoken.includes(name), `${name} in\n${spoken}`);
    assert.match(spoken, /slider "Similarity of units: [^"]+"/);
  });

  it("shows the numbers behind a chart as a table", async () => {
    const figure = inPage("figure", "Mini-batch loss");
    await figure.at("summary").press("Enter");
    await figure.at("table").shown();
    assert.ok((await figure.at("tbody tr").count()) >= 10);
  });

  for (const [format, begins] of [
    ["html", "<!doctype html>"],
    ["png", "\x89PNG\r\n"],
  ] as const) {
    it(`is exported as ${format.toUpperCase()} to where the user says`, async () => {
      await inPage("button", `Export as ${format.toUpperCase()}`).press("Enter");
      const name = `MlpRelu-probe.${format}`;
      const asked = seen(".quick-input-widget input");
      await asked.shown();
      // Keys are lost on the dialog while it still reads the folder.
      await seen(".quick-input-widget .monaco-list-row", "..").shown();
      await asked.press("Enter");
      const written = await until("the file", () => {
        try {
          const content = readFileSync(file(name).fsPath);
          return content.length > 0 && content;
        } catch {
          return undefined;
        }
      });
      assert.equal(written.subarray(0, begins.length).toString("latin1"), begins);
      if (format === "html") {
        const page = written.toString();
        assert.match(page, /MlpRelu/);
        assert.doesNotMatch(page, /<script[^>]+src|https?:\/\/(?!www\.w3\.org)[^"]*\.(js|css)/, "the page stands alone");
      } else {
        // Width and height in the header: a picture of several charts, at twice the size for sharp prints.
        assert.ok(written.readUInt32BE(16) > 1500 && written.readUInt32BE(20) > 1000);
      }
      await seen(".notification-toast", `Saved`).shown();
      await vscode.commands.executeCommand("notifications.clearAll");
    });
  }

  it("runs again with what the form says, and cancels from the panel", async () => {
    const { uri } = await vscode.workspace.openTextDocument(file("zoo.py"));
    const api = await noether();
    await inPage("summary", "Settings").press("Enter");
    await inPage("#option-steps").fill("150000");
    await inPage("button[type=submit]").press("Enter");
    await until("the run", () => api.drawnProbe(uri, "MlpRelu")?.phase === "running");
    await inPage("[role=status]", "of 150,000").shown();
    await inPage("button", "Cancel").press("Enter");
    await ended(uri);
    assert.equal(api.drawnProbe(uri, "MlpRelu")?.phase, "cancelled");
    await inPage("[role=status]", "Cancelled").shown();
  });

  it("is cancelled from its notification", async () => {
    const { uri } = await vscode.workspace.openTextDocument(file("zoo.py"));
    const api = await noether();
    await inPage("button", "Run again").click();
    await until("the run", () => api.drawnProbe(uri, "MlpRelu")?.phase === "running");
    const toast = seen(".notification-toast", "Probing MlpRelu");
    await toast.shown();
    await toast.at(".monaco-button", "Cancel").click();
    await ended(uri);
    assert.equal(api.drawnProbe(uri, "MlpRelu")?.phase, "cancelled");
  });

  it("keeps what was measured, opens it again, and forgets it when told to", async () => {
    const { uri } = await vscode.workspace.openTextDocument(file("zoo.py"));
    const api = await noether();
    const earlier = inPage("select[aria-label='Earlier probes']");
    const kept = (await earlier.at("option").texts()).filter((label) => label.includes("30 steps, 2 replicas"));
    assert.ok(kept.length > 0);
    await earlier.choose(kept[0]!);
    await until("the earlier probe", () => api.drawnProbe(uri, "MlpRelu")?.titles.includes("Symmetries"));
    await inPage("button", "Forget all").press("Enter");
    await earlier.gone();
  });

  it("moves less for whoever asks for that", async () => {
    const bar = inPage("progress");
    await preferMotion("reduce");
    try {
      await inPage("button", "Run again").click();
      await bar.shown();
      await vscode.commands.executeCommand("noether.cancelProbe");
      await inPage("[role=status]", "Cancelled").shown();
    } finally {
      await preferMotion("no-preference");
    }
    await press("Escape");
  });
});

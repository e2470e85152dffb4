// Around a VS Code, with the rig: what tests inside its extension host cannot do. A reload ends that host, VS Code refuses
// modal dialogs to tests in it, and trusts every workspace that they open.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { personAt } from "../../vscode-rig/person.mjs";
import { launchBrowser, openWorkbench, startServer } from "../../vscode-rig/rig.mjs";

const root = path.resolve(import.meta.dirname, "../..");
const { TEST_EXTENSIONS: installed, TEST_SCRATCH: scratch, TEST_WORKSPACE: folder } = process.env;
const PYTHON = "/usr/bin/python3";
const LOOK = "import importlib.util as u, sys; sys.exit(not (u.find_spec('torch') and u.find_spec('onnx')))";
const PATIENCE = Number(process.env.VSCODE_HANDS_PATIENCE ?? 30_000);

describe("a window", function () {
  this.bail(true); // each test goes on where the one before it ended
  let server;
  let browser;
  let page;
  let person;

  before(async () => {
    const userDataDir = path.join(scratch, "window-user-data");
    // Which Python runs is a matter of the machine that the files are on.
    mkdirSync(path.join(userDataDir, "Machine"), { recursive: true });
    writeFileSync(path.join(userDataDir, "Machine", "settings.json"), JSON.stringify({ "noether.python.interpreter": PYTHON }));
    server = await startServer({
      userDataDir,
      extensionsDir: installed ?? path.join(scratch, "window-extensions"),
      settings: { "noether.probe.steps": 30, "noether.probe.replicas": 2 },
      trust: true,
    });
    browser = await launchBrowser({ viewport: { width: 1280, height: 800 } });
    ({ page } = browser);
    person = personAt(page);
    // No file is named here: a window that is told what to open does not open again what was open before.
    await openWorkbench(page, {
      port: server.port,
      folder,
      extensionDevelopmentPaths: installed === undefined ? [root] : [],
    });
    page.setDefaultTimeout(PATIENCE);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(async function () {
    if (this.currentTest?.state !== "failed") return;
    const pictures = path.join(root, "out", "test", "failures");
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: path.join(pictures, `${this.currentTest.fullTitle().replace(/\W+/g, "-")}.png`) });
  });

  const toast = (text) => page.locator(".notification-toast", { hasText: text }).first();
  const dialog = () => page.locator(".monaco-dialog-box");
  const panel = () => page.frameLocator("iframe.webview:visible").frameLocator("#active-frame");

  it("that is not trusted reads and checks models all the same", async () => {
    await page.locator(".statusbar-item", { hasText: "Restricted Mode" }).waitFor();
    await person.open("zoo.py");
    await page.locator(".codelens-decoration", { hasText: "symmetry" }).first().waitFor();
    await person.hover("self.fc1 = nn.Linear(d_in, hidden)", "Linear", "interchangeable");
    await page.keyboard.press("Escape");
  });

  it("that is not trusted says why it does not probe, and leads to where that is changed", async () => {
    await person.command("Noether: Probe", "MlpRelu");
    await toast("the workspace is not trusted").waitFor();
    assert.equal(await page.locator(".tab", { hasText: "Probe of" }).count(), 0);
    await toast("the workspace is not trusted").locator(".monaco-button", { hasText: "Manage Workspace Trust" }).click();
    await page
      .locator(".workspace-trust-editor .monaco-button", { hasText: /^Trust/ })
      .first()
      .click();
    await page.locator(".statusbar-item", { hasText: "Restricted Mode" }).waitFor({ state: "hidden" });
    // The page lies over the window, and takes the keys.
    await page.locator(".codicon-close:visible").last().click();
    await page.locator(".workspace-trust-editor").waitFor({ state: "hidden" });
    await person.open("zoo.py");
  });

  it("shows what Export and Verify would run, and runs nothing when that is declined", async () => {
    await person.command("Noether: Export and Verify", "MlpRelu");
    await dialog().waitFor();
    const text = (await dialog().innerText()).replaceAll("\u00a0", " ");
    assert.match(text, /Run your code to export MlpRelu\?/);
    assert.ok(text.includes(`${PYTHON} noether-export.py`), text);
    assert.match(text, /imports zoo\.py, makes MlpRelu\(\), calls it with x \[\d+, 4\]/);
    await dialog().locator(".monaco-button", { hasText: "Cancel" }).click();
    await dialog().waitFor({ state: "hidden" });
    assert.equal(await toast("Exporting").count(), 0);
  });

  it("tells what came of the export, and opens it", async function () {
    if (spawnSync(PYTHON, ["-c", LOOK], { timeout: 60_000 }).status !== 0) return this.skip();
    await person.command("Noether: Export and Verify", "MlpRelu");
    await dialog().locator(".monaco-button", { hasText: "Run Python" }).click();
    const told = toast("MlpRelu was read as PyTorch exports it.");
    await told.waitFor({ timeout: 60_000 });
    await told.locator(".monaco-button", { hasText: "Open Export" }).click();
    await page.locator(".tab.active", { hasText: "MlpRelu.onnx" }).waitFor();
    await panel().locator(".box", { hasText: "Gemm" }).first().waitFor();
    await person.command("View: Close Editor");
  });

  it("that is reloaded has its panel again, with the probe that it showed", async () => {
    await person.open("zoo.py");
    await person.command("Noether: Probe", "MlpRelu");
    await panel().locator(".verdicts li").first().waitFor({ timeout: 60_000 });
    const before = await panel().locator(".verdicts").innerText();
    assert.match(before, /Degree of symmetry breaking/);
    // By the command, which ends the window in order; a reload of the page may come before its state is kept.
    await Promise.all([page.waitForEvent("load"), person.command("Developer: Reload Window")]);
    await page.locator(".tab", { hasText: "Probe of MlpRelu" }).waitFor();
    await panel().locator(".verdicts li").first().waitFor();
    assert.equal(await panel().locator(".verdicts").innerText(), before);
    // It works on: the server is a new one, and so is the page.
    await panel().locator("button", { hasText: "Run again" }).click();
    await panel().locator("progress").waitFor();
    await panel().locator(".verdicts li").first().waitFor({ timeout: 60_000 });
  });
});

// Screenshots of the extension in a real VS Code (the rig). Each waits for what it shows, so this is a test of what is
// drawn, too: it fails when something does not appear.
//   node scripts/shots.mjs [FOLDER] [--vsix FILE] [--theme light|dark|contrast] [--only probe]
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { personAt, retry } from "../vscode-rig/person.mjs";
import { installExtension, launchBrowser, openWorkbench, startServer } from "../vscode-rig/rig.mjs";
import { testWorkspace } from "./test-workspace.mjs";

const THEMES = { dark: "Default Dark Modern", light: "Default Light Modern", contrast: "Default High Contrast" };
const root = path.resolve(import.meta.dirname, "..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { vsix: { type: "string" }, theme: { type: "string", default: "dark" }, only: { type: "string" } },
});
const out = path.resolve(positionals[0] ?? path.join(root, "out", "shots"));
mkdirSync(out, { recursive: true });

const scratch = mkdtempSync(path.join(tmpdir(), "noether-shots-"));
const folder = testWorkspace(path.join(scratch, "ws"));
const userDataDir = path.join(scratch, "user-data");
const extensionsDir = path.join(scratch, "extensions");
if (values.vsix && !installExtension({ userDataDir, extensionsDir, vsix: path.resolve(values.vsix) })) process.exit(1);
const server = await startServer({
  userDataDir,
  extensionsDir,
  settings: {
    "workbench.colorTheme": THEMES[values.theme],
    "editor.fontSize": 15,
    "editor.minimap.enabled": false,
    "files.autoSave": "afterDelay",
  },
});
const browser = await launchBrowser({ viewport: { width: 1280, height: 760 } });
const { page } = browser;
// VS Code in a browser takes a high-contrast theme only where the system asks for one.
if (values.theme === "contrast") await page.emulateMedia({ forcedColors: "active", contrast: "more", colorScheme: "dark" });
const { command, hover, open, place } = personAt(page);
const begin = Date.now();

try {
  await openWorkbench(page, {
    port: server.port,
    folder,
    file: path.join(folder, "net.py"),
    extensionDevelopmentPaths: values.vsix ? [] : [root],
  });
  await page.locator(".view-lines").first().waitFor({ timeout: 60_000 });
  await page.locator(".squiggly-warning, .squiggly-info, .squiggly-hint").first().waitFor({ timeout: 60_000 });
  if (values.only === undefined) await editor();
  await probe();
} catch (error) {
  await page.screenshot({ path: path.join(out, "error.png") }).catch(() => {});
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
  await server.stop();
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}

/** What is shown of files. */
async function editor() {
  await shot("findings");

  await page.locator(".codelens-decoration", { hasText: "symmetry" }).first().waitFor();
  await command("Explorer: Focus on Symmetries View");
  await page.locator(".pane", { hasText: "Symmetries" }).locator(".monaco-list-row", { hasText: "Net" }).first().waitFor();
  await shot("explorer");
  await command("View: Focus Active Editor Group");

  await hover("self.conv2 = nn.Conv2d", "Conv2d", "interchangeable");
  // Certification runs when the file has been left alone; a hover shows what was known when it opened.
  await page.keyboard.press("Escape");
  await page.locator(".monaco-hover:visible").waitFor({ state: "hidden" });
  await page.waitForTimeout(1_000);
  await retry(() => hover("self.conv2 = nn.Conv2d", "Conv2d", "Certified", 3_000));
  await shot("hover");
  await page.keyboard.press("Escape");

  const stem = await place("self.stem = nn.Conv2d", "Conv2d");
  await page.mouse.click(stem.x, stem.y);
  await page.locator("[class*=lightbulb], [class*=light-bulb], .lightBulbWidget").first().waitFor();
  await page.keyboard.press("Control+.");
  await page.locator(".action-widget", { hasText: "bias=False" }).waitFor();
  await shot("quick-fix");
  await page.keyboard.press("Enter");
  await page.locator(".view-line", { hasText: /self\.stem.*bias=False/ }).waitFor();
  await shot("fixed");

  await open("zoo.py");
  await command("Go to Line/Column", "120");
  await command("Noether: Show Symmetries");
  await page.locator(".tab", { hasText: "Symmetries of" }).waitFor();
  await page.locator(".view-line", { hasText: "weight/0" }).first().waitFor();
  await shot("report");

  await command("View: Close All Editors");
  await open("resnet18.onnx");
  const view = page.frameLocator("iframe.webview").frameLocator("#active-frame");
  await view.locator("table", { hasText: "Channel spaces" }).waitFor({ timeout: 60_000 });
  await view.locator(".box").first().waitFor({ timeout: 60_000 });
  await view.locator(".badge.good").waitFor({ timeout: 120_000 });
  await shot("onnx-report");
  await view.locator(".box", { hasText: "conv1" }).nth(1).click();
  await view.locator(".space").first().waitFor();
  await shot("onnx");
  await command("Noether: Show ONNX as Text");
  await page.locator(".view-line", { hasText: "ir_version" }).first().waitFor();
  await shot("onnx-text");
  await command("View: Close Editor");

  await open("broken.onnx");
  const broken = page.frameLocator("iframe.webview:visible").frameLocator("#active-frame");
  await broken.locator("[role=alert]", { hasText: "broken.onnx" }).waitFor();
  await shot("onnx-broken");
}

/** The sample of the walkthrough, its probe while it runs and when it is done, and the walkthrough itself. */
async function probe() {
  await command("View: Close All Editors");
  await command("Noether: Open a Sample Model");
  await page.locator(".codelens-decoration", { hasText: "Probe" }).first().waitFor({ timeout: 60_000 });
  await command("Noether: Probe");
  const panel = page.frameLocator("iframe.webview").frameLocator("#active-frame");
  await panel.locator("figure .legend, figure canvas").first().waitFor({ timeout: 60_000 });
  await shot("probe-running");
  await panel.locator(".verdicts li").first().waitFor({ timeout: 120_000 });
  await command("View: Close Primary Side Bar");
  await command("Notifications: Clear All Notifications");
  await shot("probe-beside");
  await page.locator(".tab", { hasText: "Probe of" }).click();
  await command("View: Maximize Editor Group");
  await shot("probe");
  await panel.locator("h3", { hasText: "Similarity" }).first().scrollIntoViewIfNeeded();
  await shot("probe-maps");
  await panel.locator("h2", { hasText: "Other measures" }).scrollIntoViewIfNeeded();
  await shot("probe-tables");
  await panel.locator("summary", { hasText: "Settings" }).click();
  await panel.locator("form").scrollIntoViewIfNeeded();
  await shot("probe-settings");
  await command("View: Close All Editors");
  const saving = page.locator(".monaco-dialog-box", { hasText: "save" });
  if (await saving.isVisible().catch(() => false)) await saving.locator("a, button", { hasText: "Don't Save" }).click();
  await command("Welcome: Open Walkthrough", "Get started with Noether");
  await page.locator(".gettingStartedContainer", { hasText: "Get started with Noether" }).first().waitFor();
  await shot("walkthrough");
}

async function shot(name) {
  await page.waitForTimeout(400); // fade-ins
  await page.screenshot({ path: path.join(out, `${name}.png`) });
  console.log(`${((Date.now() - begin) / 1000).toFixed(1)} s  ${name}.png`);
}

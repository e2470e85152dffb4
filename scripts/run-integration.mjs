// Runs test/integration in a real VS Code, through @vscode/test-electron, and test/window around one.
//   node scripts/run-integration.mjs                 the extension as built in this folder
//   node scripts/run-integration.mjs --vsix x.vsix   the packaged extension, installed as a user would
// VS Code is, in this order: $VSCODE_EXECUTABLE; the rig of vscode-rig/ if it is installed; a download. Where none can be
// had the tests are skipped and that is said; with REQUIRE_VSCODE=1 it is a failure.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import Mocha from "mocha";
import { downloadAndUnzipVSCode, resolveCliArgsFromVSCodeExecutablePath, runTests } from "@vscode/test-electron";
import { testFolders, testWorkspace } from "./test-workspace.mjs";

const root = path.resolve(import.meta.dirname, "..");
const vsixFlag = process.argv.indexOf("--vsix");
const vsix = vsixFlag > 0 ? path.resolve(process.argv[vsixFlag + 1]) : undefined;
const rig = path.join(root, "vscode-rig", "vscode.mjs");

const executable = await findVSCode();
if (executable === undefined) process.exit(process.env.REQUIRE_VSCODE === "1" ? 1 : 0);

const scratch = mkdtempSync(path.join(tmpdir(), "noether-integration-"));
const extensions = `--extensions-dir=${path.join(scratch, "extensions")}`;
const totals = { passed: 0, failed: 0, skipped: 0 };
let code = 0;
try {
  if (vsix) install(vsix);
  await inHost("", testWorkspace(path.join(scratch, "ws")));
  await inHost("folders", testFolders(path.join(scratch, "several")));
  await fromOutside();
} catch (error) {
  console.error(String(error.message ?? error));
  code ||= 1;
} finally {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
console.log(`integration: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
if (totals.failed > 0 || totals.passed === 0) code ||= 1;
process.exit(code);

/** The tests of a folder of test/integration, in the extension host of a VS Code that shows a workspace. */
async function inHost(tests, workspace) {
  const results = path.join(scratch, `results-${tests}.json`);
  try {
    await runTests({
      vscodeExecutablePath: executable,
      extensionDevelopmentPath: vsix ? path.join(root, "test", "vsix-host") : root,
      extensionTestsPath: path.join(root, "out", "test", "index"),
      launchArgs: [workspace, ...profile(tests), ...(vsix ? [] : ["--disable-extensions"])],
      extensionTestsEnv: { TEST_RESULTS: results, TEST_FOLDER: tests },
    });
  } catch (error) {
    console.error(String(error.message ?? error));
    code = error.code ?? 1;
  }
  // An extension host that dies half-way can leave VS Code with exit code 0.
  if (!existsSync(results)) throw new Error("the integration tests did not run to their end");
  count(JSON.parse(readFileSync(results, "utf8")));
}

/** The tests of test/window, which reload windows and answer dialogs: with the rig only. */
async function fromOutside() {
  if (executable !== rig) {
    console.log("the tests of reloads and dialogs need the rig (npm run rig:install) and are skipped");
    return;
  }
  process.env.TEST_WORKSPACE = testWorkspace(path.join(scratch, "window"));
  process.env.TEST_SCRATCH = scratch;
  if (vsix) process.env.TEST_EXTENSIONS = path.join(scratch, "extensions");
  const grep = process.env.MOCHA_GREP;
  const mocha = new Mocha({ ui: "bdd", color: false, timeout: 120_000, ...(grep === undefined ? {} : { grep }) });
  const folder = path.join(root, "test", "window");
  for (const file of readdirSync(folder)) if (file.endsWith(".test.mjs")) mocha.addFile(path.join(folder, file));
  await mocha.loadFilesAsync();
  const { stats } = await new Promise((resolve) => {
    const runner = mocha.run(() => resolve(runner));
  });
  count({ passed: stats.passes, failed: stats.failures, skipped: stats.pending });
}

function count({ passed, failed, skipped }) {
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
}

function profile(name) {
  return [`--user-data-dir=${path.join(scratch, `user-data-${name}`)}`, extensions];
}

async function findVSCode() {
  if (process.env.VSCODE_EXECUTABLE) return process.env.VSCODE_EXECUTABLE;
  if (process.env.VSCODE_RIG !== "0" && existsSync(path.join(root, "vscode-rig", "node_modules", "code-server"))) {
    const chromium = process.env.RIG_CHROMIUM ?? "/usr/bin/chromium";
    if (existsSync(chromium)) return rig;
    skipped(`the rig needs Chromium, and ${chromium} does not exist (apt-get install chromium, or set RIG_CHROMIUM)`);
    return undefined;
  }
  try {
    return await downloadAndUnzipVSCode();
  } catch (error) {
    skipped(
      `VS Code cannot be downloaded (${String(error.message ?? error).split("\n")[0]}) and the rig is not installed (npm run rig:install)`,
    );
    return undefined;
  }
}

function skipped(reason) {
  console.log(`\n  VS CODE TESTS SKIPPED: ${reason}\n`);
}

function install(file) {
  const [cli, ...args] =
    executable === rig ? [rig] : resolveCliArgsFromVSCodeExecutablePath(executable, { reuseMachineInstall: true });
  const { status } = spawnSync(cli, [...args, ...profile("install"), "--install-extension", file], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`cannot install ${file}`);
}

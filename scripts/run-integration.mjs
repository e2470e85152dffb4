// Runs test/integration in a real VS Code, through @vscode/test-electron.
//   node scripts/run-integration.mjs                 the extension as built in this folder
//   node scripts/run-integration.mjs --vsix x.vsix   the packaged extension, installed as a user would
// VS Code is, in this order: $VSCODE_EXECUTABLE; the rig of vscode-rig/ if it is installed; a download. Where none can be
// had the tests are skipped and that is said; with REQUIRE_VSCODE=1 it is a failure.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { downloadAndUnzipVSCode, resolveCliArgsFromVSCodeExecutablePath, runTests } from "@vscode/test-electron";
import { testWorkspace } from "./test-workspace.mjs";

const root = path.resolve(import.meta.dirname, "..");
const vsixFlag = process.argv.indexOf("--vsix");
const vsix = vsixFlag > 0 ? path.resolve(process.argv[vsixFlag + 1]) : undefined;
const rig = path.join(root, "vscode-rig", "vscode.mjs");

const executable = await findVSCode();
if (executable === undefined) process.exit(process.env.REQUIRE_VSCODE === "1" ? 1 : 0);

const scratch = mkdtempSync(path.join(tmpdir(), "noether-integration-"));
const workspace = testWorkspace(path.join(scratch, "ws"));
const profile = [`--user-data-dir=${path.join(scratch, "user-data")}`, `--extensions-dir=${path.join(scratch, "extensions")}`];
const results = path.join(scratch, "results.json");
let code = 1;
try {
  if (vsix) install(vsix);
  code = await runTests({
    vscodeExecutablePath: executable,
    extensionDevelopmentPath: vsix ? path.join(root, "test", "vsix-host") : root,
    extensionTestsPath: path.join(root, "out", "test", "index"),
    launchArgs: [workspace, ...profile, ...(vsix ? [] : ["--disable-extensions"])],
    extensionTestsEnv: { TEST_RESULTS: results },
  });
} catch (error) {
  console.error(String(error.message ?? error));
  code = error.code ?? 1;
} finally {
  if (existsSync(results)) {
    const { passed, failed, skipped } = JSON.parse(readFileSync(results, "utf8"));
    console.log(`integration: ${passed} passed, ${failed} failed, ${skipped} skipped`);
    if (failed > 0 || passed === 0) code ||= 1;
  } else {
    // An extension host that dies half-way can leave VS Code with exit code 0.
    console.error("the integration tests did not run to their end");
    code ||= 1;
  }
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(code);

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
  const { status } = spawnSync(cli, [...args, ...profile, "--install-extension", file], {
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`cannot install ${file}`);
}

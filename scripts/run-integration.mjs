// Runs test/integration in a real VS Code, through @vscode/test-electron, and test/window around one.
//   node scripts/run-integration.mjs                 the extension as built in this folder
//   node scripts/run-integration.mjs --vsix x.vsix   the packaged extension, installed as a user would
// VS Code is, in this order: $VSCODE_EXECUTABLE; the rig of vscode-rig/ if it is installed; a download. Where none can be
// had the tests are skipped and that is said; with REQUIRE_VSCODE=1 it is a failure.
// A suite with a failure is run once more in a new window, and what passed only there is listed: a key that the window lost
// while the machine was busy is no fault of the extension, one that it loses twice may be.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { downloadAndUnzipVSCode, resolveCliArgsFromVSCodeExecutablePath, runTests } from "@vscode/test-electron";
import { noteFailure } from "./failures.mjs";
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
  await twice((...more) => inHost("", testWorkspace, ...more));
  await twice((...more) => inHost("folders", testFolders, ...more));
  if (executable === rig) await twice(fromOutside);
  else console.log("the tests of reloads and dialogs need the rig (npm run rig:install) and are skipped");
} catch (error) {
  console.error(String(error.message ?? error));
  code ||= 1;
} finally {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
console.log(`integration: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
if (totals.failed > 0 || totals.passed === 0) code ||= 1;
process.exit(code);

/**
 * Runs tests, and suites that had a failure once more; counts what came of them at last. `run(name, grep)` gives the results,
 * or undefined where the tests did not come to their end.
 */
async function twice(run) {
  const first = (await run("1", process.env.MOCHA_GREP)) ?? [{ suite: "", test: "", state: "failed", error: "no end" }];
  const failed = first.filter((r) => r.state === "failed");
  const suites = new Set(failed.map((r) => r.suite));
  let results = first;
  if (failed.length > 0) {
    const names = [...suites].map((suite) => suite.replace(/[^\w ]/g, "\\$&"));
    const again = await run("2", suites.has("") ? process.env.MOCHA_GREP : `^(${names.join("|")}) `);
    if (again === undefined) throw new Error("the tests in VS Code did not run to their end, twice");
    results = [...first.filter((r) => !suites.has(r.suite)), ...again];
    for (const { test, error } of failed)
      if (!again.some((r) => r.test === test && r.state === "failed"))
        console.log(`passed only in a second window: ${test || "all tests"} (${error})`);
  }
  for (const { test, state, error } of results) {
    totals[state]++;
    if (state === "failed") noteFailure(`${test}: ${error}`);
  }
}

/** The tests of a folder of test/integration, in the extension host of a VS Code that shows a new workspace. */
async function inHost(tests, workspace, name, grep) {
  const place = (what) => path.join(scratch, `${what}-${tests}-${name}`);
  try {
    await runTests({
      vscodeExecutablePath: executable,
      extensionDevelopmentPath: vsix ? path.join(root, "test", "vsix-host") : root,
      extensionTestsPath: path.join(root, "out", "test", "index"),
      launchArgs: [workspace(place("workspace")), ...profile(`${tests}-${name}`), ...(vsix ? [] : ["--disable-extensions"])],
      extensionTestsEnv: { TEST_RESULTS: place("results"), TEST_FOLDER: tests, ...(grep !== undefined && { MOCHA_GREP: grep }) },
    });
  } catch (error) {
    console.error(String(error.message ?? error));
    // Not of a test, but of VS Code or of the host at its end.
    if (!readResults(place("results"))?.some((r) => r.state === "failed")) return undefined;
  }
  return readResults(place("results"));
}

/** The tests of test/window, which reload windows and answer dialogs. */
async function fromOutside(name, grep) {
  const place = path.join(scratch, `outside-${name}`);
  const results = `${place}.json`;
  const env = {
    ...process.env,
    TEST_RESULTS: results,
    TEST_SCRATCH: place,
    TEST_WORKSPACE: testWorkspace(path.join(place, "window")),
    ...(vsix && { TEST_EXTENSIONS: path.join(scratch, "extensions") }),
    ...(grep !== undefined && { MOCHA_GREP: grep }),
  };
  spawnSync(process.execPath, [path.join(import.meta.dirname, "run-window.mjs")], { env, stdio: "inherit" });
  return readResults(results);
}

/** An extension host that dies half-way can leave VS Code with exit code 0, but no results. */
function readResults(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
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

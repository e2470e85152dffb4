// Bundles bench/ as the shipped programs are bundled and runs it: node scripts/bench.mjs [sections] [--json]
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const out = path.join("out", "bench");
mkdirSync(out, { recursive: true });
await build({
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  entryPoints: {
    main: "bench/main.ts",
    opening: "bench/opening.ts",
    certification: "bench/certification.ts",
    worker: "analysis/runtime/worker.ts",
    "twin-worker": "analysis/certification/twin-worker.ts",
    probe: "analysis/probe/worker/main.ts",
  },
  outdir: out,
  outExtension: { ".js": ".mjs" },
  external: ["onnxruntime-node", "onnxruntime-web"],
  // Bundled CommonJS modules call require; ES modules have none.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
// As the server starts the process that analyses (server/hosts.ts).
const flags = ["--max-semi-space-size=64"];
const run = spawnSync(process.execPath, [...flags, path.join(out, "main.mjs"), ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(run.status ?? 1);

// Bad input at length: 10,000 damaged files, senseless graphs and broken texts each.  node scripts/fuzz.mjs [cases] [seed]
import { spawnSync } from "node:child_process";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const [cases = "10000", seed = "20251122"] = process.argv.slice(2);
if (!/^[1-9][0-9]*$/.test(cases) || !/^[0-9]+$/.test(seed)) {
  console.error("usage: npm run fuzz -- [cases] [seed], both whole numbers");
  process.exit(1);
}
const env = { ...process.env, NOETHER_FUZZ: cases, NOETHER_FUZZ_SEED: seed, NOETHER_FUZZ_COUNT: cases };
const files = ["analysis/service/fuzz.test.ts", "analysis/frontends/onnx/fuzz.test.ts"];
const run = spawnSync(process.execPath, ["--import", "tsx", "--test", "--test-reporter=spec", ...files], {
  cwd: root,
  stdio: "inherit",
  env,
});
process.exit(run.status ?? 1);

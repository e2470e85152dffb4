/** @file A process that owns an analysis process and tells its own parent which one. For tests. */
import path from "node:path";
import { AnalysisProcess } from "../worker/process";

const analysis = new AnalysisProcess(
  { path: path.join(import.meta.dirname, "fake-worker.ts"), execArgv: ["--import", "tsx"] },
  { grace: 60_000 },
);
const signal = new AbortController().signal;
void analysis
  .run({ calls: [{ method: "analysePython", args: ["m.py", "PID"] }], signal, timeLimit: 20_000 })
  .then((result) => process.send?.("problems" in result ? result.problems[0]?.message : undefined));

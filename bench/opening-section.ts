/** @file Opening a file of 350 MB: time and memory from its name to findings, beside Python's onnx where it is installed. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { writeWithWeights } from "./large-file";
import type { Opening } from "./opening";
import { type Row, type Section, timed } from "./report";
import { summary } from "./timing";

const MODEL = "testFixtures/models/vit_b_16.onnx";
const SMALL = "testFixtures/zoo/onnx/MlpRelu.onnx";
const MEGABYTE = 1e6;
const REPEATS = 15;

const PYTHON = `
import json, sys, time, onnx
times = []
for _ in range(3):
    start = time.perf_counter()
    model = onnx.load(sys.argv[1])
    onnx.shape_inference.infer_shapes(model)
    times.append(1000 * (time.perf_counter() - start))
print(json.dumps({"times": times, "version": onnx.__version__}))
`;

/** Measures with the child program at the given path. */
export function openingSection(child: string): Section {
  const folder = mkdtempSync(path.join(os.tmpdir(), "noether-bench-"));
  try {
    const file = path.join(folder, "vit_b_16.onnx");
    const bytes = writeWithWeights(MODEL, file);
    const run = spawnSync(process.execPath, [child, SMALL, file, String(REPEATS)], { encoding: "utf8" });
    if (run.status !== 0) throw new Error(`opening ${file} failed: ${run.stderr}`);
    const opened = JSON.parse(run.stdout) as Opening;
    const later = summary(opened.later);
    const rows: Row[] = [
      timed("to findings", later, { target: 100, note: `${opened.spaces} spaces, ${opened.findings} findings` }),
      { what: "to findings, first in its process", value: opened.first, unit: "ms", note: "code is not compiled yet" },
      { what: "memory added", value: (opened.peak - opened.before) / MEGABYTE, unit: "MB", target: 100 },
      { what: "memory of the whole process", value: opened.peak / MEGABYTE, unit: "MB" },
      ...python(file, later.median),
    ];
    return { title: `Opening a file of ${(bytes / MEGABYTE).toFixed(0)} MB (vit_b_16 with weights)`, rows };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same file by onnx.load and onnx.shape_inference, with the first Python that has onnx. */
function python(file: string, own: number): Row[] {
  for (const command of ["/usr/bin/python3", "python3", "python"]) {
    const run = spawnSync(command, ["-c", PYTHON, file], { encoding: "utf8" });
    if (run.status !== 0) continue;
    const { times, version } = JSON.parse(run.stdout) as { times: number[]; version: string };
    const timing = summary(times);
    return [
      timed(`Python's onnx ${version}: load and shape inference`, timing),
      { what: "Python's onnx takes", value: timing.median / own, unit: "x", note: "as long, and finds no symmetries" },
    ];
  }
  return [];
}

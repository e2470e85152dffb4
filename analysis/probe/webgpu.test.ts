/**
 * Training on WebGPU against the CPU. A graphics card is not needed: the software driver that Debian's package chromium
 * brings (SwiftShader) is enough on Linux. Where no driver is found the test is skipped.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { RuntimeFailure } from "../runtime/ort";
import { Prober } from "./probe";
import { DEFAULT_TRAINING } from "./settings";
import type { ProbeRequest } from "./types";

/** Where packages of Chromium keep their software Vulkan driver, beside the loader that it needs. */
const DRIVERS = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"].map((folder) =>
  join(folder, "vk_swiftshader_icd.json"),
);
// The process that trains is a fork: it has the environment of this one.
const given = process.env["VK_ICD_FILENAMES"];
const driver = given ?? DRIVERS.find((file) => existsSync(file));
if (driver !== undefined && given === undefined) {
  process.env["VK_ICD_FILENAMES"] = driver;
  process.env["LD_LIBRARY_PATH"] = [dirname(driver), process.env["LD_LIBRARY_PATH"]].filter(Boolean).join(":");
}

const prober = new Prober({ processes: 1 });
after(() => prober.dispose());

const graph = readOnnx({ path: join(import.meta.dirname, "../../testFixtures/probe/mlp.onnx") }).graph;
const request = (device: ProbeRequest["device"]): ProbeRequest => ({
  graph,
  settings: [{ name: "momentum", training: { ...DEFAULT_TRAINING, optimiser: "sgd", momentum: 0.9, batchSize: 8 } }],
  steps: 6,
  replicas: 2,
  seed: 1,
  data: { kind: "synthetic", examples: 32 },
  device,
  recordings: 3,
  recordNoise: false,
  budget: { twin: false, seconds: 600 },
});

it("trains on the device as on the CPU, and says where it did", async (t) => {
  if (process.platform === "linux" && driver === undefined) {
    t.skip("no Vulkan driver was found: Debian's package chromium brings one");
    return;
  }
  const expected = await prober.probe(request("cpu"));
  let found: typeof expected;
  try {
    found = await prober.probe(request("webgpu"));
  } catch (error) {
    // A machine with another system may have no card; under Linux the driver that was found has to work.
    if (process.platform === "linux" || !(error instanceof RuntimeFailure)) throw error;
    t.skip(error.message);
    return;
  }
  assert.equal(found.device.device, "webgpu");
  assert.equal(found.device.trials[0]!.outcome, "used");
  assert.equal(found.device.batched, 2);
  const close = (a: ArrayLike<number>, b: ArrayLike<number>, what: string) => {
    assert.equal(a.length, b.length, what);
    for (let i = 0; i < a.length; i++) {
      assert.ok(Math.abs(a[i]! - b[i]!) <= 1e-5 * (1 + Math.abs(b[i]!)), `${what}[${i}]: ${a[i]}, on the CPU ${b[i]}`);
    }
  };
  found.runs.forEach((run, r) => {
    const other = expected.runs[r]!;
    close(run.losses, other.losses, "losses");
    close(run.gradientNorms, other.gradientNorms, "norms");
    assert.deepEqual(
      run.recordings.map((x) => x.step),
      [0, 3, 6],
    );
    run.recordings.forEach((recording, k) => {
      for (const [name, values] of recording.parameters) close(values, other.recordings[k]!.parameters.get(name)!, name);
      for (const [name, values] of recording.gradient ?? []) {
        close(values, other.recordings[k]!.gradient!.get(name)!, `gradient of ${name}`);
      }
    });
  });
});

it("says what was tried where there is no device, and trains nowhere else", { skip: process.platform !== "linux" }, async () => {
  const known = process.env["VK_ICD_FILENAMES"];
  process.env["VK_ICD_FILENAMES"] = "/nowhere.json";
  const without = new Prober({ processes: 1 });
  try {
    await assert.rejects(
      without.probe(request("webgpu")),
      (error) =>
        error instanceof RuntimeFailure &&
        error.reason === "unavailable" &&
        /^webgpu was asked for and cannot be used: .*adapter.*Use --device cpu, or auto$/s.test(error.message),
    );
  } finally {
    without.dispose();
    if (known === undefined) delete process.env["VK_ICD_FILENAMES"];
    else process.env["VK_ICD_FILENAMES"] = known;
  }
});

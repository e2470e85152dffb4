import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Console } from "./console";
import { run } from "./run";

const folder = mkdtempSync(join(tmpdir(), "noether-probe-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const model = join("testFixtures", "zoo", "onnx", "MlpRelu.onnx");

async function noether(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  let [out, error] = ["", ""];
  const console: Console = {
    out: (text) => {
      out += `${text}\n`;
    },
    error: (text) => {
      error += `${text}\n`;
    },
    isTTY: false,
    columns: undefined,
    environment: {},
  };
  return { code: await run(args, console), out, error };
}

test("noether probe prints charts and verdicts of each setting", async () => {
  const { code, out, error } = await noether(
    "probe",
    model,
    "--steps",
    "60",
    "--replicas",
    "2",
    "--sweep",
    "lr=0.01,0.1,0.3",
    "--no-cache",
  );
  assert.equal(error, "");
  assert.equal(code, 0);
  assert.match(out, /MlpRelu: what training does with its symmetries/);
  assert.match(out, /lr=0.01 \(sgd, learning rate 0.01/);
  assert.match(out, /lr=0.1 against lr=0.01/);
  assert.match(out, /loss +[▁▂▃▄▅▆▇█]+ /);
  assert.match(out, /R\+\^8 +fc1\.weight, fc1\.bias: \w+/);
  assert.match(out, /on cpu/);
  assert.match(out, /gradients obey the symmetries to [\d.]+e-\d+, residual of SGD's law for charges [\d.]+e-\d+/);
  assert.match(out, /flat directions: \d+ of 139 Hessian eigenvalues near zero, 16 by symmetry/);
  assert.match(out, /loss barrier between replicas: [\d.-]+.* modulo symmetry /);
  assert.match(out, /distance from the mirrors against lr = 0.01, 0.1, 0.3\n {2}S\(8\) +fc1.weight: [\d.]+, [\d.]+, [\d.]+;/);
});

test("json is complete, html stands alone", async () => {
  const file = join(folder, "probe.html");
  const asked = ["probe", model, "--steps", "20", "--replicas", "2", "--no-cache"];
  const json = JSON.parse((await noether(...asked, "--format", "json")).out) as {
    settings: { symmetries: unknown[]; degree: unknown }[];
  };
  assert.equal(json.settings.length, 1);
  assert.ok(json.settings[0]!.symmetries.length > 3 && json.settings[0]!.degree);
  const { out } = await noether(...asked, "--format", "html", "--output", file);
  assert.equal(out, "");
  assert.match(readFileSync(file, "utf8"), /^<!doctype html>[\s\S]*<svg/);
});

test("fixes are compared by name", async () => {
  const asked = ["probe", model, "--steps", "10", "--replicas", "2", "--weight-decay", "0.01", "--no-cache"];
  const { code, out, error } = await noether(...asked, "--compare", "w-asymmetric", "--compare", "advanced-syre");
  assert.equal(code, 0, error);
  assert.match(out, /\nw-asymmetric against as it is\n/);
  assert.match(out, /\nadvanced syre against as it is\n/);
});

test("what was asked wrongly is said with what is right", async () => {
  for (const [args, expected] of [
    [["probe"], /probe needs a FILE/],
    [["probe", model, "--steps", "0"], /--steps is a whole number from 1 on, not 0/],
    [["probe", model, "--sweep", "lr"], /--sweep is a setting with its values, such as lr=0.01,0.1,1, not lr/],
    [["probe", model, "--device", "gpu"], /--device is auto, cpu/],
    [["probe", model, "--compare", "syre"], /--compare syre needs weight decay/],
    [
      ["probe", model, "--compare", "nonsense"],
      /--compare nonsense: nonsense is no fix of exported models; noether fix .*MlpRelu/,
    ],
    [["probe", "missing.onnx"], /missing.onnx does not exist/],
  ] as const) {
    const { code, error } = await noether(...args);
    assert.equal(code, 4, error);
    assert.match(error, expected);
  }
  const { code, error } = await noether("probe", model, "--data", "missing.npz", "--no-cache");
  assert.equal(code, 2);
  assert.match(error, /missing.npz: it does not exist/);
});

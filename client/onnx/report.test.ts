import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { OnnxSummary } from "../../server/protocol";
import { viewPage } from "./page";
import { errorReport, summaryReport } from "./report";

const JSON_OF_MLP = {
  name: "Mlp",
  file: "mlp.onnx",
  parameters: 139,
  continuous: { total: 16, translation: 0, scale: 0, rescaling: 16, rotation: 0, linear: 0, unread: 0 },
  spaces: [{ size: 8, group: "S(8) with R+^8", acts: ["fc1.weight/0", "fc1.bias/0", "fc2.weight/1"] }],
  swaps: [["branches.0", "branches.1"]],
  opaque: [{ operator: "Mystery", where: "/m/Mystery" }],
  counted: "model",
  notes: ["epsilons are taken as zero"],
  certificate: {
    status: "certified",
    maxRelativeDeviation: 3.21e-7,
    randomWeights: true,
    dimensions: { explained: 16, measured: 17, on: "twin" },
  },
};

function summary(json: unknown, changes: Partial<OnnxSummary> = {}): OnnxSummary {
  const model = { name: "Mlp", file: "mlp.onnx", parameters: 139, text: "the text report", json };
  return { uri: "file:///mlp.onnx", models: [model], findings: [], problems: [], milliseconds: 3.2, ...changes };
}

describe("the report on an .onnx file", () => {
  it("lists spaces, families, swaps, opaque operators and the certificate", () => {
    const page = summaryReport(summary(JSON_OF_MLP), { certifying: false });
    for (const text of [
      "S(8) with (ℝ₊)⁸",
      "fc2.weight/1",
      "<td>16</td>",
      "branches.0",
      "Mystery",
      "certified (deviation 3.2e-7)",
      "random weights",
      "16 of 17 directions",
      "on its twin",
      "epsilons are taken as zero",
      "139 parameters",
    ]) {
      assert.ok(page.includes(text), `${text} in ${page}`);
    }
    assert.ok(!page.includes("translation"), "families without directions are left out");
  });

  it("says that claims are not certified as long as they are not", () => {
    const { certificate: _, ...json } = JSON_OF_MLP;
    assert.match(summaryReport(summary(json), { certifying: true }), /certifying…/);
    assert.match(summaryReport(summary(json), { certifying: false }), /not certified/);
    const failed = { ...json, certificate: { status: "failed", reason: "fc1 moved the output" } };
    assert.match(summaryReport(summary(failed), { certifying: false }), /certification failed.*fc1 moved the output/s);
    assert.match(summaryReport(summary({ ...json, counted: "scalings" }), { certifying: false }), /at least 16 continuous/);
  });

  it("folds long lists of addresses", () => {
    const acts = Array.from({ length: 40 }, (_, i) => `layer.${i}.weight/0`);
    const page = summaryReport(summary({ ...JSON_OF_MLP, spaces: [{ size: 64, group: "S(64)", acts }] }), {
      certifying: false,
    });
    assert.match(page, /36 more/);
    assert.ok(page.includes("layer.39.weight/0"));
  });

  it("shows the text report open where the JSON cannot be read", () => {
    for (const json of [undefined, null, 3, "x", []]) {
      assert.match(summaryReport(summary(json), { certifying: false }), /<details open>.*the text report/s);
    }
  });

  it("shows why there is nothing", () => {
    const page = summaryReport(summary(undefined, { models: [], problems: [{ message: "b.onnx: byte 0: not an ONNX file" }] }), {
      certifying: false,
    });
    assert.match(page, /role="alert".*byte 0: not an ONNX file/s);
    assert.match(errorReport("the server is not running"), /the server is not running/);
  });

  it("lets nothing from a file become markup, and never breaks on odd JSON", () => {
    const evil = fc.string().map((s) => `<img src=x onerror=alert(1)>${s}"'&`);
    const value = fc.oneof(evil, fc.jsonValue(), fc.constant(undefined));
    const json = fc.record(
      {
        continuous: fc.oneof(value, fc.dictionary(evil, value)),
        spaces: fc.array(fc.record({ size: value, group: value, acts: fc.array(value) })),
        swaps: value,
        opaque: fc.array(fc.dictionary(evil, value)),
        certificate: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(json, evil, (j, name) => {
        const model = { name, file: name, parameters: 1, text: name, json: j };
        const page = summaryReport(summary(j, { models: [model] }), { certifying: true });
        assert.ok(!page.includes("<img"));
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});

describe("the page of an .onnx file", () => {
  it("allows nothing but its own script and style", () => {
    const parts = {
      nonce: "0123",
      cspSource: "https://files",
      script: "https://files/view.js",
      style: "https://files/view.css",
      translations: { "No findings.": "<i>" },
    };
    const page = viewPage('<b>"m".onnx', parts);
    assert.match(page, /default-src 'none'; style-src https:\/\/files; script-src 'nonce-0123'"/);
    assert.deepEqual(page.match(/<script[^>]*>/g), ['<script type="module" nonce="0123" src="https://files/view.js">']);
    assert.ok(!page.includes("<b>") && !page.includes("<i>"));
  });
});

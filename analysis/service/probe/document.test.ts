import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import type { ProbeEvent } from "../../probe/record/events";
import { loadFile } from "../models";
import { probeDocument } from "./document";

const folder = mkdtempSync(path.join(tmpdir(), "noether-probed-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(path.join(folder, "pyproject.toml"), '[tool.noether]\nmodels = ["Sized(width=7)"]\n');

const layers = (width: number): string => `
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, ${width})
        self.b = nn.Linear(${width}, 2)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))
`;
const two = `${layers(4)}
class Other(Small):
    pass
`;
const choices = { steps: 6, replicas: 2, batchSize: 4, learningRate: 0.5, weightDecay: 0.01 };

describe("a probe of a document", () => {
  it("trains the text of the editor, not the file, as the choices say, and keeps the record with the project", async () => {
    const file = path.join(folder, "net.py");
    writeFileSync(file, layers(4));
    const events: ProbeEvent[] = [];
    const options = { path: file, text: layers(5), choices: { ...choices, compare: ["no-decay"] as const } };
    const { html, record } = await probeDocument(options, { onEvent: (e) => events.push(e) });
    assert.equal(record.model, "Small");
    assert.equal(record.parameters, 5 * (3 + 1 + 2) + 2);
    assert.deepEqual([record.steps, record.replicas], [6, 2]);
    const { batchSize, learningRate, weightDecay } = record.settings[0]!.training;
    assert.deepEqual({ batchSize, learningRate, weightDecay }, { batchSize: 4, learningRate: 0.5, weightDecay: 0.01 });
    assert.match(html, /^<!doctype html>[^]*Small/);
    assert.ok(events.some((e) => e.kind === "points") && events.some((e) => e.kind === "measures"));
    assert.deepEqual(readdirSync(path.join(folder, ".noether-cache")).sort(), [".gitignore", "probes", "records"]);
  });

  it("makes the model as the configuration says", async () => {
    const text = layers(4).replace("class Small", "class Sized").replace("self)", "self, width)").replaceAll("4", "width");
    const probe = { path: path.join(folder, "sized.py"), text, choices };
    assert.equal((await probeDocument(probe)).record.parameters, 7 * (3 + 1 + 2) + 2);
  });

  it("needs a name where there are several models, and says which there are", async () => {
    const probe = { path: "untitled:Untitled-1", text: two, choices };
    await assert.rejects(probeDocument(probe), /untitled:Untitled-1 has 2 models; name one of Small, Other/);
    await assert.rejects(probeDocument({ ...probe, model: "Third" }), /Third/);
    assert.equal((await probeDocument({ ...probe, model: "Other" })).record.model, "Other");
    assert.ok(!readdirSync(".").includes("untitled:Untitled-1"));
  });

  it("reads an .onnx file from disk", async () => {
    const file = path.resolve("testFixtures", "zoo", "onnx", "MlpRelu.onnx");
    const { models } = await loadFile(file);
    const before = process.env["NOETHER_CACHE_DIR"];
    process.env["NOETHER_CACHE_DIR"] = folder;
    try {
      const { record } = await probeDocument({ path: file, choices });
      assert.equal(record.parameters, models[0]!.analysis.parameters);
    } finally {
      if (before === undefined) delete process.env["NOETHER_CACHE_DIR"];
      else process.env["NOETHER_CACHE_DIR"] = before;
    }
  });
});

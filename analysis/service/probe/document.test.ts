import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import type { ProbeEvent } from "../../probe/record/events";
import { probeDocument } from "./document";

const folder = mkdtempSync(path.join(tmpdir(), "noether-probed-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(path.join(folder, "pyproject.toml"), '[tool.noether]\nmodels = ["Small(width=7)"]\n');

const small = `
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.a = nn.Linear(3, width)
        self.b = nn.Linear(width, 2)

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))
`;
const two = `${small}
class Other(Small):
    pass
`;
const choices = { steps: 6, replicas: 2, batchSize: 4, learningRate: 0.5, weightDecay: 0.01 };

describe("a probe of a document", () => {
  it("trains the text of the editor, not the file, made as the configuration and trained as the choices say, and keeps the record with the project", async () => {
    const file = path.join(folder, "net.py");
    writeFileSync(file, small.replace("3,", "9,"));
    const events: ProbeEvent[] = [];
    const options = { path: file, text: small, choices: { ...choices, compare: ["no-decay"] as const } };
    const { html, record } = await probeDocument(options, { onEvent: (e) => events.push(e) });
    assert.equal(record.model, "Small");
    assert.equal(record.parameters, 7 * (3 + 1 + 2) + 2);
    assert.deepEqual([record.steps, record.replicas], [6, 2]);
    const { batchSize, learningRate, weightDecay } = record.settings[0]!.training;
    assert.deepEqual({ batchSize, learningRate, weightDecay }, { batchSize: 4, learningRate: 0.5, weightDecay: 0.01 });
    assert.match(html, /^<!doctype html>[^]*Small/);
    assert.ok(events.some((e) => e.kind === "points") && events.some((e) => e.kind === "measures"));
    assert.deepEqual(readdirSync(path.join(folder, ".noether-cache")).sort(), [".gitignore", "probes", "records"]);
  });

  it("needs a name where there are several models, and says which there are", async () => {
    const probe = { path: "untitled:Untitled-1", text: two, choices };
    await assert.rejects(probeDocument(probe), /untitled:Untitled-1 has 2 models; name one of Small, Other/);
    await assert.rejects(probeDocument({ ...probe, model: "Third" }), /Third/);
  });

  it("compares with a fix by name, and says why one cannot be made", async () => {
    const text = `${small}\n\noptimizer = torch.optim.SGD(Small().parameters(), lr=0.1, weight_decay=0.01)\n`;
    const probe = { path: "untitled:Untitled-2", text, choices: { steps: 6, replicas: 2 } };
    const { record } = await probeDocument({ ...probe, choices: { ...probe.choices, fixes: [{ id: "syre" }] } });
    assert.deepEqual(
      record.comparisons.map((c) => [c.setting, c.against]),
      [["syre", "as it is"]],
    );
    const impossible = { ...probe, choices: { ...probe.choices, fixes: [{ id: "nonsense" }] } };
    await assert.rejects(probeDocument(impossible), /nonsense cannot be made here/);
  });
});

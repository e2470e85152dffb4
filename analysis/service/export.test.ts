/** @file Export and verify. What needs PyTorch is skipped without it, and says so. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { type ExportFailure, findPython, runExport } from "../exporting/python";
import { exportAndVerify, NotExportable, planExport } from "./export";
import { loadFile } from "./models";

const PYTHON = "/usr/bin/python3";
const LOOK = "import importlib.util as u, sys; sys.exit(not (u.find_spec('torch') and u.find_spec('onnx')))";
const skip =
  spawnSync(PYTHON, ["-c", LOOK], { timeout: 60_000 }).status === 0 ? false : "python3 has no torch: nothing is exported here";
const folder = mkdtempSync(path.join(tmpdir(), "noether-export-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const CONFIGURED = write(
  "configured.py",
  `import torch
from dataclasses import dataclass
from torch import nn

@dataclass
class Config:
    width: int = 4
    rate: float = 0.5
    names: tuple = ("a", "b")

class Net(nn.Module):
    def __init__(self, config, bias=True):
        super().__init__()
        self.fc1 = nn.Linear(6, config.width, bias=bias)
        self.bn = nn.BatchNorm1d(config.width)
        self.drop = nn.Dropout(config.rate)
        self.fc2 = nn.Linear(config.width, 3)

    def forward(self, x):
        return self.fc2(self.drop(torch.relu(self.bn(self.fc1(x)))))

model = Net(Config(width=5, names=("q\\"", "é")), bias=True)
model(torch.randn(8, 6))
`,
);

describe("the call that makes a model", () => {
  it("is Python text, with what the code says", async () => {
    const { models } = await loadFile(CONFIGURED);
    const net = models.find((m) => m.name === "Net");
    assert.equal(net?.construction, 'Net(Config(width=5, rate=0.5, names=("q\\"", "é")), bias=True)');
  });

  it("is asked for where it has no text", async () => {
    const file = write(
      "opaque.py",
      `from torch import nn
class Net(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.act = act
    def forward(self, x):
        return self.act(self.fc(x))
net = Net(lambda x: x)
`,
    );
    const asked = planExport({ file, className: "Net" });
    await assert.rejects(asked, (e: Error) => e instanceof NotExportable && /--call "Net\(\.\.\.\)"/.test(e.message));
    assert.equal((await planExport({ file, className: "Net", call: "Net(abs)", python: PYTHON })).call, "Net(abs)");
  });
});

describe("running an export", () => {
  const order = { file: CONFIGURED, root: folder, call: "Net(Config())", inputs: [], output: path.join(folder, "never.onnx") };
  const left = (): string[] => readdirSync(tmpdir()).filter((f) => /^noether-export-(?!test)/.test(f));

  it("says when Python cannot be started or ends without an answer", async () => {
    const missing = runExport(order, { python: path.join(folder, "no-python"), timeLimit: 20_000 });
    await assert.rejects(missing, /no-python cannot be started.*noether\.python\.interpreter/s);
    const wrong = runExport(order, { python: process.execPath, timeLimit: 20_000 });
    await assert.rejects(wrong, (e: ExportFailure) => /without an answer/.test(e.message) && /Error/.test(e.detail ?? ""));
  });

  it("ends it when time is up, or nobody waits any more", { skip: process.platform === "win32" }, async () => {
    const sleeper = write("sleeper", "#!/bin/sh\necho busy\nexec sleep 600\n");
    chmodSync(sleeper, 0o755);
    const before = left().length;
    await assert.rejects(runExport(order, { python: sleeper, timeLimit: 300 }), /took longer than 0 s/);
    const stop = new AbortController();
    const running = runExport(order, { python: sleeper, timeLimit: 600_000, signal: stop.signal, onCommand: () => stop.abort() });
    await assert.rejects(running, { name: "AbortError" });
    assert.ok(left().length <= before, "its folder is gone");
  });

  it("takes the project's own environment", () => {
    assert.equal(findPython(folder, {}), "python3");
    assert.equal(findPython(folder, { VIRTUAL_ENV: path.dirname(path.dirname(PYTHON)) }).endsWith("python"), false);
  });

  it("compares what PyTorch exports with what was read", { skip }, async () => {
    const commands: string[] = [];
    const output = path.join(folder, "exports", "net.onnx");
    const request = { file: CONFIGURED, className: "Net", output, python: PYTHON, timeLimit: 120_000 };
    const report = await exportAndVerify({ ...request, onCommand: (c) => commands.push(c[0]!) });
    assert.deepEqual(commands, [PYTHON]);
    const { outputs, parameters, symmetries } = report.comparison;
    assert.deepEqual(parameters, { same: 6, onlySource: [], onlyExport: [], shapes: [] });
    assert.equal(symmetries.same, 1);
    assert.deepEqual([...symmetries.onlySource, ...symmetries.onlyExport], []);
    assert.ok(symmetries.continuous.equal);
    assert.ok(outputs.compared && outputs.equal && outputs.maxRelativeDeviation < 1e-5);
    const finding = report.findings.find((f) => f.rule === "bias-before-norm");
    assert.equal(finding?.range?.start.line, 13, "at the line that makes fc1");
    assert.deepEqual(report.lost, []);
  });

  it("shows the user's own traceback", { skip }, async () => {
    const file = write(
      "failing.py",
      `import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        return self.fc(x).view(3, 7)
`,
    );
    const failed = exportAndVerify({
      file,
      className: "Net",
      output: path.join(folder, "f.onnx"),
      python: PYTHON,
      timeLimit: 120_000,
    });
    await assert.rejects(failed, (e: ExportFailure) => {
      assert.match(e.message, /^calling the model failed: RuntimeError: shape '\[3, 7\]'/);
      assert.match(e.detail ?? "", /failing\.py", line 8, in forward/);
      assert.doesNotMatch(e.detail ?? "", /noether-export\.py/);
      return true;
    });
  });
});

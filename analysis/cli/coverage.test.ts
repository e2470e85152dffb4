import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { run } from "./run";

const CODE = `
import torch
from torch import nn
from somewhere import deform_conv

class Good(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)
    def forward(self, x):
        return torch.relu(self.fc(x))

class Partly(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        self.fc = nn.Linear(dim, dim)
    def forward(self, x):
        return deform_conv(self.fc(x))

class Unmade(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        raise ValueError("never")
    def forward(self, x):
        return x

class NoForward(nn.Module):
    pass
`;

interface Report {
  readonly classes: number;
  readonly understood: number;
  readonly opaque: number;
  readonly uninstantiable: number;
  readonly failed: number;
  readonly exceptions: number;
  readonly operators: readonly { readonly operator: string; readonly line: number; readonly classes: number }[];
  readonly files: readonly {
    readonly classes: readonly { readonly name: string; readonly status: string; readonly how: string }[];
  }[];
}

let folder: string;
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "noether-coverage-"));
  writeFileSync(path.join(folder, "models.py"), CODE);
  writeFileSync(path.join(folder, "broken.ipynb"), "{");
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function coverage(...args: string[]): Promise<{ code: number; out: string }> {
  let out = "";
  const code = await run(["coverage", ...args], {
    out: (t) => (out += t),
    error: () => undefined,
    isTTY: false,
    columns: undefined,
    environment: {},
  });
  return { code, out };
}

test("classes are counted by what became of them; what is opaque is named with its place", async () => {
  const { code, out } = await coverage(path.join(folder, "models.py"), "--format", "json");
  const report = JSON.parse(out) as Report;
  assert.equal(code, 0);
  assert.deepEqual(
    [report.classes, report.understood, report.opaque, report.uninstantiable, report.failed, report.exceptions],
    [3, 1, 1, 1, 0, 0],
  );
  assert.deepEqual(
    report.operators.map((o) => [o.operator, o.classes, o.line]),
    [["deform_conv", 1, 18]],
  );
  assert.deepEqual(
    report.files[0]?.classes.map((c) => [c.name, c.status]),
    [
      ["Good", "understood"],
      ["Partly", "opaque"],
      ["Unmade", "uninstantiable"],
    ],
  );
  assert.match(report.files[0]?.classes[2]?.how ?? "", /ValueError: never/);
});

test("a file that cannot be read is an exception that does not hide the others", async () => {
  const { code, out } = await coverage(folder);
  assert.equal(code, 2);
  assert.match(out, /3 classes of modules with a forward in 2 files/);
  assert.match(out, /fully understood +1 +33\.3 %/);
  assert.match(out, /broken\.ipynb: not a notebook/);
});

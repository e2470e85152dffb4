/** @file Calls that are not understood are listed, pin what they touch, and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Linter } from "./linter";
import { createAnalysisService } from "./service";

const TEXT = `import torch
from torch import nn
from ops import deform_conv

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        self.b = nn.Linear(8, 6)
        self.c = nn.Linear(5, 3)

    def forward(self, x):
        y = self.b(torch.relu(self.a(x)))
        return deform_conv(y), self.c(torch.zeros(2, 5))
`;

test("what is opaque is said with its place, on the command line and in the editor", async () => {
  const { notes } = await new Linter().lint("net.py", TEXT);
  assert.deepEqual(notes.length, 1);
  assert.match(notes[0]!, /^net\.py:14:16: Net: \d+ of \d+ calls understood; `deform_conv` is opaque \(/);
  const service = createAnalysisService();
  try {
    const { problems, models, hovers } = await service.analysePython("net.py", TEXT);
    assert.match(problems[0]?.message ?? "", /calls understood; `deform_conv` is opaque/);
    assert.deepEqual(problems[0]?.range?.start, { line: 13, column: 15 });
    assert.match(models[0]?.text ?? "", /calls understood; `deform_conv` is opaque/);
    assert.ok(hovers.some((h) => /`deform_conv` is opaque/.test(h.markdown)));
    // The hidden units of `a` are free; what the opaque call reads is not.
    assert.match(models[0]?.text ?? "", /S\(8\)/);
    assert.doesNotMatch(models[0]?.text ?? "", /S\(6\)/);
  } finally {
    service.dispose();
  }
});

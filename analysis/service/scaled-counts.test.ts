/** @file Dimensions scaled up from the twin are those that are counted on the model itself, at three widths of two architectures. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { certifyTwin } from "../certification/twin";
import { Random } from "../numerics/random";
import { Network } from "../symmetry/counting/network";
import { genericWeights } from "../symmetry/counting/sampling";
import { countsOf, increments } from "../symmetry/counting/scaled";
import type { ContinuousCounts, Family } from "../symmetry/symmetry";
import { Loader } from "./models";

const transformer = (width: number, heads: number, hidden: number): string => `
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln1 = nn.LayerNorm(${width})
        self.q = nn.Linear(${width}, ${width})
        self.k = nn.Linear(${width}, ${width})
        self.v = nn.Linear(${width}, ${width})
        self.o = nn.Linear(${width}, ${width})
        self.ln2 = nn.LayerNorm(${width})
        self.up = nn.Linear(${width}, ${hidden})
        self.down = nn.Linear(${hidden}, ${width})

    def forward(self, x):
        b, t, c = x.shape
        y = self.ln1(x)
        q, k, v = (f(y).view(b, t, ${heads}, ${width / heads}).transpose(1, 2) for f in (self.q, self.k, self.v))
        a = (q @ k.transpose(-2, -1)).softmax(-1)
        x = x + self.o((a @ v).transpose(1, 2).reshape(b, t, c))
        return x + self.down(nn.functional.gelu(self.up(self.ln2(x))))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(5, ${width})
        self.blocks = nn.ModuleList([Block() for _ in range(3)])
        self.ln = nn.LayerNorm(${width})
        self.head = nn.Linear(${width}, 5)

    def forward(self, x):
        x = self.embed(x)
        for b in self.blocks:
            x = b(x)
        return self.head(self.ln(x))
`;

const bottlenecks = (width: number, inner: number): string => `
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(i, ${inner}, 1, bias=False), nn.BatchNorm2d(${inner})
        self.c2, self.b2 = nn.Conv2d(${inner}, ${inner}, 3, padding=1, bias=False), nn.BatchNorm2d(${inner})
        self.c3, self.b3 = nn.Conv2d(${inner}, o, 1, bias=False), nn.BatchNorm2d(o)
        self.down = nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o)) if i != o else None

    def forward(self, x):
        y = torch.relu(self.b1(self.c1(x)))
        y = self.b3(self.c3(torch.relu(self.b2(self.c2(y)))))
        return torch.relu(y + (x if self.down is None else self.down(x)))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, ${inner}, 3, padding=1, bias=False), nn.BatchNorm2d(${inner})
        self.stage = nn.Sequential(Block(${inner}, ${width}), Block(${width}, ${width}), Block(${width}, ${width}))
        self.fc = nn.Linear(${width}, 4)

    def forward(self, x):
        return self.fc(self.stage(torch.relu(self.bn(self.stem(x)))).mean((2, 3)))
`;

/** What the measured dimensions of the smallest of each are, by the Jacobian's rank on the model itself (noted, not computed here). */
const MEASURED = { transformer: 370, bottlenecks: 72 } as const;

async function counted(text: string, shape: readonly number[]): Promise<{ direct: ContinuousCounts; scaled: ContinuousCounts }> {
  const file = await new Loader({ analysis: { numeric: false }, inputShapes: [shape] }).loadPython("/net.py", text);
  const { analysis } = file.models.find((m) => m.name === "Net")!;
  const weights = genericWeights(Network.of(analysis.normal), new Random(1));
  const direct = countsOf(increments(analysis.symmetries, weights).map((i) => [i.symmetry.kind as Family, i.gained]));
  const twin = await certifyTwin(analysis);
  if (typeof twin === "string") assert.fail(twin);
  assert.deepEqual(twin.failed, []);
  assert.equal(twin.explained, twin.measured);
  assert.ok(twin.model.exact);
  return { direct, scaled: twin.model.continuous };
}

describe("dimensions scaled up from the twin", () => {
  for (const [k, [width, heads, hidden]] of (
    [
      [6, 2, 7],
      [8, 2, 5],
      [9, 3, 5],
    ] as const
  ).entries()) {
    it(`a transformer of width ${width}`, async () => {
      const { direct, scaled } = await counted(transformer(width, heads, hidden), [4, 5, 5]);
      assert.deepEqual(scaled, direct);
      if (k === 0) assert.equal(direct.total, MEASURED.transformer);
    });
  }
  for (const [k, [width, inner]] of (
    [
      [5, 3],
      [8, 4],
      [12, 5],
    ] as const
  ).entries()) {
    it(`residual bottlenecks of width ${width}`, async () => {
      const { direct, scaled } = await counted(bottlenecks(width, inner), [8, 3, 6, 6]);
      assert.deepEqual(scaled, direct);
      if (k === 0) assert.equal(direct.total, MEASURED.bottlenecks);
    });
  }
});

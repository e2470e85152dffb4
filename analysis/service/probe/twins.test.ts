/** @file Twins tell what their models do: mid-sized networks and narrower twins, trained alike. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { summarise } from "../../dynamics/summary/summary";
import type { Graph } from "../../graph/graph";
import { Prober } from "../../probe/probe";
import { DEFAULT_TRAINING } from "../../probe/settings";
import { shrink } from "../../probe/shrink";
import type { TrainingSettings } from "../../probe/types";
import { analyse } from "../../symmetry/analyse";
import { trainableEntries } from "../../symmetry/twin/twin";
import { Loader } from "../models";

const NETWORKS = `import torch
from torch import nn
import torch.nn.functional as F


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(20, 48)
        self.fc2 = nn.Linear(48, 48)
        self.fc3 = nn.Linear(48, 4)

    def forward(self, x):
        return self.fc3(self.fc2(self.fc1(x).tanh()).tanh())


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 3, padding=1)
        self.conv2 = nn.Conv2d(24, 24, 3, padding=1)
        self.fc = nn.Linear(24, 4)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x).relu(), 2)
        return self.fc(self.conv2(x).relu().mean((2, 3)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(12, 24)
        self.norm1 = nn.LayerNorm(24)
        self.attention = nn.MultiheadAttention(24, 3, batch_first=True)
        self.norm2 = nn.LayerNorm(24)
        self.up = nn.Linear(24, 40)
        self.down = nn.Linear(40, 24)
        self.head = nn.Linear(24, 4)

    def forward(self, x):
        x = self.embed(x)
        y = self.norm1(x)
        x = x + self.attention(y, y, y)[0]
        x = x + self.down(self.up(self.norm2(x)).relu())
        return self.head(x.mean(1))
`;
const SHAPES = { Mlp: [16, 20], Cnn: [16, 3, 8, 8], Block: [16, 4, 12] } as const;

const FREE: TrainingSettings = { ...DEFAULT_TRAINING, learningRate: 0.1, batchSize: 16 };
const DECAYED: TrainingSettings = { ...FREE, learningRate: 0.3, weightDecay: 0.3 };

describe("twins", async () => {
  const prober = new Prober();
  after(() => prober.dispose());

  /** Verdicts of the permutations of a network, by what they move. */
  const verdicts = async (graph: Graph) => {
    const settings = [
      { name: "free", training: FREE },
      { name: "decayed", training: DECAYED },
    ];
    const result = await prober.probe({
      graph,
      settings,
      steps: 150,
      replicas: 3,
      seed: 1,
      data: { kind: "synthetic", examples: 256 },
      device: "cpu",
      recordings: 4,
      recordGradients: false,
      recordNoise: false,
      budget: { twin: false, seconds: 600 },
    });
    const summary = summarise(analyse(result.graph, { numeric: false }), settings, result.runs);
    const out = new Map<string, string>();
    for (const { setting, symmetries } of summary.settings) {
      for (const { symmetry, verdict } of symmetries) {
        if (symmetry.kind === "permutation" && verdict) out.set(`${setting} ${symmetry.parameters.join()}`, verdict.kind);
      }
    }
    return out;
  };

  for (const name of Object.keys(SHAPES) as (keyof typeof SHAPES)[]) {
    it(`${name}: symmetries break and collapse as in a twin with less than half of its parameters`, async () => {
      const options = { className: name, inputShapes: [SHAPES[name]], analysis: { numeric: false } };
      const { graph } = (await new Loader(options).loadPython("/networks.py", NETWORKS)).models[0]!;
      const size = trainableEntries(graph);
      const twin = shrink(graph, 16, (g) => trainableEntries(g) < size / 2);
      assert.ok("graph" in twin, "there is a twin");
      assert.ok(trainableEntries(twin.graph) < size / 2);
      const [whole, small] = [await verdicts(graph), await verdicts(twin.graph)];
      assert.deepEqual([...small.keys()], [...whole.keys()]);
      let differ = 0;
      for (const [what, kind] of whole) if (small.get(what) !== kind) differ++;
      // Of a narrow residual stream more or fewer mirrors are left than of a wide one, which may decide.
      assert.ok(differ <= (name === "Block" ? 1 : 0), `${differ} of ${whole.size} verdicts differ`);
      const kinds = [...whole.values()];
      assert.ok(kinds.includes("breaks") && kinds.includes("collapses"));
    });
  }
});

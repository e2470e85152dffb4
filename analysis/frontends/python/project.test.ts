/** @file The project: edits, places that move, pragmas, notebooks, other files, factories by name, errors. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { prepare, project } from "./testing/project.fixture";

before(prepare);

const TWO = `import torch
from torch import nn


class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return torch.relu(self.fc(x))


class Second(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = First()
        self.out = nn.Linear(3, 2)

    def forward(self, x):
        return self.out(self.inner(x))


class Third(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(7, 6)

    def forward(self, x):
        return self.fc(x)
`;

test("after an edit, only what depends on it is evaluated again", () => {
  const p = project();
  p.update("m.py", TWO);
  const before = p.analyse("m.py").models;
  p.update("m.py", TWO.replace("nn.Linear(4, 3)", "nn.Linear(5, 3)"));
  const after = p.analyse("m.py").models;
  assert.notEqual(after[0]!.graph, before[0]!.graph);
  assert.notEqual(after[1]!.graph, before[1]!.graph, "Second holds a First");
  assert.equal(after[2]!.graph, before[2]!.graph, "Third is as it was");
  assert.deepEqual(after[1]!.graph.parameters.get("inner.fc.weight")?.shape, [3, 5]);
});

test("what somebody is typing below is of no concern to the classes above", () => {
  const p = project();
  const text = `${TWO}\n\nclass Fourth(nn.Module):\n    def __init__(self, width: int):\n        super().__init__()\n        self.fc = nn.Linear(7, width)\n`;
  p.update("m.py", text.slice(0, TWO.length + 2));
  const before = p.analyse("m.py").models;
  for (let end = TWO.length + 3; end <= text.length; end++) {
    p.update("m.py", text.slice(0, end));
    const after = p.analyse("m.py").models;
    for (const [k, m] of before.entries()) assert.equal(after[k]!.graph, m.graph, text.slice(TWO.length, end));
  }
});

test("lines added above move all places, without another evaluation", () => {
  const p = project();
  p.update("m.py", TWO);
  const model = p.analyse("m.py").models[1]!;
  const lines = (m: typeof model): (number | undefined)[] => [
    m.range.start.line,
    m.graph.nodes[0]!.origin.range?.start.line,
    m.graph.nodes[0]!.origin.related?.[0]?.range.start.line,
    m.layers[0]!.constructor.start.line,
    m.layers[0]!.bias?.insert?.range.start.line,
    m.graph.parameters.get("inner.fc.weight")?.origin.range?.start.line,
  ];
  const before = lines(model);
  p.update("m.py", `# a comment\n\n${TWO}`);
  const after = p.analyse("m.py").models[1]!;
  assert.equal(after.graph, model.graph);
  assert.deepEqual(
    lines(after),
    before.map((l) => l! + 2),
  );
});

test("an edit in another file reaches those who import it", () => {
  const files = {
    "sizes.py": "WIDTH = 8\n",
    "net.py":
      "from torch import nn\nfrom sizes import WIDTH\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(WIDTH, 2)\n    def forward(self, x):\n        return self.fc(x)\n",
  };
  const p = project(files);
  assert.deepEqual(p.analyse("net.py").models[0]?.graph.parameters.get("fc.weight")?.shape, [2, 8]);
  p.update("sizes.py", "WIDTH = 9\n");
  assert.deepEqual(p.analyse("net.py").models[0]?.graph.parameters.get("fc.weight")?.shape, [2, 9]);
});

test("a pragma says how a class is made and called", () => {
  const p = project();
  const source = (pragma: string): string =>
    `import torch\nfrom torch import nn\n${pragma}\nclass Net(nn.Module):\n    def __init__(self, width, depth=1):\n        super().__init__()\n        self.body = nn.Sequential(*[nn.Conv2d(width, width, 3) for _ in range(depth)])\n    def forward(self, x):\n        return self.body(x)\n`;
  p.update("m.py", source("# noether: Net(6, depth=3), input=(2, 6, 20, 24)"));
  const [m] = p.analyse("m.py").models;
  assert.equal(m?.howInstantiated, "as its pragma says");
  assert.deepEqual(m?.graph.inputs[0]?.shape, [2, 6, 20, 24]);
  assert.equal(m?.graph.nodes.length, 3);
  p.update("m.py", source("# noether: Net(width=, input=(2"));
  assert.ok(p.analyse("m.py").problems.some((q) => /pragma does not parse/.test(q.message) && q.range.start.line === 2));
});

test("a notebook: cells are one text, places are in the cells", () => {
  const path = "testFixtures/python/styles/tutorial.ipynb";
  const p = project();
  p.update(path, readFileSync(path, "utf8"));
  const file = p.analyse(path);
  const [m] = file.models;
  assert.equal(m?.name, "Net");
  assert.deepEqual(m?.opaque, []);
  assert.deepEqual(m?.graph.inputs[0]?.shape, [4, 1, 28, 28]);
  assert.equal(m?.range.file, `${path}#cell=2`);
  assert.deepEqual(m?.range.start, { line: 0, column: 6 });
  const conv = m?.layers.find((l) => l.kind === "Conv2d");
  assert.deepEqual(conv?.constructor.start, { line: 3, column: 20 });
  assert.equal(file.facts.optimisers[0]?.momentum?.value, 0.9);
  assert.equal(file.facts.optimisers[0]?.range.file, `${path}#cell=3`);
  assert.throws(() => p.update(path, "{"), /not a notebook/);
});

test("errors name the file, the name and what to do", () => {
  const p = project({ "m.py": TWO });
  assert.throws(() => p.analyse("absent.py"), /absent\.py: cannot be read/);
  assert.throws(() => p.analyseNamed("m.py", "Fourth"), /m\.py: there is no class or function Fourth/);
});

test("the same text gives the same graph", () => {
  const text = readFileSync("testFixtures/python/gpt/model.py", "utf8");
  const graphs = [1, 2].map(() => {
    const p = project({ "m.py": text });
    const { graph } = p.analyse("m.py").models.at(-1)!;
    return JSON.stringify([graph.nodes, [...graph.parameters.values()], graph.inputs, graph.outputs]);
  });
  assert.equal(graphs[0], graphs[1]);
});

test("a layer whose class is used twelve times reports its constructor once", () => {
  const p = project({
    "m.py":
      "from torch import nn\nclass Block(nn.Module):\n    def __init__(self, d):\n        super().__init__()\n        self.fc = nn.Linear(d, d)\n    def forward(self, x):\n        return x + self.fc(x)\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.blocks = nn.Sequential(*[Block(4) for _ in range(12)])\n    def forward(self, x):\n        return self.blocks(x)\n",
  });
  const layers = p
    .analyse("m.py")
    .models.find((m) => m.name === "Net")!
    .layers.filter((l) => l.kind === "Linear");
  assert.equal(layers.length, 1);
  assert.equal(layers[0]!.scopes.length, 12);
  assert.equal(layers[0]!.parameters.length, 24);
  assert.equal(layers[0]!.constructor.start.line, 4);
});

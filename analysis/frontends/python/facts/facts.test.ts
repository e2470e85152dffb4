/** @file Training facts of a script that takes them from everywhere: arguments, dataclasses, nested dictionaries. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { prepare, project } from "../testing/project.fixture";
import type { TrainingFacts } from "./facts";

const SCRIPT = `import argparse
import copy
import torch
from torch import nn
from dataclasses import dataclass

config = {"optim": {"lr": 3e-4, "weight_decay": 0.05, "betas": [0.9, 0.95]}, "batch_size": 32}

@dataclass
class Hyper:
    lr: float = 1e-3
    clip: float = 0.5
    momentum: float = 0.9

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        layer = nn.Linear(8, 8)
        self.stack = nn.Sequential(*[layer] * 3)
        self.copies = nn.ModuleList([copy.deepcopy(layer) for _ in range(2)])
        for p in self.a.parameters():
            p.requires_grad = False
        nn.init.zeros_(self.a.bias)

    def forward(self, x):
        for c in self.copies:
            x = x
        return self.stack(self.a(x))

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.1)
    args = parser.parse_args()
    hyper = Hyper()
    model = Net()
    no_decay = ["bias", "norm"]
    groups = [
        {"params": [p for n, p in model.named_parameters() if not any(k in n for k in no_decay)], "weight_decay": config["optim"]["weight_decay"]},
        {"params": [p for n, p in model.named_parameters() if any(k in n for k in no_decay)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config["optim"]["lr"], betas=tuple(config["optim"]["betas"]))
    sgd = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=hyper.momentum, nesterov=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    loader = torch.utils.data.DataLoader([], batch_size=config["batch_size"], shuffle=True)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), hyper.clip)
        optimizer.step()

if __name__ == "__main__":
    main()
`;

let facts: TrainingFacts;
let graph: ReturnType<typeof analysed>["graph"];

function analysed() {
  const file = project({ "train.py": SCRIPT }).analyse("train.py");
  return { facts: file.facts, graph: file.models.find((m) => m.name === "Net")!.graph };
}

before(async () => {
  await prepare();
  ({ facts, graph } = analysed());
});

/** The text at a fact's place. */
function textAt(range: { readonly start: { readonly line: number; readonly column: number } }): string {
  return SCRIPT.split("\n")[range.start.line]!.slice(range.start.column);
}

test("groups with exclusions, their decay, rate and betas from a nested dictionary", () => {
  const adam = facts.optimisers.find((o) => o.kind === "AdamW");
  assert.equal(adam?.model, "Net");
  assert.equal(adam?.wholeModel, true);
  const decays = adam?.groups.map((g) => [g.weightDecay, g.parameters?.every((n) => n.endsWith("bias"))]);
  assert.deepEqual(decays, [
    [0.05, false],
    [0, true],
  ]);
  assert.deepEqual([adam?.learningRate?.value, adam?.betas?.value], [3e-4, [0.9, 0.95]]);
  assert.ok(textAt(adam!.range).startsWith("torch.optim.AdamW(groups"));
  assert.ok(adam!.source.startsWith("torch.optim.AdamW(groups"));
});

test("a rate from an argument's default, a momentum from a dataclass", () => {
  const sgd = facts.optimisers.find((o) => o.kind === "SGD");
  assert.deepEqual([sgd?.learningRate?.value, sgd?.momentum?.value, sgd?.weightDecay?.value], [0.1, 0.9, 0]);
  assert.equal(sgd?.learningRate?.certainty, "default", "whoever starts the program may say otherwise");
});

test("schedule, loss, batch, clipping, and that there is a training loop", () => {
  assert.deepEqual(
    facts.schedules.map((s) => s.kind),
    ["CosineAnnealingLR"],
  );
  assert.deepEqual(
    facts.losses.map((l) => l.kind),
    ["cross_entropy"],
  );
  assert.equal(facts.batchSize?.value, 32);
  assert.equal(facts.gradientClipping?.value, 0.5);
  assert.ok(textAt(facts.gradientClipping!.range).startsWith("torch.nn.utils.clip_grad_norm_("));
  assert.equal(facts.trains, true);
});

test("one module in a list several times, and copies", () => {
  assert.deepEqual(
    facts.copies.map((c) => [c.kind, c.modules, textAt(c.range).split(")")[0]]),
    [
      ["repeat", ["Linear"], "[layer] * 3"],
      ["deepcopy", ["Linear"], "copy.deepcopy(layer"],
    ],
  );
});

test("frozen parameters, and what initialisation says of the others", () => {
  assert.equal(graph.parameters.get("a.weight")?.trainable, false);
  assert.equal(graph.parameters.get("a.bias")?.trainable, false);
  assert.equal(graph.parameters.get("a.bias")?.initialisation?.constant, 0);
  assert.equal(graph.parameters.get("stack.0.weight")?.trainable, true);
});

test("the number of optimiser steps: loops that step in each turn, schedules, constants", () => {
  const net = SCRIPT.slice(SCRIPT.indexOf("class Net"), SCRIPT.indexOf("\n\n\n", SCRIPT.indexOf("class Net")));
  const steps = (code: string): readonly [number | undefined, string | undefined] => {
    const text = `import torch\nfrom torch import nn\n\n\n${net}\n\n\n${code}`;
    const found = project({ "train.py": text }).analyse("train.py").facts.steps;
    return [found?.value, found?.certainty];
  };
  const head = "model = Net()\nopt = torch.optim.SGD(model.parameters(), lr=0.1)\n";
  const loop = (over: string) => `${head}for i in ${over}:\n    loss = model(x).sum()\n    loss.backward()\n    opt.step()\n`;
  assert.deepEqual(steps(loop("range(5000)")), [5000, "literal"]);
  assert.deepEqual(steps(`epochs = 10\n${loop("range(2 * epochs)")}`), [20, "default"]);
  assert.deepEqual(steps(`def train(n_turns=300):\n    ${loop("tqdm(range(n_turns))").trimEnd().replaceAll("\n", "\n    ")}\n`), [
    300,
    "default",
  ]);
  // Epochs are no steps: how many batches each has is not said.
  const epochs = "for e in range(7):\n    for x, y in loader:\n        model(x).sum().backward()\n        opt.step()\n";
  assert.deepEqual(steps(head + epochs), [undefined, undefined]);
  assert.deepEqual(steps(`max_iters = 600000\n${head}${epochs}`), [600000, "default"]);
  const schedule = "sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=1200)\n";
  assert.deepEqual(steps(head + schedule + epochs), [1200, "literal"]);
});

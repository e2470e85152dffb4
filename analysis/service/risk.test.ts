import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { FORMULAS } from "../dynamics/closed-forms/formulas";
import { higher } from "../dynamics/risk/model";
import type { SymmetrySummary } from "../dynamics/summary/types";
import { Loader, trainedAs } from "./models";
import type { LoadedModel } from "./loaded";
import { riskJson, riskOf, spaceRisks } from "../report/risk";
import { modelText } from "../report/text";
import { typeset, withLinks } from "../report/typeset";

const NET = `import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 32)
        self.fc2 = nn.Linear(32, 32)
        self.norm = nn.BatchNorm1d(32)
        self.fc3 = nn.Linear(32, 3)

    def forward(self, x):
        return self.fc3(self.norm(self.fc2(self.fc1(x).relu())).relu())
`;

async function net(training: string, name = "Net"): Promise<LoadedModel> {
  const loaded = await new Loader({ analysis: { numeric: false } }).loadPython("net.py", NET + training);
  return loaded.models.find((m) => m.name === name)!;
}

const SGD = "\nopt = torch.optim.SGD(Net().parameters(), lr=0.1, weight_decay=WD)\n";

describe("risks of a model", () => {
  it("follow the settings in the code, symmetry by symmetry", async () => {
    const level = async (wd: string) => riskOf(await net(SGD.replace("WD", wd))).level;
    assert.deepEqual(
      [await level("0"), await level("1e-4"), await level("0.02"), await level("0.2")],
      ["low", "low", "medium", "high"],
    );
    const risk = riskOf(await net(SGD.replace("WD", "0.2")));
    const text = modelText(await net(SGD.replace("WD", "0.2")), { width: 80 });
    assert.match(text, /\n {2}collapse risk high\n {4}\w+: Weight decay 0\.2/);
    assert.ok(text.split("\n").every((l) => l.length <= 120));
    const outcomes = new Map(risk.groups.map((g) => [g.kind, `${g.risk.level} ${g.risk.what}`]));
    assert.equal(outcomes.get("permutation"), "high identical units");
    assert.equal(outcomes.get("rescaling"), "high sparsity");
    assert.equal(outcomes.get("scale"), "high scale drift");
    for (const { risk: r } of risk.groups) {
      if (r.level === "low") continue;
      assert.ok(r.bestLever && r.formula.source !== "");
      assert.ok(!r.assumed.some((a) => /optimiser|learning rate|weight decay/.test(a)), r.assumed.join());
      assert.ok(r.assumed.some((a) => a.includes("batch size 32")));
    }
  });

  it("take the number of steps from the code", async () => {
    const loop = (n: number) => `${SGD.replace("WD", "0.2")}\nfor i in range(${n}):\n    opt.step()\n`;
    const of = async (n: number) => riskOf(await net(loop(n))).groups.find((g) => g.kind === "rescaling")!.risk;
    assert.equal((await of(20)).level, "low");
    assert.match((await of(20)).sentence, /training has 20\.$/);
    assert.equal((await of(5000)).level, "high");
    assert.ok(!(await of(5000)).assumed.some((a) => /steps/.test(a)));
  });

  it("say what they assume where the code does not train", async () => {
    const model = await net("");
    assert.equal(riskOf(model).level, "low");
    assert.ok(riskOf(model).groups[0]!.risk.assumed.includes("no optimiser was found: plain SGD without weight decay"));
    assert.match(modelText(model), /\n {2}collapse risk low {2}no optimiser was found: plain SGD/);
  });

  it("follow the script that trains a model of another file", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "noether-training-"));
    try {
      const file = path.join(folder, "net.py");
      writeFileSync(file, NET);
      writeFileSync(
        path.join(folder, "train.py"),
        `import torch\nfrom net import Net\n\nmodel = Net()\nopt = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.2)\n`,
      );
      const loader = new Loader({ analysis: { numeric: false } });
      const loaded = await loader.load(file);
      const facts = await loader.trainingElsewhere(loaded);
      const risk = riskOf(trainedAs(loaded.models[0]!, facts));
      assert.equal(risk.level, "high");
      assert.ok(risk.groups[0]!.risk.assumed.includes("it is trained by train.py"));
      assert.equal(riskOf(loaded.models[0]!).level, "low", "not while somebody types");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("of a part are those of the whole that is trained", async () => {
    const wrapped =
      "\nclass Whole(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.a = Net()\n\n    def forward(self, x):\n        return self.a(x)\n";
    const part = await net(wrapped + SGD.replace("Net()", "Whole()").replace("WD", "0.2"));
    const { risk } = riskOf(part).groups[0]!;
    assert.equal(risk.level, "high");
    assert.ok(risk.assumed.includes("it trains like Whole"));
  });

  it("come from the measures once a probe ran", async () => {
    const model = await net(SGD.replace("WD", "0.2"));
    const of = (value: number, error = 0.01) => ({ value, error, replicas: 4 });
    const symmetry = model.analysis.symmetries.find((s) => s.kind === "permutation" && s.parameters.includes("fc1.weight"))!;
    const measured = (dead: number, error = 0.5): SymmetrySummary[] => [
      { symmetry, units: { units: 32, dead: of(dead, error), duplicates: of(0), distinct: of(32) } },
    ];
    const level = (summaries: SymmetrySummary[]) => {
      const training = () => ({ ...model.training!(), measured: summaries });
      return riskOf({ name: "Net", analysis: model.analysis, training }).of(symmetry)!;
    };
    assert.deepEqual([level(measured(0)).level, level(measured(4)).level, level(measured(16)).level], ["low", "medium", "high"]);
    assert.equal(level(measured(16)).basis, "measured");
    assert.match(level(measured(16)).sentence, /^Measured in a probe: 50% ± 1\.6% of the units dead\.$/);
    assert.equal(level(measured(16, 10)).level, "low", "a loss within two standard errors is none");
  });

  it("are told for each space, and in the JSON without infinities", async () => {
    const model = await net(SGD.replace("WD", "0.2"));
    const risk = riskOf(model);
    assert.deepEqual(new Set(spaceRisks(model.analysis, risk).values()), new Set(["high"]));
    assert.doesNotMatch(JSON.stringify(riskJson(riskOf(await net(SGD.replace("WD", "0"))))), /null/);
    assert.equal(higher("low", "medium"), "medium");
  });
});

describe("formulas in Unicode", () => {
  it("hold no name of a letter and no caret that has a sign of its own", () => {
    for (const { formula, source } of Object.values(FORMULAS)) {
      const text = typeset(formula);
      assert.doesNotMatch(text, /lambda|sigma|theta|beta|\beta|sqrt|->|\^[24nT]/, text);
      assert.equal(withLinks(source).match(/\]\(https:/g)?.length ?? 0, source.match(/arXiv/g)?.length ?? 0);
    }
    assert.equal(typeset("sigma -> max(sigma - lambda, 0)"), "σ → max(σ − λ, 0)");
  });
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Loader } from "../../../service/models";

const HEAD = `import torch
from torch import nn
from torch.nn.utils import parametrize
import torch.nn.utils.parametrize as P
`;

async function read(code: string) {
  const { models, problems } = await new Loader({ analysis: { numeric: false } }).loadPython("net.py", HEAD + code);
  assert.deepEqual(problems, []);
  const { graph, analysis } = models.find((m) => m.name === "Net")!;
  return { names: [...graph.parameters.keys()].sort(), operators: graph.nodes.map((n) => n.operator), analysis };
}

describe("register_parametrization", () => {
  it("computes the weight from its original by the module's forward", async () => {
    const { names, operators } = await read(`
class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        parametrize.register_parametrization(self.fc, "weight", Symmetric())
    def forward(self, x):
        return self.fc(x)
`);
    assert.deepEqual(names, ["fc.bias", "fc.parametrizations.weight.original"]);
    assert.ok(operators.includes("Trilu"));
  });

  it("has as many originals as right_inverse returns", async () => {
    const { names, operators, analysis } = await read(`
class Product(nn.Module):
    def forward(self, u, v):
        return u * v
    def right_inverse(self, w):
        root = w.abs().sqrt()
        return root, w.sign() * root

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.utils.parametrize.register_parametrization(nn.Linear(4, 8, bias=False), "weight", Product())
        self.out = nn.Linear(8, 2, bias=False)
    def forward(self, x):
        return self.out(self.fc(x).tanh())
`);
    assert.deepEqual(names, ["fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1", "out.weight"]);
    assert.equal(operators[0], "Mul");
    assert.deepEqual(analysis.opaque, []);
  });

  it("applies several in turn, and claims nothing where the originals are not known", async () => {
    const twice = await read(`
class Twice(nn.Module):
    def forward(self, w):
        return 2 * w

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 8)
        P.register_parametrization(self.fc, "weight", Twice())
        P.register_parametrization(self.fc, "weight", Twice())
    def forward(self, x):
        return self.fc(x)
`);
    assert.equal(twice.operators.filter((o) => o === "Mul").length, 2);
    const unknown = await read(`
class Svd(nn.Module):
    def forward(self, u, v):
        return u @ v
    def right_inverse(self, w):
        u, s, v = torch.linalg.svd(w, full_matrices=False)
        return u * s, v

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 8)
        P.register_parametrization(self.fc, "weight", Svd())
        self.out = nn.Linear(8, 2)
    def forward(self, x):
        return self.out(self.fc(x).relu())
`);
    assert.ok(unknown.analysis.opaque.some((o) => o.operator === "Svd"));
    assert.deepEqual(unknown.analysis.symmetries, []);
  });
});

/** @file Cases 1 to 20 of the survey: how modules are put together. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { analyse, model, operatorsOf, prepare, project, textAt } from "../testing/project.fixture";

before(prepare);

const parametersOf = (source: string, name: string): string[] => [...model(source, name).graph.parameters.keys()];

test("1: Sequential of convolution, norm and activation; the bias by keyword and by position", () => {
  const source = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.b = nn.Conv2d(8, 8, 1, 1, 0, 1, 1, False)
        self.c = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return self.c(self.b(self.a(x)))
`;
  const m = model(source, "Net");
  assert.deepEqual(operatorsOf(m.graph), ["Conv", "BatchNormalization", "Relu", "Conv", "Conv"]);
  const layer = (scope: string) => m.layers.find((l) => l.scope === scope)!;
  assert.equal(layer("a.0").bias?.form, "keyword");
  assert.equal(textAt(source, layer("a.0").bias!.range!), "False");
  assert.equal(layer("b").bias?.form, "positional");
  assert.equal(textAt(source, layer("b").bias!.range!), "False");
  assert.equal(layer("c").bias?.form, "default");
  assert.equal(textAt(source, layer("c").constructor), "nn.Conv2d(8, 4, 1)");
  const { range, prefix } = layer("c").bias!.insert!;
  assert.equal(prefix, ", ");
  assert.equal(textAt(source, { ...range, start: layer("c").constructor.start }), "nn.Conv2d(8, 4, 1");
  assert.deepEqual(m.graph.parameters.get("a.0.weight")?.shape, [8, 3, 3, 3]);
  assert.ok(!m.graph.parameters.has("a.0.bias"));
});

test("2: the same through attributes and nested calls", () => {
  const m = model(
    `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.bn = nn.BatchNorm2d(8)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))
`,
    "Net",
  );
  assert.deepEqual(operatorsOf(m.graph), ["Conv", "BatchNormalization", "Relu"]);
});

test("3: a bias that a constructor flag decides: off, on, open", () => {
  const layer = (flag: string) => `
class Net(nn.Module):
    def __init__(self, use_bias${flag}):
        super().__init__()
        self.fc = nn.Linear(4, 3, bias=use_bias)

    def forward(self, x):
        return self.fc(x)
`;
  assert.deepEqual(parametersOf(layer("=False"), "Net"), ["fc.weight"]);
  assert.deepEqual(parametersOf(layer("=True"), "Net"), ["fc.weight", "fc.bias"]);
  const open = model(layer(""), "Net");
  assert.match(open.howInstantiated, /use_bias/);
  assert.equal(open.layers[0]?.bias?.form, "keyword");
});

test("4: a norm class from a default, from None with a fallback, from a partial", () => {
  const source = `
from functools import partial

class Block(nn.Module):
    def __init__(self, d=6, norm_layer=nn.LayerNorm):
        super().__init__()
        self.norm = norm_layer(d)
        self.fc = nn.Linear(d, d)

    def forward(self, x):
        return self.fc(self.norm(x))

class Fallback(nn.Module):
    def __init__(self, d=6, norm_layer=None):
        super().__init__()
        norm_layer = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = Block(d, norm_layer)

    def forward(self, x):
        return self.block(x)
`;
  assert.deepEqual(operatorsOf(model(source, "Block").graph), ["LayerNormalization", "Gemm"]);
  const norm = model(source, "Fallback").graph.nodes[0]!;
  assert.equal(norm.operator, "LayerNormalization");
  assert.equal(norm.attributes["epsilon"], 1e-6);
});

test("5: an activation from a table of strings, a class, a function, an instance", () => {
  const source = `
ACTS = {"relu": nn.ReLU, "tanh": nn.Tanh}

class Net(nn.Module):
    def __init__(self, name="relu", act_layer=nn.Sigmoid, fn=F.elu, instance=nn.Softplus()):
        super().__init__()
        self.table = ACTS[name]()
        self.cls = act_layer()
        self.fn = fn
        self.instance = instance
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.instance(self.fn(self.cls(self.table(self.fc(x)))))
`;
  assert.deepEqual(operatorsOf(model(source, "Net").graph), ["Gemm", "Relu", "Sigmoid", "Elu", "Softplus"]);
});

test("6: a ModuleList by comprehension, called in a loop", () => {
  const source = `
class Net(nn.Module):
    def __init__(self, depth=3, d=5):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(d, d) for _ in range(depth)])

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < len(self.layers) - 1:
                x = torch.relu(x)
        return x
`;
  const m = model(source, "Net");
  assert.deepEqual(operatorsOf(m.graph), ["Gemm", "Relu", "Gemm", "Relu", "Gemm"]);
  assert.equal(m.layers.length, 1);
  assert.deepEqual(m.layers[0]!.scopes, ["layers.0", "layers.1", "layers.2"]);
  assert.equal(textAt(source, m.layers[0]!.constructor), "nn.Linear(d, d)");
  assert.equal(textAt(source, m.layers[0]!.uses[0]!), "layer(x)");
});

test("7: a ModuleList of pairs that the header of the loop unpacks", () => {
  const m = model(
    `
class Net(nn.Module):
    def __init__(self, d=6):
        super().__init__()
        self.layers = nn.ModuleList([])
        for _ in range(2):
            self.layers.append(nn.ModuleList([nn.LayerNorm(d), nn.Linear(d, d)]))

    def forward(self, x):
        for norm, fc in self.layers:
            x = x + fc(norm(x))
        return x
`,
    "Net",
  );
  assert.deepEqual(
    [...m.graph.parameters.keys()].filter((n) => n.endsWith("weight")),
    ["layers.0.0.weight", "layers.0.1.weight", "layers.1.0.weight", "layers.1.1.weight"],
  );
});

test("8: [Block()] * 3 is one object called three times", () => {
  const m = model(
    `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*[nn.Linear(4, 4, bias=False)] * 3)

    def forward(self, x):
        return self.body(x)
`,
    "Net",
  );
  assert.deepEqual([...m.graph.parameters.keys()], ["body.0.weight"]);
  assert.equal(m.graph.nodes.filter((n) => n.operator === "MatMul").length, 3);
});

test("9: clones by deepcopy are three objects that start equal", () => {
  const m = model(
    `
import copy

def clones(module, n):
    return nn.ModuleList([copy.deepcopy(module) for _ in range(n)])

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = clones(nn.Linear(4, 4), 3)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
`,
    "Net",
  );
  assert.equal(m.graph.parameters.size, 6);
  assert.match(m.graph.parameters.get("layers.2.weight")!.initialisation!.scheme, /^copy of/);
});

test("10: a _make_layer that changes self.planes between calls", () => {
  const m = model(
    `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.planes = 4
        self.a = self._make_layer(8, 2)
        self.b = self._make_layer(6, 1)

    def _make_layer(self, width, n):
        layers = []
        for _ in range(n):
            layers.append(nn.Linear(self.planes, width))
            self.planes = width
        return nn.Sequential(*layers)

    def forward(self, x):
        return self.b(self.a(x))
`,
    "Net",
  );
  assert.deepEqual(m.graph.parameters.get("a.1.weight")?.shape, [8, 8]);
  assert.deepEqual(m.graph.parameters.get("b.0.weight")?.shape, [6, 8]);
});

test("11: a base class whose forward calls a hook that the child overrides", () => {
  const source = `
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def act(self, x):
        raise NotImplementedError

    def forward(self, x):
        return self.act(self.fc(x))

class Child(Base):
    def act(self, x):
        return torch.tanh(x)
`;
  assert.deepEqual(operatorsOf(model(source, "Child").graph), ["Gemm", "Tanh"]);
});

test("12: super().forward with changed arguments", () => {
  const source = `
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x, scale=1.0):
        return self.fc(x) * scale

class Child(Base):
    def forward(self, x):
        return super().forward(x, scale=2.0)
`;
  assert.deepEqual(operatorsOf(model(source, "Child").graph), ["Gemm", "Mul"]);
});

test("13: a mixin with a helper and a property", () => {
  const source = `
class Mixin:
    @property
    def width(self):
        return self.fc.weight.shape[0]

    def halve(self, x):
        return x[:, : self.width // 2]

class Net(Mixin, nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 6)

    def forward(self, x):
        return self.halve(self.fc(x))
`;
  const m = model(source, "Net");
  assert.deepEqual(m.graph.types.get(m.graph.outputs[0]!)?.shape, [m.graph.inputs[0]!.shape[0], 3]);
});

test("14: a configuration dataclass with a field derived after its construction", () => {
  const source = `
from dataclasses import dataclass, field

@dataclass
class Config:
    width: int = 8
    heads: int = 2
    sizes: list = field(default_factory=lambda: [8, 4])
    head_width: int = field(init=False)

    def __post_init__(self):
        self.head_width = self.width // self.heads

class Net(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.fc = nn.Linear(config.sizes[0], config.head_width)

    def forward(self, x):
        return self.fc(x)
`;
  const m = model(source, "Net");
  assert.deepEqual(m.graph.parameters.get("fc.weight")?.shape, [4, 8]);
  assert.match(m.howInstantiated, /config/);
});

test("15: a configuration from another file through a re-export", () => {
  const p = project({
    "pkg/__init__.py": "from .settings import Config\n",
    "pkg/settings.py": "from dataclasses import dataclass\n@dataclass\nclass Config:\n    width: int = 12\n",
    "pkg/net.py":
      "from torch import nn\nfrom . import Config\nclass Net(nn.Module):\n    def __init__(self, config: Config):\n        super().__init__()\n        self.fc = nn.Linear(config.width, 3)\n    def forward(self, x):\n        return self.fc(x)\n",
  });
  const [m] = p.analyse("pkg/net.py").models;
  assert.deepEqual(m?.graph.parameters.get("fc.weight")?.shape, [3, 12]);
});

test("16: attributes of an untyped configuration get witnesses that keep their names", () => {
  const source = `
class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.hidden_size % config.num_attention_heads == 0
        self.heads = config.num_attention_heads
        self.q = nn.Linear(config.hidden_size, config.hidden_size)
        self.drop = nn.Dropout(config.attention_probs_dropout_prob)

    def forward(self, x):
        b, t, d = x.shape
        q = self.q(x).view(b, t, self.heads, d // self.heads).transpose(1, 2)
        return self.drop(q)
`;
  const m = model(source, "Attention");
  assert.deepEqual(m.opaque, []);
  const size = m.graph.parameters.get("q.weight")!.shape[0]!;
  assert.equal(m.graph.symbols?.get(size), "hidden_size");
});

test("17: keyword arguments passed through three constructors", () => {
  const source = `
class A(nn.Module):
    def __init__(self, d, bias=True):
        super().__init__()
        self.fc = nn.Linear(d, d, bias=bias)
    def forward(self, x):
        return self.fc(x)

class B(nn.Module):
    def __init__(self, d, **kwargs):
        super().__init__()
        self.a = A(d, **kwargs)
    def forward(self, x):
        return self.a(x)

class C(nn.Module):
    def __init__(self, **kwargs):
        super().__init__()
        self.b = B(5, **kwargs)
    def forward(self, x):
        return self.b(x)

def make():
    return C(bias=False)
`;
  assert.deepEqual(
    [
      ...project({ "m.py": `import torch\nfrom torch import nn\n${source}` })
        .analyseNamed("m.py", "make")
        .graph.parameters.keys(),
    ],
    ["b.a.fc.weight"],
  );
});

test("18: a registry filled by decorators, and building by name", () => {
  const source = `
REGISTRY = {}

def register(name):
    def wrap(cls):
        REGISTRY[name] = cls
        return cls
    return wrap

@register("wide")
class Wide(nn.Module):
    def __init__(self, d=4):
        super().__init__()
        self.fc = nn.Linear(d, 9)
    def forward(self, x):
        return self.fc(x)

class Net(nn.Module):
    def __init__(self, kind="wide"):
        super().__init__()
        self.body = REGISTRY[kind]()
    def forward(self, x):
        return self.body(x)
`;
  assert.deepEqual(model(source, "Net").graph.parameters.get("body.fc.weight")?.shape, [9, 4]);
});

test("19: a dictionary from string to class, and an unknown key", () => {
  const source = `
class Net(nn.Module):
    def __init__(self, act="nonsense"):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.act = {"relu": nn.ReLU(), "gelu": nn.GELU()}[act]
    def forward(self, x):
        return self.act(self.fc(x))
`;
  const file = analyse(source);
  const found = file.models[0];
  assert.ok(file.problems.some((p) => /Net is not analysed: KeyError/.test(p.message)) || (found?.opaque.length ?? 0) > 0);
});

test("20: getattr with a formatted name in a loop", () => {
  const m = model(
    `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(3):
            setattr(self, f"stage{i}", nn.Linear(4, 4))
        self.add_module("head", nn.Linear(4, 2))

    def forward(self, x):
        for i in range(3):
            x = getattr(self, f"stage{i}")(x)
        return self.head(x)
`,
    "Net",
  );
  assert.deepEqual(
    [...m.graph.parameters.keys()].filter((n) => n.endsWith("weight")),
    ["stage0.weight", "stage1.weight", "stage2.weight", "head.weight"],
  );
});

/** @file Cases 21 to 40 of the survey: what forward does, training facts, and broken files. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { analyse, model, operatorsOf, prepare, project } from "../testing/project.fixture";

before(prepare);

const net = (init: string, forward: string, params = ""): string => `
class Net(nn.Module):
    def __init__(self${params}):
        super().__init__()
${init.replace(/^/gm, "        ")}

    def forward(self, x):
${forward.replace(/^/gm, "        ")}
`;

const shapeOf = (m: ReturnType<typeof model>, i = 0): readonly number[] | undefined =>
  m.graph.types.get(m.graph.outputs[i]!)?.shape;

test("21: unpack a shape, split heads, transpose, merge", () => {
  const m = model(
    net(
      "self.q = nn.Linear(8, 8)\nself.h = 2",
      "b, t, d = x.shape\ny = self.q(x).view(b, t, self.h, d // self.h).transpose(1, 2)\nreturn y.transpose(1, 2).reshape(b, t, d)",
    ),
    "Net",
  );
  assert.deepEqual(shapeOf(m), [4, 5, 8]);
  assert.deepEqual(m.opaque, []);
});

test("21b: a starred shape in a list without brackets", () => {
  const m = model(
    net(
      "self.q = nn.Linear(8, 8)\nself.h = 2",
      "b, n, _, h = *x.shape, self.h\nsizes = *x.size()[:1], *self.q(x).shape[1:]\nreturn self.q(x).view(b, n, h, -1).reshape(sizes)",
    ),
    "Net",
  );
  assert.deepEqual(shapeOf(m)?.slice(1), [5, 8]);
  assert.deepEqual(m.opaque, []);
});

test("requires_grad_ freezes one parameter", () => {
  const m = model(
    net(
      "self.q, self.r = nn.Linear(8, 8), nn.Linear(8, 8)\nfor p in self.q.parameters():\n    p.requires_grad_(False)",
      "return self.r(self.q(x))",
    ),
    "Net",
  );
  const trained = [...m.graph.parameters.values()].filter((p) => p.trainable).map((p) => p.name);
  assert.deepEqual(trained, ["r.weight", "r.bias"]);
});

test("22: reshape with -1, and an assertion on divisibility", () => {
  const m = model(
    net(
      "assert dim % heads == 0\nself.heads = heads\nself.fc = nn.Linear(dim, dim)",
      "b, t, d = x.shape\nreturn self.fc(x).reshape(b, t, self.heads, -1)",
      ", dim, heads",
    ),
    "Net",
  );
  const shape = shapeOf(m)!;
  assert.equal(shape.length, 4);
  assert.equal(shape[2]! * shape[3]!, m.graph.parameters.get("fc.weight")!.shape[0]);
});

test("23: b, *_, d = x.shape and x.shape[:-1] + (h, d)", () => {
  const m = model(
    net(
      "self.fc = nn.Linear(6, 6)",
      "b, *_, d = x.shape\ny = self.fc(x)\nreturn y.view(*y.shape[:-1], 2, d // 2).view(y.shape[:-1] + (d,))",
    ),
    "Net",
  );
  assert.deepEqual(m.opaque, []);
  assert.deepEqual(shapeOf(m), [4, 6]);
});

test("24: ellipsis, newaxis, negative step, and indexing by a mask", () => {
  const m = model(
    net("self.fc = nn.Linear(6, 6)", "y = self.fc(x)\nz = y[..., None, ::2]\nreturn z[..., 0, :], torch.flip(y, dims=[-1])"),
    "Net",
  );
  assert.deepEqual(m.opaque, []);
  assert.deepEqual(shapeOf(m, 0), [4, 3]);
  const masked = model(net("self.fc = nn.Linear(6, 6)", "y = self.fc(x)\nreturn y[y > 0]"), "Net");
  assert.equal(masked.opaque.length, 1);
  assert.ok(masked.graph.nodes.some((n) => n.domain === "python"));
});

test("25: a masked store, and in-place operators through a view", () => {
  const m = model(net("self.fc = nn.Linear(6, 6)", "y = self.fc(x)\ny[y < 0] = 0\nv = y[:, :3]\nv *= 2\nreturn y"), "Net");
  assert.deepEqual(m.opaque, []);
  assert.deepEqual(operatorsOf(m.graph), ["Gemm", "Less", "Where", "Slice", "Mul", "Slice", "Concat"]);
});

test("26: einops: split, merge, repeat, pack and unpack", () => {
  const source = `
from einops import rearrange, repeat, pack, unpack
from einops.layers.torch import Rearrange

class Net(nn.Module):
    def __init__(self, dim=8, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, dim * 3, bias=False)
        self.token = nn.Parameter(torch.randn(dim))
        self.merge = Rearrange("b h n d -> b n (h d)")

    def forward(self, x):
        b = x.shape[0]
        token = repeat(self.token, "d -> b d", b=b)
        x, ps = pack([token, x], "b * d")
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = map(lambda t: rearrange(t, "b n (h d) -> b h n d", h=self.heads), (q, k, v))
        a = (q @ k.transpose(-1, -2)).softmax(dim=-1)
        out = self.merge(a @ v)
        cls, rest = unpack(out, ps, "b * d")
        return cls
`;
  const m = model(source, "Net");
  assert.deepEqual(m.opaque, []);
  assert.deepEqual(shapeOf(m), [4, 8]);
});

test("27: einsum attention with an additive position bias", () => {
  const m = model(
    net(
      "self.q = nn.Linear(8, 8)\nself.k = nn.Linear(8, 8)\nself.bias = nn.Parameter(torch.zeros(2, 5, 5))",
      "q = self.q(x).reshape(4, 5, 2, 4)\nk = self.k(x).reshape(4, 5, 2, 4)\ns = torch.einsum('bihd,bjhd->bhij', q, k) + self.bias\nreturn s.softmax(-1)",
    ),
    "Net",
    { inputs: [{ shape: [4, 5, 8] }] },
  );
  assert.deepEqual(m.opaque, []);
  assert.ok(operatorsOf(m.graph).includes("Einsum"));
});

test("28: fused query, key and value by chunk, split, unbind and view", () => {
  const cut = (code: string): string =>
    net("self.qkv = nn.Linear(8, 24)", `b, t, c = x.shape\ny = self.qkv(x)\n${code}\nreturn q * k + v`);
  for (const code of [
    "q, k, v = y.chunk(3, dim=-1)",
    "q, k, v = y.split([8, 8, 8], dim=-1)",
    "q, k, v = y.reshape(b, t, 3, 8).unbind(2)",
    "y = y.view(b, t, 3, 8).permute(2, 0, 1, 3)\nq, k, v = y[0], y[1], y[2]",
  ]) {
    const m = model(cut(code), "Net");
    assert.deepEqual(m.opaque, [], code);
    assert.deepEqual(shapeOf(m), [4, 5, 8], code);
  }
});

test("29: fused and manual attention behind a flag give the same kinds of operators", () => {
  const source = (flag: string): string =>
    net(
      `self.flash = ${flag}\nself.q = nn.Linear(8, 8)`,
      "q = self.q(x).unsqueeze(1)\nif self.flash and hasattr(F, 'scaled_dot_product_attention'):\n    return F.scaled_dot_product_attention(q, q, q)\ns = (q @ q.transpose(-2, -1)) * (1.0 / math.sqrt(q.size(-1)))\nreturn F.softmax(s, dim=-1) @ q",
    );
  const inputs = [{ shape: [4, 5, 8] }];
  assert.deepEqual(
    operatorsOf(model(source("True"), "Net", { inputs }).graph),
    operatorsOf(model(source("False"), "Net", { inputs }).graph),
  );
});

test("30: a rotary helper in another file, applied to q and k only", () => {
  const p = project({
    "rotary.py":
      "import torch\ndef rotate_half(x):\n    a, b = x.chunk(2, dim=-1)\n    return torch.cat((-b, a), dim=-1)\ndef apply(q, k, base=100.0):\n    t, d = q.shape[-2], q.shape[-1]\n    inv = 1.0 / (base ** (torch.arange(0, d, 2).float() / d))\n    f = torch.outer(torch.arange(t).float(), inv)\n    emb = torch.cat((f, f), dim=-1)\n    return q * emb.cos() + rotate_half(q) * emb.sin(), k * emb.cos() + rotate_half(k) * emb.sin()\n",
    "net.py":
      "from torch import nn\nimport torch\nfrom rotary import apply\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.q = nn.Linear(8, 8)\n        self.k = nn.Linear(8, 8)\n        self.v = nn.Linear(8, 8)\n    def forward(self, x):\n        b, t, d = x.shape\n        q, k = apply(self.q(x), self.k(x))\n        return (q @ k.transpose(1, 2)).softmax(-1) @ self.v(x)\n",
  });
  const [m] = p.analyse("net.py").models;
  assert.deepEqual(m?.opaque, []);
  const table = m!.graph.nodes.find((n) => n.operator === "Mul")!;
  assert.equal(table.origin.range?.file, "net.py");
});

test("31: a mask that is None by default", () => {
  const source = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)

    def forward(self, x, mask=None):
        y = self.fc(x)
        if mask is not None:
            y = y.masked_fill(mask == 0, -1e9)
        return y.softmax(-1)
`;
  const m = model(source, "Net");
  assert.deepEqual(operatorsOf(m.graph), ["Gemm", "Softmax"]);
  const masked = model(source, "Net", { inputs: { x: { shape: [4, 6] }, mask: { shape: [4, 6], type: "bool" } } });
  assert.ok(operatorsOf(masked.graph).includes("Where"));
});

test("32: an early return on a constant, and on a test of the data", () => {
  const constant = model(
    net("self.n = 1\nself.fc = nn.Linear(4, 4)", "if self.n == 1:\n    return self.fc(x)\nreturn x.unknown_method()"),
    "Net",
  );
  assert.deepEqual(operatorsOf(constant.graph), ["Gemm"]);
  const data = model(
    net("self.fc = nn.Linear(4, 4)", "y = self.fc(x)\nif y.sum() > 0:\n    return torch.relu(y)\nreturn torch.tanh(y)"),
    "Net",
  );
  assert.deepEqual(data.opaque, []);
  assert.ok(operatorsOf(data.graph).includes("Where"), "a test on the data joins both sides by Where");
});

test("33: a branch on self.training with noise", () => {
  const source = net(
    "self.fc = nn.Linear(4, 4)",
    "y = self.fc(x)\nif self.training:\n    y = y + torch.randn_like(y) * 0.1\nreturn y",
  );
  assert.ok(operatorsOf(model(source, "Net").graph).includes("RandomNormal"));
  assert.deepEqual(operatorsOf(model(source, "Net", { training: false }).graph), ["Gemm"]);
});

test("34: a guard that raises is passed by, and shapes the input", () => {
  const m = model(
    net("self.fc = nn.Linear(4, 4)", "if x.dim() != 3:\n    raise ValueError('expected three dimensions')\nreturn self.fc(x)"),
    "Net",
  );
  assert.deepEqual(m.opaque, []);
  assert.equal(m.graph.inputs[0]?.shape.length, 3);
});

test("35: a fallback for an import defines another version of a function", () => {
  const source = `
try:
    from fast_kernels import fused_act
except ImportError:
    def fused_act(x):
        return torch.relu(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return fused_act(self.fc(x))
`;
  assert.deepEqual(operatorsOf(model(source, "Net").graph), ["Gemm", "Relu"]);
});

test("36: a buffer that is made lazily in forward", () => {
  const source = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.cached = None

    def table(self, n):
        if self.cached is None or n > self.cached.shape[0]:
            self.cached = torch.arange(n).float().cos()[:, None]
        return self.cached[:n]

    def forward(self, x):
        b, t, d = x.shape
        return self.fc(x) * self.table(t)
`;
  const m = model(source, "Net");
  assert.deepEqual(m.opaque, []);
  assert.deepEqual(operatorsOf(m.graph), ["Transpose", "MatMul", "Add", "Mul"]);
});

test("37: weights tied by attribute and by F.linear with another layer's weight", () => {
  const attribute = model(
    net(
      "self.emb = nn.Embedding(11, 6)\nself.out = nn.Linear(6, 11, bias=False)\nself.out.weight = self.emb.weight",
      "return self.out(self.emb(x))",
    ),
    "Net",
  );
  assert.deepEqual([...attribute.graph.parameters.keys()], ["emb.weight"]);
  const functional = model(net("self.emb = nn.Embedding(11, 6)", "return F.linear(self.emb(x), self.emb.weight)"), "Net");
  assert.deepEqual([...functional.graph.parameters.keys()], ["emb.weight"]);
  assert.equal(functional.graph.inputs[0]?.type, "int64");
});

test("38: a loop over experts with top-k and index add keeps the experts and is understood", () => {
  const source = `
class Moe(nn.Module):
    def __init__(self, d=6, n=3):
        super().__init__()
        self.router = nn.Linear(d, n)
        self.experts = nn.ModuleList([nn.Sequential(nn.Linear(d, 8), nn.GELU(), nn.Linear(8, d)) for _ in range(n)])

    def forward(self, x):
        weights, chosen = self.router(x).softmax(-1).topk(2, dim=-1)
        out = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            rows, slot = torch.where(chosen == i)
            out.index_add_(0, rows, expert(x[rows]) * weights[rows, slot, None])
        return out
`;
  const m = model(source, "Moe");
  assert.deepEqual(m.opaque, []);
  assert.ok(m.graph.parameters.has("experts.2.2.weight"));
  assert.ok(m.graph.parameters.has("router.weight"));
});

test("39: optimiser groups by a filter over ndim, the rate from an argument's default", () => {
  const p = project({
    "net.py":
      "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(4, 3)\n    def forward(self, x):\n        return self.fc(x)\n",
    "train.py": `
import argparse
import torch
from net import Net

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    args = parser.parse_args()
    model = Net()
    decay = [p for n, p in model.named_parameters() if p.ndim >= 2]
    rest = [p for n, p in model.named_parameters() if p.ndim < 2]
    groups = [{"params": decay, "weight_decay": args.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=args.lr)

if __name__ == "__main__":
    main()
`,
  });
  const [optimiser] = p.analyse("train.py").facts.optimisers;
  assert.equal(optimiser?.kind, "AdamW");
  assert.equal(optimiser?.model, "Net");
  assert.equal(optimiser?.wholeModel, true);
  assert.equal(optimiser?.learningRate?.value, 3e-4);
  assert.equal(optimiser?.learningRate?.certainty, "default");
  assert.deepEqual(optimiser?.groups, [
    { parameters: ["fc.weight"], learningRate: 3e-4, weightDecay: 0.05 },
    { parameters: ["fc.bias"], learningRate: 3e-4, weightDecay: 0 },
  ]);
  const about = p.trainingFacts("net.py");
  assert.deepEqual(
    about.map((f) => f.path),
    ["net.py", "train.py"],
  );
});

test("40: a class that does not parse leaves the others; an unknown layer is opaque", () => {
  const file = analyse(`
from somewhere import DeformConv

class Broken(nn.Module):
    def __init__(self:
        self.fc = nn.Linear(4

class Good(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.deform = DeformConv(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.deform(self.fc(x)))
`);
  assert.ok(file.problems.some((p) => /does not parse/.test(p.message)));
  const good = file.models.find((m) => m.name === "Good")!;
  assert.equal(good.opaque.length, 1);
  assert.equal(good.opaque[0]!.operator, "self.deform");
  assert.deepEqual([good.understood, good.calls], [2, 3]);
});

test("Gumbel softmax: noise on the scores, soft or the one best entry", () => {
  const routed = (hard: string) => `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.route = nn.Linear(4, 3)
        self.out = nn.Linear(3, 2)

    def forward(self, x):
        return self.out(F.gumbel_softmax(self.route(x), tau=0.5, hard=${hard}, dim=-1))
`;
  const soft = operatorsOf(model(routed("False"), "Net").graph);
  assert.ok(soft.includes("RandomUniform") && soft.includes("Softmax") && !soft.includes("ArgMax"), soft.join(" "));
  const hard = operatorsOf(model(routed("True"), "Net").graph);
  assert.ok(hard.includes("ArgMax") && hard.includes("OneHot"), hard.join(" "));
});

test("a generator that extends a list sees it grow", () => {
  const wired = (grow: string): unknown =>
    model(
      net(
        "self.w, self.head = nn.ModuleList(nn.Linear(4, 4) for _ in range(3)), nn.Linear(16, 2)",
        `y = [x]\n${grow}\nreturn self.head(torch.cat(y, -1))`,
      ),
      "Net",
    ).graph.nodes.map((n) => [n.operator, n.inputs]);
  const inLoop = wired("for m in self.w:\n    y.append(m(y[-1]))");
  assert.deepEqual(wired("y.extend(m(y[-1]) for m in self.w)"), inLoop);
  assert.deepEqual(wired("y += (m(y[-1]) for m in self.w)"), inLoop);
  // A list is complete before it is appended.
  assert.notDeepEqual(wired("y.extend([m(y[-1]) for m in self.w])"), inLoop);
});

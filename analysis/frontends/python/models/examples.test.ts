/** @file What a file says that its models are called with is what they are analysed on. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { model, prepare } from "../testing/project.fixture";

before(prepare);

const NET = `
class Net(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.a, self.b = nn.Linear(7, width), nn.Linear(width, 2)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)).mean(1))
`;

const inputs = (text: string, name = "Net"): string[] =>
  model(text, name).graph.inputs.map((i) => `${i.name} ${i.type} ${i.shape.join("x")}`);

test("a call in the main guard", () => {
  const found = model(
    `${NET}
if __name__ == "__main__":
    net = Net(6)
    x = torch.randn(2, 9, 7)
    print(net(x).shape)
`,
    "Net",
  );
  assert.deepEqual(
    found.graph.inputs.map((i) => i.shape),
    [[2, 9, 7]],
  );
  assert.deepEqual(found.graph.parameters.get("a.weight")?.shape, [6, 7]);
});

test("a call in a test, whose batch of one becomes a larger one", () => {
  assert.deepEqual(
    inputs(`${NET}
def test_net():
    out = Net()(torch.zeros(1, 9, 7))
    assert out.shape == (1, 2)
`),
    ["x float32 4x9x7"],
  );
});

test("a call in a class of unit tests, with what it sets up", () => {
  const found = model(
    `import unittest
${NET}
class TestNet(unittest.TestCase):
    def setUp(self):
        self.net = Net(width=6)

    def test_output(self):
        out = self.net(torch.randn(2, 9, 7))
        self.assertEqual(out.shape, (2, 2))
`,
    "Net",
  );
  assert.deepEqual(
    found.graph.inputs.map((i) => i.shape),
    [[2, 9, 7]],
  );
  assert.deepEqual(found.graph.parameters.get("a.weight")?.shape, [6, 7]);
});

test("an exporter's example, a summary's size", () => {
  assert.deepEqual(
    inputs(`${NET}
net = Net()
torch.onnx.export(net, (torch.ones(3, 8, 7),), "net.onnx")
`),
    ["x float32 3x8x7"],
  );
  assert.deepEqual(
    inputs(
      `${NET}
from torchinfo import summary
net = Net()
summary(net, input_size=(6, 8, 7), depth=2)
`
        .replace("(6, 8, 7)", "(6, 8, 7)")
        .replace("mean(1)", "mean((1, 2))"),
    ),
    ["x float32 4x6x8x7"],
  );
});

test("attributes and tables; the input that is looked up in a table holds whole numbers", () => {
  assert.deepEqual(inputs(NET.replace("class Net(nn.Module):", "class Net(nn.Module):\n    input_shape = (3, 8, 7)")), [
    "x float32 3x8x7",
  ]);
  assert.deepEqual(inputs(`${NET}\nINPUTS = {"Net": (3, 6, 7), "Other": (3, 4)}`), ["x float32 3x6x7"]);
  const wide = `
class Wide(nn.Module):
    shapes = ((6, 3), (6, 2))

    def __init__(self):
        super().__init__()
        self.a, self.emb = nn.Linear(3, 4), nn.Embedding(9, 4)

    def forward(self, x, which):
        return self.a(x) + self.emb(which + 1).sum(1)
`;
  assert.deepEqual(inputs(wide, "Wide"), ["x float32 6x3", "which int64 6x2"]);
});

test("an example that does not fit is left alone", () => {
  assert.deepEqual(inputs(`${NET}\nINPUTS = {"Net": (3, 6, 8)}`), ["x float32 4x5x7"]);
});

test("a buffer that forward does not write is as fixed as a constant; running statistics are not", () => {
  const text = `
class Features(nn.Module):
    def __init__(self, n=6):
        super().__init__()
        self.a, self.head = nn.Linear(3, 4), nn.Linear(n, 2)
        self.register_buffer("proj", torch.randn(n, 4))
        self.register_buffer("mean", torch.zeros(4).uniform_())

    def forward(self, x):
        x = self.a(x)
        with torch.no_grad():
            self.mean.mul_(0.9).add_(0.1 * x.mean(0))
        return self.head(torch.cos((x - self.mean) @ self.proj.t()))
`;
  const { graph } = model(text, "Features");
  assert.equal(graph.parameters.get("proj")?.trainable, false);
  assert.equal(graph.parameters.get("proj")?.buffer, undefined);
  assert.equal(graph.parameters.get("mean")?.buffer, true);
});

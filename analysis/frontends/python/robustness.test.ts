/** @file Nothing throws: unfinished files, damaged files, everything that Debian ships. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { before, test } from "node:test";
import { prepare, project, randomNumbers, SITE_PACKAGES } from "./testing/project.fixture";

before(prepare);

/** Two hundred lines of the zoo: classes with every kind of layer. */
const LINES = readFileSync("testFixtures/zoo/zoo.py", "utf8").split("\n").slice(0, 200);

test("every line prefix of a model file, and every character prefix of its last class, is analysed", () => {
  const p = project();
  for (let n = 0; n <= LINES.length; n++) {
    p.update("m.py", LINES.slice(0, n).join("\n"));
    p.analyse("m.py");
  }
  const text = LINES.join("\n");
  const tail = text.lastIndexOf("\nclass ");
  for (let n = tail; n <= text.length; n++) {
    p.update("m.py", text.slice(0, n));
    const file = p.analyse("m.py");
    assert.ok(
      file.models.some((m) => m.name === "MlpRelu"),
      "a class before the unfinished one stays",
    );
    assert.ok(file.facts);
  }
});

test("damaged files are analysed: characters removed, doubled and swapped at random", () => {
  const text = readFileSync("testFixtures/python/gpt/model.py", "utf8");
  const random = randomNumbers(11);
  const p = project();
  const at = (): number => Math.floor(((random() + 1) / 2) * text.length);
  for (let round = 0; round < 120; round++) {
    const i = at();
    const j = at();
    const [a, b] = [Math.min(i, j), Math.min(text.length, Math.max(i, j), Math.min(i, j) + 40)];
    const damaged =
      round % 3 === 0
        ? text.slice(0, a) + text.slice(b)
        : round % 3 === 1
          ? text.slice(0, b) + text.slice(a)
          : text.slice(0, a) + [...text.slice(a, b)].reverse().join("") + text.slice(b);
    p.update("m.py", damaged);
    p.analyse("m.py");
  }
});

test("hostile code ends: recursion, endless loops, enormous sizes, deep nesting", () => {
  const net = (init: string, forward: string): string =>
    `import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(4, 4)\n        ${init}\n    def forward(self, x):\n        ${forward}\n`;
  for (const [init, forward] of [
    ["self.n = self.again()", "return x\n    def again(self):\n        return self.again()"],
    ["pass", "while True:\n            x = self.fc(x)\n        return x"],
    ["pass", "while x.sum() > 0:\n            x = self.fc(x)\n        return x"],
    ["self.big = [0] * 10 ** 12", "return self.fc(x)"],
    ["self.table = torch.zeros(10 ** 9, 10 ** 9)", "return self.fc(x) + self.table[:4, :4]"],
    ["pass", "for i in range(10 ** 9):\n            x = self.fc(x)\n        return x"],
    ["pass", `return ${"(".repeat(3000)}x${")".repeat(3000)}`],
    ["pass", `return ${"-".repeat(5000)}self.fc(x)`],
    ["pass", "return self.forward(x)"],
    ["self.me = self", "return self.fc(x)"],
    // Lists of more entries than any memory holds.
    ...[
      "split(4, 1)",
      "chunk(10 ** 12, 1)",
      "chunk(-1, 1)",
      "tensor_split(10 ** 12, 1)",
      "unbind(1)",
      "unfold(1, 10 ** 9, 1)",
    ].map((parts) => ["self.wide = nn.Linear(4, 3 * 10 ** 12)", `return self.fc(self.wide(x).${parts}[0])`] as const),
    ["pass", "return self.fc(x)[range(10 ** 12)]"],
    ["pass", "h = self.fc(x)\n        h[::2] = 0\n        return h"],
    ...["product((1, 2), repeat=10 ** 12)", "product(range(9 ** 9), range(9 ** 9))", "repeat(1, 10 ** 12)"].map(
      (call) => [`import itertools\n        self.rows = list(itertools.${call})`, "return self.fc(x)"] as const,
    ),
    [
      "pass",
      `${"if x is None:\n            pass\n"}${"        elif x is None:\n            pass\n".repeat(20_000)}        return self.fc(x)`,
    ],
    ["import math\n        self.n = math.factorial(10 ** 12)", "return self.fc(x)"],
  ] as const) {
    const p = project({ "m.py": net(init, forward) });
    p.analyse("m.py");
  }
});

test("a network that hands its input back has no output that nothing writes", () => {
  for (const given of ["x", "x if self.training else self.fc(x)", "x, self.fc(x)"]) {
    const text = `from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(4, 4)\n    def forward(self, x):\n        return ${given}\n`;
    const { graph } = project({ "m.py": text }).analyse("m.py").models[0]!;
    const there = new Set([...graph.inputs.map((i) => i.name), ...graph.nodes.flatMap((n) => n.outputs)]);
    assert.ok(
      graph.outputs.every((o) => there.has(o)),
      given,
    );
  }
});

test("all of Debian's torchvision is analysed; its classification models have nothing opaque", {
  skip: !existsSync(`${SITE_PACKAGES}/torchvision/models`),
}, () => {
  const p = project();
  const folder = `${SITE_PACKAGES}/torchvision/models`;
  for (const sub of ["", "/detection", "/segmentation", "/video", "/optical_flow", "/quantization"]) {
    for (const f of readdirSync(folder + sub)) if (f.endsWith(".py")) p.analyse(`${folder}${sub}/${f}`);
  }
  const factories: Readonly<Record<string, readonly string[]>> = {
    alexnet: ["alexnet"],
    resnet: ["resnet18", "resnet50", "resnext50_32x4d"],
    vgg: ["vgg11_bn"],
    densenet: ["densenet121"],
    mobilenetv2: ["mobilenet_v2"],
    mobilenetv3: ["mobilenet_v3_small"],
    googlenet: ["googlenet"],
    inception: ["inception_v3"],
    squeezenet: ["squeezenet1_1"],
    shufflenetv2: ["shufflenet_v2_x1_0"],
    mnasnet: ["mnasnet0_5"],
    efficientnet: ["efficientnet_b0"],
    regnet: ["regnet_y_400mf"],
    convnext: ["convnext_tiny"],
    vision_transformer: ["vit_b_16"],
    swin_transformer: ["swin_t"],
    maxvit: ["maxvit_t"],
  };
  for (const [file, names] of Object.entries(factories)) {
    for (const name of names) {
      const m = p.analyseNamed(`${folder}/${file}.py`, name);
      assert.deepEqual(
        m.opaque.map((o) => `${o.operator}: ${o.reason}`),
        [],
        name,
      );
      assert.ok(
        m.graph.nodes.every((n) => n.domain === ""),
        name,
      );
    }
  }
});

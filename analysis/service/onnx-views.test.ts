import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/read";
import { Loader } from "./models";
import { createAnalysisService } from "./service";
import { matchSource } from "./source-match";

const service = createAnalysisService();
const folder = mkdtempSync(path.join(tmpdir(), "noether-views-"));
after(() => {
  service.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const BATCH_NORM = "testFixtures/zoo/onnx/BatchNormMlp.onnx";

describe("an ONNX file as text", () => {
  it("has findings at their nodes, hovers with links, an outline", async () => {
    const analysis = await service.analyseOnnx(BATCH_NORM);
    const view = await service.onnxText(BATCH_NORM);
    assert.ok(view);
    const lines = view.text.split("\n");
    const finding = analysis.findings.find((f) => f.rule === "bias-before-norm");
    const remark = view.remarks.find((r) => r.rule === "bias-before-norm");
    assert.equal(view.remarks.length, analysis.findings.length);
    assert.equal(remark?.message, finding?.message);
    const { end, line, start } = remark!.place;
    assert.match(lines[line]!.slice(start, end), /^(Gemm|BatchNormalization)$/);
    const hover = view.hovers.find((h) => /interchangeable/.test(h.markdown));
    assert.ok(hover && hover.links.length > 0);
    for (const linked of hover.links) assert.match(lines[linked] ?? "", /=/);
    const relu = view.symbols.find((s) => s.detail === "Relu")!;
    assert.equal(lines[relu.place.line]!.slice(relu.place.start, relu.place.end), "Relu");
    const flow = view.hovers.find((h) => h.place.line === relu.place.line);
    assert.match(flow?.markdown ?? "", /writes `float32\[.*6 channels/s);
  });

  it("is nothing where there is no model", async () => {
    assert.equal(await service.onnxText("testFixtures/none.onnx"), null);
    assert.equal(await service.drawing("testFixtures/none.onnx"), null);
    assert.equal(await service.sourceOf("testFixtures/none.onnx", [folder]), null);
  });
});

describe("an ONNX file as a drawing", () => {
  it("has findings at the boxes of their nodes", async () => {
    await service.analyseOnnx(BATCH_NORM);
    const drawn = await service.drawing(BATCH_NORM);
    const finding = drawn?.findings.find((f) => f.rule === "bias-before-norm");
    assert.match(drawn!.drawing.nodes[finding!.node!]!.title, /^(Gemm|BatchNormalization)$/);
  });
});

describe("the Python class behind an ONNX file", () => {
  const { graph } = readOnnx({ path: BATCH_NORM });

  it("is the one whose weights have the same names and shapes", async () => {
    mkdirSync(path.join(folder, "models"));
    copyFileSync("testFixtures/zoo/zoo.py", path.join(folder, "models", "zoo.py"));
    writeFileSync(path.join(folder, "other.py"), "from torch import nn\nfc1 = fc2 = bn = None\n");
    const match = await matchSource(graph, [folder], new Loader());
    assert.equal(match?.model, "BatchNormMlp");
    assert.equal(match?.file, path.join(folder, "models", "zoo.py"));
    assert.equal(match?.matched, match?.of);
    assert.deepEqual(Object.keys(match!.layers).sort(), ["bn", "fc1", "fc2"]);
  });

  it("tells where modules that hold layers are made, too", async () => {
    const text = [
      "from torch import nn",
      "class Block(nn.Module):",
      "  def __init__(self):",
      "    super().__init__()",
      "    self.fc = nn.Linear(4, 4)",
      "  def forward(self, x):",
      "    return self.fc(x).relu()",
      "class Net(nn.Module):",
      "  def __init__(self):",
      "    super().__init__()",
      "    self.blocks = nn.ModuleList([Block() for _ in range(3)])",
      "  def forward(self, x):",
      "    for block in self.blocks:",
      "      x = block(x)",
      "    return x",
      "",
    ].join("\n");
    const file = path.join(folder, "blocks.py");
    writeFileSync(file, text);
    const loader = new Loader();
    const net = (await loader.loadPython(file, text)).models.find((m) => m.name === "Net")!;
    const match = await matchSource(net.graph, [folder], loader);
    assert.equal(match?.model, "Net");
    const textAt = (scope: string): string | undefined => {
      const { start, end } = match!.layers[scope]!;
      return text.split("\n")[start.line]?.slice(start.column, end.line === start.line ? end.column : undefined);
    };
    assert.equal(textAt("blocks.1"), "Block()");
    assert.match(textAt("blocks")!, /^nn\.ModuleList\(/);
    assert.equal(textAt("blocks.2.fc"), "nn.Linear(4, 4)");
  });

  it("is none where only some names agree", async () => {
    const wrong = path.join(folder, "wrong");
    mkdirSync(wrong);
    const layers = "self.fc1, self.bn, self.fc2 = nn.Linear(9, 9), nn.BatchNorm1d(9), nn.Linear(9, 9)";
    const text = `from torch import nn\nclass Net(nn.Module):\n  def __init__(self):\n    super().__init__()\n    ${layers}\n  def forward(self, x):\n    return self.fc2(self.bn(self.fc1(x)))\n`;
    writeFileSync(path.join(wrong, "net.py"), text);
    assert.equal(await matchSource(graph, [wrong], new Loader()), undefined);
  });
});

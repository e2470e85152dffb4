import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { applyEdits } from "../fixes/apply";
import { rules } from "../rules/registry";
import type { DocumentAnalysis } from "./types";
import { createAnalysisService } from "./service";

const FIXTURES = path.resolve(import.meta.dirname, "../../testFixtures");
/** A network with one bias too many, small enough to count its directions quickly. */
const NET = rules
  .find((r) => r.id === "bias-before-norm")!
  .examples.bad.replace("\nclass Net", "\n# noether: Net(), input=(6, 3, 4, 4)\nclass Net")
  .replaceAll("16", "4")
  .replaceAll("10", "3");

/** The markdown at the first occurrence of a text. */
function hoverAt(analysis: DocumentAnalysis, text: string, wanted: string): string | undefined {
  const before = text.slice(0, text.indexOf(wanted));
  const line = before.split("\n").length - 1;
  const column = before.length - before.lastIndexOf("\n") - 1;
  return analysis.hovers.find((h) => h.range.start.line === line && h.range.start.column === column)?.markdown;
}

describe("the analysis service", () => {
  const service = createAnalysisService();
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), "noether-service-"));
  });
  after(() => {
    service.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it("finds, hovers and sums up a Python text that is not on disk", async () => {
    const found = await service.analysePython("untitled:net.py", NET);
    assert.deepEqual(found.problems, []);
    assert.ok(found.calls && found.calls.all > 2);
    assert.equal(found.calls.understood, found.calls.all);
    assert.equal(found.findings.length, 1);
    assert.equal(found.findings[0]?.fixes.length, 1);
    assert.deepEqual(
      found.models.map((m) => m.name),
      ["Net"],
    );
    assert.match(found.models[0]!.text, /^Net {2}untitled:net\.py:6\n/);
    const hover = hoverAt(found, NET, "nn.Conv2d");
    assert.match(hover ?? "", /\*\*`conv`\*\* · Conv2d, 112 parameters in `Net`/);
    assert.match(hover ?? "", /\*\*4 interchangeable channels\*\* \(out\): `S\(4\)/);
    assert.match(hover ?? "", /Its `bias` has \*\*no effect\*\*: `norm` subtracts the mean again/);
    assert.match(hover ?? "", /Proved by rule/);
    assert.equal(hoverAt(found, NET, "self.conv(x)"), hover, "where the layer is applied the same is said");
    assert.ok((hover ?? "").split("\n").length <= 12);
  });

  it("moves all places with lines that are added or removed above, and leaves earlier answers as they were", async () => {
    const file = path.join(FIXTURES, "python/demo.py");
    const text = readFileSync(file, "utf8");
    const timeless = ({ milliseconds: _, ...rest }: DocumentAnalysis): unknown => rest;
    const fresh = async (now: string): Promise<unknown> => {
      const other = createAnalysisService();
      try {
        return [timeless(await other.analysePython(file, now)), await other.structure(file)];
      } finally {
        other.dispose();
      }
    };
    const answers = [timeless(await service.analysePython(file, text)), await service.structure(file)];
    const kept = structuredClone(answers);
    for (const now of [`# one\n\n${text}`, `"""Five\n\n\nlines.\n"""\n${text}`, text]) {
      const moved = [timeless(await service.analysePython(file, now)), await service.structure(file)];
      assert.deepEqual(moved, await fresh(now));
    }
    assert.deepEqual(answers, kept);
  });

  it("says which changes of training suit a layer and an optimiser, and none elsewhere", async () => {
    const file = path.join(FIXTURES, "fixes/mlp_attributes.py");
    const text = readFileSync(file, "utf8");
    await service.analysePython(file, text);
    const at = (what: string) => {
      const line = text.slice(0, text.indexOf(what)).split("\n").length - 1;
      const column = text.split("\n")[line]!.indexOf(what);
      return service.rewrites(file, { file, start: { line, column }, end: { line, column } });
    };
    const ids = async (what: string) => (await at(what)).map((f) => f.remedy);
    const layer = await ids("nn.Linear(8, width)");
    assert.ok(
      ["input-expansion", "w-asymmetric", "figlu", "dcs-sparse"].every((id) => layer.includes(id)),
      layer.join(),
    );
    assert.deepEqual(await ids("torch.optim.SGD"), ["syre", "syre-diagonal", "syre-parametrization"]);
    assert.deepEqual(await ids("torch.manual_seed"), []);
  });

  it("finds the same without hovers and reports, for while somebody types", async () => {
    const all = await service.analysePython("untitled:net.py", NET);
    const quick = await service.analysePython("untitled:net.py", NET, undefined, "findings");
    assert.deepEqual(quick.findings, all.findings);
    assert.deepEqual(quick.hovers, []);
    assert.deepEqual(
      quick.models.map((m) => [m.name, m.range, m.parameters, m.text]),
      all.models.map((m) => [m.name, m.range, m.parameters, ""]),
    );
  });

  it("follows configuration files, over an editor's settings, and comments", async () => {
    const project = path.join(folder, "configured");
    mkdirSync(project);
    const name = path.join(project, "net.py");
    const severity = async (rulesOfEditor: Readonly<Record<string, string>>, text = NET) => {
      const found = await service.analysePython(name, text, { configuration: "", rules: rulesOfEditor });
      return [found.findings.map((f) => f.severity), found.configuration.mistakes.length] as const;
    };
    const id = "bias-before-norm";
    assert.deepEqual(await severity({ [id]: "hint" }), [["hint"], 0]);
    assert.deepEqual(await severity({ "*": "off" }), [[], 0]);
    writeFileSync(path.join(project, "noether.toml"), `[rules]\n${id} = "error"\nnothing = 1\n`);
    assert.deepEqual(await severity({ [id]: "hint" }), [["error"], 1]);
    const [finding] = (await service.analysePython(name, NET)).findings;
    assert.deepEqual(
      finding?.silence.map((s) => s.title),
      [`Ignore ${id} on this line`, `Ignore ${id} in this file`],
    );
    for (const { edits } of finding.silence) {
      assert.deepEqual((await service.analysePython(name, applyEdits(NET, edits))).findings, []);
    }
  });

  it("certifies what it analysed, and remembers that while other text changes", async () => {
    const name = path.join(folder, "net.py");
    await service.analysePython(name, NET);
    const certified = await service.certify(name);
    assert.deepEqual(certified.problems, []);
    assert.match(hoverAt(certified, NET, "nn.Conv2d") ?? "", /\*Certified\*: .* move the output by at most \d/);
    assert.match(certified.models[0]!.text, /certified in \d+\.\d s: \d+ symmetries applied/);
    const edited = `# a comment\n${NET}`;
    const later = await service.analysePython(name, edited);
    assert.match(hoverAt(later, edited, "nn.Conv2d") ?? "", /\*Certified\*/);
    assert.equal(later.findings[0]?.range?.start.line, certified.findings[0]!.range!.start.line + 1);
    const other = NET.replaceAll("4)", "5)").replaceAll("(4", "(5").replace("3, 4, 3", "3, 5, 3");
    assert.match(hoverAt(await service.analysePython(name, other), other, "nn.Conv2d") ?? "", /Proved by rule/);
  });

  it("sees changes of imported files", async () => {
    const layers = path.join(folder, "layers.py");
    const main = path.join(folder, "main.py");
    const block = (bias: string) => `from torch import nn\n\n\ndef conv(a, b):\n    return nn.Conv2d(a, b, 3${bias})\n`;
    const text = NET.replace("from torch import nn", "from torch import nn\nfrom layers import conv").replace(
      "nn.Conv2d(3, 4, 3, padding=1)",
      "conv(3, 4)",
    );
    writeFileSync(layers, block(", bias=False"));
    assert.equal((await service.analysePython(main, text)).models[0]?.parameters, 3 * 4 * 9 + 8 + 15);
    writeFileSync(layers, `${block("")}\n`);
    assert.equal((await service.analysePython(main, text)).models[0]?.parameters, 3 * 4 * 9 + 4 + 8 + 15);
  });

  it("judges an optimiser by the model of another file that it trains", async () => {
    writeFileSync(
      path.join(folder, "model_two.py"),
      "from torch import nn\n\n\nclass Two(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(8, 3)\n\n    def forward(self, x):\n        return self.fc(x)\n",
    );
    const train =
      "import torch\nfrom model_two import Two\n\nmodel = Two()\nopt = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.01)\n";
    const { findings } = await service.analysePython(path.join(folder, "train_two.py"), train);
    assert.deepEqual(
      findings.map((f) => f.message.split("\n")[0]),
      ["weight decay 0.01 also acts on 1 bias of `Two`"],
    );
  });

  it("answers for ONNX files, and reads them again when they change", async () => {
    const file = path.join(folder, "model.onnx");
    copyFileSync(path.join(FIXTURES, "zoo/onnx/MlpRelu.onnx"), file);
    const first = await service.analyseOnnx(file);
    assert.equal(first.models[0]?.parameters, 139);
    assert.equal((first.models[0]!.json as { name: string }).name, "model");
    copyFileSync(path.join(FIXTURES, "zoo/onnx/SelfAttention.onnx"), file);
    const second = await service.analyseOnnx(file);
    assert.equal(second.findings[0]?.rule, "inert-key-bias");
  });

  it("turns whatever goes wrong into a problem", async () => {
    const broken = path.join(folder, "broken.onnx");
    writeFileSync(broken, "this is no model");
    const onnx = await service.analyseOnnx(broken);
    assert.equal(onnx.models.length, 0);
    assert.match(onnx.problems[0]?.message ?? "", /broken\.onnx.*Expected an ONNX model/);
    assert.match((await service.analyseOnnx(path.join(folder, "none.onnx"))).problems[0]?.message ?? "", /none\.onnx/);
    assert.match((await service.certify("never-seen.py")).problems[0]?.message ?? "", /never-seen\.py has not been analysed/);
    const python = await service.analysePython(
      "bad.py",
      `${NET}\nx = (1 +\nclass Broken(nn.Module):\n    def forward(self, x:\n        return )`,
    );
    assert.equal(python.findings.length, 1, "what still parses is still checked");
    assert.ok(python.problems.length > 0);
  });

  it("answers for every prefix of a model file", async () => {
    const text = readFileSync(path.join(import.meta.dirname, "../../test/fixtures/ws/net.py"), "utf8");
    for (let end = 0; end <= text.length; end += 23) {
      const found = await service.analysePython("prefix.py", text.slice(0, end));
      for (const p of found.problems) assert.doesNotMatch(p.message, /rules failed|hovers failed|the report failed|undefined/);
    }
  });
});

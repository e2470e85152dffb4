import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { checkFile } from "../fixes/check";
import { readOnnx } from "../frontends/onnx/index";
import type { Graph } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import { normalForm } from "../lowering/normal-form";
import { inferShapes } from "../operators/inference";
import { analyse } from "../symmetry/analyse";
import type { CheckedModel, Layer } from "./checked";
import { rules } from "./registry";

const FIXTURES = path.resolve(import.meta.dirname, "../../testFixtures");

function check(file: string) {
  const { graph } = readOnnx({ path: path.join(FIXTURES, file) });
  return checkFile({
    file,
    language: "onnx",
    models: [
      { name: "m", graph, normal: () => normalForm(graph).graph, analysis: () => analyse(graph, { numeric: false }), layers: [] },
    ],
  });
}

describe("findings in ONNX files", () => {
  it("name the node, the norm and the number of parameters", () => {
    const findings = check("models/vgg11_bn.onnx");
    assert.equal(findings.length, 8);
    const [first] = findings;
    assert.equal(first?.rule, "bias-before-norm");
    assert.equal(first?.severity, "warning");
    assert.equal(first?.message, "`features.0.bias` has no effect: `features.1` subtracts its mean (64 parameters)");
    assert.match(first?.node ?? "", /Conv/);
    assert.equal(first?.symmetry, "R^64 on features.0.bias");
    assert.deepEqual(first?.fixes, []);
  });

  it("tell key biases from others", () => {
    const [finding, ...more] = check("zoo/onnx/SelfAttention.onnx").filter((f) => f.severity !== "hint");
    assert.equal(more.length, 0);
    assert.equal(finding?.rule, "inert-key-bias");
    assert.equal(finding?.severity, "info");
    assert.match(finding?.message ?? "", /`k\.bias` has no effect: softmax cancels/);
  });

  it("tell exports for inference from those for training", () => {
    const [folded, ...more] = check("exports/folded.onnx");
    assert.equal(more.length, 0);
    assert.equal(folded?.rule, "batch-norm-folded");
    assert.match(folded?.message ?? "", /^batch norms are folded into 2 convolutions/);
    assert.deepEqual(
      check("exports/unfolded.onnx").map((f) => f.rule),
      ["bias-before-norm"],
    );
  });

  it("are absent where nothing can be left out: fused projections, shifts of norms, clean networks", () => {
    const clean = ["models/vit_b_16.onnx", "models/mobilenet_v2.onnx", "models/resnet18.onnx", "models/convnext_tiny.onnx"];
    for (const file of [...clean, "zoo/onnx/GroupNormNet.onnx", "zoo/onnx/RotaryAttention.onnx"])
      assert.deepEqual(check(file), [], file);
  });
});

/** A range on one line. */
const at = (line: number, column: number, end: number): SourceRange => ({
  file: "net.py",
  start: { line, column },
  end: { line, column: end },
});

/** Conv, then batch norm, with a dropout or a second reader on demand; and its two layers. */
function model(name: string, scope: string, options: { dropout?: boolean; skip?: boolean } = {}): CheckedModel {
  const prefix = scope === "" ? "" : `${scope}.`;
  const parameter = (p: string, shape: number[], trainable = true) =>
    [
      prefix + p,
      { name: prefix + p, type: "float32" as const, shape, trainable, origin: { scope: (prefix + p).replace(/\.[^.]*$/, "") } },
    ] as const;
  const node = (operator: string, inputs: string[], output: string, attributes = {}, inScope = "") => ({
    name: output,
    operator,
    domain: "",
    inputs,
    outputs: [output],
    attributes,
    origin: { scope: inScope },
  });
  const conv = options.dropout ? "d" : "c";
  const graph: Graph = inferShapes({
    name,
    opset: 21,
    inputs: [{ name: "x", type: "float32", shape: [4, 2, 6, 6] }],
    outputs: options.skip ? ["n", "c"] : ["n"],
    nodes: [
      node("Conv", ["x", `${prefix}conv.weight`, `${prefix}conv.bias`], "c", {}, `${prefix}conv`),
      ...(options.dropout ? [node("Dropout", ["c"], "d")] : []),
      node(
        "BatchNormalization",
        [conv, ...["weight", "bias", "mean", "var"].map((p) => `${prefix}bn.${p}`)],
        "n",
        { training_mode: 1 },
        `${prefix}bn`,
      ),
    ],
    parameters: new Map([
      parameter("conv.weight", [6, 2, 3, 3]),
      parameter("conv.bias", [6]),
      parameter("bn.weight", [6]),
      parameter("bn.bias", [6]),
      parameter("bn.mean", [6], false),
      parameter("bn.var", [6], false),
    ]),
    constants: new Map(),
    types: new Map(),
  }).graph;
  const call = at(3, 20, 40);
  const layers: Layer[] = [
    {
      scope: `${prefix}conv`,
      constructor: call,
      uses: [at(7, 30, 42)],
      kind: "Conv2d",
      parameters: [`${prefix}conv.weight`, `${prefix}conv.bias`],
      bias: { form: "default", call },
    },
    {
      scope: `${prefix}bn`,
      constructor: at(4, 18, 35),
      uses: [at(7, 22, 43)],
      kind: "BatchNorm2d",
      parameters: [`${prefix}bn.weight`, `${prefix}bn.bias`],
    },
  ];
  return { name, graph, normal: () => normalForm(graph).graph, analysis: () => analyse(graph, { numeric: false }), layers };
}

const TEXT = "\n\n\n        self.conv = nn.Conv2d(2, 6, (3))\n        self.bn = nn.BatchNorm2d(6)\n";

describe("findings in Python", () => {
  const find = (...models: CheckedModel[]) => checkFile({ file: "net.py", language: "python", text: TEXT, models });

  it("stand at the call, once for all models, with related places and an exact fix", () => {
    const [finding, ...more] = find(model("Net", "a.0"), model("Conv", ""));
    assert.equal(more.length, 0);
    assert.ok(finding);
    assert.equal(finding.message, "bias of `conv` has no effect: `bn` subtracts its mean (6 parameters)");
    assert.deepEqual(finding.range, at(3, 20, 40));
    assert.deepEqual(
      finding.related.map((r) => r.label),
      ["`conv` is applied here", "`bn` is made here"],
    );
    assert.equal(finding.fixes.length, 1);
    assert.deepEqual(finding.fixes[0]?.edits, [{ range: at(3, 39, 39), newText: ", bias=False" }]);
  });

  it("offer no fix where another instance needs its bias", () => {
    const [finding] = find(model("Net", "a"), model("Net", "b", { skip: true }));
    assert.equal(finding?.severity, "hint");
    assert.equal(finding?.fixes.length, 0);
    assert.match(finding?.message ?? "", /\nIt has an effect in `b\.conv`, which the same call makes\.\nNo fix: other layers/);
  });

  it("are absent where dropout between bias and norm makes the bias visible", () => {
    assert.deepEqual(find(model("Net", "a", { dropout: true })), []);
  });

  it("are for the file at hand only", () => {
    const { layers, ...rest } = model("Net", "a");
    const elsewhere = layers.map((l) => ({ ...l, constructor: { ...l.constructor, file: "other.py" } }));
    assert.deepEqual(find({ ...rest, layers: elsewhere }), []);
  });
});

describe("registry", () => {
  it("has stable ids, and documentation and examples for each rule", () => {
    assert.equal(new Set(rules.map((r) => r.id)).size, rules.length);
    for (const r of rules) {
      assert.match(r.id, /^[a-z]+(-[a-z]+)*$/);
      const { what, why, whenNot, references } = r.documentation;
      for (const text of [what, why, whenNot]) assert.ok(text.length > 40 && /[.]$/.test(text), r.id);
      assert.ok(references.length > 0);
      assert.notEqual(r.examples.bad, r.examples.fixed);
    }
  });
});

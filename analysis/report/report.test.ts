import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { Ajv } from "ajv";
import { certifyTwin } from "../certification/twin";
import { readOnnx } from "../frontends/onnx/index";
import type { Finding } from "../rules/finding";
import { analyse } from "../symmetry/analyse";
import { axisLabels } from "./axes";
import { dot, mermaid } from "./diagram";
import { findingJson, findingsText } from "./findings";
import { modelJson, type ReportedModel, symmetriesJson } from "./json";
import findingsSchema from "./schema/findings.schema.json";
import symmetriesSchema from "./schema/symmetries.schema.json";
import { COLOURED, PLAIN, styleFor } from "./style";
import { modelText } from "./text";
import { fitted, merge, runs, shortAddresses, shortScope } from "./words";

const FIXTURES = path.resolve(import.meta.dirname, "../../testFixtures");
const ajv = new Ajv({ allErrors: true });

function model(file: string): ReportedModel {
  const { graph, notes } = readOnnx({ path: path.join(FIXTURES, file) });
  const name = path.basename(file, ".onnx");
  return { name, file, analysis: analyse(graph, { numeric: false }), notes };
}

const finding: Finding = {
  rule: "bias-before-norm",
  severity: "warning",
  message: "bias of `conv1` has no effect: `bn1` subtracts its mean (64 parameters)\nInstances: a, b",
  file: "net.py",
  range: { file: "net.py", start: { line: 9, column: 21 }, end: { line: 9, column: 55 } },
  related: [
    { label: "`bn1` is made here", range: { file: "net.py", start: { line: 10, column: 4 }, end: { line: 10, column: 9 } } },
  ],
  symmetry: "R^64",
  fixes: [
    {
      title: "Add bias=False",
      exact: true,
      edits: [
        { range: { file: "net.py", start: { line: 9, column: 54 }, end: { line: 9, column: 54 } }, newText: ", bias=False" },
      ],
    },
  ],
};

describe("public JSON", () => {
  const valid = ajv.compile(symmetriesSchema);

  it("of a model that was certified on its twin fits its schema, with the totals of the whole model", async () => {
    const large = model("models/alexnet.onnx");
    const twin = await certifyTwin(large.analysis);
    if (typeof twin === "string") assert.fail(twin);
    const { explained, measured } = twin;
    const certificate = {
      status: "failed",
      maxRelativeDeviation: 3e-7,
      failed: [large.analysis.symmetries[0]!.id],
      randomWeights: true,
      dimensions: { explained, measured, on: "twin" },
      twin: { ...twin, leftOut: ["R (linear) on features.0.weight"] },
    } as const;
    const json = symmetriesJson([{ ...large, certificate }]);
    assert.ok(valid(json), ajv.errorsText(valid.errors));
    const [only] = json.models;
    assert.deepEqual([twin.leftOut, only!.certificate.twin!.leftOut], [[], ["R (linear) on features.0.weight"]]);
    assert.match(
      modelText({ ...large, certificate }),
      /\n {2}not counted: R \(linear\) on features\.0\.weight, solved for on the copy: a finite element moves its outputs\n/,
    );
    assert.deepEqual([only!.counted, only!.atLeast], ["twin", undefined]);
    assert.equal(
      only!.continuous.total,
      9344,
      "64 + 192 + 384 + 256 + 256 filters and 2 x 4096 units trade scales with what follows",
    );
    assert.match(only!.certificate.withdrawn?.[0] ?? "", /^S\(\d+\) \(permutation\) on features/);
  });

  it("of every zoo model and of torchvision models fits its schema", () => {
    const zoo = readdirSync(path.join(FIXTURES, "zoo/onnx")).map((f) => model(`zoo/onnx/${f}`));
    const json: unknown = JSON.parse(JSON.stringify(symmetriesJson([...zoo, model("models/vit_b_16.onnx")])));
    assert.ok(valid(json), ajv.errorsText(valid.errors));
  });

  it("has the documented keys and addresses", () => {
    const json = modelJson({
      ...model("zoo/onnx/DenseConcat.onnx"),
      certificate: { status: "certified", maxRelativeDeviation: 1e-7, failed: [], randomWeights: false },
    });
    assert.equal(json.parameters, 79);
    assert.deepEqual(Object.keys(json.continuous), [
      "total",
      "translation",
      "scale",
      "rescaling",
      "rotation",
      "linear",
      "unread",
    ]);
    const [a, b] = json.spaces;
    assert.deepEqual([a?.size, b?.size], [5, 4]);
    assert.deepEqual(new Set(a?.acts), new Set(["a.weight/0", "a.bias/0", "b.weight/1", "c.weight/1[0:5]"]));
    assert.deepEqual(json.certificate, { status: "certified", maxRelativeDeviation: 1e-7, randomWeights: false });
  });

  it("says that nothing was certified when nothing was", () => {
    const { certificate } = modelJson(model("zoo/onnx/MlpRelu.onnx"));
    assert.equal(certificate.status, "skipped");
    assert.equal(certificate.maxRelativeDeviation, 0);
  });

  it("of findings fits its schema and counts from 1", () => {
    const check = ajv.compile(findingsSchema);
    const { range: _, ...placeless } = finding;
    const json: unknown = JSON.parse(
      JSON.stringify([findingJson(finding), findingJson({ ...placeless, node: "/bn/Sub", fixes: [] })]),
    );
    assert.ok(check(json), ajv.errorsText(check.errors));
    const { line, column, endLine, endColumn } = findingJson(finding);
    assert.deepEqual([line, column, endLine, endColumn], [10, 22, 10, 56]);
  });

  it("schemas refuse what the format does not have", () => {
    const good = JSON.parse(JSON.stringify(symmetriesJson([model("zoo/onnx/MlpRelu.onnx")]))) as Record<string, unknown>;
    assert.ok(!valid({ ...good, schema: 2 }));
    const [first] = good["models"] as Record<string, unknown>[];
    assert.ok(!valid({ ...good, models: [{ ...first, parameters: "139" }] }));
    assert.ok(!valid({ ...good, models: [{ ...first, spaces: [{ size: 8, group: "S(8)", acts: ["fc1.weight"] }] }] }));
  });
});

describe("text", () => {
  it("puts a space on a line, with its places in short", () => {
    const text = modelText(model("zoo/onnx/ConvFlatten.onnx"));
    assert.match(text, /^ConvFlatten {2}zoo\/onnx\/ConvFlatten\.onnx\n {2}226 trained parameters, .*3 directions/);
    assert.match(text, /\n {2}3 {2}S\(3\) with R\+\^3 +conv\.\{weight,bias\}\/0, fc\.weight\/1=\(3,16\):0\n/);
  });

  it("puts repeated layers on one line and stays within its width", () => {
    const text = modelText(model("models/vit_b_16.onnx"), { width: 120 });
    assert.match(text, /12 × 3,072 {2}S\(3072\)/);
    assert.match(text, /encoder_layer_\{0-11\}/);
    const spaces = text.split("\n").filter((l) => /^ +[\d ×,]+ {2}S\(/.test(l));
    assert.equal(spaces.length, 5);
  });

  it("cuts long lists and says so", () => {
    const text = modelText(model("models/densenet121.onnx"), { rows: 5 });
    assert.match(text, /and \d+ spaces more; --all lists them/);
  });

  it("says what certification found", () => {
    const of = (certificate: ReportedModel["certificate"]) =>
      modelText({ ...model("zoo/onnx/MlpRelu.onnx"), ...(certificate ? { certificate } : {}) });
    assert.match(of(undefined), /proved by rule; --certify/);
    const base = { maxRelativeDeviation: 3.14e-7, failed: [], randomWeights: true } as const;
    assert.match(
      of({ ...base, status: "certified" }),
      /certified: .* move by at most 3\.1e-7 \(ONNX Runtime, float32, random weights\)/,
    );
    assert.match(
      of({ ...base, status: "failed", failed: ["rescaling:0"], reason: "R+ changes the output" }),
      /not certified: R\+ changes the output\n {2}withdrawn: R\+ \(rescaling\) on fc\d\.weight, .*\n {2}this is a defect/,
    );
    assert.match(of({ ...base, status: "skipped", reason: "no runtime" }), /not certified: no runtime/);
    const counted = of({
      ...base,
      status: "certified",
      dimensions: { explained: 16, measured: 18, on: "model", moving: ["fc1.weight", "fc2.bias"] },
    });
    assert.match(
      counted,
      /incomplete: 16 of 18 directions explained\n {2}not explained: directions that move fc1.weight, fc2.bias/,
    );
  });

  it("is coloured on a terminal only, and not under NO_COLOR", () => {
    assert.equal(styleFor({ isTTY: true }, {}), COLOURED);
    assert.equal(styleFor({ isTTY: true }, { NO_COLOR: "1" }), PLAIN);
    assert.equal(styleFor({}, {}), PLAIN);
    assert.ok(!modelText(model("zoo/onnx/MlpRelu.onnx")).includes("\u001b"));
  });

  it("of findings names file, line, rule and remedy, and sums up", () => {
    const text = findingsText([finding], { files: 1, models: 2 });
    assert.match(text, /^net\.py:10:22: warning: bias of `conv1` has no effect: .* \[bias-before-norm\]\n/);
    assert.match(text, /fix: Add bias=False \(the function stays the same\)/);
    assert.match(text, /1 warning; all fixable by --fix; 2 models in 1 file checked$/);
    assert.equal(findingsText([], { files: 3, models: 4 }), "no findings; 4 models in 3 files checked");
    assert.match(findingsText([], { files: 1, models: 1, hidden: 2 }), /^no errors; 2 other findings; 1 model in 1 file/);
    assert.match(findingsText([], { files: 3, models: 4, skipped: 2 }), /checked, 2 not understood \(--verbose says what\)$/);
  });
});

describe("diagrams", () => {
  let resnet: ReportedModel;
  before(() => {
    resnet = model("models/resnet18.onnx");
  });

  it("have a node per space and edges that end in nodes", () => {
    for (const text of [mermaid([resnet]), mermaid([resnet, model("zoo/onnx/MlpRelu.onnx")])]) {
      const nodes = new Set([...text.matchAll(/^ +(m\d\w+)[[(]/gm)].map((m) => m[1]));
      assert.ok(nodes.size >= 12);
      for (const [, from, to] of text.matchAll(/^ +(m\d\w+) ---.*\| (m\d\w+)$/gm)) {
        assert.ok(nodes.has(from) && nodes.has(to), `${from} --- ${to}`);
      }
      for (const [, kind] of text.matchAll(/:::(\w+)/g)) assert.ok(text.includes(`classDef ${kind} `), kind);
    }
    const dotted = dot([resnet]);
    assert.equal((dotted.match(/fillcolor/g) ?? []).length, 13);
    assert.equal(dotted.split("{").length, dotted.split("}").length);
    assert.match(dotted, /m0s0 -- m0s1 \[label="layer1\.\{0,1\}|m0s\d -- m0s\d/);
  });

  it("tie branches that may change places to the spaces inside them", () => {
    const experts = model("architectures/onnx/SoftExperts.onnx");
    const [swap, ...others] = [...mermaid([experts]).matchAll(/(m0swap\d)\{\{"may change places<br>(.*)"\}\}:::swap/g)];
    assert.deepEqual(others, []);
    assert.match(swap![2]!, /experts\.\{0-\d\}/);
    const inside = experts.analysis.spaces.flatMap((s, k) =>
      s.acts.every((a) => a.parameter.startsWith("experts.")) ? [`m0s${k}`] : [],
    );
    const tied = [...mermaid([experts]).matchAll(/m0swap0 -\.- (m0\w+)/g)].map((m) => m[1]);
    assert.ok(tied.length > 1);
    assert.deepEqual(tied, inside);
    assert.equal((dot([experts]).match(/style=dashed/g) ?? []).length, tied.length);
    assert.match(dot([experts]), /shape=hexagon/);
    // Branches of one weight each have no space inside.
    assert.match(mermaid([model("zoo/onnx/BilinearGate.onnx")]), /m0swap0 -\.- m0(s\d|fixed)/);
  });

  it("escape what would end a label", () => {
    const named = { name: 'a"b]', analysis: resnet.analysis };
    assert.ok(!mermaid([named, named]).includes('a"b'));
    assert.ok(dot([named]).includes('a\\"b'));
  });
});

describe("axis labels", () => {
  it("are one integer per axis, equal where axes are one space", () => {
    const { axes, sizes } = axisLabels("MlpRelu", model("zoo/onnx/MlpRelu.onnx").analysis);
    assert.deepEqual(sizes, [8, 8]);
    assert.deepEqual(axes["fc1.weight"], [0, -1]);
    assert.deepEqual(axes["fc1.bias"], [0]);
    assert.deepEqual(axes["fc2.weight"], [1, 0]);
    assert.deepEqual(axes["fc3.weight"], [-1, 1]);
    assert.deepEqual(axes["fc3.bias"], [-1]);
  });

  it("are told of single slices where a tensor holds several weights", () => {
    const { axes } = axisLabels("LayerStack", model("architectures/onnx/LayerStack.onnx").analysis);
    assert.deepEqual([axes["w"], axes["w[0]"], axes["w[1]"], axes["b[1]"]], [[-1, -1, -1], [-1, 0], [0, 1], [1]]);
  });

  it("are tuples for products and segments for concatenations", () => {
    const flat = axisLabels("ConvFlatten", model("zoo/onnx/ConvFlatten.onnx").analysis);
    assert.deepEqual(flat.axes["fc.weight"], [-1, [0, -1]]);
    const dense = axisLabels("DenseConcat", model("zoo/onnx/DenseConcat.onnx").analysis);
    assert.deepEqual(dense.axes["c.weight"], [
      -1,
      [
        { start: 0, end: 5, label: 0 },
        { start: 5, end: 9, label: 1 },
      ],
    ]);
    const attention = axisLabels("SelfAttention", model("zoo/onnx/SelfAttention.onnx").analysis);
    const [outer, inner] = attention.axes["q.weight"]![0] as number[];
    assert.deepEqual([attention.sizes[outer!], attention.sizes[inner!]], [2, 3]);
  });
});

describe("exported exchanges", () => {
  it("say what changes places and of which space's units", () => {
    const { exchanges, spaces } = modelJson(model("architectures/onnx/ConcatenatedRelu.onnx"));
    assert.deepEqual(
      exchanges.map((e) => [e.group, [...e.parameters].sort(), e.spaces.map((i) => spaces[i]!.size)]),
      [["S(2)^3", ["a.bias", "a.weight", "b.weight"], [3]]],
    );
  });

  it("are listed slot by slot for programs: one unit's, where units may be permuted, and what changes its sign beside a swap", () => {
    const slotsOf = (name: string) =>
      axisLabels(name, model(`architectures/onnx/${name}.onnx`).analysis).exchanges.map(({ group, generators }) => [
        group,
        ...generators.map((g) =>
          g
            .map(
              ({ parameter: p, axes, index, from, sign }) =>
                `${p}/${axes.join()}:${index} = ${sign} ${from.parameter}:${from.index}`,
            )
            .sort(),
        ),
      ]);
    assert.deepEqual(slotsOf("ConcatenatedRelu"), [
      [
        "S(2)^3",
        [
          "a.bias/0:0 = -1 a.bias:0",
          "a.weight/0:0 = -1 a.weight:0",
          "b.weight/1:0 = 1 b.weight:3",
          "b.weight/1:3 = 1 b.weight:0",
        ],
      ],
    ]);
    assert.deepEqual(slotsOf("ScalarGate"), [
      [
        "S(2)",
        [
          "a.bias/:0 = 1 b.bias:0",
          "a.weight/:0 = 1 b.weight:0",
          "b.bias/:0 = 1 a.bias:0",
          "b.weight/:0 = 1 a.weight:0",
          "gate/:0 = -1 gate:0",
        ],
      ],
    ]);
    assert.deepEqual(slotsOf("SoftExperts"), []);
  });
});

describe("exported swaps", () => {
  it("say which parameters change places, and which rows of a router", () => {
    const { swaps } = axisLabels("TwinBranches", model("zoo/onnx/TwinBranches.onnx").analysis);
    assert.deepEqual(
      swaps.map((s) => s.branches),
      [["branches.0", "branches.1"]],
    );
    assert.deepEqual(
      swaps[0]!.parameters
        .map((p) => p.join(" "))
        .sort()
        .at(-1),
      "branches.0.2.weight branches.1.2.weight",
    );
    const routed = axisLabels("SoftExperts", model("architectures/onnx/SoftExperts.onnx").analysis).swaps;
    assert.ok(routed.length > 0);
    for (const s of routed) assert.ok(s.entries.every((e) => e.axis === 0 && e.positions[0].length === e.positions[1].length));
    assert.ok(routed.every((s) => s.entries.length > 0));
  });
});

describe("words", () => {
  it("join names that differ in numbers", () => {
    assert.equal(merge(["layer1.0.conv", "layer1.1.conv", "layer2.0.conv"]), "layer{1,2}.{0,1}.conv");
    assert.equal(merge(["h.0.a", "h.1.a", "h.2.a", "h.3.a"]), "h.{0-3}.a");
    assert.equal(merge(["a", "b"]), "a, b");
    assert.equal(runs([3, 1, 2, 7, 9, 8]), "1-3,7-9");
  });

  it("join parameters of a module", () => {
    const at = (parameter: string, axis: number) => ({ parameter, axis });
    assert.deepEqual(shortAddresses([[at("fc1.weight", 0), at("fc1.bias", 0), at("fc2.weight", 1)]]), [
      "fc1.{weight,bias}/0",
      "fc2.weight/1",
    ]);
    assert.deepEqual(shortAddresses([[at("w", 0)]]), ["w/0"]);
  });

  it("shorten module paths to what is said in the code", () => {
    assert.equal(shortScope("layer1.0.conv1"), "conv1");
    assert.equal(shortScope("features.0"), "features.0");
    assert.equal(shortScope("stage2.1.branch2.4"), "branch2.4");
    assert.equal(shortScope("3"), "3");
  });

  it("fit lists into a width", () => {
    assert.equal(fitted(["aaa", "bbb", "ccc"], 100), "aaa, bbb, ccc");
    assert.equal(fitted(["aaa", "bbb", "ccc"], 16), "aaa and 2 more");
    assert.equal(fitted(["aaaaaaaaaaaaaaaaaaaaaaaa"], 4), "aaaaaaaaaaaaaaaaaaaaaaaa");
  });
});

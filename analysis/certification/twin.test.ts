/** @file Twins of full-size models: every symmetry acts there, and all that is measured is explained. */
import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { elementCount } from "../graph/tensor";
import { normalForm } from "../lowering/normal-form";
import { GraphBuilder } from "../lowering/testing/graph-builder";
import { inferShapes } from "../operators/inference";
import { analyse, equivarianceOf } from "../symmetry/analyse";
import { inferAxes } from "../symmetry/spaces/infer";
import { makeTwin, trainableEntries } from "../symmetry/twin/twin";
import { certifyTwin } from "./twin";

const MODELS = path.join(import.meta.dirname, "..", "..", "testFixtures", "models");
const modelOf = (name: string) => analyse(readOnnx({ path: path.join(MODELS, `${name}.onnx`) }).graph, { numeric: false });
const normalOf = (name: string) => normalForm(readOnnx({ path: path.join(MODELS, `${name}.onnx`) }).graph).graph;

describe("certification on the twin", () => {
  for (const name of ["resnet50", "mnasnet0_5"]) {
    it(name, async () => {
      const found = await certifyTwin(modelOf(name));
      if (typeof found === "string") assert.fail(found);
      assert.deepEqual(found.failed, []);
      assert.deepEqual(found.unchecked, []);
      assert.ok(found.maxRelativeDeviation < 1e-10);
      assert.ok(found.continuous.scale > 0 && found.continuous.rescaling > 0);
      assert.equal(found.measured, found.explained);
    });
  }

  it("convnext_tiny: what layer scale stands behind may change along its inverse where only a norm reads it", async () => {
    const found = await certifyTwin(modelOf("convnext_tiny"));
    if (typeof found === "string") assert.fail(found);
    assert.deepEqual([found.failed, found.unchecked], [[], []]);
    assert.equal(found.measured, found.explained);
    // The last block of each stage: 4 C hidden channels and a bias, beyond 55,714 others.
    assert.deepEqual([found.model.exact, found.model.continuous.total], [true, 55_714 + 385 + 769 + 1537 + 3073]);
  });

  it("swin_t: two of its stages say what all of them do", async () => {
    const found = await certifyTwin(modelOf("swin_t"));
    if (typeof found === "string") assert.fail(found);
    assert.deepEqual([found.failed, found.unchecked], [[], []]);
    assert.equal(found.measured, found.explained);
    // What the twin with all stages explained, too: streams between two mergers have their rotations as well.
    assert.deepEqual([found.model.exact, found.model.continuous.total], [true, 742_438]);
  });

  it("blocks that see tokens one by one see enough of them to be more than a table", async () => {
    const b = new GraphBuilder();
    const e = b.add("Gather", [b.parameter("table", [500, 64]), b.input("x", [4, 16], "int64")]);
    const hidden = b.add("Tanh", [b.add("Add", [b.add("MatMul", [e, b.parameter("w", [64, 96])]), b.parameter("b", [96])])]);
    const alone = b.add("MatMul", [hidden, b.parameter("v", [96, 64])]);
    const mixed = b.add("Tanh", [b.add("MatMul", [e, b.parameter("mixed", [64, 64])])]);
    const mean = b.add("ReduceMean", [mixed], { axes: [1], keepdims: 1 });
    const sum = b.add("Add", [b.add("Add", [e, alone]), mean]);
    const graph = b.build(b.add("MatMul", [sum, b.parameter("head", [64, 500])]));
    const found = await certifyTwin(analyse(graph, { numeric: false }));
    if (typeof found === "string") assert.fail(found);
    assert.equal(found.measured, found.explained);
  });

  it("says why there is none", async () => {
    const reason = await certifyTwin(modelOf("resnet18"), { mostEntries: 100 });
    assert.match(typeof reason === "string" ? reason : "", /still has \d+ weights/);
  });
});

describe("twins with fewer blocks", () => {
  it("dense blocks keep two layers, without the channels of the others", () => {
    const normal = normalOf("densenet121");
    const axes = inferAxes(normal, { equivariance: equivarianceOf, softPins: false });
    const twin = makeTwin(normal, axes, { depth: "shrink" });
    if ("reason" in twin) assert.fail(twin.reason);
    assert.deepEqual(inferShapes(twin.graph).problems, []);
    const parameters = [...twin.graph.parameters.keys()];
    for (let block = 1; block <= 4; block++) {
      const layers = parameters.filter((p) => p.startsWith(`features.denseblock${block}.`)).map((p) => p.split(".")[2]);
      assert.deepEqual([...new Set(layers)], ["denselayer1", "denselayer2"]);
    }
    assert.ok(trainableEntries(twin.graph) <= 700);
    assert.equal(
      twin.standIns.get("features.denseblock3.denselayer17.conv2.weight"),
      "features.denseblock3.denselayer2.conv2.weight",
    );
  });

  it("pyramids keep two stages, which share out their blocks, and smaller images", () => {
    const normal = normalOf("swin_t");
    const axes = inferAxes(normal, { equivariance: equivarianceOf, softPins: false });
    const [whole, short] = [makeTwin(normal, axes), makeTwin(normal, axes, { depth: "shrink", compact: true })];
    if ("reason" in whole || "reason" in short) assert.fail("there are twins");
    assert.deepEqual(inferShapes(short.graph).problems, []);
    const blocks = [...short.graph.parameters.keys()].flatMap((p) => /^(.*)\.attn\.qkv\.weight$/.exec(p)?.[1] ?? []);
    // One without and one with shifted windows, and the last one, of one window.
    assert.deepEqual(blocks, ["features.3.0", "features.5.1", "features.7.0"]);
    assert.equal(short.standIns.get("features.1.1.attn.qkv.weight"), "features.5.1.attn.qkv.weight");
    assert.equal(short.standIns.get("features.2.reduction.weight"), "features.4.reduction.weight");
    assert.match(short.notes.at(-1) ?? "", /^of 3 stages at different resolutions two are left/);
    const places = (t: typeof short) => t.graph.inputs[0]!.shape.slice(2);
    assert.deepEqual(
      [places(whole), places(short)],
      [
        [17, 17],
        [9, 9],
      ],
    );
    const used = new Set(short.graph.nodes.flatMap((n) => n.inputs));
    for (const p of short.graph.parameters.keys()) assert.ok(used.has(p), `${p} is read`);
  });

  for (const [name, blocks] of [
    ["vit_b_16", 12],
    ["resnet18", 8],
    ["convnext_tiny", 18],
  ] as const) {
    it(name, () => {
      const normal = normalOf(name);
      const axes = inferAxes(normal, { equivariance: equivarianceOf, softPins: false });
      const [whole, short] = [makeTwin(normal, axes), makeTwin(normal, axes, { depth: "shrink" })];
      if ("reason" in whole || "reason" in short) assert.fail("there are twins");
      assert.deepEqual(inferShapes(short.graph).problems, []);
      assert.match(short.notes.at(-1) ?? "", /repeated blocks? (is|are) left out/);
      assert.ok(short.graph.nodes.length < whole.graph.nodes.length - blocks);
      assert.deepEqual(short.graph.outputs, whole.graph.outputs);
      const used = new Set(short.graph.nodes.flatMap((n) => n.inputs));
      for (const p of short.graph.parameters.values()) {
        assert.ok(used.has(p.name), `${p.name} is read`);
        assert.equal(elementCount(p.shape), elementCount(whole.graph.parameters.get(p.name)!.shape));
      }
    });
  }
});

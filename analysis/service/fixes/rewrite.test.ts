/** @file Rewrites of exported models, each on a model that has what it is about: the outputs, the file that is left alone, the interface. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { graphRewrites } from "../../fixes/graph/registry";
import { NotEditable } from "../../fixes/source/draft";
import { readOnnx, writeOnnx } from "../../frontends/onnx/index";
import type { Graph } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { inferShapes } from "../../operators/inference";
import { createRunner, type Runner } from "../../runtime/index";
import { checkedFile } from "../checked-file";
import { loadFile } from "../models";
import { RewriteError, rewriteOnnx } from "./rewrite";

const ZOO = path.resolve(import.meta.dirname, "../../../testFixtures/zoo/onnx");
let folder: string;
let runner: Runner;
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), "noether-rewrite-"));
  runner = createRunner({ kind: "in-process" });
});
after(() => {
  runner.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a graph with random values, positive where they have to be; returns the file. */
function written(name: string, graph: Graph): string {
  const random = new Random(7);
  const values = new Map(
    [...graph.parameters.values()].map((p) => {
      const data = random.normals(elementCount(p.shape));
      return [p.name, /var|gain/.test(p.name) ? data.map((x) => 0.5 + Math.abs(x)) : data] as const;
    }),
  );
  const file = path.join(folder, `${name}.onnx`);
  writeFileSync(file, writeOnnx(inferShapes(graph).graph, values));
  return file;
}

/** A convolution with a bias before a batch norm in evaluation mode. */
function convolution(): string {
  const b = new GraphBuilder();
  const x = b.input("x", [2, 3, 6, 6]);
  const y = b.add("Conv", [x, b.parameter("conv.weight", [4, 3, 3, 3]), b.parameter("conv.bias", [4])], { kernel_shape: [3, 3] });
  const statistics = [b.parameter("norm.gain", [4]), b.parameter("norm.shift", [4])];
  const n = b.add("BatchNormalization", [
    y,
    ...statistics,
    b.parameter("norm.mean", [4], false),
    b.parameter("norm.var", [4], false),
  ]);
  const p = b.add("GlobalAveragePool", [b.add("Relu", [n])]);
  const flat = b.add("Flatten", [p]);
  return written("convolution", b.build(b.add("Gemm", [flat, b.parameter("head.weight", [5, 4])], { transB: 1 })));
}

/** Norms before linear maps: one operator, and one that is written out. */
function norms(): string {
  const b = new GraphBuilder();
  const x = b.input("x", [3, 6]);
  const n = b.add("LayerNormalization", [x, b.parameter("norm.gain", [6]), b.parameter("norm.shift", [6])], { axis: -1 });
  const a = b.add("Gemm", [n, b.parameter("a.weight", [8, 6]), b.parameter("a.bias", [8])], { transB: 1 });
  const c = b.add("MatMul", [n, b.parameter("c.weight", [6, 8])]);
  const h = b.add("Tanh", [b.add("Add", [a, c])]);
  const scaled = b.add("Add", [b.add("Mul", [h, b.parameter("rms.gain", [8])]), b.parameter("rms.shift", [8])]);
  return written("norms", b.build(b.add("MatMul", [scaled, b.parameter("out.weight", [8, 2])])));
}

async function rewrite(file: string, id: string, parameters?: readonly string[]) {
  const loaded = await loadFile(file);
  const [model] = checkedFile(loaded).models;
  const output = path.join(folder, `${id}-${path.basename(file)}`);
  const found = graphRewrites.find((r) => r.id === id)!;
  const report = await rewriteOnnx(file, model!, found, output, { seed: 3, runner, ...(parameters ? { parameters } : {}) });
  const { graph } = readOnnx({ path: output });
  return { report, graph, operators: graph.nodes.map((n) => n.operator) };
}

describe("rewrites of exported models", () => {
  it("move a bias before a batch norm into its running mean", async () => {
    const { report, graph } = await rewrite(convolution(), "drop-bias");
    assert.ok(report.deviation! < 1e-5 && report.deviation! >= 0);
    assert.equal(graph.parameters.has("conv.bias"), false);
    assert.deepEqual(report.parameters, [4 * 27 + 4 + 8 + 20, 4 * 27 + 8 + 20]);
  });

  it("fold a batch norm into the convolution before it", async () => {
    const { report, graph, operators } = await rewrite(convolution(), "fold-norms");
    assert.ok(report.deviation! < 1e-5);
    assert.ok(!operators.includes("BatchNormalization"));
    assert.deepEqual([...graph.parameters.keys()].sort(), ["conv.bias", "conv.weight", "head.weight"]);
  });

  it("fold gains of norms into all linear maps that read them", async () => {
    const { report, graph, operators } = await rewrite(norms(), "fold-norms");
    assert.ok(report.deviation! < 1e-5);
    assert.equal(report.changes.length, 2, report.changes.join("\n"));
    assert.ok(!operators.includes("Mul"));
    assert.ok(graph.parameters.get("norm.gain")!.read!()!.data.every((g) => g === 1));
  });

  it("take inert biases of attention away and give shared weights copies", async () => {
    const attention = await rewrite(path.join(ZOO, "SelfAttention.onnx"), "drop-bias");
    assert.ok(attention.report.deviation! < 1e-5);
    assert.equal(attention.graph.parameters.has("k.bias"), false);
    const tied = await rewrite(path.join(ZOO, "TiedAutoencoder.onnx"), "de-alias");
    assert.deepEqual(tied.report.parameters, [18, 36]);
  });

  it("remove what no output is computed from", async () => {
    const b = new GraphBuilder();
    const x = b.input("x", [3, 4]);
    b.add("MatMul", [x, b.parameter("unread", [4, 4])]);
    const file = written("unread", b.build(b.add("MatMul", [x, b.parameter("read", [4, 2])])));
    const { graph } = await rewrite(file, "remove-unread");
    assert.deepEqual([...graph.parameters.keys()], ["read"]);
    assert.equal(graph.nodes.length, 1);
  });

  it("expand inputs, anchor weights and factor them without moving the outputs", async () => {
    const mlp = path.join(ZOO, "MlpRelu.onnx");
    const expanded = await rewrite(mlp, "input-expansion");
    assert.equal(expanded.report.deviation, 0);
    assert.equal(expanded.report.parameters[1] - expanded.report.parameters[0], 4 * 8);
    const anchored = await rewrite(mlp, "syre");
    assert.ok(anchored.report.deviation! < 1e-5);
    const anchor = [...anchored.graph.parameters.values()].find((p) => p.name.endsWith("fc1.weight/anchor"))!;
    assert.equal(anchor.trainable, false);
    // Deviation 0.01 / sqrt(fan in).
    const { data } = anchor.read!()!;
    const fanIn = anchor.shape[1]!;
    const deviation = Math.sqrt(data.reduce((s, a) => s + a * a, 0) / data.length) * Math.sqrt(fanIn);
    assert.ok(deviation > 0.006 && deviation < 0.014, `${deviation}`);
    const factored = await rewrite(mlp, "dcs-sparse", ["fc1.weight"]);
    assert.ok(factored.report.deviation! < 1e-5);
    assert.ok(factored.graph.parameters.has("fc1.weight/u") && factored.graph.parameters.has("fc2.weight"));
  });

  it("expand images where later layers take them, and say why not where they do not", async () => {
    const { graph, report } = await rewrite(convolution(), "input-expansion");
    assert.equal(report.deviation, undefined);
    const conv = graph.nodes.find((n) => n.operator === "Conv")!;
    assert.deepEqual(graph.types.get(conv.inputs[0]!)?.shape, [2, 3, 12, 12]);
    await assert.rejects(rewrite(path.join(ZOO, "ConvFlatten.onnx"), "input-expansion"), NotEditable);
  });

  it("never write over the model, whatever its name, and keep its symbolic sizes", async () => {
    const file = convolution();
    const original = readFileSync(file);
    const [model] = checkedFile(await loadFile(file)).models;
    const fold = graphRewrites.find((r) => r.id === "fold-norms")!;
    const same = path.join(folder, ".", "..", path.basename(folder), "convolution.onnx");
    await assert.rejects(rewriteOnnx(file, model!, fold, same, { seed: 1, runner }), RewriteError);
    assert.deepEqual(readFileSync(file), original);
    await assert.rejects(rewrite(path.join(ZOO, "MlpRelu.onnx"), "fold-norms"), NotEditable);
  });
});

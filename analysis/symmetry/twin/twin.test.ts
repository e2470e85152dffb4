/** @file Twins of the zoo and of full-size image models: small, sound shapes, the same spaces, finite values, the formulas' dimensions. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx";
import type { Graph, Node } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { evaluateGraph } from "../../operators/evaluate";
import { inferShapes } from "../../operators/inference";
import { operatorTable } from "../../operators/table";
import { batch, measureDimension } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { zooModel, zooTruth } from "../counting/testing/models";
import { type InferredAxes, inferAxes } from "../spaces/infer";
import { spaceAddresses } from "../spaces/addresses";
import { atomSpaces } from "../spaces/spaces";
import type { Address } from "../symmetry";
import { findScalings, scalingDimension } from "../units/scalings";
import { makeTwin, type Twin, trainableEntries } from "./twin";

const MODELS = path.join(__dirname, "..", "..", "..", "testFixtures", "models");
const equivariance = (node: Node) => operatorTable(node.operator, node.domain)?.equivariance;
const axesOf = (graph: Graph): InferredAxes => inferAxes(graph, { equivariance, softPins: false });

function twinOf(graph: Graph, axes = axesOf(graph)): Twin {
  const twin = makeTwin(graph, axes);
  if ("reason" in twin) assert.fail(twin.reason);
  return twin;
}

/** An address without its sizes. */
function shown(a: Address): string {
  return `${a.parameter}/${a.axis}${a.segment ? "[..]" : ""}${a.factors ? `:${a.factor} of ${a.factors.length}` : ""}`;
}

/** All spaces by their addresses without sizes. */
function spacesOf(graph: Graph, axes: InferredAxes): string[] {
  const trained = [...graph.parameters.values()].filter((p) => p.trainable).map((p) => p.name);
  return atomSpaces(graph, axes, trained)
    .map((s) => spaceAddresses(axes, s).map(shown).sort().join(" "))
    .sort();
}

/** Checks that hold for every twin. */
function checkTwin(graph: Graph, twin: Twin): void {
  assert.deepEqual(
    inferShapes(twin.graph).problems.map((p) => `${p.node.name}: ${p.message}`),
    [],
  );
  assert.deepEqual(
    twin.graph.nodes.map((n) => n.name),
    graph.nodes.map((n) => n.name),
  );
  for (const [name, p] of twin.graph.parameters) {
    const before = graph.parameters.get(name)!;
    assert.equal(p.read, undefined);
    assert.equal(p.trainable, before.trainable);
    assert.ok(
      p.shape.every((n, i) => n <= before.shape[i]! && n > 0),
      `${name}: [${p.shape.join()}] of [${before.shape.join()}]`,
    );
  }
  const network = Network.of(twin.graph);
  const random = new Random(7);
  const weights = genericWeights(network, random);
  const give = batch(network, weights, random);
  const values = new Map<string, Tensor>();
  for (const { name } of network.inputs) values.set(name, give(name)!);
  for (const name of twin.graph.parameters.keys()) values.set(name, give(name)!);
  const all = evaluateGraph(twin.graph, values);
  for (const o of twin.graph.outputs) assert.ok(all.get(o)!.data.every(Number.isFinite), `${o} is not finite`);
}

describe("twins of the zoo", () => {
  for (const [name, truth] of Object.entries(zooTruth)) {
    const { total, scale = 0, rescaling = 0 } = truth.continuous;
    it(name, () => {
      const graph = zooModel(name);
      const axes = axesOf(graph);
      const twin = twinOf(graph, axes);
      checkTwin(graph, twin);
      assert.deepEqual(twin.notes, []);
      assert.ok(trainableEntries(twin.graph) <= truth.parameters);
      const small = axesOf(twin.graph);
      assert.deepEqual(spacesOf(twin.graph, small), spacesOf(graph, axes));
      if (total !== scale + rescaling) return;
      // All directions are scalings: their number follows from the formulas at the twin's sizes, and is measured there.
      const predicted = scalingDimension(findScalings(twin.graph, small, "scales", equivariance));
      assert.equal(measureDimension(twin.graph, { explained: predicted }).dimension, predicted);
    });
  }
});

/** Trainable entries that the twin may have at most. */
const LIMITS: Readonly<Record<string, number>> = {
  densenet121: 15_000,
  inception_v3: 5_500,
  regnet_y_400mf: 5_000,
  resnext50_32x4d: 4_000,
  googlenet: 3_500,
};
const USUAL_LIMIT = 3000;

describe("twins of full-size models", () => {
  for (const file of readdirSync(MODELS).filter((f) => f.endsWith(".onnx"))) {
    const name = file.replace(".onnx", "");
    it(name, () => {
      const graph = normalForm(readOnnx({ path: path.join(MODELS, file) }).graph).graph;
      const axes = axesOf(graph);
      const twin = twinOf(graph, axes);
      checkTwin(graph, twin);
      assert.deepEqual(twin.notes.slice(name.startsWith("shufflenet") ? 1 : 0), []);
      assert.ok(trainableEntries(twin.graph) <= (LIMITS[name] ?? USUAL_LIMIT), `${trainableEntries(twin.graph)} entries`);
      const places = twin.graph.inputs[0]!.shape.slice(2).reduce((n, d) => n * d, 1);
      assert.ok(places <= 17 * 17, `images of [${twin.graph.inputs[0]!.shape.join()}]`);
      const small = axesOf(twin.graph);
      // Shuffled channels form more sets the more of them there are: shufflenet's spaces are fewer in the twin.
      if (name.startsWith("shufflenet")) assert.match(twin.notes[0]!, /shuffled/);
      else assert.deepEqual(spacesOf(twin.graph, small), spacesOf(graph, axes));
      // The same kinds of scalings at every width: a basis has as many vectors.
      const count = (g: Graph, a: InferredAxes) => findScalings(g, a, "scales", equivariance).length;
      if (!name.startsWith("shufflenet")) assert.equal(count(twin.graph, small), count(graph, axes));
    });
  }
});

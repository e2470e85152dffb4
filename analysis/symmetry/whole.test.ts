/** @file What composite operators taken whole say of models, against what their parts say: the same, or less. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { Random } from "../numerics/random";
import { operatorTable } from "../operators/table";
import { wholeOf } from "../operators/whole";
import { Retraction } from "./actions/retraction";
import { analyse } from "./analyse";
import type { ModelAnalysis } from "./analysis";
import { Network } from "./counting/network";
import { genericWeights } from "./counting/sampling";
import { formatAddress, type Symmetry } from "./symmetry";

const FIXTURES = new URL("../../testFixtures/", import.meta.url).pathname;
const LOWERED = { numeric: false } as const;
/** As for a graph of many nodes. */
const WHOLE = { numeric: false, manyNodes: 0 } as const;

/** Statistics that training mode does not read have no part in the lowered form; whole ones read none either. */
const isStatistic = (address: string) => /running_|_mean|_var/.test(address);

/** Everything that is claimed, in words. */
function claims({ spaces, symmetries, continuous }: ModelAnalysis) {
  return {
    spaces: spaces
      .filter((s) => s.permutable)
      .map(
        ({ size, acts }) =>
          `${size}: ${acts
            .map(formatAddress)
            .filter((a) => !isStatistic(a))
            .sort()
            .join(" ")}`,
      )
      .sort(),
    signs: symmetries.flatMap((s) => (s.kind === "sign" ? [[...s.parameters].sort().join(" ")] : [])).sort(),
    scale: continuous.scale,
    rescaling: continuous.rescaling,
  };
}

function modelsIn(folder: string): string[] {
  return readdirSync(FIXTURES + folder).flatMap((f) => (f.endsWith(".onnx") ? [`${folder}/${f}`] : []));
}

function both(file: string) {
  const { graph } = readOnnx({ path: FIXTURES + file });
  return { lowered: analyse(graph, LOWERED), whole: analyse(graph, WHOLE) };
}

/** How far random elements of a group move the outputs of a network. */
function deviation({ normal }: ModelAnalysis, symmetry: Symmetry): number {
  const network = Network.of(normal);
  const random = new Random(7);
  const weights = genericWeights(network, random);
  const element = symmetry.randomElement(() => random.uniform());
  return new Retraction(network, 3).deviation(weights, new Map([...weights, ...symmetry.act(weights, element)]));
}

describe("composite operators taken whole", () => {
  const kept = new Set<string>();
  const note = ({ normal }: ModelAnalysis) => {
    for (const node of normal.nodes) if (wholeOf(node) !== undefined) kept.add(node.operator);
  };

  it("say the same of the zoo and of torchvision's graphs", () => {
    const some = ["densenet121", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x1_0", "vit_b_16"];
    for (const file of [...modelsIn("zoo/onnx"), ...some.map((name) => `models/${name}.onnx`)]) {
      const { lowered, whole } = both(file);
      assert.deepEqual(claims(whole), claims(lowered), file);
      assert.equal(whole.opaque.length, lowered.opaque.length, file);
      note(whole);
    }
  });

  it("say nothing else of any architecture", () => {
    let same = 0;
    const files = modelsIn("architectures/onnx");
    for (const file of files) {
      const { lowered, whole } = both(file);
      note(whole);
      const [all, some] = [claims(lowered), claims(whole)];
      for (const space of some.spaces) assert.ok(all.spaces.includes(space), `${file}: ${space}`);
      // The same group may have other generators: those that are not listed leave the outputs as they are.
      for (const s of whole.symmetries)
        if (s.kind === "sign" && !all.signs.includes([...s.parameters].sort().join(" ")))
          assert.ok(deviation(lowered, s) < 1e-9, `${file}: the sign of ${s.parameters.join(" ")}`);
      assert.ok(some.scale <= all.scale && some.rescaling <= all.rescaling, file);
      if (some.scale === all.scale && some.rescaling === all.rescaling) same++;
    }
    assert.ok(same > 0.95 * files.length, `${same} of ${files.length}`);
  });

  it("are all met there", () => {
    assert.deepEqual([...kept].sort(), ["BatchNormalization", "Conv", "Gemm", "LayerNormalization"]);
  });

  it("leave twins to the lowered form", () => {
    const { lowered, whole } = both("models/resnet18.onnx");
    assert.equal(lowered.lowered, undefined);
    const again = whole.lowered!();
    assert.deepEqual(claims(again), claims(lowered));
    assert.ok(again.normal.nodes.every((n) => n.operator !== "BatchNormalization" && n.operator !== "Gemm"));
    assert.match(whole.notes.join(), /only permutations, scales and signs are looked for/);
  });

  it("are lowered where their rules do not speak of them", () => {
    const vector = { type: "float32", shape: [4] } as const;
    const matrix = { type: "float32", shape: [4, 4] } as const;
    const node = (operator: string, attributes = {}, outputs = ["y"]) => ({
      name: "n",
      operator,
      domain: "",
      inputs: ["x", "w", "b", "m", "v"].slice(0, operator === "BatchNormalization" ? 5 : 3),
      outputs,
      attributes,
      origin: {},
    });
    const context = { input: (k: number) => (k === 0 ? matrix : vector), isUsed: (k: number) => k < 2, opset: 17 };
    const gemm = { ...context, input: (k: number) => (k === 2 ? vector : matrix) };
    const kept = (n: ReturnType<typeof node>, c: typeof context) => wholeOf(n)!.keep(n, c as never) !== undefined;
    assert.ok(kept(node("Gemm"), gemm));
    assert.ok(!kept(node("Gemm", { alpha: 2 }), gemm));
    assert.ok(!kept(node("Gemm", { transA: 1 }), gemm));
    assert.ok(!kept(node("Gemm"), { ...gemm, input: () => matrix }));
    assert.ok(kept(node("BatchNormalization"), context));
    // Its second output is read.
    assert.ok(!kept(node("BatchNormalization", { training_mode: 1 }, ["y", "mean"]), context));
    assert.ok(kept(node("LayerNormalization"), context));
    assert.ok(!kept(node("LayerNormalization", { axis: 0 }), context));
    assert.equal(wholeOf({ operator: "Gemm", domain: "other" }), undefined);
    for (const name of ["Gemm", "Conv", "BatchNormalization", "LayerNormalization"]) {
      assert.ok(operatorTable(name, "")?.lower !== undefined, `${name} can be lowered`);
    }
  });
});

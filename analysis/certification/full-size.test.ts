/** @file False claims among true ones are found and named, whatever acts together with them. */
import assert from "node:assert/strict";
import path from "node:path";
import { after, describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { createRunner } from "../runtime/index";
import { analyse } from "../symmetry/analyse";
import type { ParameterValues, Symmetry } from "../symmetry/symmetry";
import { certify } from "./certify";

const FIXTURES = path.join(import.meta.dirname, "..", "..", "testFixtures");
const runner = createRunner({ kind: "in-process" });
after(() => runner.dispose());

const analysed = (folder: string, name: string) =>
  analyse(readOnnx({ path: path.join(FIXTURES, folder, `${name}.onnx`) }).graph, { numeric: false });

/** A symmetry that forgets one of the parameters that it ought to move, among those that others move too. */
function forgetful(s: Symmetry, forgotten = s.parameters.at(-1)!): Symmetry {
  return {
    ...s,
    id: `false:${s.id}`,
    act: (weights, element) => {
      const moved = new Map<string, Float64Array>(s.act(weights, element));
      moved.delete(forgotten);
      return moved;
    },
  };
}

const check = (analysis: ReturnType<typeof analysed>, symmetries: readonly Symmetry[]) =>
  certify({ ...analysis, symmetries }, { runner, twin: false });

describe("false claims", () => {
  for (const [folder, name] of [
    ["zoo/onnx", "ResNetBlock"],
    ["zoo/onnx", "PreLnTransformer"],
    ["models", "squeezenet1_1"],
  ] as const) {
    it(`one or two among all of ${name}`, async () => {
      const analysis = analysed(folder, name);
      const { symmetries } = analysis;
      assert.equal((await check(analysis, symmetries)).status, "certified");
      const permutation = symmetries.find((s) => s.kind === "permutation" && s.parameters.length > 1)!;
      const rescaling = symmetries.find((s) => s.kind !== "permutation" && s.parameters.length > 1)!;
      for (const guilty of [[forgetful(permutation)], [forgetful(permutation), forgetful(rescaling)]]) {
        const result = await check(analysis, [...symmetries.slice(0, 2), ...guilty, ...symmetries.slice(2)]);
        assert.equal(result.status, "failed");
        assert.deepEqual([...result.failed].sort(), guilty.map((s) => s.id).sort());
        assert.match(result.reason ?? "", /changes the output/);
      }
    });
  }

  it("of single entries, as small as they are", async () => {
    const analysis = analysed("models", "squeezenet1_1");
    const [first] = analysis.symmetries;
    const nudge = (by: number): Symmetry => ({
      ...first!,
      id: `nudge:${by}`,
      act: (weights): ParameterValues => {
        const name = "features.0.weight";
        return new Map([[name, weights.get(name)!.map((x, i) => (i === 7 ? x + by : x))]]);
      },
    });
    assert.deepEqual((await check(analysis, [...analysis.symmetries, nudge(0.05)])).failed, ["nudge:0.05"]);
    assert.equal((await check(analysis, [...analysis.symmetries, nudge(0)])).status, "certified");
  });
});

it("what throws halfway is not checked, and its overwritten weights are nobody's fault", async () => {
  const analysis = analysed("zoo/onnx", "ResNetBlock");
  const broken: Symmetry = {
    ...analysis.symmetries[0]!,
    id: "broken",
    act(_, __, owned) {
      for (const values of owned ?? []) values.fill(0);
      throw new Error("does not exist at these weights");
    },
  };
  const result = await check(analysis, [...analysis.symmetries, broken, ...analysis.symmetries]);
  assert.equal(result.status, "certified");
  assert.deepEqual(result.unchecked, ["broken"]);
});

it("ends where its signal says so, with the signal's reason", async () => {
  const { normal, symmetries, ...analysis } = analysed("models", "squeezenet1_1");
  const controller = new AbortController();
  const stopping: Symmetry = {
    ...symmetries[0]!,
    act: (weights, element) => {
      controller.abort(new Error("nobody waits"));
      return symmetries[0]!.act(weights, element);
    },
  };
  const run = certify({ ...analysis, normal, symmetries: [stopping] }, { runner, twin: false, signal: controller.signal });
  await assert.rejects(run, /nobody waits/);
});

it("weights that are all one or all zero are varied: a forgotten bias of zeros shows", async () => {
  const analysis = analysed("zoo/onnx", "LayerNormMlp");
  const { graph } = analysis;
  const fresh = new Map(
    [...graph.parameters].map(([name, p]) => {
      const isVector = p.shape.length === 1;
      const read = () => ({ type: p.type, shape: p.shape, data: p.read!()!.data.map((x) => (isVector ? 0 : x)) });
      return [name, { ...p, read: /norm|ln/.test(name) && name.endsWith("weight") ? p.read! : read }];
    }),
  );
  const bias = (s: Symmetry): string | undefined => s.parameters.find((p) => p.endsWith(".bias"));
  const permutation = analysis.symmetries.find((s) => s.kind === "permutation" && bias(s))!;
  const guilty = forgetful(permutation, bias(permutation)!);
  const result = await check({ ...analysis, graph: { ...graph, parameters: fresh } }, [guilty]);
  assert.deepEqual(result.failed, [guilty.id]);
});

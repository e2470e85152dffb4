/** @file Every Symmetry of the zoo acts: group laws, tangents, mirrors, fixed sets, and outputs that stay where they are. */
import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { readOnnx } from "../../frontends/onnx";
import { int64Vector } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import { countFamilies } from "../counting/families";
import { batch, certifyGenerators } from "../counting/jacobian";
import { Network } from "../counting/network";
import { Program } from "../counting/program";
import { genericWeights } from "../counting/sampling";
import { sketch, zooModel, zooTruth } from "../counting/testing/models";
import type { ParameterValues, Symmetry } from "../symmetry";

/** Entries that a matrix group may move for its fixed set to be looked at. */
const MOST_ENTRIES = 90;

const together = (a: ParameterValues, b: ParameterValues): ParameterValues => new Map([...a, ...b]);

/** The largest difference between two sets of weights, over the entries of the second. */
function distance(a: ParameterValues, b: ParameterValues): number {
  let worst = 0;
  for (const [name, values] of b) values.forEach((x, i) => (worst = Math.max(worst, Math.abs(x - a.get(name)![i]!))));
  return worst;
}

/** How far the outputs on a few fixed batches are apart, relative to their size. */
function outputsOf(network: Network): (weights: ParameterValues) => number[] {
  const program = new Program(network, network.outputs);
  return (weights) => {
    const random = new Random(5);
    return [0, 1].flatMap(() =>
      program.results(program.evaluate(batch(network, weights, random))).flatMap((t) => Array.from(t.data)),
    );
  };
}

function deviation(a: readonly number[], b: readonly number[]): number {
  const size = Math.max(...a.filter(Number.isFinite).map(Math.abs));
  return Math.max(...a.map((x, i) => (Number.isFinite(x) ? Math.abs(x - b[i]!) : 0))) / size;
}

const isContinuous = (s: Symmetry): boolean => s.dimension > 0;
const name = (s: Symmetry): string => `${s.id} ${s.group} on ${s.parameters.slice(0, 4).join(", ")}`;

/** Checks one Symmetry at given weights. */
function check(
  s: Symmetry,
  weights: ParameterValues,
  outputs: (w: ParameterValues) => number[],
  before: readonly number[],
): void {
  const random = new Random(17);
  const uniform = () => random.uniform();
  let element = s.randomElement(uniform);
  // Draws that change nothing check nothing.
  for (let k = 0; k < 20 && distance(weights, s.act(weights, element)) === 0; k++) element = s.randomElement(uniform);
  const moved = together(weights, s.act(weights, element));
  assert.ok(distance(weights, moved) > 1e-6, `${name(s)} moves something`);
  assert.ok(deviation(before, outputs(moved)) < 1e-9, `${name(s)} leaves the outputs where they are`);

  if (isContinuous(s)) {
    const times = (f: number) => element.map((x) => f * x);
    assert.ok(distance(weights, s.act(moved, times(-1))) < 1e-8, `${name(s)}: the inverse brings all back`);
    const half = together(weights, s.act(weights, times(0.4)));
    assert.ok(distance(moved, together(half, s.act(half, times(0.6)))) < 1e-8, `${name(s)}: exp(sX) exp(tX) = exp((s + t) X)`);
    const h = 1e-4;
    const [plus, minus] = [s.act(weights, times(h)), s.act(weights, times(-h))];
    const generators = s.generators(weights);
    for (const p of s.parameters) {
      const own = weights.get(p)!;
      const [a, b] = [plus.get(p) ?? own, minus.get(p) ?? own];
      own.forEach((_, i) => {
        const tangent = generators.reduce((sum, g, k) => sum + element[k]! * (g.vector.get(p)?.[i] ?? 0), 0);
        assert.ok(Math.abs((a[i]! - b[i]!) / (2 * h) - tangent) < 1e-6, `${name(s)}: its tangent vectors in ${p}[${i}]`);
      });
    }
  } else {
    assert.deepEqual(s.generators(weights), []);
  }

  let seen = 0;
  for (const mirror of s.mirrors?.(weights) ?? []) {
    if (seen++ === 3) break;
    const part = mirror.project(weights);
    assert.ok(part.size > 0, `${name(s)}: the mirror turns something`);
    const reflected = together(weights, s.act(weights, mirror.element));
    assert.ok(distance(weights, s.act(reflected, mirror.element)) < 1e-8, `${name(s)}: reflecting twice changes nothing`);
    assert.ok(deviation(before, outputs(reflected)) < 1e-9, `${name(s)}: the mirror image computes the same`);
    const flat = together(weights, new Map([...part].map(([p, d]) => [p, d.map((x, i) => weights.get(p)![i]! - x)] as const)));
    assert.ok(distance(flat, s.act(flat, mirror.element)) < 1e-8, `${name(s)}: theta - P theta is in the mirror`);
    if (!mirror.orthogonal) continue;
    let inner = 0;
    for (const [p, d] of part) d.forEach((x, i) => (inner += x * flat.get(p)![i]!));
    assert.ok(Math.abs(inner) < 1e-8, `${name(s)}: P is orthogonal`);
  }

  // Worked out entry by entry where it is solved for: small groups show that as well as large ones.
  const entries = s.parameters.reduce((n, p) => n + weights.get(p)!.length, 0);
  if (s.origin === "numeric" && entries > MOST_ENTRIES) return;
  const fixed = s.fixedSet(weights);
  if (!fixed) return assert.ok(s.kind === "translation" || s.kind === "unread", `${name(s)} has a fixed set`);
  const inside = together(weights, fixed.project(weights));
  assert.ok(fixed.codimension > 0);
  assert.ok(distance(inside, fixed.project(inside)) < 1e-8, `${name(s)}: what is in the fixed set stays`);
  assert.ok(distance(inside, s.act(inside, element)) < 1e-7, `${name(s)} leaves its fixed set as it is`);
}

describe("symmetries of the zoo act", () => {
  for (const model of Object.keys(zooTruth)) {
    it(model, () => {
      const found = analyse(zooModel(model));
      const network = new Network(found.normal);
      const outputs = outputsOf(network);
      const weights = found.genericWeights!;
      const before = outputs(weights);
      for (const s of found.symmetries) check(s, weights, outputs, before);
      const vectors = found.symmetries.flatMap((s) => s.generators(weights));
      assert.ok(
        certifyGenerators(
          found.normal,
          weights,
          vectors.map((g) => g.vector),
        ) < 1e-9,
      );
      assert.equal(countFamilies(vectors).total, found.continuous.total, "the actions' own tangents explain all that is counted");
    });
  }
});

describe("symmetries at weights that they were not found at", () => {
  for (const model of ["EmbeddingLm", "PreLnTransformer", "RotaryAttention", "TiedAutoencoder", "RmsNormAffine"]) {
    it(model, () => {
      const found = analyse(zooModel(model));
      const network = new Network(found.normal);
      const outputs = outputsOf(network);
      const weights = genericWeights(network, new Random(77));
      const before = outputs(weights);
      const random = new Random(3);
      for (const s of found.symmetries) {
        const moved = together(
          weights,
          s.act(
            weights,
            s.randomElement(() => random.uniform()),
          ),
        );
        assert.ok(deviation(before, outputs(moved)) < 1e-9, name(s));
      }
    });
  }
});

describe("symmetries of tables of which a batch reads a part act on all of their rows", () => {
  it("FactorisedDeep", () => {
    const { graph } = readOnnx({ path: path.join("testFixtures", "architectures", "onnx", "FactorisedDeep.onnx") });
    const found = analyse(graph);
    const outputs = outputsOf(new Network(found.normal));
    const weights = found.genericWeights!;
    const before = outputs(weights);
    for (const s of found.symmetries) check(s, weights, outputs, before);
  });
});

describe("a space that is both factors of a product", () => {
  it("moves along one and then along the other", () => {
    // Products of each two units, as bilinear pooling and factorisation machines make them.
    const found = analyse(
      sketch({
        inputs: { x: [6, 5] },
        parameters: { a: [5, 3], v: [9, 2] },
        constants: { column: int64Vector([6, 3, 1]), row: int64Vector([6, 1, 3]), flat: int64Vector([6, 9]) },
        lines: [
          ["p", "MatMul", ["x", "a"]],
          ["h", "Tanh", ["p"]],
          ["c", "Reshape", ["h", "column"]],
          ["r", "Reshape", ["h", "row"]],
          ["o", "Mul", ["c", "r"]],
          ["f", "Reshape", ["o", "flat"]],
          ["y", "MatMul", ["f", "v"]],
        ],
        outputs: ["y"],
      }),
    );
    assert.ok(found.symmetries.some((s) => s.group === "S(3)"));
    const outputs = outputsOf(new Network(found.normal));
    const weights = found.genericWeights!;
    const before = outputs(weights);
    for (const s of found.symmetries) check(s, weights, outputs, before);
  });
});

/** @file Deep linear networks: a bias far from the end is made up for by one near it, so that work grows with the depth and no faster. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import { ParameterSpace, Span } from "../counting/families";
import { certificates } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import { type Line, sketch } from "../counting/testing/models";
import type { ModelAnalysis } from "../analysis";

const WIDTH = 3;

/** Layers without activation in between; a rectifier behind every `every`-th. */
function chain(depth: number, every = depth + 1): ModelAnalysis {
  const parameters: Record<string, readonly number[]> = {};
  const lines: Line[] = [];
  let x = "x";
  for (let i = 0; i < depth; i++) {
    parameters[`w${i}`] = [WIDTH, WIDTH];
    parameters[`b${i}`] = [WIDTH];
    lines.push([`p${i}`, "MatMul", [x, `w${i}`]], [`a${i}`, "Add", [`p${i}`, `b${i}`]]);
    x = `a${i}`;
    if ((i + 1) % every !== 0) continue;
    lines.push([`r${i}`, "Relu", [x]]);
    x = `r${i}`;
  }
  return analyse(sketch({ inputs: { x: [2, WIDTH] }, parameters, lines, outputs: [x] }), { numericLimit: 0 });
}

describe("translations of deep linear networks", () => {
  for (const [depth, every, expected] of [
    [90, 91, WIDTH * 89],
    [80, 40, WIDTH * 2 * 39],
  ] as const) {
    it(`${depth} layers, a rectifier behind every ${every}: they hold, are independent, and are all there`, () => {
      const { symmetries, normal } = chain(depth, every);
      const weights = genericWeights(Network.of(normal), new Random(3));
      const vectors = symmetries
        .filter((s) => s.kind === "translation")
        .flatMap((s) => s.generators(weights).map((g) => g.vector));
      for (const c of certificates(normal, weights, vectors, { seed: 4 })) assert.ok(c < 1e-9, `moves the outputs: ${c}`);
      const space = ParameterSpace.of(vectors);
      const span = new Span(space.size);
      assert.equal(span.add(vectors.map((v) => space.flatten(v))), expected);
      // Something other than what is claimed has to show.
      const [first] = vectors;
      const alone = new Map([[[...first!.keys()][0]!, [...first!.values()][0]!]]);
      assert.ok(certificates(normal, weights, [alone], { seed: 4 })[0]! > 1e-6);
    });
  }

  it("a bias of the first of 600 layers is made up for within 100 layers", () => {
    const { symmetries } = chain(600);
    const first = symmetries.find((s) => s.kind === "translation" && s.parameters.includes("b0"))!;
    const layers = first.parameters.map((p) => Number(p.slice(1)));
    assert.ok(Math.max(...layers) < 100, first.parameters.join(", "));
  });
});

/** @file Units and diagonal entries against the actions themselves, on the whole zoo. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { elementCount } from "../../graph/tensor";
import { readOnnx } from "../../frontends/onnx";
import { Random } from "../../numerics/random";
import { analyse } from "../analyse";
import type { ModelAnalysis } from "../analysis";
import type { Symmetry } from "../symmetry";

const ZOO = path.join(__dirname, "..", "..", "..", "testFixtures", "zoo");
const truth = JSON.parse(readFileSync(path.join(ZOO, "truth.json"), "utf8")) as Record<string, { readonly onnx: string }>;

function zoo(name: string): ModelAnalysis {
  return analyse(readOnnx({ path: path.join(ZOO, truth[name]!.onnx) }).graph, { numeric: false });
}

/** Values that name their own place, distinct over all parameters. */
function labels(found: ModelAnalysis): Map<string, Float64Array> {
  let next = 1;
  return new Map(
    [...found.normal.parameters.values()].map((p) => [p.name, new Float64Array(elementCount(p.shape)).map(() => next++)]),
  );
}

/** Applies what `units` says about one random permutation per copy: features move along with their unit, axis by axis. */
function moveUnits(symmetry: Symmetry, values: ReadonlyMap<string, Float64Array>, random: Random): Map<string, Float64Array> {
  const blocks = symmetry.units!();
  const out = new Map([...values].map(([k, v]) => [k, v.slice()]));
  const permutations = new Map<number, Int32Array>();
  for (const b of blocks) if (!permutations.has(b.copy)) permutations.set(b.copy, random.sample(b.units, b.units));
  const axes = new Set(blocks.map((b) => `${b.parameter} ${b.axis}`));
  for (const place of axes) {
    const here = blocks.filter((b) => `${b.parameter} ${b.axis}` === place);
    const now = out.get(here[0]!.parameter)!;
    const before = now.slice();
    for (const b of here) {
      const p = permutations.get(b.copy)!;
      for (let u = 0; u < b.units; u++) {
        for (let k = 0; k < b.features; k++) now[b.flat[p[u]! * b.features + k]!] = before[b.flat[u * b.features + k]!]!;
      }
    }
  }
  return out;
}

describe("units of permutations and entries of scalings", () => {
  for (const name of Object.keys(truth)) {
    it(name, () => {
      const found = zoo(name);
      const values = labels(found);
      for (const symmetry of found.symmetries) {
        if (symmetry.units) {
          // Where the space is on several axes of one place only, all moves commute: compare the sets of exchanged values.
          const moved = moveUnits(symmetry, values, new Random(7));
          const blocks = symmetry.units();
          const parameters = new Set(blocks.map((b) => b.parameter));
          assert.deepEqual([...parameters].sort(), [...symmetry.parameters].sort(), symmetry.id);
          for (const b of blocks) {
            assert.equal(new Set(b.flat).size, b.flat.length, "no entry is listed twice");
            assert.equal(b.flat.length, b.units * b.features);
          }
          for (const [p, v] of moved) assert.deepEqual(v.toSorted(), values.get(p)!.toSorted(), `${p} is permuted`);
        }
        if (symmetry.diagonal) {
          const generators = symmetry.generators(new Map([...values].map(([k, v]) => [k, v.map(() => 1)])));
          if (generators.length === 0) continue;
          const sums = new Map(generators.map((g, i) => [i, new Map([...g.vector].map(([k, v]) => [k, v.slice()]))]));
          for (const e of symmetry.diagonal()) {
            e.flat.forEach((flat, k) => {
              sums.get(e.index[k]!)!.get(e.parameter)![flat]! -= e.coefficient[k]!;
            });
          }
          for (const of of sums.values())
            for (const v of of.values())
              assert.ok(
                v.every((x) => Math.abs(x) < 1e-12),
                symmetry.id,
              );
        }
      }
    });
  }

  it("the units' exchange is one that the action makes", () => {
    for (const name of ["MlpRelu", "SelfAttention", "GroupedConv"]) {
      const found = zoo(name);
      const values = labels(found);
      for (const symmetry of found.symmetries) {
        if (!symmetry.units) continue;
        // What the action does to labels tells where units went; every feature must have gone the same way.
        const random = new Random(3);
        const acted = symmetry.act(
          values,
          symmetry.randomElement(() => random.uniform()),
        );
        const target = new Map<string, number>();
        for (const b of symmetry.units()) {
          const before = values.get(b.parameter)!;
          const after = acted.get(b.parameter)!;
          if (symmetry.units().some((c) => c.parameter === b.parameter && c.axis !== b.axis)) continue;
          for (let u = 0; u < b.units; u++) {
            for (let k = 0; k < b.features; k++) {
              const label = before[b.flat[u * b.features + k]!]!;
              const at = after.indexOf(label);
              const position = b.flat.indexOf(at);
              assert.ok(position >= 0, "stays among the units of its copy");
              const to = Math.floor(position / b.features);
              assert.equal(position % b.features, k, "keeps its feature");
              const key = `${b.copy} ${u}`;
              assert.equal(target.get(key) ?? to, to, `${name} ${symmetry.id}: all features of unit ${key} go together`);
              target.set(key, to);
            }
          }
        }
      }
    }
  });
});

/**
 * The eighteen torchvision graphs at full size: nothing opaque, and the hidden permutation groups of
 * testFixtures/facts/permutation_group_counts.json; for the two graphs that are not in there (swin_t, shufflenet_v2), what
 * follows from their architecture.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { readOnnx } from "../frontends/onnx/index";
import { normalForm } from "../lowering/normal-form";
import { equivarianceOf } from "./analyse";
import { inferAxes } from "./spaces/infer";
import { enclosingAtoms } from "./spaces/enclosing";
import { type AtomSpace, atomSpaces } from "./spaces/spaces";

const FIXTURES = new URL("../../testFixtures/", import.meta.url).pathname;
const counts = (
  JSON.parse(readFileSync(`${FIXTURES}facts/permutation_group_counts.json`, "utf8")) as {
    readonly models: Readonly<Record<string, number | Readonly<Record<string, number>>>>;
  }
).models;

/** The spaces of a model: fibred ones with the sizes of what they are fibred over, those others, and the rest. */
interface Groups {
  readonly plain: readonly number[];
  readonly outer: readonly number[];
  /** Size and the parameters, by their last two names, of each space inside of another. */
  readonly inner: readonly { readonly size: number; readonly over: number; readonly acts: readonly string[] }[];
  readonly opaque: readonly string[];
}

function groupsOf(name: string): Groups {
  const { graph } = readOnnx({ path: `${FIXTURES}models/${name}.onnx` });
  const normal = normalForm(graph).graph;
  const axes = inferAxes(normal, { equivariance: equivarianceOf, softPins: true });
  const trained = [...normal.parameters.values()].filter((p) => p.trainable).map((p) => p.name);
  const spaces = atomSpaces(normal, axes, trained);
  const enclosing = enclosingAtoms(axes, spaces);
  const isOuter = (s: AtomSpace) => s.atoms.some((a) => enclosing.includes(a));
  return {
    plain: spaces.flatMap((s, i) => (enclosing[i] === undefined && !isOuter(s) ? [s.size] : [])),
    outer: spaces.flatMap((s) => (isOuter(s) ? [s.size] : [])),
    inner: spaces.flatMap((s, i) => {
      if (enclosing[i] === undefined) return [];
      return [{ size: s.size, over: axes.atoms.sizeOf(enclosing[i]), acts: s.occurrences.map((o) => o.parameter) }];
    }),
    opaque: axes.opaque.map((n) => n.operator),
  };
}

const times = (n: number, size: number): number[] => new Array<number>(n).fill(size);
const ascending = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b);

describe("hidden permutation groups of torchvision's graphs", () => {
  const files = readdirSync(`${FIXTURES}models`).map((f) => f.replace(".onnx", ""));
  it("all eighteen are here", () => assert.equal(files.length, 18));

  for (const name of files) {
    const count = counts[name];
    if (typeof count === "number") {
      it(`${name}: ${count} spaces, none inside of another`, () => {
        const found = groupsOf(name);
        assert.deepEqual(found.opaque, []);
        assert.equal(found.plain.length, count);
        assert.deepEqual([found.outer, found.inner], [[], []]);
      });
    } else if (count?.blocked !== undefined) {
      it(`${name}: ${count.plain} plain spaces, ${count.blocked} wreath products with grouped convolutions`, () => {
        const found = groupsOf(name);
        assert.deepEqual(found.opaque, []);
        assert.equal(found.plain.length, count.plain);
        assert.equal(found.inner.length, count.blocked);
        // One set of groups per block, shared by what goes into its convolution and what comes out.
        assert.equal(found.outer.length, count.blocked! / 2);
      });
    }
  }

  it("vit_b_16: one residual stream, hidden layers, heads, and coordinates per head", () => {
    const found = groupsOf("vit_b_16");
    const want = counts.vit_b_16 as Readonly<Record<string, number>>;
    assert.deepEqual(found.opaque, []);
    assert.deepEqual(ascending(found.plain), [...times(want.residual!, 768), ...times(want.mlp!, 3072)]);
    assert.deepEqual(found.outer, times(want.heads!, 12));
    // Coordinates of queries and keys act on one fused weight alone, those of values also on the output map.
    const [scores, values] = [found.inner.filter((s) => s.acts.length === 4), found.inner.filter((s) => s.acts.length !== 4)];
    const perHead = (list: Groups["inner"]) => list.reduce((n, s) => n + s.over, 0);
    assert.ok(found.inner.every((s) => s.size === 64 && s.over === 12));
    assert.deepEqual([perHead(scores), perHead(values)], [want.query_key_GL64, want.value_output_GL64]);
    assert.ok(values.every((s) => s.acts.some((p) => p.includes("out_proj"))));
    assert.ok(scores.every((s) => s.acts.every((p) => p.includes("in_proj"))));
  });

  it("swin_t: a stream per stage, hidden layers, heads of 32 coordinates", () => {
    const found = groupsOf("swin_t");
    assert.deepEqual(found.opaque, []);
    const stages = [
      [96, 2],
      [192, 2],
      [384, 6],
      [768, 2],
    ] as const;
    assert.deepEqual(ascending(found.plain), ascending(stages.flatMap(([d, blocks]) => [d, ...times(blocks, 4 * d)])));
    assert.deepEqual(ascending(found.outer), ascending(stages.flatMap(([d, blocks]) => times(blocks, d / 32))));
    assert.equal(found.inner.length, 24);
    assert.ok(found.inner.every((s) => s.size === 32));
  });

  it("shufflenet_v2_x1_0: whole inner layers, and every shuffled channel in exactly one space", () => {
    const found = groupsOf("shufflenet_v2_x1_0");
    assert.deepEqual([found.opaque, found.outer, found.inner], [[], [], []]);
    // Stages of 116, 232 and 464 channels in 4, 8 and 4 units; the inner layer of a branch is half as wide.
    const stages = [
      [58, 4],
      [116, 8],
      [232, 4],
    ] as const;
    for (const [width, units] of stages) {
      assert.ok(found.plain.filter((n) => n === width).length >= units, `${units} inner layers of ${width}`);
    }
    assert.ok(found.plain.includes(24) && found.plain.includes(1024), "the first and the last layer");
    // What shuffles take apart comes back in pieces smaller than half of a stage.
    const whole = new Set([24, 58, 116, 232, 1024]);
    const shuffled = found.plain.filter((n) => !whole.has(n));
    assert.ok(shuffled.length > 20 && shuffled.every((n) => n > 1 && n < 232));
  });
});

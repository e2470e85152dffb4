import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Drawing } from "../../../server/protocol";
import { firstOpen, layoutRequest, sceneOf } from "./scene";
import { letter } from "./spaces";

/** Two modules of two operators each, one of them inside of the other, between an input and an output. */
function drawing(): Drawing {
  const node = (kind: "operator" | "input" | "output", title: string, module?: number, writes: number[] = []) => ({
    kind,
    title,
    detail: "",
    name: title,
    ...(module === undefined ? {} : { module, scope: "m" }),
    shape: "8",
    reads: [],
    writes,
    parameters: [],
    weights: kind === "operator" ? 10 : 0,
  });
  return {
    nodes: [
      node("input", "x"),
      node("operator", "A", 0, [0]),
      node("operator", "B", 1, [1]),
      node("operator", "C", 1, [0]),
      node("operator", "D", 0),
      node("output", "y"),
    ],
    edges: [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [1, 4],
      [4, 5],
    ],
    modules: [{ path: "block" }, { path: "block.inner", parent: 0 }],
    spaces: [
      { size: 8, group: "S(8)", acts: [] },
      { size: 4, group: "S(4)", acts: [] },
    ],
    standsFor: {},
    hidden: 0,
  };
}

describe("what is shown of a drawing", () => {
  it("is one box for a closed module", () => {
    const scene = sceneOf(drawing(), new Set());
    assert.deepEqual([...scene.boxes.keys()].sort(), ["m0", "n0", "n5"]);
    assert.equal(scene.boxes.get("m0")!.detail, "4 operators · 40 weights");
    assert.deepEqual(
      scene.lines.map((l) => `${l.from}-${l.to}`),
      ["n0-m0", "m0-n5"],
    );
  });

  it("is a frame around what is in an open one", () => {
    const scene = sceneOf(drawing(), new Set([0]));
    assert.deepEqual([...scene.boxes.keys()].sort(), ["m0", "m1", "n0", "n1", "n4", "n5"]);
    assert.equal(scene.boxes.get("m0")!.kind, "open");
    const inner = scene.boxes.get("m1")!;
    assert.deepEqual([inner.kind, inner.title, inner.parent], ["closed", "block.inner", "m0"]);
    assert.deepEqual([inner.reads, inner.writes], [[0], [0]]);
    assert.equal(scene.lines.find((l) => l.from === "n1" && l.to === "n4")?.space, 0);
  });

  it("does not open what is inside of a closed module", () => {
    assert.deepEqual([...sceneOf(drawing(), new Set([1])).boxes.keys()].sort(), ["m0", "n0", "n5"]);
  });

  it("opens at first what there is room for", () => {
    assert.deepEqual(firstOpen(drawing(), 3), new Set());
    assert.deepEqual(firstOpen(drawing(), 6), new Set([0]));
    assert.deepEqual(firstOpen(drawing(), 100), new Set([0, 1]));
  });

  it("leaves repeated modules folded, and says how many they are", () => {
    const plain = drawing();
    const repeated: Drawing = {
      ...plain,
      modules: [{ path: "block" }, { path: "block.inner–3", parent: 0, repeats: { blocks: 4, kinds: 1 } }],
    };
    assert.deepEqual(firstOpen(repeated, 100), new Set([0]));
    const box = sceneOf(repeated, new Set([0])).boxes.get("m1")!;
    assert.deepEqual([box.kind, box.title, box.repeats], ["closed", "block.inner–3 ×4", 4]);
    assert.equal(sceneOf(repeated, new Set([0, 1])).boxes.get("m1")!.title, "block.inner–3 ×4");
  });

  it("asks for a layout of all boxes, those in frames with their frames", () => {
    const request = layoutRequest(sceneOf(drawing(), new Set([0, 1])));
    assert.equal(request.boxes.length, 8);
    assert.equal(request.boxes.find((b) => b.id === "n2")?.parent, "m1");
    assert.equal(request.lines.length, 6);
  });

  it("names spaces by letters", () => {
    assert.deepEqual([0, 25, 26, 27, 52, 701, 702].map(letter), ["a", "z", "aa", "ab", "ba", "zz", "aaa"]);
  });
});

/** @file Every example on every rule's page: what is found, what the fix writes, and the number that the page claims. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkFile } from "../fixes/check";
import type { Graph } from "../graph/graph";
import type { Finding } from "../rules/finding";
import { rules } from "../rules/registry";
import { checkClaim } from "../rules/testing/check-claim";
import { edited } from "./testing/edited";
import { checkedFile } from "./checked-file";
import { Loader } from "./models";

async function find(python: string): Promise<Finding[]> {
  const loaded = await new Loader({ analysis: { numeric: false } }).loadPython("example.py", python);
  assert.ok(loaded.models.length > 0, loaded.problems.map((p) => p.message).join("\n"));
  return checkFile(checkedFile(loaded));
}

const isLoud = (f: Finding) => f.severity === "error" || f.severity === "warning";

for (const { id, examples, onnxOnly, measured, severity } of rules) {
  if (onnxOnly || measured) continue;
  describe(`examples of ${id}`, () => {
    it("the bad one is found, and nothing else that is loud", async () => {
      const found = await find(examples.bad);
      const own = found.filter((f) => f.rule === id);
      assert.equal(own.length, 1, found.map((f) => f.message).join("\n"));
      assert.equal(own[0]!.severity, severity);
      assert.deepEqual(
        found.filter((f) => isLoud(f) && f.rule !== id),
        [],
      );
      const [fix] = own[0]!.fixes;
      if (fix) assert.equal(edited(examples.bad, fix.edits), examples.fixed);
    });
    it("the mended one and the good one are not", async () => {
      for (const python of [examples.fixed, examples.good]) {
        const found = await find(python);
        assert.deepEqual(
          found.filter((f) => f.rule === id || isLoud(f)),
          [],
        );
      }
    });
  });
}

describe("what pages claim by numbers", () => {
  const loader = new Loader({ analysis: { numeric: false } });
  /** The model of an example, on small images where it takes images. */
  const graphOf = async (python: string): Promise<Graph> => {
    const { graph } = (await loader.loadPython("example.py", python)).models.at(-1)!;
    const shapes = graph.inputs.map((i) => i.shape);
    if (shapes.every((s) => s.length < 4)) return graph;
    const inputShapes = shapes.map((s) => (s.length === 4 ? [4, s[1]!, 6, 6] : s));
    return (await new Loader({ analysis: { numeric: false }, inputShapes }).loadPython("example.py", python)).models.at(-1)!
      .graph;
  };
  for (const { claims, examples, id } of rules) {
    it(id, async () => {
      assert.ok(claims.length > 0, "every page claims something that can be computed");
      const graphs = {
        bad: await graphOf(examples.bad),
        fixed: await graphOf(examples.fixed),
        good: await graphOf(examples.good),
      };
      for (const claim of claims) checkClaim(claim, graphs);
    });
  }
});

describe("messages", () => {
  it("have a first line that stands alone in about a hundred characters", async () => {
    for (const { id, examples, onnxOnly, measured } of rules) {
      if (onnxOnly || measured) continue;
      for (const f of await find(examples.bad)) {
        if (f.rule !== id) continue;
        const [first] = f.message.split("\n");
        assert.ok(first!.length >= 30 && first!.length <= 120, `${id}: ${first!.length} characters: ${first}`);
        assert.doesNotMatch(f.message, /!|undefined|NaN/);
      }
    }
  });
});

/**
 * Values and gradients against PyTorch's, in float64: testFixtures/probe/make_gradients.py made the numbers. Where an
 * operator has no rule of its own, its lowering is what is differentiated, as in training.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Attribute } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { evaluateGraph } from "../evaluate";
import { build, close, type Case } from "../testing/differentiation";

interface Fixture {
  readonly operator: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly opset: number;
  readonly output: number;
  readonly note: string;
  readonly inputs: readonly ({
    readonly shape: readonly number[];
    readonly data: readonly number[];
    readonly whole?: true;
    readonly fixed?: true;
  } | null)[];
  readonly dy: readonly number[];
  readonly y: readonly number[];
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const path = join(import.meta.dirname, "../../../testFixtures/probe/gradients.json");
const fixtures = JSON.parse(readFileSync(path, "utf8")) as readonly Fixture[];

function caseOf(f: Fixture): Case {
  const inputs = f.inputs.map((t): Tensor | undefined =>
    t === null ? undefined : { type: t.whole ? "int64" : "float32", shape: t.shape, data: Float64Array.from(t.data) },
  );
  // PyTorch's slopes are a vector; ONNX broadcasts them.
  if (f.operator === "PRelu") inputs[1] = { ...inputs[1]!, shape: [3, 1] };
  return {
    operator: f.operator,
    inputs,
    attributes: f.attributes,
    opset: f.opset,
    constants: f.inputs.flatMap((t, i) => (t?.fixed ? [i] : [])),
    outputs: f.operator === "BatchNormalization" && f.attributes["training_mode"] === 1 ? 3 : f.operator === "TopK" ? 2 : 1,
  };
}

describe("gradients against PyTorch's", () => {
  it("has the cases", () => assert.ok(fixtures.length >= 100, `${fixtures.length} cases`));
  fixtures.forEach((f, k) => {
    it(`${k} ${f.operator} ${JSON.stringify(f.attributes)} ${f.note}`, () => {
      const c = caseOf(f);
      const { forward, backward, wanted } = build(c);
      const fed = new Map(forward.inputs.map((i) => [i.name, c.inputs[Number(i.name.slice(1))]!]));
      const y = evaluateGraph(forward, fed).get(forward.outputs[0]!)!;
      close(y.data, f.y, 1e-5, "value");
      const found = evaluateGraph(backward, new Map([...fed, ["c0", { ...y, data: Float64Array.from(f.dy) }]]));
      for (const [i, expected] of Object.entries(f.gradients)) {
        const at = wanted.indexOf(`x${i}`);
        if (at < 0) {
          // What never moves the output has no gradient at all.
          close(expected, new Float64Array(expected.length), 1e-9, `input ${i}`);
          continue;
        }
        close(found.get(backward.outputs[at]!)!.data, expected, 1e-5, `gradient of input ${i}`);
      }
    });
  });
});

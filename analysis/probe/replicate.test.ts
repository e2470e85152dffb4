/** Copies of networks with convolutions in one graph: each computes what the network alone computes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { join } from "node:path";
import { readOnnx } from "../frontends/onnx/index";
import { elementCount, type Tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { asFloat32 } from "./float32";
import { prepare } from "./prepare";
import { replicate } from "./replicate";

const COPIES = 3;
const zoo = join(import.meta.dirname, "../../testFixtures/zoo/onnx");

function check(name: string): void {
  const alone = prepare(asFloat32(readOnnx({ path: join(zoo, `${name}.onnx`) }).graph), false);
  const batched = replicate(alone, COPIES);
  const random = new Random(4);
  const single: Map<string, Tensor>[] = Array.from({ length: COPIES }, () => new Map());
  const all = new Map<string, Tensor>();
  const statistics = new Set(alone.statistics.flatMap((s) => [s.mean, s.variance]));
  const draw = (value: string, shape: readonly number[], own: boolean) => {
    const count = elementCount(shape);
    const parts = Array.from({ length: own ? COPIES : 1 }, () => random.normals(count).map(Math.abs));
    single.forEach((values, r) => values.set(value, { type: "float32", shape, data: parts[own ? r : 0]! }));
    const joined = new Float64Array(parts.length * count);
    parts.forEach((p, r) => joined.set(p, r * count));
    all.set(value, { type: "float32", shape: own ? [COPIES, ...shape] : shape, data: joined });
  };
  for (const i of alone.graph.inputs) draw(i.name, i.shape, true);
  for (const p of alone.graph.parameters.values()) draw(p.name, p.shape, p.trainable || statistics.has(p.name));
  const together = evaluateGraph(batched.graph, all);
  single.forEach((values, r) => {
    const apart = evaluateGraph(alone.graph, values);
    alone.graph.outputs.forEach((output, k) => {
      const [expected, found] = [apart.get(output)!, together.get(batched.graph.outputs[k]!)!];
      assert.deepEqual(found.shape, [COPIES, ...expected.shape]);
      const size = expected.data.length;
      expected.data.forEach((v, i) => {
        const other = found.data[r * size + i]!;
        assert.ok(Math.abs(v - other) <= 1e-9 * (1 + Math.abs(v)), `${output}[${i}] of copy ${r} is ${other}, alone ${v}`);
      });
    });
  });
}

describe("copies of convolutional networks", () => {
  for (const name of ["ConvBnRelu", "ResNetBlock", "DepthwiseSeparable", "GroupedConv", "GroupNormNet", "ConvFlatten"]) {
    it(name, () => check(name));
  }
});

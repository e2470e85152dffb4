import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Attribute, Node } from "../graph/graph";
import { type ElementType, elementCount, type Tensor } from "../graph/tensor";
import { activationOperators } from "./activation";
import { alongAxisOperators } from "./along-axis";
import { contractionOperators } from "./contraction";
import { convolutionOperators } from "./convolution";
import { elementwiseOperators } from "./elementwise";
import { generatingOperators } from "./generating";
import { indexingOperators } from "./indexing";
import { movementOperators } from "./movement";
import type { Operator } from "./operator";
import { paddingOperators } from "./padding";
import { poolingOperators } from "./pooling";
import { quantizationOperators } from "./quantization";
import { reductionOperators } from "./reduction";
import { resizingOperators } from "./resizing";
import { samplingOperators } from "./sampling";
import { operators, operatorTable } from "./table";
import { generator } from "./testing/reference";

const primitives: readonly Operator[] = [
  ...elementwiseOperators,
  ...activationOperators,
  ...contractionOperators,
  ...convolutionOperators,
  ...poolingOperators,
  ...resizingOperators,
  ...reductionOperators,
  ...alongAxisOperators,
  ...movementOperators,
  ...paddingOperators,
  ...indexingOperators,
  ...generatingOperators,
  ...samplingOperators,
  ...quantizationOperators,
];

/** Attributes that primitives read, with values that fit and values that do not. */
const ATTRIBUTES: Readonly<Record<string, readonly Attribute[]>> = {
  axis: [0, 1, -1, 7, -9, 0.5, "x"],
  axes: [[0], [1, -1], [0, 0], [5], []],
  perm: [[1, 0], [0, 2, 1], [0], [3, 3]],
  kernel_shape: [[1, 1], [2, 2], [3], [9, 9], [0, 0]],
  strides: [[1, 1], [2, 1], [0, 0], [1], [-1, 1]],
  dilations: [[1, 1], [2, 2], [3]],
  pads: [
    [0, 0, 0, 0],
    [1, 0, 1, 0],
    [1, 1],
    [-3, 0, 0, 0],
    [2, 2, 2, 2, 2, 2, 2, 2],
  ],
  auto_pad: ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "ODD"],
  group: [1, 2, 3, 0],
  ceil_mode: [0, 1],
  count_include_pad: [0, 1],
  keepdims: [0, 1],
  noop_with_empty_axes: [0, 1],
  equation: ["ij,jk->ik", "ii", "...i->...", "i,i", "ij,jk->", "->", "i->j", ","],
  mode: ["nearest", "linear", "cubic", "constant", "reflect", "edge", "wrap", "CRD", "odd"],
  blocksize: [1, 2, 0],
  num_outputs: [1, 2],
  split: [[1, 1], [2], [-1, 3]],
  batch_dims: [0, 1, 4],
  transA: [0, 1],
  transB: [0, 1],
  to: [1, 7, 9, 99],
  k: [1, 3, -1],
  starts: [[0], [1, 1], [-5]],
  ends: [[2], [9, 9], [-1]],
  reduction: ["none", "add", "mul"],
  scales: [
    [1, 2],
    [1, 1, 2, 0.5],
  ],
  batch_axis: [0, 1],
  time_axis: [0, 1],
};

describe("operatorTable", () => {
  it("finds entries by domain and name", () => {
    assert.equal(operatorTable("Conv", "")?.name, "Conv");
    assert.equal(operatorTable("Conv", "ai.onnx"), operatorTable("Conv", ""));
    assert.equal(operatorTable("Conv", "python"), undefined);
    assert.equal(operatorTable("deform_conv", "python"), undefined);
    assert.ok(operators.length > 150);
  });

  it("rules answer or say what is wrong, whatever the node, and kernels give what the rules promise", () => {
    const next = generator(99);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
    const shapes = [[], [1], [2], [3], [2, 3], [3, 2], [1, 3], [2, 2, 3], [1, 2, 4, 4], [2, 1, 1, 2], [0, 2], [2, 2, 3, 3]];
    const types: readonly ElementType[] = ["float32", "float32", "int64", "bool"];
    let computed = 0;
    const failures = new Map<string, string>();
    for (let run = 0; run < 60_000; run++) {
      const entry = pick(primitives);
      const names = Object.keys(ATTRIBUTES).filter(() => next() < 0.2);
      const inputs = Array.from({ length: Math.floor(next() * 5) }, (): Tensor | undefined => {
        if (next() < 0.1) return undefined;
        const [shape, type] = [pick(shapes), pick(types)];
        const draw =
          type === "float32"
            ? () => next() * 2
            : type === "bool"
              ? () => Math.floor(next() * 2)
              : () => Math.floor(next() * 4) - 1;
        return { type, shape, data: Float64Array.from({ length: elementCount(shape) }, draw) };
      });
      const node: Node = {
        name: "node",
        operator: entry.name,
        domain: "",
        inputs: inputs.map((t, i) => (t ? `x${i}` : "")),
        outputs: Array.from({ length: 1 + Math.floor(next() * 2) }, (_, i) => `y${i}`),
        attributes: Object.fromEntries(names.map((name) => [name, pick(ATTRIBUTES[name]!)])),
        origin: {},
      };
      const opset = pick([9, 11, 13, 18, 21]);
      const what = (error: unknown): string =>
        `${entry.name} ${JSON.stringify(node.attributes)} ${inputs.map((t) => (t ? `${t.type}[${t.shape.join()}]` : "-")).join(" ")}: ${String(error)}`;
      const context = {
        inputs: inputs.map((t) => ({ type: t?.type ?? ("other" as const), shape: t?.shape })),
        constant: (i: number) => inputs[i],
        opset,
      };
      let inferred: ReturnType<Operator["infer"]>;
      try {
        inferred = entry.infer(node, context);
      } catch (error) {
        // A sentence of ours, not a crash: it names the operator first.
        if (!(error instanceof Error && error.message.startsWith(entry.name))) failures.set(entry.name, what(error));
        continue;
      }
      if (
        entry.evaluate === undefined ||
        !inferred.every((t) => t.shape?.every((n) => Number.isInteger(n) && n >= 0 && n < 1000))
      )
        continue;
      let values: readonly Tensor[];
      try {
        values = entry.evaluate(node, inputs, opset);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith(entry.name))) failures.set(entry.name, what(error));
        continue;
      }
      computed++;
      values.forEach((value, i) => {
        if (inferred[i] === undefined) return;
        if (value.data.length !== elementCount(value.shape)) failures.set(entry.name, what("wrong number of elements"));
        if (value.shape.join() !== inferred[i].shape!.join())
          failures.set(entry.name, what(`${value.shape.join()} and not ${inferred[i].shape!.join()}`));
      });
    }
    assert.deepEqual([...failures.values()], []);
    assert.ok(computed > 5_000, `${computed} kernels ran`);
  });
});

/** @file Random networks: every claimed finite symmetry leaves the output unchanged, every tangent vector its value. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Graph, Node, Parameter } from "../graph/graph";
import { elementCount, type Tensor, type TensorType, tensor } from "../graph/tensor";
import { Random } from "../numerics/random";
import { evaluateGraph } from "../operators/evaluate";
import { inferShapes } from "../operators/inference";
import { analyse } from "./analyse";
import { certifyGenerators } from "./counting/jacobian";
import { Network } from "./counting/network";
import { genericWeights } from "./counting/sampling";

/** One step of a random network on a value of shape (batch, width). */
type Step =
  | { readonly kind: "linear"; readonly width: number; readonly bias: boolean }
  | { readonly kind: "activation"; readonly operator: string }
  | { readonly kind: "norm"; readonly operator: "layer" | "rms" | "batch" }
  | { readonly kind: "gain" }
  | { readonly kind: "residual"; readonly width: number; readonly operator: string }
  | { readonly kind: "gate"; readonly width: number; readonly operator: string }
  | { readonly kind: "concat"; readonly width: number }
  | { readonly kind: "chunk"; readonly operator: string }
  | { readonly kind: "shuffle" };

const width = fc.integer({ min: 2, max: 6 });
const activation = fc.constantFrom("Relu", "Tanh", "Sigmoid", "Erf", "LeakyRelu", "Abs", "Softplus", "Sin");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("linear" as const), width, bias: fc.boolean() }),
  fc.record({ kind: fc.constant("activation" as const), operator: activation }),
  fc.record({
    kind: fc.constant("norm" as const),
    operator: fc.constantFrom("layer" as const, "rms" as const, "batch" as const),
  }),
  fc.record({ kind: fc.constant("gain" as const) }),
  fc.record({ kind: fc.constant("residual" as const), width, operator: activation }),
  fc.record({ kind: fc.constant("gate" as const), width, operator: activation }),
  fc.record({ kind: fc.constant("concat" as const), width }),
  fc.record({ kind: fc.constant("chunk" as const), operator: activation }),
  fc.record({ kind: fc.constant("shuffle" as const) }),
);

/** Builds the network that a list of steps describes. */
class Builder {
  readonly nodes: Node[] = [];
  readonly parameters = new Map<string, Parameter>();
  readonly constants = new Map<string, Tensor>();
  private count = 0;

  add(operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string {
    const name = `${operator}_${this.count++}`;
    this.nodes.push({ name, operator, domain: "", inputs, outputs: [`${name}_out`], attributes, origin: {} });
    return `${name}_out`;
  }

  parameter(shape: readonly number[]): string {
    const name = `p${this.parameters.size}`;
    this.parameters.set(name, { name, type: "float64", shape, trainable: true, origin: {} });
    return name;
  }

  constant(shape: readonly number[], data: readonly number[], type: Tensor["type"] = "int64"): string {
    const name = `c${this.constants.size}`;
    this.constants.set(name, tensor(shape, data, type));
    return name;
  }

  linear(x: string, from: number, to: number, bias: boolean): string {
    const y = this.add("MatMul", [x, this.add("Transpose", [this.parameter([to, from])], { perm: [1, 0] })]);
    return bias ? this.add("Add", [y, this.parameter([to])]) : y;
  }

  norm(x: string, operator: "layer" | "rms" | "batch"): string {
    const axes = [operator === "batch" ? 0 : 1];
    const mean = (v: string) => this.add("ReduceMean", [v], { axes, keepdims: 1 });
    const centred = operator === "rms" ? x : this.add("Sub", [x, mean(x)]);
    return this.add("Div", [centred, this.add("Sqrt", [mean(this.add("Mul", [centred, centred]))])]);
  }
}

const BATCH = 7;
const INPUT = 3;
const OUTPUT = 2;

function network(steps: readonly Step[]): Graph {
  const b = new Builder();
  let x = b.linear("x", INPUT, 4, true);
  let n = 4;
  for (const s of steps) {
    switch (s.kind) {
      case "linear":
        x = b.linear(x, n, s.width, s.bias);
        n = s.width;
        break;
      case "activation":
        x = b.add(s.operator, [x]);
        break;
      case "norm":
        x = b.norm(x, s.operator);
        break;
      case "gain":
        x = b.add("Add", [b.add("Mul", [x, b.parameter([n])]), b.parameter([n])]);
        break;
      case "residual":
        x = b.add("Add", [x, b.linear(b.add(s.operator, [b.linear(x, n, s.width, true)]), s.width, n, false)]);
        break;
      case "gate":
        x = b.add("Mul", [b.add(s.operator, [b.linear(x, n, s.width, false)]), b.linear(x, n, s.width, false)]);
        n = s.width;
        break;
      case "concat":
        x = b.add("Concat", [x, b.linear(x, n, s.width, true)], { axis: 1 });
        n += s.width;
        break;
      case "chunk": {
        if (n < 2) break;
        const half = Math.floor(n / 2);
        const cut = (from: number, to: number) =>
          b.add("Slice", [x, b.constant([1], [from]), b.constant([1], [to]), b.constant([1], [1])]);
        const [left, right] = [cut(0, half), cut(half, n)];
        x = b.add("Concat", [b.add(s.operator, [left]), right], { axis: 1 });
        break;
      }
      case "shuffle": {
        if (n % 2 !== 0) break;
        const folded = b.add("Reshape", [x, b.constant([3], [BATCH, 2, n / 2])]);
        x = b.add("Reshape", [b.add("Transpose", [folded], { perm: [0, 2, 1] }), b.constant([2], [BATCH, n])]);
        break;
      }
    }
  }
  const y = b.linear(x, n, OUTPUT, true);
  const graph: Graph = {
    name: "random",
    opset: 17,
    inputs: [{ name: "x", type: "float64", shape: [BATCH, INPUT] }],
    outputs: [y],
    nodes: b.nodes,
    parameters: b.parameters,
    constants: b.constants,
    types: new Map<string, TensorType>(),
  };
  const inferred = inferShapes(graph);
  assert.deepEqual(inferred.problems, []);
  return inferred.graph;
}

function evaluate(graph: Graph, weights: ReadonlyMap<string, Float64Array>, x: Tensor): Float64Array {
  const values = new Map<string, Tensor>([["x", x]]);
  for (const p of graph.parameters.values()) values.set(p.name, { type: "float64", shape: p.shape, data: weights.get(p.name)! });
  return evaluateGraph(graph, values).get(graph.outputs[0]!)!.data;
}

describe("random networks", () => {
  it("keep their output under every claimed symmetry", () => {
    let claimed = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), fc.integer(), (steps, seed) => {
        const graph = network(steps);
        const found = analyse(graph, { numeric: false });
        const random = new Random(seed);
        const weights = genericWeights(new Network(found.normal), random);
        const x = tensor([BATCH, INPUT], random.normals(elementCount([BATCH, INPUT])));
        const before = evaluate(graph, weights, x);
        // Units that are all off leave a norm 0 / 0: such a draw says nothing.
        fc.pre(before.every(Number.isFinite));
        const size = Math.max(...before.map(Math.abs), 1e-9);
        for (const s of found.symmetries) {
          const moved = new Map([
            ...weights,
            ...s.act(
              weights,
              s.randomElement(() => random.uniform()),
            ),
          ]);
          const after = evaluate(graph, moved, x);
          const deviation = Math.max(...after.map((v, i) => Math.abs(v - before[i]!))) / size;
          assert.ok(deviation < 1e-8, `${s.id} ${s.group} on ${s.parameters.join()} moves the output by ${deviation}`);
          claimed++;
        }
      }),
      { seed: 2026, numRuns: 150 },
    );
    assert.ok(claimed > 400, "the networks have symmetries to check");
  });

  it("keep their output to first order along every tangent vector, and nothing is counted twice", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), (steps) => {
        const found = analyse(network(steps));
        if (found.countOrigin !== "model") return;
        const weights = genericWeights(new Network(found.normal), new Random(5));
        const vectors = found.symmetries.flatMap((s) => s.generators(weights).map((g) => g.vector));
        assert.ok(certifyGenerators(found.normal, weights, vectors) < 1e-9);
        const { total, ...families } = found.continuous;
        assert.equal(
          Object.values(families).reduce((a, n) => a + n, 0),
          total,
        );
      }),
      { seed: 11, numRuns: 12 },
    );
  });
});

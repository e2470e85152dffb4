/** @file Random small networks of what exchanges are found in: every claimed finite group leaves their outputs as they are. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { elementCount, tensor } from "../../graph/tensor";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { evaluateGraph } from "../../operators/evaluate";
import { analyse } from "../analyse";

const SAMPLES = 5;
const WIDTH = 4;

/** Blocks of random parts, each of which may be told from its like by a small change. */
class RandomNetwork {
  readonly b = new GraphBuilder();
  private layers = 0;

  constructor(private readonly random: Random) {}

  private pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random.uniform() * list.length)]!;
  }

  private number(value: number): string {
    return this.b.constant([], [value]);
  }

  private linear(x: string, from: number, to: number): string {
    const name = `l${this.layers++}`;
    const y = this.b.add("MatMul", [x, this.b.parameter(`${name}.w`, [from, to])]);
    return this.random.uniform() < 0.5 ? y : this.b.add("Add", [y, this.b.parameter(`${name}.b`, [to])]);
  }

  private gelu(x: string): string {
    const { b } = this;
    const erf = b.add("Erf", [b.add("Mul", [x, this.number(Math.SQRT1_2)])]);
    return b.add("Mul", [x, b.add("Add", [erf, this.number(1)])]);
  }

  private activation(): (x: string) => string {
    return this.pick<(x: string) => string>([
      (x) => this.b.add("Tanh", [x]),
      (x) => this.b.add("Softplus", [x]),
      (x) => this.b.add("Abs", [x]),
      (x) => this.b.add("Mul", [x, this.b.add("Sigmoid", [x])]),
      (x) => this.gelu(x),
      (x) => x,
    ]);
  }

  /** The same activation for all parts, or now and then another one for one of them. */
  private activations(count: number): ((x: string) => string)[] {
    const all = this.activation();
    return Array.from({ length: count }, () => (this.random.uniform() < 0.15 ? this.activation() : all));
  }

  private parts(x: string, count: number): string[] {
    const functions = this.activations(count);
    if (this.random.uniform() < 0.5) return functions.map((f) => f(this.linear(x, WIDTH, WIDTH)));
    const sizes = this.b.constant([count], new Array<number>(count).fill(WIDTH), "int64");
    const pieces = this.b.addAll("Split", [this.linear(x, WIDTH, count * WIDTH), sizes], count, { axis: 1 });
    return pieces.map((p, k) => functions[k]!(p));
  }

  private share(x: string): string {
    const { b } = this;
    const raw = this.pick([
      () => this.linear(x, WIDTH, WIDTH),
      () => b.parameter(`l${this.layers++}.g`, [WIDTH]),
      () => b.parameter(`l${this.layers++}.g`, [1]),
    ])();
    return this.random.uniform() < 0.85 ? b.add("Sigmoid", [raw]) : b.add("Abs", [raw]);
  }

  /** x through one block, of the same width. */
  block(x: string): string {
    const { b } = this;
    return this.pick<() => string>([
      () => b.add(this.pick(["Mul", "Max", "Sub", "Add"]), this.parts(x, 2)),
      () => b.add("Max", this.parts(x, 3)),
      () => {
        const [p, q] = this.parts(x, 2) as [string, string];
        const t = this.share(x);
        return b.add("Add", [b.add("Mul", [t, p]), b.add("Mul", [b.add("Sub", [this.number(1), t]), q])]);
      },
      () => {
        const [p, q] = this.parts(x, 2) as [string, string];
        return b.add("Add", [q, b.add("Mul", [this.share(x), b.add("Sub", [p, q])])]);
      },
      () => {
        const [p, q] = this.parts(x, 2) as [string, string];
        return b.add("Sub", [p, b.add("Mul", [this.share(x), b.add("Sub", [p, q])])]);
      },
      () => {
        const h = this.linear(x, WIDTH, WIDTH);
        const [f, g] = this.activations(2) as [(v: string) => string, (v: string) => string];
        const weigh = (v: string): string => b.add("Mul", [b.parameter(`l${this.layers++}.s`, [WIDTH]), v]);
        return b.add(this.pick(["Add", "Sub"]), [weigh(f(h)), weigh(g(b.add("Neg", [h])))]);
      },
      () => {
        const h = this.linear(x, WIDTH, WIDTH);
        const f = this.activation();
        return this.linear(f(b.add("Concat", [h, b.add("Neg", [h])], { axis: 1 })), 2 * WIDTH, WIDTH);
      },
      () => {
        const heads = this.parts(x, 2).map((p) => b.add("Softmax", [p], { axis: 1 }));
        return this.linear(b.add("Concat", heads, { axis: 1 }), 2 * WIDTH, WIDTH);
      },
      () => {
        const [p, q] = this.parts(x, 2) as [string, string];
        const rows = b.add("Einsum", [p, q], { equation: this.pick(["nd,nd->n", "nd,ne->n"]) });
        return b.add("Mul", [x, b.add("Tanh", [b.add("Unsqueeze", [rows, b.constant([1], [1], "int64")])])]);
      },
    ])();
  }
}

function network(random: Random): Graph {
  const made = new RandomNetwork(random);
  const { b } = made;
  let x = b.input("x", [SAMPLES, WIDTH]);
  for (let k = 1 + Math.floor(random.uniform() * 2); k > 0; k--) {
    const y = made.block(x);
    x = random.uniform() < 0.3 ? b.add("Add", [x, y]) : y;
  }
  return b.build(b.add("MatMul", [x, b.parameter("out", [WIDTH, 3])]));
}

describe("random networks with parts alike", () => {
  it("keep their outputs under every claimed finite group", () => {
    const random = new Random(23);
    const found = new Map<string, number>();
    for (let trial = 0; trial < 120; trial++) {
      const graph = network(random);
      const inputs = graph.inputs.map((i) => [i.name, tensor(i.shape, random.normals(elementCount(i.shape)))] as const);
      const weights = new Map(
        [...graph.parameters.values()].map((p) => [p.name, random.normals(elementCount(p.shape))] as const),
      );
      const run = (values: ReadonlyMap<string, Float64Array>): number[] => {
        const all = new Map(inputs);
        for (const [p, data] of values) all.set(p, tensor(graph.parameters.get(p)!.shape, data));
        return Array.from(evaluateGraph(graph, all).get(graph.outputs[0]!)!.data);
      };
      const before = run(weights);
      for (const s of analyse(graph, { numeric: false }).symmetries) {
        if (s.dimension > 0) continue;
        const kind = s.id.split(":")[0]!;
        found.set(kind, (found.get(kind) ?? 0) + 1);
        for (let k = 0; k < 4; k++) {
          const element = s.randomElement(() => random.uniform());
          const after = run(new Map([...weights, ...s.act(weights, element)]));
          assert.ok(
            after.every((y, i) => Math.abs(y - before[i]!) < 1e-9 * (1 + Math.abs(y))),
            `${s.id} ${s.group} of ${s.parameters.join()} in trial ${trial}`,
          );
        }
      }
    }
    for (const kind of ["exchange", "swap", "sign", "permutation"]) assert.ok(found.get(kind)! > 5, `${kind} ${found.get(kind)}`);
  });
});

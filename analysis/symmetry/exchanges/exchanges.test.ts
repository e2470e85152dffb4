/** @file Exchanges of weights, against all signed permutations of tiny networks' weights that leave the function as it is. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Graph } from "../../graph/graph";
import { elementCount, tensor } from "../../graph/tensor";
import { GraphBuilder } from "../../lowering/testing/graph-builder";
import { Random } from "../../numerics/random";
import { evaluateGraph } from "../../operators/evaluate";
import { analyse } from "../analyse";
import type { ParameterValues, Symmetry } from "../symmetry";

const SAMPLES = 24;

/** What a network gives for fixed inputs, by its weights. */
function functionOf(graph: Graph): (weights: ParameterValues) => number[] {
  const random = new Random(5);
  const inputs = graph.inputs.map((i) => [i.name, tensor(i.shape, random.normals(elementCount(i.shape)))] as const);
  return (weights) => {
    const values = new Map(inputs);
    for (const [p, data] of weights) values.set(p, tensor(graph.parameters.get(p)!.shape, data));
    const out = evaluateGraph(graph, values);
    return graph.outputs.flatMap((o) => Array.from(out.get(o)!.data));
  };
}

function weightsOf(graph: Graph): ParameterValues {
  const random = new Random(3);
  return new Map([...graph.parameters.values()].map((p) => [p.name, random.normals(elementCount(p.shape))] as const));
}

const isEqual = (a: readonly number[], b: readonly number[]): boolean => a.every((x, i) => Math.abs(x - b[i]!) < 1e-9);
const keyOf = (weights: ParameterValues): string =>
  [...weights.values()].map((v) => Array.from(v, (x) => (Math.abs(x) < 1e-9 ? 0 : x).toFixed(6)).join()).join("|");

function permutations(n: number): number[][] {
  if (n === 0) return [[]];
  return permutations(n - 1).flatMap((p) => Array.from({ length: n }, (_, i) => [...p.slice(0, i), n - 1, ...p.slice(i)]));
}

/** Number of signed permutations along one axis of each weight that leave the function as it is; some only permuted. */
function bruteForce(graph: Graph, axes: Readonly<Record<string, number>>, unsigned: readonly string[] = []): number {
  const run = functionOf(graph);
  const weights = new Map(weightsOf(graph));
  const before = run(weights);
  const found = new Set<string>();
  const names = Object.keys(axes);
  const visit = (k: number): void => {
    const name = names[k];
    if (name === undefined) {
      if (isEqual(before, run(weights))) found.add(keyOf(weights));
      return;
    }
    const own = weights.get(name)!;
    const { shape } = graph.parameters.get(name)!;
    const n = shape[axes[name]!]!;
    const inner = shape.slice(axes[name]! + 1).reduce((m, d) => m * d, 1);
    for (const order of permutations(n)) {
      for (let signs = 0; signs < (unsigned.includes(name) ? 1 : 1 << n); signs++) {
        const moved = own.map((_, i) => {
          const at = Math.floor(i / inner) % n;
          return own[i + (order[at]! - at) * inner]! * ((signs >> at) & 1 ? -1 : 1);
        });
        weights.set(name, moved);
        visit(k + 1);
      }
    }
    weights.set(name, own);
  };
  visit(0);
  return found.size;
}

/** Whether a random element of a symmetry leaves the function as it is. */
function isKept(graph: Graph, s: Symmetry): boolean {
  const weights = weightsOf(graph);
  const run = functionOf(graph);
  const random = new Random(7);
  return isEqual(
    run(weights),
    run(
      new Map([
        ...weights,
        ...s.act(
          weights,
          s.randomElement(() => random.uniform()),
        ),
      ]),
    ),
  );
}

/** Number of weights that all claimed finite groups together lead to, each of which gives the same function. */
function claimed(graph: Graph): number {
  const { symmetries } = analyse(graph, { numeric: false });
  const random = new Random(7);
  const run = functionOf(graph);
  const first = weightsOf(graph);
  const before = run(first);
  const moves = symmetries
    .filter((s) => s.dimension === 0)
    .flatMap((s) => Array.from({ length: 16 }, () => [s, s.randomElement(() => random.uniform())] as const));
  const seen = new Set([keyOf(first)]);
  const pending = [first];
  while (pending.length > 0) {
    const weights = pending.pop()!;
    for (const [s, element] of moves) {
      const moved = new Map([...weights, ...s.act(weights, element)]);
      if (seen.has(keyOf(moved))) continue;
      assert.ok(isEqual(before, run(moved)), `${s.id} ${s.group} changes the function`);
      seen.add(keyOf(moved));
      pending.push(moved);
    }
  }
  return seen.size;
}

const exchangesOf = (graph: Graph): Symmetry[] =>
  analyse(graph, { numeric: false }).symmetries.filter((s) => s.id.startsWith("exchange"));
const groups = (graph: Graph): string[] => exchangesOf(graph).map((s) => s.group);

/** x W, of weights named by the layer. */
function layer(b: GraphBuilder, x: string, name: string, from: number, to: number): string {
  return b.add("MatMul", [x, b.parameter(name, [from, to])]);
}

function halves(b: GraphBuilder, x: string, step = 1): [string, string] {
  const int = (k: number): string => b.constant([1], [k], "int64");
  const slice = (start: number, end: number): string =>
    b.add("Slice", [x, int(start), int(end), int(1), ...(step === 1 ? [] : [int(step)])]);
  return step === 1 ? [slice(0, 2), slice(2, 4)] : [slice(0, 4), slice(1, 4)];
}

function network(make: (b: GraphBuilder, x: string) => string): Graph {
  const b = new GraphBuilder();
  return b.build(make(b, b.input("x", [SAMPLES, 3])));
}

const gate = network((b, x) => {
  const [u, v] = halves(b, layer(b, x, "a", 3, 4));
  return layer(b, b.add("Mul", [b.add("Tanh", [u]), b.add("Tanh", [v])]), "o", 2, 3);
});
const strided = network((b, x) => {
  const [u, v] = halves(b, layer(b, x, "a", 3, 4), 2);
  return layer(b, b.add("Max", [u, v]), "o", 2, 3);
});
const rectified = network((b, x) => {
  const h = layer(b, x, "a", 3, 2);
  return layer(b, b.add("Softplus", [b.add("Concat", [h, b.add("Neg", [h])], { axis: 1 })]), "o", 4, 3);
});
const difference = network((b, x) =>
  layer(b, b.add("Sub", [b.add("Softplus", [layer(b, x, "a", 3, 2)]), b.add("Softplus", [layer(b, x, "c", 3, 2)])]), "o", 2, 3),
);
const one = (b: GraphBuilder): string => b.constant([], [1]);
const mixture = (readsTwice: boolean): Graph =>
  network((b, x) => {
    const s = b.add("Sigmoid", [layer(b, x, "t", 3, 2)]);
    const [p, q] = ["a", "c"].map((name) => b.add("Softplus", [layer(b, x, name, 3, 2)])) as [string, string];
    const mixed = b.add("Add", [b.add("Mul", [s, p]), b.add("Mul", [b.add("Sub", [one(b), s]), q])]);
    return layer(b, readsTwice ? b.add("Add", [mixed, b.add("Exp", [s])]) : mixed, "o", 2, 3);
  });
const tree = network((b, x) => {
  const s = b.add("Sigmoid", [layer(b, x, "d", 3, 3)]);
  const node = (k: number): string => b.add("Gather", [s, b.constant([1], [k], "int64")], { axis: 1 });
  const not = (v: string): string => b.add("Sub", [one(b), v]);
  const [root, left, right] = [node(0), node(1), node(2)];
  const leaves = [
    b.add("Mul", [root, left]),
    b.add("Mul", [root, not(left)]),
    b.add("Mul", [not(root), right]),
    b.add("Mul", [not(root), not(right)]),
  ];
  return b.add("MatMul", [b.add("Concat", leaves, { axis: 1 }), b.parameter("leaves", [4, 2])]);
});

describe("exchanges", () => {
  it("halves of a gate, unit by unit, as many as there are", () => {
    assert.deepEqual(groups(gate), ["S(2)^2"]);
    assert.equal(claimed(gate), bruteForce(gate, { a: 1, o: 0 }));
  });

  it("of layers of any width: the units' permutations carry one exchange to all of them", () => {
    const wide = (units: number, heads: number): Graph =>
      network((b, x) => {
        const h = layer(b, x, "a", 3, 2 * units);
        const [u, v] = b.addAll("Split", [h, b.constant([2], [units, units], "int64")], 2, { axis: 1 }) as [string, string];
        const product = b.add("Mul", [b.add("Tanh", [u]), b.add("Tanh", [v])]);
        if (heads === 1) return layer(b, product, "o", units, 2);
        const apart = b.add("Reshape", [product, b.constant([3], [SAMPLES, heads, units / heads], "int64")]);
        return layer(b, b.add("ReduceMax", [apart], { axes: [2], keepdims: 0 }), "o", heads, 2);
      });
    for (const [units, heads] of [
      [700, 1],
      [600, 20],
    ] as const) {
      const graph = wide(units, heads);
      assert.deepEqual(groups(graph), [`S(2)^${units}`]);
      const [exchange] = exchangesOf(graph);
      assert.ok(isKept(graph, exchange!));
      assert.equal(exchange!.fixedSet(weightsOf(graph))!.codimension, 3 * units);
      const weights = weightsOf(graph);
      assert.equal([...exchange!.mirrors!(weights)].length, units);
      const all = exchange!.act(weights, new Float64Array(units).fill(1)).get("a")!;
      const own = weights.get("a")!;
      assert.ok(all.every((value, i) => value === own[i % (2 * units) < units ? i + units : i - units]));
    }
  });

  it("pieces of a maxout that lie side by side", () => {
    assert.deepEqual(groups(strided), ["S(2)^2"]);
    assert.equal(claimed(strided), bruteForce(strided, { a: 1, o: 0 }));
  });

  it("both sides of a rectified pair, as their unit changes its sign", () => {
    assert.deepEqual(groups(rectified), ["S(2)^2"]);
    assert.equal(claimed(rectified), bruteForce(rectified, { a: 1, o: 0 }));
  });

  it("mirrors of a soft decision tree", () => {
    assert.equal(claimed(tree), bruteForce(tree, { d: 1, leaves: 0 }, ["leaves"]));
  });

  it("a difference whose operands change places with a sign", () => {
    assert.deepEqual(groups(difference), ["S(2)^2"]);
    assert.equal(claimed(difference), 2 * 4, "S(2) of the units and an exchange of each");
  });

  it("what a gate chooses between, as it turns round; not where the gate is read elsewhere", () => {
    assert.deepEqual(groups(mixture(false)), ["S(2)^2"]);
    assert.equal(claimed(mixture(false)), 2 * 4);
    assert.deepEqual(groups(mixture(true)), []);
  });

  it("what a share of a difference lies between, however it is written", () => {
    const between = (write: (b: GraphBuilder, t: string, p: string, q: string) => string): Graph =>
      network((b, x) => {
        const t = b.add("Sigmoid", [layer(b, x, "t", 3, 2)]);
        const [p, q] = ["a", "c"].map((name) => b.add("Softplus", [layer(b, x, name, 3, 2)])) as [string, string];
        return layer(b, write(b, t, p, q), "o", 2, 3);
      });
    const from = (b: GraphBuilder, t: string, p: string, q: string): string =>
      b.add("Add", [q, b.add("Mul", [t, b.add("Sub", [p, q])])]);
    const back = (b: GraphBuilder, t: string, p: string, q: string): string =>
      b.add("Sub", [p, b.add("Mul", [b.add("Sub", [p, q]), b.add("Sub", [one(b), t])])]);
    const half = (b: GraphBuilder, t: string): string => b.add("Less", [t, b.constant([], [0.5])]);
    for (const graph of [
      between(from),
      between(back),
      // As PyTorch's exporter writes torch.lerp.
      between((b, t, p, q) => b.add("Where", [half(b, t), from(b, t, p, q), back(b, t, p, q)])),
    ]) {
      assert.deepEqual(groups(graph), ["S(2)^2"]);
      assert.equal(claimed(graph), 2 * 4);
    }
    const told = between((b, t, p, q) => b.add("Add", [q, b.add("Mul", [b.add("Sqrt", [t]), b.add("Sub", [p, q])])]));
    assert.deepEqual(groups(told), []);
  });

  it("what a trained weight mixes, as the weight changes its sign", () => {
    const mixed = (units: number): Graph =>
      network((b, x) => {
        const s = b.add("Sigmoid", [b.parameter("g", [units])]);
        const [p, q] = ["a", "c"].map((name) => b.add("Softplus", [layer(b, x, name, 3, 2)])) as [string, string];
        return layer(b, b.add("Add", [b.add("Mul", [s, p]), b.add("Mul", [b.add("Sub", [one(b), s]), q])]), "o", 2, 3);
      });
    assert.deepEqual(groups(mixed(2)), ["S(2)^2"]);
    assert.equal(claimed(mixed(2)), 2 * 4);
    assert.deepEqual(groups(mixed(1)), ["S(2)"]);
    assert.equal(claimed(mixed(1)), 2 * 2);
  });

  it("weights of a unit and of its mirror image, behind functions made of odd ones", () => {
    const pair = (told: boolean): Graph =>
      network((b, x) => {
        const h = layer(b, x, "a", 3, 2);
        const gelu = (v: string): string => {
          const erf = b.add("Erf", [b.add("Mul", [v, b.constant([], [Math.SQRT1_2])])]);
          return b.add("Mul", [v, b.add("Add", [erf, b.constant([], [told ? 2 : 1])])]);
        };
        const weighed = (v: string, name: string): string => b.add("Mul", [b.parameter(name, [2]), gelu(v)]);
        const sides = [weighed(h, "p"), weighed(told ? b.add("Abs", [b.add("Neg", [h])]) : b.add("Neg", [h]), "n")];
        return layer(b, b.add("Add", sides), "o", 2, 3);
      });
    assert.deepEqual(groups(pair(false)), ["S(2)^2"]);
    assert.ok(exchangesOf(pair(false)).every((s) => isKept(pair(false), s)));
    assert.deepEqual(groups(pair(true)), []);
  });

  it("two towers whose outputs are multiplied and summed, not where each row meets each column", () => {
    const towers = (equation: string): Graph =>
      network((b, x) => {
        const tower = (name: string): string =>
          layer(b, b.add("Softplus", [layer(b, x, `${name}.in`, 3, 2)]), `${name}.out`, 2, 2);
        return b.add("Einsum", [tower("p"), tower("q")], { equation });
      });
    assert.deepEqual(analyse(towers("nd,nd->n"), { numeric: false }).swaps, [["p", "q"]]);
    assert.equal(
      claimed(towers("nd,nd->n")),
      2 * 2 * 2 * 2 * 4,
      "units of both, of what they are compared in, its signs, and the towers",
    );
    assert.deepEqual(analyse(towers("nd,md->nm"), { numeric: false }).swaps, []);
  });

  it("heads with weights of their own, joined before they are projected", () => {
    const heads = network((b, x) => {
      const head = (k: number): string => {
        const scores = b.add("MatMul", [layer(b, x, `q${k}`, 3, 2), b.add("Transpose", [layer(b, x, `k${k}`, 3, 2)])]);
        return b.add("MatMul", [b.add("Softmax", [scores], { axis: -1 }), layer(b, x, `v${k}`, 3, 2)]);
      };
      return layer(b, b.add("Concat", [head(0), head(1), head(2)], { axis: 1 }), "o", 6, 3);
    });
    assert.deepEqual(groups(heads), ["S(2)", "S(2)"]);
    assert.deepEqual(
      analyse(heads, { numeric: false }).swaps.map((s) => s.join(" ")),
      ["k0 k1", "k0 k2"],
    );
    assert.equal(exchangesOf(heads)[0]!.exchange!().parameters.length, 3);
    assert.ok(exchangesOf(heads).every((s) => isKept(heads, s)));
  });

  it("branches that one gate chooses between are a swap, with the gate turned round", () => {
    const choice = network((b, x) => {
      const s = b.add("Sigmoid", [layer(b, x, "gate", 3, 1)]);
      const branch = (k: string): string => layer(b, b.add("Softplus", [layer(b, x, `${k}.in`, 3, 2)]), `${k}.out`, 2, 3);
      return b.add("Add", [b.add("Mul", [s, branch("a")]), b.add("Mul", [b.add("Sub", [one(b), s]), branch("c")])]);
    });
    assert.deepEqual(analyse(choice, { numeric: false }).swaps, [["a", "c"]]);
    const [exchange, ...others] = exchangesOf(choice);
    assert.deepEqual(others, []);
    assert.ok(exchange!.parameters.includes("gate") && exchange!.exchange === undefined, "it is more than an exchange");
    assert.ok(isKept(choice, exchange!));
  });

  it("not halves that are told apart, nor what an output shows", () => {
    const told = network((b, x) => {
      const [u, v] = halves(b, layer(b, x, "a", 3, 4));
      return layer(b, b.add("Mul", [b.add("Tanh", [u]), b.add("Softplus", [v])]), "o", 2, 3);
    });
    assert.deepEqual(groups(told), []);
    const shown = new GraphBuilder();
    const [u, v] = halves(shown, layer(shown, shown.input("x", [SAMPLES, 3]), "a", 3, 4));
    const product = shown.add("Mul", [shown.add("Tanh", [u]), shown.add("Tanh", [v])]);
    assert.deepEqual(groups(shown.build(layer(shown, product, "o", 2, 3), u)), []);
    const unlike = network((b, x) => {
      const h = layer(b, x, "a", 3, 2);
      const pair = [b.add("Softplus", [h]), b.add("Exp", [b.add("Neg", [h])])];
      return layer(b, b.add("Concat", pair, { axis: 1 }), "o", 4, 3);
    });
    assert.deepEqual(groups(unlike), []);
  });

  it("have mirrors that are projectors, and a fixed set that they leave as it is", () => {
    for (const graph of [gate, rectified, difference, mixture(false)]) {
      const weights = weightsOf(graph);
      for (const s of exchangesOf(graph)) {
        const fixed = s.fixedSet(weights)!;
        const at = new Map([...weights, ...fixed.project(weights)]);
        assert.ok(fixed.codimension > 0);
        let mirrors = 0;
        for (const mirror of s.mirrors!(weights)) {
          mirrors++;
          for (const [, part] of mirror.project(at)) assert.ok(part.every((x) => Math.abs(x) < 1e-12));
          const half = mirror.project(weights);
          const again = mirror.project(new Map([...weights, ...half]));
          for (const [p, part] of half) part.forEach((x, i) => assert.ok(Math.abs(x - again.get(p)![i]!) < 1e-12));
        }
        assert.equal(mirrors, 2);
      }
    }
  });
});

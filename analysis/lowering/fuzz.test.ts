/** @file Nodes made at random: the normal form never throws, is well formed, and computes what the nodes compute. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attribute, Graph } from "../graph/graph";
import { elementCount, type ElementType, isFloating, type Tensor } from "../graph/tensor";
import { evaluateGraph } from "../operators/evaluate";
import { inferShapes } from "../operators/inference";
import { operators } from "../operators/table";
import { GraphBuilder } from "./testing/graph-builder";
import { deviation, generator } from "./testing/lowering-case";
import { normalForm } from "./normal-form";

/** Attributes that many operators share, with values some of which fit. */
const ATTRIBUTES: Readonly<Record<string, readonly Attribute[]>> = {
  axis: [0, 1, -1, 2, 7],
  axes: [[0], [1], [-1], [0, 1], [5]],
  keepdims: [0, 1],
  perm: [
    [1, 0],
    [0, 2, 1],
    [2, 0, 1],
  ],
  epsilon: [0.1, 1e-5],
  alpha: [0.5, 0, 1, 2],
  beta: [0.25, 1],
  transA: [0, 1],
  transB: [0, 1],
  group: [1, 2],
  num_groups: [1, 2, 3],
  pads: [
    [0, 1],
    [1, 1, 1, 1],
  ],
  strides: [[2], [2, 1]],
  kernel_shape: [[2], [2, 2]],
  auto_pad: ["SAME_UPPER", "VALID", "NOTSET"],
  mode: ["constant", "reflect", "linear"],
  equation: ["ij,jk->ik", "i...->..."],
  blocksize: [2],
  to: [1, 6, 7, 9, 11],
  p: [1, 2],
  hidden_size: [2],
  num_heads: [1, 2],
  training_mode: [0, 1],
  exclusive: [0, 1],
  reverse: [0, 1],
  approximate: ["none", "tanh"],
  start: [1, -1],
  k: [1],
  upper: [0, 1],
  activation: ["Relu"],
};

const SHAPES: readonly (readonly number[])[] = [
  [],
  [1],
  [2],
  [4],
  [2, 4],
  [4, 2],
  [1, 4],
  [2, 4, 4],
  [2, 4, 1, 3],
  [2, 4, 5, 5],
  [4, 4, 2, 2],
];
const TYPES: readonly ElementType[] = ["float32", "float32", "float32", "float64", "int64", "bool"];

/** Operators with more than one output. */
const SEVERAL_OUTPUTS = /^(Split|RNN|GRU|LSTM|TopK|MaxPool|Dropout|If|Loop|Scan)$|Norm|Attention|Loss/;

class Dice {
  readonly #next: () => number;
  constructor(seed: number) {
    this.#next = generator(seed);
  }
  below(n: number): number {
    return Math.min(n - 1, Math.floor(((this.#next() + 1) / 2) * n));
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** A chain of two or three random nodes over inputs, parameters and constants of random shapes. */
function randomGraph(dice: Dice, first: (typeof operators)[number]): Graph {
  const b = new GraphBuilder(dice.pick([9, 11, 13, 17, 20, 21, 23]));
  const values: string[] = [];
  const usual = dice.pick(SHAPES);
  let count = 0;
  const operand = (): string => {
    // Half of all operands have one shape and type, so that many nodes are well typed.
    const isUsual = dice.below(2) === 0;
    const [shape, type] = isUsual ? [usual, "float32" as const] : [dice.pick(SHAPES), dice.pick(TYPES)];
    const name = `v${count++}`;
    switch (dice.below(5)) {
      case 0:
        return "";
      case 1:
        return b.parameter(name, shape);
      case 2: {
        const data = Array.from({ length: elementCount(shape) }, () => dice.below(5) - 1);
        return b.constant(shape, type === "bool" ? data.map((v) => Number(v > 0)) : data, type);
      }
      case 3:
        return values.length > 0 ? dice.pick(values) : b.input(name, shape, type);
      default:
        return b.input(name, shape, type);
    }
  };
  for (let k = 0; k < 2; k++) {
    const entry = k === 0 ? first : dice.pick(operators);
    const inputs = Array.from({ length: 1 + dice.below(dice.pick([1, 2, 3, 5])) }, operand);
    const names = Object.keys(ATTRIBUTES).filter(() => dice.below(3) === 0);
    const attributes = Object.fromEntries(names.map((n) => [n, dice.pick(ATTRIBUTES[n]!)]));
    const outputs = SEVERAL_OUTPUTS.test(entry.name) ? 1 + dice.below(3) : 1;
    values.push(...b.addAll(entry.name, inputs, outputs, attributes, entry.domain ?? ""));
  }
  return b.build(...values);
}

function randomValues(graph: Graph, seed: number): Map<string, Tensor> {
  const next = generator(seed);
  const values = new Map<string, Tensor>();
  for (const { name, type, shape } of [...graph.inputs, ...graph.parameters.values()]) {
    const value = () => (isFloating(type) ? next() + 0.1 : type === "bool" ? Number(next() > 0) : Math.floor(next() * 3));
    values.set(name, { type, shape, data: Float64Array.from({ length: elementCount(shape) }, value) });
  }
  return values;
}

/** Every value that is read is an input, a parameter, a constant or written before. */
function assertWellFormed(graph: Graph, of: Graph): void {
  const known = new Set([...graph.inputs.map((i) => i.name), ...graph.parameters.keys(), ...graph.constants.keys()]);
  for (const node of graph.nodes) {
    for (const i of node.inputs)
      assert.ok(i === "" || known.has(i), `${node.operator} reads ${i}, which nothing writes: ${describe(of)}`);
    for (const o of node.outputs) {
      assert.ok(o === "" || !known.has(o), `${o} is written twice: ${describe(of)}`);
      known.add(o);
    }
  }
  for (const o of graph.outputs) assert.ok(known.has(o), `the output ${o} of ${describe(of)} is written by nothing`);
}

test("random nodes have a well-formed normal form of the same function", () => {
  let compared = 0;
  for (const [index, entry] of operators.entries()) {
    for (let k = 0; k < 18; k++) {
      const seed = index * 1000 + k;
      const graph = randomGraph(new Dice(seed), entry);
      for (const options of [{}, { loss: "softmax" }] as const) assertWellFormed(normalForm(graph, options).graph, graph);
      const form = normalForm(graph, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY }).graph;
      assertWellFormed(form, graph);
      compared += compare(graph, form, seed);
    }
  }
  assert.ok(compared > 300, `only ${compared} outputs could be compared`);
});

function describe(graph: Graph): string {
  const shapes = (names: readonly string[]) =>
    names.map((n) => `${graph.types.get(n)?.type}[${graph.types.get(n)?.shape?.join()}]`);
  const nodes = graph.nodes.map((n) => [n.operator, shapes(n.inputs), n.attributes]);
  return `opset ${graph.opset} ${JSON.stringify(nodes)}`;
}

/** Compares the outputs that both graphs can compute; returns how many those are. */
function compare(given: Graph, form: Graph, seed: number): number {
  const { graph, problems } = inferShapes(given);
  const isTyped = graph.nodes.every((n) => n.outputs.every((o) => graph.types.get(o)?.shape !== undefined));
  if (problems.length > 0 || !isTyped) return 0;
  const values = randomValues(graph, seed);
  let before: Map<string, Tensor>;
  try {
    before = evaluateGraph(graph, values, { partial: true });
  } catch {
    return 0; // shapes that contradict
  }
  let after: Map<string, Tensor>;
  try {
    after = evaluateGraph(form, values, { partial: true });
  } catch (error) {
    // Composites without a value of their own are only computed here, and their rules do not see every contradiction.
    assert.ok(
      graph.outputs.some((o) => !before.has(o)),
      `seed ${seed}: ${String(error)} ${describe(graph)}`,
    );
    return 0;
  }
  let compared = 0;
  graph.outputs.forEach((name, k) => {
    const [expected, actual] = [before.get(name), after.get(form.outputs[k]!)];
    if (expected === undefined || actual === undefined || !isFloating(expected.type)) return;
    if (!expected.data.every(Number.isFinite)) return;
    compared++;
    assert.deepEqual([...actual.shape], [...expected.shape], `seed ${seed}: shape of ${name} of ${describe(graph)}`);
    const d = deviation(actual, expected);
    assert.ok(d <= 1e-9, `seed ${seed}: output ${name} deviates by ${d} of ${describe(graph)}`);
  });
  return compared;
}

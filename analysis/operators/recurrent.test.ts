import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Node } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import {
  assertPrimitive,
  type Case,
  check,
  constant,
  deviation,
  evaluateNormalForm,
  type Feed,
  graphOf,
  parameter,
  random,
  sharedRunner,
} from "../lowering/testing/lowering-case";
import { normalForm } from "../lowering/normal-form";
import { evaluateGraph } from "./evaluate";
import { inferShapes } from "./inference";

after(() => sharedRunner().dispose());

const [T, B, I, H] = [5, 3, 4, 2];
const GATES = { RNN: 1, GRU: 3, LSTM: 4 } as const;
type Name = keyof typeof GATES;

interface Options {
  readonly attributes?: Node["attributes"];
  readonly bias?: boolean;
  readonly initial?: boolean;
  readonly lengths?: Tensor | Feed;
  readonly peepholes?: boolean;
}

/** A recurrence over [T, B, I] with random weights. */
function recurrence(operator: Name, o: Options = {}): Case {
  const g = GATES[operator];
  const d = o.attributes?.["direction"] === "bidirectional" ? 2 : 1;
  const inputs: (Tensor | Feed | undefined)[] = [
    random([T, B, I], 1),
    parameter(random([d, g * H, I], 2)),
    parameter(random([d, g * H, H], 3)),
    o.bias === false ? undefined : parameter(random([d, 2 * g * H], 4)),
    o.lengths,
    o.initial ? parameter(random([d, B, H], 5)) : undefined,
  ];
  if (operator === "LSTM") {
    inputs.push(o.initial ? random([d, B, H], 6) : undefined);
    inputs.push(o.peepholes ? parameter(random([d, 3 * H], 7)) : undefined);
  }
  const attributes = { hidden_size: H, ...o.attributes };
  return { operator, opset: 14, inputs, attributes, outputs: operator === "LSTM" ? 3 : 2 };
}

for (const operator of ["RNN", "GRU", "LSTM"] as const) {
  test(`${operator} in all directions, with and without bias and initial state`, async () => {
    for (const direction of ["forward", "reverse", "bidirectional"]) {
      for (const initial of [false, true]) {
        for (const bias of [false, true]) await check(recurrence(operator, { attributes: { direction }, initial, bias }));
      }
    }
  });

  test(`${operator} over sequences of different lengths, known or not`, async () => {
    const lengths = { type: "int32", shape: [B], data: Float64Array.of(3, 5, 1) } as const;
    for (const direction of ["forward", "reverse", "bidirectional"]) {
      for (const given of [lengths, constant(lengths)]) {
        await check(recurrence(operator, { attributes: { direction }, initial: true, lengths: given }));
      }
    }
  });

  test(`${operator} with the batch first is the same transposed`, () => {
    const attributes = { direction: "bidirectional" };
    const plain = recurrence(operator, { attributes, initial: true });
    const swapped = plain.inputs.map((x, i) => {
      if (x === undefined || ![0, 5, 6].includes(i)) return x;
      return "as" in x ? { ...x, value: swapFirst(x.value) } : swapFirst(x);
    });
    const a = graphOf(plain);
    const b = graphOf({ ...plain, inputs: swapped, attributes: { ...plain.attributes, layout: 1 } });
    const [x, y] = [evaluateNormalForm(a.graph, a.values).outputs, evaluateNormalForm(b.graph, b.values).outputs];
    for (const k of [1, 2]) if (x[k]) assert.equal(deviation(y[k]!, swapFirst(x[k])), 0);
    const [time, directions, batch, hidden] = x[0]!.shape as [number, number, number, number];
    assert.deepEqual([...y[0]!.shape], [batch, time, directions, hidden]);
    x[0]!.data.forEach((v, i) => {
      const [t, rest] = [Math.floor(i / (directions * batch * hidden)), i % (directions * batch * hidden)];
      const [d, n, h] = [Math.floor(rest / (batch * hidden)), Math.floor(rest / hidden) % batch, rest % hidden];
      assert.equal(y[0]!.data[((n * time + t) * directions + d) * hidden + h], v);
    });
  });
}

/** A tensor with its first two axes swapped. */
function swapFirst(x: Tensor): Tensor {
  const [a, b, c] = x.shape as [number, number, number];
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) data[(j * a + i) * c + k] = x.data[(i * b + j) * c + k]!;
  }
  return { type: x.type, shape: [b, a, c], data };
}

test("GRU whose reset gate acts on the projected state", async () => {
  for (const initial of [false, true]) {
    for (const bias of [false, true]) {
      await check(recurrence("GRU", { attributes: { linear_before_reset: 1, direction: "bidirectional" }, initial, bias }));
    }
  }
});

test("LSTM with peepholes, coupled gates and clipped activations", async () => {
  await check(recurrence("LSTM", { peepholes: true, initial: true, attributes: { direction: "bidirectional" } }));
  await check(recurrence("LSTM", { peepholes: true }));
  await check(recurrence("LSTM", { attributes: { input_forget: 1 }, initial: true }));
  await check(recurrence("LSTM", { attributes: { clip: 0.2 }, initial: true }));
});

test("recurrences with other activations", async () => {
  for (const activations of [["Relu"], ["LeakyRelu"], ["Softsign"], ["Elu"], ["HardSigmoid"], ["ScaledTanh"], ["Affine"]]) {
    const attributes = { activations, activation_alpha: [0.3], activation_beta: [0.4] };
    await check(recurrence("RNN", { attributes, initial: true }));
  }
  const attributes = { activations: ["HardSigmoid", "Relu", "Tanh"], activation_alpha: [0.25], activation_beta: [0.4] };
  await check(recurrence("LSTM", { attributes }));
  const both = ["Tanh", "HardSigmoid"];
  await check(recurrence("RNN", { attributes: { direction: "bidirectional", activations: both } }));
});

test("an unknown activation leaves the recurrence as it is", () => {
  const { graph } = graphOf(recurrence("RNN", { attributes: { activations: ["Cube"] } }));
  assert.deepEqual(
    normalForm(graph).graph.nodes.map((n) => n.operator),
    ["RNN"],
  );
});

test("three steps stand for all of them, and the outputs keep their shapes", () => {
  const { graph, values } = graphOf(recurrence("GRU", { attributes: { direction: "bidirectional" } }));
  const full = normalForm(graph, { maxRecurrentSteps: Number.POSITIVE_INFINITY });
  const short = normalForm(graph);
  assertPrimitive(short.graph);
  assert.deepEqual(full.notes, []);
  assert.deepEqual(short.notes, ["GRU: 3 of 5 steps are unrolled, they share their parameters"]);
  assert.ok(short.graph.nodes.length < full.graph.nodes.length);
  const [a, b] = [full, short].map((f) => evaluateGraph(f.graph, values));
  graph.outputs.forEach((_, k) => {
    assert.deepEqual(a!.get(full.graph.outputs[k]!)!.shape, b!.get(short.graph.outputs[k]!)!.shape);
  });
});

test("weights of the wrong size are a sentence", () => {
  const c = recurrence("LSTM");
  const { graph } = graphOf({ ...c, inputs: [random([T, B, I + 1], 1), ...c.inputs.slice(1)] });
  assert.match(inferShapes(graph).problems[0]!.message, /W is \[1, 8, 4\], expected \[1, 8, 5\]/);
});

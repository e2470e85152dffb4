/** @file Recurrent cells of Flax, one step at a time: gates have kernels of their own, those of the state carry the biases. */
import { filled } from "../../../graph/tensor";
import { notUnderstood } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import { dense } from "../keras/basic";
import { shapeOf } from "../torch/arguments";
import { intOf, is } from "../values/inspect";
import { positional, tuple } from "../values/make";
import type { InstanceValue, TensorValue, Value } from "../values/value";
import { type FlaxContext, type FlaxSpec, KERNEL, ZEROS } from "./context";

function affine(c: FlaxContext, name: string, x: TensorValue, features: number, bias: boolean): TensorValue {
  const width = shapeOf(c.interpreter, x).at(-1)!;
  const kernel = c.weight(`${name}.kernel`, [width, features], name.startsWith("h") ? { scheme: "orthogonal_" } : KERNEL);
  return dense(c.interpreter, x, kernel, bias ? c.weight(`${name}.bias`, [features], ZEROS) : undefined);
}

function features(c: FlaxContext): number {
  return c.has("hidden_features") ? c.int("hidden_features") : c.int("features");
}

function sum(c: FlaxContext, x: TensorValue, y: TensorValue): TensorValue {
  return c.builder.node("Add", [x, y]);
}

function stateOf(v: Value): TensorValue {
  return is(v, "tensor") ? v : notUnderstood("the state of a recurrent cell is not known");
}

function lstm(c: FlaxContext): Value {
  const b = c.builder;
  const n = features(c);
  const carry = c.value("carry");
  const [cell, h] = is(carry, "tuple") || is(carry, "list") ? carry.items : [];
  const [before, state] = [stateOf(cell ?? null), stateOf(h ?? null)];
  const gate = (k: string): TensorValue => sum(c, affine(c, `i${k}`, c.x, n, false), affine(c, `h${k}`, state, n, true));
  const i = b.node("Sigmoid", [gate("i")]);
  const f = b.node("Sigmoid", [gate("f")]);
  const g = b.node("Tanh", [gate("g")]);
  const o = b.node("Sigmoid", [gate("o")]);
  const next = sum(c, b.node("Mul", [f, before]), b.node("Mul", [i, g]));
  const out = b.node("Mul", [o, b.node("Tanh", [next])]);
  return tuple([tuple([next, out]), out]);
}

function gru(c: FlaxContext): Value {
  const b = c.builder;
  const n = features(c);
  const h = stateOf(c.value("carry"));
  const r = b.node("Sigmoid", [sum(c, affine(c, "ir", c.x, n, true), affine(c, "hr", h, n, false))]);
  const z = b.node("Sigmoid", [sum(c, affine(c, "iz", c.x, n, true), affine(c, "hz", h, n, false))]);
  const m = b.node("Tanh", [sum(c, affine(c, "in", c.x, n, true), b.node("Mul", [r, affine(c, "hn", h, n, true)]))]);
  const one = b.scalar(1, m.type);
  const out = sum(c, b.node("Mul", [b.node("Sub", [one, z]), m]), b.node("Mul", [z, h]));
  return tuple([out, out]);
}

function simple(c: FlaxContext): Value {
  const n = features(c);
  const h = stateOf(c.value("carry"));
  const out = c.builder.node("Tanh", [sum(c, affine(c, "i", c.x, n, true), affine(c, "h", h, n, false))]);
  return tuple([out, out]);
}

/** Zeros for the state of a cell: a pair for LSTMs. */
function zeroState(c: FlaxContext, cell: InstanceValue, batch: number, type: TensorValue["type"]): Value {
  const n =
    intOf(cell.attributes.get("features") ?? cell.attributes.get("hidden_features")) ??
    notUnderstood("the width of a cell is not known");
  const zero = c.builder.tensor(filled([batch, n], 0, type));
  return cell.cls.order.some((k) => k.name.endsWith("LSTMCell")) ? tuple([zero, zero]) : zero;
}

/** A cell over the steps of (batch, steps, width). */
function unrolled(c: FlaxContext): Value {
  const b = c.builder;
  const cell = c.value("cell");
  if (!is(cell, "instance")) return notUnderstood("the cell of an RNN is not known");
  const x = c.shaped({ rank: 3 });
  if (c.bool("time_major", false)) return notUnderstood("an RNN over time-major data");
  const [batch, steps] = shapeOf(c.interpreter, x) as [number, number];
  const initial = c.value("initial_carry");
  let carry: Value = initial ?? zeroState(c, cell, batch, x.type);
  const outputs: TensorValue[] = [];
  const backwards = c.bool("reverse", false);
  for (let k = 0; k < steps; k++) {
    const t = backwards ? steps - 1 - k : k;
    const step = b.node("Squeeze", [b.slice(x, 1, t, t + 1), b.ints([1])]);
    const result = call(c.interpreter, cell, positional(carry, step));
    if (!is(result, "tuple") && !is(result, "list")) return notUnderstood("a cell that gives no state");
    carry = result.items[0]!;
    outputs.push(stateOf(result.items[1] ?? null));
  }
  if (backwards && c.bool("keep_order", false)) outputs.reverse();
  const out = b.node(
    "Concat",
    outputs.map((o) => b.unsqueeze(o, [1])),
    { axis: 1 },
  );
  return c.bool("return_carry", false) ? tuple([carry, out]) : out;
}

const CELL = "features gate_fn activation_fn kernel_init recurrent_kernel_init bias_init dtype param_dtype carry_init";
const NNX_CELL =
  "in_features hidden_features gate_fn activation_fn kernel_init recurrent_kernel_init bias_init dtype param_dtype carry_init";

function cell(name: string, run: (c: FlaxContext) => Value): FlaxSpec {
  return {
    name,
    params: CELL,
    nnx: NNX_CELL,
    inputs: "carry inputs",
    call(c) {
      if (c.self.attributes.get("activation_fn") || c.self.attributes.get("gate_fn"))
        return notUnderstood("a cell with activations of its own");
      return run(c);
    },
    methods: {
      initialize_carry: {
        params: "rng input_shape",
        run(c) {
          const shape = c.ints("input_shape") ?? [];
          const pair = /LSTM/.test(name);
          const zero = c.builder.tensor(filled([...shape.slice(0, -1), features(c)], 0, "float32"));
          return pair ? tuple([zero, zero]) : zero;
        },
      },
    },
  };
}

/** Recurrent cells of Flax by name. */
export const RECURRENT_LAYERS: readonly FlaxSpec[] = [
  cell("LSTMCell", lstm),
  cell("OptimizedLSTMCell", lstm),
  cell("GRUCell", gru),
  cell("SimpleCell", simple),
  {
    name: "RNN",
    params: "cell time_major=False return_carry=False reverse=False keep_order=False unroll=1",
    nnx: "cell time_major=False return_carry=False reverse=False keep_order=False unroll=1",
    inputs: "inputs initial_carry",
    call: unrolled,
  },
];

/** @file Recurrent layers of Keras: ONNX's recurrent operators over kernels put in ONNX's order. */
import { filled } from "../../../graph/tensor";
import { notUnderstood, raiseConflict } from "../evaluator/errors";
import { call } from "../evaluator/functions";
import type { Interpreter } from "../evaluator/interpreter";
import { shapeOf } from "../torch/arguments";
import { tensorBinary } from "../torch/arithmetic";
import { is } from "../values/inspect";
import { list, positional, tuple } from "../values/make";
import type { ClassValue, InstanceValue, TensorValue, Value } from "../values/value";
import { callLayer, isLayer } from "./layer";
import { type KerasContext, kerasLayer, type KerasSpec, lastSize } from "./spec";
import { addVariable, startOf } from "./weights";
import { nameOf } from "./naming";

type Kind = "SimpleRNN" | "LSTM" | "GRU";

const GATES: Readonly<Record<Kind, number>> = { SimpleRNN: 1, LSTM: 4, GRU: 3 };
const OPERATOR: Readonly<Record<Kind, string>> = { SimpleRNN: "RNN", LSTM: "LSTM", GRU: "GRU" };
const CELL: Readonly<Record<Kind, string>> = { SimpleRNN: "simple_rnn_cell", LSTM: "lstm_cell", GRU: "gru_cell" };

/** Position of each ONNX gate among Keras's: LSTM i o f c from i f c o; GRU z r h from z r h. */
const ORDER: Readonly<Record<Kind, readonly number[]>> = { SimpleRNN: [0], LSTM: [0, 3, 1, 2], GRU: [0, 1, 2] };

/** Keras's activations that ONNX's recurrent operators have. */
const FUNCTIONS: Readonly<Record<string, string>> = {
  tanh: "Tanh",
  sigmoid: "Sigmoid",
  relu: "Relu",
  softsign: "Softsign",
  softplus: "Softplus",
};

/** Variables of one direction. */
interface Weights {
  readonly kernel: TensorValue;
  readonly recurrent: TensorValue;
  readonly bias: TensorValue | undefined;
}

function activationOf(v: Value, fallback: string): string {
  const name = typeof v === "string" ? v : is(v, "native") ? v.name : v === null ? "linear" : "unknown";
  return FUNCTIONS[name === "" ? fallback : name] ?? notUnderstood(`a recurrent layer with the activation ${name}`);
}

/** (in, gates * units) -> (gates * units, in), gates in ONNX's order. */
function reordered(i: Interpreter, kind: Kind, kernel: TensorValue, units: number): TensorValue {
  const b = i.builder;
  const turned = b.transpose(kernel, [1, 0]);
  if (kind !== "LSTM") return turned;
  return b.node(
    "Concat",
    ORDER[kind].map((g) => b.slice(turned, 0, g * units, (g + 1) * units)),
    { axis: 0 },
  );
}

/** Keras's bias as ONNX wants it: that of the inputs, then that of the state. */
function biases(i: Interpreter, kind: Kind, bias: TensorValue, units: number): TensorValue {
  const b = i.builder;
  const gates = GATES[kind] * units;
  if (bias.shape?.length === 2) return b.reshape(bias, [2 * gates]);
  const ordered =
    kind === "LSTM"
      ? b.node(
          "Concat",
          ORDER[kind].map((g) => b.slice(bias, 0, g * units, (g + 1) * units)),
          { axis: 0 },
        )
      : bias;
  return b.node("Concat", [ordered, b.tensor(filled([gates], 0, bias.type))], { axis: 0 });
}

/** Runs one direction over (batch, steps, width); gives the outputs of all steps and the last states. */
function run(
  i: Interpreter,
  kind: Kind,
  x: TensorValue,
  w: Weights,
  options: {
    readonly units: number;
    readonly backwards: boolean;
    readonly activations: readonly string[];
    readonly afterReset: boolean;
    readonly states: readonly TensorValue[];
  },
): { readonly sequence: TensorValue; readonly states: TensorValue[] } {
  const b = i.builder;
  const { units } = options;
  const [batch] = shapeOf(i, x);
  const state = (k: number): TensorValue => {
    const given = options.states[k];
    return given ? b.unsqueeze(given, [0]) : b.tensor(filled([1, batch!, units], 0, x.type));
  };
  const inputs: (TensorValue | undefined)[] = [
    b.transpose(x, [1, 0, 2]),
    b.unsqueeze(reordered(i, kind, w.kernel, units), [0]),
    b.unsqueeze(reordered(i, kind, w.recurrent, units), [0]),
    w.bias ? b.unsqueeze(biases(i, kind, w.bias, units), [0]) : undefined,
    undefined,
    state(0),
  ];
  if (kind === "LSTM") inputs.push(state(1));
  const outputs = b.outputs(
    OPERATOR[kind],
    inputs,
    {
      hidden_size: units,
      direction: options.backwards ? "reverse" : "forward",
      activations: [...options.activations],
      ...(kind === "GRU" ? { linear_before_reset: options.afterReset ? 1 : 0 } : {}),
    },
    kind === "LSTM" ? 3 : 2,
  );
  // (steps, 1, batch, units) -> (batch, steps, units)
  const sequence = b.transpose(b.node("Squeeze", [outputs[0]!, b.ints([1])]), [1, 0, 2]);
  return { sequence, states: outputs.slice(1).map((s) => b.node("Squeeze", [s, b.ints([0])])) };
}

const PARAMS =
  "units activation=tanh use_bias=True kernel_initializer=glorot_uniform recurrent_initializer=orthogonal bias_initializer=zeros dropout=0.0 recurrent_dropout=0.0 return_sequences=False return_state=False go_backwards=False stateful=False unroll=False";

function build(c: KerasContext, kind: Kind, width: number): void {
  const units = c.int("units");
  const gates = GATES[kind] * units;
  const make = (name: string, shape: number[]): void => {
    const start = startOf(c.self.attributes.get(`${name.replace("_kernel", "")}_initializer`) ?? null, { scheme: "default" });
    addVariable(c.interpreter, c.self, `${CELL[kind]}/${name}`, shape, start, { attribute: `@${name}` });
  };
  make("kernel", [width, gates]);
  make("recurrent_kernel", [units, gates]);
  if (c.bool("use_bias", true)) make("bias", kind === "GRU" && c.bool("reset_after", true) ? [2, gates] : [gates]);
}

function weightsOf(c: KerasContext): Weights {
  const get = (name: string): TensorValue | undefined => {
    const v = c.self.attributes.get(`@${name}`);
    return is(v, "tensor") ? v : undefined;
  };
  const kernel = get("kernel");
  const recurrent = get("recurrent_kernel");
  if (!kernel || !recurrent) return notUnderstood("a recurrent layer without kernels");
  return { kernel, recurrent, bias: get("bias") };
}

function forward(c: KerasContext, kind: Kind): Value {
  const given = c.value("inputs");
  const items = is(given, "list") || is(given, "tuple") ? given.items : [given];
  const x = items[0] ?? null;
  if (!is(x, "tensor")) return notUnderstood("a recurrent layer on something that is not a tensor");
  const initial = c.value("initial_state");
  const states = [
    ...items.slice(1),
    ...(is(initial, "list") || is(initial, "tuple") ? initial.items : initial === null ? [] : [initial]),
  ];
  if (states.some((s) => !is(s, "tensor"))) return notUnderstood("initial states that are not known");
  const w = weightsOf(c);
  const width = shapeOf(c.interpreter, x).at(-1)!;
  if (width !== w.kernel.shape![0])
    raiseConflict(`a recurrent layer of ${w.kernel.shape![0]} inputs is applied to ${width}`, width, w.kernel.shape![0]!);
  const main = activationOf(c.self.attributes.get("activation") ?? null, "tanh");
  const gate = kind === "SimpleRNN" ? "" : activationOf(c.self.attributes.get("recurrent_activation") ?? null, "sigmoid");
  const activations = kind === "SimpleRNN" ? [main] : kind === "GRU" ? [gate, main] : [gate, main, main];
  const backwards = c.bool("go_backwards", false);
  const { sequence, states: last } = run(c.interpreter, kind, x, w, {
    units: c.int("units"),
    backwards,
    activations,
    afterReset: c.bool("reset_after", true),
    states: states as TensorValue[],
  });
  // ONNX gives the steps of a reverse pass in their own order, Keras in the order in which they were run.
  const ordered = (): TensorValue => {
    if (!backwards) return sequence;
    const n = sequence.shape?.[1] ?? notUnderstood("a sequence of unknown length");
    const b = c.builder;
    return b.node("Gather", [sequence, b.ints(Array.from({ length: n }, (_, k) => n - 1 - k))], { axis: 1 });
  };
  const out = c.bool("return_sequences", false) ? ordered() : last[0]!;
  return c.bool("return_state", false) ? tuple([out, ...last]) : out;
}

/** A copy of a layer that is not built: the same constructor arguments, variables of its own. */
function unbuilt(i: Interpreter, layer: InstanceValue, name: string, changes: Readonly<Record<string, Value>>): InstanceValue {
  const attributes = new Map<string, Value>();
  for (const [k, v] of layer.attributes) if (!k.startsWith("@") && !(is(v, "tensor") && v.parameter)) attributes.set(k, v);
  attributes.set("name", name);
  attributes.set("built", false);
  for (const [k, v] of Object.entries(changes)) attributes.set(k, v);
  return { k: "instance", id: i.id(), cls: layer.cls, attributes, ...(layer.made ? { made: layer.made } : {}) };
}

function initBidirectional(c: KerasContext): void {
  const layer = c.self.attributes.get("layer") ?? null;
  if (!isLayer(layer)) return;
  const name = nameOf(c.interpreter, layer);
  const given = c.self.attributes.get("backward_layer") ?? null;
  const back = layer.attributes.get("go_backwards") === true;
  c.put("forward_layer", unbuilt(c.interpreter, layer, `forward_${name}`, {}));
  c.put("backward_layer", isLayer(given) ? given : unbuilt(c.interpreter, layer, `backward_${name}`, { go_backwards: !back }));
  // The layer itself is only a pattern.
  c.interpreter.journal.delete(c.self.attributes, "layer");
}

function bidirectional(c: KerasContext): Value {
  const i = c.interpreter;
  const b = c.builder;
  const [forwardLayer, backwardLayer] = [c.self.attributes.get("forward_layer"), c.self.attributes.get("backward_layer")];
  if (!isLayer(forwardLayer) || !isLayer(backwardLayer))
    return notUnderstood("a bidirectional wrapper of something that is not a layer");
  if (c.has("initial_state")) return notUnderstood("initial states of a bidirectional layer");
  const x = c.x;
  const results = [forwardLayer, backwardLayer].map((l) => {
    const r = callLayer(i, l, positional(x));
    return is(r, "tuple") || is(r, "list") ? [...r.items] : [r];
  });
  let [y, z] = results.map((r) => r[0]!);
  if (!is(y, "tensor") || !is(z, "tensor")) return notUnderstood("a bidirectional layer without outputs");
  if (forwardLayer.attributes.get("return_sequences") === true) {
    const n = shapeOf(i, z)[1]!;
    z = b.node("Gather", [z, b.ints(Array.from({ length: n }, (_, k) => n - 1 - k))], { axis: 1 });
  }
  const mode = c.value("merge_mode");
  const states = results.flatMap((r) => r.slice(1));
  let out: Value;
  if (mode === "concat") out = b.node("Concat", [y, z], { axis: shapeOf(i, y).length - 1 });
  else if (mode === "sum") out = tensorBinary(i, "+", y, z);
  else if (mode === "mul") out = tensorBinary(i, "*", y, z);
  else if (mode === "ave") {
    const sum = b.node("Add", [y, z]);
    out = b.node("Div", [sum, b.scalar(2, sum.type)]);
  } else return tuple([y, z, ...states]);
  return states.length > 0 ? tuple([out, ...states]) : out;
}

/** Applies a layer to every step: steps and batch are one axis meanwhile. */
function timeDistributed(c: KerasContext): Value {
  const b = c.builder;
  const layer = c.self.attributes.get("layer") ?? null;
  const shape = shapeOf(c.interpreter, c.x);
  if (!isLayer(layer) || shape.length < 3) return notUnderstood("a time-distributed wrapper of something that is not a layer");
  const [batch, steps] = shape as [number, number];
  const flat = b.reshape(c.x, [batch * steps, ...shape.slice(2)]);
  const y = callLayer(c.interpreter, layer, positional(flat));
  if (!is(y, "tensor")) return notUnderstood("a time-distributed layer that does not give a tensor");
  return b.reshape(y, [batch, steps, ...shapeOf(c.interpreter, y).slice(1)]);
}

/** One step of a cell: runs the recurrence over one step. */
function cellStep(c: KerasContext, kind: Kind): Value {
  const b = c.builder;
  const given = c.value("states");
  const states = is(given, "list") || is(given, "tuple") ? given.items : [given];
  if (states.some((s) => !is(s, "tensor"))) return notUnderstood("states of a cell that are not known");
  const main = activationOf(c.self.attributes.get("activation") ?? null, "tanh");
  const gate = kind === "SimpleRNN" ? "" : activationOf(c.self.attributes.get("recurrent_activation") ?? null, "sigmoid");
  const { states: last } = run(c.interpreter, kind, b.unsqueeze(c.x, [1]), weightsOf(c), {
    units: c.int("units"),
    backwards: false,
    activations: kind === "SimpleRNN" ? [main] : kind === "GRU" ? [gate, main] : [gate, main, main],
    afterReset: c.bool("reset_after", true),
    states: states as TensorValue[],
  });
  return tuple([last[0]!, list([...last])]);
}

/** `layers.RNN(cell)`: the steps one by one. */
function overCells(c: KerasContext): Value {
  const b = c.builder;
  const i = c.interpreter;
  const cell = c.self.attributes.get("cell") ?? null;
  const cells = is(cell, "list") || is(cell, "tuple") ? cell.items : [cell];
  const x = c.x;
  const [batch, steps] = shapeOf(i, x) as [number, number];
  if (c.has("initial_state") || c.bool("go_backwards", false)) return notUnderstood("this form of RNN");
  const states = new Map<InstanceValue, Value>();
  const outputs: TensorValue[] = [];
  for (let t = 0; t < steps; t++) {
    let y: Value = b.node("Squeeze", [b.slice(x, 1, t, t + 1), b.ints([1])]);
    for (const one of cells) {
      if (!is(one, "instance")) return notUnderstood("a cell that is not known");
      const size = one.attributes.get("state_size") ?? one.attributes.get("units") ?? null;
      const sizes = is(size, "list") || is(size, "tuple") ? size.items : [size];
      const zero = (s: Value): Value =>
        is(s, "int") ? b.tensor(filled([batch, s.v], 0, x.type)) : notUnderstood("the size of a cell's state is not known");
      const count = one.cls.order.some((k) => k.name === "LSTMCell" && !k.module) ? 2 : 1;
      const before = states.get(one) ?? list(sizes.length > 1 ? sizes.map(zero) : new Array<Value>(count).fill(zero(sizes[0]!)));
      const result = call(i, one, positional(y, before));
      if (!is(result, "tuple") && !is(result, "list")) return notUnderstood("a cell that gives no states");
      y = result.items[0]!;
      states.set(one, result.items[1]!);
    }
    outputs.push(is(y, "tensor") ? y : notUnderstood("a cell that gives no tensor"));
  }
  const last = outputs.at(-1) ?? notUnderstood("a sequence without steps");
  const out = c.bool("return_sequences", false)
    ? b.node(
        "Concat",
        outputs.map((o) => b.unsqueeze(o, [1])),
        { axis: 1 },
      )
    : last;
  if (!c.bool("return_state", false)) return out;
  return tuple([out, ...[...states.values()].flatMap((s) => (is(s, "list") || is(s, "tuple") ? s.items : [s]))]);
}

/** Recurrent layers and cells of Keras; `base` is keras.Layer. */
export function recurrentLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: KerasSpec): void => {
    out.push(kerasLayer(base, name, spec));
  };
  for (const kind of ["SimpleRNN", "LSTM", "GRU"] as const) {
    const extra =
      kind === "SimpleRNN"
        ? ""
        : kind === "GRU"
          ? "recurrent_activation=sigmoid reset_after=True"
          : "recurrent_activation=sigmoid unit_forget_bias=True";
    const params =
      kind === "SimpleRNN"
        ? PARAMS
        : PARAMS.replace("use_bias", `${extra.split(" ")[0]} use_bias`).concat(` ${extra.split(" ").slice(1).join(" ")}`);
    add(kind, {
      params,
      inputs: "inputs initial_state mask training",
      hint: () => ({ rank: 3 }),
      build: (c, shapes) => build(c, kind, lastSize(shapes)),
      call: (c) => forward(c, kind),
    });
    add(`${kind}Cell`, {
      params,
      inputs: "inputs states training",
      hint: () => ({ rank: 2 }),
      init: (c) => c.put("state_size", c.self.attributes.get("units") ?? null),
      build: (c, shapes) => build(c, kind, lastSize(shapes)),
      call: (c) => cellStep(c, kind),
    });
  }
  add("Bidirectional", {
    params: "layer merge_mode=concat weights backward_layer=None",
    inputs: "inputs training mask initial_state",
    init: initBidirectional,
    call: bidirectional,
  });
  add("TimeDistributed", {
    params: "layer",
    inputs: "inputs training mask",
    hint: () => ({ minimumRank: 3 }),
    call: timeDistributed,
  });
  add("RNN", {
    params: "cell return_sequences=False return_state=False go_backwards=False stateful=False unroll=False",
    inputs: "inputs initial_state mask training",
    hint: () => ({ rank: 3 }),
    call: overCells,
  });
  add("StackedRNNCells", {
    params: "cells",
    call: () => notUnderstood("stacked cells outside of RNN"),
  });
  add("ConvLSTM2D", { params: "filters kernel_size", call: () => notUnderstood("convolutional LSTMs") });
  return out;
}

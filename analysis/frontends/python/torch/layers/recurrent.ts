/** @file RNN, LSTM and GRU: ONNX's recurrent operators over weights put in ONNX's order. */
import { filled } from "../../../../graph/tensor";
import { notUnderstood, raiseConflict } from "../../evaluator/errors";
import { call } from "../../evaluator/functions";
import { intOf, is } from "../../values/inspect";
import { int, tuple } from "../../values/make";
import type { ClassValue, TensorValue, Value } from "../../values/value";
import { shapeOf } from "../arguments";
import { markPacked, packedLayout } from "../packing";
import { writtenIn } from "../written";
import { DEFAULT, layerClass, type LayerContext } from "./layer";

type Kind = "RNN" | "LSTM" | "GRU";

const GATES: Readonly<Record<Kind, number>> = { RNN: 1, LSTM: 4, GRU: 3 };

/** Position of each ONNX gate among PyTorch's: LSTM i o f c from i f g o; GRU z r h from r z n. */
const ORDER: Readonly<Record<Kind, readonly number[]>> = { RNN: [0], LSTM: [0, 3, 1, 2], GRU: [1, 0, 2] };

function reordered(c: LayerContext, kind: Kind, w: TensorValue, hidden: number): TensorValue {
  if (kind === "RNN") return w;
  const b = c.builder;
  const parts = ORDER[kind].map((g) => b.slice(w, 0, g * hidden, (g + 1) * hidden));
  return b.node("Concat", parts, { axis: 0 });
}

function init(c: LayerContext, kind: Kind): void {
  const inputs = c.int("input_size");
  const hidden = c.int("hidden_size");
  const layers = c.int("num_layers", 1);
  const bias = c.bool("bias", true);
  const both = c.bool("bidirectional", false);
  c.put("input_size", int(inputs));
  c.put("hidden_size", int(hidden));
  c.put("num_layers", int(layers));
  c.put("bias", bias);
  c.put("batch_first", c.bool("batch_first", false));
  c.put("bidirectional", both);
  const projected = c.int("proj_size", 0);
  const outputs = projected > 0 ? projected : hidden;
  c.put("proj_size", int(projected));
  c.put("nonlinearity", c.text("nonlinearity", "tanh"));
  c.put("mode", kind);
  const gates = GATES[kind] * hidden;
  for (let layer = 0; layer < layers; layer++) {
    for (const suffix of both ? ["", "_reverse"] : [""]) {
      const from = layer === 0 ? inputs : outputs * (both ? 2 : 1);
      c.parameter(`weight_ih_l${layer}${suffix}`, [gates, from], DEFAULT);
      c.parameter(`weight_hh_l${layer}${suffix}`, [gates, outputs], DEFAULT);
      if (projected > 0) c.parameter(`weight_hr_l${layer}${suffix}`, [projected, hidden], DEFAULT);
      if (!bias) continue;
      c.parameter(`bias_ih_l${layer}${suffix}`, [gates], DEFAULT);
      c.parameter(`bias_hh_l${layer}${suffix}`, [gates], DEFAULT);
    }
  }
}

/** Steps of an LSTM with projections that are written out at most: there is no operator for it. */
const MOST_STEPS = 64;

function projected(c: LayerContext, input: Value): Value {
  if (!is(input, "tensor") || packedLayout(input) !== undefined)
    return notUnderstood("recurrent layers with projections on packed sequences");
  const shape = shapeOf(c.interpreter, input);
  const steps = shape[c.attribute("batch_first") === true && shape.length === 3 ? 1 : 0]!;
  const lstm = writtenIn(c.interpreter, "torch.nn._layers", "projected_lstm");
  if (lstm === undefined || steps > MOST_STEPS) return notUnderstood(`${steps} steps of a recurrent layer with projections`);
  return call(c.interpreter, lstm, { positional: [c.self, input, c.value("hx")], keywords: new Map() });
}

function forward(c: LayerContext, kind: Kind): Value {
  const b = c.builder;
  const hidden = intOf(c.attribute("hidden_size")) ?? 0;
  const layers = intOf(c.attribute("num_layers")) ?? 1;
  const both = c.attribute("bidirectional") === true;
  const packed = packedLayout(c.value("input"));
  const batchFirst = packed ?? c.attribute("batch_first") === true;
  const given = c.value("input");
  if ((intOf(c.attribute("proj_size")) ?? 0) > 0) return projected(c, given);
  if (!is(given, "tensor")) return notUnderstood("recurrent layers on packed sequences");
  let x = given;
  const inputs = intOf(c.attribute("input_size")) ?? 0;
  if (x.shape === undefined) b.needShape(x, { rank: 3, sizes: new Map([[2, inputs]]) });
  const rank = shapeOf(c.interpreter, x).length;
  if (shapeOf(c.interpreter, x).at(-1) !== inputs)
    raiseConflict(`a recurrent layer with ${inputs} inputs is applied to [${x.shape?.join(", ")}]`, x.shape?.at(-1) ?? 0, inputs);
  if (rank === 2) x = b.unsqueeze(x, [batchFirst ? 0 : 1]);
  if (batchFirst) x = b.transpose(x, [1, 0, 2]);
  const directions = both ? 2 : 1;
  const state = c.value("hx");
  const states = is(state, "tuple") || is(state, "list") ? state.items : state === null ? [] : [state];
  const initial = (index: number, layer: number): TensorValue | undefined => {
    const s = states[index];
    if (s === undefined || s === null) return undefined;
    if (!is(s, "tensor")) return notUnderstood("the initial state of a recurrent layer is not known");
    const whole = rank === 2 ? b.unsqueeze(s, [1]) : s;
    return layers === 1 ? whole : b.slice(whole, 0, layer * directions, (layer + 1) * directions);
  };
  const lastHidden: TensorValue[] = [];
  const lastCell: TensorValue[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const suffixes = both ? ["", "_reverse"] : [""];
    const stack = (name: string): TensorValue | undefined => {
      const parts = suffixes.map((s) => c.weight(`${name}_l${layer}${s}`));
      if (parts.some((p) => !p)) return undefined;
      const lifted = parts.map((p) => b.unsqueeze(reordered(c, kind, p!, hidden), [0]));
      return lifted.length === 1 ? lifted[0]! : b.node("Concat", lifted, { axis: 0 });
    };
    const w = stack("weight_ih");
    const r = stack("weight_hh");
    if (!w || !r) return notUnderstood("a recurrent layer without weights");
    const bi = stack("bias_ih");
    const bh = stack("bias_hh");
    const bias = bi && bh ? b.node("Concat", [bi, bh], { axis: 1 }) : undefined;
    const batch = shapeOf(c.interpreter, x)[1]!;
    const zero = (): TensorValue => b.tensor(filled([directions, batch, hidden], 0, x.type));
    const h0 = initial(0, layer) ?? zero();
    const operands: (TensorValue | undefined)[] = [x, w, r, bias, undefined, h0];
    if (kind === "LSTM") operands.push(initial(1, layer) ?? zero());
    const activation = c.attribute("nonlinearity") === "relu" ? "Relu" : "Tanh";
    const [y, h, cell] = b.outputs(
      kind,
      operands,
      {
        hidden_size: hidden,
        direction: both ? "bidirectional" : "forward",
        ...(kind === "GRU" ? { linear_before_reset: 1 } : {}),
        ...(kind === "RNN" ? { activations: new Array<string>(directions).fill(activation) } : {}),
      },
      kind === "LSTM" ? 3 : 2,
    );
    const [steps] = shapeOf(c.interpreter, x);
    // (T, directions, N, H) -> (T, N, directions * H)
    x = b.reshape(directions === 1 ? y! : b.transpose(y!, [0, 2, 1, 3]), [steps!, batch, directions * hidden]);
    lastHidden.push(h!);
    if (cell) lastCell.push(cell);
  }
  const join = (parts: TensorValue[]): TensorValue => {
    const whole = parts.length === 1 ? parts[0]! : b.node("Concat", parts, { axis: 0 });
    return rank === 2 ? b.node("Squeeze", [whole, b.ints([1])]) : whole;
  };
  let y = batchFirst ? b.transpose(x, [1, 0, 2]) : x;
  if (rank === 2) y = b.node("Squeeze", [y, b.ints([batchFirst ? 0 : 1])]);
  const h = join(lastHidden);
  if (packed !== undefined) y = markPacked(y, packed);
  return tuple([y, kind === "LSTM" ? tuple([h, join(lastCell)]) : h]);
}

/** One step of a cell, spelled out. */
function cellForward(c: LayerContext, kind: Kind): Value {
  const b = c.builder;
  const hidden = intOf(c.attribute("hidden_size")) ?? 0;
  const x = c.tensor("input");
  const inputs = intOf(c.attribute("input_size")) ?? 0;
  if (x.shape === undefined) b.needShape(x, { rank: 2, sizes: new Map([[1, inputs]]) });
  const [batch] = shapeOf(c.interpreter, x);
  const state = c.value("hx");
  const states = is(state, "tuple") || is(state, "list") ? state.items : state === null ? [] : [state];
  const zero = (): TensorValue => b.tensor(filled([batch!, hidden], 0, x.type));
  const at = (i: number): TensorValue => {
    const s = states[i];
    if (s === undefined || s === null) return zero();
    if (!is(s, "tensor")) return notUnderstood("the state of a recurrent cell is not known");
    if (s.shape === undefined) b.needShape(s, { rank: 2, sizes: new Map([[1, hidden]]) });
    return s;
  };
  const h = at(0);
  const affine = (t: TensorValue, w: string, bias: string): TensorValue => {
    const product = b.node("MatMul", [t, b.transpose(c.weight(w)!, [1, 0])]);
    const shift = c.weight(bias);
    return shift ? b.node("Add", [product, shift]) : product;
  };
  const gi = affine(x, "weight_ih", "bias_ih");
  const gh = affine(h, "weight_hh", "bias_hh");
  const part = (t: TensorValue, k: number): TensorValue => b.slice(t, 1, k * hidden, (k + 1) * hidden);
  if (kind === "RNN") return b.node(c.attribute("nonlinearity") === "relu" ? "Relu" : "Tanh", [b.node("Add", [gi, gh])]);
  if (kind === "GRU") {
    const r = b.node("Sigmoid", [b.node("Add", [part(gi, 0), part(gh, 0)])]);
    const z = b.node("Sigmoid", [b.node("Add", [part(gi, 1), part(gh, 1)])]);
    const n = b.node("Tanh", [b.node("Add", [part(gi, 2), b.node("Mul", [r, part(gh, 2)])])]);
    const one = b.scalar(1, x.type);
    return b.node("Add", [b.node("Mul", [b.node("Sub", [one, z]), n]), b.node("Mul", [z, h])]);
  }
  const gates = b.node("Add", [gi, gh]);
  const i = b.node("Sigmoid", [part(gates, 0)]);
  const f = b.node("Sigmoid", [part(gates, 1)]);
  const g = b.node("Tanh", [part(gates, 2)]);
  const o = b.node("Sigmoid", [part(gates, 3)]);
  const cell = b.node("Add", [b.node("Mul", [f, at(1)]), b.node("Mul", [i, g])]);
  return tuple([b.node("Mul", [o, b.node("Tanh", [cell])]), cell]);
}

/** Recurrent layers and cells of torch.nn; `module` is torch.nn.Module. */
export function recurrentLayers(module: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const base = layerClass(module, "RNNBase", { params: "mode input_size hidden_size", forward: (c) => c.value("input") });
  out.push(base);
  for (const kind of ["RNN", "LSTM", "GRU"] as const) {
    const params =
      kind === "RNN"
        ? "input_size hidden_size num_layers nonlinearity bias batch_first dropout bidirectional device dtype"
        : "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size device dtype";
    const cls = layerClass(module, kind, {
      params,
      base,
      inputs: "input hx",
      init: (c) => init(c, kind),
      forward: (c) => forward(c, kind),
    });
    cls.attributes.set("flatten_parameters", { k: "native", name: "flatten_parameters", call: () => null });
    out.push(cls);
    out.push(
      layerClass(module, `${kind}Cell`, {
        params:
          kind === "RNN" ? "input_size hidden_size bias nonlinearity device dtype" : "input_size hidden_size bias device dtype",
        inputs: "input hx",
        init(c) {
          const inputs = c.int("input_size");
          const hidden = c.int("hidden_size");
          c.put("input_size", int(inputs));
          c.put("hidden_size", int(hidden));
          c.put("nonlinearity", c.text("nonlinearity", "tanh"));
          const gates = GATES[kind] * hidden;
          c.parameter("weight_ih", [gates, inputs], DEFAULT);
          c.parameter("weight_hh", [gates, hidden], DEFAULT);
          if (!c.bool("bias", true)) return;
          c.parameter("bias_ih", [gates], DEFAULT);
          c.parameter("bias_hh", [gates], DEFAULT);
        },
        forward: (c) => cellForward(c, kind),
      }),
    );
  }
  return out;
}

/** @file Normalisations, embeddings, dropout, attention and losses as functions. */
import { elementCount, filled, isFloating } from "../../../../graph/tensor";
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood, PythonError, raiseConflict } from "../../evaluator/errors";
import type { Interpreter } from "../../evaluator/interpreter";
import { lowerTriangle } from "../../values/constant";
import { is } from "../../values/inspect";
import type { TensorValue, Value } from "../../values/value";
import { type Reader, shapeOf } from "../arguments";
import { copyOf, promote, tensorBinary } from "../arithmetic";
import type { OperationTable } from "../operation";
import { clip, like, softplus } from "./pointwise";
import { reduce } from "./reductions";

function ones(b: GraphBuilder, n: number, type: TensorValue["type"]): TensorValue {
  return b.tensor(filled([n], 1, type));
}

function zeros(b: GraphBuilder, n: number, type: TensorValue["type"]): TensorValue {
  return b.tensor(filled([n], 0, type));
}

/** Layer normalisation over the last axes. */
export function layerNorm(
  interpreter: Interpreter,
  x: TensorValue,
  normalised: readonly number[],
  weight: TensorValue | undefined,
  bias: TensorValue | undefined,
  eps: number,
): TensorValue {
  const b = interpreter.builder;
  if (x.shape === undefined) {
    b.needShape(x, { minimumRank: normalised.length + 1, sizes: new Map(normalised.map((d, i) => [i - normalised.length, d])) });
  }
  if (x.shape && normalised.some((d, i) => x.shape!.at(i - normalised.length) !== d)) {
    raiseConflict(
      `a layer norm over [${normalised.join(", ")}] is applied to a tensor of shape [${x.shape.join(", ")}]`,
      x.shape.at(-1)!,
      normalised.at(-1)!,
    );
  }
  const scale = weight ?? b.tensor(filled(normalised, 1, x.type));
  return b.node("LayerNormalization", bias ? [x, scale, bias] : [x, scale], { axis: -normalised.length, epsilon: eps });
}

/** Batch normalisation; in training mode with the batch's own statistics. */
export function batchNorm(
  interpreter: Interpreter,
  x: TensorValue,
  p: {
    channels: number;
    weight: TensorValue | undefined;
    bias: TensorValue | undefined;
    mean: TensorValue | undefined;
    variance: TensorValue | undefined;
    training: boolean;
    momentum: number;
    eps: number;
    rank?: number;
  },
): TensorValue {
  const b = interpreter.builder;
  if (x.shape === undefined) {
    b.needShape(x, { ...(p.rank !== undefined ? { rank: p.rank } : { minimumRank: 2 }), sizes: new Map([[1, p.channels]]) });
  }
  const c = x.shape?.[1] ?? p.channels;
  if (x.shape && c !== p.channels && p.channels > 0)
    raiseConflict(`a batch norm over ${p.channels} channels is applied to ${c}`, c, p.channels);
  const training = p.training || !p.mean || !p.variance;
  const inputs = [
    x,
    p.weight ?? ones(b, c, x.type),
    p.bias ?? zeros(b, c, x.type),
    p.mean ?? zeros(b, c, x.type),
    p.variance ?? ones(b, c, x.type),
  ];
  const attributes = { epsilon: p.eps, momentum: 1 - p.momentum, training_mode: training ? 1 : 0 };
  return b.outputs("BatchNormalization", inputs, attributes, training ? 3 : 1)[0]!;
}

/** Group normalisation as exporters write it: instance norm over the groups, then gain and shift per channel. */
export function groupNorm(
  interpreter: Interpreter,
  x: TensorValue,
  groups: number,
  weight: TensorValue | undefined,
  bias: TensorValue | undefined,
  eps: number,
): TensorValue {
  const b = interpreter.builder;
  const channels = weight?.shape?.[0];
  if (x.shape === undefined)
    b.needShape(x, { minimumRank: 3, ...(channels !== undefined ? { sizes: new Map([[1, channels]]) } : {}) });
  const shape = shapeOf(interpreter, x);
  if (shape.length < 2 || shape[1]! % groups !== 0)
    raiseConflict(`${shape[1]} channels do not split into ${groups} groups`, shape[1] ?? 0, groups);
  const grouped = b.reshape(x, [shape[0]!, groups, elementCount(shape) / (shape[0]! * groups)]);
  const normed = b.node("InstanceNormalization", [grouped, ones(b, groups, x.type), zeros(b, groups, x.type)], { epsilon: eps });
  let out = b.reshape(normed, shape);
  const spatial = Array.from({ length: shape.length - 2 }, (_, i) => i + 1);
  if (weight) out = b.node("Mul", [out, b.unsqueeze(weight, spatial)]);
  if (bias) out = b.node("Add", [out, b.unsqueeze(bias, spatial)]);
  return out;
}

/** Instance normalisation with the instance's own statistics. */
export function instanceNorm(
  interpreter: Interpreter,
  x: TensorValue,
  weight: TensorValue | undefined,
  bias: TensorValue | undefined,
  eps: number,
  rank?: number,
): TensorValue {
  const b = interpreter.builder;
  const channels = weight?.shape?.[0];
  if (x.shape === undefined) {
    b.needShape(x, {
      ...(rank !== undefined ? { rank } : { minimumRank: 3 }),
      ...(channels !== undefined ? { sizes: new Map([[1, channels]]) } : {}),
    });
  }
  const c = shapeOf(interpreter, x)[1] ?? 1;
  return b.node("InstanceNormalization", [x, weight ?? ones(b, c, x.type), bias ?? zeros(b, c, x.type)], { epsilon: eps });
}

/** x / rms(x) * weight over the last axes. */
export function rmsNorm(
  interpreter: Interpreter,
  x: TensorValue,
  normalised: readonly number[],
  weight: TensorValue | undefined,
  eps: number,
): TensorValue {
  const b = interpreter.builder;
  if (x.shape === undefined) {
    b.needShape(x, { minimumRank: normalised.length + 1, sizes: new Map(normalised.map((d, i) => [i - normalised.length, d])) });
  }
  const rank = shapeOf(interpreter, x).length;
  if (normalised.some((d, i) => x.shape?.at(i - normalised.length) !== d)) {
    raiseConflict(
      `an RMS norm over [${normalised.join(", ")}] is applied to a tensor of shape [${x.shape?.join(", ")}]`,
      x.shape?.at(-1) ?? 0,
      normalised.at(-1)!,
    );
  }
  const axes = normalised.map((_, i) => rank - normalised.length + i);
  const square = reduce(b, "ReduceMean", b.node("Pow", [x, like(b, x, 2)]), axes, true);
  const root = b.node("Sqrt", [b.node("Add", [square, like(b, x, eps)])]);
  const out = b.node("Div", [x, root]);
  return weight ? b.node("Mul", [out, weight]) : out;
}

/** Rows of a table. */
export function embedding(interpreter: Interpreter, ids: TensorValue, weight: TensorValue): TensorValue {
  const b = interpreter.builder;
  if (ids.shape === undefined) b.needShape(ids, { rank: 2, integer: true });
  // The type of an input is supposed; this is how it comes out that it was not floating.
  if (interpreter.strict && ids.type === "float32") {
    throw new PythonError("RuntimeError", "the indices of a table must be integers, not float32");
  }
  return b.node("Gather", [weight, b.cast(ids, "int64")], { axis: 0 });
}

/** Scaled dot product attention, spelled out. */
export function attention(a: Reader, q: TensorValue, k: TensorValue, v: TensorValue): TensorValue {
  const b = a.builder;
  const i = a.interpreter;
  for (const t of [q, k, v]) if (t.shape === undefined) b.needShape(t, { rank: 4 });
  const qs = shapeOf(i, q);
  let key = k;
  let value = v;
  const ks = shapeOf(i, k);
  if (a.bool("enable_gqa", false) && qs.length === 4 && qs[1] !== ks[1]) {
    const times = qs[1]! / ks[1]!;
    const widen = (t: TensorValue): TensorValue => {
      const [n, h, l, d] = shapeOf(i, t);
      return b.reshape(b.node("Expand", [b.unsqueeze(t, [2]), b.ints([n!, h!, times, l!, d!])]), [n!, h! * times, l!, d!]);
    };
    key = widen(k);
    value = widen(v);
  }
  const rank = ks.length;
  const perm = Array.from({ length: rank }, (_, n) => n);
  perm[rank - 1] = rank - 2;
  perm[rank - 2] = rank - 1;
  const scale = a.number("scale", 1 / Math.sqrt(qs.at(-1)!));
  let scores = b.node("Mul", [b.node("MatMul", [q, b.transpose(key, perm)]), like(b, q, scale)]);
  if (a.bool("is_causal", false)) {
    const rows = qs.at(-2)!;
    const columns = ks.at(-2)!;
    const mask = b.constant(lowerTriangle(rows, columns), "bool");
    scores = b.node("Where", [mask, scores, b.scalar(Number.NEGATIVE_INFINITY, scores.type)]);
  }
  const mask = a.optionalTensor("attn_mask");
  if (mask) {
    scores =
      mask.type === "bool"
        ? b.node("Where", [mask, scores, b.scalar(Number.NEGATIVE_INFINITY, scores.type)])
        : b.node("Add", [scores, b.cast(mask, scores.type)]);
  }
  const weights = dropout(a, b.node("Softmax", [scores], { axis: -1 }), a.number("dropout_p", 0));
  return b.node("MatMul", [weights, value]);
}

/**
 * Dropout in training: an operator that changes nothing in expectation, so that symmetries pass, and that tells whoever asks
 * that there is noise here.
 */
export function dropout(a: Reader, x: TensorValue, p: number): TensorValue {
  if (!a.interpreter.training || p === 0 || !isFloating(x.type)) return copyOf(x);
  shapeOf(a.interpreter, x);
  return a.builder.node("Dropout", [x, a.builder.scalar(p, "float32")]);
}

/** Applies `reduction` to a loss of many entries. */
export function reduced(a: Reader, loss: TensorValue): TensorValue {
  const kind = a.text("reduction", "mean");
  if (kind === "none") return loss;
  const shape = shapeOf(a.interpreter, loss);
  return reduce(
    a.builder,
    kind === "sum" ? "ReduceSum" : "ReduceMean",
    loss,
    shape.map((_, i) => i),
    false,
  );
}

/** Cross entropy of logits against class indices or probabilities. */
function crossEntropy(a: Reader, b: GraphBuilder, logits: TensorValue): Value {
  const rank = shapeOf(a.interpreter, logits).length;
  return negativeLogLikelihood(a, b, b.node("LogSoftmax", [logits], { axis: rank === 1 ? 0 : 1 }));
}

function negativeLogLikelihood(a: Reader, b: GraphBuilder, logs: TensorValue): Value {
  const target = a.tensor("target");
  if (target.shape === undefined) {
    const s = shapeOf(a.interpreter, logs);
    b.needShape(target, { integer: true, rank: s.length - 1, sizes: new Map(s.filter((_, i) => i !== 1).map((d, i) => [i, d])) });
  }
  const axis = shapeOf(a.interpreter, logs).length === 1 ? 0 : 1;
  if (target.type.startsWith("float")) {
    return reduced(a, b.node("Neg", [reduce(b, "ReduceSum", b.node("Mul", [target, logs]), [axis], false)]));
  }
  const wanted = b.unsqueeze(b.cast(target, "int64"), [axis]);
  const picked = b.node("Squeeze", [b.node("GatherElements", [logs, wanted], { axis }), b.ints([axis])]);
  return reduced(a, b.node("Neg", [picked]));
}

function difference(a: Reader): TensorValue {
  const x = a.tensor("input");
  const y = a.value("target");
  if (is(y, "tensor") && y.shape === undefined && x.shape)
    a.builder.needShape(y, { rank: x.shape.length, sizes: new Map(x.shape.map((d, i) => [i, d])) });
  const out = tensorBinary(a.interpreter, "-", x, y);
  return is(out, "tensor") ? out : notUnderstood("the difference of two unknown values");
}

/** Adds normalisations. */
export function addNormalisation(table: OperationTable): void {
  table.add("layer_norm", "input normalized_shape weight bias eps", (a) =>
    layerNorm(
      a.interpreter,
      a.tensor("input"),
      a.ints("normalized_shape") ?? [],
      a.optionalTensor("weight"),
      a.optionalTensor("bias"),
      a.number("eps", 1e-5),
    ),
  );
  table.add("rms_norm", "input normalized_shape weight eps", (a) => {
    const x = a.tensor("input");
    return rmsNorm(a.interpreter, x, a.ints("normalized_shape") ?? [], a.optionalTensor("weight"), a.number("eps", 1.1920929e-7));
  });
  table.add("batch_norm", "input running_mean running_var weight bias training momentum eps", (a) => {
    const x = a.tensor("input");
    const channels =
      a.optionalTensor("running_mean")?.shape?.[0] ?? a.optionalTensor("weight")?.shape?.[0] ?? shapeOf(a.interpreter, x)[1]!;
    return batchNorm(a.interpreter, x, {
      channels,
      weight: a.optionalTensor("weight"),
      bias: a.optionalTensor("bias"),
      mean: a.optionalTensor("running_mean"),
      variance: a.optionalTensor("running_var"),
      training: a.bool("training", false),
      momentum: a.number("momentum", 0.1),
      eps: a.number("eps", 1e-5),
    });
  });
  table.add("group_norm", "input num_groups weight bias eps", (a) =>
    groupNorm(
      a.interpreter,
      a.tensor("input"),
      a.int("num_groups"),
      a.optionalTensor("weight"),
      a.optionalTensor("bias"),
      a.number("eps", 1e-5),
    ),
  );
  table.add("instance_norm", "input running_mean running_var weight bias use_input_stats momentum eps", (a) =>
    instanceNorm(a.interpreter, a.tensor("input"), a.optionalTensor("weight"), a.optionalTensor("bias"), a.number("eps", 1e-5)),
  );
  table.add("local_response_norm", "input size alpha beta k", (a, b) =>
    b.node("LRN", [a.tensor("input")], {
      size: a.int("size"),
      alpha: a.number("alpha", 1e-4),
      beta: a.number("beta", 0.75),
      bias: a.number("k", 1),
    }),
  );
  table.add("embedding", "input weight padding_idx", (a) => embedding(a.interpreter, a.tensor("input"), a.tensor("weight")));
  table.add("dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout", "input p training inplace", (a) => {
    const x = a.value("input");
    if (!is(x, "tensor")) return x;
    return a.bool("training", true) ? dropout(a, x, a.number("p", 0.5)) : copyOf(x);
  });
  table.add("scaled_dot_product_attention", "query key value attn_mask dropout_p is_causal scale enable_gqa", (a) =>
    attention(a, a.tensor("query"), a.tensor("key"), a.tensor("value")),
  );
  table.add("cross_entropy", "input target weight size_average ignore_index reduce reduction label_smoothing", (a, b) =>
    crossEntropy(a, b, a.tensor("input")),
  );
  table.add("nll_loss", "input target weight size_average ignore_index reduce reduction", (a, b) =>
    negativeLogLikelihood(a, b, a.tensor("input")),
  );
  table.add("mse_loss", "input target size_average reduce reduction", (a, b) => {
    const d = difference(a);
    return reduced(a, b.node("Mul", [d, d]));
  });
  table.add("l1_loss", "input target size_average reduce reduction", (a, b) => reduced(a, b.node("Abs", [difference(a)])));
  table.add("huber_loss", "input target reduction delta", (a, b) => {
    const d = b.node("Abs", [difference(a)]);
    const delta = a.number("delta", 1);
    const square = b.node("Mul", [b.node("Mul", [d, d]), like(b, d, 0.5)]);
    const line = b.node("Mul", [b.node("Sub", [d, like(b, d, delta / 2)]), like(b, d, delta)]);
    return reduced(a, b.node("Where", [b.node("Less", [d, like(b, d, delta)]), square, line]));
  });
  table.add("smooth_l1_loss", "input target size_average reduce reduction beta", (a, b) => {
    const d = b.node("Abs", [difference(a)]);
    const beta = a.number("beta", 1);
    const square = b.node("Mul", [b.node("Mul", [d, d]), like(b, d, 0.5 / beta)]);
    return reduced(a, b.node("Where", [b.node("Less", [d, like(b, d, beta)]), square, b.node("Sub", [d, like(b, d, beta / 2)])]));
  });
  table.add("binary_cross_entropy_with_logits", "input target weight size_average reduce reduction pos_weight", (a, b) => {
    const [x, y] = promote(a.interpreter, a.value("input"), a.value("target"));
    return reduced(a, b.node("Sub", [softplus(b, x), b.node("Mul", [x, y])]));
  });
  table.add("binary_cross_entropy", "input target weight size_average reduce reduction", (a, b) => {
    const [p, y] = promote(a.interpreter, a.value("input"), a.value("target"));
    const one = like(b, p, 1);
    const log = (t: TensorValue): TensorValue => clip(b, b.node("Log", [t]), like(b, p, -100));
    const sum = b.node("Add", [
      b.node("Mul", [y, log(p)]),
      b.node("Mul", [b.node("Sub", [one, y]), log(b.node("Sub", [one, p]))]),
    ]);
    return reduced(a, b.node("Neg", [sum]));
  });
  table.add("kl_div", "input target size_average reduce reduction log_target", (a, b) => {
    const [x, y] = promote(a.interpreter, a.value("input"), a.value("target"));
    const log = a.bool("log_target", false);
    const p = log ? b.node("Exp", [y]) : y;
    const q = log ? y : b.node("Log", [y]);
    if (a.text("reduction", "mean") === "batchmean") a.set("reduction", "sum");
    return reduced(a, b.node("Mul", [p, b.node("Sub", [q, x])]));
  });
}

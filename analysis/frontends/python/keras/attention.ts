/** @file Attention layers of Keras. Projections keep Keras's kernels: (width, heads, size) in, (heads, size, width) out. */
import { elementCount } from "../../../graph/tensor";
import { notUnderstood, raise } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { shapeOf } from "../torch/arguments";
import { like } from "../torch/operations/pointwise";
import { lowerTriangle } from "../values/constant";
import { intOf, is } from "../values/inspect";
import { tuple } from "../values/make";
import type { ClassValue, InstanceValue, TensorValue, Value } from "../values/value";
import { type KerasContext, kerasLayer, type KerasSpec } from "./spec";
import { addVariable, startOf } from "./weights";

/** x (batch, steps, width) by a kernel (width, heads, size) -> (batch, heads, steps, size). */
export function projectToHeads(
  interpreter: Interpreter,
  x: TensorValue,
  kernel: TensorValue,
  bias: TensorValue | undefined,
): TensorValue {
  const b = interpreter.builder;
  const [width, heads, size] = kernel.shape!;
  const [batch, steps] = shapeOf(interpreter, x);
  const product = b.node("MatMul", [x, b.reshape(kernel, [width!, heads! * size!])]);
  const shifted = bias ? b.node("Add", [product, b.reshape(bias, [heads! * size!])]) : product;
  return b.transpose(b.reshape(shifted, [batch!, steps!, heads!, size!]), [0, 2, 1, 3]);
}

/** The converse: (batch, heads, steps, size) by a kernel (heads, size, width) -> (batch, steps, width). */
export function projectFromHeads(
  interpreter: Interpreter,
  x: TensorValue,
  kernel: TensorValue,
  bias: TensorValue | undefined,
): TensorValue {
  const b = interpreter.builder;
  const [heads, size, width] = kernel.shape!;
  const [batch, , steps] = shapeOf(interpreter, x);
  const joined = b.reshape(b.transpose(x, [0, 2, 1, 3]), [batch!, steps!, heads! * size!]);
  const product = b.node("MatMul", [joined, b.reshape(kernel, [heads! * size!, width!])]);
  return bias ? b.node("Add", [product, bias]) : product;
}

/** Softmax attention over heads: queries, keys and values (batch, heads, steps, size). Masked scores are minus infinity. */
export function softmaxAttention(
  interpreter: Interpreter,
  q: TensorValue,
  k: TensorValue,
  v: TensorValue,
  options: {
    readonly scale: number | undefined;
    readonly causal: boolean;
    readonly mask?: TensorValue;
    readonly bias?: TensorValue;
  },
): { readonly output: TensorValue; readonly weights: TensorValue } {
  const b = interpreter.builder;
  const rank = shapeOf(interpreter, k).length;
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[rank - 1], perm[rank - 2]] = [rank - 2, rank - 1];
  let scores = b.node("MatMul", [q, b.transpose(k, perm)]);
  if (options.scale !== undefined) scores = b.node("Mul", [scores, like(b, scores, options.scale)]);
  if (options.bias) scores = b.node("Add", [scores, options.bias]);
  const low = b.scalar(Number.NEGATIVE_INFINITY, scores.type);
  if (options.causal) {
    const [rows, columns] = scores.shape!.slice(-2) as [number, number];
    scores = b.node("Where", [b.constant(lowerTriangle(rows, columns), "bool"), scores, low]);
  }
  if (options.mask) scores = b.node("Where", [b.cast(options.mask, "bool"), scores, low]);
  const weights = b.node("Softmax", [scores], { axis: -1 });
  return { output: b.node("MatMul", [weights, v]), weights };
}

function part(c: KerasContext, name: string, shape: readonly number[], fan: "kernel" | "bias"): void {
  const start = startOf(c.self.attributes.get(`${fan}_initializer`) ?? null, { scheme: "default" });
  addVariable(c.interpreter, c.self, `${name}/${fan}`, shape, start, { attribute: `@${name}/${fan}` });
}

function variable(self: InstanceValue, name: string): TensorValue | undefined {
  const v = self.attributes.get(`@${name}`);
  return is(v, "tensor") ? v : undefined;
}

/** Makes the four projections for inputs of the given shapes. */
function buildProjections(
  c: KerasContext,
  shapes: readonly (readonly number[])[],
  sizes: { heads: number; groups: number; key: number; value: number },
): void {
  const [query, value, key] = shapes;
  const width = query?.at(-1) ?? notUnderstood("the width of the queries is not known");
  const bias = c.bool("use_bias", true);
  const make = (name: string, from: number, heads: number, size: number): void => {
    part(c, name, [from, heads, size], "kernel");
    if (bias) part(c, name, [heads, size], "bias");
  };
  make("query", width, sizes.heads, sizes.key);
  make("key", (key ?? value ?? query)!.at(-1)!, sizes.groups, sizes.key);
  make("value", (value ?? query)!.at(-1)!, sizes.groups, sizes.value);
  const output = c.ints("output_shape");
  const to = output ? elementCount(output) : width;
  part(c, "attention_output", [sizes.heads, sizes.value, to], "kernel");
  if (bias) part(c, "attention_output", [to], "bias");
}

/** A mask (batch, queries, keys) or (queries, keys) for scores with heads. */
function headMask(c: KerasContext): TensorValue | undefined {
  const mask = c.optionalTensor("attention_mask");
  if (!mask) return undefined;
  if (mask.shape === undefined) c.builder.needShape(mask, { rank: 3 });
  return mask.shape?.length === 3 ? c.builder.unsqueeze(mask, [1]) : mask;
}

function attend(c: KerasContext, groups: number, heads: number): Value {
  const b = c.builder;
  const i = c.interpreter;
  const query = c.tensor("query");
  const value = c.tensor("value");
  const key = c.has("key") ? c.tensor("key") : value;
  if (c.has("query_mask") || c.has("value_mask") || c.has("key_mask")) return notUnderstood("attention with padding masks");
  const project = (name: string, x: TensorValue): TensorValue => {
    if (shapeOf(i, x).length !== 3) return notUnderstood("attention over other axes than one of steps");
    return projectToHeads(
      i,
      x,
      variable(c.self, `${name}/kernel`) ?? notUnderstood(`no ${name} kernel`),
      variable(c.self, `${name}/bias`),
    );
  };
  const q = project("query", query);
  const widen = (t: TensorValue): TensorValue => {
    if (groups === heads) return t;
    const [n, , steps, size] = shapeOf(i, t);
    const times = heads / groups;
    return b.reshape(b.node("Expand", [b.unsqueeze(t, [2]), b.ints([n!, groups, times, steps!, size!])]), [
      n!,
      heads,
      steps!,
      size!,
    ]);
  };
  const k = widen(project("key", key));
  const v = widen(project("value", value));
  const mask = headMask(c);
  const { output, weights } = softmaxAttention(i, q, k, v, {
    scale: 1 / Math.sqrt(shapeOf(i, q).at(-1)!),
    causal: c.bool("use_causal_mask", false),
    ...(mask ? { mask } : {}),
  });
  const out = projectFromHeads(
    i,
    output,
    variable(c.self, "attention_output/kernel")!,
    variable(c.self, "attention_output/bias"),
  );
  return c.bool("return_attention_scores", false) ? tuple([out, weights]) : out;
}

/** Shapes of query, value and key from a call: `build` sees the first argument only, so the others are read here. */
function shapesOf(c: KerasContext): number[][] {
  const query = c.tensor("query");
  const value = c.has("value") ? c.tensor("value") : query;
  const key = c.has("key") ? c.tensor("key") : value;
  const known = [query, value, key].find((t) => t.shape !== undefined);
  for (const t of [query, value, key])
    if (t.shape === undefined)
      c.builder.needShape(t, { rank: 3, ...(known?.shape ? { sizes: new Map([[2, known.shape.at(-1)!]]) } : {}) });
  return [query, value, key].map((t) => [...shapeOf(c.interpreter, t)]);
}

const CALL = "query value key query_mask value_mask key_mask attention_mask return_attention_scores training use_causal_mask";

/** Attention layers of Keras; `base` is keras.Layer. */
export function attentionLayers(base: ClassValue): ClassValue[] {
  const out: ClassValue[] = [];
  const add = (name: string, spec: KerasSpec): void => {
    out.push(kerasLayer(base, name, spec));
  };
  add("MultiHeadAttention", {
    params:
      "num_heads key_dim value_dim=None dropout=0.0 use_bias=True output_shape=None attention_axes=None flash_attention=None kernel_initializer=glorot_uniform bias_initializer=zeros",
    inputs: CALL,
    call(c) {
      const heads = c.int("num_heads");
      const key = c.int("key_dim");
      const shapes = shapesOf(c);
      if (!variable(c.self, "query/kernel"))
        buildProjections(c, shapes, { heads, groups: heads, key, value: intOf(c.self.attributes.get("value_dim")) ?? key });
      return attend(c, heads, heads);
    },
  });
  for (const name of ["GroupedQueryAttention", "GroupQueryAttention"])
    add(name, {
      params:
        "head_dim num_query_heads num_key_value_heads dropout=0.0 use_bias=True flash_attention=None kernel_initializer=glorot_uniform bias_initializer=zeros",
      inputs: CALL,
      call(c) {
        const heads = c.int("num_query_heads");
        const groups = c.int("num_key_value_heads");
        const size = c.int("head_dim");
        if (heads % groups !== 0) raise("ValueError", `${heads} query heads do not split into ${groups} groups`);
        const shapes = shapesOf(c);
        if (!variable(c.self, "query/kernel")) buildProjections(c, shapes, { heads, groups, key: size, value: size });
        return attend(c, groups, heads);
      },
    });
  for (const name of ["Attention", "AdditiveAttention"])
    add(name, {
      params: "use_scale=False score_mode=dot dropout=0.0",
      inputs: "inputs mask return_attention_scores training use_causal_mask",
      build(c, shapes) {
        const use = c.self.attributes.get("use_scale");
        c.put("scale_initializer", "ones");
        if (name === "Attention" && use === true) c.weight("scale", []);
        if (name === "AdditiveAttention" && use !== false) c.weight("scale", [shapes[0]!.at(-1)!], "scale_initializer");
      },
      call(c) {
        const [q, v, key] = c.xs;
        if (!q || !v) return raise("ValueError", "attention needs a list of query and value");
        if (name === "AdditiveAttention" || c.text("score_mode", "dot") !== "dot" || c.has("mask"))
          return notUnderstood("this form of attention");
        const scale = c.variable("scale");
        const b = c.builder;
        const { output, weights } = softmaxAttention(c.interpreter, scale ? b.node("Mul", [q, scale]) : q, key ?? v, v, {
          scale: undefined,
          causal: c.bool("use_causal_mask", false),
        });
        return c.bool("return_attention_scores", false) ? tuple([output, weights]) : output;
      },
    });
  return out;
}

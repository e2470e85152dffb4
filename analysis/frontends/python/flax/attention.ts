/** @file Attention of Flax: projections are (width, heads, size) towards the heads and (heads, size, width) back. */
import { notUnderstood, raise } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { projectFromHeads, projectToHeads, softmaxAttention } from "../keras/attention";
import { Reader, shapeOf } from "../torch/arguments";
import { lowerTriangle } from "../values/constant";
import { intOf } from "../values/inspect";
import { native } from "../values/make";
import type { Arguments, TensorValue, Value } from "../values/value";
import { type FlaxContext, type FlaxSpec, KERNEL, ZEROS } from "./context";

function head(c: FlaxContext): { heads: number; size: number } {
  const heads = c.int("num_heads");
  const width = intOf(c.self.attributes.get("qkv_features")) ?? c.width();
  if (width % heads !== 0) raise("ValueError", `${width} features do not split into ${heads} heads`);
  return { heads, size: width / heads };
}

/** Makes the four projections; inputs are as wide as the layer unless they say otherwise. */
function build(c: FlaxContext, widths: { query: number; key: number; value: number }): void {
  const { heads, size } = head(c);
  const bias = c.bool("use_bias", true);
  for (const name of ["query", "key", "value"] as const) {
    c.weight(`${name}.kernel`, [widths[name], heads, size], c.start("kernel_init", KERNEL));
    if (bias) c.weight(`${name}.bias`, [heads, size], c.start("bias_init", ZEROS));
  }
  const out = intOf(c.self.attributes.get("out_features")) ?? widths.query;
  c.weight("out.kernel", [heads, size, out], c.start("kernel_init", KERNEL));
  if (bias) c.weight("out.bias", [out], c.start("bias_init", ZEROS));
}

function attend(c: FlaxContext, q: TensorValue, k: TensorValue, v: TensorValue): Value {
  const i = c.interpreter;
  const known = [q, k, v].find((t) => t.shape !== undefined);
  for (const t of [q, k, v])
    if (t.shape === undefined)
      c.builder.needShape(t, { rank: 3, ...(known?.shape ? { sizes: new Map([[2, known.shape.at(-1)!]]) } : {}) });
  const [wq, wk, wv] = [q, k, v].map((t) => {
    const shape = shapeOf(i, t);
    return shape.length === 3 ? shape[2]! : notUnderstood("attention over other axes than one of steps");
  }) as [number, number, number];
  build(c, { query: wq, key: wk, value: wv });
  if (c.bool("decode", false)) return notUnderstood("attention with a cache");
  if (c.bool("normalize_qk", false)) return notUnderstood("attention with normalised queries and keys");
  const project = (name: string, x: TensorValue): TensorValue =>
    projectToHeads(i, x, c.required(`${name}.kernel`), c.variable(`${name}.bias`));
  const mask = c.optionalTensor("mask");
  if (mask) shapeOf(i, mask);
  const query = project("query", q);
  const { output } = softmaxAttention(i, query, project("key", k), project("value", v), {
    scale: 1 / Math.sqrt(shapeOf(i, query).at(-1)!),
    causal: false,
    ...(mask ? { mask } : {}),
  });
  return projectFromHeads(i, output, c.required("out.kernel"), c.variable("out.bias"));
}

const FIELDS =
  "qkv_features=None out_features=None dtype param_dtype broadcast_dropout dropout_rate=0.0 deterministic=None precision kernel_init out_kernel_init bias_init out_bias_init use_bias=True attention_fn decode=False normalize_qk=False";

/** Attention layers of Flax by name. */
export const ATTENTION_LAYERS: readonly FlaxSpec[] = [
  ...["MultiHeadDotProductAttention", "MultiHeadAttention"].map(
    (name): FlaxSpec => ({
      name,
      params: `num_heads ${FIELDS.replace("qkv_features=None out_features=None dtype param_dtype", "dtype param_dtype qkv_features=None out_features=None")}`,
      ...(name === "MultiHeadAttention" ? { nnx: `num_heads in_features ${FIELDS}`, widthField: "in_features" } : {}),
      inputs: "inputs inputs_k inputs_v mask deterministic dropout_rng sow_weights decode",
      call(c) {
        const q = c.has("inputs_q") ? c.tensor("inputs_q") : c.x;
        const k = c.has("inputs_kv") ? c.tensor("inputs_kv") : c.has("inputs_k") ? c.tensor("inputs_k") : q;
        const v = c.has("inputs_v") ? c.tensor("inputs_v") : k;
        return attend(c, q, k, v);
      },
    }),
  ),
  {
    name: "SelfAttention",
    params: `num_heads ${FIELDS.replace("qkv_features=None out_features=None dtype param_dtype", "dtype param_dtype qkv_features=None out_features=None")}`,
    inputs: "inputs mask deterministic",
    call: (c) => attend(c, c.has("inputs_q") ? c.tensor("inputs_q") : c.x, c.x, c.x),
  },
];

/** (batch, steps) or (batch, steps, width) -> a mask (batch, 1, steps, steps) that sees what came before. */
function causalMask(a: Reader): TensorValue {
  const shape = shapeOf(a.interpreter, a.tensor("x"));
  const steps = shape[1] ?? shape[0] ?? notUnderstood("the length of a sequence is not known");
  const { at } = lowerTriangle(steps, steps);
  const batch = shape.length > 1 ? shape[0]! : 1;
  return a.builder.constant({ shape: [batch, 1, steps, steps], at: (n) => at(n % (steps * steps)) }, "bool");
}

/** Attention as functions: inputs (batch, steps, heads, size). */
export const ATTENTION_FUNCTIONS: Readonly<Record<string, (i: Interpreter, args: Arguments) => Value>> = {
  make_causal_mask: (i, args) => causalMask(new Reader(i, ["x"], args)),
  dot_product_attention(i, args) {
    i.calls++;
    const a = new Reader(i, ["query", "key", "value", "bias", "mask"], args);
    const b = i.builder;
    const [q, k, v] = (["query", "key", "value"] as const).map((n) => {
      const t = a.tensor(n);
      if (t.shape === undefined) b.needShape(t, { rank: 4 });
      return t.shape?.length === 4 ? b.transpose(t, [0, 2, 1, 3]) : notUnderstood("attention over other axes than one of steps");
    });
    const mask = a.optionalTensor("mask");
    const bias = a.optionalTensor("bias");
    const { output } = softmaxAttention(i, q!, k!, v!, {
      scale: a.has("scale") ? a.number("scale") : 1 / Math.sqrt(q!.shape!.at(-1)!),
      causal: a.bool("is_causal", false),
      ...(mask ? { mask } : {}),
      ...(bias ? { bias } : {}),
    });
    return b.transpose(output, [0, 2, 1, 3]);
  },
};

/** The functions as callables. */
export function attentionFunctions(): [string, Value][] {
  return Object.entries(ATTENTION_FUNCTIONS).map(([name, run]) => [name, native(name, run)]);
}

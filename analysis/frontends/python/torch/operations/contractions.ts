/** @file Contractions: linear, einsum, convolutions, and products of several tensors. */
import { PythonError, notUnderstood, raiseConflict, raiseRank } from "../../evaluator/errors";
import type { Interpreter } from "../../evaluator/interpreter";
import { intOf, is } from "../../values/inspect";
import type { TensorValue, Value } from "../../values/value";
import { axisOf, type Reader, shapeOf } from "../arguments";
import { promote, promotedType, tensorBinary } from "../arithmetic";
import type { OperationTable } from "../operation";
import { pad } from "./padding";

/** x @ weight^T + bias, as exporters write it: Gemm for matrices with a bias, else MatMul and Add. */
export function linear(
  interpreter: Interpreter,
  x: TensorValue,
  weight: TensorValue,
  bias: TensorValue | undefined,
): TensorValue {
  const b = interpreter.builder;
  const inner = weight.shape?.[1];
  if (x.shape === undefined)
    b.needShape(x, { minimumRank: 2, ...(inner !== undefined ? { sizes: new Map([[-1, inner]]) } : {}) });
  if (inner !== undefined && x.shape && x.shape.at(-1) !== inner) {
    raiseConflict(
      `a linear layer with ${inner} inputs is applied to a tensor of shape [${x.shape.join(", ")}]`,
      x.shape.at(-1)!,
      inner,
    );
  }
  if (x.shape?.length === 2 && bias && weight.shape?.length === 2) {
    return b.node("Gemm", [x, weight, bias], { transB: 1 });
  }
  const product = b.node("MatMul", [x, weight.shape?.length === 1 ? weight : b.transpose(weight, [1, 0])]);
  return bias ? b.node("Add", [product, bias]) : product;
}

/** Arguments of a convolution, already repeated per spatial axis. */
export interface ConvolutionOptions {
  readonly stride: readonly number[];
  readonly padding: readonly number[] | "same" | "valid";
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly paddingMode: string;
}

/** A convolution over `spatial` axes. */
export function convolution(
  interpreter: Interpreter,
  x: TensorValue,
  weight: TensorValue,
  bias: TensorValue | undefined,
  spatial: number,
  options: ConvolutionOptions,
): TensorValue {
  const b = interpreter.builder;
  const channels = (weight.shape?.[1] ?? 1) * options.groups;
  if (x.shape === undefined) b.needShape(x, { rank: spatial + 2, sizes: new Map([[1, channels]]) });
  if (x.shape?.length === spatial + 1) {
    const lifted = b.unsqueeze(x, [0]);
    return b.node("Squeeze", [convolution(interpreter, lifted, weight, bias, spatial, options), b.ints([0])]);
  }
  if (x.shape?.length === spatial + 2 && x.shape[1] !== channels) {
    raiseConflict(
      `a convolution with ${channels} input channels is applied to a tensor of shape [${x.shape.join(", ")}]`,
      x.shape[1]!,
      channels,
    );
  }
  if (x.shape && x.shape.length !== spatial + 2)
    raiseRank(`a ${spatial}-d convolution is applied to a tensor of rank ${x.shape.length}`, x.shape.length, spatial + 2);
  const kernel = weight.shape?.slice(2) ?? [];
  let before: number[];
  let after: number[];
  if (options.padding === "same") {
    const total = kernel.map((k, i) => options.dilation[i]! * (k - 1));
    before = total.map((t) => Math.floor(t / 2));
    after = total.map((t, i) => t - before[i]!);
  } else if (options.padding === "valid") {
    before = kernel.map(() => 0);
    after = [...before];
  } else {
    before = [...options.padding];
    after = [...options.padding];
  }
  let input = x;
  if (options.paddingMode !== "zeros") {
    const pairs: number[] = [];
    for (let i = spatial - 1; i >= 0; i--) pairs.push(before[i]!, after[i]!);
    input = pad(b, x, pairs, options.paddingMode, 0);
    before = before.map(() => 0);
    after = [...before];
  }
  return b.node("Conv", bias ? [input, weight, bias] : [input, weight], {
    dilations: options.dilation,
    group: options.groups,
    kernel_shape: kernel,
    pads: [...before, ...after],
    strides: options.stride,
  });
}

/** A transposed convolution. */
export function transposedConvolution(
  interpreter: Interpreter,
  x: TensorValue,
  weight: TensorValue,
  bias: TensorValue | undefined,
  spatial: number,
  options: {
    stride: readonly number[];
    padding: readonly number[];
    outputPadding: readonly number[];
    dilation: readonly number[];
    groups: number;
  },
): TensorValue {
  const b = interpreter.builder;
  if (x.shape === undefined) b.needShape(x, { rank: spatial + 2, sizes: new Map([[1, weight.shape?.[0] ?? 1]]) });
  return b.node("ConvTranspose", bias ? [x, weight, bias] : [x, weight], {
    dilations: options.dilation,
    group: options.groups,
    kernel_shape: weight.shape?.slice(2) ?? [],
    output_padding: options.outputPadding,
    pads: [...options.padding, ...options.padding],
    strides: options.stride,
  });
}

/** Einsum in torch's two calling forms; spaces are dropped and a missing output is spelled out. */
export function einsum(interpreter: Interpreter, equation: string, operands: readonly TensorValue[]): TensorValue {
  const b = interpreter.builder;
  let text = equation.replace(/\s+/g, "");
  const terms = text.split("->")[0]!.split(",");
  operands.forEach((t, i) => {
    const term = terms[i] ?? "";
    if (t.shape === undefined && !term.includes("...")) b.needShape(t, { rank: term.length });
  });
  if (!text.includes("->")) {
    const letters = text.replace(/[,.]/g, "");
    const once = [...new Set(letters)].filter((c) => letters.indexOf(c) === letters.lastIndexOf(c)).sort();
    text += `->${text.includes("...") ? "..." : ""}${once.join("")}`;
  }
  const type = operands.reduce((x, y) => (promotedType(x, y) === x.type ? x : y)).type;
  return b.node(
    "Einsum",
    operands.map((t) => b.cast(t, type)),
    { equation: text },
  );
}

function functionalConvolution(a: Reader, spatial: number): Value {
  const mode = a.value("padding");
  return convolution(a.interpreter, a.tensor("input"), a.tensor("weight"), a.optionalTensor("bias"), spatial, {
    stride: a.repeated("stride", spatial, 1),
    padding: mode === "same" || mode === "valid" ? mode : a.repeated("padding", spatial, 0),
    dilation: a.repeated("dilation", spatial, 1),
    groups: a.int("groups", 1),
    paddingMode: "zeros",
  });
}

/** Adds products of matrices and convolutions. */
export function addContractions(table: OperationTable): void {
  table.add("linear", "input weight bias", (a) =>
    linear(a.interpreter, a.tensor("input"), a.tensor("weight"), a.optionalTensor("bias")),
  );
  table.add("bilinear", "input1 input2 weight bias", (a, b) => {
    const out = einsum(a.interpreter, "...i,oij,...j->...o", [a.tensor("input1"), a.tensor("weight"), a.tensor("input2")]);
    const bias = a.optionalTensor("bias");
    return bias ? b.node("Add", [out, bias]) : out;
  });
  for (const spatial of [1, 2, 3]) {
    table.add(`conv${spatial}d`, "input weight bias stride padding dilation groups", (a) => functionalConvolution(a, spatial));
    table.add(`conv_transpose${spatial}d`, "input weight bias stride padding output_padding groups dilation", (a) =>
      transposedConvolution(a.interpreter, a.tensor("input"), a.tensor("weight"), a.optionalTensor("bias"), spatial, {
        stride: a.repeated("stride", spatial, 1),
        padding: a.repeated("padding", spatial, 0),
        outputPadding: a.repeated("output_padding", spatial, 0),
        dilation: a.repeated("dilation", spatial, 1),
        groups: a.int("groups", 1),
      }),
    );
  }
  table.add("einsum", "equation operands", (a) => {
    const equation = a.value("equation");
    if (typeof equation !== "string") return notUnderstood("the equation of einsum is not known");
    const first = a.value("operands");
    const operands =
      is(first, "list") || is(first, "tuple")
        ? a.tensors("operands")
        : [a.tensor("operands"), ...a.rest.map((v) => tensorArgument(a, v))];
    return einsum(a.interpreter, equation, operands);
  });
  // A matrix, not a batch of them: an input that is still open has two axes.
  const matrix = (a: Reader, name: string): TensorValue => {
    const t = a.tensor(name);
    if (t.shape === undefined) a.builder.needShape(t, { rank: 2 });
    const rank = shapeOf(a.interpreter, t).length;
    if (rank !== 2)
      throw new PythonError("RuntimeError", `a matrix is expected, not ${rank} axes`, undefined, [
        { got: rank, expected: 2, compared: true },
      ]);
    return t;
  };
  table.add("mm spmm", "input mat2", (a) => tensorBinary(a.interpreter, "@", matrix(a, "input"), matrix(a, "mat2")));
  table.add("addmm", "input mat1 mat2 beta alpha", (a) => {
    const i = a.interpreter;
    let product = tensorBinary(i, "@", a.value("mat1"), a.value("mat2"));
    if (a.has("alpha")) product = tensorBinary(i, "*", product, a.value("alpha"));
    const base = a.has("beta") ? tensorBinary(i, "*", a.value("input"), a.value("beta")) : a.value("input");
    return tensorBinary(i, "+", base, product);
  });
  table.add("baddbmm addbmm", "input batch1 batch2 beta alpha", (a) => {
    const i = a.interpreter;
    let product = tensorBinary(i, "@", a.value("batch1"), a.value("batch2"));
    if (a.has("alpha")) product = tensorBinary(i, "*", product, a.value("alpha"));
    if (a.has("beta") && a.number("beta") === 0) return product;
    const base = a.has("beta") ? tensorBinary(i, "*", a.value("input"), a.value("beta")) : a.value("input");
    return tensorBinary(i, "+", base, product);
  });
  table.add("_weight_norm", "v g dim", (a, b) => {
    const v = a.tensor("v");
    const rank = shapeOf(a.interpreter, v).length;
    const kept = axisOf(a.int("dim", 0), rank);
    const over = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== kept);
    return b.node("Mul", [v, b.node("Div", [a.tensor("g"), b.node("ReduceL2", [v, b.ints(over)], { keepdims: 1 })])]);
  });
  table.add("outer ger", "input vec2", (a, b) =>
    b.node("Mul", [b.unsqueeze(a.tensor("input"), [1]), b.unsqueeze(a.tensor("vec2"), [0])]),
  );
  table.add("tensordot", "input other dims", (a) => {
    const x = a.tensor("input");
    const y = a.tensor("other");
    const rx = shapeOf(a.interpreter, x).length;
    const ry = shapeOf(a.interpreter, y).length;
    const dims = a.value("dims");
    const n = intOf(dims);
    let left: number[];
    let right: number[];
    if (n !== undefined) {
      left = Array.from({ length: n }, (_, i) => rx - n + i);
      right = Array.from({ length: n }, (_, i) => i);
    } else if (is(dims, "list") || is(dims, "tuple")) {
      const pair = dims.items.map((d) => (is(d, "list") || is(d, "tuple") ? d.items.map((v) => intOf(v) ?? 0) : [intOf(d) ?? 0]));
      left = (pair[0] ?? []).map((d) => axisOf(d, rx));
      right = (pair[1] ?? []).map((d) => axisOf(d, ry));
    } else return notUnderstood("the dims of tensordot are not known");
    const letters = "abcdefghijklmnopqrstuvwxyz";
    const lx = [...letters.slice(0, rx)];
    const ly = [...letters.slice(rx, rx + ry)];
    right.forEach((d, i) => (ly[d] = lx[left[i]!]!));
    const out = [...lx.filter((_, i) => !left.includes(i)), ...ly.filter((_, i) => !right.includes(i))];
    return einsum(a.interpreter, `${lx.join("")},${ly.join("")}->${out.join("")}`, promote(a.interpreter, x, y));
  });
  table.add("cdist", "x1 x2 p", (a, b) => {
    const x = b.unsqueeze(a.tensor("x1"), [shapeOf(a.interpreter, a.tensor("x1")).length - 1]);
    const y = b.unsqueeze(a.tensor("x2"), [shapeOf(a.interpreter, a.tensor("x2")).length - 2]);
    const difference = b.node("Sub", [x, y]);
    if (a.number("p", 2) !== 2) return notUnderstood("cdist with p other than 2");
    return b.node("ReduceL2", [difference, b.ints([-1])], { keepdims: 0 });
  });
  table.add("multi_dot", "tensors", (a, b) => a.tensors("tensors").reduce((x, y) => b.node("MatMul", [x, y])));
}

function tensorArgument(a: Reader, v: Value): TensorValue {
  return a.builder.tensorOf(v) ?? notUnderstood("an operand is not a tensor");
}

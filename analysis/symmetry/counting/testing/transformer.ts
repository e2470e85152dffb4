/** @file A stack of pre-norm transformer blocks between an embedding and a head, the zoo's PreLnTransformer at any depth. */
import type { Graph } from "../../../graph/graph";
import { int64Vector, type Tensor } from "../../../graph/tensor";
import { type Line, sketch } from "./models";

const [BATCH, TIME, INPUT, WIDTH, HEADS, HIDDEN] = [4, 5, 5, 4, 2, 6];

/** Blocks of layer norm, attention with all biases, layer norm, and a perceptron with GELU. */
export function preNormTransformer(blocks: number): Graph {
  const parameters: Record<string, readonly number[]> = {};
  const constants: Record<string, number | Tensor> = {
    half: 0.5,
    one: 1,
    root: Math.SQRT2,
    scale: 1 / Math.sqrt(WIDTH / HEADS),
    split: int64Vector([BATCH, TIME, HEADS, WIDTH / HEADS]),
    merged: int64Vector([BATCH, TIME, WIDTH]),
  };
  const lines: Line[] = [];
  const linear = (name: string, input: string, from: number, to: number): string => {
    parameters[`${name}.weight`] = [from, to];
    parameters[`${name}.bias`] = [to];
    lines.push([`${name}.product`, "MatMul", [input, `${name}.weight`]]);
    lines.push([name, "Add", [`${name}.product`, `${name}.bias`]]);
    return name;
  };
  const norm = (name: string, input: string): string => {
    parameters[`${name}.weight`] = [WIDTH];
    parameters[`${name}.bias`] = [WIDTH];
    lines.push([name, "LayerNormalization", [input, `${name}.weight`, `${name}.bias`], { axis: -1, epsilon: 1e-5 }]);
    return name;
  };
  const heads = (input: string, perm: readonly number[]): string => {
    lines.push([`${input}.split`, "Reshape", [input, "split"]]);
    lines.push([`${input}.heads`, "Transpose", [`${input}.split`], { perm }]);
    return `${input}.heads`;
  };
  let stream = linear("embed", "x", INPUT, WIDTH);
  for (let b = 0; b < blocks; b++) {
    const p = `blocks.${b}`;
    const y = norm(`${p}.ln1`, stream);
    const q = heads(linear(`${p}.q`, y, WIDTH, WIDTH), [0, 2, 1, 3]);
    const k = heads(linear(`${p}.k`, y, WIDTH, WIDTH), [0, 2, 3, 1]);
    const v = heads(linear(`${p}.v`, y, WIDTH, WIDTH), [0, 2, 1, 3]);
    lines.push([`${p}.products`, "MatMul", [q, k]]);
    lines.push([`${p}.scores`, "Mul", [`${p}.products`, "scale"]]);
    lines.push([`${p}.rows`, "Softmax", [`${p}.scores`], { axis: -1 }]);
    lines.push([`${p}.mixed`, "MatMul", [`${p}.rows`, v]]);
    lines.push([`${p}.back`, "Transpose", [`${p}.mixed`], { perm: [0, 2, 1, 3] }]);
    lines.push([`${p}.merged`, "Reshape", [`${p}.back`, "merged"]]);
    lines.push([`${p}.middle`, "Add", [stream, linear(`${p}.o`, `${p}.merged`, WIDTH, WIDTH)]]);
    const u = linear(`${p}.up`, norm(`${p}.ln2`, `${p}.middle`), WIDTH, HIDDEN);
    lines.push([`${p}.scaled`, "Div", [u, "root"]]);
    lines.push([`${p}.erf`, "Erf", [`${p}.scaled`]]);
    lines.push([`${p}.shifted`, "Add", [`${p}.erf`, "one"]]);
    lines.push([`${p}.gated`, "Mul", [u, `${p}.shifted`]]);
    lines.push([`${p}.gelu`, "Mul", [`${p}.gated`, "half"]]);
    lines.push([p, "Add", [`${p}.middle`, linear(`${p}.down`, `${p}.gelu`, HIDDEN, WIDTH)]]);
    stream = p;
  }
  const y = linear("head", norm("final", stream), WIDTH, INPUT);
  return sketch({ inputs: { x: [BATCH, TIME, INPUT] }, parameters, constants, lines, outputs: [y] });
}

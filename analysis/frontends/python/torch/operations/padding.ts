/** @file Padding. */
import type { GraphBuilder } from "../../emit/builder";
import { notUnderstood } from "../../evaluator/errors";
import type { TensorValue } from "../../values/value";

/** `F.pad`: pairs from the last axis backwards. */
export function pad(b: GraphBuilder, t: TensorValue, pads: readonly number[], mode: string, value: number): TensorValue {
  const rank = t.shape?.length ?? notUnderstood("padding a tensor of unknown rank");
  if (pads.every((p) => p === 0)) return t;
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  for (let i = 0; i * 2 < pads.length; i++) {
    before[rank - 1 - i] = pads[2 * i]!;
    after[rank - 1 - i] = pads[2 * i + 1]!;
  }
  const modes: Readonly<Record<string, string>> = {
    constant: "constant",
    reflect: "reflect",
    replicate: "edge",
    circular: "wrap",
  };
  const onnx = modes[mode] ?? notUnderstood(`padding mode ${mode}`);
  const inputs = [t, b.ints([...before, ...after])];
  if (onnx === "wrap") return wrapPad(b, t, before, after);
  return b.node("Pad", onnx === "constant" ? [...inputs, b.scalar(value, t.type)] : inputs, { mode: onnx });
}

function wrapPad(b: GraphBuilder, t: TensorValue, before: readonly number[], after: readonly number[]): TensorValue {
  let out = t;
  before.forEach((p, axis) => {
    const q = after[axis]!;
    const n = out.shape![axis]!;
    if (p === 0 && q === 0) return;
    const parts = [out];
    if (p > 0) parts.unshift(b.slice(out, axis, n - p, n));
    if (q > 0) parts.push(b.slice(out, axis, 0, q));
    out = b.node("Concat", parts, { axis });
  });
  return out;
}

/** @file Recurrent operators: RNN, GRU and LSTM. Their value is that of their unrolled form (see lower/recurrent). */
import { type Node, numberAttribute } from "../graph/graph";
import type { TensorType } from "../graph/tensor";
import { lowerGru, lowerLstm, lowerRnn } from "./lower/recurrent";
import type { InferenceContext, Operator } from "./operator";

/** Y [T, D, B, H] ([B, T, D, H] with layout 1) and final states [D, B, H] ([B, D, H]). */
function inferRecurrence(gates: number): Operator["infer"] {
  return (node: Node, { inputs }: InferenceContext): readonly TensorType[] => {
    const [x, w, r] = inputs;
    const type = x?.type ?? "other";
    const unknown = node.outputs.map((): TensorType => ({ type, shape: undefined }));
    if (x?.shape === undefined || r?.shape === undefined) return unknown;
    if (x.shape.length !== 3) throw new Error(`${node.operator}: the input has rank ${x.shape.length}, not 3`);
    if (r.shape.length !== 3) throw new Error(`${node.operator}: R has rank ${r.shape.length}, not 3`);
    const [directions, rows, hidden] = r.shape as [number, number, number];
    if (rows !== gates * hidden) {
      throw new Error(`${node.operator}: R has ${rows} rows, expected ${gates} gates of ${hidden}`);
    }
    if (w?.shape !== undefined && (w.shape[1] !== rows || w.shape[2] !== x.shape[2])) {
      throw new Error(
        `${node.operator}: W is [${w.shape.join(", ")}], expected [${directions}, ${rows}, ${x.shape[2]}] for this input`,
      );
    }
    const batchFirst = numberAttribute(node, "layout", 0) === 1;
    const [time, batch] = (batchFirst ? [x.shape[1], x.shape[0]] : [x.shape[0], x.shape[1]]) as [number, number];
    const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    const y = batchFirst ? [batch, time, directions, hidden] : [time, directions, batch, hidden];
    return node.outputs.map((_, i) => ({ type, shape: i === 0 ? y : state }));
  };
}

/** All recurrences of the operator table. */
export const recurrentOperators: readonly Operator[] = [
  { name: "RNN", infer: inferRecurrence(1), lower: lowerRnn },
  { name: "GRU", infer: inferRecurrence(3), lower: lowerGru },
  { name: "LSTM", infer: inferRecurrence(4), lower: lowerLstm },
];

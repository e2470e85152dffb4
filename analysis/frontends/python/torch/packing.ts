/** @file torch.nn.utils.rnn: packed sequences are the padded tensors themselves, taken at full length. */
import { functions } from "../values/namespaces";
import { is } from "../values/inspect";
import { int, native, tuple, unknown } from "../values/make";
import type { TensorValue, Value } from "../values/value";
import { Reader, shapeOf } from "./arguments";
import { concat } from "./operations/parts";

const KEY = "__packed_batch_first__";

/** Marks a tensor as packed; the layout is that of the tensor, whatever the recurrent layer was told. */
export function markPacked(t: TensorValue, batchFirst: boolean): TensorValue {
  return { ...t, parameter: undefined, attributes: new Map<string, Value>([...(t.attributes ?? []), [KEY, batchFirst]]) };
}

/** The layout of a packed tensor; undefined for others. */
export function packedLayout(v: Value): boolean | undefined {
  const mark = is(v, "tensor") ? v.attributes?.get(KEY) : undefined;
  return typeof mark === "boolean" ? mark : undefined;
}

/** The members of torch.nn.utils.rnn. */
export function packing(): [string, Value][] {
  return [
    ...functions("torch.nn.utils.rnn", {
      pack_padded_sequence: (i, a) => {
        const r = new Reader(i, ["input", "lengths", "batch_first", "enforce_sorted"], a);
        const t = r.tensor("input");
        shapeOf(i, t);
        return markPacked(t, r.bool("batch_first", false));
      },
      pad_packed_sequence: (i, a) => {
        const r = new Reader(i, ["sequence", "batch_first", "padding_value", "total_length"], a);
        const t = r.tensor("sequence");
        const layout = packedLayout(t) ?? false;
        const wanted = r.bool("batch_first", false);
        const shape = shapeOf(i, t);
        const steps = shape[layout ? 1 : 0] ?? 1;
        const batch = shape[layout ? 0 : 1] ?? 1;
        const plain: TensorValue = { ...t, attributes: new Map() };
        const out = wanted === layout ? plain : i.builder.transpose(plain, [1, 0, ...shape.slice(2).map((_, k) => k + 2)]);
        return tuple([out, i.builder.constant({ shape: [batch], at: () => steps }, "int64")]);
      },
      pad_sequence: (i, a) => {
        const r = new Reader(i, ["sequences", "batch_first", "padding_value"], a);
        const parts = r.tensors("sequences");
        const axis = r.bool("batch_first", false) ? 0 : 1;
        return concat(
          r,
          parts.map((p) => i.builder.unsqueeze(p, [axis])),
          axis,
        );
      },
    }),
    ["PackedSequence", unknown("PackedSequence")],
    ["pack_sequence", native("pack_sequence", () => unknown("pack_sequence"))],
    ["invert_permutation", native("invert_permutation", () => int(0))],
  ];
}

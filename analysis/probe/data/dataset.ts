/** @file Data to train on: rows of inputs and targets, the last of them held out. */
import type { Graph } from "../../graph/graph";
import { elementCount, isFloating, type Shape } from "../../graph/tensor";
import type { TypedValues, WireTensor } from "../../runtime/protocol";
import type { LossPlan } from "../loss";

/** Rows along axis 0; rows [0, training) train, the others are held out. */
export interface DataSet {
  readonly inputs: ReadonlyMap<string, WireTensor>;
  readonly targets: WireTensor;
  readonly training: number;
  readonly examples: number;
  /** What it is, in words. */
  readonly description: string;
  readonly notes: readonly string[];
}

/** What a network wants: shapes of one row. */
export interface DataShape {
  readonly inputs: readonly {
    readonly name: string;
    readonly type: "float32" | "int64" | "bool";
    readonly shape: Shape;
    readonly bound: number;
  }[];
  readonly targets: { readonly type: "float32" | "int64"; readonly shape: Shape; readonly classes: number };
}

/** The shapes of one row. @param rows false where a whole batch is one row */
export function dataShape(graph: Graph, loss: LossPlan, rows: boolean, bound: (input: string) => number): DataShape {
  const cut = (shape: Shape) => (rows ? shape.slice(1) : shape);
  const value = graph.types.get(loss.value)!.shape!;
  const isClasses = loss.kind === "cross-entropy";
  return {
    inputs: graph.inputs.map((i) => {
      const type = isFloating(i.type) ? "float32" : i.type === "bool" ? "bool" : "int64";
      return { name: i.name, type, shape: cut(i.shape), bound: type === "int64" ? bound(i.name) : 0 };
    }),
    targets: {
      type: isClasses ? "int64" : "float32",
      shape: cut(isClasses ? value.toSpliced(loss.classAxis, 1) : value),
      classes: loss.classes,
    },
  };
}

/** A tensor of the type that a network wants. */
export function typed(type: "float32" | "int64" | "bool", shape: Shape, values: ArrayLike<number>): WireTensor {
  const n = elementCount(shape);
  let data: TypedValues;
  if (type === "float32") data = values instanceof Float32Array ? values : Float32Array.from(values);
  else if (type === "bool") data = Uint8Array.from(values, (v) => (v === 0 ? 0 : 1));
  else data = BigInt64Array.from({ length: n }, (_, i) => BigInt(Math.trunc(values[i]!)));
  if (data.length !== n) throw new RangeError(`${data.length} values do not fill the shape [${shape.join(", ")}]`);
  return { type, shape, data };
}

/** Rows [from, to) of a tensor, without copying. */
export function rowsOf(t: WireTensor, from: number, to: number): WireTensor {
  const size = elementCount(t.shape.slice(1));
  return { type: t.type, shape: [to - from, ...t.shape.slice(1)], data: t.data.subarray(from * size, to * size) };
}

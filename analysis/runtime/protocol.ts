/** @file What the parent and the child process that runs ONNX Runtime say to each other (structured clones over IPC). */
import type { ElementType, Shape } from "../graph/tensor";

/** Values of a tensor as ONNX Runtime takes them. */
export type TypedValues =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** A tensor on the wire; half precision types travel as their bits. */
export interface WireTensor {
  readonly type: ElementType;
  readonly shape: Shape;
  readonly data: TypedValues;
}

/** Named tensors. */
export type WireTensors = Record<string, WireTensor>;

/** How a session is made. */
export interface SessionOptions {
  /** How far ONNX Runtime may rewrite the graph; sessions for one run are cheapest with little. */
  readonly optimization: "disabled" | "basic" | "extended" | "all";
  /** Threads per operator; 0 leaves it to ONNX Runtime. */
  readonly threads: number;
}

/** What the parent asks of the process that runs ONNX Runtime. */
export type Request =
  | {
      readonly id: number;
      readonly kind: "open";
      readonly session: number;
      readonly model: Uint8Array;
      readonly options: SessionOptions;
    }
  | { readonly id: number; readonly kind: "bind"; readonly session: number; readonly feeds: WireTensors }
  | { readonly id: number; readonly kind: "run"; readonly session: number; readonly feeds: WireTensors }
  | { readonly id: number; readonly kind: "close"; readonly session: number };

/** What that process answers. */
export type Reply =
  | { readonly id: number; readonly kind: "done"; readonly outputs?: WireTensors }
  | { readonly id: number; readonly kind: "failed"; readonly reason: "unavailable" | "model"; readonly message: string };

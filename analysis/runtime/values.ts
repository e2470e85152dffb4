/** @file Tensors to ONNX Runtime's typed arrays and back. */
import { bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16 } from "../frontends/onnx/element-types";
import { toInt64 } from "../frontends/onnx/encode";
import type { Tensor } from "../graph/tensor";
import type { TypedValues, WireTensor } from "./protocol";

/** A tensor as ONNX Runtime takes it. Throws RangeError for types that have no numbers. */
export function toWire(tensor: Tensor): WireTensor {
  return { type: tensor.type, shape: [...tensor.shape], data: typedValues(tensor) };
}

/** The values of a tensor as ONNX Runtime takes them, in an array of their own. Throws RangeError for types that have no numbers. */
export function typedValues({ type, data }: Pick<Tensor, "type" | "data">): TypedValues {
  switch (type) {
    case "float32":
      return new Float32Array(data);
    case "float64":
      return data.slice();
    case "float16":
      return Uint16Array.from(data, numberToFloat16);
    case "bfloat16":
      return Uint16Array.from(data, numberToBfloat16);
    case "int8":
      return new Int8Array(data);
    case "int16":
      return new Int16Array(data);
    case "int32":
      return new Int32Array(data);
    case "int64":
      return BigInt64Array.from({ length: data.length }, (_, i) => toInt64(data[i]!));
    case "uint8":
      return new Uint8Array(data);
    case "uint16":
      return new Uint16Array(data);
    case "uint32":
      return new Uint32Array(data);
    case "uint64":
      return BigUint64Array.from({ length: data.length }, (_, i) => BigInt(Math.trunc(data[i]!)));
    case "bool":
      return Uint8Array.from(data, (v) => (v === 0 ? 0 : 1));
    default:
      throw new RangeError(`a tensor of type ${type} cannot be fed to ONNX Runtime`);
  }
}

/** A tensor from ONNX Runtime in float64. */
export function fromWire(wire: WireTensor): Tensor {
  const { type, shape } = wire;
  if (wire.data instanceof BigInt64Array || wire.data instanceof BigUint64Array) {
    const big = wire.data;
    return { type, shape, data: Float64Array.from({ length: big.length }, (_, i) => Number(big[i]!)) };
  }
  // The constructor copies at once; `from` asks an iterator for every value.
  const data = new Float64Array(wire.data);
  if (type === "float16") return { type, shape, data: data.map(float16ToNumber) };
  if (type === "bfloat16") return { type, shape, data: data.map(bfloat16ToNumber) };
  return { type, shape, data };
}

/** @file Tensors to bytes and attributes to AttributeProto. */
import { create } from "@bufbuild/protobuf";
import type { Attribute, Graph } from "../../graph/graph";
import { type ElementType, elementCount, isFloating, type Shape, type Tensor } from "../../graph/tensor";
import { dataTypeNumber, numberToBfloat16, numberToFloat16 } from "./element-types";
import { isFloatAttribute, listKind } from "./float-attributes";
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type GraphProto,
  type TensorProto,
  TensorProtoSchema,
} from "./generated/onnx_pb";

const utf8 = new TextEncoder();

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** A number as an ONNX integer. Numbers beyond the range stand for its ends, as in the ends of Slice. */
export function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return INT64_MAX;
  if (value <= -(2 ** 63)) return INT64_MIN;
  return BigInt(Math.trunc(value));
}

/**
 * The bytes of raw_data: little-endian, row-major.
 * @throws RangeError for types that have no numbers.
 */
export function encodeRaw(type: ElementType, data: Float64Array): Uint8Array {
  const n = data.length;
  const floats32 = (): Uint8Array => {
    const view = new DataView(new ArrayBuffer(4 * n));
    for (let i = 0; i < n; i++) view.setFloat32(4 * i, data[i]!, true);
    return new Uint8Array(view.buffer);
  };
  const integers = (bytes: 1 | 2 | 4): Uint8Array => {
    const view = new DataView(new ArrayBuffer(bytes * n));
    for (let i = 0; i < n; i++) {
      const v = data[i]!;
      if (bytes === 1) view.setUint8(i, v);
      else if (bytes === 2) view.setUint16(2 * i, v, true);
      else view.setUint32(4 * i, v, true);
    }
    return new Uint8Array(view.buffer);
  };
  switch (type) {
    case "float32":
      return floats32();
    case "float64": {
      const view = new DataView(new ArrayBuffer(8 * n));
      for (let i = 0; i < n; i++) view.setFloat64(8 * i, data[i]!, true);
      return new Uint8Array(view.buffer);
    }
    case "float16":
      return encodeRaw("uint16", data.map(numberToFloat16));
    case "bfloat16":
      return encodeRaw("uint16", data.map(numberToBfloat16));
    case "int64": {
      const view = new DataView(new ArrayBuffer(8 * n));
      for (let i = 0; i < n; i++) view.setBigInt64(8 * i, toInt64(data[i]!), true);
      return new Uint8Array(view.buffer);
    }
    case "uint64": {
      const view = new DataView(new ArrayBuffer(8 * n));
      for (let i = 0; i < n; i++)
        view.setBigUint64(8 * i, data[i]! >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(Math.trunc(data[i]!)), true);
      return new Uint8Array(view.buffer);
    }
    case "int32":
    case "uint32":
      return integers(4);
    case "int16":
    case "uint16":
      return integers(2);
    case "int8":
    case "uint8":
      return integers(1);
    case "bool":
      return Uint8Array.from(data, (v) => (v === 0 ? 0 : 1));
    default:
      throw new RangeError(`a tensor of type ${type} cannot be written: it has no numbers`);
  }
}

/** A TensorProto with raw_data. Throws RangeError when the number of values does not fit the shape. */
export function encodeTensor(name: string, type: ElementType, shape: Shape, data: Float64Array): TensorProto {
  if (data.length !== elementCount(shape)) {
    throw new RangeError(`${name === "" ? "a tensor" : name} of shape [${shape.join(", ")}] has ${data.length} values`);
  }
  const dataType = dataTypeNumber(type);
  if (dataType === undefined) throw new RangeError(`a tensor of type ${type} cannot be written`);
  return create(TensorProtoSchema, { name, dataType, dims: shape.map(toInt64), rawData: encodeRaw(type, data) });
}

/** How attributes are encoded. */
export interface AttributeEncoding {
  /** The type in the file for a type of the Graph: itself, or another floating type. */
  type(type: ElementType): ElementType;
  graph(graph: Graph): GraphProto;
}

/** Attributes whose number is an element type. */
const TYPE_ATTRIBUTES: ReadonlySet<string> = new Set(["to", "dtype", "output_dtype", "stash_type"]);
const FLOATING_TYPES: ReadonlyMap<number, ElementType> = new Map(
  (["float32", "float64", "float16", "bfloat16"] as const).map((type) => [dataTypeNumber(type)!, type]),
);

function isGraph(a: Attribute): a is Graph {
  return typeof a === "object" && "nodes" in a;
}
function isTensor(a: Attribute): a is Tensor {
  return typeof a === "object" && "data" in a;
}

/** An attribute as the file has it. */
export function encodeAttribute(name: string, value: Attribute, encoding: AttributeEncoding): AttributeProto {
  if (typeof value === "number") {
    const type = TYPE_ATTRIBUTES.has(name) ? FLOATING_TYPES.get(value) : undefined;
    // A stash type may be wider than the data; it only has to follow where the data becomes wider.
    const number = type === undefined ? value : (dataTypeNumber(encoding.type(type)) ?? value);
    return isFloatAttribute(name, value)
      ? create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value })
      : create(AttributeProtoSchema, { name, type: Kind.INT, i: toInt64(number) });
  }
  if (typeof value === "string") return create(AttributeProtoSchema, { name, type: Kind.STRING, s: utf8.encode(value) });
  if (isGraph(value)) return create(AttributeProtoSchema, { name, type: Kind.GRAPH, g: encoding.graph(value) });
  if (isTensor(value)) {
    const type = isFloating(value.type) ? encoding.type(value.type) : value.type;
    return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: encodeTensor("", type, value.shape, value.data) });
  }
  switch (listKind(name, value)) {
    case "strings":
      return create(AttributeProtoSchema, { name, type: Kind.STRINGS, strings: value.map((v) => utf8.encode(String(v))) });
    case "floats":
      return create(AttributeProtoSchema, { name, type: Kind.FLOATS, floats: value.map(Number) });
    case "ints":
      return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map((v) => toInt64(Number(v))) });
  }
}

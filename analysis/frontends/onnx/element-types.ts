/** @file ONNX's element types: their names here, their sizes, and how their bytes become numbers. */
import type { ElementType } from "../../graph/tensor";
import { TensorProto_DataType as DataType } from "./generated/onnx_pb";

interface ElementFormat {
  readonly type: ElementType;
  /** The name in ONNX's text syntax, where it is not `type`. */
  readonly name: string;
  /** Bits per element; 0 for strings. */
  readonly bits: number;
}

const FORMATS: ReadonlyMap<number, ElementFormat> = new Map(
  (
    [
      [DataType.FLOAT, "float32", 32],
      [DataType.UINT8, "uint8", 8],
      [DataType.INT8, "int8", 8],
      [DataType.UINT16, "uint16", 16],
      [DataType.INT16, "int16", 16],
      [DataType.INT32, "int32", 32],
      [DataType.INT64, "int64", 64],
      [DataType.STRING, "string", 0],
      [DataType.BOOL, "bool", 8],
      [DataType.FLOAT16, "float16", 16],
      [DataType.DOUBLE, "float64", 64],
      [DataType.UINT32, "uint32", 32],
      [DataType.UINT64, "uint64", 64],
      [DataType.COMPLEX64, "complex64", 64],
      [DataType.COMPLEX128, "complex128", 128],
      [DataType.BFLOAT16, "bfloat16", 16],
      [DataType.FLOAT8E4M3FN, "other", 8, "float8e4m3fn"],
      [DataType.FLOAT8E4M3FNUZ, "other", 8, "float8e4m3fnuz"],
      [DataType.FLOAT8E5M2, "other", 8, "float8e5m2"],
      [DataType.FLOAT8E5M2FNUZ, "other", 8, "float8e5m2fnuz"],
      // The Graph has no types below one byte; the values are the same in the next larger one.
      [DataType.UINT4, "uint8", 4, "uint4"],
      [DataType.INT4, "int8", 4, "int4"],
      [DataType.FLOAT4E2M1, "other", 4, "float4e2m1"],
      [DataType.FLOAT8E8M0, "other", 8, "float8e8m0"],
      [DataType.UINT2, "uint8", 2, "uint2"],
      [DataType.INT2, "int8", 2, "int2"],
    ] as const satisfies readonly (readonly [DataType, ElementType, number, string?])[]
  ).map(([number, type, bits, name]) => [number, { type, bits, name: name ?? type }]),
);

/** The element type of an ONNX data type number; "other" for those that the Graph does not know. */
export function elementType(dataType: number): ElementType {
  return FORMATS.get(dataType)?.type ?? "other";
}

/** The name of an ONNX data type number for messages. */
export function dataTypeName(dataType: number): string {
  return FORMATS.get(dataType)?.name ?? `data type ${dataType}`;
}

/** The ONNX data type number of an element type; undefined for "other". */
export function dataTypeNumber(type: ElementType): number | undefined {
  for (const [number, format] of FORMATS) if (format.type === type && format.name === type) return number;
  return undefined;
}

/** Bytes of `count` elements in raw_data; undefined where the type has no fixed size or is unknown. */
export function rawByteLength(dataType: number, count: number): number | undefined {
  const bits = FORMATS.get(dataType)?.bits ?? 0;
  return bits === 0 ? undefined : bits < 8 ? Math.ceil((count * bits) / 8) : count * (bits / 8);
}

/** Whether values of this data type can be decoded to numbers. */
export function isDecodable(dataType: number): boolean {
  const type = elementType(dataType);
  return type !== "other" && type !== "string" && type !== "complex64" && type !== "complex128";
}

/** IEEE 754 half precision to a number. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16 (the upper half of a float32) to a number. */
export function bfloat16ToNumber(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** A number to bfloat16 bits, rounded to nearest even. */
export function numberToBfloat16(value: number): number {
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** A number to half precision bits, rounded to nearest even. */
export function numberToFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const scaled = magnitude * 2 ** (10 - exponent);
  let rounded = Math.floor(scaled);
  const rest = scaled - rounded;
  if (rest > 0.5 || (rest === 0.5 && rounded % 2 === 1)) rounded++;
  // A fraction that rounds up to 2048 carries into the exponent by itself.
  return magnitude < 2 ** -14 ? sign | rounded : sign | (((exponent + 15) << 10) + (rounded - 1024));
}

/**
 * Decodes raw_data (little-endian, row-major, sub-byte types packed from the low bits) to float64.
 * @throws RangeError for a type without a decoding; the caller checks `isDecodable` and the length first.
 */
export function decodeRaw(dataType: number, bytes: Uint8Array, count: number): Float64Array {
  const out = new Float64Array(count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (dataType) {
    case DataType.FLOAT:
      for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true);
      return out;
    case DataType.DOUBLE:
      for (let i = 0; i < count; i++) out[i] = view.getFloat64(8 * i, true);
      return out;
    case DataType.FLOAT16:
      for (let i = 0; i < count; i++) out[i] = float16ToNumber(view.getUint16(2 * i, true));
      return out;
    case DataType.BFLOAT16:
      for (let i = 0; i < count; i++) out[i] = bfloat16ToNumber(view.getUint16(2 * i, true));
      return out;
    case DataType.INT64:
      for (let i = 0; i < count; i++) out[i] = Number(view.getBigInt64(8 * i, true));
      return out;
    case DataType.UINT64:
      for (let i = 0; i < count; i++) out[i] = Number(view.getBigUint64(8 * i, true));
      return out;
    case DataType.INT32:
      for (let i = 0; i < count; i++) out[i] = view.getInt32(4 * i, true);
      return out;
    case DataType.UINT32:
      for (let i = 0; i < count; i++) out[i] = view.getUint32(4 * i, true);
      return out;
    case DataType.INT16:
      for (let i = 0; i < count; i++) out[i] = view.getInt16(2 * i, true);
      return out;
    case DataType.UINT16:
      for (let i = 0; i < count; i++) out[i] = view.getUint16(2 * i, true);
      return out;
    case DataType.INT8:
      for (let i = 0; i < count; i++) out[i] = view.getInt8(i);
      return out;
    case DataType.UINT8:
      out.set(bytes.subarray(0, count));
      return out;
    case DataType.BOOL:
      for (let i = 0; i < count; i++) out[i] = bytes[i] === 0 ? 0 : 1;
      return out;
    case DataType.UINT4:
    case DataType.INT4:
      return decodePacked(bytes, out, 4, dataType === DataType.INT4);
    case DataType.UINT2:
    case DataType.INT2:
      return decodePacked(bytes, out, 2, dataType === DataType.INT2);
    default:
      throw new RangeError(`${dataTypeName(dataType)} has no decoding`);
  }
}

function decodePacked(bytes: Uint8Array, out: Float64Array, bits: number, signed: boolean): Float64Array {
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  const half = 1 << (bits - 1);
  for (let i = 0; i < out.length; i++) {
    const value = (bytes[Math.floor(i / perByte)]! >> ((i % perByte) * bits)) & mask;
    out[i] = signed && value >= half ? value - 2 * half : value;
  }
  return out;
}

/** The number that one element of int32_data stands for; half precision types put their bits there. */
export function decodeInt32Field(dataType: number, value: number): number {
  switch (dataType) {
    case DataType.FLOAT16:
      return float16ToNumber(value & 0xffff);
    case DataType.BFLOAT16:
      return bfloat16ToNumber(value & 0xffff);
    case DataType.BOOL:
      return value === 0 ? 0 : 1;
    case DataType.UINT8:
      return value & 0xff;
    case DataType.UINT16:
      return value & 0xffff;
    default:
      return value;
  }
}

/** Whether int32_data packs several elements of this type into one entry's low byte. */
export function isSubByte(dataType: number): boolean {
  const bits = FORMATS.get(dataType)?.bits ?? 0;
  return bits > 0 && bits < 8;
}

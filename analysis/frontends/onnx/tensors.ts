/** @file TensorProto to Tensor: checks shape and amount of data at once, reads the data when it is asked for. */
import { withLazy } from "../../graph/lazy";
import { isFieldSet } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type ElementType, elementCount, type Tensor } from "../../graph/tensor";
import { readRange } from "./bytes";
import { dataTypeName, decodeInt32Field, decodeRaw, elementType, isDecodable, isSubByte, rawByteLength } from "./element-types";
import { EXPORT_AGAIN, OnnxError } from "./error";
import { ExternalFiles } from "./external-data";
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type TensorProto,
  TensorProtoSchema,
} from "./generated/onnx_pb";
import type { SkippedData, SkippedSpan, Skeleton } from "./scanner";

/** A tensor of a model file. */
export interface FileTensor {
  readonly name: string;
  readonly type: ElementType;
  /** The type as the file has it, for messages. */
  readonly typeName: string;
  readonly shape: readonly number[];
  readonly count: number;
  /** False where the file has no values (weights stripped, external data absent) or none that are numbers. */
  readonly available: boolean;
  /** True where values are absent that should be there. */
  readonly missing: boolean;
  /** The values. Throws OnnxError when the file has changed or the data does not fit. */
  read(): Tensor | undefined;
}

/** Reads the tensors of one model file. */
export class TensorReader {
  private readonly external: ExternalFiles;

  /** @param source where skipped data is read from: a path, opened for each read, or the model's bytes */
  constructor(
    private readonly name: string,
    private readonly source: { readonly path: string } | { readonly bytes: Uint8Array },
    private readonly skeleton: Skeleton,
  ) {
    this.external = new ExternalFiles("path" in source ? source.path : undefined, name);
  }

  /**
   * Checks a tensor and prepares its reading.
   * @param where name of the node whose attribute it is, or undefined for an initializer
   * @throws OnnxError when sizes are absurd or the amount of data does not fit the shape.
   */
  tensor(proto: TensorProto, where?: string): FileTensor {
    const label = proto.name === "" ? "a tensor" : `tensor ${proto.name}`;
    const fail = (problem: string, expected: string): OnnxError =>
      new OnnxError({
        file: this.name,
        problem,
        expected,
        advice: EXPORT_AGAIN,
        ...(where === undefined ? {} : { node: where }),
      });
    let count = 1;
    const shape = proto.dims.map((dim) => {
      const size = Number(dim);
      if (!(size >= 0 && Number.isSafeInteger(size))) throw fail(`${label} has the size ${dim}`, "sizes from 0 to 2^53");
      count *= size;
      return size;
    });
    if (shape.length > 64) throw fail(`${label} has ${shape.length} axes`, "at most 64 axes");
    // A zero among the sizes makes the tensor empty, however large the product of the others is.
    if (shape.includes(0)) count = 0;
    if (!Number.isSafeInteger(count)) throw fail(`${label} of shape [${shape.join(", ")}] is too large`, "at most 2^53 elements");
    if (proto.segment) throw fail(`${label} is stored in segments`, "a tensor in one piece");

    const dataType = proto.dataType;
    const skipped = isFieldSet(proto, TensorProtoSchema.field.skippedData) ? this.skeleton.skipped[proto.skippedData] : undefined;
    const needed = rawByteLength(dataType, count);
    const base = { name: proto.name, type: elementType(dataType), typeName: dataTypeName(dataType), shape, count };
    const unavailable = (missing: boolean): FileTensor => ({ ...base, available: false, missing, read: () => undefined });
    if (count === 0 && isDecodable(dataType)) {
      const empty: Tensor = { type: base.type, shape, data: new Float64Array(0) };
      return { ...base, available: true, missing: false, read: () => empty };
    }

    let load: (() => Float64Array) | undefined;
    if (proto.dataLocation === DataLocation.EXTERNAL) {
      const range = this.external.locate(proto.name, proto.externalData, needed);
      if (!range) return unavailable(true);
      load = () => decodeRaw(dataType, readRange(range.path, range.offset, range.length), count);
    } else {
      const raw = skipped?.get(9)?.[0];
      const rawLength = raw?.length ?? proto.rawData.length;
      if (rawLength > 0) {
        if (needed !== undefined && rawLength !== needed) {
          throw fail(
            `${label} of type ${base.typeName} and shape [${shape.join(", ")}] has ${rawLength} bytes`,
            `${needed} bytes`,
          );
        }
        load = () => decodeRaw(dataType, raw ? this.span(raw) : proto.rawData, count);
      } else if (hasTypedData(proto, skipped)) {
        load = () => this.typed(proto, dataType, skipped, count, fail);
        const known = knownTypedCount(proto, dataType, skipped);
        if (known !== undefined && known !== typedCount(dataType, count)) {
          throw fail(`${label} of shape [${shape.join(", ")}] has ${known} values`, `${typedCount(dataType, count)} values`);
        }
      }
    }
    if (!isDecodable(dataType)) return unavailable(false);
    if (!load) return unavailable(true);
    const read = load;
    return { ...base, available: true, missing: false, read: () => ({ type: base.type, shape, data: read() }) };
  }

  private span(span: SkippedSpan): Uint8Array {
    if ("bytes" in this.source) return this.source.bytes.subarray(span.offset, span.offset + span.length);
    return readRange(this.source.path, span.offset, span.length);
  }

  /** Values of float_data, int32_data, int64_data, double_data or uint64_data. */
  private typed(
    proto: TensorProto,
    dataType: number,
    skipped: SkippedData | undefined,
    count: number,
    fail: (problem: string, expected: string) => OnnxError,
  ): Float64Array {
    const field = typedField(dataType);
    const inline = inlineValues(proto, field);
    const expected = typedCount(dataType, count);
    const spans = skipped?.get(field) ?? [];
    let most = inline.length;
    for (const span of spans) most += span.length;
    // Before allocating: a damaged shape must not ask for more memory than the data could fill.
    if (most < expected) throw fail(`tensor ${proto.name} has at most ${most} values`, `${expected} values`);
    const values = new Float64Array(expected);
    let n = 0;
    const put = (value: number): void => {
      if (n < expected) values[n] = value;
      n++;
    };
    for (const value of inline) put(Number(value));
    for (const span of spans) {
      const reader = new BinaryReader(this.span(span));
      try {
        while (reader.pos < reader.len) put(readElement(reader, field));
      } catch {
        throw fail(`the data of tensor ${proto.name} ends inside a number`, `${expected} values`);
      }
    }
    if (n !== expected)
      throw fail(`tensor ${proto.name} of shape [${proto.dims.join(", ")}] has ${n} values`, `${expected} values`);
    if (field !== INT32_DATA) return values;
    if (isSubByte(dataType))
      return decodeRaw(
        dataType,
        Uint8Array.from(values, (v) => v & 0xff),
        count,
      );
    return values.map((v) => decodeInt32Field(dataType, v));
  }
}

const FLOAT_DATA = 4;
const INT32_DATA = 5;
const INT64_DATA = 7;
const DOUBLE_DATA = 10;
const UINT64_DATA = 11;

/** The TensorProto field that holds values of a data type when raw_data does not. */
function typedField(dataType: number): number {
  switch (dataType) {
    case DataType.FLOAT:
    case DataType.COMPLEX64:
      return FLOAT_DATA;
    case DataType.DOUBLE:
    case DataType.COMPLEX128:
      return DOUBLE_DATA;
    case DataType.INT64:
      return INT64_DATA;
    case DataType.UINT32:
    case DataType.UINT64:
      return UINT64_DATA;
    default:
      return INT32_DATA;
  }
}

/** Entries that the typed field must have: sub-byte types pack two or four elements into one entry. */
function typedCount(dataType: number, count: number): number {
  return isSubByte(dataType) ? (rawByteLength(dataType, count) ?? count) : count;
}

function inlineValues(proto: TensorProto, field: number): readonly (number | bigint)[] {
  switch (field) {
    case FLOAT_DATA:
      return proto.floatData;
    case DOUBLE_DATA:
      return proto.doubleData;
    case INT64_DATA:
      return proto.int64Data;
    case UINT64_DATA:
      return proto.uint64Data;
    default:
      return proto.int32Data;
  }
}

function readElement(reader: BinaryReader, field: number): number {
  switch (field) {
    case FLOAT_DATA:
      return reader.float();
    case DOUBLE_DATA:
      return reader.double();
    case INT64_DATA:
      return Number(reader.int64());
    case UINT64_DATA:
      return Number(reader.uint64());
    default:
      return reader.int32();
  }
}

function hasTypedData(proto: TensorProto, skipped: SkippedData | undefined): boolean {
  const field = typedField(proto.dataType);
  return inlineValues(proto, field).length > 0 || skipped?.has(field) === true;
}

/** The number of typed entries where it follows from sizes alone. */
function knownTypedCount(proto: TensorProto, dataType: number, skipped: SkippedData | undefined): number | undefined {
  const field = typedField(dataType);
  let n = inlineValues(proto, field).length;
  const width = field === FLOAT_DATA ? 4 : field === DOUBLE_DATA ? 8 : undefined;
  for (const span of skipped?.get(field) ?? []) {
    if (width === undefined) return undefined;
    n += span.length / width;
  }
  return dataType === DataType.COMPLEX64 || dataType === DataType.COMPLEX128 ? n / 2 : n;
}

/** A tensor whose values are there already, under a name. */
export function fileTensor(name: string, t: Tensor): FileTensor {
  const { type, shape } = t;
  return { name, type, typeName: type, shape, count: elementCount(shape), available: true, missing: false, read: () => t };
}

/** Tensors above this many bytes are read when their values are asked for, not before. */
const EAGER_LIMIT = 2 ** 20;

/** A Tensor whose values are read at first use if they are many. */
export function lazyTensor(source: FileTensor): Tensor {
  if (source.count * 8 <= EAGER_LIMIT) return source.read()!;
  return withLazy({ type: source.type, shape: source.shape }, { data: () => source.read()!.data });
}

/** @file A large ONNX file, written in pieces: the model of the fixtures that has no weights, with weights. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
} from "../analysis/frontends/onnx/generated/onnx_pb";

const FLOAT = 1;
const RAW_DATA = TensorProtoSchema.field.rawData.number;
const INITIALIZER = GraphProtoSchema.field.initializer.number;
const GRAPH = ModelProtoSchema.field.graph.number;
const PIECE = new Uint8Array(Float32Array.from({ length: 1 << 18 }, (_, i) => ((i * 37) % 101) / 1000 - 0.05).buffer);

function tag(field: number, length: number): Uint8Array {
  return new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(length).finish();
}

/**
 * Writes a model with made-up weights for all float initializers that have none, as raw data in the file, without ever
 * holding more than a piece of them. Returns the number of bytes.
 */
export function writeWithWeights(model: string, file: string): number {
  const proto = fromBinary(ModelProtoSchema, readFileSync(model));
  const graph = proto.graph!;
  const parts: { readonly head: Uint8Array; readonly data: number }[] = graph.initializer.map((tensor) => {
    const count = tensor.dims.reduce((n, d) => n * Number(d), 1);
    const isEmpty = tensor.rawData.length === 0 && tensor.floatData.length === 0 && tensor.dataType === FLOAT;
    const bytes = isEmpty ? 4 * count : 0;
    const bare = toBinary(TensorProtoSchema, isEmpty ? { ...tensor, externalData: [], dataLocation: 0 } : tensor);
    const own = bytes > 0 ? tag(RAW_DATA, bytes) : new Uint8Array();
    const head = Buffer.concat([tag(INITIALIZER, bare.length + own.length + bytes), bare, own]);
    return { head, data: bytes };
  });
  const rest: GraphProto = create(GraphProtoSchema, { ...graph, initializer: [] });
  const body = toBinary(GraphProtoSchema, rest);
  const outer = toBinary(ModelProtoSchema, create(ModelProtoSchema, { ...proto, graph: undefined }));
  const length = body.length + parts.reduce((n, p) => n + p.head.length + p.data, 0);
  const out = openSync(file, "w");
  let written = 0;
  const write = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; ) at += writeSync(out, bytes, at);
    written += bytes.length;
  };
  try {
    write(outer);
    write(tag(GRAPH, length));
    write(body);
    for (const { head, data } of parts) {
      write(head);
      for (let left = data; left > 0; left -= PIECE.length) write(left < PIECE.length ? PIECE.subarray(0, left) : PIECE);
    }
  } finally {
    closeSync(out);
  }
  return written;
}

/** @file A rewritten model with the interface of the file that it was made from: names, symbolic sizes, metadata. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "./generated/onnx_pb";

/**
 * Gives a written model the inputs and outputs of another file, with their symbolic sizes, and its metadata, where names agree.
 * @param original the bytes of the file that the model was read from
 */
export function withInterfaceOf(written: Uint8Array, original: Uint8Array): Uint8Array {
  const model = fromBinary(ModelProtoSchema, written);
  const source = fromBinary(ModelProtoSchema, original);
  const { graph } = model;
  if (!graph || !source.graph) return written;
  const inputs = new Map(source.graph.input.map((v) => [v.name, v]));
  const outputs = new Map(source.graph.output.map((v) => [v.name, v]));
  graph.input = graph.input.map((v) => inputs.get(v.name) ?? v);
  graph.output = graph.output.map((v) => outputs.get(v.name) ?? v);
  graph.name = source.graph.name === "" ? graph.name : source.graph.name;
  graph.docString = source.graph.docString;
  model.docString = source.docString;
  model.domain = source.domain;
  model.modelVersion = source.modelVersion;
  const own = new Set(model.metadataProps.map((p) => p.key));
  model.metadataProps.push(...source.metadataProps.filter((p) => !own.has(p.key)));
  return toBinary(ModelProtoSchema, model);
}

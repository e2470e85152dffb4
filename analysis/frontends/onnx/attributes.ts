/** @file AttributeProto to Attribute. */
import { isFieldSet } from "@bufbuild/protobuf";
import type { Attribute, Graph } from "../../graph/graph";
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type GraphProto,
  type TensorProto,
} from "./generated/onnx_pb";
import type { FileTensor } from "./tensors";
import { lazyTensor } from "./tensors";

const utf8 = new TextDecoder();

/** What converting an attribute needs from its surroundings. */
export interface AttributeContext {
  tensor(proto: TensorProto): FileTensor;
  graph(proto: GraphProto): Graph;
  note(text: string): void;
}

/** The kind of value that an attribute has; old files leave it out. */
export function attributeKind(a: AttributeProto): Kind {
  if (a.type !== Kind.UNDEFINED) return a.type;
  if (a.t) return Kind.TENSOR;
  if (a.g) return Kind.GRAPH;
  if (a.ints.length > 0) return Kind.INTS;
  if (a.floats.length > 0) return Kind.FLOATS;
  if (a.strings.length > 0) return Kind.STRINGS;
  const fields = AttributeProtoSchema.field;
  if (isFieldSet(a, fields.s)) return Kind.STRING;
  if (isFieldSet(a, fields.f)) return Kind.FLOAT;
  if (isFieldSet(a, fields.i)) return Kind.INT;
  return Kind.UNDEFINED;
}

/** The value of an attribute; undefined for kinds that a Graph cannot hold, with a note. */
export function readAttribute(a: AttributeProto, context: AttributeContext): Attribute | undefined {
  switch (attributeKind(a)) {
    case Kind.FLOAT:
      return a.f;
    case Kind.INT:
      return Number(a.i);
    case Kind.STRING:
      return utf8.decode(a.s);
    case Kind.FLOATS:
      return a.floats;
    case Kind.INTS:
      return a.ints.map(Number);
    case Kind.STRINGS:
      return a.strings.map((s) => utf8.decode(s));
    case Kind.TENSOR: {
      if (!a.t) return undefined;
      const tensor = context.tensor(a.t);
      if (tensor.available) return lazyTensor(tensor);
      context.note(`attribute ${a.name} holds a ${tensor.typeName} tensor without readable values`);
      return undefined;
    }
    case Kind.GRAPH:
      return a.g ? context.graph(a.g) : undefined;
    case Kind.UNDEFINED:
      return undefined;
    default:
      context.note(`attribute ${a.name} is of kind ${Kind[a.type] ?? a.type}, which is not read`);
      return undefined;
  }
}

/** @file The ONNX writer: any Graph to a model file that runs in ONNX Runtime. */
import { create, toBinary } from "@bufbuild/protobuf";
import { CAPTURED_INPUTS, formalInputs, type Graph, type Node } from "../../graph/graph";
import { type ElementType, elementCount, isFloating, type Shape, type Tensor } from "../../graph/tensor";
import { dataTypeNumber } from "./element-types";
import { encodeAttribute, encodeTensor, toInt64 } from "./encode";
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./generated/onnx_pb";
import { ROLES_KEY, writeRoles } from "./metadata";

/** Values of parameters: tensors, or plain values in the parameter's own shape. */
export type WriterValues = ReadonlyMap<string, Tensor | Float64Array>;

/** How a Graph is written. */
export interface WriteOptions {
  /** Version of the standard operator set; the Graph's own by default. Nodes are not converted. */
  readonly opset?: number;
  /** All floating tensors get this type; by default each keeps its own. */
  readonly elementType?: "float32" | "float64";
  /** Version of the file format; the one that fits the operator set by default. */
  readonly irVersion?: number;
  /** Makes the parameters inputs of the graph, so that one session serves many sets of weights. */
  readonly parametersAsInputs?: boolean;
}

/** ONNX files end at 2 GiB, as all protobuf messages do. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Encodes a Graph as an ONNX model. Parameters become initializers (or inputs), constants become Constant nodes.
 * @param values parameter values; those of the Graph's own file are used for parameters that are not in it
 * @throws RangeError when a parameter has no value, a value does not fit, or the file would exceed 2 GiB.
 */
export function writeOnnx(graph: Graph, values: WriterValues = new Map(), options: WriteOptions = {}): Uint8Array {
  const opset = options.opset ?? graph.opset;
  const domains = new Set<string>();
  const writer = new GraphWriter(options.elementType, domains);
  const proto = writer.graph(graph);
  if (options.parametersAsInputs) {
    for (const p of graph.parameters.values()) proto.input.push(writer.value(p.name, p.type, p.shape));
  } else {
    let bytes = 0;
    for (const p of graph.parameters.values()) {
      bytes += elementCount(p.shape) * 4;
      if (bytes > MAX_FILE_BYTES) throw new RangeError(`${graph.name}: an ONNX file with these weights would exceed 2 GiB`);
    }
    for (const p of graph.parameters.values()) {
      const value = values.get(p.name) ?? p.read?.();
      if (!value) throw new RangeError(`parameter ${p.name} has no value: give one, or write the parameters as inputs`);
      const data = value instanceof Float64Array ? value : value.data;
      proto.initializer.push(writer.tensor(p.name, p.type, p.shape, data));
    }
  }
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(options.irVersion ?? irVersion(opset)),
    producerName: "noether",
    graph: proto,
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(opset) }),
      ...[...domains].map((domain) => create(OperatorSetIdProtoSchema, { domain, version: 1n })),
    ],
    metadataProps: [create(StringStringEntryProtoSchema, { key: ROLES_KEY, value: writeRoles(graph) })],
  });
  return toBinary(ModelProtoSchema, model);
}

/** The file format that came with an operator set. */
function irVersion(opset: number): number {
  if (opset <= 18) return 8;
  if (opset <= 20) return 9;
  return opset <= 22 ? 10 : 11;
}

class GraphWriter {
  constructor(
    private readonly floating: "float32" | "float64" | undefined,
    /** The domains that nodes use, besides the standard one. */
    private readonly domains: Set<string>,
  ) {}

  graph(graph: Graph): GraphProto {
    const written = new Set(graph.nodes.flatMap((n) => n.outputs));
    return create(GraphProtoSchema, {
      name: graph.name === "" ? "graph" : graph.name,
      node: [...[...graph.constants].map(([name, t]) => this.constant(name, t)), ...graph.nodes.map((n) => this.node(n))],
      // A nested graph's input may have any shape; `types` knows, where the input itself has to name one.
      input: graph.inputs.map((i) =>
        this.value(i.name, i.type, graph.types.has(i.name) ? graph.types.get(i.name)!.shape : i.shape),
      ),
      output: graph.outputs.map((name) => this.value(name, graph.types.get(name)?.type ?? "other", graph.types.get(name)?.shape)),
      // Inference finds the others again; behind operators that it does not know, the file has to say.
      valueInfo: graph.nodes
        .filter((n) => n.domain !== "")
        .flatMap((n) => n.outputs)
        .filter((o) => o !== "" && written.has(o) && graph.types.get(o)?.shape !== undefined && !graph.outputs.includes(o))
        .map((o) => this.value(o, graph.types.get(o)!.type, graph.types.get(o)!.shape)),
    });
  }

  /** A Constant node; initializers would be taken for parameters when the file is read again. */
  private constant(name: string, t: Tensor): NodeProto {
    return create(NodeProtoSchema, {
      opType: "Constant",
      output: [name],
      attribute: [
        create(AttributeProtoSchema, { name: "value", type: Kind.TENSOR, t: this.tensor("", t.type, t.shape, t.data) }),
      ],
    });
  }

  private node(node: Node): NodeProto {
    if (node.domain !== "") this.domains.add(node.domain);
    return create(NodeProtoSchema, {
      name: node.name,
      opType: node.operator,
      domain: node.domain,
      input: [...formalInputs(node)],
      output: [...node.outputs],
      attribute: Object.entries(node.attributes)
        .filter(([name]) => name !== CAPTURED_INPUTS)
        .map(([name, value]) => encodeAttribute(name, value, { type: (t) => this.type(t), graph: (g) => this.graph(g) })),
    });
  }

  private type(type: ElementType): ElementType {
    return this.floating !== undefined && isFloating(type) ? this.floating : type;
  }

  tensor(name: string, type: ElementType, shape: Shape, data: Float64Array): TensorProto {
    return encodeTensor(name, this.type(type), shape, data);
  }

  value(name: string, type: ElementType, shape: Shape | undefined): ValueInfoProto {
    const elemType = dataTypeNumber(this.type(type));
    if (elemType === undefined) return create(ValueInfoProtoSchema, { name });
    const dim = shape?.map((size) =>
      create(TensorShapeProto_DimensionSchema, { value: { case: "dimValue", value: toInt64(size) } }),
    );
    const tensor = create(TypeProto_TensorSchema, {
      elemType,
      ...(dim === undefined ? {} : { shape: create(TensorShapeProtoSchema, { dim }) }),
    });
    return create(ValueInfoProtoSchema, {
      name,
      type: create(TypeProtoSchema, { value: { case: "tensorType", value: tensor } }),
    });
  }
}

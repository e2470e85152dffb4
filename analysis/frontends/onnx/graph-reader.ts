/**
 * @file GraphProto to nodes: names made unique, nested graphs read, nodes put in order, everything that is read checked to
 * be there. Trained tensors of nested graphs are hoisted to the top, and values that nested graphs capture are listed as
 * inputs of the node that holds them, so that no use of a value is hidden from the rest of Noether.
 */
import { CAPTURED_INPUTS, type Attribute, type Graph, type Node } from "../../graph/graph";
import { isFloating, type Tensor, type TensorType } from "../../graph/tensor";
import { attributeKind, readAttribute } from "./attributes";
import { EXPORT_AGAIN, OnnxError } from "./error";
import type { FunctionInliner } from "./functions";
import { AttributeProto_AttributeType as Kind, type GraphProto, type NodeProto, type TensorProto } from "./generated/onnx_pb";
import { topologicalOrder } from "./order";
import { type FileTensor, fileTensor, lazyTensor, type TensorReader } from "./tensors";
import { type DeclaredType, declaredType } from "./types";

/** A graph of a file before its tensors have roles and its inputs have sizes. */
export interface RawGraph {
  readonly name: string;
  readonly inputs: readonly DeclaredType[];
  readonly outputs: readonly DeclaredType[];
  readonly nodes: readonly Node[];
  /** The file's node behind each node. */
  readonly protos: ReadonlyMap<Node, NodeProto>;
  /** Tensors with names that are not Constant nodes' values; of the top graph also those hoisted from nested ones. */
  readonly initializers: ReadonlyMap<string, FileTensor>;
  /** Initializers that the file lists among the inputs too. */
  readonly listed: ReadonlySet<string>;
  /** Values of Constant nodes. */
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Declared types of inner values. */
  readonly declared: readonly DeclaredType[];
}

interface Scope {
  readonly parent: Scope | undefined;
  /** Names that the file uses in this graph, and what they are called here. */
  readonly names: Map<string, string>;
}

interface Nested {
  readonly graph: Graph;
  /** Outer values that it reads. */
  readonly captured: ReadonlySet<string>;
}

/** Reads the graphs of one file. */
export class GraphReader {
  private readonly hoisted = new Map<string, FileTensor>();
  /** All value names of the top graph and all hoisted ones. */
  private readonly taken = new Set<string>();
  /** The next number for each name that had to be changed. */
  private readonly renamed = new Map<string, number>();

  constructor(
    private readonly file: string,
    private readonly tensors: TensorReader,
    private readonly inliner: FunctionInliner,
    private readonly opset: number,
    private readonly notes: string[],
  ) {}

  /**
   * Reads the top graph.
   * @throws OnnxError for duplicate or missing values, cycles, absurd sizes, sparse tensors.
   */
  read(graph: GraphProto): RawGraph {
    const raw = this.graph(graph, undefined, undefined);
    return { ...raw, initializers: new Map([...raw.initializers, ...this.hoisted]) };
  }

  private fail(node: string | undefined, problem: string, expected: string): OnnxError {
    return new OnnxError({ file: this.file, problem, expected, advice: EXPORT_AGAIN, ...(node === undefined ? {} : { node }) });
  }

  private note(text: string): void {
    if (this.notes.length < 100 && !this.notes.includes(text)) this.notes.push(text);
  }

  /** @param holder name of the node whose attribute the graph is; undefined for the top graph */
  private graph(proto: GraphProto, parent: Scope | undefined, holder: string | undefined): RawGraph {
    const sparse = proto.sparseInitializer[0];
    if (sparse) {
      throw this.fail(
        holder,
        `initializer ${sparse.values?.name ?? ""} is sparse`,
        "dense initializers; convert it with its to_dense()",
      );
    }
    const scope: Scope = { parent, names: new Map() };
    const define = (name: string, where: string): string => {
      if (scope.names.has(name))
        throw this.fail(holder, `${where} defines the value ${name}, which is defined already`, "each value defined once");
      const unique = this.uniqueName(name, parent, holder);
      scope.names.set(name, unique);
      if (!parent) this.taken.add(unique);
      return unique;
    };

    const initializers = new Map<string, FileTensor>();
    const constants = new Map<string, Tensor>();
    for (const t of proto.initializer) {
      if (t.name === "") throw this.fail(holder, "an initializer has no name", "a name for each initializer");
      const tensor = { ...this.tensors.tensor(t, holder), name: define(t.name, "an initializer") };
      this.keep(tensor, parent !== undefined, initializers, constants);
    }
    const listed = new Set<string>();
    const inputs: DeclaredType[] = [];
    for (const info of proto.input) {
      const known = scope.names.get(info.name);
      if (known !== undefined && initializers.has(known) && !listed.has(known)) listed.add(known);
      else {
        if (info.name === "") throw this.fail(holder, "a graph input has no name", "a name for each input");
        const name = define(info.name, "a graph input");
        inputs.push({ ...declaredType(info, this.file), name });
      }
    }

    const nodes = this.inliner.inline(proto.node);
    const names = this.nodeNames(nodes);
    nodes.forEach((node, i) => {
      if (node.opType === "") throw this.fail(names[i], "a node has no operator", "op_type");
      for (const o of node.output) if (o !== "") define(o, `node ${names[i]}`);
    });

    const resolve = (name: string, reader: string): string => {
      if (name === "") return "";
      for (let s: Scope | undefined = scope; s; s = s.parent) {
        const found = s.names.get(name);
        if (found !== undefined) return found;
      }
      throw this.fail(
        holder,
        `${reader} reads the value ${name}, which nothing defines`,
        "an input, an initializer or a node that writes it",
      );
    };

    const protos = new Map<Node, NodeProto>();
    const read: Node[] = [];
    nodes.forEach((node, i) => {
      const name = names[i]!;
      const output = node.output.map((o) => (o === "" ? "" : scope.names.get(o)!));
      if (node.opType === "Constant" && domainOf(node) === "") {
        const tensor = this.constant(node, name, output[0] ?? "");
        if (tensor) {
          this.keep(tensor, parent !== undefined, initializers, constants);
          return;
        }
      }
      const made = this.node(node, name, output, scope, (n) => resolve(n, `node ${name}`));
      protos.set(made, node);
      read.push(made);
    });
    const outputs = proto.output.map((info) => ({
      ...declaredType(info, this.file),
      name: resolve(info.name, "the graph's list of outputs"),
    }));
    if (outputs.length === 0 && !parent) throw this.fail(undefined, "the graph has no outputs", "at least one output");

    const declared: DeclaredType[] = [];
    for (const info of proto.valueInfo) {
      const name = scope.names.get(info.name);
      if (name !== undefined) declared.push({ ...declaredType(info, this.file), name });
    }
    return {
      name: proto.name,
      inputs,
      outputs,
      nodes: topologicalOrder(read, this.file),
      protos,
      initializers,
      listed,
      constants,
      declared,
    };
  }

  /** A name that no enclosing graph and no hoisted tensor has. */
  private uniqueName(name: string, parent: Scope | undefined, holder: string | undefined): string {
    if (!parent) return name;
    const shadows = (candidate: string): boolean => {
      for (let s: Scope | undefined = parent; s; s = s.parent) if (s.names.has(candidate)) return true;
      return this.taken.has(candidate);
    };
    if (!shadows(name)) return name;
    const base = `${holder}/${name}`;
    let unique = base;
    let i = this.renamed.get(base) ?? 1;
    while (shadows(unique)) unique = `${base}_${i++}`;
    this.renamed.set(base, i);
    return unique;
  }

  /**
   * Files a tensor: the value of a Constant node is a constant where it can be read. Other tensors of the top graph await
   * their roles; those of nested graphs are constants, or hoisted to the top if they may train.
   */
  private keep(
    tensor: FileTensor & { readonly constant?: Tensor },
    nested: boolean,
    initializers: Map<string, FileTensor>,
    constants: Map<string, Tensor>,
  ): void {
    if (tensor.constant) constants.set(tensor.name, tensor.constant);
    else if (!nested) initializers.set(tensor.name, tensor);
    else if (tensor.available && !(isFloating(tensor.type) && tensor.count > 1)) constants.set(tensor.name, lazyTensor(tensor));
    else {
      this.taken.add(tensor.name);
      this.hoisted.set(tensor.name, tensor);
    }
  }

  private nodeNames(nodes: readonly NodeProto[]): string[] {
    const used = new Set<string>();
    /** The next number to try for each name, so that many equal names take linear time. */
    const next = new Map<string, number>();
    const unique = (base: string): string => {
      let name = base;
      let i = next.get(base) ?? 1;
      while (used.has(name)) name = `${base}_${i++}`;
      next.set(base, i);
      used.add(name);
      return name;
    };
    const given = nodes.map((node) => (node.name === "" ? "" : unique(node.name)));
    return given.map((name, index) => (name === "" ? unique(`${nodes[index]!.opType}_${index}`) : name));
  }

  /** The value of a Constant node; undefined where it is none that a Tensor can hold (strings), and the node stays. */
  private constant(node: NodeProto, name: string, output: string): (FileTensor & { readonly constant?: Tensor }) | undefined {
    const a = node.attribute.find((x) => x.name.startsWith("value") || x.name === "sparse_value");
    if (!a || output === "") return undefined;
    const plain = (type: "float32" | "int64", shape: readonly number[], values: readonly number[]) => {
      const constant: Tensor = { type, shape, data: Float64Array.from(values) };
      return { ...fileTensor(output, constant), constant };
    };
    switch (attributeKind(a)) {
      case Kind.TENSOR: {
        if (!a.t) return undefined;
        const tensor = { ...this.tensors.tensor(a.t, name), name: output };
        if (tensor.available) return { ...tensor, constant: lazyTensor(tensor) };
        return tensor.missing ? tensor : undefined;
      }
      case Kind.FLOAT:
        return plain("float32", [], [a.f]);
      case Kind.INT:
        return plain("int64", [], [Number(a.i)]);
      case Kind.FLOATS:
        return plain("float32", [a.floats.length], a.floats);
      case Kind.INTS:
        return plain("int64", [a.ints.length], a.ints.map(Number));
      case Kind.SPARSE_TENSOR:
        throw this.fail(name, "a Constant node holds a sparse tensor", "a dense tensor; convert it with to_dense()");
      default:
        return undefined;
    }
  }

  private node(
    proto: NodeProto,
    name: string,
    outputs: readonly string[],
    scope: Scope,
    resolve: (name: string) => string,
  ): Node {
    const inputs = proto.input.map(resolve);
    const operator = proto.opType;
    const domain = domainOf(proto);
    const origin = { node: name };
    if (proto.attribute.length === 0) return { name, operator, domain, inputs, outputs, attributes: NO_ATTRIBUTES, origin };
    const captured = new Set<string>();
    const attributes: [string, Attribute][] = [];
    for (const a of proto.attribute) {
      const value = readAttribute(a, {
        tensor: (t: TensorProto) => this.tensors.tensor(t, name),
        graph: (g: GraphProto) => {
          const nested = this.nested(g, scope, name);
          for (const c of nested.captured) captured.add(c);
          return nested.graph;
        },
        note: (text) => this.note(`node ${name}: ${text}`),
      });
      if (value !== undefined) attributes.push([a.name, a.name === "perm" ? fromTheFront(value) : value]);
    }
    if (captured.size > 0) {
      attributes.push([CAPTURED_INPUTS, captured.size]);
      inputs.push(...captured);
    }
    return { name, operator, domain, inputs, outputs, attributes: Object.fromEntries(attributes), origin };
  }

  private nested(proto: GraphProto, parent: Scope, holder: string): Nested {
    const raw = this.graph(proto, parent, holder);
    const types = new Map<string, TensorType>();
    const known = (d: DeclaredType): readonly number[] | undefined =>
      d.sizes?.every((s) => typeof s === "number") ? (d.sizes as readonly number[]) : undefined;
    for (const d of [...raw.inputs, ...raw.declared, ...raw.outputs]) types.set(d.name, { type: d.type, shape: known(d) });
    for (const [name, t] of raw.constants) types.set(name, { type: t.type, shape: t.shape });
    const own = new Set([...raw.inputs.map((i) => i.name), ...raw.constants.keys(), ...raw.nodes.flatMap((n) => n.outputs)]);
    const outputs = raw.outputs.map((o) => o.name);
    const captured = new Set([...raw.nodes.flatMap((n) => n.inputs), ...outputs].filter((name) => name !== "" && !own.has(name)));
    const graph: Graph = {
      name: raw.name,
      opset: this.opset,
      inputs: raw.inputs.map((i) => ({ name: i.name, type: i.type, shape: known(i) ?? [] })),
      outputs,
      nodes: raw.nodes,
      parameters: new Map(),
      constants: raw.constants,
      types,
    };
    return { graph, captured };
  }
}

const NO_ATTRIBUTES: Node["attributes"] = {};

/** A permutation of axes that may be counted from the back, as PyTorch's older exporter leaves them, counted from the front. */
function fromTheFront(perm: Attribute): Attribute {
  if (!Array.isArray(perm) || !perm.some((axis) => typeof axis === "number" && axis < 0)) return perm;
  return (perm as readonly number[]).map((axis) => (axis < 0 ? axis + perm.length : axis));
}

/** The domain of a node; the standard one has two spellings. */
export function domainOf(node: NodeProto): string {
  return node.domain === "ai.onnx" ? "" : node.domain;
}

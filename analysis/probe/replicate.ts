/**
 * @file Several copies of a network in one graph: all values get a replica axis in front. Small networks are bound by the
 * overhead of nodes, which the copies then share; ONNX Runtime's own batch axes do the work.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute, stringAttribute } from "../graph/graph";
import { elementCount, type Shape } from "../graph/tensor";
import { parseEinsum } from "../operators/einsum";
import { GraphBuilder } from "../operators/gradients/builder";
import { ints, positive, range, reshape, transpose } from "../operators/lower/build";
import { operatorTable } from "../operators/table";
import type { Trainable } from "./prepare";

/** An operator whose copies cannot be put into one graph here; they are run apart. */
export class NotReplicable extends Error {
  override readonly name = "NotReplicable";
}

/** A value under replication: with a replica axis in front, or the same for all (constants). */
interface Value {
  readonly name: string;
  readonly replicated: boolean;
  /** Shape of one copy. */
  readonly shape: Shape;
}

/** Applied entry by entry. */
const ELEMENTWISE: ReadonlySet<string> = new Set(
  (
    "Add Sub Mul Div Pow Max Min Mod Where Neg Abs Sqrt Exp Log Reciprocal Erf Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh " +
    "Atanh Relu LeakyRelu PRelu Elu Celu Selu Sigmoid HardSigmoid HardSwish Mish Softplus Softsign Gelu Swish ThresholdedRelu Shrink " +
    "Clip Cast CastLike Identity Floor Ceil Round Sign Equal Greater GreaterOrEqual Less LessOrEqual Not And Or Xor IsNaN IsInf Sum Mean"
  ).split(" "),
);
/** Reductions whose axes are input 1. */
const REDUCTIONS: ReadonlySet<string> = new Set(
  "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceSumSquare ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp".split(" "),
);
/** Functions along the axis that attribute `axis` names. */
const ALONG_AXIS: ReadonlySet<string> = new Set(["Softmax", "LogSoftmax", "ArgMax", "ArgMin"]);

/**
 * Copies a network.
 * @param trainable made with `whole` false
 * @throws NotReplicable naming the operator that has no form with copies
 */
export function replicate(trainable: Trainable, replicas: number): Trainable {
  const source = trainable.graph;
  const wide = (shape: Shape): Shape => [replicas, ...shape];
  const b = new GraphBuilder({ ...source, inputs: [], nodes: [], types: new Map(), parameters: new Map() }, operatorTable);
  const values = new Map<string, Value>();
  for (const [name, c] of source.constants) {
    b.types.set(name, { type: c.type, shape: c.shape });
    values.set(name, { name, replicated: false, shape: c.shape });
  }
  const inputs = source.inputs.map((i) => ({ ...i, shape: wide(i.shape) }));
  for (const i of inputs) b.types.set(i.name, { type: i.type, shape: i.shape });
  for (const i of source.inputs) values.set(i.name, { name: i.name, replicated: true, shape: i.shape });
  const statistics = new Set(trainable.statistics.flatMap((s) => [s.mean, s.variance]));
  for (const [name, p] of source.parameters) {
    const moves = (p.trainable && p.type === "float32") || statistics.has(name);
    b.types.set(name, { type: p.type, shape: moves ? wide(p.shape) : p.shape });
    values.set(name, { name, replicated: moves, shape: p.shape });
  }
  const copy = new Copier(b, values, replicas);
  for (const node of source.nodes) copy.node(node, source);
  const own = (name: string): string => {
    const value = values.get(name)!;
    if (!value.replicated) throw new NotReplicable(`${name} does not depend on the parameters`);
    return value.name;
  };
  const graph: Graph = { ...b.finish(source.outputs.map(own)), inputs, parameters: source.parameters };
  return {
    ...trainable,
    graph,
    outputs: trainable.outputs.map(own),
    statistics: trainable.statistics.map((s) => ({ ...s, batchMean: own(s.batchMean), batchVariance: own(s.batchVariance) })),
  };
}

class Copier {
  constructor(
    private readonly b: GraphBuilder,
    private readonly values: Map<string, Value>,
    private readonly replicas: number,
  ) {}

  /** Adds the copies of a node; its outputs keep their names. */
  node(node: Node, source: Graph): void {
    const inputs = node.inputs.map((i) => (i === "" ? undefined : this.values.get(i)));
    this.b.origin = node.origin;
    if (inputs.every((i) => !i?.replicated)) {
      this.b.append(node);
      this.define(node, source, false);
      return;
    }
    const { operator, attributes } = node;
    const emit = (ins: readonly string[], attrs: Node["attributes"] = attributes, op = operator) => {
      this.b.append({ ...node, operator: op, inputs: ins, attributes: attrs });
      this.define(node, source, true);
    };
    const x = inputs[0];
    const rank = x?.shape.length ?? 0;
    const axis = (fallback: number, r = rank) => positive(numberAttribute(node, "axis", fallback), r) + 1;
    if (ELEMENTWISE.has(operator)) {
      const out = source.types.get(node.outputs[0]!)!.shape!.length;
      emit(inputs.map((v) => (v === undefined ? "" : this.aligned(v, out))));
      return;
    }
    if (REDUCTIONS.has(operator)) {
      const listed = node.inputs[1] === undefined || node.inputs[1] === "" ? undefined : this.b.constant(node.inputs[1]);
      const given = numbersAttribute(node, "axes") ?? (listed ? [...listed.data] : undefined);
      const axes = given === undefined || given.length === 0 ? range(0, rank) : given.map((a) => positive(a, rank));
      if ((given === undefined || given.length === 0) && numberAttribute(node, "noop_with_empty_axes", 0) === 1) {
        emit([this.wide(x!)], {}, "Identity");
        return;
      }
      const { keepdims } = attributes;
      emit(
        [
          this.wide(x!),
          ints(
            this.b,
            axes.map((a) => a + 1),
          ),
        ],
        keepdims === undefined ? {} : { keepdims },
      );
      return;
    }
    if (ALONG_AXIS.has(operator)) {
      emit([this.wide(x!)], { ...attributes, axis: axis(operator.startsWith("Arg") ? 0 : -1) });
      return;
    }
    switch (operator) {
      case "MatMul":
        return this.matMul(node, inputs as [Value, Value], emit);
      case "Reshape": {
        const shape = source.types.get(node.outputs[0]!)!.shape!;
        emit([this.wide(x!), ints(this.b, [this.replicas, ...shape])], {});
        return;
      }
      case "Transpose": {
        const perm = numbersAttribute(node, "perm") ?? range(0, rank).toReversed();
        emit([this.wide(x!)], { perm: [0, ...perm.map((p) => p + 1)] });
        return;
      }
      case "Concat": {
        emit(
          inputs.map((v) => this.wide(v!)),
          { axis: axis(0) },
        );
        return;
      }
      case "Split":
        emit([this.wide(x!), ...node.inputs.slice(1)], { ...attributes, axis: axis(0) });
        return;
      case "Slice": {
        const axes = this.b.constant(node.inputs[3] ?? "")?.data ?? range(0, this.values.get(node.inputs[1]!)!.shape[0]!);
        const moved = ints(
          this.b,
          [...axes].map((a) => positive(a, rank) + 1),
        );
        emit([this.wide(x!), node.inputs[1]!, node.inputs[2]!, moved, ...node.inputs.slice(4)]);
        return;
      }
      case "Expand": {
        const shape = source.types.get(node.outputs[0]!)!.shape!;
        emit([this.aligned(x!, shape.length), ints(this.b, [this.replicas, ...shape])]);
        return;
      }
      case "Gather":
        return this.gather(node, inputs as [Value, Value], emit);
      case "Trilu":
        emit([this.wide(x!), ...node.inputs.slice(1)]);
        return;
      case "CumSum": {
        const at = this.b.constant(node.inputs[1]!);
        if (!at) break;
        emit([this.wide(x!), this.b.addConstant({ ...at, data: Float64Array.of(positive(at.data[0]!, rank) + 1) })]);
        return;
      }
      case "TopK":
        emit([this.wide(x!), node.inputs[1]!], { ...attributes, axis: axis(-1) });
        return;
      case "Einsum":
        return this.einsum(node, inputs as Value[], emit);
      case "Conv":
      case "ConvTranspose":
        return this.convolution(node, inputs as Value[], source);
      case "MaxPool":
      case "AveragePool":
      case "LpPool":
      case "Resize":
      case "DepthToSpace":
      case "SpaceToDepth":
        return this.itemwise(node, x!, source);
      case "Pad": {
        const pads = this.b.constant(node.inputs[1] ?? "")?.data;
        if (!pads || node.inputs[3]) break;
        const [before, after] = [[...pads].slice(0, rank), [...pads].slice(rank)];
        emit([this.wide(x!), ints(this.b, [0, ...before, 0, ...after]), ...node.inputs.slice(2)]);
        return;
      }
      default:
        break;
    }
    throw new NotReplicable(`${operator} ${node.name} has no form for several replicas in one graph`);
  }

  private define(node: Node, source: Graph, replicated: boolean): void {
    for (const o of node.outputs) {
      if (o !== "") this.values.set(o, { name: o, replicated, shape: source.types.get(o)?.shape ?? [] });
    }
  }

  /** The value with its replica axis; made by repetition where it has none. */
  private wide(v: Value): string {
    if (v.replicated) return v.name;
    const target = ints(this.b, [this.replicas, ...v.shape]);
    return this.b.add("Expand", [v.name, target]);
  }

  /** The value so that it broadcasts against others of `rank` axes behind the replica axis. */
  private aligned(v: Value, rank: number): string {
    if (!v.replicated || v.shape.length === rank) return v.name;
    return reshape(this.b, v.name, [this.replicas, ...range(v.shape.length, rank).map(() => 1), ...v.shape]);
  }

  /** A weight matrix under a batch of rows: one product of [rows, in] per replica, instead of one per example. */
  private matMul(node: Node, [x, w]: readonly [Value, Value], emit: (ins: readonly string[], a?: Node["attributes"]) => void) {
    if (x.shape.length === 1 || w.shape.length === 1) {
      throw new NotReplicable(`MatMul ${node.name} of a vector has no form for several replicas`);
    }
    if (w.replicated && w.shape.length === 2 && x.replicated && x.shape.length > 2) {
      const rows = elementCount(x.shape.slice(0, -1));
      const flat = reshape(this.b, x.name, [this.replicas, rows, x.shape.at(-1)!]);
      const product = this.b.add("MatMul", [flat, w.name]);
      const out = [this.replicas, ...x.shape.slice(0, -1), w.shape[1]!];
      this.b.append({ ...node, operator: "Reshape", inputs: [product, ints(this.b, out)], attributes: {} });
      this.values.set(node.outputs[0]!, { name: node.outputs[0]!, replicated: true, shape: out.slice(1) });
      return;
    }
    const rank = Math.max(x.shape.length, w.shape.length);
    emit([this.aligned(x, rank), this.aligned(w, rank)]);
  }

  /** Rows of a table per replica: the tables lie one behind the other, indices are moved to the replica's own. */
  private gather(
    node: Node,
    [x, indices]: readonly [Value, Value],
    emit: (ins: readonly string[], a?: Node["attributes"]) => void,
  ) {
    const axis = positive(numberAttribute(node, "axis", 0), x.shape.length);
    if (!indices.replicated) {
      emit([x.name, indices.name], { axis: axis + 1 });
      return;
    }
    if (!x.replicated) {
      if (axis !== 0) throw new NotReplicable(`Gather ${node.name} along axis ${axis} of one table for all replicas`);
      emit([x.name, indices.name], { axis: 0 });
      return;
    }
    if (axis !== 0) throw new NotReplicable(`Gather ${node.name} along axis ${axis} with indices of its own per replica`);
    const size = x.shape[0]!;
    const type = this.b.type(indices.name).type;
    const shape = [this.replicas, ...indices.shape.map(() => 1)];
    const offsets = this.b.addConstant({ type, shape, data: Float64Array.from({ length: this.replicas }, (_, r) => r * size) });
    const count = this.b.addConstant({ type, shape: [], data: Float64Array.of(size) });
    // Indices may count from the end.
    const positiveIndices = this.b.add("Mod", [indices.name, count]);
    const moved = this.b.add("Add", [positiveIndices, offsets]);
    const table = reshape(this.b, x.name, [this.replicas * size, ...x.shape.slice(1)]);
    emit([table, moved], { axis: 0 });
  }

  /** What treats the items of a batch one by one: copies are more items. */
  private itemwise(node: Node, x: Value, source: Graph): void {
    const { b, replicas } = this;
    if (node.outputs.length > 1 && node.outputs[1] !== "")
      throw new NotReplicable(`${node.operator} ${node.name} has two outputs`);
    if (node.inputs.slice(1).some((i) => this.values.get(i)?.replicated)) {
      throw new NotReplicable(`${node.operator} ${node.name} has sizes of its own per replica`);
    }
    const [items, ...rest] = x.shape as [number, ...number[]];
    const shape = source.types.get(node.outputs[0]!)!.shape!;
    if (shape[0] !== items) throw new NotReplicable(`${node.operator} ${node.name} changes the number of items`);
    const flat = reshape(b, this.wide(x), [replicas * items, ...rest]);
    const sizes = b.constant(node.inputs[3] ?? "");
    // The sizes of a Resize name the batch as well.
    const more = node.inputs
      .slice(1)
      .map((i, k) => (node.operator === "Resize" && k === 2 && sizes ? ints(b, [...sizes.data].with(0, replicas * items)) : i));
    const y = b.add(node.operator, [flat, ...more], node.attributes);
    this.finish(node, y, [replicas, ...shape]);
  }

  /** Convolutions of copies are one with as many groups, their channels side by side. */
  private convolution(node: Node, [x, w, bias]: readonly Value[], source: Graph): void {
    const { b, replicas } = this;
    if (bias !== undefined) throw new NotReplicable(`${node.operator} ${node.name} has a bias of its own`);
    if (!w!.replicated) return this.itemwise(node, x!, source);
    const [items, channels, ...space] = x!.shape as [number, number, ...number[]];
    const [first, second, ...kernel] = w!.shape as [number, number, ...number[]];
    const shape = source.types.get(node.outputs[0]!)!.shape!;
    const axes = range(3, 3 + space.length);
    // [R, N, C, ..] to [N, R C, ..], and back from [N, R O, ..].
    const side = transpose(b, this.wide(x!), [1, 0, 2, ...axes]);
    const data = reshape(b, side, [items, replicas * channels, ...space]);
    const weights = reshape(b, w!.name, [replicas * first, second, ...kernel]);
    const group = replicas * numberAttribute(node, "group", 1);
    const y = b.add(node.operator, [data, weights], { ...node.attributes, group });
    const open = reshape(b, y, [items, replicas, ...shape.slice(1)]);
    this.finish(node, transpose(b, open, [1, 0, 2, ...axes]), [replicas, ...shape]);
  }

  /** Gives a value that was made the name of the node's output. */
  private finish(node: Node, value: string, shape: Shape): void {
    this.b.append({ ...node, operator: "Reshape", inputs: [value, ints(this.b, shape)], attributes: {} });
    this.values.set(node.outputs[0]!, { name: node.outputs[0]!, replicated: true, shape: shape.slice(1) });
  }

  private einsum(node: Node, inputs: readonly Value[], emit: (ins: readonly string[], a?: Node["attributes"]) => void) {
    const parsed = parseEinsum(
      stringAttribute(node, "equation", ""),
      inputs.map((v) => v.shape.length),
    );
    const letters = [...new Set([...parsed.inputs.flat(), ...parsed.output])];
    const alphabet = "abcdefghijklmnopqrstuvwxyz";
    if (letters.length >= alphabet.length) throw new NotReplicable(`Einsum ${node.name} has too many letters`);
    const short = (term: readonly string[]) => term.map((l) => alphabet[letters.indexOf(l)]).join("");
    const r = alphabet[letters.length]!;
    const terms = parsed.inputs.map((t, k) => (inputs[k]!.replicated ? r : "") + short(t));
    emit(
      inputs.map((v) => v.name),
      { equation: `${terms.join(",")}->${r}${short(parsed.output)}` },
    );
  }
}

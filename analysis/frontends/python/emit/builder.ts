/**
 * @file Builds the Graph while the evaluator runs. Types come from the operator table's own shape rules. Nodes whose
 * inputs are all known are computed instead of emitted.
 */
import type { Graph, GraphInput, Node } from "../../../graph/graph";
import type { Origin } from "../../../graph/source";
import {
  type ElementType,
  int64Vector,
  isFloating,
  scalar,
  type Shape,
  type Tensor,
  type TensorType,
  elementCount,
} from "../../../graph/tensor";
import type { OperatorTable } from "../../../operators/operator";
import { onnxTypeCode } from "../../../operators/rules";
import { type ShapeHint, ShapeDemand } from "../evaluator/errors";
import type { Interpreter } from "../evaluator/interpreter";
import { constantOf, type LazyConstant, materialise } from "../values/constant";
import { collectTensors, is } from "../values/inspect";
import type { ParameterCell, TensorValue, Value } from "../values/value";
import { type CellEntry, finishedGraph } from "./finish";
import { type Attributes, foldedValues, inferredTypes, makeTensor, type OperatorCall, OPSET } from "./known";
import { copyOf, uniformValue } from "./initialisation";

/** A graph that grows while the evaluator runs, and the tensors in it. */
export class GraphBuilder {
  private readonly nodes: Node[] = [];
  private readonly types = new Map<string, TensorType>();
  private readonly constants = new Map<string, Tensor>();
  private readonly constantNames = new Map<string, string>();
  private readonly inputs: GraphInput[] = [];
  private readonly open = new Map<string, TensorValue>();
  private readonly cells = new Map<string, CellEntry>();
  private readonly named = new Map<object, string>();
  private interpreter!: Interpreter;
  private nextNode = 0;
  private nextParameter = 0;
  /** True while `__init__` runs: writes to parameters are initialisation. */
  initialising = true;

  constructor(private readonly table: OperatorTable) {}

  attach(interpreter: Interpreter): void {
    this.interpreter = interpreter;
  }

  get nodeCount(): number {
    return this.nodes.length;
  }

  /** Forgets inputs and nodes made after a mark; for a new attempt with other input shapes. */
  mark(): number {
    return this.nodes.length;
  }

  reset(mark: number): void {
    this.nodes.length = mark;
    this.inputs.length = 0;
    this.open.clear();
    this.named.clear();
  }

  /** A tensor that the caller of the model supplies. Without a shape, its first use demands one. */
  input(name: string, type: ElementType, shape: Shape | undefined): TensorValue {
    const t = makeTensor(name, type, shape);
    if (shape) {
      this.inputs.push({ name, type, shape });
      this.types.set(name, { type, shape });
    } else this.open.set(name, t);
    return t;
  }

  /** Asks for the shape of a graph input that is still open. Throws ShapeDemand; does nothing for other tensors. */
  needShape(t: TensorValue, hint: ShapeHint = {}): void {
    if (t.shape === undefined && this.open.has(t.value)) throw new ShapeDemand(t.value, hint);
  }

  isOpen(t: TensorValue): boolean {
    return t.shape === undefined && this.open.has(t.value);
  }

  /** A new trainable parameter or buffer. */
  parameter(
    shape: Shape | undefined,
    type: ElementType,
    cell: Omit<ParameterCell, "id" | "origin"> & { origin?: Origin },
    constant?: LazyConstant,
  ): TensorValue {
    const id = this.nextParameter++;
    const full: ParameterCell = { entries: {}, ...cell, id, origin: cell.origin ?? this.interpreter.origin() };
    const t = makeTensor(`%p${id}`, type, shape, constant);
    t.parameter = full;
    this.cells.set(t.value, { cell: full, shape: shape ?? [], type, constant });
    if (shape) this.types.set(t.value, { type, shape });
    else this.types.set(t.value, { type, shape: undefined });
    return t;
  }

  /** Whether a parameter is the last one that was made. */
  isNewest(t: TensorValue): boolean {
    return t.parameter?.id === this.nextParameter - 1;
  }

  /** A tensor with known entries. */
  constant(constant: LazyConstant, type: ElementType): TensorValue {
    return makeTensor("", type, constant.shape, constant);
  }

  tensor(t: Tensor): TensorValue {
    return makeTensor("", t.type, t.shape, constantOf(t));
  }

  ints(values: readonly number[]): TensorValue {
    return this.tensor(int64Vector(values));
  }

  scalar(value: number, type: ElementType): TensorValue {
    return this.tensor(scalar(value, type));
  }

  /** The name of the graph value that holds a tensor now; makes a constant where needed. */
  nameOf(t: TensorValue): string {
    this.refresh(t);
    if (t.value !== "") {
      if (this.types.has(t.value) || this.open.has(t.value)) return t.value;
      return this.foreign(t);
    }
    const key: object = t.constant ?? t.drawn ?? t;
    const known = this.named.get(key);
    if (known !== undefined) return known;
    const name = this.place(t);
    this.named.set(key, name);
    return name;
  }

  private place(t: TensorValue): string {
    const value = t.constant && materialise(t.constant, t.type);
    if (value) {
      this.interpreter.spend(value.data.length);
      return this.addConstant(value);
    }
    if (t.constant || this.initialising || !t.shape) {
      // Too large to compute, or drawn once at random: a frozen tensor of unknown entries, which claims less than is
      // true and never more.
      return this.parameter(t.shape, t.type, { buffer: true, trainable: false }).value;
    }
    const uniform = t.drawn?.scheme === "uniform_";
    const operator = uniform ? "RandomUniform" : "RandomNormal";
    const type = { type: t.type, shape: t.shape };
    return this.emit(operator, operator, "", [], { shape: [...t.shape], dtype: onnxTypeCode(t.type) ?? 1 }, [type])[0]!.value;
  }

  /** A tensor that another evaluation made (a module-level value): a parameter keeps its cell, all else is frozen. */
  private foreign(t: TensorValue): string {
    const known = this.named.get(t);
    if (known !== undefined) return known;
    let name: string;
    if (t.parameter) {
      const value = `%f${this.nextParameter++}`;
      this.cells.set(value, { cell: t.parameter, shape: t.shape ?? [], type: t.type, constant: t.constant });
      this.types.set(value, { type: t.type, shape: t.shape });
      name = value;
    } else name = this.parameter(t.shape, t.type, { buffer: true, trainable: false }).value;
    this.named.set(t, name);
    return name;
  }

  private emit(
    label: string,
    operator: string,
    domain: string,
    inputs: readonly string[],
    attributes: Attributes,
    types: readonly TensorType[],
    origin: Origin = this.interpreter.origin(),
  ): TensorValue[] {
    const scope = origin.scope ?? "";
    const name = `${scope === "" ? "" : `${scope}/`}${label}_${this.nextNode++}`;
    const outputs = types.map((_, i) => `${name}:${i}`);
    this.nodes.push({ name, operator, domain, inputs, outputs, attributes, origin });
    return outputs.map((o, i) => {
      const type = types[i]!;
      this.types.set(o, type);
      return makeTensor(o, type.type, type.shape);
    });
  }

  /** Makes a graph input that nothing has read yet one of whole numbers: an embedding wants indices, whatever was declared. */
  integerInput(t: TensorValue): void {
    const at = this.inputs.findIndex((i) => i.name === t.value);
    if (at < 0 || !isFloating(t.type) || this.nodes.some((n) => n.inputs.includes(t.value))) return;
    this.inputs[at] = { ...this.inputs[at]!, type: "int64" };
    this.types.set(t.value, { type: "int64", shape: t.shape });
    this.interpreter.journal.setTensor(t, { type: "int64" });
  }

  /** Module paths of the nodes that lead from some tensors to others. */
  scopesBetween(inputs: readonly TensorValue[], outputs: readonly TensorValue[]): Set<string> {
    return new Set((between(this.nodes, this.types, inputs, outputs) ?? []).map((n) => n.origin.scope ?? ""));
  }

  /**
   * The operators that lead from some tensors to others once more, from other tensors of the same shapes. Undefined where
   * they are not of this graph.
   */
  replay(
    inputs: readonly TensorValue[],
    given: readonly TensorValue[],
    outputs: readonly TensorValue[],
  ): TensorValue[] | undefined {
    const nodes = between(this.nodes, this.types, inputs, outputs);
    if (!nodes) return undefined;
    const names = new Map(inputs.map((t, i) => [t.value, this.nameOf(given[i]!)] as const));
    const made = new Map<string, TensorValue>(inputs.map((t, i) => [t.value, given[i]!] as const));
    for (const node of nodes) {
      // What does not depend on the inputs is the same as before.
      if (!node.inputs.some((n) => names.has(n))) continue;
      const types = node.outputs.map((o) => this.types.get(o) ?? { type: "float32" as const, shape: undefined });
      const read = node.inputs.map((n) => names.get(n) ?? n);
      const copies = this.emit(node.operator, node.operator, node.domain, read, node.attributes, types, node.origin);
      node.outputs.forEach((o, i) => {
        names.set(o, copies[i]!.value);
        made.set(o, copies[i]!);
      });
    }
    return outputs.map((t) => made.get(t.value) ?? t);
  }

  private addConstant(value: Tensor): string {
    let key: string | undefined;
    if (value.data.length <= 256) {
      key = `${value.type}[${value.shape.join(",")}]${Array.from(value.data).join(",")}`;
      const known = this.constantNames.get(key);
      if (known !== undefined) return known;
    }
    const name = `constant_${this.constants.size}`;
    this.constants.set(name, value);
    this.types.set(name, { type: value.type, shape: value.shape });
    if (key !== undefined) this.constantNames.set(key, name);
    return name;
  }

  /** Brings a view up to date with in-place changes of the tensor it was cut from. */
  private refresh(t: TensorValue): void {
    const { view } = t;
    if (!view) return;
    this.refresh(view.base);
    if (view.base.version === view.version) return;
    const fresh = view.read(this.interpreter, view.base);
    this.interpreter.journal.setTensor(t, {
      value: fresh.value,
      type: fresh.type,
      shape: fresh.shape,
      constant: fresh.constant,
      version: t.version + 1,
      view: { ...view, version: view.base.version },
    });
  }

  /** Adds one operator and returns its first output. Throws PythonError (RuntimeError) when its inputs do not fit. */
  node(operator: string, inputs: readonly (TensorValue | undefined)[], attributes: Attributes = {}): TensorValue {
    return this.outputs(operator, inputs, attributes, 1)[0]!;
  }

  /** Adds one operator with several outputs. */
  outputs(
    operator: string,
    inputs: readonly (TensorValue | undefined)[],
    attributes: Attributes = {},
    count = 1,
    domain = "",
  ): TensorValue[] {
    for (const t of inputs) {
      if (!t) continue;
      this.refresh(t);
      if (t.shape === undefined) this.needShape(t);
    }
    const call: OperatorCall = { operator, domain, inputs, attributes };
    const types = inferredTypes(this.table, call, count);
    const folded = foldedValues(this.table, call, types, (entries) => this.interpreter.spend(entries));
    if (folded) return folded;
    const names = inputs.map((t) => (t ? this.nameOf(t) : ""));
    const made = Array.from({ length: count }, (_, i) => types[i] ?? { type: "float32" as const, shape: undefined });
    return this.emit(operator, operator, domain, names, attributes, made);
  }

  /** An operator that Noether knows nothing about, named as the user wrote it. It pins all it touches. */
  opaque(name: string, inputs: readonly TensorValue[], type?: TensorType): TensorValue {
    for (const t of inputs) {
      this.refresh(t);
      if (t.shape === undefined) this.needShape(t);
    }
    const names = [...new Set(inputs.map((t) => this.nameOf(t)))].filter((n) => n !== "");
    const made = type ?? { type: "float32" as const, shape: undefined };
    return this.emit(name.replace(/[^\w.]+/g, "_"), name, "python", names, {}, [made])[0]!;
  }

  /** The coordinates of the entries of a mask that are not zero, as if none were; shape [rank, entries]. */
  picked(mask: TensorValue): TensorValue {
    this.refresh(mask);
    if (mask.shape === undefined) this.needShape(mask);
    const shape = mask.shape ?? [];
    const type = { type: "int64" as const, shape: [shape.length, Math.max(1, elementCount(shape))] };
    return this.emit("NonZero", "NonZero", "", [this.nameOf(mask)], {}, [type])[0]!;
  }

  /** A tensor for any value: numbers become constants, lists of tensors are stacked, unknown values are opaque. */
  tensorOf(v: Value, type?: ElementType): TensorValue | undefined {
    if (is(v, "tensor")) return v;
    if (typeof v === "boolean") return this.scalar(v ? 1 : 0, type ?? "bool");
    if (is(v, "int")) return this.scalar(v.v, type ?? "int64");
    if (is(v, "float")) return this.scalar(v.v, type ?? "float32");
    const inputs = new Set<TensorValue>();
    collectTensors(v, inputs);
    if (inputs.size === 0) return undefined;
    this.interpreter.noteOpaque("unknown", is(v, "unknown") ? v.reason : "a value that is not a tensor");
    return this.opaque("unknown", [...inputs]);
  }

  cast(t: TensorValue, type: ElementType): TensorValue {
    return t.type === type ? t : this.node("Cast", [t], { to: onnxTypeCode(type) ?? 1 });
  }

  reshape(t: TensorValue, shape: readonly number[]): TensorValue {
    if (t.shape && t.shape.length === shape.length && t.shape.every((d, i) => d === shape[i])) return t;
    return this.node("Reshape", [t, this.ints(shape)]);
  }

  transpose(t: TensorValue, perm: readonly number[]): TensorValue {
    return perm.every((p, i) => p === i) ? t : this.node("Transpose", [t], { perm });
  }

  unsqueeze(t: TensorValue, axes: readonly number[]): TensorValue {
    return axes.length === 0 ? t : this.node("Unsqueeze", [t, this.ints(axes)]);
  }

  slice(t: TensorValue, axis: number, start: number, end: number, step = 1): TensorValue {
    return this.node("Slice", [t, this.ints([start]), this.ints([end]), this.ints([axis]), this.ints([step])]);
  }

  /** Gives a tensor the value of another in place, for all names of it and of what it is a view of. */
  overwrite(t: TensorValue, value: TensorValue): void {
    const { journal } = this.interpreter;
    let next = value;
    if (t.parameter && this.initialising) {
      this.initialise(t, value);
      return;
    }
    this.measured(t);
    if (next.type !== t.type && next.type !== "other") next = this.cast(next, t.type);
    if (t.shape && next.shape && (t.shape.length !== next.shape.length || t.shape.some((d, i) => d !== next.shape![i]))) {
      next = this.node("Expand", [next, this.ints(t.shape)]);
    }
    if (t.view) {
      const { view } = t;
      this.refresh(view.base);
      const base = view.write(this.interpreter, view.base, next);
      this.overwrite(view.base, base);
      journal.setTensor(t, {
        value: next.value,
        type: next.type,
        shape: next.shape,
        constant: next.constant,
        version: t.version + 1,
        view: { ...view, version: view.base.version },
      });
      return;
    }
    journal.setTensor(t, {
      value: next.value,
      type: next.type,
      shape: next.shape,
      constant: next.constant,
      parameter: undefined,
      drawn: next.drawn,
      version: t.version + 1,
    });
  }

  /** Takes note that forward writes to a buffer: it holds what the model measures. */
  measured(t: TensorValue): void {
    if (t.parameter?.buffer && !this.initialising) t.parameter.statistic = true;
  }

  /** A write to a parameter during construction decides how it starts. */
  initialise(t: TensorValue, value: TensorValue): void {
    const cell = t.parameter;
    if (!cell) return;
    const from = value.parameter?.entries ?? value.view?.base.parameter?.entries;
    const whole = value.view === undefined || value.shape?.join() === value.view.base.shape?.join();
    cell.entries = from !== undefined && whole ? from : {};
    const source = value.parameter ?? (whole ? value.view?.base.parameter : undefined);
    if (source) cell.initialisation = copyOf(source, this.interpreter.origin());
    else if (value.drawn) cell.initialisation = { ...value.drawn, origin: this.interpreter.origin() };
    else {
      const constant = uniformValue(value.constant);
      cell.initialisation = {
        scheme: "computed",
        ...(constant !== undefined ? { constant } : {}),
        origin: this.interpreter.origin(),
      };
    }
    if (cell.buffer) {
      const entry = this.cells.get(t.value);
      if (entry) entry.constant = value.constant;
      t.constant = value.constant;
    }
  }

  /** `tensor.data = value`. */
  assignData(t: TensorValue, value: Value): void {
    if (!is(value, "tensor")) return;
    if (t.parameter && value.shape && this.initialising) {
      const entry = this.cells.get(t.value);
      if (entry && t.shape?.join() !== value.shape.join()) {
        entry.shape = value.shape;
        t.shape = value.shape;
        this.types.set(t.value, { type: t.type, shape: value.shape });
      }
      this.initialise(t, value);
    } else this.overwrite(t, value);
  }

  /** Changes whether a tensor is a parameter, a buffer, or trains; keeps what the graph knows about it. */
  adopt(t: TensorValue, constant: LazyConstant | undefined): void {
    const entry = this.cells.get(t.value);
    if (entry) entry.constant = constant;
  }

  /**
   * The finished graph: what the outputs do not depend on is left out, and parameters get their names.
   * `nameOfCell` gives the PyTorch name of a parameter; undefined for those that no module has registered.
   */
  finish(
    name: string,
    outputs: readonly TensorValue[],
    nameOfCell: (cell: ParameterCell) => string | undefined,
    symbols: ReadonlyMap<number, string>,
  ): Graph {
    // An input that is handed back unread, of a shape that nothing asked for, says nothing of the weights.
    const isUnread = (n: string) => this.open.has(n) && !this.types.has(n);
    const wanted = outputs.map((t) => this.nameOf(t)).filter((n) => n !== "" && !isUnread(n));
    const { nodes, types, constants, inputs, cells } = this;
    return finishedGraph(
      { nodes, types, constants, inputs, cells },
      { name, opset: OPSET, outputs: wanted, nameOfCell, symbols },
    );
  }
}

/** The nodes that lead from some tensors to others, in order; undefined where one of them is not of this graph. */
function between(
  nodes: readonly Node[],
  types: ReadonlyMap<string, TensorType>,
  inputs: readonly TensorValue[],
  outputs: readonly TensorValue[],
): Node[] | undefined {
  const from = new Set(inputs.map((t) => t.value));
  const needed = new Set(outputs.map((t) => t.value).filter((n) => !from.has(n)));
  for (const n of needed) if (n !== "" && !types.has(n)) return undefined;
  const out: Node[] = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!;
    if (!node.outputs.some((o) => needed.has(o))) continue;
    out.push(node);
    for (const o of node.outputs) needed.delete(o);
    for (const input of node.inputs) if (!from.has(input)) needed.add(input);
  }
  return out.reverse();
}

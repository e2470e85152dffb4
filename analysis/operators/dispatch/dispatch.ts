/**
 * @file Dispatch of rows (tokens to experts): a mask that the data decide picks rows, each is worked on by itself, and what comes
 * out is written back to where the rows were. How many rows there are is not known, so that no shape behind is; but the same
 * is computed where all rows are worked on and only those that the mask picks are written. That has shapes, and nothing is opaque.
 */
import { type Graph, type Node, numberAttribute, stringAttribute } from "../../graph/graph";
import { elementCount, int64Vector, type Tensor, type TensorType } from "../../graph/tensor";
import { operatorsThat } from "../movers";
import type { Builder } from "../operator";
import { inferShapes } from "../inference";
import { operatorTable } from "../table";
import { possibleEntries } from "./possible";
import { rowAxis } from "./rows";
import { coordinatesOf, isWrite, placesAlong, placesOf, type RowWrite, writtenRows } from "./writes";

/** Masks with more entries than this stay: their coordinates would be constants of that size. */
const MOST_ROWS = 16_384;

/** Constants above this number of elements are not computed ahead. */
const FOLDING_LIMIT = 262_144;

/** How often a graph is gone through again without the masks that something stood against. */
const MOST_TURNS = 6;

/** Operators that leave all entries in their order. */
const RESHAPES: ReadonlySet<string> = operatorsThat("reshapes");

const ABSENT: TensorType = { type: "other", shape: undefined };

/** Rows of a value: all entries of a mask, along one axis. */
interface Rows {
  /** The mask that picks them. */
  readonly picked: string;
  readonly axis: number;
}

/**
 * The graph with rows that masks pick worked on as if all were picked, and written back only where they are. What a mask picks
 * stays as it is where something works on several rows at once, or keeps how many there are.
 */
export function withAllRows(graph: Graph): Graph {
  if (!graph.nodes.some((n) => n.operator === "NonZero" && n.domain === "")) return graph;
  const { folded } = inferShapes(graph);
  const refused = new Set<string>();
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const before = refused.size;
    const dense = new DensePass(graph, folded, refused).run();
    if (refused.size === before) return dense ?? graph;
  }
  return graph;
}

/** One pass over a graph. */
class DensePass implements Builder {
  readonly #nodes: Node[] = [];
  readonly #types: Map<string, TensorType>;
  readonly #constants: Map<string, Tensor>;
  readonly #rows = new Map<string, Rows>();
  /** Values that are other ones than in the source, by the mask that they come from last. */
  readonly #changed = new Map<string, string>();
  readonly #possibleRows = new Map<string, readonly number[] | undefined>();
  readonly #flatMasks = new Map<string, string>();
  readonly #writers = new Map<string, Node>();
  readonly #made = new Map<string, Tensor>();
  #at: Node | undefined;
  #count = 0;

  constructor(
    private readonly graph: Graph,
    private readonly folded: ReadonlyMap<string, Tensor>,
    /** Masks whose NonZero nodes stay as they are; those that must are added. */
    private readonly refused: Set<string>,
  ) {
    this.#types = new Map(graph.types);
    this.#constants = new Map(graph.constants);
  }

  type(value: string): TensorType {
    return this.#types.get(value) ?? ABSENT;
  }

  constant(value: string): Tensor | undefined {
    return this.#constants.get(value) ?? this.folded.get(value);
  }

  addConstant(tensor: Tensor): string {
    const key = `${tensor.type}[${tensor.shape.join()}]${tensor.data.length <= 4 ? tensor.data.join() : ""}`;
    const same = tensor.data.length <= 4 ? this.#shared.get(key) : undefined;
    if (same !== undefined) return same;
    const name = this.#fresh("constant");
    this.#constants.set(name, tensor);
    this.#types.set(name, { type: tensor.type, shape: tensor.shape });
    if (tensor.data.length <= 4) this.#shared.set(key, name);
    return name;
  }
  readonly #shared = new Map<string, string>();

  add(operator: string, inputs: readonly string[], attributes: Node["attributes"] = {}): string {
    const at = this.#at!;
    const output = this.#fresh(operator);
    const node: Node = { name: output, operator, domain: "", inputs, outputs: [output], attributes, origin: at.origin };
    this.#types.set(output, this.#inferred(node)[0] ?? ABSENT);
    this.#push(node);
    return output;
  }

  #fresh(what: string): string {
    let name: string;
    do name = `${this.#at?.name ?? this.graph.name}/rows_${what}_${this.#count++}`;
    while (this.#types.has(name));
    return name;
  }

  #push(node: Node): void {
    this.#nodes.push(node);
    for (const o of node.outputs) this.#writers.set(o, node);
  }

  /** @throws Error where the inputs contradict the operator's shape rule */
  #inferred(node: Node): readonly TensorType[] {
    const inputs = node.inputs.map((name) => (name === "" ? ABSENT : this.type(name)));
    const constant = (index: number): Tensor | undefined => this.constant(node.inputs[index] ?? "");
    return operatorTable(node.operator, node.domain)?.infer(node, { inputs, opset: this.graph.opset, constant }) ?? [];
  }

  /** The graph; undefined where no mask picks any rows. */
  run(): Graph | undefined {
    for (const node of this.graph.nodes) {
      this.#at = node;
      this.#visit(node);
    }
    for (const output of this.graph.outputs) this.#refuse(this.#rows.get(output)?.picked);
    if (this.#changed.size === 0) return undefined;
    const nodes = this.#live();
    const read = new Set([...this.graph.outputs, ...nodes.flatMap((n) => n.inputs)]);
    const constants = new Map([...this.#constants].filter(([name]) => read.has(name) || this.graph.constants.has(name)));
    return { ...this.graph, nodes, constants, types: this.#types };
  }

  /** The nodes that the outputs depend on. */
  #live(): Node[] {
    const needed = new Set(this.graph.outputs);
    const kept: Node[] = [];
    for (let i = this.#nodes.length - 1; i >= 0; i--) {
      const node = this.#nodes[i]!;
      if (!node.outputs.some((o) => needed.has(o))) continue;
      kept.push(node);
      for (const input of node.inputs) needed.add(input);
    }
    return kept.reverse();
  }

  #refuse(picked: string | undefined): void {
    if (picked !== undefined) this.refused.add(picked);
  }

  #visit(node: Node): void {
    const causes = new Set(node.inputs.flatMap((i) => this.#changed.get(i) ?? []));
    if (node.operator === "NonZero" && node.domain === "" && this.#pick(node)) return;
    if (causes.size === 0) {
      this.#push(node);
      return;
    }
    const result = this.#follow(node);
    if (result === undefined) {
      for (const picked of causes) this.#refuse(picked);
      for (const i of node.inputs) this.#refuse(this.#rows.get(i)?.picked);
      this.#push(node);
    } else if (result !== "same") {
      for (const o of node.outputs) this.#changed.set(o, [...causes].at(-1)!);
    }
  }

  /** Takes a NonZero as one that picks all; false where its input is a constant, or of a shape that is not known. */
  #pick(node: Node): boolean {
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    const { shape } = this.type(input);
    const mask = this.#beforeReshapes(input);
    if (this.refused.has(mask) || this.constant(input) !== undefined || shape === undefined || shape.length === 0) return false;
    const possible = this.#possible(mask);
    const all = possible?.length ?? elementCount(shape);
    if (all === 0 || all > MOST_ROWS) return false;
    if (this.#rows.has(input)) {
      this.#refuse(this.#rows.get(input)!.picked);
      return false;
    }
    const key = `all ${shape.join()} ${possible?.join() ?? ""}`;
    const coordinates = this.#made.get(key) ?? coordinatesOf(shape, possible);
    this.#made.set(key, coordinates);
    this.#become(output, coordinates);
    this.#rows.set(output, { picked: mask, axis: 1 });
    this.#changed.set(output, mask);
    return true;
  }

  /** The entries of a mask that the data may set; undefined for all. */
  #possible(mask: string): readonly number[] | undefined {
    if (!this.#possibleRows.has(mask)) {
      const writer = (value: string) => this.#writers.get(value);
      const found = possibleEntries(mask, { writer, type: (v) => this.type(v), constant: (v) => this.constant(v) })?.data;
      const rows = found && Array.from(found, (_, i) => i).filter((i) => found[i] !== 0);
      this.#possibleRows.set(mask, rows?.length === found?.length ? undefined : rows);
    }
    return this.#possibleRows.get(mask);
  }

  /** The value that a mask is another shape of: what is in it comes in the same order. */
  #beforeReshapes(mask: string): string {
    let value = mask;
    for (;;) {
      const writer = this.#writers.get(value);
      if (writer?.domain !== "" || !RESHAPES.has(writer.operator)) return value;
      value = writer.inputs[0]!;
    }
  }

  #become(name: string, value: Tensor): void {
    this.#constants.set(name, value);
    this.#types.set(name, { type: value.type, shape: value.shape });
  }

  /** Whether a value without rows is the same all along an axis. */
  #isUniform(value: string, axis: number): boolean {
    const { shape } = this.type(value);
    if (shape === undefined || axis >= shape.length) return false;
    if (shape[axis] === 1) return true;
    const constant = this.constant(value);
    if (constant) {
      const [size, inner] = [shape[axis]!, elementCount(shape.slice(axis + 1))];
      return constant.data.every((v, i) => v === constant.data[i - (Math.floor(i / inner) % size) * inner]);
    }
    const writer = this.#writers.get(value);
    if (writer?.operator !== "Expand" || writer.domain !== "") return false;
    const from = this.type(writer.inputs[0]!).shape;
    if (from === undefined) return false;
    const at = axis - (shape.length - from.length);
    return at < 0 || from[at] === 1;
  }

  /** "changed" where the node's outputs are other ones now, "same" where they are not; undefined where rows cannot be followed. */
  #follow(node: Node): "changed" | "same" | undefined {
    if (Object.values(node.attributes).some((a) => typeof a === "object" && "nodes" in a)) return undefined;
    if (node.inputs.some((i) => this.#rows.has(i)) && isWrite(node)) return this.#write(node);
    let types: readonly TensorType[];
    try {
      types = this.#inferred(node);
    } catch {
      return undefined;
    }
    if (types.some((t) => t.shape === undefined)) return undefined;
    const before = node.outputs.map((o) => this.graph.types.get(o)?.shape);
    node.outputs.forEach((o, k) => o !== "" && this.#types.set(o, types[k]!));
    const ofType = node.operator === "Shape" || node.operator === "Size";
    const rows = ofType ? undefined : this.#rowsBehind(node);
    if (rows === null) return undefined;
    if (rows) for (const o of node.outputs) this.#rows.set(o, rows);
    if (this.#fold(node, types)) return "changed";
    this.#push(node);
    const isSame = types.every((t, k) => t.shape!.join() === before[k]?.join());
    return rows === undefined && isSame ? "same" : "changed";
  }

  /** The rows of the outputs, undefined where no input has any; null where they cannot be followed. */
  #rowsBehind(node: Node): Rows | undefined | null {
    const read = node.inputs.flatMap((i) => this.#rows.get(i) ?? []);
    const [first] = read;
    if (first === undefined) return undefined;
    if (read.some((r) => r.picked !== first.picked)) return null;
    if (this.#takesAll(node, first.axis)) return undefined;
    const axis = rowAxis({
      node,
      opset: this.graph.opset,
      shape: (i) => this.type(node.inputs[i] ?? "").shape,
      outputShape: () => this.type(node.outputs[0]!).shape,
      rows: (i) => this.#rows.get(node.inputs[i] ?? "")?.axis,
      constant: (i) => this.constant(node.inputs[i] ?? ""),
      isUniform: (i, axisOfInput) => this.#isUniform(node.inputs[i] ?? "", axisOfInput),
    });
    return axis === undefined ? null : { picked: first.picked, axis };
  }

  /** Whether a node cuts all rows apart into parts of given sizes: it can be run only where the mask picks all of them. */
  #takesAll(node: Node, rows: number): boolean {
    if (node.operator !== "Split" || node.domain !== "") return false;
    const rank = this.type(node.inputs[0]!).shape!.length;
    const axis = numberAttribute(node, "axis", 0);
    const hasSizes = node.attributes["split"] !== undefined || this.constant(node.inputs[1] ?? "") !== undefined;
    return hasSizes && (axis < 0 ? axis + rank : axis) === rows;
  }

  /** Computes a node whose inputs are all known, once for all that compute the same. */
  #fold(node: Node, types: readonly TensorType[]): boolean {
    const entry = operatorTable(node.operator, node.domain);
    if (entry?.evaluate === undefined || entry.random) return false;
    if (types.some((t) => elementCount(t.shape!) > FOLDING_LIMIT)) return false;
    const ofType = node.operator === "Shape" || node.operator === "Size";
    const inputs = node.inputs.map((i): Tensor | undefined => {
      const { type, shape } = this.type(i);
      return ofType && shape ? { type, shape, data: new Float64Array(0) } : this.constant(i);
    });
    if (inputs.some((t, k) => t === undefined && node.inputs[k] !== "")) return false;
    try {
      const values = entry.evaluate(node, inputs, this.graph.opset);
      if (node.outputs.some((o, k) => o !== "" && values[k] === undefined)) return false;
      node.outputs.forEach((o, k) => o !== "" && this.#become(o, this.#sharedValue(values[k]!)));
      return true;
    } catch {
      return false; // no kernel for this case: the node stays
    }
  }

  /** Values that are equal are held once: every expert of every layer has the same coordinates. */
  #sharedValue(value: Tensor): Tensor {
    if (value.data.length < 64) return value;
    let hash = 7;
    for (const v of value.data) hash = (Math.imul(hash, 31) + v) | 0;
    const key = `${hash} ${value.type} ${value.shape.join()}`;
    const known = this.#made.get(key);
    if (known?.data.every((v, i) => v === value.data[i])) return known;
    this.#made.set(key, value);
    return value;
  }

  /** The truth values of a mask, one for each row. */
  #flatMask(picked: string): string {
    const known = this.#flatMasks.get(picked);
    if (known !== undefined) return known;
    const { type, shape } = this.type(picked);
    const truth = type === "bool" ? picked : this.add("Cast", [picked], { to: 9 });
    const ints = (values: readonly number[]) => this.addConstant(int64Vector(values));
    const flat = shape!.length === 1 ? truth : this.add("Reshape", [truth, ints([elementCount(shape!)])]);
    const possible = this.#possible(picked);
    const made = possible === undefined ? flat : this.add("Gather", [flat, ints(possible)], { axis: 0 });
    this.#flatMasks.set(picked, made);
    return made;
  }

  /** Rows that are written back: behind the mask. */
  #write(node: Node): "same" | "changed" | undefined {
    const [data, indexName, updates] = node.inputs;
    const indices = this.constant(indexName ?? "");
    const shape = this.type(data!).shape;
    const [picked, own] = [this.#rows.get(indexName ?? ""), this.#rows.get(updates ?? "")];
    if (!data || !updates || indices === undefined || shape === undefined || picked === undefined) return undefined;
    if (this.#rows.has(data) || (own !== undefined && own.picked !== picked.picked)) return undefined;
    const reduction = stringAttribute(node, "reduction", "none");
    if (reduction !== "none" && reduction !== "add") return undefined;
    const target = node.operator === "ScatterND" ? this.#targetND(indices, shape) : this.#targetAlong(node, indices, shape);
    const fresh = this.type(updates).shape;
    if (target === undefined || picked.axis !== target.axis || fresh === undefined) return undefined;
    if (own === undefined ? !this.#isUniform(updates, target.axis) : own.axis !== target.axis) return undefined;
    const rest = [...shape.slice(0, target.axis), target.places.length, ...shape.slice(target.axis + target.depth)];
    if (rest.length !== fresh.length || rest.some((size, k) => size !== fresh[k])) return undefined;
    const mask = this.#flatMask(picked.picked);
    const written = writtenRows(this, { ...target, data, updates, mask, adds: reduction === "add" });
    if (written === undefined) return undefined;
    const output = node.outputs[0]!;
    const last = this.#nodes.at(-1)!;
    if (last.outputs[0] !== written) return undefined;
    // What is written last takes the value's name.
    this.#nodes.pop();
    this.#types.set(output, this.type(written));
    this.#push({ ...last, outputs: [output] });
    return shape.join() === this.graph.types.get(output)?.shape?.join() ? "same" : "changed";
  }

  #targetND(indices: Tensor, shape: readonly number[]): Pick<RowWrite, "axis" | "places" | "depth"> | undefined {
    const depth = indices.shape[1];
    if (indices.shape.length !== 2 || depth === undefined || depth > shape.length) return undefined;
    const places = placesOf(indices, shape);
    return places && { axis: 0, places, depth };
  }

  #targetAlong(node: Node, indices: Tensor, shape: readonly number[]): Pick<RowWrite, "axis" | "places" | "depth"> | undefined {
    const given = numberAttribute(node, "axis", 0);
    const axis = given < 0 ? given + shape.length : given;
    if (indices.shape.length !== shape.length) return undefined;
    const places = placesAlong(indices, axis, shape[axis]!);
    return places && { axis, places, depth: 1 };
  }
}

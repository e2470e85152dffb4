/** @file The values of a graph under rewriting by name: which stands for which, what is known of each, new names. */
import { GraphError } from "../graph/error";
import type { Graph, Node } from "../graph/graph";
import { ABSENT as NUMBER_OF_NONE } from "../graph/numbering";
import { elementCount, type Tensor, type TensorType } from "../graph/tensor";
import { constantHash, sameConstant } from "./sameness";
import { ABSENT, showShape, UNKNOWN, type Value } from "./values";

/** Up to this number of elements, equal constants are one constant. */
const LARGEST_SHARED = 64;

/** The values of a graph under rewriting. */
export class NamedValues {
  protected readonly all = new Map<string, Value>();
  /** Small constants by hash. */
  readonly #shared = new Map<number, Value[]>();
  /** Occurs in no name of the source graph, so that names with it and a counter are new. */
  readonly #mark: string;
  #counter = 0;

  constructor(readonly source: Graph) {
    this.#mark = markFor(source);
  }

  /** Adds a value under a name that is new. */
  protected define(name: string, type: TensorType = UNKNOWN, constant?: Tensor, isGiven = constant !== undefined): Value {
    const id = this.all.size;
    const value: Value = {
      name,
      id,
      type,
      constant,
      writer: undefined,
      alias: undefined,
      isGiven,
      isRead: false,
      seen: 0,
      reads: 0,
      reader: undefined,
      number: NUMBER_OF_NONE,
    };
    this.all.set(name, value);
    return value;
  }

  /** Defines a value that is there from the start. Throws GraphError where its shape is none. */
  protected give(kind: string, name: string, { type, shape }: Pick<Tensor, "type" | "shape">, constant?: Tensor): Value {
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
      const expected = "sizes that are whole numbers from 0 on";
      throw new GraphError({
        graph: this.source.name,
        place: `${kind} ${name}`,
        problem: `its shape is ${showShape(shape)}`,
        expected,
      });
    }
    return this.define(name, { type, shape }, constant, true);
  }

  /** Whether anything has given or written a value so far. */
  isDefined(value: Value): boolean {
    const root = this.root(value);
    return root.isGiven || root.writer !== undefined || root.constant !== undefined;
  }

  /** The value of this name, made if there is none yet. */
  value(name: string): Value {
    return name === "" ? ABSENT : (this.all.get(name) ?? this.define(name));
  }

  /** The value that stands for this one now. */
  root(value: Value): Value {
    if (value.alias === undefined) return value;
    let root = value.alias;
    while (root.alias !== undefined) root = root.alias;
    // Path compression keeps chains of vanished nodes from being walked again and again.
    for (let v = value; v !== root; ) {
      const next = v.alias!;
      v.alias = root;
      v = next;
    }
    return root;
  }

  /** The name of the value that stands for this one now. */
  resolve(value: string): string {
    return this.root(this.value(value)).name;
  }

  /** Lets another value stand for this one from here on. */
  replace(value: string, by: string): void {
    if (value === "" || by === "") return;
    const from = this.value(value);
    const to = this.root(this.value(by));
    if (from !== to) from.alias = to;
  }

  type(value: string): TensorType {
    return this.all.get(value)?.type ?? UNKNOWN;
  }

  constant(value: string): Tensor | undefined {
    return this.all.get(value)?.constant;
  }

  /** The node added so far that writes a value. */
  writer(value: string): Node | undefined {
    return this.all.get(value)?.writer?.node;
  }

  /** A name for a value or node that is not in use. */
  fresh(base: string): string {
    return base + this.#mark + this.#counter++;
  }

  /** Adds a constant, or finds an equal small one. */
  addConstant(tensor: Tensor, base = "constant"): string {
    const isSmall = elementCount(tensor.shape) <= LARGEST_SHARED;
    const hash = isSmall ? constantHash(tensor) : 0;
    const alike = this.#shared.get(hash);
    const known = isSmall ? alike?.find((v) => sameConstant(v.constant!, tensor)) : undefined;
    if (known !== undefined) return known.name;
    const name = this.fresh(base);
    const value = this.define(name, { type: tensor.type, shape: tensor.shape }, tensor);
    if (isSmall && alike === undefined) this.#shared.set(hash, [value]);
    else if (isSmall) alike!.push(value);
    return name;
  }
}

/** A mark that occurs in no name of a graph. */
function markFor(graph: Graph): string {
  let mark = "~";
  const avoid = (name: string) => {
    while (name.includes(mark)) mark += "~";
  };
  for (const { name, outputs } of graph.nodes) {
    avoid(name);
    outputs.forEach(avoid);
  }
  for (const i of graph.inputs) avoid(i.name);
  graph.parameters.forEach((_, name) => avoid(name));
  graph.constants.forEach((_, name) => avoid(name));
  return mark;
}

/**
 * @file The values of a graph as numbers. Engines go over all nodes many times: with numbers what they know of a value is an
 * entry of an array, where a name would be looked up again each time.
 */
import type { Graph } from "./graph";
import type { Tensor, TensorType } from "./tensor";

/** Stands for an absent optional input or output. */
export const ABSENT = -1;

/** What is known of a graph's values by number; see `Numbering`. */
export interface NumberedValues {
  readonly names: readonly string[];
  readonly types: readonly (TensorType | undefined)[];
  readonly constants: readonly (Tensor | undefined)[];
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  /** The numbers of the graph's parameters, in their order. */
  readonly parameters: readonly number[];
  /** The number of a value; ABSENT for a name that does not occur. */
  of(name: string): number;
}

/** Numbers of the values of one graph, and what the graph says of them by number. */
export class Numbering implements NumberedValues {
  /** Names by number. */
  readonly names: readonly string[];
  readonly types: readonly (TensorType | undefined)[];
  readonly constants: readonly (Tensor | undefined)[];
  /** Values that a node reads and writes, by the node's position in the graph; absent ones are ABSENT. */
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  readonly parameters: readonly number[];
  readonly #values: NumberedValues;
  #writers: Int32Array | undefined;
  #readers: Readers | undefined;

  constructor(values: NumberedValues) {
    this.#values = values;
    this.parameters = values.parameters;
    this.names = values.names;
    this.types = values.types;
    this.constants = values.constants;
    this.inputs = values.inputs;
    this.outputs = values.outputs;
  }

  /** How many values there are. */
  get count(): number {
    return this.names.length;
  }

  /** The number of a value; ABSENT for a name that does not occur. */
  of(name: string): number {
    return this.#values.of(name);
  }

  /** Position of the node that writes a value; ABSENT where none does. */
  writer(value: number): number {
    return value === ABSENT ? ABSENT : (this.#writers ??= writersOf(this))[value]!;
  }

  /** How many nodes read a value; one that reads it twice counts once. */
  readerCount(value: number): number {
    const { starts } = (this.#readers ??= readersOf(this));
    return value === ABSENT ? 0 : starts[value + 1]! - starts[value]!;
  }

  /** Positions of the nodes that read a value, in graph order, each once. */
  readers(value: number): Int32Array {
    const { starts, nodes } = (this.#readers ??= readersOf(this));
    return value === ABSENT ? NOBODY : nodes.subarray(starts[value]!, starts[value + 1]!);
  }

  /** The first node that reads a value; ABSENT where none does. */
  firstReader(value: number): number {
    const { starts, nodes } = (this.#readers ??= readersOf(this));
    return value === ABSENT || starts[value] === starts[value + 1] ? ABSENT : nodes[starts[value]!]!;
  }
}

const NOBODY = new Int32Array(0);

/** Readers of all values in one list: those of value v from `starts[v]` up to `starts[v + 1]`. */
interface Readers {
  readonly starts: Int32Array;
  readonly nodes: Int32Array;
}

function writersOf({ count, outputs }: Numbering): Int32Array {
  const out = new Int32Array(count).fill(ABSENT);
  for (let k = 0; k < outputs.length; k++) for (const o of outputs[k]!) if (o !== ABSENT) out[o] = k;
  return out;
}

function readersOf({ count, inputs }: Numbering): Readers {
  const last = new Int32Array(count).fill(-1);
  const starts = new Int32Array(count + 1);
  for (let k = 0; k < inputs.length; k++) {
    for (const i of inputs[k]!) {
      if (i === ABSENT || last[i] === k) continue;
      last[i] = k;
      starts[i + 1]!++;
    }
  }
  for (let v = 0; v < count; v++) starts[v + 1]! += starts[v]!;
  const nodes = new Int32Array(starts[count]!);
  const next = starts.slice(0, count);
  last.fill(-1);
  for (let k = 0; k < inputs.length; k++) {
    for (const i of inputs[k]!) {
      if (i === ABSENT || last[i] === k) continue;
      last[i] = k;
      nodes[next[i]!++] = k;
    }
  }
  return { starts, nodes };
}

/** Numbers the values of a graph by their names. */
class NamedValues implements NumberedValues {
  readonly #ids = new Map<string, number>();
  readonly names: string[] = [];
  readonly types: (TensorType | undefined)[] = [];
  readonly constants: (Tensor | undefined)[] = [];
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  readonly parameters: readonly number[];

  constructor(graph: Graph) {
    for (const name of graph.types.keys()) this.#number(name);
    for (const input of graph.inputs) this.#number(input.name);
    this.parameters = Array.from(graph.parameters.keys(), (name) => this.#number(name));
    for (const name of graph.constants.keys()) this.#number(name);
    this.inputs = graph.nodes.map((node) => this.#numbers(node.inputs));
    this.outputs = graph.nodes.map((node) => this.#numbers(node.outputs));
    for (const name of this.names) {
      this.types.push(graph.types.get(name));
      this.constants.push(graph.constants.get(name));
    }
  }

  #number(name: string): number {
    if (name === "") return ABSENT;
    let id = this.#ids.get(name);
    if (id === undefined) {
      id = this.names.push(name) - 1;
      this.#ids.set(name, id);
    }
    return id;
  }

  #numbers(names: readonly string[]): number[] {
    const out = new Array<number>(names.length);
    for (let i = 0; i < out.length; i++) out[i] = this.#number(names[i]!);
    return out;
  }

  of(name: string): number {
    return this.#ids.get(name) ?? ABSENT;
  }
}

/**
 * Where a graph keeps its numbering. Not a WeakMap: what such a table holds outlives collections of young objects, so that
 * each analysis in a row would be copied as a whole before it is garbage.
 */
const NUMBERING = Symbol("numbering");

interface NumberedGraph extends Graph {
  readonly [NUMBERING]?: Numbering;
}

/** The numbering of a graph, made once: graphs do not change. */
export function numberingOf(graph: Graph): Numbering {
  return (graph as NumberedGraph)[NUMBERING] ?? keepNumbers(graph, new NamedValues(graph));
}

/** Lets a graph have the numbers that its values had while it was made, which saves looking all of its names up. */
export function keepNumbers(graph: Graph, values: NumberedValues): Numbering {
  const value = new Numbering(values);
  // Not enumerable: copies of the graph with other nodes must not have it.
  Object.defineProperty(graph, NUMBERING, { value });
  return value;
}

/** The type of a value, without the table of all names that `graph.types` may have to make first. */
export function typeOf(graph: Graph, value: string): TensorType | undefined {
  const numbering = numberingOf(graph);
  return numbering.types[numbering.of(value)];
}

/**
 * @file The values of a graph as numbers. Engines go over all nodes many times: with numbers what they know of a value is an
 * entry of an array, where a name would be looked up again each time.
 */
import type { Graph } from "./graph";
import type { Tensor, TensorType } from "./tensor";

/** Stands for an absent optional input or output. */
export const ABSENT = -1;

/** Numbers of the values of one graph, and what the graph says of them by number. */
export class Numbering {
  readonly #ids = new Map<string, number>();
  /** Names by number. */
  readonly names: string[] = [];
  readonly types: (TensorType | undefined)[] = [];
  readonly constants: (Tensor | undefined)[] = [];
  /** Values that a node reads and writes, by the node's position in the graph; absent ones are ABSENT. */
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];

  constructor(graph: Graph) {
    for (const name of graph.types.keys()) this.#number(name);
    for (const input of graph.inputs) this.#number(input.name);
    for (const name of graph.parameters.keys()) this.#number(name);
    for (const name of graph.constants.keys()) this.#number(name);
    this.inputs = graph.nodes.map((node) => this.#numbers(node.inputs));
    this.outputs = graph.nodes.map((node) => this.#numbers(node.outputs));
    for (const name of this.names) {
      this.types.push(graph.types.get(name));
      this.constants.push(graph.constants.get(name));
    }
  }

  /** How many values there are. */
  get count(): number {
    return this.names.length;
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

  /** The number of a value; ABSENT for a name that does not occur. */
  of(name: string): number {
    return this.#ids.get(name) ?? ABSENT;
  }
}

const NUMBERINGS = new WeakMap<Graph, Numbering>();

/** The numbering of a graph, made once: graphs do not change. */
export function numberingOf(graph: Graph): Numbering {
  let known = NUMBERINGS.get(graph);
  if (known === undefined) {
    known = new Numbering(graph);
    NUMBERINGS.set(graph, known);
  }
  return known;
}

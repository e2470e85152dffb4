/** @file What all attempts at a twin of one graph have in common: which values hang on parameters alone, and where axes are cut. */
import { consumers, type Graph, type Node, numberAttribute, producers } from "../../graph/graph";
import type { Shape } from "../../graph/tensor";
import { type SlicePart, sliceParts } from "../../operators/axes/movement";
import type { Operator } from "../../operators/operator";
import { operatorTable } from "../../operators/table";
import type { Least } from "./shares";

/** Entries that each separately read part of an input keeps. */
const LEAST_FEATURES = 3;

/** Static facts of a graph in normal form. */
export class Survey {
  private readonly fixed = new Set<string>();
  private readonly read = new Map<string, Map<number, (readonly [number, number])[]>>();
  private readonly inputs: ReadonlySet<string>;
  private readonly entries = new Map<Node, Operator | undefined>();
  private readonly writers: ReadonlyMap<string, Node>;
  private readonly consumers: ReadonlyMap<string, readonly Node[]>;

  constructor(readonly graph: Graph) {
    this.inputs = new Set(graph.inputs.map((i) => i.name));
    this.writers = producers(graph);
    this.consumers = consumers(graph);
    for (const name of graph.parameters.keys()) this.fixed.add(name);
    for (const name of graph.constants.keys()) this.fixed.add(name);
    for (const node of graph.nodes) {
      this.entries.set(node, operatorTable(node.operator, node.domain));
      if (node.inputs.every((i) => i === "" || this.fixed.has(i))) for (const o of node.outputs) this.fixed.add(o);
      this.recordCuts(node);
    }
  }

  /** A node's entry in the operator table. */
  operator(node: Node): Operator | undefined {
    return this.entries.get(node);
  }

  /** The node that writes a value. */
  writer(value: string): Node | undefined {
    return this.writers.get(value);
  }

  /** The nodes that read a value. */
  readers(value: string): readonly Node[] {
    return this.consumers.get(value) ?? [];
  }

  /** Whether a value hangs on parameters and constants alone, so that its sizes may stay open until it meets an activation. */
  isFixed(value: string): boolean {
    return this.fixed.has(value);
  }

  /** The old shape of a value, where it is known. */
  shape(value: string): Shape | undefined {
    return this.graph.types.get(value)?.shape;
  }

  /** All places, in old entries, where some reader cuts an axis of a value. */
  cuts(value: string, axis: number): readonly number[] {
    return (this.read.get(value)?.get(axis) ?? []).flat();
  }

  /**
   * How much of each piece of a cut axis is needed. Pieces of a graph input are features of different meaning: each is an
   * input to what reads it, and no part of it may come below the width of what follows.
   */
  least(value: string, axis: number): Least | undefined {
    if (!this.inputs.has(value)) return undefined;
    const parts = this.read.get(value)?.get(axis) ?? [];
    return (from, to) => (parts.some(([start, end]) => start <= from && to <= end) ? LEAST_FEATURES : 1);
  }

  /** What a Slice with constant bounds cuts; undefined when its bounds are data. */
  parts(node: Node): readonly SlicePart[] | undefined {
    const shape = this.shape(node.inputs[0] ?? "");
    if (!shape) return undefined;
    return sliceParts({
      node,
      shape: () => shape,
      absent: (i) => (node.inputs[i] ?? "") === "",
      constant: (i) => this.graph.constants.get(node.inputs[i] ?? ""),
    });
  }

  private recordCuts(node: Node): void {
    if (node.domain !== "" || (node.operator !== "Slice" && node.operator !== "Gather")) return;
    const value = node.inputs[0]!;
    const shape = this.shape(value);
    const out = this.shape(node.outputs[0]!);
    if (!shape || !out) return;
    if (node.operator === "Slice") {
      for (const { axis, start, step } of this.parts(node) ?? [])
        if (step === 1) this.addPart(value, axis, start, start + out[axis]!);
      return;
    }
    const indices = this.graph.constants.get(node.inputs[1]!);
    if (!indices || indices.shape.length > 1) return;
    const at = axisOfGather(node, shape.length);
    const list = Array.from(indices.data, (i) => (i < 0 ? i + shape[at]! : i));
    if (list.length > 0 && isRun(list)) this.addPart(value, at, list[0]!, list[0]! + list.length);
  }

  private addPart(value: string, axis: number, start: number, end: number): void {
    let axes = this.read.get(value);
    if (!axes) {
      axes = new Map();
      this.read.set(value, axes);
    }
    const list = axes.get(axis);
    if (list) list.push([start, end]);
    else axes.set(axis, [[start, end]]);
  }
}

/** The axis that a Gather picks from. */
export function axisOfGather(node: Node, rank: number): number {
  const axis = numberAttribute(node, "axis", 0);
  return axis < 0 ? axis + rank : axis;
}

/** Whether indices are consecutive. */
export function isRun(list: readonly number[]): boolean {
  return list.every((v, i) => v === list[0]! + i);
}

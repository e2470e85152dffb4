/**
 * @file How far recurrences are unrolled. The steps of a recurrence share their parameters, so a few of them have the
 * symmetries of all, provided that nothing but data tells the steps apart: neither before (learnt positions that are added
 * to the sequence) nor after (a layer with its own weights for each step). Where something does, all steps are needed, or
 * parameters would count as unread, or as interchangeable, that are not.
 */
import type { Graph, Node } from "../graph/graph";
import type { TensorType } from "../graph/tensor";
import { inferShapes } from "../operators/inference";
import { positive } from "../operators/lower/build";
import { isUniformAlong, POINTWISE, type ValueAxis } from "./uniform";
import type { Workspace } from "./workspace";

/** Reads how the sequences that recurrences write are used; built once per graph, when the first of them is met. */
export class SequenceUses {
  readonly #types: ReadonlyMap<string, TensorType>;
  readonly #readers = new Map<string, Node[]>();

  constructor(
    private readonly w: Workspace,
    graph: Graph,
  ) {
    this.#types = inferShapes(graph).graph.types;
    for (const node of graph.nodes) {
      for (const i of new Set(node.inputs)) {
        const list = this.#readers.get(i);
        if (list) list.push(node);
        else this.#readers.set(i, [node]);
      }
    }
  }

  /** Whether all that reads these values, as far as the axes reach, treats the entries along them alike. */
  areUniform(written: readonly ValueAxis[], limit: number): boolean {
    const seen = new Set<string>();
    const key = (s: ValueAxis) => `${s.axis} ${s.value}`;
    const todo = [...written];
    /** Other operands with an extent along the same axis: they must turn out to be uniform as well. */
    const others: ValueAxis[] = [];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      if (seen.has(key(next))) continue;
      seen.add(key(next));
      for (const node of this.#readers.get(next.value) ?? []) {
        for (const [index, name] of node.inputs.entries()) {
          if (name !== next.value) continue;
          const on = this.#follow(node, index, next.axis, others);
          if (on === undefined) return false;
          todo.push(...on);
        }
      }
    }
    return others.every((o) => seen.has(key(o)) || this.#isUniformSource(o, limit));
  }

  #isUniformSource({ value, axis }: ValueAxis, limit: number): boolean {
    const present = this.w.resolve(value);
    const shape = this.w.type(present).shape;
    return shape !== undefined && axis < shape.length && isUniformAlong(this.w, present, axis, limit);
  }

  #rank(value: string | undefined): number | undefined {
    return this.#types.get(value ?? "")?.shape?.length;
  }

  /**
   * Where an axis of input `index` of a node goes: axes of its outputs, none where it is summed or picked from; undefined
   * where the node may treat its entries differently, or is not understood.
   */
  #follow(node: Node, index: number, axis: number, others: ValueAxis[]): readonly ValueAxis[] | undefined {
    if (node.domain !== "") return undefined;
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    const [rank, outRank] = [this.#rank(node.inputs[index]), this.#rank(y)];
    if (rank === undefined || outRank === undefined) return undefined;
    const pass = [{ value: y, axis }];
    if (POINTWISE.has(node.operator)) return this.#pointwise(node, index, axis + outRank - rank, others);
    const attribute = (name: string, fallback: number) => {
      const a = node.attributes[name];
      return positive(typeof a === "number" ? a : fallback, rank);
    };
    switch (node.operator) {
      case "Identity":
      case "Dropout":
      case "Softmax":
      case "LogSoftmax":
      case "Gelu":
      case "HardSwish":
      case "Mish":
        return pass;
      case "Shape":
      case "Size":
        return [];
      case "Slice":
      case "Gather":
        // Picking entries, or entries of another axis, knows no parameters.
        return index === 0 ? this.#picked(node, axis, attribute("axis", 0), rank, outRank) : [];
      case "Split":
        return attribute("axis", 0) === axis ? undefined : node.outputs.map((value) => ({ value, axis }));
      case "Concat":
        return attribute("axis", 0) === axis ? undefined : pass;
      case "Transpose": {
        const perm = node.attributes["perm"];
        return [{ value: y, axis: Array.isArray(perm) ? (perm as readonly number[]).indexOf(axis) : rank - 1 - axis }];
      }
      case "Reshape":
      case "Flatten":
      case "Squeeze":
      case "Unsqueeze":
        return index === 0 ? this.#reshaped(x, y, axis) : [];
      case "LayerNormalization":
        return index === 0 && axis < attribute("axis", -1) ? pass : undefined;
      case "BatchNormalization":
        return index === 0 && axis !== 1 ? pass : undefined;
      case "ReduceMean":
      case "ReduceSum":
      case "ReduceMax":
      case "ReduceMin":
        // With the axes kept they correspond; without, what is left is no longer aligned, unless all axes are gone.
        return index !== 0 || outRank === 0 ? [] : rank === outRank ? pass : this.#reduced(node, axis, rank);
      case "Gemm":
      case "MatMul":
        return this.#product(node, index, axis, others);
      case "RNN":
      case "GRU":
      case "LSTM":
        return index === 0 && axis === 0 && node.attributes["layout"] !== 1 ? pass : undefined;
      default:
        return undefined;
    }
  }

  #pointwise(node: Node, index: number, axis: number, others: ValueAxis[]): readonly ValueAxis[] {
    const y = node.outputs[0]!;
    const outRank = this.#rank(y)!;
    for (const [k, other] of node.inputs.entries()) {
      const shape = this.#types.get(other)?.shape;
      if (k === index || other === "") continue;
      const own = shape === undefined ? 0 : axis - (outRank - shape.length);
      if (shape === undefined || (own >= 0 && shape[own] !== 1)) others.push({ value: other, axis: own });
    }
    return [{ value: y, axis }];
  }

  #picked(node: Node, axis: number, along: number, rank: number, outRank: number): readonly ValueAxis[] {
    const y = node.outputs[0]!;
    if (node.operator === "Slice") return [{ value: y, axis }];
    if (axis === along) return [];
    return [{ value: y, axis: axis < along ? axis : axis + outRank - rank }];
  }

  #reduced(node: Node, axis: number, rank: number): readonly ValueAxis[] | undefined {
    const given = node.inputs[1] === undefined ? node.attributes["axes"] : this.w.constant(this.w.resolve(node.inputs[1]))?.data;
    if (typeof given !== "object" || !("length" in given)) return undefined;
    const axes = Array.from(given as ArrayLike<number>, (a) => positive(a, rank));
    if (axes.includes(axis)) return [];
    return [{ value: node.outputs[0]!, axis: axis - axes.filter((a) => a < axis).length }];
  }

  /** The axes that an axis is merged into or split into. */
  #reshaped(x: string, y: string, axis: number): readonly ValueAxis[] | undefined {
    const [from, to] = [this.#types.get(x)?.shape, this.#types.get(y)?.shape];
    if (from === undefined || to === undefined) return undefined;
    let [i, j] = [0, 0];
    while (i < from.length && j < to.length) {
      const [start, first] = [i, j];
      let [a, b] = [from[i++]!, to[j++]!];
      while (a !== b) {
        if (a < b && i < from.length) a *= from[i++]!;
        else if (b < a && j < to.length) b *= to[j++]!;
        else return undefined;
      }
      if (axis >= start && axis < i) {
        return to.slice(first, j).flatMap((d, k) => (d === 1 ? [] : [{ value: y, axis: first + k }]));
      }
    }
    return undefined;
  }

  #product(node: Node, index: number, axis: number, others: ValueAxis[]): readonly ValueAxis[] | undefined {
    const y = node.outputs[0]!;
    const ranks = [this.#rank(node.inputs[0]), this.#rank(node.inputs[1])];
    const [rank, outRank] = [ranks[index], this.#rank(y)!];
    if (rank === undefined || index > 1 || rank < 2 || ranks.some((r) => r === undefined || r < 2)) return undefined;
    const flag = node.operator === "Gemm" ? node.attributes[index === 0 ? "transA" : "transB"] : 0;
    const place = flag === 1 && axis >= rank - 2 ? 2 * rank - 3 - axis : axis;
    const contracted = index === 0 ? rank - 1 : rank - 2;
    if (place !== contracted) return [{ value: y, axis: place + outRank - rank }];
    if (node.operator === "Gemm") return undefined;
    // A sum over steps, weighted by what also has them: attention, if the weights are not parameters.
    const other = index === 0 ? ranks[1]! - 2 : ranks[0]! - 1;
    others.push({ value: node.inputs[1 - index]!, axis: other });
    return [];
  }
}

/** How many steps to unroll at most of a recurrence that reads and writes these sequences. */
export function stepsToUnroll(
  w: Workspace,
  uses: () => SequenceUses,
  read: readonly ValueAxis[],
  written: readonly ValueAxis[],
  limit: number,
): number {
  if (limit === Number.POSITIVE_INFINITY) return limit;
  if (written.some((s) => s.axis < 0)) return Number.POSITIVE_INFINITY;
  const alike = read.every((s) => isUniformAlong(w, s.value, s.axis, limit)) && uses().areUniform(written, limit);
  return alike ? limit : Number.POSITIVE_INFINITY;
}

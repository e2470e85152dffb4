/**
 * @file Shears of a stream along the vector of ones, at any size. Norms that take off the mean see nothing of them; what else
 * reads the stream is a matrix, and undoes them: x + 1 (w x) for any w, read by W - W 1 w / (1 + w 1). They are there wherever a
 * stream is read both as it is and through layer norms: before the first norm of a post-norm encoder, or at the end of a pre-norm
 * one without a last norm. (The rotations beside them are a matter of matrix-families.)
 */
import type { Graph, Node } from "../../graph/graph";
import { numberAttribute, numbersAttribute } from "../../graph/graph";
import type { Shape } from "../../graph/tensor";
import type { Element, Generator, ParameterValues, Symmetry } from "../symmetry";

/** An axis of a weight that writes the stream, or reads it as it is. */
interface Place {
  readonly parameter: string;
  readonly axis: number;
  readonly reads: boolean;
}

/** A stream of `size` channels with everything that writes it, and that reads it as it is. */
export interface ShearFamily {
  readonly size: number;
  readonly places: readonly Place[];
}

/** Values of one stream above which it is not followed further. */
const MOST_VALUES = 5000;
/** Coordinates that a random element has at most, and how large they are: together less than one. */
const MOST_MOVED = 24;
const LARGEST = 0.02;
/** Numbers in all tangent vectors together up to which they are listed. */
const MOST_TANGENT_ENTRIES = 50_000_000;

/** All of a graph in normal form. */
export function shearFamilies(graph: Graph): ShearFamily[] {
  const streams = new Streams(graph);
  const out: ShearFamily[] = [];
  const seen = new Set<string>();
  for (const node of graph.nodes) {
    const value = node.inputs[0] ?? "";
    try {
      if (!streams.isCentring(node, value) || seen.has(value)) continue;
      const found = streams.follow(value, seen);
      if (found) out.push(found);
    } catch {
      // Attributes of damaged nodes are of other types than their operators say: nothing is told of what meets them.
    }
  }
  return out;
}

/** Follows streams whose channels are the last axis. */
class Streams {
  private readonly writers = new Map<string, Node>();
  private readonly readers = new Map<string, Node[]>();
  private readonly outputs: ReadonlySet<string>;

  constructor(private readonly graph: Graph) {
    this.outputs = new Set(graph.outputs);
    for (const n of graph.nodes) {
      for (const o of n.outputs) this.writers.set(o, n);
      for (const i of new Set(n.inputs)) {
        const list = this.readers.get(i);
        if (list) list.push(n);
        else this.readers.set(i, [n]);
      }
    }
  }

  private shape(value: string): Shape {
    const { types, parameters, constants } = this.graph;
    return (types.get(value) ?? parameters.get(value) ?? constants.get(value))?.shape ?? [];
  }

  private width(value: string): number {
    return this.shape(value).at(-1) ?? 0;
  }

  private reads(value: string): readonly Node[] {
    return this.readers.get(value) ?? [];
  }

  /** Whether a node takes off a value's mean over the last axis. */
  isCentring(node: Node, value: string): boolean {
    if (node.operator !== "Sub" || node.domain !== "" || node.inputs[0] !== value) return false;
    const mean = this.writers.get(node.inputs[1]!);
    return mean?.operator === "ReduceMean" && mean.inputs[0] === value && this.isOverChannels(mean);
  }

  private reducedAxes(node: Node): readonly number[] {
    const rank = this.shape(node.inputs[0]!).length;
    const listed = numbersAttribute(node, "axes") ?? this.graph.constants.get(node.inputs[1] ?? "")?.data;
    const axes = listed && listed.length > 0 ? Array.from(listed) : Array.from({ length: rank }, (_, i) => i);
    return axes.map((a) => (a < 0 ? a + rank : a));
  }

  private isOverChannels(mean: Node): boolean {
    const axes = this.reducedAxes(mean);
    return axes.length === 1 && axes[0] === this.shape(mean.inputs[0]!).length - 1 && this.width(mean.outputs[0]!) === 1;
  }

  /** The stream that a value belongs to; undefined where something else meets it. What it passes is added to `seen`. */
  follow(start: string, seen: Set<string>): ShearFamily | undefined {
    const size = this.width(start);
    const values = new Set<string>();
    const places = new Map<string, Place>();
    const pending = [start];
    let holds = size > 1;
    const put = (parameter: string | undefined, axis: number, reads: boolean): boolean => {
      if (parameter === undefined || places.has(parameter)) return false;
      places.set(parameter, { parameter, axis, reads });
      return true;
    };
    const join = (value: string): boolean => {
      if (this.width(value) !== size || this.outputs.has(value)) return false;
      if (!values.has(value)) {
        values.add(value);
        seen.add(value);
        pending.push(value);
      }
      return values.size <= MOST_VALUES;
    };
    holds &&= join(start);
    pending.shift();
    while (holds && pending.length > 0) {
      const value = pending.pop()!;
      holds = this.isWritten(value, join, put) && this.reads(value).every((n) => this.isRead(n, value, join, put));
    }
    const list = [...places.values()];
    return holds && list.some((p) => p.reads) ? { size, places: list } : undefined;
  }

  /** Whether all that writes a value goes along. */
  private isWritten(
    value: string,
    join: (value: string) => boolean,
    put: (parameter: string | undefined, axis: number, reads: boolean) => boolean,
  ): boolean {
    const direct = this.ownParameter(value);
    if (direct) return put(direct, this.shape(direct).length - 1, false);
    const node = this.writers.get(value);
    if (!node || node.domain !== "") return false;
    const [a, b] = [node.inputs[0]!, node.inputs[1] ?? ""];
    switch (node.operator) {
      case "Add":
        return join(a) && join(b);
      case "MatMul": {
        const weight = this.matrix(b);
        // What a reader of another stream writes is no part of this one.
        return weight !== undefined && put(weight.parameter, weight.isTurned ? 0 : 1, false);
      }
      case "Gather": {
        const table = this.ownParameter(a);
        const isRows = numberAttribute(node, "axis", 0) === 0 && this.shape(a).length === 2;
        return table ? isRows && put(table, 1, false) : this.isElsewhere(node) && join(a);
      }
      case "Concat":
        return this.isElsewhere(node) && node.inputs.every(join);
      default:
        return MOVING.has(node.operator) && this.isElsewhere(node) && join(a);
    }
  }

  /** Whether a reader of a value sees nothing of shears, or goes along. */
  private isRead(
    node: Node,
    value: string,
    join: (value: string) => boolean,
    put: (parameter: string | undefined, axis: number, reads: boolean) => boolean,
  ): boolean {
    if (node.domain !== "") return false;
    if (this.isCentring(node, value)) return true;
    const out = node.outputs[0]!;
    switch (node.operator) {
      case "Add":
      case "Concat":
        return join(out);
      case "ReduceMean":
        if (this.isOverChannels(node)) return this.reads(out).every((n) => this.isCentring(n, value)) && !this.outputs.has(out);
        return this.isElsewhere(node) && join(out);
      case "MatMul": {
        const weight = node.inputs[0] === value ? this.matrix(node.inputs[1]!) : undefined;
        return weight !== undefined && put(weight.parameter, weight.isTurned ? 1 : 0, true);
      }
      default:
        return (
          node.inputs[0] === value &&
          (MOVING.has(node.operator) || node.operator === "Gather") &&
          this.isElsewhere(node) &&
          join(out)
        );
    }
  }

  /** Whether a node leaves the last axis of its first input alone. */
  private isElsewhere(node: Node): boolean {
    const [from, to] = [this.shape(node.inputs[0]!), this.shape(node.outputs[0]!)];
    const last = from.length - 1;
    if (from.length === 0 || to.length === 0 || from[last] !== to.at(-1)) return false;
    switch (node.operator) {
      case "ReduceMean":
      case "ReduceSum":
        return !this.reducedAxes(node).includes(last);
      case "Transpose":
        return numbersAttribute(node, "perm")?.at(-1) === last;
      case "Concat":
      case "Gather": {
        const axis = numberAttribute(node, "axis", 0);
        return (axis < 0 ? axis + from.length : axis) !== last;
      }
      case "Slice":
        // All of the last axis is kept, but it might be in another order.
        return !this.listedAxes(node, from.length).includes(last);
      case "Reshape":
      case "Expand":
        return true;
      default:
        return false;
    }
  }

  private listedAxes(node: Node, rank: number): readonly number[] {
    const listed = this.graph.constants.get(node.inputs[3] ?? "")?.data;
    return listed ? Array.from(listed, (a) => (a < 0 ? a + rank : a)) : Array.from({ length: rank }, (_, i) => i);
  }

  /** A parameter that trains and that one node reads. */
  private ownParameter(value: string): string | undefined {
    return this.graph.parameters.get(value)?.trainable && this.reads(value).length === 1 && !this.outputs.has(value)
      ? value
      : undefined;
  }

  /** The weight that a product reads, as it is or with its axes exchanged. */
  private matrix(value: string): { readonly parameter: string; readonly isTurned: boolean } | undefined {
    const direct = this.ownParameter(value);
    if (direct) return this.shape(direct).length === 2 ? { parameter: direct, isTurned: false } : undefined;
    const node = this.writers.get(value);
    if (node?.operator !== "Transpose" || this.reads(value).length !== 1) return undefined;
    const parameter = this.ownParameter(node.inputs[0]!);
    const perm = numbersAttribute(node, "perm");
    return parameter && perm?.length === 2 && perm[0] === 1 ? { parameter, isTurned: true } : undefined;
  }
}

/** Operators that move or sum entries of other axes than the last, as `isElsewhere` tells; a new one needs a case there. */
const MOVING: ReadonlySet<string> = new Set(["Reshape", "Transpose", "Slice", "Expand", "ReduceMean", "ReduceSum"]);

/** The families as Symmetries. */
export function shearSymmetries(graph: Graph, families: readonly ShearFamily[]): Symmetry[] {
  return families.map((family, k) => shearSymmetry(family, `shear:${k}`, (p) => graph.parameters.get(p)!.shape));
}

function shearSymmetry({ size, places }: ShearFamily, id: string, shape: (parameter: string) => Shape): Symmetry {
  const parameters = places.map((p) => p.parameter);
  /** Adds to `to` what the shear by w does to `from`; of readers, with the given divisor. */
  const add = (place: Place, from: Float64Array, to: Float64Array, w: Float64Array, divisor: number): void => {
    const full = shape(place.parameter);
    const inner = full.slice(place.axis + 1).reduce((n, d) => n * d, 1);
    const outer = full.slice(0, place.axis).reduce((n, d) => n * d, 1);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const start = o * size * inner + i;
        let sum = 0;
        for (let c = 0; c < size; c++) sum += from[start + c * inner]! * (place.reads ? 1 : w[c]!);
        if (sum === 0) continue;
        for (let c = 0; c < size; c++) to[start + c * inner]! += place.reads ? (-sum * w[c]!) / divisor : sum;
      }
    }
  };
  return {
    id,
    kind: "linear",
    origin: "rule",
    group: `R^${size} along (1,..,1)`,
    dimension: size,
    parameters,
    spaces: [],
    randomElement(random): Element {
      const out = new Float64Array(size);
      const step = Math.max(1, Math.floor(size / MOST_MOVED));
      for (let c = 0; c < size; c += step) out[c] = (2 * random() - 1) * LARGEST;
      return out;
    },
    act(weights, element): ParameterValues {
      const divisor = 1 + element.reduce((sum, x) => sum + x, 0);
      return new Map(
        places.map((place) => {
          const given = weights.get(place.parameter)!;
          const out = given.slice();
          add(place, given, out, element, divisor);
          return [place.parameter, out] as const;
        }),
      );
    },
    generators(weights): Generator[] {
      const entries = parameters.reduce((n, p) => n + weights.get(p)!.length, 0);
      if (size * entries > MOST_TANGENT_ENTRIES)
        throw new RangeError(`${size} tangent vectors of ${entries} entries are too many to list: ask for them on the twin`);
      return Array.from({ length: size }, (_, c): Generator => {
        const unit = new Float64Array(size);
        unit[c] = 1;
        const vector = new Map<string, Float64Array>();
        for (const place of places) {
          const given = weights.get(place.parameter)!;
          const out = new Float64Array(given.length);
          add(place, given, out, unit, 1);
          vector.set(place.parameter, out);
        }
        return { family: "linear", vector, spaces: [] };
      });
    },
    fixedSet: () => undefined,
  };
}

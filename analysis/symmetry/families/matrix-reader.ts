/**
 * @file Which atoms matrices pass, operator by operator, and through which gains each parameter meets a stream that is measured.
 */
import { type Graph, type Node, numberAttribute, numbersAttribute, stringAttribute } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { parseEinsum } from "../../operators/einsum";
import type { InferredAxes } from "../spaces/infer";
import type { Occurrence } from "../spaces/occurrences";

/** How a parameter's axis goes with the group: `writes` with g, `reads` with its inverse transpose. */
export type Role = "writes" | "reads";

/** A vector that multiplies a stream's channels, or divides them. */
export interface Gain {
  readonly value: string;
  readonly inverse: boolean;
}

const STRUCTURE: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Transpose",
  "Slice",
  "Concat",
  "Expand",
  "Squeeze",
  "Unsqueeze",
  "Flatten",
]);

/** Operators that a matrix may pass, with the conditions that `Reader.visit` knows. */
const MATRICES_PASS: ReadonlySet<string> = new Set([
  "Pad",
  "Neg",
  "GlobalAveragePool",
  "AveragePool",
  "Gather",
  "Add",
  "Sub",
  "Mul",
  "Div",
  "MatMul",
  "Einsum",
  "Conv",
  "ConvTranspose",
  "ReduceMean",
  "ReduceSum",
  "ReduceSumSquare",
]);

/** Operators behind which copies that stand side by side stay in their places, and those that read them there. */
const IN_LINE: ReadonlySet<string> = new Set(["MatMul", "Conv", "Mul", "Div", "Add", "Identity", "Cast"]);

/** What is known of one atom while the graph is read. */
export class State {
  dead = false;
  measured = false;
  meanFree = false;
}

/** Reads a graph atom by atom. */
export class Reader {
  private readonly active = new Set<string>();
  private readonly writers = new Map<string, Node>();
  private readonly readers = new Map<string, Node[]>();
  private wanted: ReadonlyMap<number, unknown> = new Map();
  private readonly layouts = new Map<string, ReadonlyMap<number, readonly number[]>>();

  constructor(
    private readonly graph: Graph,
    private readonly axes: InferredAxes,
  ) {
    for (const i of graph.inputs) this.active.add(i.name);
    for (const n of graph.nodes) {
      const isActive = n.inputs.some((i) => this.active.has(i));
      for (const o of n.outputs) {
        if (isActive) this.active.add(o);
        this.writers.set(o, n);
      }
      for (const i of new Set(n.inputs)) {
        const list = this.readers.get(i);
        if (list) list.push(n);
        else this.readers.set(i, [n]);
      }
    }
  }

  /** The free leaf atoms of a value that are still wanted, with the axes that they are on. */
  private atomsOf(value: string): ReadonlyMap<number, readonly number[]> {
    let out = this.layouts.get(value);
    if (!out) {
      const found = new Map<number, number[]>();
      this.eachAtom(value, (atom, axis) => {
        if (!this.wanted.has(atom)) return;
        const list = found.get(atom);
        if (list) list.push(axis);
        else found.set(atom, [axis]);
      });
      out = found;
      this.layouts.set(value, out);
    }
    return out;
  }

  /** Its free leaf atoms, axis by axis. */
  private eachAtom(value: string, on: (atom: number, axis: number) => void): void {
    this.axes.layout(value)?.forEach((layout, axis) => {
      for (const segment of layout) {
        for (const f of segment) if (!f.pinned && f.size > 1 && this.axes.atoms.isLeaf(f.atom)) on(f.atom, axis);
      }
    });
  }

  private isUnderstood(node: Node): boolean {
    return node.domain === "" && node.outputs.length === 1 && (MATRICES_PASS.has(node.operator) || STRUCTURE.has(node.operator));
  }

  /** Whether the places are one axis of a value, which is the atom, or copies of it side by side, and nothing else. */
  private isWhole(value: string, places: readonly number[], atom: number): boolean {
    const layout = this.axes.layout(value)?.[places[0]!];
    return (
      layout?.length === places.length &&
      places.every((p) => p === places[0]) &&
      layout.every((s) => s.filter((f) => f.size > 1).length === 1 && s.some((f) => f.atom === atom))
    );
  }

  /** Number of entries of a gain, and of an axis of a parameter. */
  lengthOf({ value }: Gain): number {
    return elementCount(this.graph.types.get(value)?.shape ?? this.graph.parameters.get(value)!.shape);
  }

  /** The length of the axis of a parameter that an occurrence is on. */
  lengthOfAxis(o: Occurrence): number {
    return this.graph.parameters.get(o.parameter)!.shape[o.axis]!;
  }

  private rank(value: string): number {
    return this.graph.types.get(value)?.shape?.length ?? 0;
  }

  /** Atoms of parameters that nothing but matrices meets. */
  survivors(): Map<number, State> {
    const states = new Map<number, State>();
    for (const p of this.graph.parameters.keys()) this.eachAtom(p, (a) => states.set(a, new State()));
    // Most die at an operator that no matrix passes; of those nothing else needs to be known.
    const drop = (value: string) => this.eachAtom(value, (a) => states.delete(a));
    for (const i of this.graph.inputs) drop(i.name);
    for (const o of this.graph.outputs) drop(o);
    for (const node of this.graph.nodes) {
      if (states.size === 0) return states;
      if (this.isUnderstood(node)) continue;
      for (const i of node.inputs) drop(i);
      for (const o of node.outputs) drop(o);
    }
    this.wanted = states;
    const kill = (value: string, atom?: number) => {
      for (const a of atom === undefined ? this.atomsOf(value).keys() : [atom]) {
        const s = states.get(a);
        if (s) s.dead = true;
      }
    };
    for (const node of this.graph.nodes) if (this.isUnderstood(node)) this.visit(node, states, kill);
    for (const [a, s] of states) if (s.dead) states.delete(a);
    return states;
  }

  private visit(node: Node, states: ReadonlyMap<number, State>, kill: (value: string, atom?: number) => void): void {
    const [a, b] = [node.inputs[0]!, node.inputs[1] ?? ""];
    const out = node.outputs[0]!;
    switch (node.operator) {
      case "Concat":
        for (const i of node.inputs) if (this.graph.constants.get(i)?.data.some((x) => x !== 0)) kill(i);
        return;
      case "Pad":
        if (this.graph.constants.get(node.inputs[2] ?? "")?.data.some((x) => x !== 0)) kill(out);
        return;
      case "Neg":
      case "GlobalAveragePool":
      case "AveragePool":
        return;
      case "Gather":
        return kill(b);
      case "Add":
      case "Sub":
        for (const [atom, places] of this.atomsOf(out)) {
          const state = states.get(atom);
          if (!state || state.dead) continue;
          const [inA, inB] = [this.atomsOf(a).has(atom), this.atomsOf(b).has(atom)];
          if (this.graph.constants.has(a) || this.graph.constants.has(b)) kill(out, atom);
          else if (inA && inB) continue;
          else if (node.operator === "Sub" && inA && this.isMeanOf(b, a, places, atom)) state.meanFree = true;
          else kill(out, atom);
        }
        return;
      case "Mul":
      case "Div":
        for (const atom of this.atomsOf(out).keys()) {
          const [inA, inB] = [this.atomsOf(a).has(atom), this.atomsOf(b).has(atom)];
          // Two parameters may be a product of matrices' diagonals; two activations are none.
          if (this.hasConstant(atom, a, b)) kill(out, atom);
          else if (inA && inB && (this.active.has(a) === this.active.has(b) || (node.operator === "Div" && this.active.has(b))))
            kill(out, atom);
          else if (!inA && node.operator === "Div") kill(out, atom);
        }
        return;
      case "MatMul":
      case "Einsum":
      case "Conv":
      case "ConvTranspose": {
        const shared = this.sharedAtoms(node);
        if (shared) for (const atom of shared) kill(out, atom);
        else for (const v of [a, b, out]) kill(v);
        return;
      }
      case "ReduceMean":
      case "ReduceSum": {
        for (const [atom, places] of this.atomsOf(a)) {
          const reduced = this.reducedAxes(node);
          if (!places.some((p) => reduced.has(p))) continue;
          const isMean = node.operator === "ReduceMean" && this.isWhole(a, places, atom) && reduced.size === 1;
          const readers = this.readers.get(out) ?? [];
          if (!isMean || !readers.every((r) => r.operator === "Sub" && r.inputs[0] === a && r.inputs[1] === out)) kill(a, atom);
        }
        return;
      }
      case "ReduceSumSquare":
        for (const [atom, places] of this.atomsOf(a)) {
          const state = states.get(atom);
          if (!state) continue;
          const reduced = this.reducedAxes(node);
          if (reduced.has(places[0]!) && this.isWhole(a, places, atom)) state.measured = true;
          else kill(a, atom);
        }
        return;
      default:
    }
  }

  private hasConstant(atom: number, ...values: readonly string[]): boolean {
    return values.some((v) => this.graph.constants.has(v) && this.atomsOf(v).has(atom));
  }

  private isMeanOf(value: string, of: string, places: readonly number[], atom: number): boolean {
    const writer = this.writers.get(value);
    return (
      writer?.operator === "ReduceMean" &&
      writer.inputs[0] === of &&
      this.isWhole(of, places, atom) &&
      this.reducedAxes(writer).has(places[0]!) &&
      this.reducedAxes(writer).size === 1
    );
  }

  private reducedAxes(node: Node): ReadonlySet<number> {
    const rank = this.rank(node.inputs[0]!);
    const listed = numbersAttribute(node, "axes") ?? this.graph.constants.get(node.inputs[1] ?? "")?.data;
    const axes = listed && listed.length > 0 ? Array.from(listed) : Array.from({ length: rank }, (_, i) => i);
    return new Set(axes.map((a) => (a < 0 ? a + rank : a)));
  }

  /** Atoms that both operands of a product have and its result too: no matrix passes there. */
  private sharedAtoms(node: Node): number[] | undefined {
    const [a, b] = [node.inputs[0]!, node.inputs[1] ?? ""];
    if (node.inputs.length !== 2 || b === "") return undefined;
    const [x, y, out] = [this.atomsOf(a), this.atomsOf(b), this.atomsOf(node.outputs[0]!)];
    if (node.operator === "Conv" || node.operator === "ConvTranspose") {
      if (this.active.has(b)) return [...x.keys(), ...y.keys()];
      if (numberAttribute(node, "group", 1) === 1) return [];
      return [...out.keys()].filter((atom) => x.has(atom) && y.has(atom));
    }
    if (node.operator === "Einsum") {
      if (this.rank(a) === 0 || this.rank(b) === 0) return undefined;
      const equation = parseEinsum(stringAttribute(node, "equation", ""), [this.rank(a), this.rank(b)]);
      const letters = (value: ReadonlyMap<number, readonly number[]>, atom: number, own: readonly string[]) =>
        (value.get(atom) ?? []).map((p) => own[p]!);
      return [...out.keys()].filter((atom) => {
        const [l, r] = [letters(x, atom, equation.inputs[0]!), letters(y, atom, equation.inputs[1]!)];
        return l.some((c) => r.includes(c) && equation.output.includes(c));
      });
    }
    const rank = Math.max(this.rank(a), this.rank(b));
    const isBatch = (value: string, p: number) => p < this.rank(value) - 2;
    return [...out.keys()].filter(
      (atom) => rank > 2 && (x.get(atom) ?? []).some((p) => isBatch(a, p)) && (y.get(atom) ?? []).some((p) => isBatch(b, p)),
    );
  }

  /**
   * For a stream that is measured: through which gains each parameter meets it, and how; undefined where two ways to one value
   * have different gains.
   */
  frames(atom: number): Map<string, { readonly role: Role; readonly frame: readonly Gain[] } | "gain"> | undefined {
    const frameOf = new Map<string, readonly Gain[]>();
    const out = new Map<string, { role: Role; frame: readonly Gain[] } | "gain">();
    const size = this.axes.atoms.sizeOf(atom);
    const key = (frame: readonly Gain[]) => frame.map((g) => `${g.value}/${g.inverse}`).join();
    const put = (value: string, role: Role, frame: readonly Gain[]): boolean => {
      const parameters = this.parametersBehind(value, atom);
      if (!parameters) return false;
      for (const p of parameters) {
        const before = out.get(p);
        if (before === undefined) out.set(p, { role, frame });
        else if (before === "gain" || key(before.frame) !== key(frame) || (frame.length > 0 && before.role !== role))
          return false;
      }
      return true;
    };
    for (const node of this.graph.nodes) {
      const to = node.outputs[0]!;
      if (!node.inputs.some((i) => this.active.has(i))) continue;
      const having = node.inputs.filter((i) => this.atomsOf(i).has(atom));
      const moving = having.filter((i) => this.active.has(i));
      const still = having.filter((i) => !this.active.has(i));
      const isOut = this.atomsOf(to).has(atom);
      if (having.length === 0 && !isOut) continue;
      const frames = moving.map((i) => frameOf.get(i) ?? []);
      const frame = frames[0] ?? [];
      if (frames.some((f) => key(f) !== key(frame))) return undefined;
      if (frame.some((g) => this.lengthOf(g) !== size) && !IN_LINE.has(node.operator)) return undefined;
      switch (node.operator) {
        case "MatMul":
        case "Einsum":
        case "Conv":
        case "ConvTranspose":
          if (frame.length > 0 && (moving.length > 1 || (isOut && still.length > 0))) return undefined;
          for (const w of still)
            if (!put(w, moving.length > 0 && !isOut ? "reads" : "writes", moving.length > 0 ? frame : [])) return undefined;
          if (isOut) frameOf.set(to, moving.length > 0 ? frame : []);
          break;
        case "Mul":
        case "Div":
          if (moving.length === 1 && still.length === 1) {
            const gain: Gain = { value: still[0]!, inverse: node.operator === "Div" };
            const parameters = this.parametersBehind(still[0]!, atom);
            if (!parameters) return undefined;
            for (const p of parameters) {
              if (out.has(p) && out.get(p) !== "gain") return undefined;
              out.set(p, "gain");
            }
            frameOf.set(to, [...frame, gain]);
          } else if (still.length === 0) frameOf.set(to, frame);
          else return undefined;
          break;
        case "ReduceSumSquare":
          if (frame.length > 0) return undefined;
          break;
        case "Sub":
          if (frame.length > 0 && having.length === 1) return undefined;
          frameOf.set(to, frame);
          break;
        default:
          for (const w of still) if (!put(w, "writes", frame)) return undefined;
          if (isOut) frameOf.set(to, frame);
      }
    }
    return out;
  }

  /** Parameters with the atom from which a value was moved together; undefined where anything else was done to them. */
  private parametersBehind(value: string, atom: number): string[] | undefined {
    if (this.graph.parameters.has(value)) return this.atomsOf(value).has(atom) ? [value] : [];
    const writer = this.writers.get(value);
    if (!writer || !(STRUCTURE.has(writer.operator) || writer.operator === "Gather")) return undefined;
    const out: string[] = [];
    for (const i of writer.inputs) {
      if (!this.atomsOf(i).has(atom)) continue;
      const more = this.parametersBehind(i, atom);
      if (!more) return undefined;
      out.push(...more);
    }
    return out;
  }
}

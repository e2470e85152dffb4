/**
 * @file One attempt at a twin: given new sizes of the graph's inputs and of the free atoms, finds the new size of every axis
 * of every value in one pass, and rewrites what holds sizes (shape operands, kernels, groups, tables). The axis rules of the
 * operator table say what belongs together; operators whose arithmetic of sizes is their own have a sizing rule here.
 */
import type { Graph, Node, Parameter } from "../../graph/graph";
import type { Shape, Tensor, TensorType } from "../../graph/tensor";
import type { Equivariance } from "../../operators/equivariance";
import { inferShapes } from "../../operators/inference";
import { axisOf } from "../spaces/atom-table";
import { isPlain } from "../spaces/blocks";
import type { InferredAxes } from "../spaces/infer";
import { SizeAlgebra } from "./algebra";
import { rescaled } from "./factors";
import { movementSizing } from "./movement";
import { fixed, keptEntries, newSize, oldSize, open, Size, SizeConflict, type SizedAxis, type SizedSegment, UNIT } from "./sizes";
import { type Reach, SizeRules, type SizeValues, Sizing, type SizingRule, unknownShape } from "./sizing";
import { withoutEmpty } from "./pruning";
import type { Survey } from "./survey";
import { windowSizing } from "./windows";
import type { Widths } from "./widths";

/** The choices of one attempt. */
export interface Plan {
  /** New shapes of the graph's inputs; axes that are free get the size of their atoms in place of that. */
  readonly inputs: ReadonlyMap<string, Shape>;
  readonly widths: Widths;
  readonly reach: Reach;
  /** Sizes from here on are cut to it where nothing decides: classes, vocabularies, feature counts. */
  readonly undecided: number;
}

const RULES: Readonly<Record<string, SizingRule>> = { ...movementSizing, ...windowSizing };

/** Reaches that leave such sizes alone: weights have them (classes), and "space" is for the same weights on smaller images. */
const KEEPING: ReadonlySet<Reach> = new Set(["channels", "space"]);

/** Runs one attempt. Throws SizeConflict where sizes contradict each other. */
export function propagate(
  survey: Survey,
  axes: InferredAxes,
  plan: Plan,
  equivariance: (node: Node) => Equivariance | undefined,
): Graph {
  return new Propagation(survey, axes, plan, equivariance).run();
}

class Propagation implements SizeValues {
  readonly algebra: SizeAlgebra;
  readonly graph: Graph;
  private readonly known = new Map<string, readonly SizedAxis[]>();
  private readonly pinned = new Map<number, Size>();
  private readonly sizings: Sizing[] = [];
  /** Axes of values that shape inference knows nothing of. */
  private readonly declared = new Map<string, readonly SizedAxis[]>();
  private readonly postponed: (() => void)[] = [];

  constructor(
    readonly survey: Survey,
    private readonly axes: InferredAxes,
    private readonly plan: Plan,
    private readonly equivariance: (node: Node) => Equivariance | undefined,
  ) {
    this.graph = survey.graph;
    this.algebra = new SizeAlgebra({ size: (old) => (KEEPING.has(plan.reach) ? old : Math.min(old, plan.undecided)) });
  }

  get reach(): Reach {
    return this.plan.reach;
  }

  axesOf(value: string): readonly SizedAxis[] | undefined {
    return this.known.get(value);
  }

  setAxes(value: string, axes: readonly SizedAxis[]): void {
    this.known.set(value, axes);
  }

  postpone(action: () => void): void {
    this.postponed.push(action);
  }

  /** Each reader has its own copy of a constant: windows of different size may share one table. */
  copyOfConstant(name: string): readonly SizedAxis[] {
    return this.inferred(name).map((axis, k) => (this.isFree(name, k) ? axis : open(oldSize(axis))));
  }

  run(): Graph {
    for (const input of this.graph.inputs) {
      const shape = this.plan.inputs.get(input.name)!;
      const axes = this.inferred(input.name);
      this.known.set(
        input.name,
        input.shape.map((n, i) => (this.isFree(input.name, i) ? axes[i]! : fixed(n, shape[i]!))),
      );
    }
    for (const p of this.graph.parameters.values()) this.known.set(p.name, this.inferred(p.name));
    for (const node of this.graph.nodes) {
      const sizing = new Sizing(node, this);
      this.sizings.push(sizing);
      try {
        this.size(node, sizing);
      } catch (error) {
        if (error instanceof SizeConflict) throw new SizeConflict(`${node.operator} ${node.name}: ${error.message}`, error.atoms);
        throw error;
      }
    }
    return this.build();
  }

  /** Axes as axis inference has them: free atoms with their new sizes, all else open. */
  private inferred(value: string): readonly SizedAxis[] {
    const shape = this.survey.shape(value) ?? [];
    const axes = this.axes.axes(value);
    return shape.map((n, i) => {
      const axis = axes?.[i];
      return n === 1 ? UNIT : axis && isPlain(axis) ? this.sized(this.axes.atoms.normal(axis)) : open(n);
    });
  }

  private sized(segments: readonly (readonly number[])[]): SizedAxis {
    const out: SizedSegment[] = [];
    const { atoms } = this.axes;
    const { widths } = this.plan;
    for (let i = 0; i < segments.length; i++) {
      const segment = segments[i]!;
      const run = widths.shuffledRun(segments, i);
      if (run) {
        out.push([new Size(run.old, run.value, run.atom)]);
        i = run.last;
        continue;
      }
      // Pinned pieces are told apart by what they meet, not here: one open size.
      let pinned = 0;
      while (i < segments.length && segments[i]!.every((a) => atoms.isPinned(a))) pinned += atoms.segmentSize(segments[i++]!);
      if (pinned > 0) {
        if (pinned > 1) out.push([this.pinnedSize(segments[i - 1]!, pinned)]);
        else out.push([]);
        i--;
        continue;
      }
      out.push(segment.flatMap((a) => (atoms.sizeOf(a) === 1 ? [] : [this.sizeOfAtom(atoms.find(a))])));
    }
    return { segments: out };
  }

  private sizeOfAtom(root: number): Size {
    const { atoms } = this.axes;
    const n = atoms.sizeOf(root);
    if (!atoms.isLeaf(root)) {
      const size = new Size(n);
      size.refine({ axis: this.sized(atoms.normal(axisOf([[root]]))) });
      return size;
    }
    return atoms.isPinned(root) ? this.pinnedSize([root], n) : new Size(n, this.plan.widths.of(root), root);
  }

  /** The one size of a pinned atom, wherever it stands; a new one for several of them together. */
  private pinnedSize(segment: readonly number[], n: number): Size {
    const root = segment.length === 1 ? this.axes.atoms.find(segment[0]!) : -1;
    if (root < 0 || this.axes.atoms.sizeOf(root) !== n) return new Size(n);
    let size = this.pinned.get(root);
    if (!size) {
      size = new Size(n);
      this.pinned.set(root, size);
    }
    return size;
  }

  private size(node: Node, sizing: Sizing): void {
    const isPlain = (v: string) => v === "" || this.survey.shape(v)?.includes(0) === false;
    const rule = node.inputs.every(isPlain) && node.outputs.every(isPlain) ? this.equivariance(node) : undefined;
    if (!rule) return this.opaque(node, sizing);
    const own = node.domain === "" ? RULES[node.operator] : undefined;
    if (own) own(sizing);
    else rule.axes(new SizeRules(sizing));
    for (const o of node.outputs) {
      if (o === "" || this.known.has(o)) continue;
      sizing.computes = true;
      this.known.set(
        o,
        this.survey.shape(o)!.map((n) => open(n)),
      );
    }
    if (sizing.makesFree) {
      this.inferred(node.outputs[0]!).forEach((axis, i) => {
        this.algebra.unify(this.known.get(node.outputs[0]!)![i]!, axis);
      });
    }
    if (sizing.computes) this.compute(node, sizing);
  }

  /** Lets the operator's own rule say how large its outputs are. */
  private compute(node: Node, sizing: Sizing): void {
    const types = sizing.inferTypes(node.attributes);
    node.outputs.forEach((o, k) => {
      if (o === "") return;
      const shape = types[k]?.shape ?? unknownShape(o);
      this.known.get(o)!.forEach((axis, i) => {
        this.algebra.bind(axis, shape[i]!);
      });
    });
  }

  /** A node without a rule: what it writes has the sizes of its own shape rule, or looks like what it reads. */
  private opaque(node: Node, sizing: Sizing): void {
    node.inputs.forEach((name, i) => {
      if (name === "" || this.survey.shape(name) === undefined) return;
      if (this.graph.constants.has(name)) sizing.operand(i);
      else for (const axis of sizing.input(i)) this.algebra.close(axis);
    });
    const inferred = sizing.inferTypes(node.attributes);
    node.outputs.forEach((o, k) => {
      const old = this.survey.shape(o);
      if (o === "" || !old) return;
      const shape = inferred[k]?.shape;
      const axes = old.map((n, i) => {
        if (shape) return shape[i] === undefined || (n === 1 && shape[i] !== 1) ? unknownShape(o) : fixed(n, shape[i]!);
        return fixed(n, this.likeInputs(node, n, i));
      });
      this.known.set(o, axes);
      if (!shape) this.declared.set(o, axes);
    });
  }

  /** The new size of an input axis of the same old size, at the same place if there is one. */
  private likeInputs(node: Node, old: number, at: number): number {
    let found: number | undefined;
    for (const name of node.inputs) {
      const axes = name === "" || this.graph.constants.has(name) ? undefined : this.known.get(name);
      for (const [i, axis] of (axes ?? []).entries()) {
        if (oldSize(axis) !== old) continue;
        if (i === at) return this.algebra.close(axis);
        found ??= this.algebra.close(axis);
      }
    }
    return found ?? old;
  }

  /** Whether axis inference lets something act on part of the axis. */
  private isFree(value: string, axis: number): boolean {
    const a = this.axes.axes(value)?.[axis];
    return a !== undefined && isPlain(a) && !this.axes.atoms.isAllPinned(a);
  }

  private newShape(value: string): number[] | undefined {
    return this.known.get(value)?.map((axis) => this.algebra.close(axis));
  }

  /** The twin, once every size is known. */
  private build(): Graph {
    const { graph } = this;
    const parameters = new Map<string, Parameter>();
    const constants = new Map<string, Tensor>();
    for (const action of this.postponed) action();
    // What hangs on parameters alone may still have open sizes, which its readers' rewritings need.
    for (const [, axes] of this.known) for (const axis of axes) this.algebra.close(axis);
    for (const [name, p] of graph.parameters) {
      const { read: _, ...rest } = p;
      parameters.set(name, { ...rest, shape: this.newShape(name)! });
    }
    const made = new Map<string, string>();
    const nameOf = (wanted: string, tensor: Tensor): string => {
      const key = `${wanted}\n${tensor.type}\n${tensor.shape.join()}\n${tensor.data.join()}`;
      const known = made.get(key);
      if (known !== undefined) return known;
      let name = wanted;
      for (let k = 1; constants.has(name) || (name !== wanted && graph.types.has(name)); k++) name = `${wanted}/twin${k}`;
      constants.set(name, tensor);
      made.set(key, name);
      return name;
    };
    const nodes = this.sizings.map((sizing): Node => {
      const { node } = sizing;
      const change = sizing.rewriting((tensor) => nameOf(`${node.name}/twin`, tensor));
      const factor = rescaled(this.survey, node, (v) => this.newShape(v));
      const inputs = (change.inputs ?? node.inputs).map((name, i) => {
        const constant = graph.constants.get(name);
        if (!constant) return name;
        if (factor && factor.operand === i) return nameOf(name, { ...constant, data: constant.data.map(() => factor.value) });
        const axes = sizing.copy(i);
        return nameOf(name, axes ? this.resized(constant, axes) : constant);
      });
      return { ...node, inputs, attributes: change.attributes ?? node.attributes };
    });
    for (const o of graph.outputs) {
      const constant = graph.constants.get(o);
      if (constant && !constants.has(o)) constants.set(o, constant);
    }
    const types = new Map<string, TensorType>();
    for (const [value, axes] of this.declared) {
      types.set(value, { type: graph.types.get(value)!.type, shape: axes.map((a) => newSize(a)!) });
    }
    const inputs = graph.inputs.map((i) => ({ ...i, shape: this.newShape(i.name)! }));
    const whole = { ...graph, inputs, nodes, parameters, constants, types };
    const inference = inferShapes(this.plan.widths.leavesOut ? withoutEmpty(whole, (v) => this.newShape(v)) : whole);
    const problem = inference.problems[0];
    if (problem) throw new SizeConflict(`${problem.node.operator} ${problem.node.name}: ${problem.message}`);
    for (const node of inference.graph.nodes) this.compare(node, inference.graph);
    return inference.graph;
  }

  /** The shapes that inference finds must be those that this pass decided on. */
  private compare(node: Node, twin: Graph): void {
    for (const o of node.outputs) {
      const found = twin.types.get(o)?.shape;
      const wanted = o === "" ? undefined : this.newShape(o);
      if (found && wanted && found.join() !== wanted.join()) {
        throw new SizeConflict(`${node.operator} ${node.name}: ${o} has shape [${found.join(", ")}], not [${wanted.join(", ")}]`);
      }
    }
  }

  /** The first entries of a constant along each axis, piece by piece. */
  private resized(constant: Tensor, axes: readonly SizedAxis[]): Tensor {
    const picks = axes.map((axis, i) => (axis === UNIT ? [0] : keptEntries(axis)).map((k) => k % constant.shape[i]!));
    return pickEntries(constant, picks);
  }
}

/** The entries of a tensor at the given positions of each axis. */
export function pickEntries(tensor: Tensor, picks: readonly (readonly number[])[]): Tensor {
  const shape = picks.map((p) => p.length);
  let offsets = [0];
  picks.forEach((p, axis) => {
    const n = tensor.shape[axis]!;
    offsets = offsets.flatMap((base) => p.map((k) => base * n + k));
  });
  return { type: tensor.type, shape, data: Float64Array.from(offsets, (at) => tensor.data[at]!) };
}

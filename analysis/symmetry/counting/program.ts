/**
 * @file Part of a network as a straight-line program: given the values at its leaves, it computes target values, and their
 * derivatives along one direction of any leaf (forward mode). The engines run it thousands of times at small sizes, so
 * names become slots and each leaf knows the steps it reaches.
 */
import { elementCount, type Tensor } from "../../graph/tensor";
import { type LocalDerivative, localDerivative } from "./adjoint";
import type { Network, Step } from "./network";
import { PANEL } from "./sparse";

/** Values by slot. */
export type SlotValues = (Tensor | undefined)[];

interface Instruction {
  readonly step: Step;
  readonly inputs: Int32Array;
  readonly outputs: Int32Array;
}

interface ReverseStep {
  readonly instruction: Instruction;
  readonly derivatives: readonly { readonly slot: number; readonly derivative: LocalDerivative }[];
}

/** What reverse mode to some leaves needs. */
interface Reversed {
  readonly steps: readonly ReverseStep[];
  /** Whether a slot hangs on the leaves. */
  readonly wanted: Uint8Array;
  /** Panels of derivatives by slot, kept from one point to the next, and which of them have entries other than zero. */
  readonly panels: (Float64Array | undefined)[];
  readonly dirty: Uint8Array;
}

/** A straight-line program from leaves to targets. */
export class Program {
  /** Values that have to be given: cut values, network inputs and parameters that the targets hang on. */
  readonly leaves: readonly string[];
  readonly targets: readonly string[];
  private readonly network: Network;
  private readonly slots = new Map<string, number>();
  private readonly names: string[] = [];
  private readonly instructions: Instruction[] = [];
  private readonly constants: SlotValues = [];
  private readonly targetSlots: Int32Array;
  private readonly reversed = new Map<string, Reversed>();
  private readonly reached = new Map<string, Int32Array>();

  /**
   * Compiles what computes `targets`, stopping at `cuts` (a target that is itself a cut is computed; only its readers see
   * the given value).
   */
  constructor(network: Network, targets: readonly string[], cuts: ReadonlySet<string> = new Set()) {
    this.network = network;
    this.targets = targets;
    const wanted = new Set<Step>();
    const leaves = new Set<string>();
    const stack: string[] = [];
    const visit = (value: string): void => {
      const producer = cuts.has(value) ? undefined : network.producer(value);
      if (producer) {
        if (!wanted.has(producer)) {
          wanted.add(producer);
          stack.push(...producer.node.inputs);
        }
      } else if (value !== "" && network.kind(value) !== "constant") leaves.add(value);
    };
    const targetSteps = new Set<Step>();
    for (const t of targets) {
      const producer = network.producer(t);
      if (!producer) {
        if (network.kind(t) !== "constant") leaves.add(t);
        continue;
      }
      targetSteps.add(producer);
      if (wanted.has(producer)) continue;
      wanted.add(producer);
      stack.push(...producer.node.inputs);
    }
    while (stack.length > 0) visit(stack.pop()!);
    this.leaves = [...leaves];
    // A cut that is also a target has two values: the given one for readers, the computed one as result.
    const computed = (value: string): string => (cuts.has(value) ? `${value}\u0000computed` : value);
    for (const leaf of leaves) this.slot(leaf);
    for (const step of network.steps) {
      if (!wanted.has(step)) continue;
      const inputs = Int32Array.from(step.node.inputs, (i) => (i === "" ? -1 : this.slot(i)));
      const outputs = Int32Array.from(step.node.outputs, (o) => (o === "" ? -1 : this.slot(computed(o))));
      this.instructions.push({ step, inputs, outputs });
    }
    this.targetSlots = Int32Array.from(targets, (t) => this.slot(network.producer(t) ? computed(t) : t));
    this.names.forEach((name, k) => {
      this.constants[k] = network.constant(name);
    });
  }

  private slot(name: string): number {
    const known = this.slots.get(name);
    if (known !== undefined) return known;
    const fresh = this.names.length;
    this.names.push(name);
    this.slots.set(name, fresh);
    return fresh;
  }

  /** Computes all values. Throws Error when a leaf is not given, or an operator finds its inputs unfit. */
  evaluate(give: (leaf: string) => Tensor | undefined): SlotValues {
    const values: SlotValues = [...this.constants];
    values.length = this.names.length;
    for (const leaf of this.leaves) {
      const value = give(leaf);
      if (!value) throw new Error(`no value is given for ${leaf}`);
      values[this.slots.get(leaf)!] = value;
    }
    for (const { step, inputs, outputs } of this.instructions) {
      const x: (Tensor | undefined)[] = [];
      for (let i = 0; i < inputs.length; i++) x.push(inputs[i]! < 0 ? undefined : values[inputs[i]!]);
      const y = step.operator.evaluate(step.node, x);
      for (let i = 0; i < outputs.length; i++) if (outputs[i]! >= 0) values[outputs[i]!] = y[i];
    }
    return values;
  }

  /** The targets among computed values, in the order of `targets`. */
  results(values: SlotValues): Tensor[] {
    return Array.from(this.targetSlots, (s, i) => {
      const v = values[s];
      if (!v) throw new Error(`${this.targets[i]} has no value`);
      return v;
    });
  }

  /** The value of a leaf among computed values. */
  valueOf(leaf: string, values: SlotValues): Tensor {
    const slot = this.slots.get(leaf);
    const v = slot === undefined ? undefined : values[slot];
    if (!v) throw new Error(`${leaf} has no value`);
    return v;
  }

  /** The instructions that hang on a leaf. */
  private downstream(leaf: string): Int32Array {
    const known = this.reached.get(leaf);
    if (known) return known;
    const marked = new Uint8Array(this.names.length);
    const slot = this.slots.get(leaf);
    if (slot !== undefined) marked[slot] = 1;
    const list: number[] = [];
    this.instructions.forEach(({ inputs, outputs, step }, k) => {
      if (!step.operator.tangent) return;
      let hit = false;
      for (const i of inputs) if (i >= 0 && marked[i]) hit = true;
      if (!hit || outputs[0]! < 0) return;
      marked[outputs[0]!] = 1;
      list.push(k);
    });
    const out = Int32Array.from(list);
    this.reached.set(leaf, out);
    return out;
  }

  /** Derivatives of the targets along a direction of one leaf; undefined where it is zero. */
  differentiate(values: SlotValues, leaf: string, direction: Float64Array): (Tensor | undefined)[] {
    const { type, shape } = this.valueOf(leaf, values);
    const tangents: SlotValues = new Array<Tensor | undefined>(this.names.length);
    tangents[this.slots.get(leaf)!] = { type, shape, data: direction };
    return this.push(values, tangents, this.downstream(leaf));
  }

  /** Derivatives of the targets along a direction of several leaves together. */
  differentiateJointly(values: SlotValues, directions: ReadonlyMap<string, Float64Array>): (Tensor | undefined)[] {
    const tangents: SlotValues = new Array<Tensor | undefined>(this.names.length);
    const steps = new Set<number>();
    for (const [leaf, direction] of directions) {
      const slot = this.slots.get(leaf);
      if (slot === undefined) continue;
      const { type, shape } = this.valueOf(leaf, values);
      tangents[slot] = { type, shape, data: direction };
      for (const k of this.downstream(leaf)) steps.add(k);
    }
    return this.push(values, tangents, Int32Array.from(steps).sort());
  }

  private push(values: SlotValues, tangents: SlotValues, steps: Int32Array): (Tensor | undefined)[] {
    for (const k of steps) {
      const { step, inputs, outputs } = this.instructions[k]!;
      const y = values[outputs[0]!];
      if (!y) continue;
      const x: (Tensor | undefined)[] = [];
      const dx: (Tensor | undefined)[] = [];
      let any = false;
      for (let i = 0; i < inputs.length; i++) {
        const s = inputs[i]!;
        x.push(s < 0 ? undefined : values[s]);
        const d = s < 0 ? undefined : tangents[s];
        dx.push(d);
        if (d) any = true;
      }
      if (any) tangents[outputs[0]!] = step.operator.tangent!(step.node, x, y, dx);
    }
    return Array.from(this.targetSlots, (s) => tangents[s]);
  }

  /**
   * The Jacobian of all target entries with respect to some leaves, by reverse mode: calls `row` for each target entry, in
   * order, with the gradients of the leaves (valid during the call only). `entries` chooses among those of all targets, which
   * are numbered through.
   */
  gradients(
    values: SlotValues,
    leaves: readonly string[],
    row: (index: number, gradients: readonly Float64Array[]) => void,
    entries?: Int32Array,
  ): void {
    const { steps, wanted, panels, dirty } = this.reverseSteps(leaves);
    const panel = (slot: number): Float64Array => {
      const known = panels[slot];
      const length = PANEL * values[slot]!.data.length;
      return known?.length === length ? known : (panels[slot] = new Float64Array(length));
    };
    for (const { instruction, derivatives } of steps) {
      const x = Array.from(instruction.inputs, (s) => (s < 0 ? undefined : values[s]));
      const y = values[instruction.outputs[0]!]!;
      for (const { derivative } of derivatives) derivative.prepare(x, y);
    }
    const slots = leaves.map((leaf) => this.slots.get(leaf)!);
    const gradients = slots.map((slot) => new Float64Array(values[slot]!.data.length));
    // Entries of several targets go back side by side.
    const rows: (readonly [target: number, entry: number])[] = [];
    if (entries) for (const e of entries) rows.push(this.locate(e, values));
    else for (const target of this.targetSlots) for (let e = 0; e < values[target]!.data.length; e++) rows.push([target, e]);
    for (let at = 0; at < rows.length; at += PANEL) {
      const together = rows.slice(at, at + PANEL);
      for (let s = 0; s < dirty.length; s++) {
        if (dirty[s]) panels[s]!.fill(0);
        dirty[s] = 0;
      }
      together.forEach(([target, entry], r) => {
        if (!wanted[target]) return;
        panel(target)[PANEL * entry + r] = 1;
        dirty[target] = 1;
      });
      for (let s = steps.length - 1; s >= 0; s--) {
        const { instruction, derivatives } = steps[s]!;
        const from = instruction.outputs[0]!;
        if (!dirty[from]) continue;
        for (const { slot, derivative } of derivatives) {
          derivative.pull(panels[from]!, panel(slot));
          dirty[slot] = 1;
        }
      }
      for (let r = 0; r < together.length; r++) {
        slots.forEach((slot, i) => gather(panels[slot], r, gradients[i]!));
        row(at + r, gradients);
      }
    }
  }

  /** Which target an entry of all of them belongs to, and its place there. */
  private locate(entry: number, values: SlotValues): readonly [target: number, entry: number] {
    let left = entry;
    for (const target of this.targetSlots) {
      const size = values[target]!.data.length;
      if (left < size) return [target, left];
      left -= size;
    }
    throw new RangeError(`the targets have no entry ${entry}`);
  }

  /** The instructions between the leaves and the targets, with the derivatives by those of their inputs that matter. */
  private reverseSteps(leaves: readonly string[]): Reversed {
    const key = leaves.join("\n");
    const known = this.reversed.get(key);
    if (known) return known;
    const wanted = new Uint8Array(this.names.length);
    for (const leaf of leaves) wanted[this.slots.get(leaf)!] = 1;
    const constant = (slot: number): boolean => this.constants[slot] !== undefined;
    const steps: ReverseStep[] = [];
    for (const instruction of this.instructions) {
      const { step, inputs, outputs } = instruction;
      if (!step.operator.tangent || outputs[0]! < 0) continue;
      const derivatives: { slot: number; derivative: LocalDerivative }[] = [];
      inputs.forEach((slot, operand) => {
        if (slot < 0 || !wanted[slot]) return;
        derivatives.push({ slot, derivative: localDerivative(step, operand, (k) => inputs[k]! < 0 || constant(inputs[k]!)) });
      });
      if (derivatives.length === 0) continue;
      wanted[outputs[0]!] = 1;
      steps.push({ instruction, derivatives });
    }
    const panels = new Array<Float64Array | undefined>(this.names.length);
    const out = { steps, wanted, panels, dirty: new Uint8Array(this.names.length) };
    this.reversed.set(key, out);
    return out;
  }

  /** Whether any target hangs on the leaf differentiably. */
  reaches(leaf: string): boolean {
    if (this.downstream(leaf).length > 0) return true;
    const slot = this.slots.get(leaf);
    return slot !== undefined && this.targetSlots.includes(slot);
  }

  /** Number of elements of all targets together. */
  get targetSize(): number {
    return this.targets.reduce((n, t) => n + elementCount(this.network.shape(t)), 0);
  }
}

/** One vector of a panel; zeros where there is no panel. */
function gather(panel: Float64Array | undefined, r: number, to: Float64Array): void {
  if (!panel) to.fill(0);
  else for (let i = 0, at = r; i < to.length; i++, at += PANEL) to[i] = panel[at]!;
}

/** @file Looks at applications that work entry by entry, some of them along some axes only. */
import { type Application, COMMUTATIVE, reflection } from "./nodes";
import { coordinatesOf, indexOf } from "./movements";
import { sameSlot, type Slot } from "./slots";
import { isSame, NoExchange } from "./state";
import { PLAIN, type Relation, slotOf, Step } from "./step";

/** Places of one result that are looked at for what changes in an operand. */
const MOST_PLACES = 65_536;

interface Partner {
  readonly application: Application;
  readonly index: number;
  readonly relation: Relation;
}

/** One look at an application entry by entry. */
export class EntrywiseStep extends Step {
  /** Axes of the result along which anything changes. */
  protected alignedAxes(): number[] {
    const { own, state, slots } = this;
    const rank = slots.shape(own.output)!.length;
    const out = new Set(state.wantedAxes(own).flat());
    for (const [value, axes] of state.touchedAxes(own)) for (const a of axes) out.add(a + rank - slots.shape(value)!.length);
    return [...out].sort((a, b) => a - b);
  }

  /** An operand's own axes of these of the result, and its index there. */
  private operandAxes(value: number, axes: readonly number[]): number[] {
    const shape = this.slots.shape(value)!;
    const rank = this.slots.shape(this.own.output)!.length;
    return axes.map((a) => a - rank + shape.length).filter((a) => a >= 0 && shape[a]! > 1);
  }

  private operandSlot(value: number, axes: readonly number[], at: readonly number[]): Slot {
    const shape = this.slots.shape(value)!;
    const shift = this.slots.shape(this.own.output)!.length - shape.length;
    const own = this.operandAxes(value, axes);
    const index = indexOf(
      own.map((a) => at[axes.indexOf(a + shift)]!),
      own.map((a) => shape[a]!),
    );
    return this.slots.origin(value, own, index);
  }

  protected changedPositions(axes: readonly number[]): number[] {
    const { own, state } = this;
    const out = new Set(state.changed(own.output, axes));
    for (const value of new Set(own.operands)) {
      const along = this.operandAxes(value, axes);
      const changed = state.changed(value, along);
      for (const p of this.spread(value, along, axes, changed)) out.add(p);
    }
    return [...out].sort((a, b) => a - b);
  }

  /** Indices of the result along some axes that read an operand at one of these indices along its own of them. */
  private spread(value: number, along: readonly number[], axes: readonly number[], indices: readonly number[]): number[] {
    const { own, slots } = this;
    const shift = slots.shape(own.output)!.length - slots.shape(value)!.length;
    const sizes = slots.sizes(own.output, axes);
    const others = axes.filter((a) => !along.includes(a - shift));
    const otherSizes = slots.sizes(own.output, others);
    const count = otherSizes.reduce((n, d) => n * d, 1);
    if (indices.length * count > MOST_PLACES) throw new NoExchange("too many places");
    return indices.flatMap((index) => {
      const at = new Map(coordinatesOf(index, slots.sizes(value, along)).map((c, i) => [along[i]! + shift, c]));
      return Array.from({ length: count }, (_, k) => {
        coordinatesOf(k, otherSizes).forEach((c, i) => at.set(others[i]!, c));
        return indexOf(
          axes.map((a) => at.get(a)!),
          sizes,
        );
      });
    });
  }

  take(): void {
    const { own, state, slots } = this;
    const axes = this.alignedAxes();
    const allowed = own.passing.kind === "entries" ? own.passing.axes : undefined;
    if (allowed && axes.some((a) => !allowed.includes(a))) throw new NoExchange("places are told apart");
    for (const p of this.changedPositions(axes)) {
      const result = slotOf(own.output, axes, p);
      const wanted = state.image(result);
      if (!isSame(wanted, result)) {
        const other = state.applications.of(slots.numbering.writer(wanted.value));
        if (!this.isLike(other) || other.output !== wanted.value) throw new NoExchange("written differently");
        this.pair(new EntrywiseStep(state, other).operandsAt(axes, wanted.index), wanted, axes, p);
        continue;
      }
      const found = this.partner(axes, p);
      this.pair(new EntrywiseStep(state, found.application).operandsAt(axes, found.index), found.relation, axes, p);
      const { sign, offset } = found.relation;
      state.want(result, slotOf(found.application.output, axes, found.index), sign, offset);
    }
  }

  /** Another place of this application, or of one like it, whose operands were what they are here after the exchange. */
  private partner(axes: readonly number[], p: number): Partner {
    const { own, state } = this;
    const before = this.operandsAt(axes, p);
    const after = before.map((s) => state.image(s));
    const candidates: { readonly application: Application; readonly index: number }[] = [];
    after.forEach((slot, k) => {
      if (isSame(slot, before[k]!)) return;
      for (const { application, value } of state.readers(slot.value, slot.axes)) {
        if (!this.isLike(application)) continue;
        for (const index of new EntrywiseStep(state, application).positionsOf(value, axes, slot))
          candidates.push({ application, index });
      }
    });
    candidates.unshift({ application: own, index: p });
    for (const wish of [false, true]) {
      let best: Partner | undefined;
      for (const { application, index } of candidates) {
        if (wish && application === own && index === p) continue;
        const relation = this.relation(before, new EntrywiseStep(state, application).operandsAt(axes, index), wish);
        if (!relation || (best && !isPlain(relation))) continue;
        best = { application, index, relation };
        if (isPlain(relation)) return best;
      }
      if (best) return best;
    }
    throw new NoExchange("no place of its own");
  }

  /** Positions of the result along the axes where an operand is a slot. */
  private positionsOf(value: number, axes: readonly number[], slot: Slot): number[] {
    const along = this.operandAxes(value, axes);
    const found = this.slots.indices(value, along, slot).filter((i) => sameSlot(this.slots.origin(value, along, i), slot));
    return this.spread(value, along, axes, found);
  }

  private operandsAt(axes: readonly number[], index: number): Slot[] {
    const at = coordinatesOf(index, this.slots.sizes(this.own.output, axes));
    return this.own.operands.map((v) => this.operandSlot(v, axes, at));
  }

  /**
   * The relation between this application of some operands, after the exchange, and its application of others; with `wish`
   * operands that do not change yet may still become what they should be.
   */
  private relation(before: readonly Slot[], there: readonly Slot[], wish: boolean): Relation | undefined {
    const after = before.map((s) => this.state.image(s));
    const pairs = this.pairing(after, there);
    if (!pairs) return undefined;
    const signs: (number | undefined)[] = [];
    for (const [k, l] of pairs.entries()) {
      const sign = this.signBetween(after[k]!, there[l]!);
      if (sign === undefined && (!wish || !isSame(before[k]!, after[k]!) || this.isFixed(before[k]!))) return undefined;
      signs.push(sign);
    }
    if (signs.every((x) => x === undefined)) return undefined;
    return this.combine(signs, pairs);
  }

  /** The relation of results whose operands have these signs to one another; those that are not known will do what it takes. */
  private combine(signs: readonly (number | undefined)[], pairs: readonly number[]): Relation | undefined {
    const { node } = this.own;
    const known = signs.flatMap((x) => x ?? []);
    if (signs.length === 1) return known[0] === -1 ? reflection(node) : PLAIN;
    const first = known[0] ?? 1;
    if (node.operator === "Mul" || node.operator === "Div") return { sign: known.reduce((n, x) => n * x, 1), offset: 0 };
    if (node.operator === "Add" || node.operator === "Sub") {
      if (known.some((x) => x !== first)) return undefined;
      return { sign: node.operator === "Sub" && pairs[0] === 1 ? -first : first, offset: 0 };
    }
    if (known.every((x) => x === 1)) return PLAIN;
    const exponent = this.slots.number(this.own.operands[1]!);
    if (node.operator !== "Pow" || exponent === undefined || !Number.isInteger(exponent)) return undefined;
    return signs[1] === 1 ? { sign: exponent % 2 === 0 ? 1 : -1, offset: 0 } : undefined;
  }

  /** Which operand there each operand becomes. */
  private pairing(after: readonly Slot[], there: readonly Slot[]): number[] | undefined {
    const { operator } = this.own.node;
    const inOrder = after.map((_, k) => k);
    const fits = (k: number, l: number): boolean => this.signBetween(after[k]!, there[l]!) !== undefined;
    if (after.length === 1 || inOrder.every((k) => fits(k, k))) return inOrder;
    if (operator === "Sub") return fits(0, 1) && fits(1, 0) ? [1, 0] : inOrder;
    if (!COMMUTATIVE.has(operator)) return inOrder;
    const out = after.map(() => -1);
    const free = new Set(inOrder);
    const assign = (test: (k: number, l: number) => boolean): void => {
      for (const k of inOrder) {
        if (out[k] !== -1) continue;
        const l = free.has(k) && test(k, k) ? k : [...free].find((at) => test(k, at));
        if (l === undefined) continue;
        out[k] = l;
        free.delete(l);
      }
    };
    assign(fits);
    assign((k, l) => this.kind(after[k]!) === this.kind(there[l]!));
    return out.includes(-1) ? undefined : out;
  }

  /** What wrote a slot, in words: operands of one kind may become one another. */
  private kind(slot: Slot): string {
    const { slots, state } = this;
    const made = state.parameter(slot.value) ? "parameter" : (slots.writer(slot.value)?.operator ?? `${slot.value}`);
    return `${made} ${String(slots.shape(slot.value))} ${slot.axes.join()} ${slot.layout}`;
  }

  /** Wants of operands what makes the result what it should be: the relation to an application of other operands. */
  private pair(there: readonly Slot[], wanted: Relation, axes: readonly number[], p: number): void {
    const before = this.operandsAt(axes, p);
    const after = before.map((s) => this.state.image(s));
    const pairs = this.pairing(after, there);
    if (!pairs) throw new NoExchange("operands differ");
    const signs: (number | undefined)[] = pairs.map((l, k) => this.signBetween(after[k]!, there[l]!));
    const mayChange = (k: number): boolean => isSame(before[k]!, after[k]!) && !this.isFixed(before[k]!);
    const meets = (): boolean => {
      const r = this.combine(signs, pairs);
      return r !== undefined && r.sign === wanted.sign && r.offset === wanted.offset;
    };
    const open = signs.flatMap((x, k) => (x === undefined ? [k] : []));
    if (!open.every(mayChange)) throw new NoExchange("operands differ");
    for (const k of open) signs[k] = 1;
    const changeable = [...open, ...pairs.keys()].filter((k, i, all) => mayChange(k) && all.indexOf(k) === i);
    const isSum = this.own.node.operator === "Add" || this.own.node.operator === "Sub";
    if (!meets()) {
      // A sum takes all signs, everything else one.
      for (const change of isSum ? [changeable] : changeable.map((k) => [k])) {
        for (const k of change) signs[k] = -signs[k]!;
        if (meets()) break;
        for (const k of change) signs[k] = -signs[k]!;
      }
      if (!meets()) throw new NoExchange("signs differ");
    }
    for (const [k, l] of pairs.entries()) if (mayChange(k)) this.state.want(before[k]!, there[l]!, signs[k]!, 0);
  }
}

function isPlain(r: Relation): boolean {
  return r.sign === 1 && r.offset === 0;
}

/** @file What looks at all kinds of applications share. */
import { ABSENT } from "../../graph/numbering";
import { type Application, reflection, sameOperator } from "./nodes";
import { type Slot, sameSlot } from "./slots";
import { type ExchangeState, isSame, NoExchange } from "./state";

/** f of the operands after the exchange is sign times f of some operands before it, and an offset. */
export interface Relation {
  readonly sign: number;
  readonly offset: number;
}

/** f of the operands after the exchange is f of some operands before it. */
export const PLAIN: Relation = { sign: 1, offset: 0 };

/** A value at one index of some of its axes, as it is. */
export function slotOf(value: number, axes: readonly number[], index: number): Slot {
  return { value, axes, index, layout: "", sign: 1, offset: 0 };
}

/** One look at one application. */
export abstract class Step {
  constructor(
    protected readonly state: ExchangeState,
    protected readonly own: Application,
  ) {}

  /** Wants of operands and result what the exchange makes of one another. @throws NoExchange where that is a contradiction */
  abstract take(): void;

  protected get slots() {
    return this.state.slots;
  }

  protected isLike(other: Application): boolean {
    const { own, slots } = this;
    return (
      other === own ||
      (sameOperator(other.node, own.node) &&
        other.operands.length === own.operands.length &&
        String(slots.shape(other.output)) === String(slots.shape(own.output)) &&
        (own.passing.kind !== "reduction" || other.operands.slice(1).every((o, k) => this.isEqual(o, own.operands[k + 1]!))))
    );
  }

  /** Whether two constants are equal. */
  private isEqual(a: number, b: number): boolean {
    const { constants } = this.slots.numbering;
    return a === b || (constants[a] !== undefined && String(constants[a].data) === String(constants[b]?.data));
  }

  protected isFixed(slot: Slot): boolean {
    return this.slots.numbering.writer(slot.value) === ABSENT && this.state.parameter(slot.value)?.trainable !== true;
  }

  /** s where one slot is s times another; undefined where neither 1 nor -1 is. */
  protected signBetween(a: Slot, b: Slot): number | undefined {
    const number = this.slots.number(a.value);
    if (!sameSlot(a, b) && (number === undefined || number !== this.slots.number(b.value))) return undefined;
    const sign = a.sign * b.sign;
    return a.offset === sign * b.offset ? sign : undefined;
  }

  /** A function of one operand at one index of it, which is that of the result. */
  protected unary(
    value: number,
    axes: readonly number[],
    p: number,
    result: Slot,
    wanted: Slot,
    outAxes: readonly number[],
  ): void {
    const { own, state, slots } = this;
    const before = slots.origin(value, axes, p);
    const after = state.image(before);
    if (!isSame(wanted, result)) {
      const other = state.applications.of(slots.numbering.writer(wanted.value));
      if (!this.isLike(other) || other.output !== wanted.value) throw new NoExchange("written differently");
      const there = slots.origin(other.operands[0]!, axes, wanted.index);
      const sign = this.signBetween(after, there);
      const isOpen = isSame(before, after);
      for (const wish of sign === undefined || isOpen ? [sign ?? 1, -(sign ?? 1)] : [sign]) {
        const r = wish === 1 ? PLAIN : reflection(own.node);
        if (r?.sign !== wanted.sign || r.offset !== wanted.offset) continue;
        if (wish !== sign) {
          if (!isOpen) break;
          state.want(before, there, wish, 0);
        }
        return;
      }
      throw new NoExchange("operands differ");
    }
    for (const { application, value: read } of [{ application: own, value }, ...state.readers(after.value, after.axes)]) {
      if (!this.isLike(application) || application.operands[0] !== read) continue;
      for (const i of slots.indices(read, axes, after)) {
        const sign = this.signBetween(after, slots.origin(read, axes, i));
        const r = sign === 1 ? PLAIN : sign === -1 ? reflection(own.node) : undefined;
        if (r) return state.want(result, slotOf(application.output, outAxes, i), r.sign, r.offset);
      }
    }
    throw new NoExchange("no place of its own");
  }
}

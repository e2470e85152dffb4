/** @file Looks at softmaxes. */
import { EntrywiseStep } from "./entrywise";
import type { Application } from "./nodes";
import { coordinatesOf } from "./movements";
import { type ExchangeState, isSame, NoExchange } from "./state";
import { slotOf } from "./step";

/** One look at a softmax along an axis: what it normalises together stays together. */
export class NormalisedStep extends EntrywiseStep {
  constructor(
    state: ExchangeState,
    own: Application,
    private readonly axis: number,
  ) {
    super(state, own);
  }

  override take(): void {
    const { own, state, slots, axis } = this;
    const axes = this.alignedAxes();
    const sizes = slots.sizes(own.output, axes);
    const value = own.operands[0]!;
    for (const p of this.changedPositions(axes)) {
      const result = slotOf(own.output, axes, p);
      const wanted = state.image(result);
      if (!axes.includes(axis)) {
        this.unary(value, axes, p, result, wanted, axes);
        continue;
      }
      const before = slots.origin(value, axes, p);
      const after = state.image(before);
      const isOpen = isSame(before, after);
      const isWanted = !isSame(wanted, result);
      if (isWanted && (wanted.value !== own.output || wanted.sign !== 1 || wanted.offset !== 0))
        throw new NoExchange("normalised apart");
      const goal = isWanted
        ? wanted.index
        : slots.indices(value, axes, after).find((i) => isSame(slots.origin(value, axes, i), after));
      if (goal === undefined) throw new NoExchange("not what is normalised");
      const there = slots.origin(value, axes, goal);
      const [from, to] = [coordinatesOf(p, sizes), coordinatesOf(goal, sizes)];
      if (axes.some((a, i) => a !== axis && from[i] !== to[i])) throw new NoExchange("normalised apart");
      if (isOpen && this.signBetween(there, before) === undefined) state.want(before, there, 1, 0);
      else if (!isSame(after, there)) throw new NoExchange("operands differ");
      if (!isWanted) state.want(result, slotOf(own.output, axes, goal), 1, 0);
    }
  }
}

/** @file Looks at reductions. */
import type { Application } from "./nodes";
import { reflection } from "./nodes";
import { coordinatesOf, indexOf } from "./movements";
import { sameSlot } from "./slots";
import { type ExchangeState, isSame, NoExchange } from "./state";
import { PLAIN, slotOf, Step } from "./step";

type Reduction = Extract<Application["passing"], { kind: "reduction" }>;

/** One look at a reduction: what it reduces together stays together, in any order. */
export class ReductionStep extends Step {
  constructor(
    state: ExchangeState,
    own: Application,
    private readonly passing: Reduction,
  ) {
    super(state, own);
  }

  take(): void {
    const { own, state, slots, passing } = this;
    const value = own.operands[0]!;
    if (state.touchedAxes(own).some(([v]) => v !== value)) throw new NoExchange("axes change");
    const rank = slots.shape(value)!.length;
    const kept = Array.from({ length: rank }, (_, a) => a).filter((a) => !passing.over.includes(a));
    const outAxis = (a: number): number => (passing.keeps ? a : kept.indexOf(a));
    const fromOut = state.wantedAxes(own).flatMap((axes) => axes.map((o) => (passing.keeps ? o : kept[o]!)));
    const axes = [...new Set([...state.touchedAxes(own).flatMap(([, a]) => a), ...fromOut])].sort((a, b) => a - b);
    const inside = axes.filter((a) => passing.over.includes(a));
    const outside = axes.filter((a) => !passing.over.includes(a));
    const outAxes = outside.map(outAxis);
    const sizes = slots.sizes(value, axes);
    const outSizes = slots.sizes(own.output, outAxes);
    const outOf = (i: number): number => {
      const at = coordinatesOf(i, sizes);
      return indexOf(
        outside.map((a) => at[axes.indexOf(a)]!),
        outSizes,
      );
    };
    const origins = Array.from({ length: sizes.reduce((n, d) => n * d, 1) }, (_, i) => slots.origin(value, axes, i));
    const groups = new Map<number, number[]>();
    origins.forEach((_, i) => {
      const list = groups.get(outOf(i));
      if (list) list.push(i);
      else groups.set(outOf(i), [i]);
    });
    const positions = new Set([...state.changed(own.output, outAxes), ...state.changed(value, axes).map(outOf)]);
    for (const q of positions) {
      const result = slotOf(own.output, outAxes, q);
      const wanted = state.image(result);
      if (inside.length === 0) {
        this.unary(value, axes, q, result, wanted, outAxes);
        continue;
      }
      const after = groups.get(q)!.map((i) => state.image(origins[i]!));
      const found = slots.indices(value, axes, after[0]!).find((i) => sameSlot(origins[i]!, after[0]!));
      if (found === undefined) throw new NoExchange("not what is reduced");
      const goal = outOf(found);
      const there = groups.get(goal)!.map((i) => origins[i]!);
      const sign = this.signBetween(after[0]!, origins[found]!);
      const reflected = sign === 1 ? PLAIN : sign === -1 ? reflection(own.node) : undefined;
      const matched = new Set(after.map((s) => there.findIndex((t) => this.signBetween(s, t) === sign)));
      if (!reflected || matched.has(-1) || matched.size !== there.length) throw new NoExchange("parts are reduced apart");
      const held = slotOf(own.output, outAxes, goal);
      if (isSame(wanted, result)) state.want(result, held, reflected.sign, reflected.offset);
      else if (!isSame(wanted, { ...held, sign: reflected.sign, offset: reflected.offset }))
        throw new NoExchange("reduced to something else");
    }
  }
}

/** @file Looks at applications as wholes. */
import { isSymmetric } from "./nodes";
import { sameSlot, type Slot } from "./slots";
import { isSame, NoExchange } from "./state";
import { slotOf, Step } from "./step";

/** One look at an application of which nothing is known, or nothing is needed, of parts: as a whole it becomes that of other operands. */
export class WholeStep extends Step {
  take(): void {
    const { own, state, slots } = this;
    if (own.passing.kind !== "contraction") {
      for (const axes of [...state.wantedAxes(own), ...state.touchedAxes(own).map(([, a]) => a)])
        if (axes.length > 0) throw new NoExchange("places are told apart");
    }
    const result = slotOf(own.output, [], 0);
    const isBilinear = own.passing.kind === "contraction";
    const wholeOf = (v: number): Slot => slots.origin(v, [], 0);
    const wanted = state.image(result);
    const before = own.operands.map(wholeOf);
    const after = before.map((s) => state.image(s));
    const isWanted = !isSame(wanted, result);
    let goal = own;
    if (isWanted) goal = state.applications.of(slots.numbering.writer(wanted.value));
    else {
      const leader = after.findIndex((s, k) => !isSame(s, before[k]!) && !sameSlot(s, before[k]!));
      if (leader >= 0) {
        const places = isSymmetric(own) ? [leader, 1 - leader] : [leader];
        const like = state
          .readers(after[leader]!.value, after[leader]!.axes)
          .find(
            (v) =>
              this.isLike(v.application) && places.some((k) => sameSlot(wholeOf(v.application.operands[k]!), after[leader]!)),
          );
        if (!like) throw new NoExchange("no application of its own");
        goal = like.application;
      }
    }
    if (!this.isLike(goal)) throw new NoExchange("written differently");
    let there = goal.operands.map(wholeOf);
    const mayChange = (k: number): boolean => isSame(before[k]!, after[k]!) && !this.isFixed(before[k]!);
    const signsTo = (goals: readonly Slot[]) => after.map((s, k) => this.signBetween(s, goals[k]!));
    let signs = signsTo(there);
    if (isSymmetric(own) && signs.some((s, k) => s === undefined && !mayChange(k))) {
      there = [...there].reverse();
      signs = signsTo(there);
    }
    if (signs.some((s, k) => s === undefined && !mayChange(k))) throw new NoExchange("operands differ");
    let product = signs.reduce<number>((n, s) => n * (s ?? 1), 1);
    if (!isBilinear && signs.includes(-1)) throw new NoExchange("signs are seen");
    const goalSign = isWanted ? wanted.sign : 1;
    if (isWanted && wanted.offset !== 0) throw new NoExchange("an offset");
    const flips = product === goalSign ? -1 : after.findIndex((_, k) => mayChange(k) && isBilinear);
    if (product !== goalSign && flips < 0 && isWanted) throw new NoExchange("signs differ");
    for (const k of after.keys()) {
      const sign = (signs[k] ?? 1) * (k === flips ? -1 : 1);
      if (mayChange(k)) state.want(before[k]!, there[k]!, sign, 0);
    }
    if (flips >= 0) product = goalSign;
    if (!isWanted) state.want(result, slotOf(goal.output, [], 0), product, 0);
  }
}

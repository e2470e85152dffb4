/** @file Looks at sums of products. */
import type { Application } from "./nodes";
import { coordinatesOf, indexOf } from "./movements";
import { sameSlot, type Slot } from "./slots";
import { type ExchangeState, isSame, NoExchange } from "./state";
import { slotOf, Step } from "./step";
import { WholeStep } from "./whole";

type Contraction = Extract<Application["passing"], { kind: "contraction" }>;

/** One look at a sum of products. */
export class ContractionStep extends Step {
  constructor(
    state: ExchangeState,
    own: Application,
    private readonly passing: Contraction,
  ) {
    super(state, own);
  }

  take(): void {
    const { own, state, passing } = this;
    const families = new Map<string, readonly string[]>();
    const add = (labels: readonly string[]): void => {
      if (labels.includes("")) throw new NoExchange("places are told apart");
      families.set([...labels].sort().join(), labels);
    };
    for (const [value, axes] of state.touchedAxes(own))
      own.operands.forEach((v, k) => {
        if (v === value) add(axes.map((a) => passing.labels[k]![a]!));
      });
    for (const axes of state.wantedAxes(own)) add(axes.map((a) => passing.output[a]!));
    for (const labels of families.values()) {
      if (labels.length === 0) new WholeStep(state, own).take();
      else if (labels.every((l) => passing.output.includes(l))) this.free(passing, labels);
      else if (labels.some((l) => passing.output.includes(l))) throw new NoExchange("part summed, part not");
      else this.summed(passing, labels);
    }
  }

  private axesOf(all: readonly string[], labels: readonly string[]): number[] {
    return all.flatMap((l, a) => (labels.includes(l) ? [a] : []));
  }

  /** The index along some labels of an operand, from the coordinates by label. */
  private along(value: number, all: readonly string[], at: ReadonlyMap<string, number>): { axes: number[]; index: number } {
    const axes = this.axesOf(all, [...at.keys()]);
    const index = indexOf(
      axes.map((a) => at.get(all[a]!)!),
      this.slots.sizes(value, axes),
    );
    return { axes, index };
  }

  private coordinates(value: number, all: readonly string[], axes: readonly number[], index: number): Map<string, number> {
    const at = coordinatesOf(index, this.slots.sizes(value, axes));
    return new Map(axes.map((a, i) => [all[a]!, at[i]!]));
  }

  /** Terms of the sum change places: both factors of each go along. */
  private summed({ labels: all }: Contraction, labels: readonly string[]): void {
    const { own, state, slots } = this;
    const { operands } = own;
    if (all.some((l) => labels.some((x) => !l.includes(x)))) throw new NoExchange("summed in one operand");
    const terms = new Map<string, Map<string, number>>();
    operands.forEach((v, k) => {
      const axes = this.axesOf(all[k]!, labels);
      for (const i of state.changed(v, axes)) {
        const at = this.coordinates(v, all[k]!, axes, i);
        terms.set(labels.map((l) => at.get(l)).join(), at);
      }
    });
    const goals = new Set<string>();
    for (const at of terms.values()) {
      const before = operands.map((v, k) => {
        const { axes, index } = this.along(v, all[k]!, at);
        return slots.origin(v, axes, index);
      });
      const after = before.map((s) => state.image(s, true));
      const leader = after.findIndex((s, k) => !isSame(s, before[k]!));
      const goal = this.term(all, labels, leader, after[leader]!);
      goals.add(labels.map((l) => goal.get(l)).join());
      const there = operands.map((v, k) => {
        const { axes, index } = this.along(v, all[k]!, goal);
        return slots.origin(v, axes, index);
      });
      const signs = after.map((s, k) => this.signBetween(s, there[k]!));
      const other = 1 - leader;
      if (signs[leader] === undefined) throw new NoExchange("an offset is summed");
      if (isSame(before[other]!, after[other]!)) state.want(before[other]!, there[other]!, signs[leader]!, 0);
      else if (signs[other] !== signs[leader]) throw new NoExchange("factors of a term part");
    }
    if (goals.size !== terms.size || [...goals].some((g) => !terms.has(g))) throw new NoExchange("terms get lost");
  }

  /** The term of the sum whose factor a slot was. */
  private term(
    all: readonly (readonly string[])[],
    labels: readonly string[],
    operand: number,
    slot: Slot,
  ): ReadonlyMap<string, number> {
    const { slots } = this;
    const value = this.own.operands[operand]!;
    const axes = this.axesOf(all[operand]!, labels);
    for (const i of slots.indices(value, axes, slot)) {
      if (sameSlot(slots.origin(value, axes, i), slot)) return this.coordinates(value, all[operand]!, axes, i);
    }
    throw new NoExchange("not a term of the sum");
  }

  /** Parts of the result change as the parts of the operands do that they are made of. */
  private free({ labels: all, output }: Contraction, labels: readonly string[]): void {
    const { own, state, slots } = this;
    const axes = this.axesOf(output, labels);
    const positions = new Set(state.changed(own.output, axes));
    const involved = own.operands.flatMap((_, k) => (all[k]!.some((l) => labels.includes(l)) ? [k] : []));
    for (const k of involved) {
      if (labels.some((l) => !all[k]!.includes(l))) throw new NoExchange("parts of several operands at once");
      const along = this.axesOf(all[k]!, labels);
      for (const i of state.changed(own.operands[k]!, along))
        positions.add(this.along(own.output, output, this.coordinates(own.operands[k]!, all[k]!, along, i)).index);
    }
    const slotAt = (application: Application, k: number, p: number): Slot => {
      const at = this.coordinates(own.output, output, axes, p);
      const place = this.along(application.operands[k]!, all[k]!, at);
      return slots.origin(application.operands[k]!, place.axes, place.index);
    };
    for (const p of positions) {
      const result = slotOf(own.output, axes, p);
      const wanted = state.image(result);
      const before = involved.map((k) => slotAt(own, k, p));
      const after = before.map((s) => state.image(s, true));
      let [goal, index, sign] = [own, p, 1];
      const isWanted = !isSame(wanted, result);
      if (isWanted) {
        goal = state.applications.of(slots.numbering.writer(wanted.value));
        [index, sign] = [wanted.index, wanted.sign];
        if (!this.isLike(goal) || goal.output !== wanted.value || wanted.offset !== 0)
          throw new NoExchange("written differently");
        this.equalOperands(
          own.operands.flatMap((_, k) => (involved.includes(k) ? [] : [k])),
          goal,
        );
      } else {
        const leader = after.findIndex((s, i) => !isSame(s, before[i]!));
        if (leader < 0) continue;
        const at = this.term(all, labels, involved[leader]!, after[leader]!);
        index = this.along(own.output, output, at).index;
      }
      const there = involved.map((k) => slotAt(goal, k, index));
      const signs = after.map((s, i) => this.signBetween(s, there[i]!));
      const isFree = (i: number): boolean => isSame(after[i]!, before[i]!) && !this.isFixed(before[i]!);
      if (signs.some((s, i) => s === undefined && !isFree(i))) throw new NoExchange("operands differ");
      const product = signs.reduce<number>((n, s) => n * (s ?? 1), 1);
      if (isWanted && product !== sign) {
        const i = signs.findIndex((s, at) => s === undefined || isFree(at));
        if (i < 0) throw new NoExchange("signs differ");
        state.want(before[i]!, there[i]!, -(signs[i] ?? 1), 0);
        signs[i] ??= 1;
        signs.forEach((s, at) => void (s === undefined && at !== i && state.want(before[at]!, there[at]!, 1, 0)));
      } else signs.forEach((s, i) => void (s === undefined && state.want(before[i]!, there[i]!, 1, 0)));
      if (!isWanted) state.want(result, slotOf(own.output, axes, index), product, 0);
    }
  }

  /** Wants operands, as wholes, to be what they are in another application. */
  private equalOperands(which: readonly number[], goal: Application): void {
    const { own, state, slots } = this;
    if (goal === own) return;
    for (const k of which) {
      const [before, there] = [slots.origin(own.operands[k]!, [], 0), slots.origin(goal.operands[k]!, [], 0)];
      // One value in both is one value after the exchange too.
      if (isSame(before, there)) continue;
      const after = state.image(before);
      if (isSame(after, there)) continue;
      if (!isSame(before, after)) throw new NoExchange("operands differ");
      state.want(before, there, 1, 0);
    }
  }
}

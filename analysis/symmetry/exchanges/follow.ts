/**
 * @file Follows an exchange through the network: from images of some slots to those that every reader and writer of them then
 * wants, down to weights, until all agree. What is found leaves every output as it is: each application was seen to give, of
 * what its operands hold after the exchange, what its result is said to hold.
 */
import { ABSENT } from "../../graph/numbering";
import { operatorTable } from "../../operators/table";
import { type Application, COMMUTATIVE, reflection, sameOperator } from "./nodes";
import { type ExchangeState, isSame, NoExchange } from "./state";
import { coordinatesOf, indexOf, sameSlot, type Slot, slotKey } from "./slots";

/** Applications that are looked at before giving up. */
const MOST_STEPS = 3000;

/** The same of all exchanges of a graph together: it is large, or many places look alike and are not. */
const MOST_LOOKS = 300_000;

type Contraction = Extract<Application["passing"], { kind: "contraction" }>;
type Reduction = Extract<Application["passing"], { kind: "reduction" }>;

/** f of the operands after the exchange is sign times f of some operands before it, and an offset. */
interface Relation {
  readonly sign: number;
  readonly offset: number;
}

const PLAIN: Relation = { sign: 1, offset: 0 };

/** Follows what is wanted of a state to its end. @throws NoExchange where it contradicts itself */
export function follow(state: ExchangeState): void {
  let steps = 0;
  for (;;) {
    const next = state.pending.values().next();
    if (next.done) return;
    state.pending.delete(next.value);
    if (steps++ > MOST_STEPS || state.applications.looks++ > MOST_LOOKS) throw new NoExchange("too far");
    new Step(state, next.value).take();
  }
}

/** One look at one application. */
class Step {
  constructor(
    private readonly state: ExchangeState,
    private readonly own: Application,
  ) {}

  private get slots() {
    return this.state.slots;
  }

  take(): void {
    const { passing, node } = this.own;
    if (operatorTable(node.operator, node.domain)?.random === true) throw new NoExchange("drawn anew");
    if (passing.kind === "entries") this.entries(passing.axes);
    else if (passing.kind === "contraction") this.contraction(passing);
    else if (passing.kind === "reduction") this.reduction(passing);
    else if (passing.kind === "normalised") this.normalised(passing.axis);
    else this.whole();
  }

  // Entry by entry

  /** Axes of the result along which anything changes. */
  private alignedAxes(): number[] {
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
    return this.slots.origins(value, own)[index]!;
  }

  private changedPositions(axes: readonly number[]): number[] {
    const { own, state, slots } = this;
    const sizes = slots.sizes(own.output, axes);
    const out = new Set(state.changed(own.output, axes));
    const rank = slots.shape(own.output)!.length;
    for (const value of new Set(own.operands)) {
      const along = this.operandAxes(value, axes);
      const changed = state.changed(value, along);
      if (changed.length === 0) continue;
      const shift = rank - slots.shape(value)!.length;
      const others = axes.filter((a) => !along.includes(a - shift));
      const otherSizes = slots.sizes(own.output, others);
      const count = otherSizes.reduce((n, d) => n * d, 1);
      for (const index of changed) {
        const at = new Map(coordinatesOf(index, slots.sizes(value, along)).map((c, i) => [along[i]! + shift, c]));
        for (let k = 0; k < count; k++) {
          coordinatesOf(k, otherSizes).forEach((c, i) => at.set(others[i]!, c));
          out.add(
            indexOf(
              axes.map((a) => at.get(a)!),
              sizes,
            ),
          );
        }
      }
    }
    return [...out].sort((a, b) => a - b);
  }

  private entries(allowed: readonly number[] | undefined): void {
    const { own, state, slots } = this;
    const axes = this.alignedAxes();
    if (allowed && axes.some((a) => !allowed.includes(a))) throw new NoExchange("places are told apart");
    for (const p of this.changedPositions(axes)) {
      const result = slotOf(own.output, axes, p);
      const wanted = state.image(result);
      if (!isSame(wanted, result)) {
        const other = state.applications.of(slots.numbering.writer(wanted.value));
        if (!this.isLike(other) || other.output !== wanted.value) throw new NoExchange("written differently");
        this.pair(new Step(state, other).operandsAt(axes, wanted.index), wanted, axes, p);
        continue;
      }
      const found = this.partner(axes, p);
      this.pair(new Step(state, found.application).operandsAt(axes, found.index), found.relation, axes, p);
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
        for (const index of new Step(state, application).positionsOf(value, axes, slot)) candidates.push({ application, index });
      }
    });
    candidates.unshift({ application: own, index: p });
    for (const wish of [false, true]) {
      let best: Partner | undefined;
      for (const { application, index } of candidates) {
        if (wish && application === own && index === p) continue;
        const relation = this.relation(before, new Step(state, application).operandsAt(axes, index), wish);
        if (!relation || (best && !isPlain(relation))) continue;
        best = { application, index, relation };
        if (isPlain(relation)) return best;
      }
      if (best) return best;
    }
    throw new NoExchange("no place of its own");
  }

  private isLike(other: Application): boolean {
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

  /** Positions of the result along the axes where an operand is a slot. */
  private positionsOf(value: number, axes: readonly number[], slot: Slot): number[] {
    const { own, slots } = this;
    const along = this.operandAxes(value, axes);
    const shift = slots.shape(own.output)!.length - slots.shape(value)!.length;
    const found = (slots.indices(value, along).get(slotKey(slot)) ?? []).filter((i) =>
      sameSlot(slots.origins(value, along)[i]!, slot),
    );
    const sizes = slots.sizes(own.output, axes);
    const out: number[] = [];
    const count = sizes.reduce((n, d) => n * d, 1);
    const wanted = new Set(found);
    if (wanted.size === 0 || count > 65_536) return out;
    for (let p = 0; p < count; p++) {
      const at = coordinatesOf(p, sizes);
      const index = indexOf(
        along.map((a) => at[axes.indexOf(a + shift)]!),
        slots.sizes(value, along),
      );
      if (wanted.has(index)) out.push(p);
    }
    return out;
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

  private isFixed(slot: Slot): boolean {
    return this.slots.numbering.writer(slot.value) === ABSENT && this.state.parameter(slot.value)?.trainable !== true;
  }

  /** s where one slot is s times another; undefined where neither 1 nor -1 is. */
  private signBetween(a: Slot, b: Slot): number | undefined {
    const number = this.slots.number(a.value);
    if (!sameSlot(a, b) && (number === undefined || number !== this.slots.number(b.value))) return undefined;
    const sign = a.sign * b.sign;
    return a.offset === sign * b.offset ? sign : undefined;
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

  // Sums of products

  private contraction(passing: Contraction): void {
    const { own, state } = this;
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
      if (labels.length === 0) this.whole();
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
        return slots.origins(v, axes)[index]!;
      });
      const after = before.map((s) => state.image(s, true));
      const leader = after.findIndex((s, k) => !isSame(s, before[k]!));
      const goal = this.term(all, labels, leader, after[leader]!);
      goals.add(labels.map((l) => goal.get(l)).join());
      const there = operands.map((v, k) => {
        const { axes, index } = this.along(v, all[k]!, goal);
        return slots.origins(v, axes)[index]!;
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
    for (const i of slots.indices(value, axes).get(slotKey(slot)) ?? []) {
      if (sameSlot(slots.origins(value, axes)[i]!, slot)) return this.coordinates(value, all[operand]!, axes, i);
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
      return slots.origins(application.operands[k]!, place.axes)[place.index]!;
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
      const [before, there] = [slots.origins(own.operands[k]!, [])[0]!, slots.origins(goal.operands[k]!, [])[0]!];
      // One value in both is one value after the exchange too.
      if (isSame(before, there)) continue;
      const after = state.image(before);
      if (isSame(after, there)) continue;
      if (!isSame(before, after)) throw new NoExchange("operands differ");
      state.want(before, there, 1, 0);
    }
  }

  // Reductions and normalisations

  private reduction(passing: Reduction): void {
    const { own, state, slots } = this;
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
    const origins = slots.origins(value, axes);
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
      const found = (slots.indices(value, axes).get(slotKey(after[0]!)) ?? []).find((i) => sameSlot(origins[i]!, after[0]!));
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

  /** A function of one operand at one index of it, which is that of the result. */
  private unary(value: number, axes: readonly number[], p: number, result: Slot, wanted: Slot, outAxes: readonly number[]): void {
    const { own, state, slots } = this;
    const before = slots.origins(value, axes)[p]!;
    const after = state.image(before);
    if (!isSame(wanted, result)) {
      const other = state.applications.of(slots.numbering.writer(wanted.value));
      if (!this.isLike(other) || other.output !== wanted.value) throw new NoExchange("written differently");
      const there = slots.origins(other.operands[0]!, axes)[wanted.index]!;
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
      const origins = slots.origins(read, axes);
      for (const i of slots.indices(read, axes).get(slotKey(after)) ?? []) {
        const sign = this.signBetween(after, origins[i]!);
        const r = sign === 1 ? PLAIN : sign === -1 ? reflection(own.node) : undefined;
        if (r) return state.want(result, slotOf(application.output, outAxes, i), r.sign, r.offset);
      }
    }
    throw new NoExchange("no place of its own");
  }

  /** A softmax: what it normalises together stays together. */
  private normalised(axis: number): void {
    const { own, state, slots } = this;
    const axes = this.alignedAxes();
    const sizes = slots.sizes(own.output, axes);
    const value = own.operands[0]!;
    const origins = slots.origins(value, axes);
    for (const p of this.changedPositions(axes)) {
      const result = slotOf(own.output, axes, p);
      const wanted = state.image(result);
      if (!axes.includes(axis)) {
        this.unary(value, axes, p, result, wanted, axes);
        continue;
      }
      const before = origins[p]!;
      const after = state.image(before);
      const isOpen = isSame(before, after);
      const isWanted = !isSame(wanted, result);
      if (isWanted && (wanted.value !== own.output || wanted.sign !== 1 || wanted.offset !== 0))
        throw new NoExchange("normalised apart");
      const goal = isWanted
        ? wanted.index
        : slots
            .indices(value, axes)
            .get(slotKey(after))
            ?.find((i) => isSame(origins[i]!, after));
      if (goal === undefined) throw new NoExchange("not what is normalised");
      const [from, to] = [coordinatesOf(p, sizes), coordinatesOf(goal, sizes)];
      if (axes.some((a, i) => a !== axis && from[i] !== to[i])) throw new NoExchange("normalised apart");
      if (isOpen && this.signBetween(origins[goal]!, before) === undefined) state.want(before, origins[goal]!, 1, 0);
      else if (!isSame(after, origins[goal]!)) throw new NoExchange("operands differ");
      if (!isWanted) state.want(result, slotOf(own.output, axes, goal), 1, 0);
    }
  }

  // Everything else

  /** The whole application becomes that of other operands. */
  private whole(): void {
    const { own, state, slots } = this;
    if (own.passing.kind !== "contraction") {
      for (const axes of [...state.wantedAxes(own), ...state.touchedAxes(own).map(([, a]) => a)])
        if (axes.length > 0) throw new NoExchange("places are told apart");
    }
    const result = slotOf(own.output, [], 0);
    const isBilinear = own.passing.kind === "contraction";
    const wholeOf = (v: number): Slot => slots.origins(v, [])[0]!;
    const wanted = state.image(result);
    const before = own.operands.map(wholeOf);
    const after = before.map((s) => state.image(s));
    const isWanted = !isSame(wanted, result);
    let goal = own;
    if (isWanted) goal = state.applications.of(slots.numbering.writer(wanted.value));
    else {
      const leader = after.findIndex((s, k) => !isSame(s, before[k]!) && !sameSlot(s, before[k]!));
      if (leader >= 0) {
        const like = state
          .readers(after[leader]!.value, after[leader]!.axes)
          .find((v) => this.isLike(v.application) && sameSlot(wholeOf(v.application.operands[leader]!), after[leader]!));
        if (!like) throw new NoExchange("no application of its own");
        goal = like.application;
      }
    }
    if (!this.isLike(goal)) throw new NoExchange("written differently");
    const there = goal.operands.map(wholeOf);
    const mayChange = (k: number): boolean => isSame(before[k]!, after[k]!) && !this.isFixed(before[k]!);
    const signs = after.map((s, k) => this.signBetween(s, there[k]!));
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

interface Partner {
  readonly application: Application;
  readonly index: number;
  readonly relation: Relation;
}

function isPlain(r: Relation): boolean {
  return r.sign === 1 && r.offset === 0;
}

function slotOf(value: number, axes: readonly number[], index: number): Slot {
  return { value, axes, index, layout: "", sign: 1, offset: 0 };
}

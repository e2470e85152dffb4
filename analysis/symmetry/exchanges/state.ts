/** @file What an exchange does to slots: the image of each slot that it changes, and who reads what is changed. */
import { ABSENT } from "../../graph/numbering";
import type { Application, Applications } from "./nodes";
import { coordinatesOf, indexOf } from "./movements";
import { parseRoot, sameSlot, type Slot } from "./slots";

/** A contradiction: there is no such exchange. */
export class NoExchange extends Error {}

/** What a slot holds after the exchange: sign times what another one held, and an offset. */
export interface Image {
  readonly value: number;
  readonly index: number;
  readonly sign: number;
  readonly offset: number;
}

/** The images of slots of one value along some axes, by index; those that are absent stay. */
export interface ImageSet {
  readonly axes: readonly number[];
  readonly images: Map<number, Image>;
}

/** An application that reads a value, or something that only moves it. */
interface View {
  readonly application: Application;
  readonly value: number;
  readonly axes: readonly number[];
}

/** Readers that were found, by value and axes; null where there are some that cannot be followed. */
export type Views = Map<string, readonly View[] | null>;

/** Most slots of a value that are looked at one by one. */
const MOST_SLOTS = 65_536;

/** Images of slots that grow while an exchange is followed; entries are only ever added. */
export class ExchangeState {
  /** By value: the images along each set of axes. */
  readonly sets = new Map<number, ImageSet[]>();
  /** Applications to look at. */
  readonly pending = new Set<Application>();
  /** What reads a changed value, itself or moved. */
  private readonly isRead = new Set<number>();
  /** Of the applications that read a changed value: along which axes of which operand. */
  private readonly touched = new Map<Application, Map<number, Map<string, readonly number[]>>>();

  constructor(
    readonly applications: Applications,
    private readonly views: Views,
  ) {}

  get slots() {
    return this.applications.slots;
  }

  /** Axes along which operands of an application are changed, as [operand's value, axes]. */
  touchedAxes(application: Application): readonly (readonly [number, readonly number[]])[] {
    return [...(this.touched.get(application) ?? [])].flatMap(([value, sets]) =>
      [...sets.values()].map((axes) => [value, axes] as const),
    );
  }

  /** Axes along which the result of an application is wanted to change. */
  wantedAxes(application: Application): readonly (readonly number[])[] {
    return (this.sets.get(application.output) ?? []).map((s) => s.axes);
  }

  /** Whether anything of a value that a view goes back to is changed. */
  isTouched(value: number): boolean {
    return this.sets.has(value);
  }

  /**
   * What a slot holds after the exchange, as a slot before it.
   * @param along the axes that matter, where changes along others are known to be none of the caller's business
   * @throws NoExchange where only parts of the slot change
   */
  image(slot: Slot, isAlone = false): Slot {
    const sets = this.sets.get(slot.value);
    if (!sets) return slot;
    const sizes = this.slots.sizes(slot.value, slot.axes);
    const at = coordinatesOf(slot.index, sizes);
    let { value, sign, offset } = slot;
    for (const { axes, images } of sets) {
      const own = axes.map((a) => slot.axes.indexOf(a));
      if (own.includes(-1)) {
        if (isAlone) continue;
        throw new NoExchange("parts of what is read as a whole change");
      }
      const image = images.get(
        indexOf(
          own.map((i) => at[i]!),
          this.slots.sizes(slot.value, axes),
        ),
      );
      if (!image) continue;
      if (value !== slot.value && image.value !== slot.value) throw new NoExchange("two exchanges at one place");
      if (image.value !== slot.value) value = image.value;
      coordinatesOf(image.index, this.slots.sizes(slot.value, axes)).forEach((c, i) => void (at[own[i]!] = c));
      offset += sign * image.offset;
      sign *= image.sign;
    }
    return { ...slot, value, index: indexOf(at, sizes), sign, offset };
  }

  /** Indices of slots of a value along these axes that change. */
  changed(value: number, axes: readonly number[]): number[] {
    const { slots } = this;
    const roots = slots.roots(value, axes);
    // Whoever reads it along fewer axes may have been followed to it.
    if (!roots && this.isRead.has(value)) throw new NoExchange("cannot be followed along these axes together");
    const out = new Set<number>();
    for (const key of roots ?? []) {
      const [root, own] = parseRoot(key);
      for (const set of this.sets.get(root) ?? []) {
        if (set.axes.join() === own.join()) {
          for (const index of set.images.keys())
            for (const i of slots.indices(value, axes, { value: root, axes: own, index })) out.add(i);
        } else if (set.axes.every((a) => own.includes(a))) {
          const count = slots.sizes(value, axes).reduce((n, d) => n * d, 1);
          if (count > MOST_SLOTS) throw new NoExchange("too many slots");
          for (let i = 0; i < count; i++) {
            const o = slots.origin(value, axes, i);
            if (o.value === root && !isSame(this.image(o, true), o)) out.add(i);
          }
        }
      }
    }
    return [...out].sort((a, b) => a - b);
  }

  /**
   * Wants a slot to hold, after the exchange, sign times what another one held, and an offset.
   * @throws NoExchange where it cannot
   */
  want(slot: Slot, held: Slot, sign: number, offset: number): void {
    const { slots } = this;
    if (slot.layout !== held.layout || slot.axes.join() !== held.axes.join()) throw new NoExchange("laid out differently");
    const number = slots.number(slot.value);
    if (number !== undefined && number === slots.number(held.value) && sign === 1 && offset === 0) return;
    this.set(slot.value, slot.axes, slot.index, {
      value: held.value,
      index: held.index,
      sign: slot.sign * sign * held.sign,
      offset: slot.sign * (sign * held.offset + offset - slot.offset),
    });
  }

  private set(value: number, axes: readonly number[], index: number, image: Image): void {
    const sets = this.sets.get(value);
    const known = sets?.find((s) => s.axes.join() === axes.join());
    const before = known?.images.get(index);
    if (before) {
      if (
        before.value === image.value &&
        before.index === image.index &&
        before.sign === image.sign &&
        before.offset === image.offset
      )
        return;
      throw new NoExchange("two images of one slot");
    }
    const { slots } = this;
    if (image.value === value && image.index === index && image.sign === 1 && image.offset === 0) {
      if (sets?.some((s) => s !== known)) {
        const slot = { value, axes, index, layout: "", sign: 1, offset: 0 };
        if (!isSame(this.image(slot, this.parameter(value) !== undefined), slot)) throw new NoExchange("what must stay changes");
      }
      return;
    }
    const { numbering } = slots;
    const own = this.parameter(value);
    if (own) {
      const other = this.parameter(image.value);
      if (!own.trainable || !other?.trainable || image.offset !== 0) throw new NoExchange("not a weight");
    } else {
      if (numbering.writer(value) === ABSENT || numbering.writer(image.value) === ABSENT)
        throw new NoExchange("an input or a constant");
      // Along which axes a value changes is told once; slots of a part must have been told as such.
      if (sets && !known) throw new NoExchange("changes along several axes");
    }
    if (String(slots.shape(value)) !== String(slots.shape(image.value))) throw new NoExchange("shapes differ");
    if (known) known.images.set(index, image);
    else {
      const set: ImageSet = { axes, images: new Map([[index, image]]) };
      if (sets) sets.push(set);
      else this.sets.set(value, [set]);
    }
    for (const view of this.readers(value, axes)) {
      this.isRead.add(view.value);
      let operands = this.touched.get(view.application);
      if (!operands) this.touched.set(view.application, (operands = new Map()));
      let byAxes = operands.get(view.value);
      if (!byAxes) operands.set(view.value, (byAxes = new Map()));
      byAxes.set(view.axes.join(), view.axes);
      this.pending.add(view.application);
    }
    if (!own) this.pending.add(this.applications.of(numbering.writer(value)));
  }

  parameter(value: number) {
    return this.slots.graph.parameters.get(this.slots.numbering.names[value]!);
  }

  /** Who reads slots of a value along these axes. */
  readers(value: number, axes: readonly number[]): readonly View[] {
    const key = `${value}|${axes.join()}`;
    let known = this.views.get(key);
    if (known === undefined) {
      known = this.findReaders(value, axes) ?? null;
      this.views.set(key, known);
    }
    if (known === null) throw new NoExchange("read where it cannot be followed, or an output");
    return known;
  }

  private findReaders(value: number, axes: readonly number[]): View[] | undefined {
    const { slots, applications } = this;
    const { numbering } = slots;
    const out: View[] = [];
    const pending: [number, readonly number[]][] = [[value, axes]];
    while (pending.length > 0) {
      const [v, along] = pending.pop()!;
      if (applications.isGraphOutput(v)) return undefined;
      for (const reader of numbering.readers(v)) {
        if (!slots.isMovement(reader)) {
          out.push({ application: applications.of(reader), value: v, axes: along });
          continue;
        }
        const { operator } = slots.graph.nodes[reader]!;
        if (operator !== "Concat" && numbering.inputs[reader]!.lastIndexOf(v) > 0 && numbering.inputs[reader]![0] === v)
          return undefined;
        const next = slots.forward(reader, v, along);
        if (!next) return undefined;
        for (const o of numbering.outputs[reader]!) {
          if (o === ABSENT) continue;
          if (slots.shape(o) === undefined) return undefined;
          const own = next.filter((a) => slots.shape(o)![a]! > 1);
          if (!slots.roots(o, own)) return undefined;
          pending.push([o, own]);
        }
      }
    }
    return out;
  }
}

/** Whether two slots hold the same. */
export function isSame(a: Slot, b: Slot): boolean {
  return sameSlot(a, b) && a.sign === b.sign && a.offset === b.offset;
}

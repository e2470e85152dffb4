/**
 * @file Slots: parts of values at fixed coordinates along some axes (channel j of a layer, expert k of a router, all of a branch),
 * followed back through movements. Two slots with one origin have equal entries, up to a sign and an offset.
 */
import { ABSENT } from "../../graph/numbering";
import { coordinatesOf, indexOf, Movements, sorted } from "./movements";

/** Roots of a value up to which it is followed back: parts of concatenations of concatenations. */
const MOST_ROOTS = 1024;

/** Part of a value: its entries at the index along the axes, counted in row-major order along these; all of it without axes. */
export interface Slot {
  /** The value's number. */
  readonly value: number;
  /** Rising. */
  readonly axes: readonly number[];
  readonly index: number;
  /** How entries were chosen and put in another order on the way, empty where they are all in their row-major order. */
  readonly layout: string;
  /** What it was followed from is sign times this and the offset. */
  readonly sign: number;
  readonly offset: number;
}

/** Slots of one value at one place have one key, whatever was done to their entries on the way. */
export function slotKey(s: Pick<Slot, "value" | "axes" | "index">): string {
  return `${s.value}|${s.axes.join()}|${s.index}`;
}

/** Whether two slots have equal entries, up to sign and offset. */
export function sameSlot(a: Slot, b: Slot): boolean {
  return a.value === b.value && a.index === b.index && a.layout === b.layout && a.axes.join() === b.axes.join();
}

/** Slots of the values of one graph. Nothing is listed by slot: layers have thousands. */
export class Slots extends Movements {
  private readonly known = new Map<string, ReadonlySet<string> | undefined>();

  /** The slot followed back as far as it goes. */
  origin(value: number, axes: readonly number[], index: number): Slot {
    let [sign, offset, layout] = [1, 0, ""];
    const sizes = this.sizes(value, axes);
    let at = new Map(coordinatesOf(index, sizes).map((c, i) => [axes[i]!, c]));
    let v = value;
    for (;;) {
      const shape = this.shape(v)!;
      for (const a of at.keys()) if (shape[a] === 1) at.delete(a);
      const back = this.back(v, at);
      if (!back) break;
      offset += sign * back.offset;
      sign *= back.sign;
      if (back.layout !== "") layout += `${back.layout};`;
      v = back.value;
      at = back.at;
    }
    const rising = [...at.keys()].sort((a, b) => a - b);
    const own = indexOf(
      rising.map((a) => at.get(a)!),
      this.sizes(v, rising),
    );
    return { value: v, axes: rising, index: own, layout, sign, offset };
  }

  /**
   * Where slots of a value along these axes come from, as values and axes; undefined where a movement on the way cannot be
   * followed, or where there are very many. Made once.
   */
  roots(value: number, axes: readonly number[]): ReadonlySet<string> | undefined {
    const key = rootKey(value, this.long(value, axes));
    const pending = [key];
    // Operands before what moves them, without a call for each: movements may be thousands deep.
    while (pending.length > 0) {
      const top = pending.at(-1)!;
      const [v, along] = parseRoot(top);
      const missing = this.known.has(top) ? [] : this.operandsOf(v, along).filter((o) => !this.known.has(o));
      if (missing.length > 0) {
        pending.push(...missing);
        continue;
      }
      pending.pop();
      if (!this.known.has(top)) this.known.set(top, this.joined(v, along, top));
    }
    return this.known.get(key);
  }

  private joined(value: number, axes: readonly number[], key: string): ReadonlySet<string> | undefined {
    const writer = this.numbering.writer(value);
    if (writer === ABSENT || !this.isMovement(writer)) return new Set([key]);
    const operands = this.operandsOf(value, axes);
    const parts = operands.map((o) => this.known.get(o));
    if (parts.length === 0 || parts.includes(undefined)) return undefined;
    if (parts.length === 1) return parts[0];
    const out = new Set(parts.flatMap((p) => [...p!]));
    return out.size > MOST_ROOTS ? undefined : out;
  }

  /** The operands, and axes of them, that slots of a movement's result are taken from; none where they cannot be followed. */
  private operandsOf(value: number, axes: readonly number[]): string[] {
    const k = this.numbering.writer(value);
    if (k === ABSENT || !this.isMovement(k) || this.shape(value) === undefined) return [];
    const out = new Set<string>();
    for (const first of this.firstOfParts(k, value, axes)) {
      const back = this.back(value, first);
      if (!back || this.shape(back.value) === undefined) return [];
      out.add(rootKey(back.value, this.long(back.value, sorted([...back.at.keys()]))));
    }
    return [...out];
  }

  /** A place in each operand of a movement that slots of its result along these axes come from: one that others are like. */
  private firstOfParts(k: number, value: number, axes: readonly number[]): Map<number, number>[] {
    const first = new Map(axes.map((a) => [a, 0] as const));
    if (this.graph.nodes[k]!.operator !== "Concat") return [first];
    const axis = this.axis(k, this.shape(value)!.length, 0);
    if (!axes.includes(axis)) return [first];
    let start = 0;
    const out: Map<number, number>[] = [];
    for (const part of this.numbering.inputs[k]!) {
      const size = this.shape(part)?.[axis];
      // What is behind a part without a size cannot be followed: a place there says so.
      if (size !== 0) out.push(new Map([...first, [axis, start]]));
      start += size ?? 0;
    }
    return out;
  }

  private long(value: number, axes: readonly number[]): number[] {
    const shape = this.shape(value)!;
    return axes.filter((a) => shape[a]! > 1);
  }

  /** The indices of slots of a value along these axes that come from one, whatever was done to its entries on the way. */
  indices(value: number, axes: readonly number[], slot: Pick<Slot, "value" | "axes" | "index">): number[] {
    const root = rootKey(slot.value, slot.axes);
    const places = this.placesFrom(value, this.long(value, axes), root, slot);
    const sizes = this.sizes(value, axes);
    return places
      .map((at) =>
        indexOf(
          axes.map((a) => at.get(a) ?? 0),
          sizes,
        ),
      )
      .sort((a, b) => a - b);
  }

  private placesFrom(
    value: number,
    axes: readonly number[],
    root: string,
    slot: Pick<Slot, "axes" | "index" | "value">,
  ): ReadonlyMap<number, number>[] {
    if (this.roots(value, axes)?.has(root) !== true) return [];
    // From the value back to the root, all ways that there are, and then ahead again on each of them.
    const steps: { readonly value: number; readonly axes: readonly number[]; readonly operand: string }[] = [];
    const pending = [rootKey(value, axes)];
    const seen = new Set(pending);
    for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
      const [v, along] = parseRoot(key);
      for (const operand of this.operandsOf(v, along)) {
        if (!this.known.get(operand)!.has(root)) continue;
        steps.push({ value: v, axes: along, operand });
        if (!seen.has(operand)) pending.push(operand);
        seen.add(operand);
      }
    }
    const sizes = this.sizes(slot.value, slot.axes);
    const at = new Map(coordinatesOf(slot.index, sizes).map((c, i) => [slot.axes[i]!, c] as const));
    const found = new Map<string, ReadonlyMap<number, number>[]>([[root, [at]]]);
    // Writers come before readers, so that places of an operand are complete when they are moved on.
    steps.sort((a, b) => this.numbering.writer(a.value) - this.numbering.writer(b.value));
    for (const { value: v, axes: along, operand } of steps) {
      const key = rootKey(v, along);
      const own = found.get(key) ?? [];
      found.set(key, own);
      const [from] = parseRoot(operand);
      for (const place of found.get(operand) ?? []) own.push(...this.ahead(v, along, from, place));
    }
    return found.get(rootKey(value, axes)) ?? [];
  }
}

/** A value and axes that it is looked at along, in one text. */
function rootKey(value: number, axes: readonly number[]): string {
  return `${value}|${axes.join()}`;
}

/** The value and the axes of a root. */
export function parseRoot(key: string): readonly [value: number, axes: readonly number[]] {
  const bar = key.indexOf("|");
  const axes = key.slice(bar + 1);
  return [Number(key.slice(0, bar)), axes === "" ? [] : axes.split(",").map(Number)];
}

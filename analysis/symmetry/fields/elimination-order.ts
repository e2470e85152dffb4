/**
 * @file The order in which unknowns are eliminated: at each step those that occur in the same blocks and together touch the fewest
 * others. What a step does not touch is not looked at again.
 */
import type { Block } from "./constraints";

/** Unknowns that occur in the same blocks. */
interface Group {
  /** Places of the unknowns, rising. */
  readonly places: readonly number[];
  /** Numbers of the blocks, rising. */
  readonly blocks: readonly number[];
  /** How many unknowns the blocks have. */
  readonly cost: number;
}

/** The unknowns that are left, and the blocks in which they occur. */
export class EliminationOrder {
  /** By number; those that were taken out are gone. */
  private readonly blocks = new Map<number, { readonly block: Block; readonly places: Int32Array }>();
  private readonly groups = new Map<string, Group>();
  private readonly placeOf: ReadonlyMap<number, number>;
  /** Blocks by place; undefined where the unknown was eliminated. */
  private readonly membership: (number[] | undefined)[];
  /** The last count in which a place was met. */
  private readonly met: Int32Array;
  private counts = 0;
  private added = 0;
  /** Places of the unknowns that the last step touched. */
  private waiting: readonly number[] = [];

  constructor(
    private readonly unknowns: readonly number[],
    blocks: readonly Block[],
  ) {
    this.placeOf = new Map(unknowns.map((u, place) => [u, place] as const));
    this.membership = unknowns.map(() => []);
    this.met = new Int32Array(unknowns.length);
    for (const b of blocks) this.insert(b);
    this.group(unknowns.keys());
  }

  /** Takes out the unknowns that are the cheapest to eliminate now, with the blocks in which they occur; undefined where none are left. */
  take(): { readonly own: readonly number[]; readonly touched: readonly Block[] } | undefined {
    let best: Group | undefined;
    for (const group of this.groups.values()) {
      if (!best || group.cost < best.cost || (group.cost === best.cost && group.places[0]! < best.places[0]!)) best = group;
    }
    if (!best) return undefined;
    const touched = best.blocks.map((number) => this.blocks.get(number)!);
    const around = new Set(touched.flatMap(({ places }) => Array.from(places)));
    for (const place of around.size > 0 ? around : best.places) this.groups.delete(this.membership[place]!.join());
    for (const place of best.places) {
      this.membership[place] = undefined;
      around.delete(place);
    }
    const gone = new Set(best.blocks);
    for (const place of around) this.membership[place] = this.membership[place]!.filter((number) => !gone.has(number));
    for (const number of gone) this.blocks.delete(number);
    this.waiting = [...around].sort((a, b) => a - b);
    return { own: best.places.map((place) => this.unknowns[place]!), touched: touched.map(({ block }) => block) };
  }

  /** What the last step left to say about the unknowns that it touched. */
  leave(block: Block | undefined): void {
    if (block) this.insert(block);
    this.group(this.waiting);
    this.waiting = [];
  }

  private insert(block: Block): void {
    const places = Int32Array.from(block.unknowns, (u) => this.placeOf.get(u)!);
    const number = this.added++;
    this.blocks.set(number, { block, places });
    for (const place of places) this.membership[place]!.push(number);
  }

  /** Groups places, all that share their blocks among them. */
  private group(places: Iterable<number>): void {
    const bySet = new Map<string, number[]>();
    for (const place of places) {
      const key = this.membership[place]!.join();
      const same = bySet.get(key);
      if (same) same.push(place);
      else bySet.set(key, [place]);
    }
    for (const [key, same] of bySet) {
      const blocks = this.membership[same[0]!]!;
      const before = this.groups.get(key)?.places ?? [];
      const all = before.length > 0 ? [...before, ...same].sort((a, b) => a - b) : same;
      this.groups.set(key, { places: all, blocks, cost: this.costOf(blocks) });
    }
  }

  private costOf(blocks: readonly number[]): number {
    const { met } = this;
    const count = ++this.counts;
    let cost = 0;
    for (const number of blocks) {
      for (const place of this.blocks.get(number)!.places) {
        if (met[place] === count) continue;
        met[place] = count;
        cost++;
      }
    }
    return cost;
  }
}

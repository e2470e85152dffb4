/**
 * @file Exchanges: weights change places, some with their signs, such that units or branches of the network take one another's
 * part: the halves of a gate, unit by unit; the two sides of a rectified pair as its sign changes; what a gate chooses between as
 * it turns round; the subtrees of a soft decision. Each starts at one place where the network does not tell two things apart,
 * and is followed to all that then changes (follow.ts); places alike in turn give the exchanges of all units.
 */
import type { Graph } from "../../graph/graph";
import { ABSENT } from "../../graph/numbering";
import type { PermutationAction } from "../actions/permutation";
import { Conjugates, type UnitSpaces, unitSpaces } from "./conjugates";
import { follow } from "./follow";
import { type Application, Applications, COMMUTATIVE, isSymmetric } from "./nodes";
import { ExchangeState, type Image, NoExchange, type Views } from "./state";
import { type Slot, Slots } from "./slots";
import {
  areDisjoint,
  type ExchangeFamily,
  exchangeKey,
  isExchange,
  sidesOf,
  type WeightExchange,
  type WeightImages,
} from "./weights";

/** Exchanges of units that no permutation carries from one to the next are looked for one by one, in layers up to this size. */
const MOST_UNITS = 128;

/** Exchanges of single units that are followed in all: each of them goes through the network on its own. */
const MOST_SINGLE = 1000;
/** Operands of which any two are tried. */
const MOST_ALIKE = 16;
/** Parts of a concatenation of which pairs are tried. */
const MOST_PARTS = 64;

/** A first image, from which all others follow. */
interface Start {
  /** Slots and what they are to hold. */
  readonly wants: readonly { readonly slot: Slot; readonly held: Slot; readonly sign: number }[];
}

/** Starts that differ by the unit only, of which all or none are exchanges. */
interface Starts {
  readonly count: number;
  at(index: number): Start | undefined;
  /** Called where there are such exchanges. */
  found?(): void;
  /** Whether exchanges that were found make these, all together. */
  isCovered?(): boolean;
}

/**
 * All families of exchanges of a graph that more than change signs.
 * @param actions permutations of units: what is an exchange of one of them is one of all that it may be permuted with
 */
export function findExchanges(graph: Graph, actions: readonly PermutationAction[]): ExchangeFamily[] {
  const finder = new ExchangeFinder(graph, actions);
  return [...finder.families()];
}

class ExchangeFinder {
  private readonly slots: Slots;
  private readonly applications: Applications;
  private readonly views: Views = new Map();
  /** Families by the exchange of their first units. */
  private readonly seen = new Set<string>();
  private readonly spaces: UnitSpaces;
  private structures: Int32Array | undefined;
  /** How many exchanges of single units were followed. */
  private singles = 0;

  constructor(
    private readonly graph: Graph,
    actions: readonly PermutationAction[],
  ) {
    this.slots = new Slots(graph);
    this.applications = new Applications(this.slots);
    this.spaces = unitSpaces(actions);
  }

  *families(): Iterable<ExchangeFamily> {
    for (const starts of this.starts()) {
      if (starts.count === 0 || starts.isCovered?.() === true) continue;
      const first = this.element(starts.at(0));
      if (!first || !isExchange(first)) continue;
      const found = this.conjugates(first);
      const isAll = (found?.count ?? 0) >= starts.count;
      if (!isAll && (starts.count > MOST_UNITS || this.singles + starts.count > MOST_SINGLE)) {
        // Exchanges of some units are true as well, but one of many tells nobody anything.
        if (!found || found.count === 1) continue;
      }
      starts.found?.();
      if (!found) continue;
      const family = [found];
      for (let i = 1; !isAll && i < starts.count && this.singles < MOST_SINGLE && starts.count <= MOST_UNITS; i++) {
        this.singles++;
        const element = this.element(starts.at(i));
        const others = element && isExchange(element) ? this.conjugates(element) : undefined;
        if (others) family.push(others);
      }
      const sides = sidesOf(first);
      if (sides) yield familyOf(family, sides);
    }
  }

  /** An exchange with all that permutations of units make of it; undefined where they are known. */
  private conjugates(element: WeightExchange): Conjugates | undefined {
    const out = new Conjugates(element, this.spaces, (p) => this.graph.parameters.get(p)!.shape);
    const key = exchangeKey(out.representative);
    if (this.seen.has(key)) return undefined;
    this.seen.add(key);
    return out;
  }

  /** The exchange that a start leads to. */
  private element(start: Start | undefined): WeightExchange | undefined {
    if (!start) return undefined;
    const state = new ExchangeState(this.applications, this.views);
    try {
      for (const { slot, held, sign } of start.wants) state.want(slot, held, sign, 0);
      follow(state);
    } catch (error) {
      if (error instanceof NoExchange) return undefined;
      throw error;
    }
    return this.weights(state);
  }

  /** What becomes of weights; undefined where it would lose some, or where the order along axes of one matters. */
  private weights(state: ExchangeState): WeightExchange | undefined {
    const { names } = this.slots.numbering;
    const out: WeightImages[] = [];
    for (const [value, sets] of state.sets) {
      if (state.parameter(value) === undefined) continue;
      for (const { axes, images } of sets) {
        const others = new Set([...images.values()].map((i) => i.value));
        for (const other of others) {
          if (other === value) continue;
          if (otherSets(state, value, axes) !== otherSets(state, other, axes)) return undefined;
        }
        const key = axes.join();
        for (const [index, image] of images) {
          // Every slot that is taken from is given to.
          const given = state.sets
            .get(image.value)
            ?.find((s) => s.axes.join() === key)
            ?.images.has(image.index);
          if (given !== true || takers(state, images, image, key) !== 1) return undefined;
          if (index < 0) return undefined;
        }
        out.push({
          parameter: names[value]!,
          axes,
          images: new Map([...images].map(([i, m]) => [i, { parameter: names[m.value]!, index: m.index, sign: m.sign }])),
        });
      }
    }
    return out;
  }

  /** Places where two things are not told apart. */
  private *starts(): Iterable<Starts> {
    const { graph, slots } = this;
    const known = new Set<Application>();
    for (let at = 0; at < graph.nodes.length; at++) {
      const node = graph.nodes[at]!;
      if (node.domain !== "") continue;
      if (slots.isMovement(at)) {
        if (node.operator === "Concat") yield* this.partsOf(at);
        else if (node.operator === "Neg" || node.operator === "Sub") yield* this.mirrored(at);
        continue;
      }
      const isCommutative = COMMUTATIVE.has(node.operator) || node.operator === "Sub";
      if (!isCommutative && node.operator !== "Einsum") continue;
      const application = this.applications.of(at);
      if (known.has(application)) continue;
      known.add(application);
      if (isCommutative) yield* this.operandsOf(application);
      else if (isSymmetric(application))
        yield this.exchanged(application.operands[0]!, application.operands[1]!, [], application);
    }
  }

  /** Two operands of a commutative operator, or of a difference, that change places: unit by unit, or as wholes. */
  private *operandsOf(application: Application): Iterable<Starts> {
    const { slots } = this;
    const { operands, output } = application;
    const shape = slots.shape(output);
    if (!shape || operands.length > MOST_ALIKE) return;
    const isFull = (v: number): boolean => String(slots.shape(v)) === String(shape);
    for (let a = 0; a < operands.length; a++) {
      for (let b = a + 1; b < operands.length; b++) {
        const [x, y] = [operands[a]!, operands[b]!];
        if (x === y || !isFull(x) || !isFull(y)) continue;
        yield* this.byUnits(shape, (axes) => this.exchanged(x, y, axes, application));
      }
    }
  }

  /** Starts along each axis of a shape, the last one first, and then of all at once, where no axis gave any. */
  private *byUnits(shape: readonly number[], start: (axes: readonly number[]) => Starts): Iterable<Starts> {
    let isFound = false;
    const found = (): void => void (isFound = true);
    const isCovered = (): boolean => isFound;
    for (const axis of [...shape.keys()].reverse()) if (shape[axis]! > 1) yield { ...start([axis]), found };
    yield { ...start([]), isCovered };
  }

  /** Parts of a concatenation that change places as wholes: heads, branches, members of an ensemble. */
  private *partsOf(at: number): Iterable<Starts> {
    const { slots } = this;
    const parts = slots.numbering.inputs[at]!;
    // Of parts that are read elsewhere too (the layers of a DenseNet) each is told from the others by when it was made.
    if (parts.length > MOST_PARTS || parts.some((p) => slots.numbering.readerCount(p) > 1)) return;
    const done = new Set<number>();
    for (const [k, x] of parts.entries()) {
      if (x === ABSENT || done.has(x)) continue;
      for (const y of parts.slice(k + 1)) {
        if (x === y || done.has(y) || String(slots.shape(x)) !== String(slots.shape(y))) continue;
        yield {
          ...this.exchanged(x, y, [], undefined),
          // What changes places with the first of them changes places with one another.
          found: () => void done.add(y),
        };
      }
    }
  }

  private exchanged(x: number, y: number, axes: readonly number[], by: Application | undefined): Starts {
    const { slots } = this;
    const count = slots.sizes(x, axes).reduce((n, d) => n * d, 1);
    return {
      count,
      at: (i) => {
        const [slot, held] = [slots.origin(x, axes, i), slots.origin(y, axes, i)];
        if (!this.mayExchange(slot, held, by)) return undefined;
        return {
          wants: [
            { slot, held, sign: 1 },
            { slot: held, held: slot, sign: 1 },
          ],
        };
      },
    };
  }

  private mayExchange(slot: Slot, other: Slot, by: Application | undefined): boolean {
    const { slots } = this;
    const [m, n] = [slots.writer(slot.value), slots.writer(other.value)];
    // Two layers that are added are one: what moves weight from one to the other is a translation.
    const isSum = by?.node.operator === "Add" || by?.node.operator === "Sub";
    if (isSum && m && this.applications.of(slots.numbering.writer(slot.value)).passing.kind === "contraction") return false;
    return m !== undefined && n !== undefined && this.structure(slot.value) === this.structure(other.value);
  }

  /** A number for what a value is made of: two that may change places are made alike. */
  private structure(value: number): number {
    this.structures ??= this.findStructures();
    return this.structures[value]!;
  }

  private findStructures(): Int32Array {
    const { graph, slots } = this;
    const { numbering } = slots;
    const out = new Int32Array(numbering.count).fill(-1);
    const known = new Map<string, number>();
    const code = (text: string): number => {
      const own = known.get(text) ?? known.size;
      known.set(text, own);
      return own;
    };
    const codeOf = (value: number): number => {
      if (value === ABSENT) return -1;
      if (out[value] !== -1) return out[value]!;
      const parameter = graph.parameters.get(numbering.names[value]!);
      const isConstant = numbering.constants[value] !== undefined;
      const name = parameter ? `weight ${parameter.shape.join()}` : isConstant ? "constant" : `input ${value}`;
      return (out[value] = code(name));
    };
    graph.nodes.forEach((node, k) => {
      const operands = numbering.inputs[k]!.map(codeOf);
      if (COMMUTATIVE.has(node.operator)) operands.sort((a, b) => a - b);
      numbering.outputs[k]!.forEach((o, i) => {
        if (o !== ABSENT) out[o] = code(`${node.domain}:${node.operator} ${operands.join()} ${i} ${String(slots.shape(o))}`);
      });
    });
    return out;
  }

  /** Units of which a sign changes, where the network reads both a value and its mirror image. */
  private *mirrored(at: number): Iterable<Starts> {
    const { slots } = this;
    const output = slots.numbering.outputs[at]![0]!;
    const shape = slots.shape(output);
    if (!shape) return;
    yield* this.byUnits(shape, (axes) => {
      const count = slots.sizes(output, axes).reduce((n, d) => n * d, 1);
      return {
        count,
        at: (i) => {
          let slot = slots.origin(output, axes, i);
          const node = slots.writer(slot.value);
          if (node?.operator === "Sigmoid" || node?.operator === "HardSigmoid") {
            const inner = slots.numbering.inputs[slots.numbering.writer(slot.value)]![0]!;
            slot = slots.origin(inner, slot.axes, slot.index);
          }
          const parameter = this.graph.parameters.get(slots.numbering.names[slot.value]!);
          if (slots.numbering.writer(slot.value) === ABSENT && parameter?.trainable !== true) return undefined;
          const own = { ...slot, sign: 1, offset: 0 };
          return { wants: [{ slot: own, held: own, sign: -1 }] };
        },
      };
    });
  }
}

/** The exchanges of several layers' units, or of units that no permutation exchanges, as one family. */
function familyOf(parts: readonly Conjugates[], names: readonly [string, string]): ExchangeFamily {
  const count = parts.reduce((n, p) => n + p.count, 0);
  const element = (k: number): WeightExchange => {
    let at = k;
    for (const part of parts) {
      if (at < part.count) return part.element(at);
      at -= part.count;
    }
    throw new RangeError(`exchange ${k} of ${count}`);
  };
  const isConjugate = parts.length === 1;
  const isDisjoint = isConjugate || areDisjoint(Array.from({ length: count }, (_, k) => element(k)));
  return { count, element, isConjugate, isDisjoint, names };
}

/** What the sets of a parameter along other axes than these do, so that they can be compared. */
function otherSets(state: ExchangeState, value: number, axes: readonly number[]): string {
  const own = axes.join();
  return (state.sets.get(value) ?? [])
    .filter((s) => s.axes.join() !== own)
    .map(
      (s) =>
        `${s.axes.join()}: ${[...s.images]
          .map(([i, m]) => `${i}<${m.value === value ? "own" : m.value}.${m.index}.${m.sign}`)
          .sort()
          .join()}`,
    )
    .sort()
    .join(";");
}

/** How many slots along these axes take from one slot. */
function takers(state: ExchangeState, own: ReadonlyMap<number, Image>, image: Image, axes: string): number {
  let count = 0;
  for (const m of own.values()) if (m.value === image.value && m.index === image.index) count++;
  for (const sets of state.sets.values())
    for (const s of sets) {
      if (s.images === own || s.axes.join() !== axes) continue;
      for (const m of s.images.values()) if (m.value === image.value && m.index === image.index) count++;
    }
  return count;
}

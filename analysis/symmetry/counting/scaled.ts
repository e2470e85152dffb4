/**
 * @file Dimensions of a model of any size: ranks of its twin, scaled up. The same rules find the same groups on both; the twin
 * says which of their directions are new, and the model how many there are.
 */
import { type ContinuousCounts, FAMILIES, type Family, type ParameterValues, type Symmetry } from "../symmetry";
import { ParameterSpace } from "./families";
import { newOnes, sparseVector } from "./sparse-span";

/** How many of a group's directions no earlier group has. */
export interface Increment {
  readonly symmetry: Symmetry;
  readonly gained: number;
}

/** Dimensions of the whole model. */
export interface ScaledCounts {
  readonly continuous: ContinuousCounts;
  /** Groups of the model, by id, of which the twin does not say how many directions are new; they are not counted. */
  readonly open: readonly string[];
}

/** Families in the order in which they are counted: what is unread comes before translations (SCIENCE.md 10). */
const ORDER: readonly Family[] = ["linear", "rotation", "scale", "rescaling", "unread", "translation"];

/**
 * The continuous symmetries in counting order; in a family those with few coordinates first: scalings of heads come before those
 * of heads and channels, which have them inside.
 */
function inOrder<T>(items: readonly T[], groupOfItem: (item: T) => Group): T[] {
  return items
    .map((item) => ({ item, group: groupOfItem(item) }))
    .map(({ item, group }) => ({ item, rank: ORDER.indexOf(group.kind as Family), n: group.coordinates }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank || a.n - b.n)
    .map(({ item }) => item);
}

/** What counting needs to know of a model's symmetry: plain data, which other processes can be told. */
export interface Group extends Pick<Symmetry, "id" | "kind" | "dimension" | "parameters"> {
  /** Numbers in an element: of scalings more than their dimension. */
  readonly coordinates: number;
}

/** What counting needs to know of a symmetry. */
export function groupOf(s: Symmetry): Group {
  const { id, kind, dimension, parameters } = s;
  const coordinates = kind === "scale" || kind === "rescaling" ? s.randomElement(() => 0.5).length : dimension;
  return { id, kind, dimension, parameters, coordinates };
}

/** What each continuous symmetry adds to the earlier ones, at the given weights. */
export function increments(symmetries: readonly Symmetry[], weights: ParameterValues): Increment[] {
  const ordered = inOrder(symmetries, groupOf);
  const vectors = ordered.map((s) => s.generators(weights).map((g) => g.vector));
  const space = ParameterSpace.of(vectors.flat());
  // One array for all of them: there are thousands.
  const flat = new Float64Array(space.size);
  const isNew = newOnes(
    vectors.flatMap((own) => own.map((v) => sparseVector(space.flatten(v, flat.fill(0))))),
    space.size,
  );
  let at = 0;
  return ordered.map((symmetry, k) => {
    const own = isNew.slice(at, (at += vectors[k]!.length));
    return { symmetry, gained: own.filter(Boolean).length };
  });
}

/** The increments by family. */
export function countsOf(gained: Iterable<readonly [Family, number]>): ContinuousCounts {
  const counts = Object.fromEntries(FAMILIES.map((f) => [f, 0])) as Record<Family, number>;
  let total = 0;
  for (const [family, n] of gained) {
    counts[family] += n;
    total += n;
  }
  return { ...counts, total };
}

/** A twin and what its groups add to each other. */
export interface CountedTwin {
  readonly gained: readonly Increment[];
  /** The parameter of the first of several equal blocks that stands for a parameter. */
  firstOf(parameter: string): string;
}

/**
 * The dimensions of a model from the increments on its twins. Twins of other widths, or with more blocks, have to agree wherever
 * they know a group.
 * @param model all its symmetries
 */
export function scaledCounts(model: readonly Group[], twins: readonly CountedTwin[]): ScaledCounts {
  const known = twins.map((t) => new Known(t.gained, (p) => t.firstOf(p)));
  const open: string[] = [];
  const gained: (readonly [Family, number])[] = [];
  const met = new Map<string, number>();
  for (const s of inOrder(model, (g) => g)) {
    // Several groups move the same parameters: scalings of heads and of their coordinates. They correspond in order.
    const own = `${s.kind} ${s.parameters.join(" ")}`;
    const turn = met.get(own) ?? 0;
    met.set(own, turn + 1);
    const rules = known.flatMap((k) => k.deficit(s, turn) ?? []);
    const deficit = rules[0];
    if (deficit === undefined || rules.some((r) => r !== deficit)) open.push(s.id);
    else if (deficit !== "none") gained.push([s.kind as Family, Math.max(0, s.dimension - deficit)]);
  }
  return { continuous: countsOf(gained), open };
}

/** By how much a group's directions are fewer than its dimension; "none" where none is new. */
type Deficit = number | "none";

/** Of the parameters of the smaller of two groups, the least part that both have to move for them to correspond. */
const ALIKE = 0.5;

/** What one twin says. */
class Known {
  /** By kind and parameters, those of repeated blocks under the first one's names. */
  private readonly groups = new Map<
    string,
    { readonly parameters: ReadonlySet<string>; readonly blocks: Map<string, Increment[]> }
  >();

  constructor(
    increments: readonly Increment[],
    private readonly firstOf: (parameter: string) => string,
  ) {
    for (const i of increments) {
      const parameters = this.parametersOf(i.symmetry);
      const key = keyOf(i.symmetry.kind, parameters);
      const group = this.groups.get(key) ?? { parameters, blocks: new Map<string, Increment[]>() };
      this.groups.set(key, group);
      append(group.blocks, i.symmetry.parameters.join(" "), i);
    }
  }

  private parametersOf(s: Pick<Symmetry, "parameters">): Set<string> {
    return new Set(s.parameters.map(this.firstOf));
  }

  /** The deficit of a group of the model, the `turn`-th of those that move the same; undefined where blocks disagree. */
  deficit(s: Group, turn: number): Deficit | undefined {
    const parameters = this.parametersOf(s);
    const exact = this.groups.get(keyOf(s.kind, parameters));
    const group = exact ?? this.mostAlike(s.kind, parameters);
    if (!group) return undefined;
    const found = new Set<Deficit>();
    for (const list of group.blocks.values()) for (const i of list[turn] ? [list[turn]] : list) found.add(deficitOf(i));
    return found.size === 1 ? [...found][0] : undefined;
  }

  /** Where neighbouring blocks are left out, what joins them moves some parameters of others of their kind. */
  private mostAlike(kind: string, parameters: ReadonlySet<string>): { readonly blocks: Map<string, Increment[]> } | undefined {
    let best: { readonly blocks: Map<string, Increment[]> } | undefined;
    let most = 0;
    for (const [key, group] of this.groups) {
      if (!key.startsWith(`${kind}:`)) continue;
      let both = 0;
      for (const p of group.parameters) if (parameters.has(p)) both++;
      if (both < ALIKE * Math.min(group.parameters.size, parameters.size)) continue;
      const alike = both / (group.parameters.size + parameters.size - both);
      if (alike > most) [best, most] = [group, alike];
    }
    return best;
  }
}

function keyOf(kind: string, parameters: ReadonlySet<string>): string {
  return `${kind}: ${[...parameters].sort().join(" ")}`;
}

function deficitOf({ symmetry, gained }: Increment): Deficit {
  return gained === 0 ? "none" : symmetry.dimension - gained;
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

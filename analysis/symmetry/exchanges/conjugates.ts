/**
 * @file Exchanges of all units from that of one: where the units of a layer may be permuted, an exchange of the parts of one
 * of them, conjugated by permutations that bring it to the others' places, is an exchange of theirs.
 */
import type { PermutationAction } from "../actions/permutation";
import { coordinatesOf, indexOf } from "./movements";
import type { WeightExchange } from "./weights";

type Shape = (parameter: string) => readonly number[];

/** The spaces of units that permutations act on, by parameter. */
export type UnitSpaces = ReadonlyMap<string, readonly PermutationAction[]>;

/** Spaces of units by the parameters that their permutations move. */
export function unitSpaces(actions: readonly PermutationAction[]): UnitSpaces {
  const out = new Map<string, PermutationAction[]>();
  for (const action of actions)
    for (const p of action.parameters) {
      const own = out.get(p);
      if (own) own.push(action);
      else out.set(p, [action]);
    }
  return out;
}

/**
 * The conjugates of an exchange by permutations of the units. Each moves slots of one unit only, of every space that it is
 * carried along, so that no two of them move the same ones. They are made when they are asked for.
 */
export class Conjugates {
  /** The spaces, and the unit of each whose exchange `first` is. */
  private readonly along: readonly { readonly action: PermutationAction; readonly unit: number }[];
  readonly count: number;

  constructor(
    private readonly first: WeightExchange,
    spaces: UnitSpaces,
    private readonly shape: Shape,
  ) {
    const start = first[0];
    this.along = (start ? (spaces.get(start.parameter) ?? []) : []).flatMap((action) => {
      const unit = unitOf(first, action, shape);
      return unit === undefined ? [] : [{ action, unit }];
    });
    this.count = this.along.reduce((n, { action }) => n * action.space.size, 1);
  }

  /** The k-th of them, from 0 on; the 0-th is the one that was given. */
  element(k: number): WeightExchange {
    let rest = k;
    return this.carried(({ action, unit }) => {
      const { size } = action.space;
      const own = (unit + (rest % size)) % size;
      rest = Math.floor(rest / size);
      return own;
    });
  }

  /** The exchange of the first units: the same for all of them. */
  get representative(): WeightExchange {
    return this.carried(() => 0);
  }

  private carried(to: (place: { readonly action: PermutationAction; readonly unit: number }) => number): WeightExchange {
    const goals = this.along.map((place) => ({ action: place.action, unit: to(place) }));
    if (goals.every((g, i) => g.unit === this.along[i]!.unit)) return this.first;
    const moved = (parameter: string, axes: readonly number[], index: number): number => {
      const shape = this.shape(parameter);
      const sizes = axes.map((a) => shape[a]!);
      const at = coordinatesOf(index, sizes).map((c, i) =>
        goals.reduce(
          (p, { action, unit }) =>
            action.unitsAt(parameter, axes[i]!, p).length === 0 ? p : action.answering(parameter, axes[i]!, p, unit),
          c,
        ),
      );
      return indexOf(at, sizes);
    };
    return this.first.map(({ parameter, axes, images }) => ({
      parameter,
      axes,
      images: new Map(
        [...images].map(
          ([index, m]) => [moved(parameter, axes, index), { ...m, index: moved(m.parameter, axes, m.index) }] as const,
        ),
      ),
    }));
  }
}

/** The one unit of a space that everything an exchange moves belongs to; undefined where something does not. */
function unitOf(exchange: WeightExchange, action: PermutationAction, shape: Shape): number | undefined {
  let unit: number | undefined;
  const isOn = (parameter: string, axes: readonly number[], index: number): boolean => {
    const sizes = shape(parameter);
    const own = coordinatesOf(
      index,
      axes.map((a) => sizes[a]!),
    ).map((c, i) => action.unitsAt(parameter, axes[i]!, c));
    const units = own.flat();
    unit ??= units[0];
    return units.length > 0 && own.every((u) => u.length <= 1) && units.every((u) => u === unit);
  };
  for (const { parameter, axes, images } of exchange) {
    const others = [...shape(parameter).keys()].filter((a) => !axes.includes(a));
    for (const [index, m] of images) {
      if (!isOn(parameter, axes, index) || !isOn(m.parameter, axes, m.index)) return undefined;
      // What comes from another weight comes in its order along other axes: permutations must move both in the same way.
      if (m.parameter !== parameter && !others.every((a) => action.isAlike(parameter, m.parameter, a))) return undefined;
    }
  }
  return unit;
}

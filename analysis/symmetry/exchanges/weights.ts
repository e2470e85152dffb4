/** @file Exchanges as what becomes of weights, and families of them. */

/** What becomes of the slots of one parameter along some axes. */
export interface WeightImages {
  readonly parameter: string;
  readonly axes: readonly number[];
  /** By index along these axes: the parameter and index that it takes its entries from, and their sign. */
  readonly images: ReadonlyMap<number, { readonly parameter: string; readonly index: number; readonly sign: number }>;
}

/** One exchange: what becomes of all weights that change. Sets along several axes of a parameter act one after the other. */
export type WeightExchange = readonly WeightImages[];

/** Exchanges that may be made independently: one for each unit, or a single one. */
export interface ExchangeFamily {
  readonly count: number;
  /** The k-th, from 0 on. Made at each call: layers have thousands. */
  element(k: number): WeightExchange;
  /** Whether they are conjugates of the first one: they move the same weights along the same axes. */
  readonly isConjugate: boolean;
  /** Whether no two of them move the same slots. */
  readonly isDisjoint: boolean;
  /** What is exchanged at each place, by the first weights of both sides. */
  readonly names: readonly [string, string];
}

/** Whether anything changes places: what only changes signs is known from units of measure. */
export function isExchange(element: WeightExchange): boolean {
  return element.some(({ parameter, images }) => [...images].some(([i, m]) => m.parameter !== parameter || m.index !== i));
}

/** What an exchange does, in one text. */
export function exchangeKey(element: WeightExchange): string {
  return element
    .map(
      ({ parameter, axes, images }) =>
        `${parameter}/${axes.join()}: ${[...images]
          .map(([i, m]) => `${i}<${m.parameter}.${m.index}.${m.sign}`)
          .sort()
          .join()}`,
    )
    .sort()
    .join(";");
}

/** The first weights that change places. */
export function sidesOf(element: WeightExchange): readonly [string, string] | undefined {
  for (const { parameter, images } of element)
    for (const m of images.values()) if (m.parameter !== parameter) return [parameter, m.parameter];
  const first = element[0]?.parameter;
  return first === undefined ? undefined : [first, first];
}

/** Whether no two exchanges move the same slots. */
export function areDisjoint(elements: readonly WeightExchange[]): boolean {
  const taken = new Set<string>();
  for (const exchange of elements) {
    const own = exchange.flatMap(({ parameter, axes, images }) =>
      [...images.keys()].map((i) => `${parameter}/${axes.join()}/${i}`),
    );
    if (own.some((slot) => taken.has(slot))) return false;
    for (const slot of own) taken.add(slot);
  }
  return true;
}

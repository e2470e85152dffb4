/** @file The Symmetry of a family of exchanges: weights change places, some with their signs, for each unit on its own. */
import { coordinatesOf, indexOf } from "../exchanges/movements";
import type { ExchangeFamily, WeightExchange } from "../exchanges/weights";
import type { Element, Exchange, Mirror, MovedSlot, ParameterValues, Symmetry } from "../symmetry";
import { mirrorOf, averagingSet } from "./involution";

/** Elements up to which the order of an exchange is looked for. */
const MOST_ORDER = 12;

type Shape = (parameter: string) => readonly number[];

/**
 * The Symmetry of the exchanges of a family: an element says of each of them how many times it is made.
 * @param isSwap whether it is told as two branches that change places
 */
export function exchangeSymmetry(
  family: ExchangeFamily,
  index: number,
  shape: Shape,
  spacesAt: (parameter: string, axis: number) => readonly number[],
  isSwap = false,
): Symmetry {
  const { count } = family;
  const first = family.element(0);
  const moved = movedBy(family);
  const parameters = [...new Set(moved.map((s) => s.parameter))];
  const act: Symmetry["act"] = (weights, element, owned) => {
    const out = new Map<string, Float64Array>();
    for (let k = 0; k < count; k++) {
      if (element[k] === 0) continue;
      const exchange = family.element(k);
      for (let times = element[k]!; times > 0; times--) {
        for (const images of exchange) copyOnce(images.parameter, weights, out, owned);
        apply(exchange, out, shape);
      }
    }
    return out;
  };
  const single = (k: number): Element => Float64Array.from({ length: count }, (_, i) => (i === k ? 1 : 0));
  const order = orderOf(first, shape);
  // What several move along one axis each stays as it is under all of them at once where it does under each.
  const isApart =
    family.isDisjoint && moved.every((s) => moved.every((o) => o.parameter !== s.parameter || o.axes.join() === s.axes.join()));
  const generating = function* (): Iterable<Element> {
    if (isApart) yield new Float64Array(count).fill(1);
    else for (let k = 0; k < count; k++) yield single(k);
  };
  return {
    id: `exchange:${index}`,
    kind: "swap",
    origin: "rule",
    group: nameOf(family, order),
    dimension: 0,
    parameters,
    spaces: [...new Set(first.flatMap((s) => (s.axes.length === 1 ? spacesAt(s.parameter, s.axes[0]!) : [])))].sort(
      (a, b) => a - b,
    ),
    randomElement(random) {
      const element = Float64Array.from({ length: count }, () => (random() < 0.5 ? 1 : 0));
      // The identity would check nothing.
      if (element.every((x) => x === 0)) element[Math.floor(random() * count)] = 1;
      return element;
    },
    act,
    generators: () => [],
    *mirrors(): Iterable<Mirror> {
      if (order === 2) for (let k = 0; k < count; k++) yield mirrorOf(act, single(k));
    },
    fixedSet: () => averagingSet(act, parameters, (p) => shape(p).reduce((n, d) => n * d, 1), generating()),
    moves: () => Array.from({ length: family.isConjugate ? 1 : count }, (_, k) => slotsOf(family.element(k))),
    ...(isSwap && isPlain(first) ? { exchange: () => exchangeOf(first, family.names, shape) } : {}),
  };
}

function slotsOf(exchange: WeightExchange): MovedSlot[] {
  return exchange.flatMap(({ parameter, axes, images }) =>
    [...images].map(([index, m]) => ({ parameter, axes, index, from: { parameter: m.parameter, index: m.index }, sign: m.sign })),
  );
}

/** What the exchanges of a family move: conjugates move the same weights along the same axes. */
function movedBy(family: ExchangeFamily): WeightExchange {
  return family.isConjugate ? family.element(0) : Array.from({ length: family.count }, (_, k) => family.element(k)).flat();
}

function copyOnce(
  parameter: string,
  weights: ParameterValues,
  out: Map<string, Float64Array>,
  owned: ReadonlySet<Float64Array> | undefined,
): void {
  const values = weights.get(parameter);
  if (values && !out.has(parameter)) out.set(parameter, owned?.has(values) ? values : values.slice());
}

/** The weights that an exchange moves, after it was made. */
export function actExchange(exchange: WeightExchange, weights: ParameterValues, shape: Shape): ParameterValues {
  const out = new Map<string, Float64Array>();
  for (const { parameter } of exchange) copyOnce(parameter, weights, out, undefined);
  apply(exchange, out, shape);
  return out;
}

/** Makes an exchange in place; one of whose weights some are not there leaves the others as they are. */
function apply(exchange: WeightExchange, values: ReadonlyMap<string, Float64Array>, shape: Shape): void {
  if (exchange.some((s) => !values.has(s.parameter))) return;
  const byAxes = new Map<string, WeightExchange[number][]>();
  for (const images of exchange) {
    const key = images.axes.join();
    const list = byAxes.get(key);
    if (list) list.push(images);
    else byAxes.set(key, [images]);
  }
  for (const along of byAxes.values()) {
    // All are read before any is written.
    const writes: { readonly to: Float64Array; readonly at: Int32Array; readonly values: Float64Array }[] = [];
    for (const { parameter, axes, images } of along) {
      const to = values.get(parameter)!;
      for (const [index, image] of images) {
        const from = values.get(image.parameter)!;
        const taken = positions(shape(image.parameter), axes, image.index);
        const at = positions(shape(parameter), axes, index);
        writes.push({ to, at, values: Float64Array.from(taken, (i) => image.sign * from[i]!) });
      }
    }
    for (const w of writes) w.at.forEach((i, k) => void (w.to[i] = w.values[k]!));
  }
}

/** Flat positions of the entries of a slot. */
function positions(shape: readonly number[], axes: readonly number[], index: number): Int32Array {
  const others = [...shape.keys()].filter((a) => !axes.includes(a));
  const fixed = coordinatesOf(
    index,
    axes.map((a) => shape[a]!),
  );
  const strides = shape.map((_, a) => shape.slice(a + 1).reduce((n, d) => n * d, 1));
  const start = axes.reduce((n, a, i) => n + fixed[i]! * strides[a]!, 0);
  const sizes = others.map((a) => shape[a]!);
  const out = new Int32Array(sizes.reduce((n, d) => n * d, 1)).fill(start);
  let repeat = out.length;
  others.forEach((a, i) => {
    repeat /= sizes[i]!;
    for (let k = 0; k < out.length; k++) out[k]! += (Math.floor(k / repeat) % sizes[i]!) * strides[a]!;
  });
  return out;
}

/** The group that the exchanges of a family make. Where they move the same weights they need not commute. */
function nameOf({ count, isDisjoint }: ExchangeFamily, order: number | undefined): string {
  const one = order === 2 ? "S(2)" : `Z${order ?? ""}`;
  if (count === 1) return one;
  return isDisjoint ? `${one}^${count}` : `generated by ${count} ${one}`;
}

/** How many times in a row an exchange leaves everything as it was; undefined where that is more often than is looked. */
function orderOf(exchange: WeightExchange, shape: Shape): number | undefined {
  const small = compressed(exchange, shape);
  const parameters = [...new Set(exchange.map((s) => s.parameter))];
  let next = 1;
  const first = new Map(
    parameters.map((p) => [p, Float64Array.from({ length: entries(small.shape(p)) }, () => next++)] as const),
  );
  const values = new Map([...first].map(([p, v]) => [p, v.slice()] as const));
  for (let order = 1; order <= MOST_ORDER; order++) {
    apply(small.exchange, values, small.shape);
    if ([...values].every(([p, v]) => v.every((x, i) => x === first.get(p)![i]))) return order;
  }
  return undefined;
}

/** Entries of the weights that an exchange moves, of those alike only one. */
export function movedEntries(exchange: WeightExchange, shape: Shape): number {
  const small = compressed(exchange, shape);
  return [...new Set(exchange.map((s) => s.parameter))].reduce((n, p) => n + entries(small.shape(p)), 0);
}

/**
 * The same exchange of smaller weights: along each axis the positions that it moves, and one of those that it does not. What
 * it does to all others is the same.
 */
function compressed(exchange: WeightExchange, shape: Shape): { readonly exchange: WeightExchange; readonly shape: Shape } {
  // Weights that exchange entries have one shape; weights of one shape have one list of positions along each axis.
  const used = new Map<string, Set<number>>();
  const usedOf = (p: string, axis: number): Set<number> => {
    const key = `${shape(p).join()}/${axis}`;
    const own = used.get(key) ?? new Set<number>();
    used.set(key, own);
    return own;
  };
  const at = (p: string, axes: readonly number[], index: number): number[] =>
    coordinatesOf(
      index,
      axes.map((a) => shape(p)[a]!),
    );
  for (const { parameter, axes, images } of exchange)
    for (const [index, m] of images) {
      at(parameter, axes, index).forEach((c, i) => usedOf(parameter, axes[i]!).add(c));
      at(m.parameter, axes, m.index).forEach((c, i) => usedOf(m.parameter, axes[i]!).add(c));
    }
  const order = new Map([...used].map(([key, own]) => [key, new Map([...own].map((c, i) => [c, i] as const))] as const));
  const small = (p: string): number[] =>
    shape(p).map((n, axis) => {
      const own = usedOf(p, axis).size;
      return own < n ? own + 1 : own;
    });
  const moved = (p: string, axes: readonly number[], index: number): number =>
    indexOf(
      at(p, axes, index).map((c, i) => order.get(`${shape(p).join()}/${axes[i]!}`)!.get(c)!),
      axes.map((a) => small(p)[a]!),
    );
  return {
    shape: small,
    exchange: exchange.map(({ parameter, axes, images }) => ({
      parameter,
      axes,
      images: new Map(
        [...images].map(([i, m]) => [moved(parameter, axes, i), { ...m, index: moved(m.parameter, axes, m.index) }] as const),
      ),
    })),
  };
}

function entries(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}

function isPlain(exchange: WeightExchange): boolean {
  return exchange.every(({ axes, images }) => axes.length < 2 && [...images.values()].every((m) => m.sign === 1));
}

/** An exchange as what changes places. */
export function exchangeOf(exchange: WeightExchange, names: readonly [string, string], shape: Shape): Exchange {
  const parameters = new Map<string, readonly [string, string]>();
  const entries = new Map<string, { parameter: string; axis: number; positions: [number[], number[]] }>();
  const taken = new Map<string, { readonly other: string; count: number }>();
  for (const { parameter, axes, images } of exchange) {
    const axis = axes[0];
    for (const [index, image] of images) {
      if (image.parameter === parameter) {
        if (axis === undefined || image.index <= index) continue;
        const key = `${parameter}/${axis}`;
        const own = entries.get(key) ?? { parameter, axis, positions: [[], []] };
        entries.set(key, own);
        own.positions[0].push(index);
        own.positions[1].push(image.index);
        continue;
      }
      const known = taken.get(parameter) ?? { other: image.parameter, count: 0 };
      taken.set(parameter, known);
      known.count++;
      const isWhole = known.other === image.parameter && known.count === (axis === undefined ? 1 : shape(parameter)[axis]!);
      const pair: [string, string] = parameter < image.parameter ? [parameter, image.parameter] : [image.parameter, parameter];
      if (isWhole) parameters.set(pair.join("~"), pair);
    }
  }
  return {
    branches: names,
    parameters: [...parameters.values()].sort((x, y) => (x[0] < y[0] ? -1 : 1)),
    entries: [...entries.values()],
  };
}

/** @file The Symmetry of a family of exchanges: weights change places, some with their signs, for each unit on its own. */
import { coordinatesOf } from "../exchanges/slots";
import type { ExchangeFamily, WeightExchange } from "../exchanges/exchanges";
import type { Element, Exchange, Mirror, ParameterValues, Symmetry } from "../symmetry";
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
  const { elements } = family;
  const count = elements.length;
  const parameters = [...new Set(elements.flatMap((e) => e.map((s) => s.parameter)))];
  const act: Symmetry["act"] = (weights, element, owned) => {
    const out = new Map<string, Float64Array>();
    elements.forEach((exchange, k) => {
      for (let times = element[k]!; times > 0; times--) {
        for (const images of exchange) copyOnce(images.parameter, weights, out, owned);
        apply(exchange, out, shape);
      }
    });
    return out;
  };
  const single = (k: number): Element => Float64Array.from({ length: count }, (_, i) => (i === k ? 1 : 0));
  const order = orderOf(elements[0]!, shape);
  return {
    id: `exchange:${index}`,
    kind: "swap",
    origin: "rule",
    group: nameOf(elements, order),
    dimension: 0,
    parameters,
    spaces: [...new Set(elements[0]!.flatMap((s) => (s.axes.length === 1 ? spacesAt(s.parameter, s.axes[0]!) : [])))].sort(
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
    fixedSet: () =>
      averagingSet(
        act,
        parameters,
        (p) => shape(p).reduce((n, d) => n * d, 1),
        elements.map((_, k) => single(k)),
      ),
    ...(isSwap && isPlain(family) ? { exchange: () => exchangeOf(family, shape) } : {}),
  };
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
function nameOf(elements: readonly WeightExchange[], order: number | undefined): string {
  const one = order === 2 ? "S(2)" : `Z${order ?? ""}`;
  if (elements.length === 1) return one;
  const taken = new Set<string>();
  for (const exchange of elements) {
    const own = exchange.flatMap(({ parameter, axes, images }) =>
      [...images.keys()].map((i) => `${parameter}/${axes.join()}/${i}`),
    );
    if (own.some((slot) => taken.has(slot))) return `generated by ${elements.length} ${one}`;
    for (const slot of own) taken.add(slot);
  }
  return `${one}^${elements.length}`;
}

/** How many times in a row an exchange leaves everything as it was; undefined where that is more often than is looked. */
function orderOf(exchange: WeightExchange, shape: Shape): number | undefined {
  const parameters = [...new Set(exchange.map((s) => s.parameter))];
  let next = 1;
  const first = new Map(
    parameters.map((p) => [p, Float64Array.from({ length: shape(p).reduce((n, d) => n * d, 1) }, () => next++)] as const),
  );
  const values = new Map([...first].map(([p, v]) => [p, v.slice()] as const));
  for (let order = 1; order <= MOST_ORDER; order++) {
    apply(exchange, values, shape);
    if ([...values].every(([p, v]) => v.every((x, i) => x === first.get(p)![i]))) return order;
  }
  return undefined;
}

function isPlain(family: ExchangeFamily): boolean {
  return family.elements.every((e) =>
    e.every(({ axes, images }) => axes.length < 2 && [...images.values()].every((m) => m.sign === 1)),
  );
}

/** All exchanges of a family at once, as what changes places. */
export function exchangeOf({ elements, names }: ExchangeFamily, shape: Shape): Exchange {
  const parameters = new Map<string, readonly [string, string]>();
  const entries = new Map<string, { parameter: string; axis: number; positions: [number[], number[]] }>();
  const taken = new Map<string, { readonly other: string; count: number }>();
  for (const { parameter, axes, images } of elements.flat()) {
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

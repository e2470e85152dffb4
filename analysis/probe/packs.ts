/**
 * @file How the state of a run is laid out. Small networks keep all parameters in one vector, so that an update is a
 * handful of nodes whatever the number of layers; large ones keep each parameter apart, which saves copying.
 */
import { elementCount, type Shape } from "../graph/tensor";
import { concat, ints, reshape } from "../operators/lower/build";
import type { GraphBuilder } from "../operators/gradients/builder";

/** One tensor of the state. */
export interface Pack {
  readonly name: string;
  readonly entries: readonly PackEntry[];
  /** Number of elements of one run. */
  readonly size: number;
  /** True: [size], or [R, size]; false: the shape of its only entry (one run only). */
  readonly flat: boolean;
}

/** A parameter in a pack. */
export interface PackEntry {
  readonly name: string;
  readonly shape: Shape;
  readonly offset: number;
}

/** Up to this many elements of one run the parameters are one vector. */
export const LARGEST_FLAT = 300_000;

/** Lays named tensors out, all in one vector or each apart. */
export function makePacks(
  name: string,
  tensors: readonly { readonly name: string; readonly shape: Shape }[],
  flat: boolean,
): Pack[] {
  if (tensors.length === 0) return [];
  if (!flat) {
    return tensors.map((t, i) => ({
      name: `${name}${i}`,
      entries: [{ ...t, offset: 0 }],
      size: elementCount(t.shape),
      flat: false,
    }));
  }
  let offset = 0;
  const entries = tensors.map((t) => {
    const entry = { name: t.name, shape: t.shape, offset };
    offset += elementCount(t.shape);
    return entry;
  });
  return [{ name, entries, size: offset, flat: true }];
}

/** Shape of a pack's tensor; `replicas` 0 for a single run. */
export function packShape(pack: Pack, replicas: number): Shape {
  if (!pack.flat) return pack.entries[0]!.shape;
  return replicas > 0 ? [replicas, pack.size] : [pack.size];
}

/** Appends the nodes that make the entries from a pack's value; `write` gives each entry's value its name. */
export function unpack(b: GraphBuilder, pack: Pack, value: string, replicas: number, write: (entry: PackEntry) => string): void {
  const name = (output: string, operator: string, inputs: readonly string[], attributes = {}) =>
    b.append({ name: output, operator, domain: "", inputs, outputs: [output], attributes, origin: {} });
  if (!pack.flat) {
    name(write(pack.entries[0]!), "Identity", [value]);
    return;
  }
  const lead = replicas > 0 ? [replicas] : [];
  const sizes = pack.entries.map((e) => elementCount(e.shape));
  const parts =
    pack.entries.length === 1 ? [value] : b.addAll("Split", [value, ints(b, sizes)], sizes.length, { axis: lead.length });
  pack.entries.forEach((entry, i) => name(write(entry), "Reshape", [parts[i]!, ints(b, [...lead, ...entry.shape])]));
}

/** Appends the nodes that join values of the entries into one of the pack's shape. */
export function repack(b: GraphBuilder, pack: Pack, values: (entry: PackEntry) => string, replicas: number): string {
  if (!pack.flat) return values(pack.entries[0]!);
  const lead = replicas > 0 ? [replicas] : [];
  const parts = pack.entries.map((entry) => reshape(b, values(entry), [...lead, elementCount(entry.shape)]));
  return concat(b, parts, lead.length);
}

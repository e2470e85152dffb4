/** @file What of the regions is seen: a matrix that ends where an edge never goes is no group of the edge's channels. */
import { ParameterSpace, Span } from "../counting/families";
import type { Generator } from "../symmetry";
import type { FieldRegion } from "./fields";

/**
 * The regions without those that do nothing but scale channels and move what no reader sees. Fields of an edge are solved for on
 * all of its channels; where it takes few directions only (a stream and the stream rolled by one channel, added), those that end in
 * the others look like matrices, and are unread directions of its readers. And units that see a few numbers only (a perceptron of
 * offsets) may be as well any matrix there, but do no more than scale.
 * @param others the scalings of engine B and the unread directions of engine D, at the weights of the regions
 */
export function seenRegions(regions: readonly FieldRegion[], others: readonly Generator[]): readonly FieldRegion[] {
  if (others.length === 0) return regions;
  return regions.filter(({ generators }) => {
    if (generators.length === 0) return true;
    const space = ParameterSpace.of([...others, ...generators].map((g) => g.vector));
    const span = new Span(space.size);
    span.add(others.map((g) => space.flatten(g.vector)));
    return !generators.every((g) => span.contains(space.flatten(g.vector)));
  });
}

/** @file What was found on a network of slices, told of the network of whole parameters. */
import { once, withLazy } from "../../graph/lazy";
import { onWholeParameters, type ParameterSlices } from "../../graph/slices";
import { elementCount } from "../../graph/tensor";
import type { ModelAnalysis } from "../analysis";
import type { ChannelSpace, Symmetry } from "../symmetry";
import { onWholeTensors } from "./addresses";
import { onWholes } from "./symmetry";
import { joinWeights } from "./weights";

/** The analysis with actions, addresses and graphs on the parameters that the model has. */
export function ofWholeParameters(found: ModelAnalysis, slices: ParameterSlices): ModelAnalysis {
  const symmetries = once((): readonly Symmetry[] => found.symmetries.map((s) => onWholes(s, slices)));
  const { graph, normal, continuous, countOrigin, measurable, genericWeights, opaque, parameters, notes } = found;
  const made = {
    graph,
    normal: onWholeParameters(normal, slices),
    spaces: found.spaces.map((space): ChannelSpace => {
      const { id, size, permutable, within } = space;
      const acts = onWholeTensors(space.acts, size, slices);
      const place = { id, size, acts, permutable, ...(within === undefined ? {} : { within }) };
      return withLazy(place, { group: () => space.group });
    }),
    continuous,
    countOrigin,
    ...(measurable ? { measurable: onWholeParameters(measurable, slices) } : {}),
    ...(genericWeights
      ? { genericWeights: joinWeights(genericWeights, slices, (p) => new Float64Array(elementCount(p.shape))) }
      : {}),
    opaque,
    parameters,
    notes,
    apart: found,
    ...(found.lowered ? { lowered: found.lowered } : {}),
  };
  return withLazy(made, {
    symmetries,
    swaps: () => found.swaps,
    exchanges: () => {
      const ids = new Set(found.exchanges.map((s) => s.id));
      return symmetries().filter((s) => ids.has(s.id));
    },
  });
}

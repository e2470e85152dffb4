/** @file What was found on parameters with their offsets, told of the parameters that the model has. */
import { once, withLazy } from "../../graph/lazy";
import { onGivenParameters, type ParameterOffsets } from "../../graph/offsets";
import type { ModelAnalysis } from "../analysis";
import type { Symmetry } from "../symmetry";
import { onGiven, without } from "./symmetry";

/** The analysis with actions and graphs on the parameters as they are given. */
export function ofGivenParameters(found: ModelAnalysis, offsets: ParameterOffsets): ModelAnalysis {
  const symmetries = once((): readonly Symmetry[] => found.symmetries.map((s) => onGiven(s, offsets)));
  const { graph, normal, spaces, continuous, countOrigin, measurable, genericWeights, opaque, parameters, notes } = found;
  const made = {
    graph,
    normal: onGivenParameters(normal, offsets),
    spaces,
    continuous,
    countOrigin,
    ...(measurable ? { measurable: onGivenParameters(measurable, offsets) } : {}),
    ...(genericWeights ? { genericWeights: without(genericWeights, offsets) } : {}),
    opaque,
    parameters,
    notes,
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

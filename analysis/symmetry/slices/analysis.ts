/** @file What was found on a network of slices, told of the network of whole parameters. */
import { onWholeParameters, type ParameterSlices } from "../../graph/slices";
import { elementCount } from "../../graph/tensor";
import type { ModelAnalysis } from "../analysis";
import type { ChannelSpace, Symmetry } from "../symmetry";
import { onWholeTensors } from "./addresses";
import { onWholes } from "./symmetry";
import { joinWeights } from "./weights";

/** The analysis with actions, addresses and graphs on the parameters that the model has. */
export function ofWholeParameters(found: ModelAnalysis, slices: ParameterSlices): ModelAnalysis {
  let known: readonly Symmetry[] | undefined;
  const symmetries = (): readonly Symmetry[] => (known ??= found.symmetries.map((s) => onWholes(s, slices)));
  const { graph, normal, continuous, countOrigin, measurable, genericWeights, opaque, parameters, notes } = found;
  return {
    graph,
    normal: onWholeParameters(normal, slices),
    spaces: found.spaces.map((space): ChannelSpace => {
      const { id, size, permutable, within } = space;
      return {
        id,
        size,
        acts: onWholeTensors(space.acts, size, slices),
        get group() {
          return space.group;
        },
        permutable,
        ...(within === undefined ? {} : { within }),
      };
    }),
    get symmetries() {
      return symmetries();
    },
    get swaps() {
      return found.swaps;
    },
    get exchanges() {
      const ids = new Set(found.exchanges.map((s) => s.id));
      return symmetries().filter((s) => ids.has(s.id));
    },
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
}

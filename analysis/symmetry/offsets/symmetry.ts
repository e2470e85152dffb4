/** @file A Symmetry of parameters with their offsets as one of the parameters as they are given. */
import type { ParameterOffsets } from "../../graph/offsets";
import type { Mirror, ParameterValues, Symmetry } from "../symmetry";

/** The weights less their offsets. */
export function without(weights: ParameterValues, offsets: ParameterOffsets): ParameterValues {
  return shifted(weights, offsets, -1);
}

function shifted(weights: ParameterValues, offsets: ParameterOffsets, sign: 1 | -1): ParameterValues {
  const out = new Map<string, Float64Array>(weights);
  for (const [name, { values }] of offsets) {
    const own = weights.get(name);
    if (own)
      out.set(
        name,
        own.map((x, i) => x + sign * values[i]!),
      );
  }
  return out;
}

/**
 * The same group on the parameters as they are given, where it acts by affine maps: `w` becomes `a (w + c) - c`. Which entries a
 * scale multiplies is not told of what has an offset: nothing of it is multiplied as it is.
 */
export function onGiven(s: Symmetry, offsets: ParameterOffsets): Symmetry {
  const added = (weights: ParameterValues) => shifted(weights, offsets, 1);
  const { mirrors, units, diagonal, exchange, moves } = s;
  const isApart = !s.parameters.some((p) => offsets.has(p));
  return {
    id: s.id,
    kind: s.kind,
    origin: s.origin,
    group: s.group,
    dimension: s.dimension,
    parameters: s.parameters,
    spaces: s.spaces,
    randomElement: s.randomElement,
    act: (weights, element, owned) => without(s.act(added(weights), element, owned), offsets),
    generators: (weights) => s.generators(added(weights)),
    fixedSet(weights) {
      const set = s.fixedSet(added(weights));
      return set && { codimension: set.codimension, project: (at) => without(set.project(added(at)), offsets) };
    },
    ...(mirrors
      ? {
          *mirrors(weights: ParameterValues): Iterable<Mirror> {
            for (const m of mirrors(added(weights))) yield { ...m, project: (at) => m.project(added(at)) };
          },
        }
      : {}),
    ...(units ? { units } : {}),
    ...(diagonal && isApart ? { diagonal } : {}),
    ...(exchange ? { exchange } : {}),
    ...(moves ? { moves } : {}),
  };
}

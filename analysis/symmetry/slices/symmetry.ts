/** @file A Symmetry of a network of slices as one of the network of whole parameters. */
import { type ParameterSlice, type ParameterSlices, positionsOf, wholeAxisOf } from "../../graph/slices";
import { elementCount } from "../../graph/tensor";
import type { DiagonalEntries, Generator, Mirror, ParameterValues, Symmetry, UnitBlock } from "../symmetry";
import { joinWeights, sliceWeights } from "./weights";

/** The same group on the parameters that are cut: it takes whole weights and gives whole weights. */
export function onWholes(s: Symmetry, slices: ParameterSlices): Symmetry {
  const zeros = (p: ParameterSlice["whole"]) => new Float64Array(elementCount(p.shape));
  const apart = (weights: ParameterValues) => sliceWeights(weights, slices).values;
  const joined = (values: ParameterValues, weights: ParameterValues, owned?: ReadonlySet<Float64Array>) =>
    joinWeights(values, slices, (p) => weights.get(p.name) ?? zeros(p), owned);
  const direction = (values: ParameterValues) => joinWeights(values, slices, zeros);
  const { mirrors, units, diagonal, exchange, moves } = s;
  return {
    id: s.id,
    kind: s.kind,
    origin: s.origin,
    group: s.group,
    dimension: s.dimension,
    parameters: [...new Set(s.parameters.map((p) => slices.get(p)?.whole.name ?? p))],
    spaces: s.spaces,
    randomElement: s.randomElement,
    act(weights, element, owned) {
      const { values, made } = sliceWeights(weights, slices);
      return joined(s.act(values, element, owned ? new Set([...owned, ...made]) : made), weights, owned);
    },
    generators: (weights) => s.generators(apart(weights)).map((g): Generator => ({ ...g, vector: direction(g.vector) })),
    fixedSet(weights) {
      const set = s.fixedSet(apart(weights));
      return set && { codimension: set.codimension, project: (at) => joined(set.project(apart(at)), at) };
    },
    ...(mirrors
      ? {
          *mirrors(weights: ParameterValues): Iterable<Mirror> {
            for (const m of mirrors(apart(weights))) yield { ...m, project: (at) => direction(m.project(apart(at))) };
          },
        }
      : {}),
    ...(units ? { units: () => units().map((u) => unitsOfWhole(u, slices)) } : {}),
    ...(diagonal ? { diagonal: () => diagonal().map((d) => diagonalOfWhole(d, slices)) } : {}),
    ...(exchange ? { exchange } : {}),
    ...(moves ? { moves } : {}),
  };
}

function unitsOfWhole(block: UnitBlock, slices: ParameterSlices): UnitBlock {
  const slice = slices.get(block.parameter);
  if (!slice) return block;
  return { ...block, parameter: slice.whole.name, axis: wholeAxisOf(slice, block.axis), flat: placed(block.flat, slice) };
}

function diagonalOfWhole(entries: DiagonalEntries, slices: ParameterSlices): DiagonalEntries {
  const slice = slices.get(entries.parameter);
  return slice ? { ...entries, parameter: slice.whole.name, flat: placed(entries.flat, slice) } : entries;
}

/** Positions in a slice as positions in the whole. */
function placed(flat: Int32Array, slice: ParameterSlice): Int32Array {
  const at = positionsOf(slice);
  return flat.map((i) => at[i]!);
}

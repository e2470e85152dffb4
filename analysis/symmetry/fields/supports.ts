/**
 * @file Supports: the directions of an edge's channels in which its values lie at all. What a norm hands on is orthogonal to 1,
 * what few channels write fills few directions; a field is seen nowhere else.
 */
import { Matrix } from "../../numerics/matrix";
import type { Random } from "../../numerics/random";
import { orthonormalBasis } from "../../numerics/rank";
import type { Network } from "../counting/network";
import type { ParameterValues } from "../symmetry";
import type { Channels } from "./channels";
import type { Unit } from "./edges";
import { leafValue } from "./samples";

const TOLERANCE = { relative: 1e-9, absolute: 1e-12 } as const;
/** Vectors looked at per channel, and inputs drawn at least. */
const VECTORS_PER_CHANNEL = 3;
const LEAST_RUNS = 3;

/**
 * An orthonormal basis, one direction per column, of the span of each visible edge's values, where that is less than all. Units
 * are looked at one by one, at inputs that are random within their own supports.
 */
export function findSupports(
  network: Network,
  units: readonly Unit[],
  channelsOf: (value: string) => Channels,
  weights: ParameterValues,
  random: Random,
): Map<string, Matrix> {
  const supports = new Map<string, Matrix>();
  for (const unit of units) {
    const channels = channelsOf(unit.output);
    if (!isPlain(channels)) continue;
    const positions = channels.entries[0]!.length;
    const runs = Math.max(LEAST_RUNS, Math.ceil((VECTORS_PER_CHANNEL * channels.count) / positions));
    const vectors: Float64Array[] = [];
    for (let run = 0; run < runs; run++) {
      const values = unit.program.evaluate((leaf) => {
        const support = supports.get(leaf);
        return leafValue(network, unit, weights, random, leaf, support && { channels: channelsOf(leaf), support });
      });
      const { data } = unit.program.results(values)[0]!;
      for (let p = 0; p < positions; p++) vectors.push(Float64Array.from(channels.entries, (entries) => data[entries[p]!]!));
    }
    if (vectors.some((v) => v.some((x) => !Number.isFinite(x)))) continue;
    const basis = orthonormalBasis(Matrix.fromColumns(vectors, channels.count), TOLERANCE);
    if (basis.columns < channels.count) supports.set(unit.output, basis);
  }
  return supports;
}

/** Whether the channels are all of one kind: those may mix, and their positions match. */
function isPlain({ count, kinds, entries }: Channels): boolean {
  return count > 1 && entries[0]!.length > 0 && kinds.every((k) => k === kinds[0]);
}

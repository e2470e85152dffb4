/**
 * @file Rotations that gains have to follow. Between two norms of one stream, x + f(n(x)) under another norm, a rotation R of the
 * stream meets the gain D of the inner norm. Both norms see vectors orthogonal to 1 only, and there D may move so that
 * P D P turns along: [P D P, K] = P (dD) P has a solution K in any number of channels (n + 1 gains, n conditions on the
 * spectrum). Engine C holds gains still and misses these; they are looked for where a direction is left unexplained.
 */
import type { AxisStructure } from "../../graph/axes";
import { norm } from "../../numerics/matrix";
import type { Network } from "../counting/network";
import type { ParameterValues } from "../symmetry";
import { Lift } from "./lift";
import { solveWideFields } from "./system";

/** Lengths below this are rounding. */
const SMALL = 1e-8;

/** Tangents of all solutions of the wide system; most of them change nothing, or are other engines'. */
export function wideTangents(network: Network, weights: ParameterValues, axes: AxisStructure, seed: number): ParameterValues[] {
  const system = solveWideFields(network, weights, axes, seed);
  if (!system) return [];
  const lift = new Lift(system, seed + 1);
  return system.solutions.flatMap(({ unknowns, basis }) =>
    Array.from({ length: basis.columns }, (_, k) => lift.tangent(new Map(unknowns.map((u, i) => [u, basis.get(i, k)] as const))))
      .flatMap((vector) => vector ?? [])
      .filter((vector) => [...vector.values()].some((v) => norm(v) > SMALL)),
  );
}

/**
 * @file Rotations that gains have to follow. Between two norms of one stream, x + f(n(x)) under another norm, a rotation R of the
 * stream meets the gain D of the inner norm. Both norms see vectors orthogonal to 1 only, and there D may move so that
 * P D P turns along: [P D P, K] = P (dD) P has a solution K in any number of channels (n + 1 gains, n conditions on the
 * spectrum). Engine C holds gains still and misses these; they are looked for where a direction is left unexplained.
 */
import type { AxisStructure } from "../../graph/axes";
import type { Graph } from "../../graph/graph";
import { norm } from "../../numerics/matrix";
import { ParameterSpace, Span } from "../counting/families";
import { certificates } from "../counting/jacobian";
import { Network } from "../counting/network";
import type { ParameterValues } from "../symmetry";
import { Lift } from "./lift";
import { solveWideFields } from "./system";

/** Largest |J v| / |v| that a vector may have, relative to the Jacobian's size. */
const CERTIFIED = 1e-8;
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

/** The certified tangents beyond the span of those that are known. Throws Error where an operator refuses its inputs. */
export function beyondKnown(
  graph: Graph,
  weights: ParameterValues,
  axes: AxisStructure,
  known: readonly ParameterValues[],
  seed: number,
): ParameterValues[] {
  const network = Network.of(graph);
  const space = new ParameterSpace(network.trainable.map((p) => [p, weights.get(p)!.length] as const));
  const span = new Span(space.size);
  span.add(known.map((v) => space.flatten(v)));
  const found = wideTangents(network, weights, axes, seed).filter((v) => !span.contains(space.flatten(v)));
  const holds = certificates(graph, weights, found, { seed: seed + 2 });
  return found.filter((v, k) => holds[k]! < CERTIFIED && span.add([space.flatten(v)]) > 0);
}

/** @file Whether directions of the weights move given values in ways that others do not. */
import { Random } from "../../numerics/random";
import type { ParameterValues } from "../symmetry";
import { Span } from "./families";
import { batch } from "./jacobian";
import type { Network } from "./network";
import { Program } from "./program";

/** Batches of inputs on which values are looked at. */
const BATCHES = 3;

/**
 * Which directions move some of the values as no combination of the known directions and of those before it does. What moves them
 * alike differs by weights that move none of them: one who looks for matrices and shifts of these values has not found that, but
 * met it by chance at this draw of weights. Directions of parameters by name; the answer is one flag for each direction.
 * Throws Error where an operator refuses its inputs.
 */
export function newMotions(
  network: Network,
  weights: ParameterValues,
  values: Iterable<string>,
  known: readonly ParameterValues[],
  directions: readonly ParameterValues[],
  seed: number,
): boolean[] {
  if (directions.length === 0) return [];
  const program = new Program(network, [...values]);
  const random = new Random(seed);
  const points = Array.from({ length: BATCHES }, () => program.evaluate(batch(network, weights, random)));
  const sizes = program.results(points[0]!).map((t) => t.data.length);
  const size = sizes.reduce((n, s) => n + s, 0);
  const motion = (direction: ParameterValues): Float64Array => {
    const out = new Float64Array(BATCHES * size);
    let at = 0;
    for (const point of points) {
      program.differentiateJointly(point, direction).forEach((t, i) => {
        // Masked entries are minus infinity by design, and do not move.
        t?.data.forEach((x, k) => (out[at + k] = Number.isFinite(x) ? x : 0));
        at += sizes[i]!;
      });
    }
    return out;
  };
  const span = new Span(BATCHES * size);
  span.add(known.map(motion));
  return directions.map((d) => span.add([motion(d)]) > 0);
}

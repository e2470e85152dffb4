/**
 * @file Directions beyond engines B, C and D: curves in the space of weights that no matrix on an edge and no shift describes.
 * They are looked for where something is left unexplained, by systems that are larger than those of the engines.
 */
import type { AxisStructure } from "../../graph/axes";
import type { Graph } from "../../graph/graph";
import { norm } from "../../numerics/matrix";
import { Random } from "../../numerics/random";
import { hasKinks } from "../counting/calibration";
import { ParameterSpace, Span } from "../counting/families";
import { certificates } from "../counting/jacobian";
import { Network } from "../counting/network";
import { genericWeights } from "../counting/sampling";
import type { Generator, ParameterValues } from "../symmetry";
import { polynomialEnds } from "./polynomial";
import { stationsOf, stationTangents } from "./trunk";
import { wideTangents } from "./wide";

/**
 * What finds a direction: norms whose gains turn along with a stream, blocks of a trunk kept whole, inputs passing by or not, or
 * polynomials between nonlinearities kept whole.
 */
export type CurveSource = "norms" | BlockSource;

/** Those that keep blocks whole. */
type BlockSource = "trunk" | "whole trunk" | "polynomials";

/** A direction with the system that it solves. */
export interface Curve {
  readonly source: CurveSource;
  readonly generator: Generator;
}

/** Largest |J v| / |v| that a vector may have, relative to the Jacobian's size. */
const CERTIFIED = 1e-8;

/** Part of a direction that has to be beyond what is known: less is what rounding leaves of a sum of known ones. */
const LEAST_NEW = 1e-5;

/** Other draws of weights at which a system has to have as many solutions, where derivatives jump. */
const DRAWS_ELSEWHERE = 4;

/**
 * Whether a system has as many solutions at other generic weights. At one draw a unit may be on, or off, for all that is in a table:
 * what trades with it then is a fact about that draw. Smooth networks are the same at all.
 */
function isLasting(source: CurveSource, network: Network, axes: AxisStructure, solutions: number, seed: number): boolean {
  if (!hasKinks(network)) return true;
  const random = new Random(seed);
  for (let draw = 0; draw < DRAWS_ELSEWHERE; draw++) {
    if (curveTangents(source, network, genericWeights(network, random), axes, seed).length < solutions) return false;
  }
  return true;
}

/** All solutions of a system at some weights; most of them are other engines' too. */
export function curveTangents(
  source: CurveSource,
  network: Network,
  weights: ParameterValues,
  axes: AxisStructure,
  seed: number,
): ParameterValues[] {
  if (source === "norms") return wideTangents(network, weights, axes, seed);
  if (source === "polynomials") return channelwiseTangents(source, network, weights, axes, seed);
  const stations = stationsOf(network, source === "trunk");
  return stations.length === 0 ? [] : stationTangents(network, weights, axes, seed, stations);
}

/** Of the solutions of blocks kept whole those that scale and shift what is between them channel by channel. */
function channelwiseTangents(
  source: BlockSource,
  network: Network,
  weights: ParameterValues,
  axes: AxisStructure,
  seed: number,
): ParameterValues[] {
  const stations = source === "polynomials" ? polynomialEnds(network) : stationsOf(network, source === "trunk");
  return stationTangents(network, weights, axes, seed, stations, { channelwise: true });
}

/** Grows a span by certified directions. */
class Known {
  private readonly space: ParameterSpace;
  private readonly span: Span;

  constructor(
    private readonly graph: Graph,
    private readonly weights: ParameterValues,
    network: Network,
    known: readonly ParameterValues[],
  ) {
    this.space = new ParameterSpace(network.trainable.map((p) => [p, weights.get(p)!.length] as const));
    this.span = new Span(this.space.size);
    this.span.add(known.map((v) => this.space.flatten(v)));
  }

  /** Those that are new, each of them beyond all others. */
  take(found: readonly ParameterValues[], seed: number): ParameterValues[] {
    const fresh = found.filter((v) => {
      const flat = this.space.flatten(v);
      return norm(this.span.remainderOf(flat)) > LEAST_NEW * norm(flat);
    });
    const holds = certificates(this.graph, this.weights, fresh, { seed });
    return fresh.filter((v, k) => holds[k]! < CERTIFIED && this.span.add([this.space.flatten(v)]) > 0);
  }
}

/**
 * The directions beyond the span of those that are known. `isMissing` tells whether that many leave anything unexplained.
 * Throws Error where an operator refuses its inputs.
 */
export function beyondKnown(
  graph: Graph,
  weights: ParameterValues,
  axes: AxisStructure,
  known: readonly ParameterValues[],
  options: {
    readonly seed: number;
    readonly norms: boolean;
    /** Whether blocks of a trunk are looked at; polynomials always are. */
    readonly trunk: boolean;
    readonly isMissing: (found: number) => boolean;
  },
): Curve[] {
  const network = Network.of(graph);
  const { seed, isMissing } = options;
  const span = new Known(graph, weights, network, known);
  const out: Curve[] = [];
  if (options.norms) {
    for (const vector of span.take(curveTangents("norms", network, weights, axes, seed), seed + 2))
      out.push({ source: "norms", generator: { family: "rotation", vector, spaces: [] } });
  }
  for (const source of ["trunk", "whole trunk"] as const) {
    if (options.trunk && isMissing(out.length)) takeTrunk(source);
  }
  if (isMissing(out.length)) takePolynomials();
  return out;

  function takePolynomials(): void {
    const solutions = curveTangents("polynomials", network, weights, axes, seed);
    const fresh = span.take(solutions, seed + 2);
    if (fresh.length === 0 || !isLasting("polynomials", network, axes, solutions.length, seed + 3)) return;
    for (const vector of fresh) out.push({ source: "polynomials", generator: { family: "linear", vector, spaces: [] } });
  }

  function takeTrunk(source: "trunk" | "whole trunk"): void {
    const before = out.map((c) => c.generator.vector);
    const solutions = curveTangents(source, network, weights, axes, seed);
    const matrices = span.take(solutions, seed + 2);
    if (matrices.length === 0 || !isLasting(source, network, axes, solutions.length, seed + 3)) return;
    // Of these, what scales channels one by one comes first, as a rescaling.
    const scalings = channelwiseTangents(source, network, weights, axes, seed);
    const again = new Known(graph, weights, network, [...known, ...before]);
    for (const [family, vectors] of [
      ["rescaling", scalings],
      ["linear", matrices],
    ] as const) {
      for (const vector of again.take(vectors, seed + 2)) out.push({ source, generator: { family, vector, spaces: [] } });
    }
  }
}

/** @file Kinks that see few numbers, whatever enters: all of them may be on one side, at many draws of weights. */
import { isFloating, type Tensor } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import type { ParameterValues } from "../symmetry";
import { isBroken } from "./calibration";
import { batch } from "./jacobian";
import type { Network } from "./network";
import { Program } from "./program";

/** So many numbers are hardly ever all on one side of a kink that is put in the middle of some of them. */
const MANY = 64;
/** Batches in which as many may occur. */
const BATCHES = 24;

/**
 * Whether some kink sees few numbers, whatever enters: of what depends on weights alone (offsets of positions), or on indices (rows
 * of tables). Sequences of indices are many, and what attention makes of them is nearly another number each time.
 */
export function seesFewNumbers(network: Network, weights: ParameterValues, seed: number): boolean {
  const discrete = discreteOperands(network);
  if (discrete.length === 0) return false;
  if (discrete.some((value) => !network.producer(value) || !network.isActivation(value))) return true;
  const program = new Program(network, discrete);
  const random = new Random(seed);
  const seen = discrete.map(() => new Set<number>());
  let units = discrete.map(() => 1);
  const isFew = (): boolean => seen.some((numbers, k) => numbers.size < MANY * units[k]!);
  for (let b = 0; b < BATCHES && (b === 0 || isFew()); b++) {
    const results = program.results(program.evaluate(batch(network, weights, random)));
    units = results.map(({ shape }) => Math.max(1, ...shape.slice(1)));
    results.forEach((tensor, k) => collect(tensor, seen[k]!));
  }
  return isFew();
}

/** Values that kinked operators read and that no continuous input has a part in. */
function discreteOperands(network: Network): string[] {
  const continuous = new Set(network.inputs.filter((i) => isFloating(i.type)).map((i) => i.name));
  const found = new Set<string>();
  for (const { node } of network.steps) {
    if (node.inputs.some((i) => continuous.has(i))) for (const o of node.outputs) continuous.add(o);
    else if (isBroken(network, node)) for (const i of node.inputs) if (i !== "" && network.kind(i) !== "constant") found.add(i);
  }
  return [...found];
}

/** Adds the numbers of a tensor, equal up to rounding. */
function collect({ data }: Tensor, numbers: Set<number>): void {
  for (const x of data) if (Number.isFinite(x)) numbers.add(Math.fround(x));
}

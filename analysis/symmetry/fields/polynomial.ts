/**
 * @file Polynomial blocks. Between one nonlinearity and the next a network computes a polynomial in its weights and its values:
 * sums and products, of weights with values, of values, of weights. Engines C and D take it apart operator by operator; what
 * leaves the polynomial as a whole as it is may have no matrix on any edge in between: of o diag(a) v, of which o has one row
 * left when a loss has taken away what classes have in common, every a may be had; of C A^t B, t below T, a longer state than
 * there are steps is not all seen.
 */
import type { Network } from "../counting/network";
import { isGlue } from "./edges";

/** Linear in each of their operands, whatever the others hang on. */
const MULTILINEAR: ReadonlySet<string> = new Set([
  "Mul",
  "MatMul",
  "Einsum",
  "Conv",
  "ConvTranspose",
  "ReduceSumSquare",
  "Gather",
]);

/** The values at which blocks end: what operators other than sums and products read, in topological order. */
export function polynomialEnds(network: Network): string[] {
  const found = new Set<string>();
  const observed = new Set(network.outputs);
  for (const step of network.steps) {
    const { node } = step;
    if (MULTILINEAR.has(node.operator) || isGlue(network, step)) continue;
    const read = node.operator === "Div" ? node.inputs.slice(1) : node.inputs;
    for (const i of read) {
      // No other values will do where an index is computed, and no direction moves it.
      const isOwn = network.isActivation(i) && !network.isFlat(i) && network.producer(i) !== undefined;
      if (isOwn && !observed.has(i)) found.add(i);
    }
  }
  return network.steps.flatMap(({ node }) => node.outputs.filter((o) => found.has(o)));
}

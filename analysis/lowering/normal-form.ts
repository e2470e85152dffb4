/**
 * @file The normal form of a graph: shapes inferred, constants folded, every operator made of primitives, sums of squares
 * as one operator, epsilons and useless broadcasts gone. All engines work on it. The passes are those of the specification
 * ("Normal form of the graph"), in its order.
 */
import type { Graph, Node } from "../graph/graph";
import type { ParameterOffsets } from "../graph/offsets";
import type { ParameterSlices } from "../graph/slices";
import { dropExpands } from "./broadcast";
import { centreOutputs } from "./centre";
import { seeSigns } from "./comparisons";
import { gatherFactors } from "./common-factors";
import { codePlaces } from "./compared-places";
import { computeWhatIsRead } from "./demand";
import { removeEpsilons } from "./epsilon";
import { expand } from "./expansion";
import { contractProducts } from "./products";
import { multiplyPatches } from "./patches";
import { quadraticForm } from "./quadratic";
import { flattenStacks } from "./flat-stacks";
import { separateFields } from "./field-tables";
import { separatePairs } from "./pair-products";
import { joinRepeats } from "./repeats";
import { separateConstants, separateExpands } from "./separate";
import { seeNormsAsSigns } from "./signs";
import { separateSlices } from "./slices";
import { sumStacks } from "./stacks";
import { sumTerms } from "./sum-terms";
import { absorbOffsets } from "./offsets";
import { multiplyWeightsLast } from "./weights-last";
import { withAllRows } from "../operators/dispatch/dispatch";
import { keptWhole, standardises } from "../operators/whole";
import { separateUnread } from "./unread";
import { Workspace } from "./workspace";

/** What the normal form is wanted for. */
export interface NormalFormOptions {
  /**
   * "softmax": the symmetries of the network under a softmax cross-entropy loss. The mean over the last axis is taken off
   * each output, which is what that loss forgets; Softmax itself would saturate.
   */
  readonly loss?: "softmax";
  /** "zero" (the default) takes epsilons out; "keep" keeps the function exactly. */
  readonly epsilon?: "zero" | "keep";
  /**
   * How many steps of a recurrence are unrolled at most where its steps are alike (default 3; Infinity unrolls all of
   * them, which keeps the function exactly).
   */
  readonly maxRecurrentSteps?: number;
  /** True makes parameters of the slices of parameters that are only read slice by slice (default: parameters stay whole). */
  readonly slices?: boolean;
  /** True adds constants that are added to parameters to them (default: parameters are what the model has). */
  readonly offsets?: boolean;
  /** True leaves frequent composite operators as they are where they have rules of their own (operators/whole.ts). */
  readonly whole?: boolean;
}

/** A graph in normal form. */
export interface NormalForm {
  /** Only primitives and opaque operators; outputs correspond to those of the source graph by position. */
  readonly graph: Graph;
  /** Where the normal form is not the function itself, in sentences for the user. */
  readonly notes: readonly string[];
  readonly epsilonRemoved: boolean;
  /** The slices that took the place of parameters, where they were wanted. */
  readonly slices: ParameterSlices;
  /** What was added to parameters, slices among them, where that was wanted. */
  readonly offsets: ParameterOffsets;
}

/**
 * The normal form. Never throws on a well-typed graph: what cannot be lowered stays as it is and is opaque to the engines.
 * Work is close to linear in the number of nodes.
 */
export function normalForm(graph: Graph, options: NormalFormOptions = {}): NormalForm {
  const w = new Workspace(withAllRows(graph));
  expand(w, options.maxRecurrentSteps ?? 3, options.whole === true ? keptWhole : undefined);
  w.removeDeadCode();
  // Steps of a recurrence that are gone may leave weights without a reader among others of the same tensor.
  for (let turn = 0; turn < 2 && computeWhatIsRead(w); turn++) w.removeDeadCode();
  if (multiplyPatches(w)) w.removeDeadCode();
  let slices: ParameterSlices = options.slices === true ? separateSlices(w) : new Map();
  if (slices.size > 0) w.removeDeadCode();
  // In graphs so long that composite operators stay whole, tens of thousands of weights would be cut one by one.
  if (options.slices === true && options.whole !== true) slices = separateUnread(w, slices);
  const offsets: ParameterOffsets = options.offsets === true ? absorbOffsets(w) : new Map();
  if (codePlaces(w)) w.removeDeadCode();
  if (joinRepeats(w)) w.removeDeadCode();
  if (sumStacks(w)) w.removeDeadCode();
  if (separatePairs(w)) w.removeDeadCode();
  if (separateFields(w)) w.removeDeadCode();
  if (flattenStacks(w)) w.removeDeadCode();
  if (gatherFactors(w)) w.removeDeadCode();
  if (multiplyWeightsLast(w)) w.removeDeadCode();
  // Where all is zero (a router before its first step) there is no length to divide by.
  if (options.epsilon !== "keep" && seeSigns(w)) w.removeDeadCode();
  if (sumTerms(w)) w.removeDeadCode();
  const squares = quadraticForm(w);
  const products = contractProducts(w);
  const isStandardised = options.whole === true && w.items.some(({ node }) => standardises(node));
  const epsilonRemoved = options.epsilon !== "keep" && (removeEpsilons(w) || isStandardised);
  if (epsilonRemoved) w.note("epsilons are taken as zero");
  const signs = options.epsilon !== "keep" && seeNormsAsSigns(w);
  const broadcasts = dropExpands(w);
  if (options.loss === "softmax") centreOutputs(w);
  if (squares || products || signs || broadcasts) w.removeDeadCode();
  w.keepOutputNames();
  return { graph: separateConstants(separateExpands(w.finish())), notes: w.notes, epsilonRemoved, slices, offsets };
}

/**
 * The function itself in few operators, exactly: every operator lowered (recurrences unrolled) but for those that `keep`
 * wants whole, all in the forms of operator set 21. What the training graph is made from.
 * @param keep nodes that stay; only operators whose meaning has not changed up to operator set 21
 */
export function primitiveForm(graph: Graph, keep: (node: Node) => boolean): Graph {
  const w = new Workspace(withAllRows(graph));
  expand(w, Number.POSITIVE_INFINITY, (node) => (keep(node) ? node : undefined));
  w.removeDeadCode();
  w.keepOutputNames();
  return w.finish();
}

/**
 * @file The numeric engines together: at generic weights, the tangent vectors of scalings (B), matrix fields (C) and shifts
 * (D), and the dimensions per family that they span.
 */
import type { Graph, Node } from "../graph/graph";
import { elementCount, isFloating } from "../graph/tensor";
import { Matrix } from "../numerics/matrix";
import { Random } from "../numerics/random";
import { nullSpace } from "../numerics/rank";
import type { Equivariance } from "../operators/equivariance";
import { hasKinks } from "./counting/calibration";
import { countFamilies, ParameterSpace, Span } from "./counting/families";
import { seesFewNumbers } from "./counting/few-numbers";
import { certifyGenerators, measureDimension } from "./counting/jacobian";
import { indexBounds } from "./counting/index-bounds";
import { Network } from "./counting/network";
import { genericWeights, isGain } from "./counting/sampling";
import { hiddenParameters } from "./inert/hidden";
import { beyondKnown, type Curve } from "./fields/beyond";
import { type FieldRegion, type FieldResult, type RemainingDirection, searchFields } from "./fields/fields";
import { seenRegions } from "./fields/seen";
import type { FieldSystem } from "./fields/system";
import { stationsOf } from "./fields/trunk";
import { generatorsOf, hasPartners, searchStacks } from "./stacks/search";
import { constantDirections } from "./shifts/constants";
import { isRay, type RaysAndShifts, sliceRays, withoutKnownRays } from "./shifts/rays";
import { searchShifts } from "./shifts/shifts";
import { correspondingAtoms, onSmallerInputs, type Prepared, work } from "./smaller-inputs";
import type { InferredAxes } from "./spaces/infer";
import type { ContinuousCounts, Generator, ParameterValues } from "./symmetry";
import { type Scaling, scalingVectors } from "./units/scalings";

/** What the numeric engines found at one draw of generic weights. */
export interface NumericResult {
  /** Where they ran: the graph itself, or the same network on smaller inputs. */
  readonly graph: Graph;
  readonly weights: ParameterValues;
  readonly axes: InferredAxes;
  readonly seeds: { readonly fields: number; readonly shifts: number };
  readonly system: FieldSystem;
  readonly regions: readonly FieldRegion[];
  /** Of engine C beyond all others. */
  readonly remaining: readonly RemainingDirection[];
  /** Of engine C on stacks of several tensors. */
  readonly stacked: FieldResult | undefined;
  /** Directions beyond those engines. */
  readonly curves: readonly Curve[];
  /** Scales that engine B did not see: directions of engine D that are those of the weights themselves. */
  readonly rays: readonly Generator[];
  /** Translations that engine D did not see: directions of engine C that are the same at all weights. */
  readonly constants: readonly Generator[];
  /** Of engine D, those left out. */
  readonly shifts: readonly Generator[];
  /** Of engines B, C and D. */
  readonly generators: readonly Generator[];
  readonly continuous: ContinuousCounts;
}

/** Activation entries that one evaluation may compute: 240 MB of them. */
const MOST_WORK = 30_000_000;

/** Nodes up to which the engines run: time grows with their square where weights are used again and again (unrolled loops). */
const MOST_NODES = 4000;

/** Throws RangeError where a graph has too many nodes; smaller inputs make them no fewer. */
function checkLength({ nodes }: Graph): void {
  if (nodes.length > MOST_NODES)
    throw new RangeError(`the network has ${nodes.length} operators, more than ${MOST_NODES}; try fewer steps or layers`);
}

/** Throws RangeError where evaluating a graph would take more time or memory than a linter may. */
function checkWork(graph: Graph): void {
  checkLength(graph);
  const entries = work(graph);
  if (entries > MOST_WORK)
    throw new RangeError(`one evaluation computes ${entries} numbers, more than ${MOST_WORK}; try smaller inputs`);
}

/** Throws RangeError where random inputs do not read all of a table: what they do not read would look free. */
function checkTables(graph: Graph): void {
  const { unread } = indexBounds(Network.of(graph));
  if (unread !== undefined)
    throw new RangeError(`random inputs do not read all rows of ${unread}: nothing can be measured of the others`);
}

/** Products of numbers of one evaluation and trainable entries up to which the engines run: their equations are that many. */
const MOST_EQUATIONS = 1e9;

/** Throws RangeError where the engines' equations would take more memory than a linter may. */
function checkEquations(graph: Graph): void {
  let trainable = 0;
  for (const p of graph.parameters.values()) if (p.trainable) trainable += elementCount(p.shape);
  const entries = work(graph);
  if (entries * trainable > MOST_EQUATIONS)
    throw new RangeError(`the equations of ${trainable} weights in ${entries} numbers are too many; try smaller inputs`);
}

/** Largest |J v| / |v| on the model's own inputs of a direction that was found on smaller ones. */
const HOLDS = 1e-8;

/**
 * Runs engines C and D on a graph in normal form, with B's scalings; on smaller images or sequences where the weights do not
 * depend on their size, provided that what is found there holds on the graph's own inputs too. Cost grows with the cube of
 * the largest region: for small models and twins. Throws Error where an operator cannot be evaluated.
 */
export function runNumericEngines(
  normal: Graph,
  axes: InferredAxes,
  scalings: readonly Scaling[],
  equivariance: (node: Node) => Equivariance | undefined,
  seed = 1,
): NumericResult {
  checkLength(normal);
  checkTables(normal);
  const smaller = onSmallerInputs(normal, axes, equivariance);
  checkWork(smaller?.graph ?? normal);
  if (!smaller) return runEngines({ graph: normal, axes, scalings }, seed);
  const found = runEngines(smaller, seed);
  // At the border of a small image entries of a kernel may go unread that a larger one reads.
  const vectors = found.generators.filter((g) => g.family !== "scale" && g.family !== "rescaling").map((g) => g.vector);
  if (vectors.length > 0) checkWork(normal);
  const holds = vectors.length === 0 || certifyGenerators(normal, found.weights, vectors, { batches: 1 }) < HOLDS;
  if (!holds) return runEngines({ graph: normal, axes, scalings }, seed);
  const atomsOf = correspondingAtoms(normal, smaller.axes, axes);
  const onAxes = (regions: readonly FieldRegion[]): readonly FieldRegion[] =>
    regions.map((r) => ({ ...r, atoms: [...new Set(r.atoms.flatMap(atomsOf))] }));
  const stacked = found.stacked && { ...found.stacked, regions: onAxes(found.stacked.regions) };
  return { ...found, regions: onAxes(found.regions), stacked };
}

/** Draws of weights tried at most where what is left unexplained may be hidden by chance. */
const DRAWS_OF_CHANCE = 3;
/** Between seeds of draws, so that no two of their engines share one. */
const SEEDS_OF_DRAW = 1000;

function runEngines(prepared: Prepared, seed: number): NumericResult {
  checkEquations(prepared.graph);
  let best = runEnginesAt(prepared, seed);
  for (let draw = 1; draw < DRAWS_OF_CHANCE && isLeftByChance(best); draw++) {
    const again = runEnginesAt(prepared, seed + draw * SEEDS_OF_DRAW);
    const { total } = again.found.continuous;
    // More than was measured at any draw is there at those weights only.
    const isMeasured = total <= Math.min(best.least?.dimension ?? total, again.least?.dimension ?? total);
    if (total > best.found.continuous.total && isMeasured) best = again;
  }
  const { found, least } = best;
  // Something is idle at these weights, as often where kinks see few numbers: at those that show the fewest no more can be found.
  const isFoundByChance = least !== undefined && found.continuous.total > least.dimension;
  return isFoundByChance ? runEnginesAt(prepared, seed, least.weights).found : found;
}

/** What the engines found at one draw, with what was measured there and at others. */
interface Drawn {
  readonly found: NumericResult;
  readonly least: LeastDimension | undefined;
}

/** Whether something is left unexplained at weights that have more directions than others: what lasts may be hidden by what does not. */
function isLeftByChance({ found, least }: Drawn): boolean {
  return least !== undefined && found.continuous.total < least.dimension && least.dimension < least.here;
}

/** What the engines find at a draw of weights, or at given ones. */
function runEnginesAt({ graph, axes, scalings }: Prepared, seed: number, given?: ParameterValues): Drawn {
  const directions = given ? shiftsAt(graph, axes, given, seed + 20) : shiftsAtGenericWeights(graph, axes, seed);
  const { weights } = directions;
  const shape = (p: string) => graph.parameters.get(p)!.shape;
  const scaled = scalings.flatMap((s) =>
    s.family === "sign"
      ? []
      : scalingVectors(s, shape, weights).map(
          (vector): Generator => ({ family: s.family as "scale" | "rescaling", vector, spaces: [] }),
        ),
  );
  const seeds = { fields: seed + 10, shifts: seed + 20 };
  const searched = searchFields(graph, weights, axes, { scalings: scaled.map((g) => g.vector), seed: seeds.fields });
  const unread = directions.shifts.filter((g) => g.family === "unread");
  const fields = { ...searched, regions: seenRegions(searched.regions, [...scaled, ...unread]) };
  const known = [...fields.regions.flatMap((r) => r.generators), ...scaled];
  const { rays: alone, shifts } = withoutKnownRays(directions, known);
  const rays = [...alone, ...sliceRays(shifts, [...known, ...alone], weights, shape)];
  const vectorsOf = (...lists: (readonly { readonly vector: ParameterValues }[])[]) => lists.flat().map((g) => g.vector);
  const ofFields = (...lists: (readonly RemainingDirection[])[]) => vectorsOf(lists.flat().map((r) => r.generator));
  // Engine D sees what leaves the next reader's input as it is, scales of rotary pairs and of gates too: those are no translations.
  const complex = fields.remaining(vectorsOf(known, rays), isComplex);
  const explained = [...vectorsOf(known, rays), ...ofFields(complex)];
  const hidden = hiddenDirections(graph);
  const moving = [...shifts.filter((g) => g.family === "unread"), ...beyondSpan(directions.still, shifts), ...hidden];
  const scaling = fields.remaining([...explained, ...vectorsOf(moving)]);
  const additive =
    scaling.length > 0
      ? constantDirections(
          Network.of(graph),
          [...explained, ...ofFields(scaling), ...vectorsOf(shifts)],
          seed + SEED_OF_CONSTANTS,
        )
      : [];
  const others = additive.length > 0 ? fields.remaining([...explained, ...vectorsOf(moving), ...additive]) : scaling;
  const constants = beyondSpan(
    [...explained, ...vectorsOf(shifts)],
    [...additive.map((vector): Generator => ({ family: "translation", vector, spaces: [] })), ...hidden],
  );
  const remaining = [...complex, ...others];
  const found = [...known, ...rays, ...remaining.map((r) => r.generator), ...constants, ...shifts];
  const counted = countFamilies(found);
  const least = leastDimension(graph, weights, { explained: counted.total, seed: seed + 30, seesFew: directions.seesFew });
  const dimension = least?.dimension;
  const stacked = searchStacks(graph, weights, axes, found, { seed: seed + 40, dimension });
  const framed = [...found, ...(stacked ? generatorsOf(stacked) : [])];
  const curves = searchCurves(graph, weights, axes, framed, {
    seed: seed + 30,
    dimension,
    explained: stacked ? countFamilies(framed).total : counted.total,
  });
  const generators = [...framed, ...curves.map((c) => c.generator)];
  const { system } = fields;
  const regions = stacked ? fields.regions.filter((r) => !isPartOf(r, stacked.regions)) : fields.regions;
  const continuous = generators.length === found.length ? counted : countFamilies(generators);
  const result = {
    graph,
    weights,
    axes,
    seeds,
    system,
    regions,
    remaining,
    stacked,
    curves,
    rays,
    constants,
    shifts,
    generators,
    continuous,
  };
  return { found: result, least };
}

/** Every entry of the parameters that reach the outputs only through what is forgotten. */
function hiddenDirections(graph: Graph): Generator[] {
  return hiddenParameters(graph).flatMap((name) =>
    unitVectors(elementCount(graph.parameters.get(name)!.shape)).map(
      (entry): Generator => ({ family: "translation", vector: new Map([[name, entry]]), spaces: [] }),
    ),
  );
}

function unitVectors(size: number): Float64Array[] {
  return Array.from({ length: size }, (_, i) => new Float64Array(size).fill(1, i, i + 1));
}

/** The directions that are in no span of the given vectors and those before them. */
function beyondSpan(vectors: readonly ParameterValues[], directions: readonly Generator[]): Generator[] {
  const space = ParameterSpace.of([...vectors, ...directions.map((g) => g.vector)]);
  const span = new Span(space.size);
  span.add(vectors.map((v) => space.flatten(v)));
  return directions.filter((g) => span.add([space.flatten(g.vector)]) > 0);
}

/** Whether a region's group is part of one of others: GL(2) of GL(2, C). */
function isPartOf({ kind, generators }: FieldRegion, others: readonly FieldRegion[]): boolean {
  if (kind === "monomial" || generators.length === 0) return false;
  return others.some((o) => countFamilies([...o.generators, ...generators]).total === o.generators.length);
}

/**
 * Whether a region's group is that of complex numbers, one or several: as many scales as turns; or that of scales which only some
 * edges show as such.
 */
function isComplex({ kind, dimension, diagonal, skew }: Pick<FieldRegion, "kind" | "dimension" | "diagonal" | "skew">): boolean {
  return (diagonal === skew && dimension === diagonal + skew) || (kind === "monomial" && diagonal < dimension);
}

/** Number of trainable entries up to which it is measured whether anything is left to explain: the cost is cubic in it. */
const MEASURED = 400;
/** The same where something in the network says that there may be: norms of what gains multiply, tensors that are read together. */
const MEASURED_WITH_REASON = 1000;
/** Other draws of weights at which it is measured, where derivatives jump and where they do not. */
const DRAWS_ELSEWHERE = 6;
const SMOOTH_DRAWS_ELSEWHERE = 2;
/** The same where kinks see few numbers: at three of ten draws of a perceptron of offsets in a window nothing is idle. */
const DRAWS_OF_FEW_ELSEWHERE = 16;

/** The measured dimension: at the engines' weights, and the least of several draws. */
interface LeastDimension {
  readonly dimension: number;
  readonly here: number;
  /** Weights at which it is the least. */
  readonly weights: ParameterValues;
}

/**
 * The measured dimension, as far as it tells whether there is more than is explained; undefined for networks in which that is not
 * measured. A gate that no input takes to one of its ends is as good as linear, and what saturates hardly moves: facts about these
 * weights, gone at other ones.
 */
function leastDimension(
  graph: Graph,
  weights: ParameterValues,
  { explained, seed, seesFew }: { readonly explained: number; readonly seed: number; readonly seesFew: boolean },
): LeastDimension | undefined {
  const network = Network.of(graph);
  const { parameterCount } = network;
  if (parameterCount > MEASURED_WITH_REASON) return undefined;
  if (parameterCount > MEASURED && !hasNormedGains(network) && !hasPartners(network)) return undefined;
  const { dimension: here } = measureDimension(graph, { weights, explained, seed });
  if (here <= explained && !seesFew) return { dimension: here, here, weights };
  const draws = seesFew ? DRAWS_OF_FEW_ELSEWHERE : hasKinks(network) ? DRAWS_ELSEWHERE : SMOOTH_DRAWS_ELSEWHERE;
  // Where kinks see few numbers, less may be there than what was found at these weights.
  const elsewhere = measureDimension(graph, { ...(seesFew ? {} : { explained }), seed: seed + 1, draws });
  return elsewhere.dimension < here ? { ...elsewhere, here } : { dimension: here, here, weights };
}

/** Directions beyond the engines, where something is left unexplained at these weights. */
function searchCurves(
  graph: Graph,
  weights: ParameterValues,
  axes: InferredAxes,
  known: readonly Generator[],
  { seed, dimension, explained }: { readonly seed: number; readonly dimension: number | undefined; readonly explained: number },
): readonly Curve[] {
  const network = Network.of(graph);
  if (dimension === undefined || dimension <= explained) return [];
  const norms = hasNormedGains(network);
  const trunk = network.parameterCount <= MEASURED && !seesTablesBroken(network) && stationsOf(network, true).length > 0;
  const vectors = known.map((g) => g.vector);
  const isMissing = (found: number): boolean => explained + found < dimension;
  const curves = beyondKnown(graph, weights, axes, vectors, { seed, norms, trunk, isMissing });
  return explained + curves.length <= dimension ? curves : [];
}

/**
 * Whether all that a network with kinks sees are entries of tables: finitely many numbers, of which each unit has some always on one
 * side. What trades with a block then is another thing at each draw of weights, and at nearly all of them there is something.
 */
function seesTablesBroken(network: Network): boolean {
  return hasKinks(network) && network.inputs.every((i) => !isFloating(i.type));
}

/** Whether a weight multiplies what is divided by a root of squares, and a second norm sees the result. */
function hasNormedGains(network: Network): boolean {
  const norms = network.steps.filter(({ node }) => node.operator === "ReduceSumSquare").length;
  return norms > 1 && network.trainable.some((p) => isGain(network, p));
}

/** Added to the seed of the weights at which directions have to be what they are at the first to be constant. */
const SEED_OF_CONSTANTS = 50;

/** Added to the seed of what is drawn to see how many numbers a kink sees. */
const SEED_OF_FEW = 40;

/** Entries of unit vectors that are rounding. */
const SMALL = 1e-9;

/** Draws of weights at which a network with kinks is looked at when the first two disagree. */
const MORE_DRAWS = 4;
/** The same where only one of those shows the fewest: a row of a table may be chosen rarely, and not at all at most draws. */
const MOST_DRAWS = 8;
/** The same where kinks see few numbers: at four of ten draws of a small perceptron of offsets one of its units is idle. */
const MORE_DRAWS_OF_FEW = 6;
const MOST_DRAWS_OF_FEW = 12;

/** Engine D's directions at some weights. */
interface ShiftsAtWeights extends RaysAndShifts {
  readonly weights: ParameterValues;
  /** Those that shift no reader's input. */
  readonly still: readonly ParameterValues[];
  /** Whether some kink sees few numbers, so that even the least of many draws may hold at its weights only. */
  readonly seesFew: boolean;
}

/**
 * Generic weights with what engine D finds there. At one draw a rectifier may be off, or a unit never the largest of a
 * maximum, whatever enters: what is unread then is a fact about that draw. Smooth networks have no such draws; of others
 * several are compared: the one with the fewest directions counts, and of them those that move what all draws have moved. Where
 * a kink sees few numbers no two draws prove anything, agreed or not.
 */
function shiftsAtGenericWeights(graph: Graph, axes: InferredAxes, seed: number): ShiftsAtWeights {
  const network = Network.of(graph);
  const space = new ParameterSpace(network.trainable.map((p) => [p, elementCount(graph.parameters.get(p)!.shape)] as const));
  const random = new Random(seed);
  const draw = (k: number) => {
    const weights = genericWeights(network, random);
    const { generators: found, still } = searchShifts(graph, weights, axes, { seed: seed + 20 + k });
    const span = new Span(space.size);
    const flat = found.map((g) => space.flatten(g.vector));
    span.add(flat);
    return { weights, found, still, dimension: span.dimension, moved: entriesOf(flat, space.size) };
  };
  const first = draw(0);
  if (!hasKinks(network) || first.dimension === 0) return apart(first);
  const seesFew = seesFewNumbers(network, first.weights, seed + SEED_OF_FEW);
  const [more, most] = seesFew ? [MORE_DRAWS_OF_FEW, MOST_DRAWS_OF_FEW] : [MORE_DRAWS, MOST_DRAWS];
  const draws = [first, draw(1)];
  // As many directions at either draw may still be other ones: two units that are off here, two others there.
  const isAgreed = () => draws.every((d) => d.dimension === first.dimension && d.moved.every((m, i) => m === first.moved[i]));
  const isDone = (): boolean => {
    if ((isAgreed() && (!seesFew || draws.length >= more)) || draws.length === most) return true;
    const least = draws.reduce((n, d) => Math.min(n, d.dimension), first.dimension);
    return draws.length >= more && draws.filter((d) => d.dimension === least).length > 1;
  };
  while (!isDone()) draws.push(draw(draws.length));
  const best = draws.reduce((a, d) => (d.dimension < a.dimension ? d : a));
  if (isAgreed()) return apart(best, seesFew);
  // What holds at generic weights moves the same entries at all of them.
  const common = best.moved.map((m, i) => (draws.every((d) => d.moved[i] === 1) ? m : 0));
  return apart({ ...best, found: within(best.found, common, space) }, seesFew);
}

/** Engine D's directions at given weights. */
function shiftsAt(graph: Graph, axes: InferredAxes, weights: ParameterValues, seed: number): ShiftsAtWeights {
  const { generators: found, still } = searchShifts(graph, weights, axes, { seed });
  return apart({ weights, found, still });
}

/** Scales apart from shifts. */
function apart(
  { weights, found, still }: Pick<ShiftsAtWeights, "weights" | "still"> & { readonly found: readonly Generator[] },
  seesFew = false,
): ShiftsAtWeights {
  const shifts = found.filter((g) => !isRay(g.vector, weights));
  const rays = found.filter((g) => isRay(g.vector, weights)).map((g): Generator => ({ ...g, family: "scale" }));
  return { weights, rays, shifts, still, seesFew };
}

/** Marks the entries that some of the vectors move. */
function entriesOf(vectors: readonly Float64Array[], size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (const v of vectors) v.forEach((x, i) => Math.abs(x) >= SMALL && (out[i] = 1));
  return out;
}

/** The directions, family by family, and combinations of them that move nothing but the marked entries. */
function within(generators: readonly Generator[], marked: Uint8Array, space: ParameterSpace): Generator[] {
  const outside = Array.from(marked.keys()).filter((i) => marked[i] === 0);
  const flat = new Map(generators.map((g) => [g, space.flatten(g.vector)] as const));
  const leaves = (g: Generator) => outside.some((i) => Math.abs(flat.get(g)![i]!) >= SMALL);
  const kept = generators.filter((g) => !leaves(g));
  for (const family of new Set(generators.map((g) => g.family))) {
    const broken = generators.filter((g) => g.family === family && leaves(g));
    if (broken.length === 0) continue;
    const columns = broken.map((g) => Float64Array.from(outside, (i) => flat.get(g)![i]!));
    const mended = nullSpace(Matrix.fromColumns(columns, outside.length), { relative: SMALL, absolute: SMALL });
    for (let c = 0; c < mended.columns; c++) {
      const sum = new Float64Array(space.size);
      broken.forEach((g, k) => flat.get(g)!.forEach((x, i) => marked[i] === 1 && (sum[i]! += mended.get(k, c) * x)));
      kept.push({ family, vector: space.unflatten(sum), spaces: [] });
    }
  }
  return kept;
}

/**
 * @file Certification on the twin: a model of any size is checked on a small copy with the same structure, in this process and
 * in float64. Random elements of every symmetry of the twin are applied, and the Jacobian's rank is compared with what they
 * explain. What the twin shows is scaled back up: the same rules find the same groups on the model.
 */
import type { Graph } from "../graph/graph";
import { isFloating } from "../graph/tensor";
import { Random } from "../numerics/random";
import { analyse, equivarianceOf } from "../symmetry/analyse";
import type { ModelAnalysis, ModelCounts, TwinCertificate } from "../symmetry/analysis";
import { Retraction } from "../symmetry/actions/retraction";
import { hasKinks } from "../symmetry/counting/calibration";
import { countFamilies } from "../symmetry/counting/families";
import { certificates, type MeasuredDimension, measureDimension, type MeasureOptions } from "../symmetry/counting/jacobian";
import { Network } from "../symmetry/counting/network";
import { drawnWeights, genericWeights } from "../symmetry/counting/sampling";
import {
  type CountedTwin,
  countsOf,
  type Group,
  groupOf,
  type Increment,
  increments,
  scaledCounts,
} from "../symmetry/counting/scaled";
import { type InferredAxes, inferAxes } from "../symmetry/spaces/infer";
import type { Family, ParameterValues, Symmetry } from "../symmetry/symmetry";
import { makeTwin, type NoTwin, trainableEntries, type Twin, type TwinOptions } from "../symmetry/twin/twin";

/** Largest relative deviation of outputs in float64 that still counts as equal. */
const TOLERANCE = 1e-8;
/** Trainable entries of a twin up to which ranks are taken, and up to which the numeric engines look for what rules do not see. */
const MOST_ENTRIES = 1400;
const MOST_SOLVED = 700;
/** The same where derivatives jump: what hides there is mostly gone at other weights, and takes long to be found so. */
const MOST_SOLVED_WITH_KINKS = 250;
/** Trainable entries from which on one draw has to do, and how long its rank has to have stopped growing. */
const MOST_REDRAWN = 1000;
const IMPATIENCE = 0.4;
const MOST_COUNTED = 4000;
/** Standard deviation of the weights at which ranks are taken: larger than usual ones bend more, which makes ranks clearer. */
const DEVIATION = 1.2;
/** A second twin, of which no rank is taken: with other widths, and with every block next to another of its kind. */
const OTHER_WIDTHS: TwinOptions = { depth: "pairs", wider: 1 };

/** How to certify on the twin. */
export interface TwinOptionsOfCheck {
  readonly seed?: number;
  /** Ends the work between its steps. */
  readonly signal?: AbortSignal;
  /** Trainable entries of a twin up to which a rank is taken. */
  readonly mostEntries?: number;
}

/** A model as its twin has to know it: plain data. */
export interface TwinSubject {
  /** Its normal form. */
  readonly normal: Graph;
  /** Its symmetries. */
  readonly groups: readonly Group[];
}

/** What is read of a model whose twin is made. */
type Subject = Pick<ModelAnalysis, "normal" | "symmetries" | "apart" | "lowered">;

/** What the twin of a model has to know of it. Weights that share a tensor are told apart. */
export function subjectOf(model: Subject): TwinSubject {
  const lowered = model.lowered?.() ?? model;
  const { normal, symmetries } = lowered.apart ?? lowered;
  return { normal, groups: symmetries.map(groupOf) };
}

/**
 * Makes and checks the twin of a model; a sentence where there is none that is small enough.
 * @throws the signal's reason when it is aborted
 */
export function certifyTwin(model: Subject, options: TwinOptionsOfCheck = {}): Promise<TwinCertificate | string> {
  return certifyTwinOf(subjectOf(model), options);
}

/** The same, of a model that only so much is known of. */
export async function certifyTwinOf(model: TwinSubject, options: TwinOptionsOfCheck = {}): Promise<TwinCertificate | string> {
  const { seed = 1, signal } = options;
  const axes = inferAxes(model.normal, { equivariance: equivarianceOf, softPins: false });
  // Of one sample at a time kernels see little: rectifiers that are on for half of all of them leave deep networks dead.
  const single = model.normal.inputs.every((i) => i.shape[0] === 1);
  const opened = { draws: 0, opened: true };
  const compact = makeTwin(model.normal, axes, { depth: "shrink", compact: true });
  // What is gone at each draw is gone for its narrowness, not by chance.
  let start = await startAt(compact, options, single && isKinked(compact) ? { ...opened, alike: 2 } : { draws: 2 });
  // What is open on a compact twin may be nothing but its narrowness.
  if (typeof start === "object" && start.measured.dimension > start.byRule.total) {
    const isMuch = start.measured.dimension - start.byRule.total > MUCH * start.measured.dimension;
    start = await startAt(
      makeTwin(model.normal, axes, { depth: "shrink", ...(isMuch && looksUp(model.normal) ? { undecided: MORE_TOKENS } : {}) }),
      options,
      single && isKinked(compact) ? opened : { draws: 3, opened: true },
      start,
    );
  }
  if (typeof start === "string") return start;
  const { twin, entries, first, byRule } = start;
  let { measured } = start;
  let continuous = byRule;
  const checks: Applied[] = [applied(first.analysis, first.weights, seed)];
  if (measured.dimension > byRule.total && entries <= (isKinked(twin) ? MOST_SOLVED_WITH_KINKS : MOST_SOLVED)) {
    await breathe(signal);
    const solved = bySolving(twin.graph, first, seed);
    if (solved && solved.continuous.total > measured.dimension)
      measured = smaller(
        measured,
        measureDimension(twin.graph, { explained: solved.continuous.total, seed: seed + 2, draws: 3 }),
      );
    // What is more than there is elsewhere is there at those weights only.
    if (solved && solved.continuous.total <= measured.dimension) {
      continuous = solved.continuous;
      checks.push(solved.check);
    }
  }
  await breathe(signal);
  const moving =
    measured.dimension > continuous.total
      ? mostMoved(
          measured,
          first.analysis.symmetries.flatMap((s) => s.generators(measured.weights).map((g) => g.vector)),
        )
      : [];
  const counts = countsOfModel(model, axes, twin, first, measured.dimension - byRule.total, seed);
  return {
    parameters: entries,
    explained: continuous.total,
    measured: measured.dimension,
    ...(moving.length > 0 ? { moving } : {}),
    continuous,
    symmetries: checks.reduce((n, c) => n + c.count, 0),
    maxRelativeDeviation: Math.max(...checks.map((c) => c.deviation)),
    failed: checks.flatMap((c) => c.failed),
    unchecked: checks.flatMap((c) => c.unchecked),
    leftOut: checks.flatMap((c) => [...c.withdrawn.values()]),
    notes: twin.notes,
    model: counts,
  };
}

/**
 * Rows of tables that tokens choose where fewer left much open, that is more than such a part of the dimension: blocks that see
 * tokens one by one, beside an attention that does not, compute a table of them.
 */
const MORE_TOKENS = 24;
const MUCH = 0.25;

/** Whether whole numbers come in: tokens that choose rows of tables. */
function looksUp({ inputs }: Graph): boolean {
  return inputs.some((i) => !isFloating(i.type));
}

/** A twin, what rules explain on it, and its dimension at one draw. */
interface Start {
  readonly twin: Twin;
  readonly entries: number;
  readonly first: ByRule;
  readonly byRule: ModelAnalysis["continuous"];
  readonly measured: MeasuredDimension;
}

/**
 * One draw tells whether rules explain all: mostly they do, and nothing has to be solved. A sentence where there is no twin.
 * @param before on another twin; where that has the same sizes, what is known of it holds for this one
 */
async function startAt(
  twin: Twin | NoTwin,
  { seed = 1, signal, mostEntries = MOST_ENTRIES }: TwinOptionsOfCheck,
  how: Pick<MeasureOptions, "draws" | "opened" | "alike">,
  before?: Start,
): Promise<Start | string> {
  if ("reason" in twin) return twin.reason;
  const entries = trainableEntries(twin.graph);
  if (entries > mostEntries) return `a copy of its structure still has ${entries} weights, too many for a rank`;
  await breathe(signal);
  const same = before && areAlike(before.twin.graph, twin.graph) ? before : undefined;
  const first = same?.first ?? knownByRule(twin.graph, seed);
  await breathe(signal);
  const byRule = countsOf(first.gained.map((i) => [i.symmetry.kind as Family, i.gained]));
  const draws = entries > MOST_REDRAWN && how.draws !== 0 ? { draws: 1 } : how;
  const more = { explained: byRule.total, seed, patience: IMPATIENCE, deviation: DEVIATION };
  // At the same sizes the same draws would show the same.
  const measured = same && how.draws === 0 ? same.measured : measureDimension(twin.graph, { ...draws, ...more });
  await breathe(signal);
  return { twin, entries, first, byRule, measured };
}

/** Whether derivatives jump somewhere on a twin. */
function isKinked(twin: Twin | NoTwin): boolean {
  return !("reason" in twin) && hasKinks(Network.of(twin.graph));
}

/** Whether two twins of one model have the same parameters, of the same shapes, and inputs. */
function areAlike(a: Graph, b: Graph): boolean {
  const shapes = (g: Graph): string =>
    [...g.parameters.values(), ...g.inputs].map((v) => `${v.name}:${v.shape.join("x")}`).join();
  return a.nodes.length === b.nodes.length && shapes(a) === shapes(b);
}

/** Lets the process hear what else it is told, such as that nobody waits for this any more. */
async function breathe(signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}

/** Of all that unexplained directions move, parameters with at least this share, and at most so many. */
const LEAST_SHARE = 0.02;
const MOST_NAMED = 8;

/** Parameters that directions beyond the known ones move, those that they move most first. */
export function mostMoved(measured: MeasuredDimension, known: readonly ParameterValues[]): readonly string[] {
  return measured
    .beyond(known)
    .filter(([, share]) => share >= LEAST_SHARE)
    .slice(0, MOST_NAMED)
    .map(([name]) => name);
}

function smaller(a: MeasuredDimension, b: MeasuredDimension): MeasuredDimension {
  return b.dimension < a.dimension ? b : a;
}

/** What rules find on a twin, at generic weights, and what each of it adds to the earlier. */
interface ByRule {
  readonly analysis: ModelAnalysis;
  readonly weights: ParameterValues;
  readonly gained: readonly Increment[];
}

function knownByRule(graph: Graph, seed: number): ByRule {
  const analysis = analyse(graph, { numeric: false });
  const weights = genericWeights(Network.of(graph), new Random(seed));
  return { analysis, weights, gained: increments(analysis.symmetries, weights) };
}

/** What the numeric engines find besides: their own groups with those that are known by rule. */
function bySolving(
  graph: Graph,
  first: ByRule,
  seed: number,
): { readonly continuous: ModelAnalysis["continuous"]; readonly check: Applied } | undefined {
  const analysis = analyse(graph, { numericLimit: MOST_SOLVED, seed });
  const { genericWeights: weights, measurable } = analysis;
  if (!weights || !measurable) return undefined;
  const check = applied(analysis, weights, seed);
  const byRule = first.analysis.symmetries.flatMap((s) => s.generators(weights));
  const solved = analysis.symmetries.filter((s) => s.origin === "numeric" && !check.withdrawn.has(s.id));
  const vectors = [...byRule, ...solved.flatMap((s) => s.generators(weights))];
  const holds = certificates(
    measurable,
    weights,
    vectors.map((v) => v.vector),
    { batches: 1 },
  );
  return { continuous: countFamilies(vectors.filter((_, k) => holds[k]! < TOLERANCE)), check };
}

/** Dimensions of the whole model, from two twins. */
function countsOfModel(
  model: TwinSubject,
  axes: InferredAxes,
  twin: Twin,
  first: ByRule,
  unexplained: number,
  seed: number,
): ModelCounts {
  const countedOn = (t: Twin, gained: readonly Increment[]): CountedTwin => ({ gained, firstOf: (p) => standIn(t.standIns, p) });
  const twins = [countedOn(twin, first.gained)];
  const other = makeTwin(model.normal, axes, { ...OTHER_WIDTHS, like: twin });
  if (!("reason" in other) && trainableEntries(other.graph) <= MOST_COUNTED) {
    const { symmetries } = analyse(other.graph, { numeric: false });
    twins.push(countedOn(other, increments(symmetries, drawnWeights(Network.of(other.graph), new Random(seed)))));
  }
  const { continuous, open } = scaledCounts(model.groups, twins);
  return { continuous, exact: unexplained === 0 && open.length === 0, unexplained, open };
}

/** The parameter that stands for another one, through all runs of blocks that it is in. */
function standIn(of: ReadonlyMap<string, string>, parameter: string): string {
  let at = parameter;
  for (let next = of.get(at); next !== undefined && next !== at; next = of.get(at)) at = next;
  return at;
}

/** How random elements did. */
interface Applied {
  readonly count: number;
  readonly failed: readonly string[];
  readonly unchecked: readonly string[];
  /** Solved groups, by id, in words, of which a finite element moves the outputs: they hold near those weights only, and do not count. */
  readonly withdrawn: ReadonlyMap<string, string>;
  readonly deviation: number;
}

/** A symmetry in words: its group, its kind and what it moves. */
export function claimOf(s: Symmetry): string {
  const more = s.parameters.length - 3;
  return `${s.group} (${s.kind}) on ${s.parameters.slice(0, 3).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Applies a random element of every symmetry to the twin's generic weights: those of a kind together, one by one if that fails. */
function applied(analysis: ModelAnalysis, weights: ParameterValues, seed: number): Applied {
  const outputs = new Retraction(Network.of(analysis.measurable ?? analysis.normal), seed);
  const random = new Random(seed);
  const failed: string[] = [];
  const unchecked: string[] = [];
  const withdrawn = new Map<string, string>();
  let worst = 0;
  const act = (s: Symmetry, at: ParameterValues): ParameterValues =>
    new Map([
      ...at,
      ...s.act(
        at,
        s.randomElement(() => random.uniform()),
      ),
    ]);
  const passes = (moved: ParameterValues): boolean => {
    const deviation = outputs.deviation(weights, moved);
    if (deviation < TOLERANCE) worst = Math.max(worst, deviation);
    return deviation < TOLERANCE;
  };
  for (const kind of new Set(analysis.symmetries.map((s) => s.kind))) {
    const symmetries = analysis.symmetries.filter((s) => s.kind === kind);
    // Groups that are solved for act at the weights that they were found at.
    if (symmetries.every((s) => s.origin === "rule") && passes(symmetries.reduce((at, s) => act(s, at), weights))) continue;
    for (const s of symmetries) {
      try {
        if (passes(act(s, weights))) continue;
        if (s.origin === "rule") failed.push(claimOf(s));
        else withdrawn.set(s.id, claimOf(s));
      } catch (error) {
        if (s.origin === "rule") throw error;
        unchecked.push(`${claimOf(s)}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return { count: analysis.symmetries.length - withdrawn.size, failed, unchecked, withdrawn, deviation: worst };
}

/** @file From a Graph to all its symmetries: the engines in order, and the Symmetry objects that everything else uses. */
import { once, withLazy } from "../graph/lazy";
import type { AxisFactor, AxisLayout, AxisSegment } from "../graph/axes";
import { type Graph, type Node, numberAttribute, type Parameter } from "../graph/graph";
import { numberingOf } from "../graph/numbering";
import { elementCount } from "../graph/tensor";
import { mirroredForm } from "../lowering/mirrored-form";
import { type NormalForm, normalForm } from "../lowering/normal-form";
import { Random } from "../numerics/random";
import type { Equivariance } from "../operators/equivariance";
import { operatorTable } from "../operators/table";
import { wholeOf } from "../operators/whole";
import { permutationSymmetry, swapSymmetry } from "./actions/discrete";
import { curveSymmetries } from "./actions/curve";
import { matrixSymmetries } from "./actions/matrix";
import { PermutationAction } from "./actions/permutation";
import { scalingSymmetries } from "./actions/scaling";
import { constantSymmetries } from "./actions/constant";
import { raySymmetries } from "./actions/ray";
import { shiftSymmetries } from "./actions/shift";
import type { AnalysisOptions, ModelAnalysis, RegionGroup } from "./analysis";
import { maskedSymmetries, unreadSymmetries } from "./actions/unread";
import { exchangeSymmetry } from "./actions/exchange";
import { findExchanges } from "./exchanges/exchanges";
import { isPermutation, isSmall, newExchanges } from "./exchanges/implied";
import { familyRegions, familySymmetries } from "./families/families";
import { matrixFamilies } from "./families/matrix-families";
import { isWithinReach } from "./families/reach";
import { rotaryFamilies } from "./families/rotary";
import { shearFamilies } from "./families/shears";
import { shiftFamilies } from "./families/shift-families";
import { maskedEntries } from "./inert/masked";
import { readParameters, withUnread, withUnreadCounts, withUnreadWeights } from "./inert/unread";
import { findSigmoidUnits, flipSymmetries } from "./flips";
import { spaceGroup } from "./naming";
import { runNumericEngines } from "./numeric";
import { regionGroup } from "./regions";
import { ofGivenParameters } from "./offsets/analysis";
import { ofWholeParameters } from "./slices/analysis";
import { type InferredAxes, inferAxes } from "./spaces/infer";
import { spaceAddresses } from "./spaces/addresses";
import { enclosingAtoms } from "./spaces/enclosing";
import { type Occurrence, parameterOccurrences } from "./spaces/occurrences";
import { type AtomSpace, atomSpaces } from "./spaces/spaces";
import { findSwaps } from "./swaps";
import type { ChannelSpace, ContinuousCounts, Symmetry } from "./symmetry";
import { mergePieces } from "./units/merge";
import { findUnits, type Scaling, scalingDimension } from "./units/scalings";

/** Number of trainable entries up to which the numeric engines run on the model itself. */
const NUMERIC_LIMIT = 3000;

/** Number of trainable entries up to which it does not matter how many directions there are. */
const FEW = 500;

/**
 * Directions squared times trainable entries up to which the numeric engines run: they orthogonalise all directions, of which
 * deep linear networks have about as many as weights.
 */
const MOST_WORK = 5e8;

/** Number of nodes above which only permutations, scales and signs are looked for, and composite operators stay whole. */
const MANY_NODES = 30_000;

/** The equivariance of a node in a normal form with composite operators taken whole. */
export function equivarianceOfWhole(node: Node): Equivariance | undefined {
  const whole = wholeOf(node);
  // A Conv without a bias is a primitive.
  return whole === undefined || (node.operator === "Conv" && (node.inputs[2] ?? "") === "")
    ? equivarianceOf(node)
    : whole.equivariance;
}

/** The equivariance of a node's operator; undefined makes it opaque. */
export function equivarianceOf(node: Node): Equivariance | undefined {
  return operatorTable(node.operator, node.domain)?.equivariance;
}

/** Finds all symmetries of a model. Never throws on a graph whose shapes are consistent; what is not understood is opaque. */
export function analyse(graph: Graph, options: AnalysisOptions = {}): ModelAnalysis {
  const isHuge = graph.nodes.length > (options.manyNodes ?? MANY_NODES);
  const form = normalForm(graph, { slices: true, offsets: true, whole: isHuge, ...(options.loss ? { loss: options.loss } : {}) });
  const lowered = once(() => analyse(graph, { ...options, numeric: false, manyNodes: Number.POSITIVE_INFINITY }));
  const inForm = analyseNormal(graph, form, options, isHuge ? lowered : undefined);
  const found = form.offsets.size === 0 ? inForm : ofGivenParameters(inForm, form.offsets);
  return form.slices.size === 0 ? found : ofWholeParameters(found, form.slices);
}

/**
 * The symmetries of a normal form, on its own parameters.
 * @param lowered makes the same with all operators lowered, where composite ones stayed whole in this form
 */
function analyseNormal(
  graph: Graph,
  form: NormalForm,
  options: AnalysisOptions,
  lowered: (() => ModelAnalysis) | undefined,
): ModelAnalysis {
  const isHuge = lowered !== undefined;
  const { graph: normal, unread } = readParameters(form.graph);
  const equivariance = isHuge ? equivarianceOfWhole : equivarianceOf;
  const shape = (p: string) => normal.parameters.get(p)!.shape;
  const soft = inferAxes(normal, { equivariance, softPins: true });
  const hard = soft.feltSoftPins ? inferAxes(normal, { equivariance, softPins: false }) : soft;
  // Running statistics that inference mode reads are permuted along; in training mode nothing reads them.
  const numbering = numberingOf(normal);
  const moving = (p: Parameter, value: number) => p.trainable || (p.buffer === true && numbering.readerCount(value) > 0);
  const units = findUnits(normal, hard, equivariance);
  let parameters = 0;
  for (const p of form.graph.parameters.values()) if (p.trainable) parameters += elementCount(p.shape);
  const notes = [...form.notes];
  const isReachable = once(() => !isHuge && isWithinReach(normal));
  if (isHuge)
    notes.push(
      `of a graph of ${graph.nodes.length} operators only permutations, scales and signs are looked for: matrix groups and shifts are not`,
    );
  const small = options.numeric !== false && parameters <= (options.numericLimit ?? NUMERIC_LIMIT) && isReachable();
  const families = once(() => matrixFamilies(normal, hard, units.scalings));
  const known = small && parameters > FEW ? families().reduce((n, f) => n + f.dimension, 0) : 0;
  const isLong = known * known * parameters > MOST_WORK;
  if (isLong)
    notes.push(
      `matrix groups and shifts are those known by rule: solving for ${known} and more directions of ${parameters} weights would take minutes`,
    );
  const numeric =
    small && !isLong
      ? attempt(() => runNumericEngines(normal, hard, units.scalings, equivariance, options.seed), notes)
      : undefined;
  const regionsFound = numeric ? [...numeric.regions, ...(numeric.stacked?.regions ?? [])] : [];
  const solved: readonly RegionGroup[] = regionsFound.flatMap((r) => regionGroup(r) ?? []);
  // What the numeric engines find on small models is known by rule on large ones, as far as the rules go; when it is asked for.
  const masked = numeric ? [] : maskedEntries(normal);
  const byRule = once(() => numeric === undefined && isReachable());
  const matrices = once(() => (byRule() ? families() : []));
  const regions = once(() => [...solved, ...familyRegions(matrices())]);

  const fibred = (spaces: readonly AtomSpace[], axes: InferredAxes) => {
    const enclosing = enclosingAtoms(axes, spaces);
    return spaces.map((space, i) => ({ space, axes, enclosing: enclosing[i] }));
  };
  const permutable = fibred(atomSpaces(normal, soft, moving), soft);
  const patternedSpaces = (): AtomSpace[] => {
    const acting = new Set([...units.scalings.flatMap((x) => x.atoms), ...solved.flatMap((r) => r.atoms)]);
    // What is one in `hard` is one in `soft`: a space that is pinned somewhere is pinned wherever it is.
    const pinned = (p: Parameter, value: number) => moving(p, value) && hasPinnedPart(soft, value);
    return atomSpaces(normal, hard, pinned).filter((s) => isPinnedIn(soft, s) && s.atoms.some((a) => acting.has(a)));
  };
  const patterned = hard === soft ? [] : fibred(patternedSpaces(), hard);
  const found = [...permutable, ...patterned];
  const idOfAtom = new Map<number, number>();
  permutable.forEach(({ space }, id) => {
    for (const a of space.atoms) idOfAtom.set(a, id);
  });
  const hardAtoms = found.map(({ space, axes }) => (axes === hard ? space.atoms : [...atomsAtSamePlaces(hard, space)]));
  const outers = found.map(({ enclosing }) => (enclosing === undefined ? undefined : idOfAtom.get(enclosing)));
  const spacesOf = once(() => {
    const out = new Map<number, number[]>();
    hardAtoms.forEach((atoms, id) => {
      for (const a of atoms) append(out, a, id);
    });
    return out;
  });
  const spacesOfAtoms = (atoms: readonly number[]) =>
    [...new Set(atoms.flatMap((a) => spacesOf().get(a) ?? []))].sort((a, b) => a - b);
  // A matrix group per head belongs to the space inside of the heads, not to the heads themselves.
  const regionsOf = once(() => {
    const out = new Map<number, RegionGroup[]>();
    for (const region of regions()) {
      const touched = spacesOfAtoms(region.atoms);
      for (const id of touched) if (!touched.some((inner) => outers[inner] === id)) append(out, id, region);
    }
    return out;
  });
  const pieces = new Map<number, number>();
  hardAtoms.forEach((atoms, id) => {
    if (atoms.length > 1) for (const a of atoms) pieces.set(a, id);
  });
  const scalings = pieces.size === 0 ? units.scalings : mergePieces(units.scalings, hard, (a) => pieces.get(a));
  const signs = once(() => mergePieces(units.signs, hard, (a) => pieces.get(a)));
  // A scaling belongs to the space of its finest index: per head and coordinate is the coordinates' business.
  const finest = once(() => finestScalings([...scalings, ...signs()]));
  const sigmoids = findSigmoidUnits(normal);
  const spacesAt = (parameter: string, axis: number): number[] =>
    found.flatMap(({ space }, id) => (space.occurrences.some((o) => o.parameter === parameter && o.axis === axis) ? [id] : []));
  const flipped = new Set(sigmoids.flatMap((u) => spacesAt(u.writers[0]!.parameter, u.writers[0]!.axis)));
  const groupOf = (id: number): string => {
    const { space, axes, enclosing } = found[id]!;
    const outer = outers[id];
    const own = hardAtoms[id]!;
    const inside = new Set([...own, ...(outer === undefined ? [] : hardAtoms[outer]!)]);
    const touching = new Set(own.flatMap((a) => finest().get(a) ?? []));
    const on = [...touching].filter((s) => s.atoms.every((a) => inside.has(a)));
    const countOf = (family: Scaling["family"]) => on.filter((s) => s.family === family).length;
    return spaceGroup({
      size: space.size,
      permutable: axes === soft,
      scale: countOf("scale"),
      rescaling: countOf("rescaling"),
      signs: countOf("sign") + (flipped.has(id) ? 1 : 0),
      exchanges: exchanges().flatMap(({ symmetry: s, swap }) => (swap === undefined && s.spaces.includes(id) ? [s.group] : [])),
      regions: regionsOf().get(id) ?? [],
      ...(outer === undefined ? {} : { within: kindOfOuter(normal, soft, enclosing!) }),
    });
  };
  const spaces = found.map(({ space, axes }, id) => {
    const place = { id, size: space.size, acts: spaceAddresses(axes, space), permutable: axes === soft };
    return new NamedSpace(place, outers[id], groupOf);
  });
  const swaps = once(() => findSwaps(normal, equivariance));
  const actions = once(() =>
    permutable.map(({ space, axes, enclosing }) => new PermutationAction(axes, space, enclosing, shape)),
  );
  const permutations = once(() => actions().map((action, id) => permutationSymmetry(action, id, spaces[id]!, shape)));
  const exchanges = once(() => {
    const families = isHuge
      ? []
      : findExchanges(mirroredForm(normal), actions()).filter((f) => isSmall(f, shape) && !isPermutation(f, actions(), shape));
    return newExchanges(families, swaps(), shape).map(({ family, isSwap }, i) => ({
      symmetry: exchangeSymmetry(family, i, shape, spacesAt, isSwap),
      swap: isSwap ? family.names : undefined,
    }));
  });
  const symmetries = once((): readonly Symmetry[] => [
    ...permutations(),
    ...scalingSymmetries(scalings, shape, spacesOfAtoms),
    ...scalingSymmetries(signs(), shape, spacesOfAtoms),
    ...flipSymmetries(sigmoids, shape, spacesAt),
    ...(numeric
      ? [
          ...matrixSymmetries(numeric, spacesOfAtoms),
          ...curveSymmetries(numeric),
          ...(numeric.stacked ? matrixSymmetries(numeric.stacked, spacesOfAtoms, "stacked-") : []),
          ...raySymmetries(numeric),
          ...constantSymmetries(numeric),
          ...shiftSymmetries(numeric),
        ]
      : familySymmetries(
          normal,
          hard,
          {
            matrices: matrices(),
            shifts: byRule() ? shiftFamilies(normal, hard) : [],
            rotaries: byRule() ? rotaryFamilies(normal) : [],
            shears: byRule() ? shearFamilies(normal) : [],
          },
          spacesOfAtoms,
        )),
    ...maskedSymmetries(masked),
    ...unreadSymmetries(unread),
    ...swaps().map((s, i) => swapSymmetry(s, i, shape)),
    ...exchanges().map((e) => e.symmetry),
  ]);
  const measured = numeric && {
    measurable: withUnread(numeric.graph, unread),
    genericWeights: withUnreadWeights(numeric.weights, unread, new Random(options.seed ?? 1)),
  };
  const made = {
    graph,
    normal: form.graph,
    spaces,
    continuous: withUnreadCounts(numeric?.continuous ?? scalingCounts(scalings), unread, masked),
    countOrigin: numeric ? ("model" as const) : ("scalings" as const),
    ...measured,
    opaque: soft.opaque.map((n) => ({ operator: n.operator, where: n.origin.scope ?? n.origin.node ?? n.name })),
    parameters,
    notes,
    ...(lowered ? { lowered } : {}),
  };
  return withLazy(made, {
    symmetries,
    swaps: () => [...swaps().map((s) => s.names), ...exchanges().flatMap((e) => (e.swap ? [e.swap] : []))],
    exchanges: () => exchanges().flatMap((e) => (e.swap ? [] : [e.symmetry])),
  });
}

/** A space whose group is put into words when it is asked for: deep graphs have a hundred thousand. */
class NamedSpace implements ChannelSpace {
  readonly id: number;
  readonly size: number;
  readonly acts: ChannelSpace["acts"];
  readonly permutable: boolean;
  declare readonly within?: number;
  readonly #groupOf: (id: number) => string;
  #group: string | undefined;

  constructor(place: Omit<ChannelSpace, "group" | "within">, within: number | undefined, groupOf: (id: number) => string) {
    this.id = place.id;
    this.size = place.size;
    this.acts = place.acts;
    this.permutable = place.permutable;
    if (within !== undefined) this.within = within;
    this.#groupOf = groupOf;
  }

  get group(): string {
    return (this.#group ??= this.#groupOf(this.id));
  }
}

/** The result of a step that may fail on an operator without a kernel; the failure becomes a note. */
function attempt<T>(step: () => T, notes: string[]): T | undefined {
  try {
    return step();
  } catch (error) {
    notes.push(`matrix groups and shifts were not searched: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function scalingCounts(scalings: readonly Scaling[]): ContinuousCounts {
  const scale = scalingDimension(scalings.filter((s) => s.family === "scale"));
  const rescaling = scalingDimension(scalings.filter((s) => s.family === "rescaling"));
  return { linear: 0, rotation: 0, scale, rescaling, translation: 0, unread: 0, total: scale + rescaling };
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** The scalings on each root atom that no other one refines. */
function finestScalings(scalings: readonly Scaling[]): Map<number, Scaling[]> {
  // What refines a scaling moves all its parameters: those that move the first one are the few to compare with.
  const finer = new Map<string, Scaling[]>();
  for (const s of scalings) {
    if (s.atoms.length > 1) for (const p of new Set(s.entries.map((e) => e.parameter))) append(finer, p, s);
  }
  const out = new Map<number, Scaling[]>();
  for (const s of scalings) {
    if (s.atoms.length === 0) continue;
    const first = s.entries[0]?.parameter;
    if (first !== undefined && finer.get(first)?.some((f) => refines(f, s))) continue;
    for (const a of new Set(s.atoms)) append(out, a, s);
  }
  return out;
}

/** Whether a scaling moves what another one does, independently for more indices (per head and coordinate, not per head). */
function refines(finer: Scaling, coarser: Scaling): boolean {
  if (finer.family !== coarser.family || finer.atoms.length <= coarser.atoms.length) return false;
  if (!coarser.atoms.every((a) => finer.atoms.includes(a))) return false;
  const moved = new Set(finer.entries.map((e) => e.parameter));
  return coarser.entries.every((e) => moved.has(e.parameter));
}

/** What the entries of an enclosing space are: heads and experts are known by how a softmax meets them. */
function kindOfOuter(normal: Graph, axes: InferredAxes, atom: number): string {
  for (const node of normal.nodes) {
    if (node.operator !== "Softmax" || node.domain !== "") continue;
    const layout = axes.layout(node.inputs[0]!);
    const axis = numberAttribute(node, "axis", -1);
    const at = layout?.findIndex((segments) => segments.some((s) => s.some((f) => f.atom === atom))) ?? -1;
    if (at >= 0) return at === (axis < 0 ? axis + layout!.length : axis) ? "expert" : "head";
  }
  return "block";
}

/** Whether any part of an axis of a parameter may not be permuted at all. */
function hasPinnedPart(axes: InferredAxes, value: number): boolean {
  const isStill = (f: AxisFactor) => f.pinned || f.size === 1;
  const isLong = (layout: AxisLayout) => layout.length > 1 || layout.some((segment) => segment.some((f) => f.size > 1));
  return axes.layoutsOf(value)?.some((layout) => isLong(layout) && layout.some((s) => s.every(isStill))) === true;
}

/** Whether every place of a space is pinned under another inference. */
function isPinnedIn(axes: InferredAxes, space: AtomSpace): boolean {
  return space.occurrences.every((o) => {
    let start = 0;
    for (const segment of axes.layout(o.parameter)![o.axis]!) {
      const size = segment.reduce((n, f) => n * f.size, 1);
      if (start < o.end && o.start < start + size && segment.some((f) => !f.pinned && f.size > 1)) return false;
      start += size;
    }
    return true;
  });
}

/** Root atoms under another inference that stand where this space stands. */
function atomsAtSamePlaces(axes: InferredAxes, space: AtomSpace): Set<number> {
  const out = new Set<number>();
  const known = new Map<string, readonly Occurrence[]>();
  for (const o of space.occurrences) {
    const layout = axes.layoutsOf(o.value)?.[o.axis];
    if (layout === undefined) continue;
    const inner = innerSize(o);
    const own = o.factors[o.factor]!;
    if (!layout.some((segment) => segment.some((f) => f.parts !== undefined))) {
      for (let k = 0, start = 0; k < layout.length && start <= o.start; k++) {
        const segment = layout[k]!;
        const end = start + segment.reduce((n, f) => n * f.size, 1);
        if (start === o.start && end === o.end) addFactors(out, segment, own, inner);
        start = end;
      }
      continue;
    }
    const there = known.get(o.parameter) ?? parameterOccurrences(axes, [o.parameter]);
    known.set(o.parameter, there);
    for (const p of there) {
      if (p.axis !== o.axis || p.start !== o.start || p.end !== o.end) continue;
      if (p.factors[p.factor] === own && innerSize(p) === inner) out.add(p.atoms[p.factor]!);
    }
  }
  return out;
}

/** Adds the atoms of a segment's factors of this size with so many entries for each of their indices. */
function addFactors(out: Set<number>, segment: AxisSegment, size: number, inner: number): void {
  let after = 1;
  for (let i = segment.length - 1; i >= 0; i--) {
    if (segment[i]!.size === size && after === inner) out.add(segment[i]!.atom);
    after *= segment[i]!.size;
  }
}

/** Number of entries of a segment for each index of this factor and those before it. */
function innerSize(o: Occurrence): number {
  let n = 1;
  for (let i = o.factor + 1; i < o.factors.length; i++) n *= o.factors[i]!;
  return n;
}

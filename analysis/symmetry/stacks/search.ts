/**
 * @file Engine C on stacks: matrix fields that mix several tensors. Phases of complex numbers in separate real and imaginary
 * tensors, units of quaternions, rotations between the factors of a product of reflections.
 */
import type { AxisLayout, AxisStructure } from "../../graph/axes";
import type { Graph } from "../../graph/graph";
import { Random } from "../../numerics/random";
import { hasKinks } from "../counting/calibration";
import { countFamilies } from "../counting/families";
import { Network } from "../counting/network";
import { newMotions } from "../counting/new-motions";
import { genericWeights } from "../counting/sampling";
import { type Channels, channelsOf } from "../fields/channels";
import { COORDINATE, contractedLayout } from "../fields/contracted";
import {
  directionsAt,
  type FieldRegion,
  type FieldResult,
  type MatrixFields,
  regionKey,
  type RemainingDirection,
  searchFields,
} from "../fields/fields";
import { FieldMotion } from "../fields/motion";
import type { Frames } from "../fields/system";
import type { Generator, ParameterValues } from "../symmetry";
import { carriers, shown } from "./carriers";
import { partners } from "./partners";
import { stackedNotation } from "./names";
import { type Stack, stackedGraph } from "./stacked-graph";

/** The atom of no axis: which member of a stack. */
const MEMBER = -1;

/** Channels of a value above which only members of a stack mix: the cost is that of matrices between them all. */
const MIXED = 12;

/** A graph with its partners stacked, and the frames that its values have. */
export interface StackedNetwork {
  readonly graph: Graph;
  readonly axes: AxisStructure;
  readonly frames: Frames;
  /** Number of members of each stack. */
  readonly stacks: ReadonlyMap<string, number>;
  /** Atoms that stand in other members where an atom stands in the first. */
  readonly alike: ReadonlyMap<number, readonly number[]>;
}

/** Whether any tensors of a network are read together as the parts of a number are. */
export function hasPartners(network: Network): boolean {
  return partners(network, carriers(network), shown(network)).length > 0;
}

/** Stacks the partners of a graph in normal form. */
export function stackPartners(graph: Graph, axes: AxisStructure): StackedNetwork {
  const plain = Network.of(graph);
  const carried = carriers(plain);
  const observed = shown(plain);
  const { graph: stacked, stacks } = stackedGraph(graph, partners(plain, carried, observed));
  const network = Network.of(stacked);
  const sizes = new Map(stacks.map((s) => [s.value, s.members.length] as const));
  const members = new Set(stacks.flatMap((s) => s.members));
  const visible = new Set([
    ...network.inputs.map((i) => i.name),
    ...network.outputs,
    ...carried.filter((v) => !members.has(v)),
    ...stacks.map((s) => s.value),
  ]);
  const layoutOf = (value: string): readonly AxisLayout[] | undefined => {
    const found = axes.layout(value);
    if (found?.some((axis) => axis.some((segment) => segment.some((f) => !f.pinned && f.size > 1)))) return found;
    return contractedLayout(plain, value) ?? found;
  };
  const layouts = new Map<string, readonly AxisLayout[]>();
  for (const {
    value,
    members: [first = "", ...rest],
  } of stacks) {
    const own = layoutOf(first) ?? plain.shape(first).map((size): AxisLayout => [[{ atom: COORDINATE, size, pinned: true }]]);
    layouts.set(value, [[[{ atom: MEMBER, size: rest.length + 1, pinned: false }]], ...own]);
  }
  const structure: AxisStructure = { layout: (value) => layouts.get(value) ?? layoutOf(value) };
  const known = new Map<string, Channels>();
  const channels = (value: string): Channels => {
    let found = known.get(value);
    if (!found) {
      const all = channelsOf(network.shape(value), structure.layout(value));
      found = all.count > MIXED ? coordinatewise(all, sizes.get(value) ?? 1) : all;
      known.set(value, found);
    }
    return found;
  };
  return {
    graph: stacked,
    axes: structure,
    frames: { visible, fixed: observed, channels },
    stacks: sizes,
    alike: alikeAtoms(stacks, layoutOf),
  };
}

/** The same channels where those at other coordinates do not mix: only members of a stack do, coordinate by coordinate. */
function coordinatewise(channels: Channels, members: number): Channels {
  const coordinates = channels.count / members;
  return { ...channels, kinds: channels.kinds.map((kind, c) => kind * coordinates + (c % coordinates)) };
}

/** Atoms of other members of stacks by those of the first, where their axes have the same structure. */
function alikeAtoms(
  stacks: readonly Stack[],
  layoutOf: (value: string) => readonly AxisLayout[] | undefined,
): ReadonlyMap<number, readonly number[]> {
  const out = new Map<number, Set<number>>();
  const atomsOf = (value: string) => layoutOf(value)?.map((axis) => axis.map((segment) => segment.map((f) => f.atom))) ?? [];
  const pattern = (atoms: ReturnType<typeof atomsOf>) => JSON.stringify(atoms.map((axis) => axis.map((s) => s.length)));
  for (const {
    members: [first = "", ...rest],
  } of stacks) {
    const own = atomsOf(first);
    for (const other of rest.map(atomsOf)) {
      if (pattern(other) !== pattern(own)) continue;
      const to = other.flat(2);
      own.flat(2).forEach((atom, k) => {
        const set = out.get(atom) ?? new Set<number>();
        out.set(atom, set.add(to[k]!));
      });
    }
  }
  return new Map([...out].map(([atom, set]) => [atom, [...set]] as const));
}

/** Further draws of weights at which what was found has to exist too: at one, rectifiers may be off or on for all inputs. */
const DRAWS = 2;

/**
 * What fields on stacks add to known directions, of which there are `dimension`; undefined where these are all, it is not known how
 * many there are, or nothing is added. Of a region that adds something all generators are listed, known ones too. Engine D takes
 * matrices between tensors for translations where nothing is cut between them: those are looked at again.
 */
export function searchStacks(
  graph: Graph,
  weights: ParameterValues,
  axes: AxisStructure,
  known: readonly Generator[],
  { seed, dimension }: { readonly seed: number; readonly dimension: number | undefined },
): FieldResult | undefined {
  if (dimension === undefined) return undefined;
  const explained = countFamilies(known).total;
  const doubtful = known.some((g) => movesMatrices(graph, g));
  if (dimension <= explained && !doubtful) return undefined;
  const stacked = stackPartners(graph, axes);
  if (dimension <= explained && stacked.stacks.size === 0) return undefined;
  // What is explained already is only looked at again where it may be a matrix between tensors: all other values stay.
  const still = [...stacked.frames.visible].filter((v) => !stacked.stacks.has(v));
  const frames =
    dimension > explained ? stacked.frames : { ...stacked.frames, fixed: new Set([...stacked.frames.fixed, ...still]) };
  const fields = searchFields(stacked.graph, weights, stacked.axes, { frames, seed });
  const isLasting = lasting(stacked, fields, frames, seed);
  const others = known.filter((g) => g.family !== "translation");
  const withoutTranslations = countFamilies(others).total;
  const isNew = ({ kind, edges, atoms, generators }: FieldRegion): boolean => {
    if (edges.some((e) => stacked.stacks.has(e.value)))
      return countFamilies([...others, ...generators]).total > withoutTranslations;
    // Matrices on channels that inference had free already trade with what passes by them: those are curves of the trunk.
    if (kind === "linear" && !atoms.includes(COORDINATE)) return false;
    return countFamilies([...known, ...generators]).total > explained;
  };
  const regions = fields.regions.flatMap((region): FieldRegion[] => {
    if (region.directions === undefined || !isNew(region) || !isLasting(region)) return [];
    const notation = stackedNotation(region, stacked.stacks);
    return [{ ...region, atoms: atomsOf(region, stacked), ...(notation === undefined ? {} : { notation }) }];
  });
  const found = [...known, ...regions.flatMap((r) => r.generators)];
  const shifts = dimension > explained ? fields.translations(found.map((g) => g.vector)) : [];
  const everywhere = shifts.filter((s) => isEverywhere(fields, s, seed));
  const { network, unknowns } = fields.system;
  const vectors = (list: readonly Generator[]) => list.map((g) => g.vector);
  const added = vectors(everywhere.map((s) => s.generator));
  const areNew = newMotions(network, weights, unknowns.edges.keys(), vectors(found), added, seed);
  const remaining = everywhere.filter((_, k) => areNew[k]);
  const all = countFamilies([...found, ...remaining.map((r) => r.generator)]).total;
  // More than can be measured: some of it is a fact about these weights only.
  if (regions.length + remaining.length === 0 || all > dimension) return undefined;
  return { weights, axes: stacked.axes, frames, seeds: { fields: seed }, system: fields.system, regions, remaining };
}

/** The atoms of all members. A matrix on one tensor that mixes several atoms belongs to the space of none of them. */
function atomsOf({ edges, atoms }: FieldRegion, { stacks, alike }: StackedNetwork): readonly number[] {
  if (!edges.some((e) => stacks.has(e.value)) && atoms.length > 1) return [];
  return [...new Set(atoms.flatMap((a) => [a, ...(alike.get(a) ?? [])]))];
}

/** Whether a translation moves more than one matrix, as a change of frames between two would. */
function movesMatrices(graph: Graph, { family, vector }: Generator): boolean {
  if (family !== "translation") return false;
  const isMatrix = (p: string): boolean => graph.parameters.get(p)!.shape.filter((n) => n > 1).length > 1;
  return [...vector.keys()].filter(isMatrix).length > 1;
}

/** Whether a direction on edges is a solution at other generic weights as it stands. */
function isEverywhere({ system }: MatrixFields, { direction }: RemainingDirection, seed: number): boolean {
  const motion = new FieldMotion(system, [direction], seed);
  const random = new Random(seed);
  return Array.from({ length: DRAWS }, () => genericWeights(system.network, random)).every((w) => motion.holdsAt(w));
}

/** Whether a region is there at other generic weights too; smooth networks are the same at all. */
function lasting(
  { graph, axes }: StackedNetwork,
  { system }: MatrixFields,
  frames: Frames,
  seed: number,
): (region: FieldRegion) => boolean {
  const { network } = system;
  if (!hasKinks(network)) return () => true;
  const random = new Random(seed);
  const draws = Array.from({ length: DRAWS }, () => genericWeights(network, random));
  const known = new Map<ParameterValues, ReturnType<typeof directionsAt>["byRegion"]>();
  const regionsAt = (weights: ParameterValues) => {
    const found = known.get(weights) ?? directionsAt(Network.of(graph), weights, axes, seed, frames).byRegion;
    known.set(weights, found);
    return found;
  };
  return ({ directions, edges }) => {
    if (!directions) return false;
    const motion = new FieldMotion(system, directions, seed);
    // Where solutions hang on the weights, there have to be as many at others.
    return draws.every((w) => motion.holdsAt(w) || regionsAt(w).get(regionKey(edges))?.length === directions.length);
  };
}

/** All generators of what was found on stacks. */
export function generatorsOf(found: FieldResult): readonly Generator[] {
  return [...found.regions.flatMap((r) => r.generators), ...found.remaining.map((r) => r.generator)];
}

/**
 * @file Reads channel spaces off inferred axes: classes of interchangeable coordinates, where they act, and how they nest
 * (ALGORITHM.md 2.4).
 */
import { typeOf } from "../../graph/numbering";
import type { AxisFactor, AxisLayout, AxisSegment } from "../../graph/axes";
import { type Graph, type Node, numberAttribute, type Parameter } from "../../graph/graph";
import type { Address } from "../symmetry";
import { type BlockAxis, isPlain, isSelector } from "./blocks";
import type { InferredAxes } from "./infer";

/** One factor of one segment of one parameter axis. */
export interface Occurrence {
  readonly parameter: string;
  /** The parameter's number. */
  readonly value: number;
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  /** Sizes of all factors of the segment, and the position of this one. */
  readonly factors: readonly number[];
  readonly factor: number;
  /** Root atoms of all factors of the segment. */
  readonly atoms: readonly number[];
  /** Of a piece of a concatenation inside of a product: where it is along the factors outside, by root atom. */
  readonly outside?: ReadonlyMap<number, number>;
}

/** Atoms that are one space: a single leaf, or pieces of one axis that went the same way through the network. */
export interface AtomSpace {
  /** Root atoms, in order of their first occurrence. */
  readonly atoms: readonly number[];
  readonly size: number;
  readonly occurrences: readonly Occurrence[];
}

/** Parameters by name, or a choice of them. */
export type ParameterChoice = Iterable<string> | ((parameter: Parameter, value: number) => boolean);

/** All factors of the axes of the given parameters, segment by segment. */
export function parameterOccurrences(axes: InferredAxes, parameters: ParameterChoice): Occurrence[] {
  const out: Occurrence[] = [];
  const { graph, numbering } = axes;
  if (typeof parameters !== "function") {
    for (const name of parameters) addOccurrences(out, axes, name, numbering.of(name));
    return out;
  }
  let at = 0;
  for (const p of graph.parameters.values()) {
    const value = numbering.parameters[at++]!;
    if (parameters(p, value)) addOccurrences(out, axes, p.name, value);
  }
  return out;
}

function addOccurrences(out: Occurrence[], axes: InferredAxes, parameter: string, value: number): void {
  const layouts = axes.layoutsOf(value);
  if (layouts === undefined) return;
  for (let axis = 0; axis < layouts.length; axis++) {
    let start = 0;
    for (const segment of layouts[axis]!) {
      const place = { parameter, value, axis };
      const end = addSegment(out, place, segment, segment.length, start);
      if (segment.some((f) => f.parts !== undefined)) addNested(out, place, segment, segment.length, start);
      start = end;
    }
  }
}

type Place = Pick<Occurrence, "parameter" | "value" | "axis" | "outside">;

/** The sizes and atoms of a segment's factors. */
interface SegmentFactors {
  readonly segment: AxisSegment;
  readonly factors: readonly number[];
  readonly atoms: readonly number[];
  readonly size: number;
}

/** Those of the segment that was looked at last: what a weight writes the next one reads, along the same segment. */
let lastFactors: SegmentFactors | undefined;

function factorsOf(segment: AxisSegment): SegmentFactors {
  if (lastFactors?.segment === segment) return lastFactors;
  const [factors, atoms] = [new Array<number>(segment.length), new Array<number>(segment.length)];
  let size = 1;
  for (let i = 0; i < segment.length; i++) {
    const f = segment[i]!;
    factors[i] = f.size;
    atoms[i] = f.atom;
    size *= f.size;
  }
  lastFactors = { segment, factors, atoms, size };
  return lastFactors;
}

/** Adds the first factors of a segment and returns where it ends. */
function addSegment(out: Occurrence[], place: Place, segment: AxisSegment, own: number, start: number): number {
  const { factors, atoms, size } = factorsOf(segment);
  const end = start + size;
  const { parameter, value, axis, outside } = place;
  for (let factor = 0; factor < own; factor++) {
    // Written out: spreading an object costs more than all the rest, and most are in no product.
    const plain = { parameter, value, axis, start, end, factors, factor, atoms };
    out.push(outside === undefined ? plain : { ...plain, outside });
  }
  return end;
}

/**
 * Adds what stands in a concatenation inside of a product (queries, keys and values of each head in turn): piece by piece, once
 * for each index of the factors outside. Of a segment whose first factors are a piece's own.
 */
function addNested(out: Occurrence[], place: Place, segment: AxisSegment, own: number, start: number): void {
  const at = segment.findIndex((f, i) => i < own && f.parts !== undefined);
  if (at < 0) return;
  const before = segment.slice(0, at);
  const after = segment.slice(at + 1);
  const copies = before.reduce((n, f) => n * f.size, 1);
  let next = start;
  for (let copy = 0; copy < copies; copy++) {
    const outside = new Map(place.outside);
    let rest = copy;
    for (let i = before.length - 1; i >= 0; i--) {
      outside.set(before[i]!.atom, rest % before[i]!.size);
      rest = Math.floor(rest / before[i]!.size);
    }
    for (const part of segment[at]!.parts!) {
      const piece = [...part, ...after];
      const end = addSegment(out, { ...place, outside }, piece, part.length, next);
      addNested(out, { ...place, outside }, piece, part.length, next);
      next = end;
    }
  }
}

/**
 * The spaces of all free atoms that occur in the given parameters, in order of first occurrence. Pieces with equal
 * signatures are one space of their summed size.
 */
export function atomSpaces(graph: Graph, axes: InferredAxes, parameters: ParameterChoice): AtomSpace[] {
  const byAtom: (Occurrence[] | undefined)[] = [];
  const order: number[] = [];
  for (const o of parameterOccurrences(axes, parameters)) {
    const atom = o.atoms[o.factor]!;
    // A concatenation inside of a product is no space: its pieces go different ways.
    if (axes.atoms.isPinned(atom) || !axes.atoms.isLeaf(atom)) continue;
    const list = byAtom[atom];
    if (list) list.push(o);
    else {
      byAtom[atom] = [o];
      order.push(atom);
    }
  }
  // Equal signatures begin with the same axis; where only one atom begins, there is nothing to compare. Atoms come in the
  // order of where they begin, so that those of one axis follow each other.
  const groups = new Map<string | number, number[]>();
  for (let first = 0, next = 0; first < order.length; first = next) {
    const { value, axis } = byAtom[order[first]!]![0]!;
    for (next = first + 1; next < order.length; next++) {
      const begin = byAtom[order[next]!]![0]!;
      if (begin.value !== value || begin.axis !== axis) break;
    }
    if (next === first + 1) groups.set(order[first]!, [order[first]!]);
    else for (let i = first; i < next; i++) addTo(groups, signatureOf(byAtom[order[i]!]!), order[i]!);
  }
  const paths = [...groups.values()].some((g) => g.length > 1) ? valuePaths(graph, axes, groups) : undefined;
  const out: AtomSpace[] = [];
  for (const group of groups.values()) {
    if (group.length === 1) {
      const occurrences = byAtom[group[0]!]!;
      const size = axes.atoms.sizeOf(group[0]!);
      if (size > 1) out.push({ atoms: group, size, occurrences });
      continue;
    }
    const classes = new Map<string, number[]>();
    for (const atom of group) {
      const path = (paths!.get(atom) ?? []).join(" ");
      const same = classes.get(path);
      if (same) same.push(atom);
      else classes.set(path, [atom]);
    }
    for (const atoms of classes.values()) {
      const size = atoms.reduce((n, a) => n + axes.atoms.sizeOf(a), 0);
      if (size > 1) out.push({ atoms, size, occurrences: atoms.flatMap((a) => byAtom[a]!) });
    }
  }
  return out;
}

/** Where an atom stands, and beside what. */
function signatureOf(occurrences: readonly Occurrence[]): string {
  if (occurrences.length === 1) return placeOf(occurrences[0]!);
  return [...new Set(occurrences.map(placeOf))].sort().join(" ");
}

function placeOf(o: Occurrence): string {
  return `${o.value}/${o.axis}:${coFactors(o)}`;
}

function addTo<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** What else the entries of this factor depend on: the other factors of its segment. */
function coFactors(o: Occurrence): string {
  return o.atoms.length === 1 ? "*" : o.atoms.map((a, i) => (i === o.factor ? "*" : a)).join(",");
}

/** Through which values, at which axis, each atom of a group with several members passes, apart from mere placement. */
function valuePaths(
  graph: Graph,
  axes: InferredAxes,
  groups: ReadonlyMap<string | number, readonly number[]>,
): Map<number, string[]> {
  const wanted = new Map<number, Set<string>>();
  for (const g of groups.values()) if (g.length > 1) for (const a of g) wanted.set(a, new Set());
  const record = (value: string, skip: (axis: number) => boolean) => {
    axes.axes(value)?.forEach((axis: BlockAxis, at) => {
      if (skip(at)) return;
      const options = isPlain(axis) ? [axis] : axis.kind === "dependent" ? axis.options : [];
      for (const option of options) {
        for (const segment of axes.atoms.normal(option)) {
          segment.forEach((a, i) => {
            wanted.get(a)?.add(`${value}/${at}:${segment.map((b, j) => (j === i ? "*" : b)).join(",")}`);
          });
        }
      }
    });
  };
  // A single entry whose axis of size 1 is dropped goes on unseen: what reads it there tells it from the others.
  const recordDropped = (from: string, to: string) => {
    const kept = new Set(atomsOf(axes, to));
    for (const a of atomsOf(axes, from)) if (!kept.has(a)) wanted.get(a)?.add(`${to}:dropped`);
  };
  for (const node of graph.nodes) {
    const skip = placement(graph, node);
    if (node.operator === "Reshape") recordDropped(node.inputs[0]!, node.outputs[0]!);
    for (const o of node.outputs) if (o !== "") record(o, skip);
    if (!PLACEMENT.has(node.operator)) for (const i of node.inputs) if (i !== "") record(i, () => false);
  }
  return new Map([...wanted].map(([a, set]) => [a, [...set].sort()]));
}

/** All atoms of all axes of a value. */
function atomsOf(axes: InferredAxes, value: string): number[] {
  const plain = (axes.axes(value) ?? []).flatMap((axis: BlockAxis) =>
    isPlain(axis) ? [axis] : axis.kind === "dependent" ? axis.options : [],
  );
  return plain.flatMap((axis) => axes.atoms.normal(axis).flat());
}

const PLACEMENT: ReadonlySet<string> = new Set(["Reshape", "Slice", "Concat", "Gather", "Identity"]);

/** For which axes of its output a node does nothing but place entries along that same axis. */
function placement(graph: Graph, node: Node): (axis: number) => boolean {
  const from = typeOf(graph, node.inputs[0] ?? "")?.shape ?? [];
  const to = typeOf(graph, node.outputs[0] ?? "")?.shape ?? [];
  switch (node.operator) {
    case "Reshape":
    case "Identity":
      return () => true;
    case "Slice": {
      const cut = to.flatMap((n, i) => (n === from[i] ? [] : [i]));
      return (axis) => cut.every((c) => c === axis);
    }
    case "Concat": {
      const at = numberAttribute(node, "axis", 0);
      return (axis) => axis === (at < 0 ? at + to.length : at);
    }
    case "Gather": {
      const at = numberAttribute(node, "axis", 0);
      const dropped = at < 0 ? at + from.length : at;
      return (axis) => to.length === from.length - 1 || axis === dropped;
    }
    default:
      return () => false;
  }
}

/**
 * For each space the atom over which it is fibred: the same free factor stands beside it in every value that has the space,
 * so that its elements may differ per index of that factor (heads over head sizes, blocks of a grouped convolution).
 * Undefined where some value has the space alone, which makes one element serve all. One pass over all values.
 */
export function enclosingAtoms(graph: Graph, axes: InferredAxes, spaces: readonly AtomSpace[]): (number | undefined)[] {
  if (spaces.length === 0) return [];
  const spaceOf = new Map<number, number>();
  spaces.forEach((space, id) => {
    for (const a of space.atoms) spaceOf.set(a, id);
  });
  const candidates = new Array<readonly number[] | undefined>(spaces.length);
  let last: readonly BlockAxis[] | undefined;
  for (let value = 0; value < axes.numbering.count; value++) {
    const own = axes.axesOf(value);
    // Entry-wise operators hand axes on as they are: one look at them is enough.
    if (own === undefined || own === last) continue;
    last = own;
    if (own.every(isPlain)) narrow(own.map((a) => axes.layoutOf(a)));
    else for (const layout of blockLayouts(axes, value, own)) narrow(layout);
  }
  return candidates.map((c) => c?.[0]);

  function isOpen(segment: readonly AxisFactor[]): boolean {
    for (const { atom } of segment) {
      const id = spaceOf.get(atom);
      if (id !== undefined && candidates[id]?.length !== 0) return true;
    }
    return false;
  }

  function narrow(layout: readonly AxisLayout[]): void {
    for (let at = 0; at < layout.length; at++) {
      for (const segment of flattened(layout[at]!)) {
        if (!isOpen(segment)) continue;
        for (let position = 0; position < segment.length; position++) {
          const id = spaceOf.get(segment[position]!.atom);
          if (id === undefined || candidates[id]?.length === 0) continue;
          if (position > 0 && segment.findIndex((f) => spaceOf.get(f.atom) === id) < position) continue;
          const beside: number[] = [];
          const add = (f: AxisFactor) => {
            if (!f.pinned && f.size > 1 && spaceOf.get(f.atom) !== id) beside.push(f.atom);
          };
          for (let k = 0; k < position; k++) add(segment[k]!);
          for (let k = 0; k < layout.length; k++) if (k !== at && layout[k]!.length === 1) layout[k]![0]!.forEach(add);
          candidates[id] = candidates[id]?.filter((c) => beside.includes(c)) ?? beside;
        }
      }
    }
  }
}

/** Whether a factor of an axis is a concatenation. */
function hasParts(layout: AxisLayout): boolean {
  for (const segment of layout) for (const factor of segment) if (factor.parts !== undefined) return true;
  return false;
}

/** The segments of an axis, those of concatenations inside of products with what stands outside before them. */
function flattened(layout: AxisLayout): AxisLayout {
  if (!hasParts(layout)) return layout;
  return layout.flatMap((segment): AxisLayout => {
    const at = segment.findIndex((f) => f.parts !== undefined);
    if (at < 0) return [segment];
    const [before, after] = [segment.slice(0, at), segment.slice(at + 1)];
    return flattened(segment[at]!.parts!.map((part) => [...before, ...part, ...after]));
  });
}

/** The layouts of a value with blocks: one, or one for each block where blocks differ (which reading them must not state alike). */
function blockLayouts(axes: InferredAxes, value: number, own: readonly BlockAxis[]): (readonly AxisLayout[])[] {
  const selector = own.find(isSelector);
  const isInside = (a: BlockAxis) => isPlain(a) || a === selector || (a.kind === "dependent" && a.selector === selector);
  if (selector === undefined || !own.every(isInside)) return [axes.layoutsOf(value)!];
  const out: (readonly AxisLayout[])[] = [];
  for (let block = 0; block < selector.count; block++) {
    const inside: AxisLayout[] = [];
    for (const a of own) {
      if (isPlain(a)) inside.push(axes.layoutOf(a));
      else if (a.kind === "dependent" && a.selector === selector) inside.push(axes.layoutOf(a.options[block]!));
    }
    out.push(inside);
  }
  return out;
}

/** Where a space acts, in the notation of addresses; neighbouring pieces of one axis are joined. */
export function spaceAddresses(axes: InferredAxes, space: AtomSpace): Address[] {
  const few = addressesOfFew(axes, space);
  if (few !== undefined) return few;
  // What is on one axis mostly follows each other.
  const byAxis: Occurrence[][] = [];
  const known = new Map<number, Occurrence[][]>();
  let last: Occurrence[] | undefined;
  for (const o of space.occurrences) {
    if (last === undefined || last[0]!.value !== o.value || last[0]!.axis !== o.axis) {
      const ofParameter = known.get(o.value) ?? [];
      if (ofParameter.length === 0) known.set(o.value, ofParameter);
      last = ofParameter[o.axis];
      if (last === undefined) {
        last = [];
        ofParameter[o.axis] = last;
        byAxis.push(last);
      }
    }
    last.push(o);
  }
  return byAxis.flatMap((occurrences) => axisAddresses(axes, occurrences, space.size));
}

/** Occurrences up to which they are compared with each other. */
const FEW = 6;

/** The addresses of a space that is on a handful of axes, alone on each of them, as most are; undefined for others. */
function addressesOfFew(axes: InferredAxes, { occurrences, size }: AtomSpace): Address[] | undefined {
  if (occurrences.length > FEW) return undefined;
  for (let i = 0; i < occurrences.length; i++) {
    const { value, axis, factors } = occurrences[i]!;
    if (factors.length !== 1 && occurrences.length > 1) return undefined;
    for (let k = 0; k < i; k++) if (occurrences[k]!.value === value && occurrences[k]!.axis === axis) return undefined;
  }
  if (occurrences.length === 1) return axisAddresses(axes, occurrences, size);
  return occurrences.map((o) => wholeAxis(axes, o));
}

/** Where an occurrence without further factors is. */
function wholeAxis(axes: InferredAxes, { parameter, value, axis, start, end }: Occurrence): Address {
  const whole = axes.numbering.types[value]!.shape![axis]!;
  return start === 0 && end === whole ? { parameter, axis } : { parameter, axis, segment: [start, end] };
}

function axisAddresses(axes: InferredAxes, occurrences: readonly Occurrence[], spaceSize: number): Address[] {
  const { parameter, value, axis } = occurrences[0]!;
  const layout = axes.layoutsOf(value)![axis]!;
  const whole = axes.numbering.types[value]!.shape![axis]!;
  if (occurrences.length === 1 && occurrences[0]!.factors.length === 1) return [wholeAxis(axes, occurrences[0]!)];
  const sorted = [...occurrences].sort((a, b) => a.start - b.start || a.factor - b.factor);
  // One atom over and over: the gates of a recurrent cell.
  if (
    layout.length > 1 &&
    sorted.length === layout.length &&
    sorted.every((o) => o.factors.length === 1 && o.atoms[0] === sorted[0]!.atoms[0])
  ) {
    return [{ parameter, axis, factors: [layout.length, sorted[0]!.factors[0]!], factor: 1 }];
  }
  const repeated = repeatedEntries(sorted, spaceSize);
  if (repeated) {
    const { start, end } = repeated;
    const place = { parameter, axis, factors: [spaceSize, (end - start) / spaceSize], factor: 0 };
    return [start === 0 && end === whole ? place : { ...place, segment: [start, end] }];
  }
  const out: Address[] = [];
  let run: { start: number; end: number; size: number } | undefined;
  const flush = () => {
    if (!run) return;
    out.push(run.start === 0 && run.end === whole ? { parameter, axis } : { parameter, axis, segment: [run.start, run.end] });
    run = undefined;
  };
  for (const o of sorted) {
    const size = o.end - o.start;
    if (meaningful(o.factors) > 1) {
      flush();
      const place = { parameter, axis, factors: o.factors, factor: o.factor };
      out.push(o.start === 0 && o.end === whole ? place : { ...place, segment: [o.start, o.end] });
    } else if (run && run.end === o.start && run.size + size <= spaceSize) {
      run.end = o.end;
      run.size += size;
    } else {
      flush();
      run = { start: o.start, end: o.end, size };
    }
  }
  flush();
  return out;
}

/** Where single entries of a space follow each other, each equally often in a row: a gate and its values that alternate. */
function repeatedEntries(
  sorted: readonly Occurrence[],
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const times = sorted.length / size;
  if (times < 2 || !Number.isInteger(times)) return undefined;
  const start = sorted[0]!.start;
  const isNext = (o: Occurrence, i: number): boolean =>
    o.factors.length === 1 &&
    o.start === start + i &&
    o.end === o.start + 1 &&
    (i % times === 0 || o.atoms[0] === sorted[i - 1]!.atoms[0]);
  return sorted.every(isNext) ? { start, end: start + sorted.length } : undefined;
}

/** Number of factors larger than one. */
function meaningful(factors: readonly number[]): number {
  return factors.filter((n) => n > 1).length;
}

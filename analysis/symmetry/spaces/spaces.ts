/**
 * @file Reads channel spaces off inferred axes: classes of interchangeable coordinates (ALGORITHM.md 2.4). Where they act is
 * in `addresses.ts`, how they nest in `enclosing.ts`.
 */
import { typeOf } from "../../graph/numbering";
import { type Graph, type Node, numberAttribute } from "../../graph/graph";
import { type BlockAxis, isPlain } from "./blocks";
import type { InferredAxes } from "./infer";
import { type Occurrence, type ParameterChoice, parameterOccurrences } from "./occurrences";

/** Atoms that are one space: a single leaf, or pieces of one axis that went the same way through the network. */
export interface AtomSpace {
  /** Root atoms, in order of their first occurrence. */
  readonly atoms: readonly number[];
  readonly size: number;
  readonly occurrences: readonly Occurrence[];
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

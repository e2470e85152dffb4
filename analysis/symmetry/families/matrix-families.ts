/**
 * @file Matrix groups at any size, known from the graph alone (ALGORITHM.md 4.5): channels that everything reads and writes
 * linearly carry GL(n), those that are also measured by their length O(n), and those whose mean is taken off as well the
 * rotations that leave the vector of ones as it is.
 */
import type { Graph } from "../../graph/graph";
import type { InferredAxes } from "../spaces/infer";
import { enclosingAtoms } from "../spaces/enclosing";
import { type Occurrence, parameterOccurrences } from "../spaces/occurrences";
import type { Scaling, ScalingEntry } from "../units/scalings";
import type { State } from "./matrix-reader";
import { type Gain, Reader, type Role } from "./matrix-reader";

/** One factor of one axis of one parameter on which a group acts. */
export interface Place {
  readonly occurrence: Occurrence;
  readonly role: Role;
  /** Gains between the place and where the group is a plain matrix, as values that hang on weights alone. */
  readonly frame: readonly Gain[];
}

/** A matrix group on one atom. */
export interface MatrixFamily {
  readonly kind: "linear" | "rotation";
  readonly atom: number;
  readonly size: number;
  /** The atom per index of which there is an element of its own (heads), and its size. */
  readonly enclosing: number | undefined;
  readonly copies: number;
  /** Whether the vector of ones stays as it is. */
  readonly fixesOnes: boolean;
  readonly places: readonly Place[];
  /** `GL(64)`, `O(768)`: of one copy. */
  readonly notation: string;
  readonly dimension: number;
}

/** All matrix groups of a graph in normal form, given its axes without soft pins and its scalings. */
export function matrixFamilies(graph: Graph, axes: InferredAxes, scalings: readonly Scaling[]): MatrixFamily[] {
  const reader = new Reader(graph, axes);
  const alive = reader.survivors();
  if (alive.size === 0) return [];
  const occurrences = new Map<number, Occurrence[]>();
  for (const o of parameterOccurrences(axes, graph.parameters.keys())) {
    const atom = o.atoms[o.factor]!;
    if (!alive.has(atom)) continue;
    const list = occurrences.get(atom);
    if (list) list.push(o);
    else occurrences.set(atom, [o]);
  }
  const diagonals = new Map<number, Scaling[]>();
  for (const s of scalings) {
    if (s.family === "sign") continue;
    for (const a of new Set(s.atoms)) {
      const list = diagonals.get(a);
      if (list) list.push(s);
      else diagonals.set(a, [s]);
    }
  }
  const out: MatrixFamily[] = [];
  const atoms = [...alive.keys()].filter((a) => occurrences.has(a));
  const enclosing = enclosingAtoms(
    axes,
    atoms.map((a) => ({ atoms: [a], size: axes.atoms.sizeOf(a), occurrences: occurrences.get(a)! })),
  );
  atoms.forEach((atom, k) => {
    const state = alive.get(atom)!;
    const own = occurrences.get(atom)!;
    if (own.some((o) => !graph.parameters.get(o.parameter)!.trainable || o.outside !== undefined)) return;
    const family = state.measured
      ? rotationFamily(reader, axes, atom, own, state)
      : state.meanFree
        ? undefined
        : linearFamily(axes, atom, own, enclosing[k], diagonals.get(atom) ?? []);
    if (family) out.push(family);
  });
  return out;
}

function linearFamily(
  axes: InferredAxes,
  atom: number,
  own: readonly Occurrence[],
  enclosing: number | undefined,
  scalings: readonly Scaling[],
): MatrixFamily | undefined {
  // What no other place makes up for is not read at all: rows of a table of positions beyond the length of the input.
  if (own.length < 2) return undefined;
  // Its diagonal is a scaling (of those on this atom), which says where it acts and where by its inverse.
  const wanted = enclosing === undefined ? [atom] : [atom, enclosing];
  const diagonal = scalings.filter((s) => s.atoms.length === wanted.length && wanted.every((a) => s.atoms.includes(a)));
  const places: Place[] = [];
  for (const scaling of diagonal) {
    const found = placesOf(scaling, atom, own);
    if (found && found.length > places.length) places.splice(0, places.length, ...found);
  }
  if (places.length < own.length) return undefined;
  const size = axes.atoms.sizeOf(atom);
  const copies = enclosing === undefined ? 1 : axes.atoms.sizeOf(enclosing);
  const notation = `GL(${size})`;
  return { kind: "linear", atom, size, enclosing, copies, fixesOnes: false, places, notation, dimension: copies * size * size };
}

/** Roles by the coefficients of the diagonal; undefined unless all of them are 1 and -1. */
function placesOf(scaling: Scaling, atom: number, own: readonly Occurrence[]): Place[] | undefined {
  const sign = Math.sign(scaling.entries[0]!.coefficient);
  // A stream has as many entries as readers and writers: each place looks at those of its own parameter.
  const entriesOf = new Map<string, ScalingEntry[]>();
  for (const e of scaling.entries) {
    const list = entriesOf.get(e.parameter);
    if (list) list.push(e);
    else entriesOf.set(e.parameter, [e]);
  }
  const out: Place[] = [];
  for (const o of own) {
    const coefficients = new Set<number>();
    for (const e of entriesOf.get(o.parameter) ?? []) {
      const place = e.cell.places[o.axis];
      if (!place || place.start !== o.start || place.start + place.size !== o.end) continue;
      if (
        e.slots.some(
          (s) => e.cell.slots[s]!.axis === o.axis && e.cell.slots[s]!.factor === o.factor && e.cell.slots[s]!.atom === atom,
        )
      )
        coefficients.add(e.coefficient * sign);
    }
    const [c] = coefficients;
    if (coefficients.size !== 1 || Math.abs(c!) !== 1) return undefined;
    out.push({ occurrence: o, role: c === 1 ? "writes" : "reads", frame: [] });
  }
  return out;
}

function rotationFamily(
  reader: Reader,
  axes: InferredAxes,
  atom: number,
  own: readonly Occurrence[],
  state: State,
): MatrixFamily | undefined {
  const frames = reader.frames(atom);
  if (!frames) return undefined;
  const places: Place[] = [];
  const size = axes.atoms.sizeOf(atom);
  for (const o of own) {
    const found = frames.get(o.parameter);
    // A gain itself does not move.
    if (found === "gain") continue;
    if (!found) return undefined;
    // Of gains of copies side by side, each piece has those in the same place.
    const long = found.frame.map((g) => reader.lengthOf(g)).filter((n) => n !== size);
    const isInLine = o.end - o.start === size && long.every((n) => n === reader.lengthOfAxis(o));
    if (long.length > 0 && !isInLine) return undefined;
    places.push({ occurrence: o, ...found });
  }
  const n = state.meanFree ? size - 1 : size;
  if (n < 2 || places.length === 0) return undefined;
  return {
    kind: "rotation",
    atom,
    size,
    enclosing: undefined,
    copies: 1,
    fixesOnes: state.meanFree,
    places,
    notation: `O(${n})`,
    dimension: (n * (n - 1)) / 2,
  };
}

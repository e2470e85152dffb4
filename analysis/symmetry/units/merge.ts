/**
 * @file Scalings of a space that is in pieces (shuffled channels, concatenations cut at odd places) as scalings of the space.
 * Pieces are interchangeable, so each has the same scalings; together they depend on one index that runs over all pieces.
 */
import type { InferredAxes } from "../spaces/infer";
import type { Scaling, ScalingEntry } from "./scalings";

/** A scaling of one piece: uniform over it, or one per index of it. */
interface Piece {
  readonly atom: number;
  readonly scaling: Scaling;
}

/** Scalings that differ in their piece only. */
interface Alike {
  /** By atom: the one that is uniform over it. */
  readonly uniform: Map<number, Scaling>;
  /** By atom: the one per index; pieces of a single entry have none. */
  readonly indexed: Map<number, Scaling>;
  /** Some atom came twice: too little is known to tell what belongs together. */
  unclear: boolean;
}

/**
 * Replaces scalings of the pieces of a space by scalings of the whole space where every piece has them: the group is the
 * same, in fewer vectors. `spaceOf` gives the space of a root atom that is one piece of several; other atoms have none.
 */
export function mergePieces(
  scalings: readonly Scaling[],
  axes: InferredAxes,
  spaceOf: (atom: number) => number | undefined,
): Scaling[] {
  const out: Scaling[] = [];
  const groups = new Map<string, Alike>();
  for (const s of scalings) {
    const piece = s.sizes.length <= 1 ? pieceOf(s, spaceOf) : undefined;
    if (!piece) {
      out.push(s);
      continue;
    }
    const key = keyOf(piece, spaceOf(piece.atom)!);
    let alike = groups.get(key);
    if (!alike) {
      alike = { uniform: new Map(), indexed: new Map(), unclear: false };
      groups.set(key, alike);
    }
    const list = s.sizes.length === 0 ? alike.uniform : alike.indexed;
    if (list.has(piece.atom)) alike.unclear = true;
    list.set(piece.atom, s);
    if (alike.unclear) out.push(s);
  }
  const merged: Scaling[] = [];
  for (const alike of groups.values())
    merged.push(...(isComplete(alike, axes) ? merge(alike, axes) : [...alike.uniform.values(), ...alike.indexed.values()]));
  return [...out, ...merged];
}

/** The piece that a scaling is about; undefined where it is about none, or where that cannot be told. */
function pieceOf(s: Scaling, spaceOf: (atom: number) => number | undefined): Piece | undefined {
  if (s.sizes.length === 1) return spaceOf(s.atoms[0]!) === undefined ? undefined : { atom: s.atoms[0]!, scaling: s };
  let common: Set<number> | undefined;
  for (const e of s.entries) {
    const here = new Set<number>();
    forEachFactor(e, (atom) => {
      if (spaceOf(atom) !== undefined && (!common || common.has(atom))) here.add(atom);
    });
    common = here;
    if (here.size === 0) return undefined;
  }
  return common?.size === 1 ? { atom: [...common][0]!, scaling: s } : undefined;
}

function forEachFactor(e: ScalingEntry, visit: (atom: number, axis: number) => void): void {
  e.cell.places.forEach((place, axis) => {
    for (const f of place?.factors ?? []) visit(f.atom, axis);
  });
}

/** What is the same for all pieces: the family, the space, and what moves by how much, apart from the place of the piece. */
function keyOf({ atom, scaling }: Piece, space: number): string {
  const entries = scaling.entries.map((e) => {
    const own = new Set<number>();
    forEachFactor(e, (a, axis) => {
      if (a === atom) own.add(axis);
    });
    const elsewhere = e.cell.segments.map((segment, axis) => (own.has(axis) ? "*" : segment));
    return `${e.parameter}[${elsewhere.join()}]${e.coefficient.toPrecision(6)}`;
  });
  return `${scaling.family} ${space} ${entries.sort().join(" ")}`;
}

/** Whether there are several pieces, and each has all it should have. */
function isComplete({ uniform, indexed, unclear }: Alike, axes: InferredAxes): boolean {
  if (unclear || uniform.size < 2) return false;
  for (const atom of indexed.keys()) if (!uniform.has(atom)) return false;
  for (const atom of uniform.keys()) if (axes.atoms.sizeOf(atom) > 1 && !indexed.has(atom)) return false;
  return true;
}

function merge({ uniform, indexed }: Alike, axes: InferredAxes): Scaling[] {
  const atoms = [...uniform.keys()];
  const { family } = uniform.get(atoms[0]!)!;
  let size = 0;
  const entries: ScalingEntry[] = [];
  for (const atom of atoms) {
    const offset = size;
    for (const e of (indexed.get(atom) ?? uniform.get(atom)!).entries) entries.push({ ...e, offset });
    size += axes.atoms.sizeOf(atom);
  }
  const together: Scaling = { family, atoms: [], sizes: [], entries: [...uniform.values()].flatMap((s) => s.entries) };
  return [together, { family, atoms, sizes: [size], entries }];
}

/** @file The Symmetries of matrix groups known by rule: they act by general matrices on named axes, at any size. */
import type { Graph } from "../../graph/graph";
import { exponential } from "../../numerics/exponential";
import { Matrix, norm } from "../../numerics/matrix";
import { mirrorOf, vanishingSet } from "../actions/involution";
import type { InferredAxes } from "../spaces/infer";
import type { Element, FixedSet, Generator, Mirror, ParameterValues, Symmetry } from "../symmetry";
import { Along, type BlockMatrix } from "./along";
import { Flow } from "./follow";
import type { Gain } from "./matrix-reader";
import type { MatrixFamily } from "./matrix-families";

/** Frobenius norm of a random element's generator, per copy. */
const RANDOM_SIZE = 0.6;
/** Channels that a random element mixes: it is random among those, and cheap at any width. */
const MIXED_CHANNELS = 24;
/** Numbers in all tangent vectors together up to which they are listed. */
const MOST_TANGENT_ENTRIES = 50_000_000;

/** One entry of the algebra's basis: a matrix with a few entries, acting in one copy. */
interface BasisEntry {
  readonly copy: number;
  readonly row: number;
  readonly column: number;
}

/** The Symmetry of a family. */
export function matrixFamilySymmetry(
  graph: Graph,
  axes: InferredAxes,
  family: MatrixFamily,
  id: string,
  spaces: readonly number[],
): Symmetry {
  const action = new FamilyAction(graph, axes, family);
  const act: Symmetry["act"] = (weights, element, owned) => action.act(weights, element, owned);
  return {
    id,
    kind: family.kind,
    origin: "rule",
    group: family.copies > 1 ? `${family.notation}^${family.copies}` : family.notation,
    dimension: family.dimension,
    parameters: action.parameters,
    spaces,
    randomElement: (random) => action.randomElement(random),
    act,
    generators(weights) {
      const entries = action.parameters.reduce((n, p) => n + weights.get(p)!.length, 0);
      if (family.dimension * entries > MOST_TANGENT_ENTRIES)
        throw new RangeError(
          `${family.dimension} tangent vectors of ${entries} entries are too many to list: ask for them on the twin`,
        );
      return Array.from(
        { length: family.dimension },
        (_, k): Generator => ({ family: family.kind, vector: action.tangent(weights, k), spaces }),
      );
    },
    *mirrors(weights): Iterable<Mirror> {
      void weights;
      for (const element of action.halfTurns()) yield mirrorOf(act, element, family.kind === "rotation" && action.isPlain);
    },
    fixedSet: (weights) => action.fixedSet(weights),
  };
}

class FamilyAction {
  readonly parameters: readonly string[];
  private made:
    | readonly {
        readonly parameter: string;
        readonly along: Along;
        readonly reads: boolean;
        readonly frame: readonly Gain[];
        /** Where its piece of an axis begins. */
        readonly start: number;
      }[]
    | undefined;

  constructor(
    private readonly graph: Graph,
    private readonly axes: InferredAxes,
    private readonly family: MatrixFamily,
  ) {
    this.parameters = [...new Set(family.places.map((p) => p.occurrence.parameter))];
  }

  /** Whether no gains are in between: then mirrors of rotations are orthogonal. */
  get isPlain(): boolean {
    return this.family.places.every((p) => p.frame.length === 0);
  }

  private get places(): NonNullable<FamilyAction["made"]> {
    this.made ??= this.family.places.map(({ occurrence, role, frame }) => ({
      parameter: occurrence.parameter,
      along: new Along(this.axes, this.graph.parameters.get(occurrence.parameter)!.shape, occurrence, this.family.enclosing),
      reads: role === "reads",
      frame,
      start: occurrence.start,
    }));
    return this.made;
  }

  /** Number of channels that the algebra's coordinates run over: one less where the vector of ones stays. */
  private get inner(): number {
    return this.family.fixesOnes ? this.family.size - 1 : this.family.size;
  }

  /** Coordinates: for GL all entries, copy by copy; for O those above the diagonal. */
  private entry(k: number): BasisEntry {
    const n = this.inner;
    if (this.family.kind === "linear") {
      const inCopy = k % (n * n);
      return { copy: Math.floor(k / (n * n)), row: Math.floor(inCopy / n), column: inCopy % n };
    }
    let row = 0;
    for (let left = k; ; row++) {
      const length = n - 1 - row;
      if (left < length) return { copy: 0, row, column: row + 1 + left };
      left -= length;
    }
  }

  private position({ copy, row, column }: BasisEntry): number {
    const n = this.inner;
    return this.family.kind === "linear"
      ? copy * n * n + row * n + column
      : row * (n - 1) - (row * (row - 1)) / 2 + column - row - 1;
  }

  randomElement(random: () => number): Element {
    const { family } = this;
    const n = this.inner;
    const out = new Float64Array(family.dimension);
    const count = Math.min(n, MIXED_CHANNELS);
    for (let copy = 0; copy < family.copies; copy++) {
      // Beside the ones, the first vectors of the basis are the ones that concern few channels.
      const first = family.fixesOnes ? 0 : Math.floor(random() * n);
      const step = family.fixesOnes ? 1 : Math.max(1, Math.floor(n / count));
      const chosen = Array.from({ length: count }, (_, i) => (first + i * step) % n);
      const distinct = [...new Set(chosen)].sort((a, b) => a - b);
      const at: number[] = [];
      for (const row of distinct) {
        for (const column of distinct) {
          if (family.kind === "linear" || column > row) at.push(this.position({ copy, row, column }));
        }
      }
      const x = Float64Array.from(at, () => 2 * random() - 1);
      const length = norm(x) || 1;
      at.forEach((p, i) => {
        out[p] = (RANDOM_SIZE * x[i]!) / length;
      });
    }
    return out;
  }

  act(weights: ParameterValues, element: Element, owned?: ReadonlySet<Float64Array>): ParameterValues {
    const algebra = this.blocks(element);
    const plus = algebra.map((a) => a && blockExponential(a, 1));
    // g^-T is exp(-X^T).
    const minus = algebra.map((a) => a && blockExponential(transposed(a), -1));
    const out = new Map<string, Float64Array>();
    const frames = new Frames(this.graph, weights, this.family.size);
    const gains = this.places.map(({ frame, start }) => frames.of(frame, start));
    for (const [k, { parameter, along, reads }] of this.places.entries()) {
      let values = out.get(parameter);
      if (!values) {
        const given = weights.get(parameter)!;
        values = owned?.has(given) ? given : given.slice();
        out.set(parameter, values);
      }
      const gain = gains[k];
      along.multiply(
        values,
        (reads ? minus : plus).map((m) => m && this.framed(m, gain, reads)),
      );
    }
    return out;
  }

  /** D g D^-1 where something is written behind gains D, D^-1 g^-T D where it is read there; with ones fixed, in all channels. */
  private framed(m: BlockMatrix, gain: Float64Array | undefined, reads: boolean): BlockMatrix {
    const full = this.family.fixesOnes ? besidesOnes(m, 1) : m;
    if (!gain) return full;
    const { indices } = full;
    const n = indices.length;
    const block = full.block.map((x, k) => {
      const [i, j] = [gain[indices[Math.floor(k / n)]!]!, gain[indices[k % n]!]!];
      return reads ? (x * j) / i : (x * i) / j;
    });
    return { indices, block };
  }

  /** The element of the algebra of each copy, as far as it is not zero. */
  private blocks(element: Element): (BlockMatrix | undefined)[] {
    const { family } = this;
    const entries: { readonly row: number; readonly column: number; readonly x: number }[][] = Array.from(
      { length: family.copies },
      () => [],
    );
    for (let k = 0; k < element.length; k++) {
      const x = element[k]!;
      if (x === 0) continue;
      const { copy, row, column } = this.entry(k);
      entries[copy]!.push({ row, column, x });
      if (family.kind === "rotation") entries[copy]!.push({ row: column, column: row, x: -x });
    }
    return entries.map((list) => {
      if (list.length === 0) return undefined;
      const indices = Int32Array.from(new Set(list.flatMap((e) => [e.row, e.column]))).sort();
      const at = new Map([...indices].map((c, i) => [c, i] as const));
      const block = new Float64Array(indices.length ** 2);
      for (const { row, column, x } of list) block[at.get(row)! * indices.length + at.get(column)!]! += x;
      return { indices, block };
    });
  }

  /** The k-th tangent vector at the given weights. */
  tangent(weights: ParameterValues, k: number): ParameterValues {
    const { family } = this;
    const { copy, row, column } = this.entry(k);
    const frames = new Frames(this.graph, weights, family.size);
    const out = new Map<string, Float64Array>();
    const plain = unitMatrix(row, column, family.kind === "rotation");
    const x = family.fixesOnes ? besidesOnes(plain, 0) : plain;
    for (const { parameter, along, reads, frame, start } of this.places) {
      const values = weights.get(parameter)!;
      const vector = out.get(parameter) ?? new Float64Array(values.length);
      out.set(parameter, vector);
      const gain = frames.of(frame, start);
      const n = x.indices.length;
      for (let e = 0; e < x.block.length; e++) {
        const factor = x.block[e]!;
        if (Math.abs(factor) < 1e-15) continue;
        const [i, j] = [x.indices[Math.floor(e / n)]!, x.indices[e % n]!];
        // Readers go with minus the transpose.
        const [to, from, sign] = reads ? [j, i, -1] : [i, j, 1];
        const scale = gain ? (reads ? gain[from]! / gain[to]! : gain[to]! / gain[from]!) : 1;
        along.addEntry(values, vector, copy, to, from, sign * factor * scale);
      }
    }
    return out;
  }

  /** Half turns in coordinate planes. */
  *halfTurns(): Iterable<Element> {
    const n = this.inner;
    for (let copy = 0; copy < this.family.copies; copy++) {
      for (let row = 0; row < n; row++) {
        for (let column = row + 1; column < n; column++) {
          const element = new Float64Array(this.family.dimension);
          element[this.position({ copy, row, column })] = Math.PI;
          if (this.family.kind === "linear") element[this.position({ copy, row: column, column: row })] = -Math.PI;
          yield element;
        }
      }
    }
  }

  fixedSet(weights: ParameterValues): FixedSet {
    const { size, fixesOnes } = this.family;
    if (!fixesOnes) {
      const entries = new Map<string, Set<number>>();
      for (const { parameter, along } of this.places) {
        const own = entries.get(parameter) ?? new Set<number>();
        entries.set(parameter, own);
        for (const i of along.entries()) own.add(i);
      }
      return vanishingSet(entries);
    }
    // What is left alone is along the ones: every vector is its mean, behind gains the mean of what it is without them.
    const all = Int32Array.from({ length: size }, (_, i) => i);
    const mean = { indices: all, block: new Float64Array(size * size).fill(1 / size) };
    const graph = this.graph;
    const places = this.places;
    let conditions = 0;
    for (const { along } of places) conditions += ([...along.entries()].length / size) * (size - 1);
    void weights;
    return {
      codimension: conditions,
      project(at) {
        const frames = new Frames(graph, at, size);
        const out = new Map<string, Float64Array>();
        for (const { parameter, along, reads, frame, start } of places) {
          const values = out.get(parameter) ?? Float64Array.from(at.get(parameter)!);
          out.set(parameter, values);
          const gain = frames.of(frame, start);
          const block = mean.block.map((x, k) => {
            if (!gain) return x;
            const [i, j] = [gain[Math.floor(k / size)]!, gain[k % size]!];
            return reads ? (x * j) / i : (x * i) / j;
          });
          along.multiply(values, [{ indices: all, block }]);
        }
        return out;
      },
    };
  }
}

/** Products of gains at given weights. */
class Frames {
  private readonly flow: Flow;

  constructor(
    graph: Graph,
    weights: ParameterValues,
    private readonly size: number,
  ) {
    this.flow = new Flow(graph, weights);
  }

  /** The gains along the group's channels for a piece that begins at `start` of its axis; undefined for none. */
  of(frame: readonly Gain[], start: number): Float64Array | undefined {
    if (frame.length === 0) return undefined;
    const out = new Float64Array(this.size).fill(1);
    for (const { value, inverse } of frame) {
      const { data } = this.flow.fixed(value);
      // Copies side by side have gains of their own.
      const from = data.length === this.size ? 0 : start;
      for (let i = 0; i < out.length; i++) out[i]! *= inverse ? 1 / data[from + i]! : data[from + i]!;
    }
    return out;
  }
}

/** The matrix with 1 at one place, and -1 at its mirror image where it is skew. */
function unitMatrix(row: number, column: number, skew: boolean): BlockMatrix {
  if (row === column) return { indices: Int32Array.of(row), block: Float64Array.of(1) };
  const [i, j] = row < column ? [0, 1] : [1, 0];
  const block = new Float64Array(4);
  block[i * 2 + j] = 1;
  if (skew) block[j * 2 + i] = -1;
  return { indices: Int32Array.of(Math.min(row, column), Math.max(row, column)), block };
}

function transposed({ indices, block }: BlockMatrix): BlockMatrix {
  const n = indices.length;
  return { indices, block: block.map((_, k) => block[(k % n) * n + Math.floor(k / n)]!) };
}

function blockExponential({ indices, block }: BlockMatrix, sign: 1 | -1): BlockMatrix {
  const n = indices.length;
  return { indices, block: exponential(new Matrix(n, n, sign === 1 ? block : block.map((x) => -x))).data };
}

/**
 * A matrix on what is orthogonal to the ones, on channels. The basis there is Helmert's, (1, .., 1, -k, 0, ..): its first k vectors
 * concern the first k + 1 channels only, so that elements on few of them move few channels. `diagonal` is 1 for a group's
 * element, 0 for one of its algebra.
 */
function besidesOnes({ indices, block }: BlockMatrix, diagonal: 0 | 1): BlockMatrix {
  const n = indices.length;
  const size = indices[n - 1]! + 2;
  const out = new Float64Array(size * size);
  if (diagonal === 1) for (let i = 0; i < size; i++) out[i * size + i] = 1;
  const basis = Array.from(indices, (k) => helmert(k, size));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const x = block[i * n + j]! - (i === j ? diagonal : 0);
      if (x === 0) continue;
      const [u, v] = [basis[i]!, basis[j]!];
      for (let a = 0; a <= indices[i]! + 1; a++)
        for (let b = 0; b <= indices[j]! + 1; b++) out[a * size + b]! += x * u[a]! * v[b]!;
    }
  }
  return { indices: Int32Array.from({ length: size }, (_, i) => i), block: out };
}

function helmert(k: number, size: number): Float64Array {
  const out = new Float64Array(size);
  const length = Math.sqrt((k + 1) * (k + 2));
  out.fill(1 / length, 0, k + 1);
  out[k + 1] = -(k + 1) / length;
  return out;
}

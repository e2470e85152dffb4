/**
 * @file Rotary position embeddings at any size. Turns by position act on pairs of coordinates of queries and keys, which are
 * complex numbers then: a query times z and its key times the inverse of z's conjugate leave the score as it is, for each pair of
 * each key head (Su et al. 2104.09864; the commutant of the turns). Which coordinates are pairs is tried, and seen by the
 * derivative of the scores themselves.
 */
import type { Graph } from "../../graph/graph";
import { elementCount } from "../../graph/tensor";
import { Random } from "../../numerics/random";
import { vanishingSet } from "../actions/involution";
import { Network } from "../counting/network";
import { Program } from "../counting/program";
import type { Element, Generator, ParameterValues, Symmetry } from "../symmetry";
import { type RowsOf, type Scores, scoresIn } from "./rotary-scores";

/** Two rows that are one complex number: of which key head and frequency, and whether it is a key's. */
interface Pair {
  readonly index: number;
  readonly rows: readonly [real: number, imaginary: number];
  readonly isKey: boolean;
}

/** The complex numbers of one product of queries and keys. */
export interface RotaryFamily {
  /** Heads of keys times frequencies. */
  readonly count: number;
  readonly places: readonly (RowsOf & { readonly pairs: readonly Pair[] })[];
}

/** Numbers of one product of queries and keys, and of either, above which it is not looked at. */
const MOST_ENTRIES = 8_000_000;
/** Largest change of scores, relative to their size and that of what moves, that is rounding. */
const ROUNDING = 1e-10;
/** Numbers in all tangent vectors together up to which they are listed. */
const MOST_TANGENT_ENTRIES = 50_000_000;
/** Angles and log-scales are drawn from this half-open range on both sides of zero. */
const LARGEST = 0.7;

/** All of a graph in normal form. */
export function rotaryFamilies(graph: Graph): RotaryFamily[] {
  if (!mayRotate(graph)) return [];
  const network = Network.of(graph);
  const out: RotaryFamily[] = [];
  for (const scores of scoresIn(network)) {
    try {
      const family = familyOf(network, scores);
      if (family) out.push(family);
    } catch {
      // An operator that refuses its inputs, in a damaged file.
    }
  }
  return out;
}

/** Whether anything is multiplied by a table, and two activations are contracted: a look at nodes that says no quickly. */
function mayRotate(graph: Graph): boolean {
  const isTable = (i: string): boolean => (graph.constants.get(i)?.data.length ?? 1) > 1;
  const isWeight = (i: string): boolean => graph.parameters.has(i);
  let tables = false;
  let products = false;
  for (const { operator, inputs } of graph.nodes) {
    if (operator === "Mul") tables ||= inputs.some(isTable);
    else if (operator === "MatMul" || operator === "Einsum") products ||= inputs.length === 2 && !inputs.some(isWeight);
  }
  return tables && products;
}

/** The pairs of coordinates of a head that positions may turn: halves or neighbours, of all of them or of the first ones. */
function* pairings(depth: number): Iterable<readonly (readonly [number, number])[]> {
  for (let turned = depth; turned >= 2 && turned % 2 === 0; turned /= 2) {
    const half = turned / 2;
    yield Array.from({ length: half }, (_, f) => [f, f + half] as const);
    if (half > 1) yield Array.from({ length: half }, (_, f) => [2 * f, 2 * f + 1] as const);
  }
}

function familyOf(network: Network, scores: Scores): RotaryFamily | undefined {
  const { depth, operands } = scores;
  const sizes = operands.map((o) => o.listed.length / depth);
  if (depth < 2 || sizes.some((n) => !Number.isInteger(n) || n === 0)) return undefined;
  // Either operand may be the keys, which have as many heads as queries or fewer.
  const keys = sizes[1]! <= sizes[0]! ? 1 : 0;
  const [heads, queryHeads] = [sizes[keys]!, sizes[1 - keys]!];
  if (queryHeads % heads !== 0) return undefined;
  const entries = [scores.value, ...operands.map((o) => o.value), ...scores.others].map((v) => elementCount(network.shape(v)));
  if (entries.some((n) => n > MOST_ENTRIES)) return undefined;
  const check = new Check(network, scores);
  for (const pairing of pairings(depth)) {
    const pairsOf = (operand: number): Pair[] => {
      const { listed } = operands[operand]!;
      const own = sizes[operand]! / heads;
      return Array.from({ length: sizes[operand]! }, (_, h) => h).flatMap((h) =>
        pairing.map(([a, b], f): Pair => {
          const rows = [listed[h * depth + a]!, listed[h * depth + b]!] as const;
          return { index: Math.floor(h / own) * pairing.length + f, rows, isKey: operand === keys };
        }),
      );
    };
    const pairs = [pairsOf(0), pairsOf(1)] as const;
    const count = heads * pairing.length;
    if (!check.holds(pairs, count)) continue;
    return { count, places: operands.flatMap((o, k) => o.written.map((w) => ({ ...w, pairs: pairs[k]! }))) };
  }
  return undefined;
}

/** Sees by the derivative of the scores, at random queries and keys, whether complex factors change them. */
class Check {
  private readonly program: Program;
  private readonly random = new Random(17);

  constructor(
    network: Network,
    private readonly scores: Scores,
  ) {
    this.program = new Program(network, [scores.value], new Set([...scores.operands.map((o) => o.value), ...scores.others]));
    this.shapes = scores.operands.map((o) => network.shape(o.value));
    this.others = new Map(scores.others.map((o) => [o, network.shape(o)]));
  }

  private readonly shapes: readonly (readonly number[])[];
  private readonly others: ReadonlyMap<string, readonly number[]>;

  holds(pairs: readonly [readonly Pair[], readonly Pair[]], count: number): boolean {
    const { program, random, scores, shapes } = this;
    const values = scores.operands.map(({ rows }, k) => ({
      type: "float64" as const,
      shape: shapes[k]!,
      data: random.normals(rows.length),
    }));
    const at = (leaf: string): number => scores.operands.findIndex((o) => o.value === leaf);
    if (program.leaves.length !== 2 + this.others.size || program.leaves.some((l) => at(l) < 0 && !this.others.has(l)))
      return false;
    const rest = new Map(
      [...this.others].map(([name, shape]) => [
        name,
        { type: "float64" as const, shape, data: random.normals(elementCount(shape)) },
      ]),
    );
    const [scales, turns] = [random.normals(count), random.normals(count)];
    const directions = scores.operands.map(({ rows }, k) => moved(rows, values[k]!.data, pairs[k]!, scales, turns));
    const slots = program.evaluate((leaf) => values[at(leaf)] ?? rest.get(leaf));
    const given = new Map(scores.operands.map((o, k) => [o.value, directions[k]!] as const));
    const change = program.differentiateJointly(slots, given)[0];
    const size = program.results(slots)[0]!.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    return size > 0 && (change === undefined || change.data.every((x) => Math.abs(x) <= ROUNDING * size));
  }
}

/** The direction of a query's or key's entries when each pair is multiplied: entries of one row are those of one coordinate. */
function moved(
  rows: Float64Array,
  data: Float64Array,
  pairs: readonly Pair[],
  scales: Float64Array,
  turns: Float64Array,
): Float64Array {
  const byRow = new Map<number, { readonly pair: Pair; readonly part: 0 | 1 }>();
  for (const pair of pairs) for (const part of [0, 1] as const) byRow.set(pair.rows[part], { pair, part });
  // The other coordinate of the same sample, position and head: entries of a row come in the same order as its partner's.
  const entriesOf = new Map<number, number[]>();
  rows.forEach((r, i) => {
    const list = entriesOf.get(r);
    if (list) list.push(i);
    else entriesOf.set(r, [i]);
  });
  const out = new Float64Array(data.length);
  for (const [row, { pair, part }] of byRow) {
    const partner = entriesOf.get(pair.rows[1 - part]!)!;
    const scale = pair.isKey ? -scales[pair.index]! : scales[pair.index]!;
    const turn = part === 0 ? -turns[pair.index]! : turns[pair.index]!;
    entriesOf.get(row)!.forEach((i, k) => {
      out[i] = scale * data[i]! + turn * data[partner[k]!]!;
    });
  }
  return out;
}

/** The scales and the turns of each family as Symmetries. */
export function rotarySymmetries(graph: Graph, families: readonly RotaryFamily[]): Symmetry[] {
  const shape = (p: string): readonly number[] => graph.parameters.get(p)!.shape;
  return families.flatMap((family, k) =>
    (["rotation", "rescaling"] as const).map((kind) => rotarySymmetry(family, kind, `rotary-${kind}:${k}`, shape)),
  );
}

function rotarySymmetry(
  { count, places }: RotaryFamily,
  kind: "rotation" | "rescaling",
  id: string,
  shape: (parameter: string) => readonly number[],
): Symmetry {
  const parameters = [...new Set(places.map((p) => p.parameter))];
  const group = kind === "rotation" ? "SO(2)" : "R+";
  /** Calls back with the two entries of every complex number of the chosen ones. */
  const visit = (
    chosen: (index: number) => boolean,
    each: (parameter: string, real: number, imaginary: number, pair: Pair) => void,
  ): void => {
    for (const { parameter, axis, pairs } of places) {
      const full = shape(parameter);
      const inner = full.slice(axis + 1).reduce((n, d) => n * d, 1);
      const outer = full.slice(0, axis).reduce((n, d) => n * d, 1);
      for (const pair of pairs) {
        if (!chosen(pair.index)) continue;
        const [a, b] = pair.rows;
        for (let o = 0; o < outer; o++) {
          for (let i = 0; i < inner; i++)
            each(parameter, (o * full[axis]! + a) * inner + i, (o * full[axis]! + b) * inner + i, pair);
        }
      }
    }
  };
  return {
    id,
    kind,
    origin: "rule",
    group: count === 1 ? group : `${group}^${count}`,
    dimension: count,
    parameters,
    spaces: [],
    randomElement: (random): Element => Float64Array.from({ length: count }, () => (2 * random() - 1) * LARGEST),
    act(weights, element, owned): ParameterValues {
      const out = new Map(parameters.map((p) => [p, owned?.has(weights.get(p)!) ? weights.get(p)! : weights.get(p)!.slice()]));
      const [first, second] = [element.map(kind === "rotation" ? Math.cos : Math.exp), element.map(Math.sin)];
      visit(
        (k) => element[k] !== 0,
        (parameter, i, j, { index, isKey }) => {
          const data = out.get(parameter)!;
          const [x, y] = [data[i]!, data[j]!];
          if (kind === "rotation") {
            data[i] = first[index]! * x - second[index]! * y;
            data[j] = second[index]! * x + first[index]! * y;
            return;
          }
          const factor = isKey ? 1 / first[index]! : first[index]!;
          data[i] = factor * x;
          data[j] = factor * y;
        },
      );
      return out;
    },
    generators(weights): Generator[] {
      const entries = parameters.reduce((n, p) => n + weights.get(p)!.length, 0);
      if (count * entries > MOST_TANGENT_ENTRIES)
        throw new RangeError(`${count} tangent vectors of ${entries} entries are too many to list: ask for them on the twin`);
      return Array.from({ length: count }, (_, k): Generator => {
        const vector = new Map(parameters.map((p) => [p, new Float64Array(weights.get(p)!.length)]));
        visit(
          (index) => index === k,
          (parameter, i, j, { isKey }) => {
            const [data, out] = [weights.get(parameter)!, vector.get(parameter)!];
            const sign = isKey ? -1 : 1;
            out[i] = kind === "rotation" ? -data[j]! : sign * data[i]!;
            out[j] = kind === "rotation" ? data[i]! : sign * data[j]!;
          },
        );
        return { family: kind, vector, spaces: [] };
      });
    },
    fixedSet() {
      const entries = new Map(parameters.map((p) => [p, [] as number[]]));
      visit(
        () => true,
        (parameter, i, j) => entries.get(parameter)!.push(i, j),
      );
      return vanishingSet(entries);
    },
  };
}

/** @file The discrete Symmetries: permutations of a channel space, and swaps of two branches. */
import type { EntryExchange } from "../picked";
import type { BranchSwap } from "../swaps";
import type { ChannelSpace, Element, Exchange, Mirror, Symmetry } from "../symmetry";
import { averagingSet, mirrorOf } from "./involution";
import { type PermutationAction, randomPermutation } from "./permutation";

/** The Symmetry of a space whose entries may be permuted, independently per entry of the space around it. */
export function permutationSymmetry(
  action: PermutationAction,
  id: number,
  space: ChannelSpace,
  shape: (parameter: string) => readonly number[],
): Symmetry {
  const { copies } = action;
  const { size } = space;
  const act: Symmetry["act"] = (weights, element, owned) =>
    action.act(
      weights,
      Array.from({ length: copies }, (_, c) => Array.from(element.subarray(c * size, (c + 1) * size))),
      owned,
    );
  /** The identity, but for what `change` does to one copy. */
  const element = (copy: number, change: (i: number) => number): Element =>
    Float64Array.from({ length: copies * size }, (_, k) => (Math.floor(k / size) === copy ? change(k % size) : k % size));
  const transposition = (copy: number, i: number, j: number): Element => element(copy, (k) => (k === i ? j : k === j ? i : k));
  return {
    id: `permutation:${id}`,
    kind: "permutation",
    origin: "rule",
    group: space.within === undefined ? `S(${size})` : `S(${size})^${copies}`,
    dimension: 0,
    parameters: action.parameters,
    spaces: [id],
    randomElement: (random) => Float64Array.from(randomPermutation(size, copies, random).flat()),
    act,
    generators: () => [],
    *mirrors(): Iterable<Mirror> {
      for (let c = 0; c < copies; c++)
        for (let i = 0; i < size; i++) for (let j = i + 1; j < size; j++) yield mirrorOf(act, transposition(c, i, j));
    },
    fixedSet() {
      // An exchange and a turn of all generate a symmetric group.
      const generating = Array.from({ length: copies }, (_, c) =>
        size < 2 ? [] : [transposition(c, 0, 1), element(c, (k) => (k + 1) % size)],
      ).flat();
      return averagingSet(act, action.parameters, (p) => entries(shape(p)), generating);
    },
    units: () => action.units(),
  };
}

/** The Symmetry of two branches that may be exchanged. */
export function swapSymmetry(swap: BranchSwap, index: number, shape: (parameter: string) => readonly number[]): Symmetry {
  const act: Symmetry["act"] = (weights, element, owned) => {
    const out = new Map<string, Float64Array>();
    if (element[0] === 0) return out;
    for (const [p, q] of swap.pairs) {
      const [x, y] = [weights.get(p), weights.get(q)];
      const isOwned = (values: Float64Array) => owned?.has(values) === true;
      if (x && y) out.set(p, isOwned(y) ? y : y.slice()).set(q, isOwned(x) ? x : x.slice());
    }
    for (const {
      action,
      entries: [i, j],
    } of swap.entries) {
      const order = Array.from({ length: action.space.size }, (_, k) => (k === i ? j : k === j ? i : k));
      for (const [name, values] of action.act(weights, [order], owned)) out.set(name, values);
    }
    return out;
  };
  const exchange = Float64Array.of(1);
  const parameters = [...swap.pairs.flat(), ...new Set(swap.entries.flatMap((e) => e.action.parameters))];
  return {
    id: `swap:${index}`,
    kind: "swap",
    origin: "rule",
    group: "S(2)",
    dimension: 0,
    parameters,
    spaces: [],
    // The identity would check nothing.
    randomElement: () => exchange,
    act,
    generators: () => [],
    mirrors: () => [mirrorOf(act, exchange)],
    fixedSet: () => averagingSet(act, parameters, (p) => entries(shape(p)), [exchange]),
    exchange: () => ({
      branches: swap.names,
      parameters: swap.pairs,
      entries: swap.entries.flatMap((e) => exchangedEntries(e, shape)),
    }),
  };
}

/** Where, along the axes of parameters, two entries of a space are. */
function exchangedEntries(
  { action, entries: pair }: EntryExchange,
  shape: (p: string) => readonly number[],
): Exchange["entries"] {
  return action.units().map(({ parameter, axis, features, flat }) => {
    const sizes = shape(parameter);
    const inner = entries(sizes.slice(axis + 1));
    const alongAxis = (unit: number): number[] => {
      const own = flat.subarray(unit * features, (unit + 1) * features);
      return [...new Set(Array.from(own, (at) => Math.floor(at / inner) % sizes[axis]!))];
    };
    return { parameter, axis, positions: [alongAxis(pair[0]), alongAxis(pair[1])] };
  });
}

function entries(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}

/**
 * @file Partners: carriers that may share a frame, because something reads them together. Real and imaginary parts meet in every
 * sum that a complex product writes; a phase turns them into each other.
 */
import { UnionFind } from "../../numerics/unionFind";
import type { Network } from "../counting/network";
import { Program } from "../counting/program";

/** Members of a stack at most: quaternions have four, two of them eight. */
const MOST_MEMBERS = 8;

/** Sets of carriers of equal shape, none computed from another of its set, that are read together; none that is shown. */
export function partners(network: Network, carriers: readonly string[], shown: ReadonlySet<string>): string[][] {
  const cuts = new Set([...carriers, ...network.inputs.map((i) => i.name)]);
  const index = new Map(carriers.map((value, k) => [value, k] as const));
  // Carriers directly above each carrier.
  const above = carriers.map((value) => new Program(network, [value], cuts).leaves.flatMap((leaf) => index.get(leaf) ?? []));
  const shape = carriers.map((value) => network.shape(value).join());
  const sets = new UnionFind(carriers.length);
  for (let changed = true; changed; ) {
    changed = false;
    for (const group of sets.groups(carriers.keys())) {
      const read = [...new Set(group.flatMap((k) => above[k]!))].filter((k) => !shown.has(carriers[k]!));
      for (const [n, a] of read.entries()) {
        for (const b of read.slice(n + 1)) {
          if (shape[a] !== shape[b] || sets.find(a) === sets.find(b) || !canJoin(sets, above, a, b)) continue;
          sets.union(a, b);
          changed = true;
        }
      }
    }
  }
  return sets
    .groups(carriers.keys())
    .filter((g) => g.length > 1)
    .map((g) => g.sort((a, b) => a - b).map((k) => carriers[k]!));
}

/** Whether two sets may become one: not too large, and the carriers still have an order in which they can be computed. */
function canJoin(sets: UnionFind, above: readonly (readonly number[])[], a: number, b: number): boolean {
  const [first, second] = [sets.find(a), sets.find(b)];
  const joined = (k: number): number => {
    const root = sets.find(k);
    return root === second ? first : root;
  };
  let members = 0;
  const edges = new Map<number, Set<number>>();
  above.forEach((list, k) => {
    const to = joined(k);
    if (to === first) members++;
    const from = edges.get(to) ?? new Set<number>();
    edges.set(to, from);
    for (const i of list) from.add(joined(i));
  });
  if (members > MOST_MEMBERS) return false;
  // Only what the joined set closes can be a circle: look for a way from it back to itself.
  const seen = new Set<number>();
  const stack = [...edges.get(first)!];
  while (stack.length > 0) {
    const at = stack.pop()!;
    if (at === first) return false;
    if (seen.has(at)) continue;
    seen.add(at);
    stack.push(...(edges.get(at) ?? []));
  }
  return true;
}

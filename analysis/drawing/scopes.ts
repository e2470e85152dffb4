/** @file The modules that nodes are in, as a tree; what makes a large network a small picture. */
import type { Node } from "../graph/graph";

/** A module with what is in it. */
export interface Module {
  /** Path such as `layer1.0`. */
  readonly path: string;
  /** Index in the list; undefined at the top. */
  readonly parent?: number;
}

/** Modules, and which each node is in. */
export interface ModuleTree {
  readonly modules: readonly Module[];
  /** Index of the innermost module of each node, in the nodes' order; undefined at the top. */
  readonly of: readonly (number | undefined)[];
}

/**
 * The modules that nodes are in, from their scopes. Nodes without one are taken to be where the nodes before and behind them
 * both are. Modules with one node or one child only, and nothing else, are left out: a box around a box says nothing.
 * @param before for each node the indices of the nodes that it reads from
 */
export function moduleTree(nodes: readonly Node[], before: readonly (readonly number[])[]): ModuleTree {
  const scopes = completed(
    nodes.map((n) => n.origin.scope?.split(".").filter((part) => part !== "")),
    before,
  );
  const members = new Map<string, number>();
  for (const scope of scopes) for (let d = 1; d <= scope.length; d++) count(members, scope.slice(0, d).join("."));
  /** The path without levels that hold all that the level above them holds, and without levels of one node. */
  const kept = (scope: readonly string[]): string[] => {
    const out: string[] = [];
    for (let d = 1; d <= scope.length; d++) {
      const path = scope.slice(0, d).join(".");
      const size = members.get(path)!;
      const inner = d < scope.length ? members.get(scope.slice(0, d + 1).join("."))! : 0;
      if (size > 1 && inner < size && size < nodes.length) out.push(path);
    }
    return out;
  };
  const modules: Module[] = [];
  const index = new Map<string, number>();
  const of = scopes.map((scope) => {
    let parent: number | undefined;
    for (const path of kept(scope)) {
      let at = index.get(path);
      if (at === undefined) {
        at = modules.push({ path, ...(parent === undefined ? {} : { parent }) }) - 1;
        index.set(path, at);
      }
      parent = at;
    }
    return parent;
  });
  return modules.length === 0 && nodes.length > MOST_LOOSE ? stretches(nodes) : { modules, of };
}

/** Nodes that are drawn without any module around them; more would be no picture. */
const MOST_LOOSE = 150;

/** Where names tell no modules: stretches of the network, about as many as each has nodes, named by their ends. */
function stretches(nodes: readonly Node[]): ModuleTree {
  const length = Math.ceil(Math.sqrt(nodes.length));
  const modules: Module[] = [];
  for (let from = 0; from < nodes.length; from += length) {
    const last = nodes[Math.min(from + length, nodes.length) - 1]!;
    modules.push({ path: `${nodes[from]!.name} to ${last.name}` });
  }
  return { modules, of: nodes.map((_, i) => Math.floor(i / length)) };
}

/** Scopes of all nodes: where one has none, the common part of its neighbours'. */
function completed(
  given: readonly (readonly string[] | undefined)[],
  before: readonly (readonly number[])[],
): (readonly string[])[] {
  const behind: number[][] = given.map(() => []);
  before.forEach((list, i) => {
    for (const b of list) behind[b]!.push(i);
  });
  const out = [...given];
  for (let i = 0; i < out.length; i++) {
    if (out[i] !== undefined) continue;
    const last = before[i]!.map((b) => out[b]).find((s) => s !== undefined);
    const next = behind[i]!.map((b) => given[b]).find((s) => s !== undefined);
    // A node at the border of two modules belongs to what holds both.
    out[i] = last && next ? common(last, next) : (last ?? next ?? []).slice(0, -1);
  }
  return out.map((s) => s ?? []);
}

function common(a: readonly string[], b: readonly string[]): readonly string[] {
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  return a.slice(0, n);
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

/** @file Topological order of a file's nodes. */
import { OnnxError } from "./error";

/** What ordering needs of a node. */
export interface Ordered {
  readonly name: string;
  /** Includes values captured by nested graphs. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * The nodes such that each comes after the writers of its inputs; nodes already in order stay where they are.
 * @throws OnnxError naming the nodes of a cycle.
 */
export function topologicalOrder<T extends Ordered>(nodes: readonly T[], file: string): readonly T[] {
  const writer = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const o of node.outputs) if (o !== "") writer.set(o, i);
  });
  let ordered = true;
  for (let i = 0; i < nodes.length && ordered; i++) {
    ordered = nodes[i]!.inputs.every((name) => (writer.get(name) ?? -1) < i);
  }
  if (ordered) return nodes;

  // Depth first from each node in file order, with an explicit stack: the writers first, then the node.
  const NEW = 0;
  const OPEN = 1;
  const DONE = 2;
  const state = new Uint8Array(nodes.length);
  const next = new Int32Array(nodes.length);
  const out: T[] = [];
  for (let root = 0; root < nodes.length; root++) {
    if (state[root] !== NEW) continue;
    const stack = [root];
    state[root] = OPEN;
    while (stack.length > 0) {
      const i = stack.at(-1)!;
      const node = nodes[i]!;
      const input = node.inputs[next[i]!];
      if (input === undefined) {
        state[i] = DONE;
        out.push(node);
        stack.pop();
        continue;
      }
      next[i]!++;
      const w = input === "" ? undefined : writer.get(input);
      if (w === undefined || state[w] === DONE) continue;
      if (state[w] === OPEN)
        throw cycleError(
          stack.slice(stack.indexOf(w)).map((k) => nodes[k]!),
          file,
        );
      state[w] = OPEN;
      stack.push(w);
    }
  }
  return out;
}

function cycleError(cycle: readonly Ordered[], file: string): OnnxError {
  const names = cycle.map((n) => n.name);
  const shown = names.length > 6 ? [...names.slice(0, 3), "...", ...names.slice(-2)] : names;
  return new OnnxError({
    file,
    node: names[0]!,
    problem: `the nodes ${shown.join(" <- ")} read each other's outputs in a circle`,
    expected: "an acyclic graph",
    advice: "Export the model again; loops are written with the Loop or Scan operator.",
  });
}

/** @file Graph-valued attributes: what they read from the graph around them, and renaming that. */
import type { Graph, Node, Parameter } from "../graph/graph";
import { isGraph } from "./workspace";

/** Names that a body defines itself. */
function defined(graph: Graph): Set<string> {
  const own = new Set<string>([...graph.parameters.keys(), ...graph.constants.keys()]);
  for (const i of graph.inputs) own.add(i.name);
  for (const n of graph.nodes) for (const o of n.outputs) own.add(o);
  return own;
}

/** A body and what its bodies are, by position in the list that `nested` gives. */
interface Nested {
  readonly graph: Graph;
  readonly own: ReadonlySet<string>;
  /** Position of the body around it; -1 for the outermost. */
  readonly around: number;
  readonly inside: Map<Graph, number>;
}

/** A body and all bodies in it, each behind the one around it. A list: files may nest them deeper than calls can. */
function nested(graph: Graph): Nested[] {
  const out: Nested[] = [{ graph, own: defined(graph), around: -1, inside: new Map() }];
  for (let k = 0; k < out.length; k++) {
    const { graph: at, inside } = out[k]!;
    for (const node of at.nodes) {
      for (const name in node.attributes) {
        const attribute = node.attributes[name]!;
        if (!isGraph(attribute) || inside.has(attribute)) continue;
        inside.set(attribute, out.push({ graph: attribute, own: defined(attribute), around: k, inside: new Map() }) - 1);
      }
    }
  }
  return out;
}

/** What a body (and the bodies in it) reads from outside, and the parameters that it holds. */
export function freeValues(graph: Graph): { readonly captured: ReadonlySet<string>; readonly parameters: readonly Parameter[] } {
  const bodies = nested(graph);
  const captured = bodies.map(() => new Set<string>());
  const parameters = bodies.flatMap((b) => [...b.graph.parameters.values()]);
  for (let k = bodies.length - 1; k >= 0; k--) {
    const { graph: at, own, around } = bodies[k]!;
    const read = (value: string) => {
      if (value !== "" && !own.has(value)) captured[k]!.add(value);
    };
    for (const node of at.nodes) node.inputs.forEach(read);
    at.outputs.forEach(read);
    if (around < 0) continue;
    for (const value of captured[k]!) if (!bodies[around]!.own.has(value)) captured[around]!.add(value);
  }
  return { captured: captured[0]!, parameters };
}

/** The body with what it reads from outside renamed. */
export function substitute(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const bodies = nested(graph);
  const outer: ReadonlyMap<string, string>[] = [];
  for (const { own, around } of bodies) {
    const given = around < 0 ? names : outer[around]!;
    outer.push(new Map([...given].filter(([name]) => !own.has(name))));
  }
  const made = new Array<Graph>(bodies.length);
  for (let k = bodies.length - 1; k >= 0; k--) {
    const { graph: at, inside } = bodies[k]!;
    const rename = (value: string) => outer[k]!.get(value) ?? value;
    const nodes = at.nodes.map(
      (node): Node => ({
        ...node,
        inputs: node.inputs.map(rename),
        attributes: Object.fromEntries(
          Object.entries(node.attributes).map(([name, value]) => [name, isGraph(value) ? made[inside.get(value)!]! : value]),
        ),
      }),
    );
    made[k] = { ...at, nodes, outputs: at.outputs.map(rename) };
  }
  return made[0]!;
}

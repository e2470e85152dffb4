/** @file Which channel spaces run through which values: what edges and nodes of a drawn network are coloured by. */
import { type Graph, producers, type Node } from "../graph/graph";
import { operatorTable } from "../operators/table";
import type { ModelAnalysis } from "../symmetry/analysis";
import { type InferredAxes, inferAxes } from "../symmetry/spaces/infer";

/** Channel spaces of values. */
export interface ValueSpaces {
  /** Ids of the spaces on the axes of a value, in the order of its axes; empty where there are none or it is not known. */
  of(value: string): readonly number[];
}

const known = new WeakMap<ModelAnalysis, ValueSpaces>();

/** The spaces of all values of a model's graph. Made once for each analysis: axes are inferred anew for it. */
export function valueSpaces(analysis: ModelAnalysis): ValueSpaces {
  let made = known.get(analysis);
  if (!made) {
    made = inferSpaces(analysis);
    known.set(analysis, made);
  }
  return made;
}

function inferSpaces(analysis: ModelAnalysis): ValueSpaces {
  const equivariance = (node: Node) => operatorTable(node.operator, node.domain)?.equivariance;
  // Where weights are picked out of tensors, spaces are told apart on the slices only.
  const { normal, spaces } = analysis.apart ?? analysis;
  const axes = inferAxes(normal, { equivariance, softPins: true });
  const spaceOf = new Map<number, number>();
  for (const space of spaces) {
    if (!space.permutable) continue;
    for (const { parameter, axis, segment, factor } of space.acts) {
      const layout = axes.layout(parameter)?.[axis];
      if (!layout) continue;
      let start = 0;
      for (const factors of layout) {
        const end = start + factors.reduce((n, f) => n * f.size, 1);
        const inside = segment ? start >= segment[0] && end <= segment[1] : true;
        const atom = factors[factor ?? 0]?.atom;
        if (inside && atom !== undefined && !spaceOf.has(atom)) spaceOf.set(atom, space.id);
        start = end;
      }
    }
  }
  const standsFor = namesInNormalForm(analysis.graph, normal);
  const made = new Map<string, readonly number[]>();
  return {
    of(value) {
      let spaces = made.get(value);
      if (!spaces) {
        spaces = spacesOf(standsFor(value), axes, spaceOf);
        made.set(value, spaces);
      }
      return spaces;
    },
  };
}

/**
 * The value of the normal form that stands for a value of the graph: lowering may give the last value of what a node became a
 * new name, and leaves out nodes that pass their input on.
 */
function namesInNormalForm(graph: Graph, normal: Graph): (value: string) => string {
  const last = new Map<string, string>();
  for (const node of normal.nodes) {
    const { node: origin } = node.origin;
    if (origin !== undefined && node.outputs[0] !== undefined) last.set(origin, node.outputs[0]);
  }
  const writers = producers(graph);
  return (value) => {
    let name = value;
    for (let node = writers.get(name); node !== undefined && !normal.types.has(name); node = writers.get(name)) {
      const made = last.get(node.name);
      if (made !== undefined) return made;
      name = node.inputs[0] ?? "";
    }
    return name;
  };
}

function spacesOf(value: string, axes: InferredAxes, spaceOf: ReadonlyMap<number, number>): readonly number[] {
  const out = new Set<number>();
  for (const layout of axes.layout(value) ?? []) {
    for (const segment of layout) {
      for (const { atom } of segment) {
        const space = spaceOf.get(atom);
        if (space !== undefined) out.add(space);
      }
    }
  }
  return [...out];
}

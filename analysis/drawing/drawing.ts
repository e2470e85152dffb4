/** @file A network as it is drawn: operators, what flows between them, the modules that they are in, and channel spaces. */
import type { Graph, Node } from "../graph/graph";
import { elementCount, type Shape } from "../graph/tensor";
import type { ModelAnalysis } from "../symmetry/analysis";
import { formatAddress } from "../symmetry/symmetry";
import { foldRepeats, type Repeats } from "./repeats";
import { moduleTree } from "./scopes";
import { valueSpaces } from "./value-spaces";
import { visibleGraph } from "./visible";

/** An operator, or an input or output of the network. */
export interface DrawnNode {
  readonly kind: "operator" | "input" | "output";
  /** What it is: `Conv`, or the name of an input or output. */
  readonly title: string;
  /** What tells it from others of its kind: `3×3 stride 2`, `512 → 1000`. */
  readonly detail: string;
  /** Node name in the file; the value's name for inputs and outputs. */
  readonly name: string;
  /** Module path, where it is known. */
  readonly scope?: string;
  /** Index of the innermost module that it is in. */
  readonly module?: number;
  /** Shape of what it writes: `64×56×56` behind the batch. */
  readonly shape: string;
  /** Channel spaces of what it reads and writes, as indices. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Names of its trained weights and buffers. */
  readonly parameters: readonly string[];
  /** Number of trained entries that no node before it has. */
  readonly weights: number;
}

/** A channel space, with where it acts. */
export interface DrawnSpace {
  /** `512`. */
  readonly size: number;
  readonly group: string;
  readonly acts: readonly { readonly parameter: string; readonly address: string; readonly node?: number }[];
}

/** A drawn network. Nodes, modules and spaces are named by their indices. */
export interface Drawing {
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly (readonly [from: number, to: number])[];
  readonly modules: readonly {
    readonly path: string;
    readonly parent?: number;
    /** It stands for modules that are built alike, one behind the other. */
    readonly repeats?: Repeats;
  }[];
  readonly spaces: readonly DrawnSpace[];
  /** The drawn node that stands for a node of the file, by name. */
  readonly standsFor: Readonly<Record<string, number>>;
  /** How many nodes of the file are not drawn. */
  readonly hidden: number;
}

/** Makes the drawing of a model. */
export function drawingOf(analysis: ModelAnalysis): Drawing {
  const { graph } = analysis;
  const visible = visibleGraph(graph);
  const spaces = valueSpaces(analysis);
  const inputs = graph.inputs.filter((i) => visible.nodes.some((n) => visible.reads.get(n)!.includes(i.name)));
  const writer = new Map<string, number>(inputs.map((i, k) => [i.name, k]));
  visible.nodes.forEach((node, k) => {
    for (const o of node.outputs) if (o !== "") writer.set(o, inputs.length + k);
  });
  const sources = visible.nodes.map((n) => [...new Set(visible.reads.get(n)!.flatMap((v) => writer.get(v) ?? []))]);
  const inner = sources.map((list) => list.filter((i) => i >= inputs.length).map((i) => i - inputs.length));
  const tree = foldRepeats(moduleTree(visible.nodes, inner), visible.nodes, (n) =>
    shapeText(graph.types.get(n.outputs[0] ?? "")?.shape),
  );
  const nodes: DrawnNode[] = inputs.map((i) => ({
    kind: "input",
    title: i.name,
    detail: "",
    name: i.name,
    shape: shapeText(i.shape),
    reads: [],
    writes: spaces.of(i.name),
    parameters: [],
    weights: 0,
  }));
  const counted = new Set<string>();
  const edges: (readonly [number, number])[] = [];
  visible.nodes.forEach((node, k) => {
    const parameters = visible.parameters.get(node)!;
    const output = node.outputs[0] ?? "";
    const { scope } = node.origin;
    const module = tree.of[k];
    for (const from of sources[k]!) edges.push([from, nodes.length]);
    nodes.push({
      kind: "operator",
      title: node.operator,
      detail: detailOf(node, parameters, graph),
      name: node.name,
      ...(scope === undefined ? {} : { scope }),
      ...(module === undefined ? {} : { module }),
      shape: shapeText(graph.types.get(output)?.shape),
      reads: [...new Set(visible.reads.get(node)!.flatMap((v) => spaces.of(v)))],
      writes: spaces.of(output),
      parameters,
      weights: parameters.reduce((n, p) => n + (counted.has(p) ? 0 : trainedEntries(graph, p)), 0),
    });
    for (const p of parameters) counted.add(p);
  });
  for (const name of new Set(graph.outputs)) {
    const from = writer.get(visible.drawn(name));
    if (from !== undefined) edges.push([from, nodes.length]);
    nodes.push({
      kind: "output",
      title: name,
      detail: "",
      name,
      shape: shapeText(graph.types.get(name)?.shape),
      reads: spaces.of(name),
      writes: [],
      parameters: [],
      weights: 0,
    });
  }
  const at = new Map(visible.nodes.map((n, k) => [n, inputs.length + k]));
  const owner = new Map<string, number>();
  nodes.forEach((n, i) => {
    for (const p of n.parameters) if (!owner.has(p)) owner.set(p, i);
  });
  return {
    nodes,
    edges,
    modules: tree.modules,
    spaces: analysis.spaces.map(({ size, group, acts }) => ({
      size,
      group,
      acts: acts.map((a) => {
        const node = owner.get(a.parameter);
        return { parameter: a.parameter, address: formatAddress(a), ...(node === undefined ? {} : { node }) };
      }),
    })),
    standsFor: Object.fromEntries([...visible.standsFor].map(([name, node]) => [name, at.get(node)!])),
    hidden: graph.nodes.length - visible.nodes.length,
  };
}

function trainedEntries(graph: Graph, parameter: string): number {
  const p = graph.parameters.get(parameter);
  return p?.trainable ? elementCount(p.shape) : 0;
}

/** A shape behind its batch axis. */
function shapeText(shape: Shape | undefined): string {
  if (shape === undefined) return "?";
  return (shape.length > 1 ? shape.slice(1) : shape).join("×");
}

/** What tells a node from others of its kind, in a few characters. */
function detailOf(node: Node, parameters: readonly string[], graph: Graph): string {
  const { attributes } = node;
  const numbers = (name: string): readonly number[] | undefined => {
    const a = attributes[name];
    return Array.isArray(a) && a.every((v) => typeof v === "number") ? a : undefined;
  };
  const parts: string[] = [];
  const kernel = numbers("kernel_shape");
  const weight = graph.parameters.get(parameters[0] ?? "")?.shape;
  if (kernel) {
    parts.push(kernel.join("×"));
    const strides = numbers("strides");
    if (strides?.some((s) => s !== 1)) parts.push(`/${new Set(strides).size === 1 ? strides[0] : strides.join("×")}`);
    const { group } = attributes;
    if (typeof group === "number" && group > 1) parts.push(`${group} groups`);
  } else if (weight !== undefined && weight.length > 1) parts.push(weight.join("×"));
  const { perm, axis, equation } = attributes;
  if (typeof equation === "string") parts.push(equation.replaceAll(" ", ""));
  if (Array.isArray(perm)) parts.push(`(${perm.join(" ")})`);
  if (typeof axis === "number") parts.push(`axis ${axis}`);
  return parts.join(" ");
}

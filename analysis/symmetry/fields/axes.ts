/**
 * @file The axes on which scalings and matrix fields may act. Permutations have to leave network inputs and outputs where they
 * are, and whatever is added to them; scalings and fields only have to be zero there, which their own equations say. So the
 * atoms of network inputs and outputs stay free here where some weight works along them, and only axes without weights
 * (batch, time, places) are pinned.
 */
import type { AxisFactor, AxisStructure } from "../../graph/axes";
import { consumers, type Graph, type Node, numbersAttribute, type Parameter, stringAttribute } from "../../graph/graph";
import { parseEinsum } from "../../operators/einsum";
import type { Equivariance } from "../../operators/equivariance";
import { operatorTable } from "../../operators/table";
import { axisOf } from "../spaces/atom-table";
import { isPlain } from "../spaces/blocks";
import { type InferredAxes, inferAxes } from "../spaces/infer";

/** The equivariance of a node's operator; undefined makes it opaque. */
function equivarianceOf(node: Node): Equivariance | undefined {
  return operatorTable(node.operator, node.domain)?.equivariance;
}

/** Operators that only carry a parameter to where it is used. */
const CARRIERS: ReadonlySet<string> = new Set([
  "Identity",
  "Cast",
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Slice",
  "Expand",
]);

/** Infers the axes of all values of a graph in normal form, pinned only where no weight works along them. */
export function actingAxes(graph: Graph, equivariance: (node: Node) => Equivariance | undefined = equivarianceOf): InferredAxes {
  const parameters = new Map<string, Parameter>(graph.parameters);
  for (const { name, type, shape } of graph.inputs) parameters.set(name, { name, type, shape, trainable: false, origin: {} });
  const axes = inferAxes({ ...graph, inputs: [], outputs: [], parameters }, { equivariance, softPins: false });
  const readers = consumers(graph);
  const worked = new Set<number>();
  for (const p of graph.parameters.values()) {
    if (!p.trainable || isTable(readers, p)) continue;
    for (const segments of axes.layout(p.name) ?? []) for (const s of segments) for (const f of s) worked.add(f.atom);
  }
  const values = [...graph.inputs.map((i) => i.name), ...graph.constants.keys(), ...graph.nodes.flatMap((n) => n.outputs)];
  const { atoms } = axes;
  const idle = (id: number): boolean => !worked.has(atoms.find(id)) && !atoms.isPinned(id);
  for (const value of values) {
    for (const axis of axes.axes(value) ?? []) {
      for (const part of isPlain(axis) ? [axis] : axis.kind === "dependent" ? axis.options : []) {
        for (const id of atoms.normal(part).flat()) if (idle(id)) atoms.pin(axisOf([[id]]));
      }
    }
  }
  return axes;
}

/**
 * The same axes with only those atoms free along which a matrix can act: ones that some contraction or reduction sums over. An
 * index that nothing sums over reaches the output, where it may not move.
 */
export function mixingAxes(graph: Graph, axes: AxisStructure): AxisStructure {
  const summed = new Set<number>();
  const sum = (value: string, axis: number): void => {
    const layouts = axes.layout(value);
    for (const segment of layouts?.[axis < 0 ? axis + layouts.length : axis] ?? []) for (const f of segment) summed.add(f.atom);
  };
  for (const node of graph.nodes) {
    const [left, right] = node.inputs;
    if (left === undefined) continue;
    if (node.operator === "MatMul" && right !== undefined) {
      sum(left, -1);
      sum(right, (graph.types.get(right)?.shape?.length ?? 1) > 1 ? -2 : 0);
    } else if (node.operator === "Conv" || node.operator === "ConvTranspose") sum(left, 1);
    else if (node.operator === "Einsum") sumOfEinsum(graph, node, sum);
    else if (node.operator.startsWith("Reduce")) for (const axis of reducedAxes(graph, node)) sum(left, axis);
  }
  const isSummed = (f: AxisFactor): boolean => summed.has(f.atom) || (f.parts?.some((s) => s.some(isSummed)) ?? false);
  return {
    layout: (value) =>
      axes.layout(value)?.map((axis) => axis.map((segment) => segment.map((f) => (isSummed(f) ? f : { ...f, pinned: true })))),
  };
}

function sumOfEinsum(graph: Graph, node: Node, sum: (value: string, axis: number) => void): void {
  const ranks = node.inputs.map((i) => graph.types.get(i)?.shape?.length ?? 0);
  // Behind an opaque operator shapes are not known, and no axis of theirs is.
  if (ranks.includes(0)) return;
  const { inputs, output } = parseEinsum(stringAttribute(node, "equation", ""), ranks);
  inputs.forEach((letters, i) => {
    letters.forEach((letter, axis) => {
      if (!output.includes(letter)) sum(node.inputs[i]!, axis);
    });
  });
}

/** The axes that a reduction sums over; all where none are given. */
function reducedAxes(graph: Graph, node: Node): readonly number[] {
  const rank = graph.types.get(node.inputs[0]!)?.shape?.length ?? 0;
  const given = numbersAttribute(node, "axes") ?? graph.constants.get(node.inputs[1] ?? "")?.data;
  return given && given.length > 0 ? Array.from(given) : Array.from({ length: rank }, (_, i) => i);
}

/** A table of summands, such as position embeddings: no weights work along its places. */
function isTable(readers: ReadonlyMap<string, readonly Node[]>, parameter: Parameter): boolean {
  if (parameter.shape.filter((n) => n > 1).length < 2) return false;
  const stack = [parameter.name];
  const seen = new Set(stack);
  while (stack.length > 0) {
    for (const node of readers.get(stack.pop()!) ?? []) {
      if (node.operator === "Add" || node.operator === "Sub" || node.operator === "Concat") continue;
      if (!CARRIERS.has(node.operator)) return false;
      for (const o of node.outputs) {
        if (!seen.has(o)) stack.push(o);
        seen.add(o);
      }
    }
  }
  return true;
}

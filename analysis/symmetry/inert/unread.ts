/** @file Parameters from which no output is computed: any change of them is a symmetry, and no engine need look for others. */
import type { Graph, Parameter } from "../../graph/graph";
import { numberingOf } from "../../graph/numbering";
import { elementCount, isFloating } from "../../graph/tensor";
import type { Random } from "../../numerics/random";
import type { Entries } from "./masked";
import type { ContinuousCounts, ParameterValues } from "../symmetry";

/** A graph without the trained parameters that nothing reads, and these. */
export interface ReadParameters {
  readonly graph: Graph;
  readonly unread: readonly Parameter[];
}

/** Takes the trained parameters that nothing reads out of a graph in normal form, whose nodes all lead to an output. */
export function readParameters(normal: Graph): ReadParameters {
  const numbering = numberingOf(normal);
  const outputs = new Set(normal.outputs);
  const unread = [...normal.parameters.values()].filter(
    (p) =>
      p.trainable &&
      isFloating(p.type) &&
      elementCount(p.shape) > 0 &&
      !outputs.has(p.name) &&
      numbering.readerCount(numbering.of(p.name)) === 0,
  );
  if (unread.length === 0) return { graph: normal, unread };
  const parameters = new Map(normal.parameters);
  for (const { name } of unread) parameters.delete(name);
  return { graph: { ...normal, parameters }, unread };
}

/** A graph with parameters that nothing in it reads. */
export function withUnread(graph: Graph, unread: readonly Parameter[]): Graph {
  if (unread.length === 0) return graph;
  return { ...graph, parameters: new Map([...graph.parameters, ...unread.map((p) => [p.name, p] as const)]) };
}

/** Weights with random ones for parameters that nothing reads. */
export function withUnreadWeights(weights: ParameterValues, unread: readonly Parameter[], random: Random): ParameterValues {
  if (unread.length === 0) return weights;
  return new Map([...weights, ...unread.map((p) => [p.name, random.normals(elementCount(p.shape))] as const)]);
}

/** Dimensions with one more for each entry that nothing reads, of parameters that nothing reads and of others. */
export function withUnreadCounts(
  counts: ContinuousCounts,
  unread: readonly Parameter[],
  masked: readonly Entries[],
): ContinuousCounts {
  let entries = 0;
  for (const p of unread) entries += elementCount(p.shape);
  for (const { flat } of masked) entries += flat.length;
  return entries === 0 ? counts : { ...counts, unread: counts.unread + entries, total: counts.total + entries };
}

/**
 * @file What a model is like before its first step: which parameters start with equal entries, and which symmetries hold in
 * training, where dropout tells units apart.
 */
import type { Graph, Parameter } from "../graph/graph";
import type { SourceRange } from "../graph/source";
import { analyse } from "../symmetry/analyse";
import type { ModelAnalysis } from "../symmetry/analysis";
import { type ChannelSpace, formatAddress } from "../symmetry/symmetry";
import type { CheckedModel } from "./checked";
import { placeKey, registeredParameter } from "./layers";

const noisy = new WeakMap<Graph, ModelAnalysis>();

/** The symmetries that one step with its own noise keeps: dropout masks differ from unit to unit. */
export function trainingAnalysis(model: CheckedModel): ModelAnalysis {
  const { graph } = model;
  const isNoise = (n: Graph["nodes"][number]) => n.domain === "" && n.operator === "Dropout";
  if (!graph.nodes.some(isNoise)) return model.analysis();
  let found = noisy.get(graph);
  if (!found) {
    const nodes = graph.nodes.map((n) => (isNoise(n) ? { ...n, domain: "noise" } : n));
    found = analyse({ ...graph, nodes }, { numeric: false });
    noisy.set(graph, found);
  }
  return found;
}

/** Whether a space of one analysis is one of another as well, at the same places. */
export function hasSpace(analysis: ModelAnalysis, space: ChannelSpace): boolean {
  const places = (s: ChannelSpace) => s.acts.map(formatAddress).sort().join();
  const wanted = places(space);
  return analysis.spaces.some((s) => s.permutable && s.size === space.size && places(s) === wanted);
}

/** The value of all entries of a parameter at the start; undefined where they differ or are not known. */
export function startingConstant(p: Parameter): number | undefined {
  return p.initialisation?.constant;
}

/** Whether calls that initialise parameters also do so for vectors. */
export function setsVectors(model: CheckedModel, calls: readonly SourceRange[]): boolean {
  const places = new Set(calls.map(placeKey));
  return [...model.graph.parameters.values()].some((p) => {
    const range = p.initialisation?.origin?.range;
    return p.shape.length < 2 && range !== undefined && places.has(placeKey(range));
  });
}

/** Whether two parameters start equal, entry by entry: one was copied from the other, or both are the same constant. */
export function startEqual(model: CheckedModel, a: string, b: string): boolean {
  const [p, q] = [model.graph.parameters.get(a), model.graph.parameters.get(b)];
  if (!p || !q) return false;
  const constant = startingConstant(p);
  if (constant !== undefined && constant === startingConstant(q)) return true;
  return isCopy(model, a, b);
}

/** Whether two parameters start with the same drawn entries. */
export function isCopy(model: CheckedModel, a: string, b: string): boolean {
  const [p, q] = [registeredParameter(model, a), registeredParameter(model, b)];
  return p !== undefined && q !== undefined && p !== q && p.entries === q.entries;
}

/** @file A loaded file as rules look at it. */
import type { Graph } from "../graph/graph";
import type { CheckedFile, CheckedModel } from "../rules/checked";
import { normalForm } from "../lowering/normal-form";
import type { LoadedFile, LoadedModel } from "./loaded";

const normals = new WeakMap<Graph, Graph>();

/** The normal form of a graph, made once: most rules ask for it. */
function normalOf(graph: Graph): Graph {
  let normal = normals.get(graph);
  if (!normal) {
    normal = normalForm(graph).graph;
    normals.set(graph, normal);
  }
  return normal;
}

const checkedModels = new WeakMap<LoadedModel, CheckedModel>();

function checkedModel(m: LoadedModel): CheckedModel {
  const known = checkedModels.get(m);
  if (known) return known;
  const { name, graph, layers, inventory, range } = m;
  const made: CheckedModel = {
    name,
    graph,
    layers,
    normal: () => normalOf(graph),
    analysis: () => m.analysis,
    ...(m.probed ? { probed: () => m.probed?.() } : {}),
    ...(inventory ? { inventory } : {}),
    ...(range ? { range } : {}),
  };
  checkedModels.set(m, made);
  return made;
}

/** What rules look at in a loaded file; models are not analysed for it. */
export function checkedFile(file: LoadedFile): CheckedFile {
  return {
    file: file.file,
    language: file.language,
    ...(file.text === undefined ? {} : { text: file.text }),
    models: file.models.map(checkedModel),
    ...(file.syntax ? { syntax: () => file.syntax! } : {}),
    ...(file.trained ? { trained: () => file.trained!().map(checkedModel) } : {}),
    ...(file.facts ? { facts: () => file.facts!() } : {}),
  };
}

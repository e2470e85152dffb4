/** @file Checks what findings claim by numbers, in float64: that a parameter has no influence, and that a fix changes nothing. */
import type { Graph } from "../../graph/graph";
import { elementCount, type Tensor } from "../../graph/tensor";
import { normalForm } from "../../lowering/normal-form";
import { Random } from "../../numerics/random";
import { evaluateGraph, tangentGraph } from "../../operators/evaluate";
import { randomInputs } from "../../runtime/random-inputs";
import { randomWeights } from "../../runtime/random-weights";

const SEED = 5;

interface Point {
  readonly normal: Graph;
  readonly values: ReadonlyMap<string, Tensor>;
}

/** The function itself, epsilons kept, at random weights and inputs; equal names get equal weights. */
function evaluated(graph: Graph): Point {
  const { graph: normal } = normalForm(graph, { epsilon: "keep", maxRecurrentSteps: Number.POSITIVE_INFINITY });
  const values = new Map<string, Tensor>(randomInputs(graph, SEED));
  for (const [name, data] of randomWeights(graph, SEED)) {
    const p = graph.parameters.get(name)!;
    values.set(name, { type: p.type, shape: p.shape, data });
  }
  return { normal, values: evaluateGraph(normal, values) };
}

/** Largest derivative of an output along a random direction of a parameter, relative to the largest output. */
export function influence(graph: Graph, parameter: string): number {
  const { normal, values } = evaluated(graph);
  const direction = new Random(SEED).normals(elementCount(graph.parameters.get(parameter)!.shape));
  const moving = tangentGraph(normal, values, new Map([[parameter, direction]]));
  let largest = 0;
  let scale = 0;
  for (const output of normal.outputs) {
    for (const y of values.get(output)?.data ?? []) scale = Math.max(scale, Math.abs(y));
    for (const d of moving.get(output)?.data ?? []) largest = Math.max(largest, Math.abs(d));
  }
  return largest / Math.max(scale, 1e-6);
}

/** Largest difference of the outputs of two graphs at the same weights, relative to the largest output. */
export function difference(a: Graph, b: Graph): number {
  const [p, q] = [evaluated(a), evaluated(b)];
  let largest = 0;
  let scale = 0;
  p.normal.outputs.forEach((output, k) => {
    const [y, z] = [p.values.get(output)!, q.values.get(q.normal.outputs[k]!)!];
    y.data.forEach((v, i) => {
      scale = Math.max(scale, Math.abs(v));
      largest = Math.max(largest, Math.abs(v - z.data[i]!));
    });
  });
  return largest / Math.max(scale, 1e-6);
}

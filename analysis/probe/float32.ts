/** @file Graphs in single precision, whatever their file says: probes train in float32. */
import type { Attribute, Graph, Node } from "../graph/graph";
import { type ElementType, isFloating, type Tensor, type TensorType } from "../graph/tensor";

const single = (type: ElementType): ElementType => (isFloating(type) ? "float32" : type);

const isGraph = (a: Attribute): a is Graph => typeof a === "object" && "nodes" in a;
const isTensor = (a: Attribute): a is Tensor => typeof a === "object" && "data" in a && "shape" in a;

/** ONNX's numbers of float16, float64 and bfloat16, as Cast's attribute names them. */
const OTHER_FLOATS: ReadonlySet<number> = new Set([10, 11, 16]);

/** The graph with all floating types float32. Returns the graph itself where there is nothing to change. */
export function asFloat32(graph: Graph): Graph {
  const types = [...graph.types.values(), ...graph.parameters.values(), ...graph.constants.values(), ...graph.inputs];
  if (types.every((t) => single(t.type) === t.type)) return graph;
  const retype = <T extends { readonly type: ElementType }>(t: T): T => ({ ...t, type: single(t.type) });
  const attribute = (name: string, a: Attribute): Attribute => {
    if (isGraph(a)) return asFloat32(a);
    if (isTensor(a)) return retype(a);
    return name === "to" && typeof a === "number" && OTHER_FLOATS.has(a) ? 1 : a;
  };
  const node = (n: Node): Node => ({
    ...n,
    attributes: Object.fromEntries(Object.entries(n.attributes).map(([name, a]) => [name, attribute(name, a)])),
  });
  return {
    ...graph,
    inputs: graph.inputs.map(retype),
    nodes: graph.nodes.map(node),
    parameters: new Map([...graph.parameters].map(([name, p]) => [name, retype(p)])),
    constants: new Map([...graph.constants].map(([name, t]) => [name, retype(t)])),
    types: new Map([...graph.types].map(([name, t]): [string, TensorType] => [name, retype(t)])),
  };
}

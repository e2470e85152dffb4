/** @file A key by which two graphs are the same computation, wherever their text stands. */
import { createHash } from "node:crypto";
import type { Attribute, Graph } from "../graph/graph";
import type { Tensor } from "../graph/tensor";

/** Equal for graphs with equal operators, names, shapes and constants; origins and weights do not count. */
export function graphKey(graph: Graph): string {
  const hash = createHash("sha1");
  update(hash, graph);
  return hash.digest("base64");
}

type Hash = ReturnType<typeof createHash>;

function update(hash: Hash, graph: Graph): void {
  hash.update(JSON.stringify([graph.name, graph.opset, graph.inputs, graph.outputs]));
  for (const n of graph.nodes) {
    hash.update(JSON.stringify([n.operator, n.domain, n.inputs, n.outputs]));
    for (const [name, value] of Object.entries(n.attributes)) {
      hash.update(name);
      attribute(hash, value);
    }
  }
  for (const p of graph.parameters.values())
    hash.update(JSON.stringify([p.name, p.type, p.shape, p.trainable, p.buffer ?? false]));
  for (const [name, t] of graph.constants) {
    hash.update(name);
    tensor(hash, t);
  }
}

function attribute(hash: Hash, value: Attribute): void {
  if (typeof value !== "object" || Array.isArray(value)) hash.update(JSON.stringify(value));
  else if ("nodes" in value) update(hash, value);
  else if ("data" in value) tensor(hash, value);
}

function tensor(hash: Hash, t: Tensor): void {
  hash.update(JSON.stringify([t.type, t.shape]));
  hash.update(new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength));
}

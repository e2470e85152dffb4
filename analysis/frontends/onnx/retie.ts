/**
 * @file Weights that an exporter stored a second time. Constant folding transposes the weight of each linear layer into a tensor
 * without a name; where the model shares that weight (a language model's head and its embedding, an autoencoder's two halves),
 * the file then holds it twice. They train as one, so they are one parameter again here.
 */
import type { Node } from "../../graph/graph";
import { isFloating } from "../../graph/tensor";
import { indexUses, isAnonymous } from "./classify";
import type { RawGraph } from "./graph-reader";
import type { FileTensor } from "./tensors";

/** Entries that are read in all to compare tensors: opening a large file must not read its weights. */
const MOST_READ = 1_000_000;

/**
 * Reads matrices that are the transposes of others as what they are; the graph itself where there are none.
 * @param isCopy whether a tensor may be one that the exporter made, by its name; what it made has no name of its own
 */
export function retie(raw: RawGraph, isCopy: (name: string) => boolean = isAnonymous): RawGraph {
  const isMatrix = (t: FileTensor): boolean => t.shape.length === 2 && t.available && isFloating(t.type) && t.count > 1;
  const copies = [...raw.initializers.values()].filter((t) => isMatrix(t) && isCopy(t.name));
  if (copies.length === 0) return raw;
  const uses = indexUses(raw.nodes);
  const named = new Map<string, FileTensor[]>();
  for (const t of raw.initializers.values()) {
    if (!isMatrix(t) || isCopy(t.name) || uses.of(t.name).length === 0) continue;
    const key = `${t.type} ${t.shape[1]} ${t.shape[0]}`;
    const list = named.get(key);
    if (list) list.push(t);
    else named.set(key, [t]);
  }
  if (named.size === 0) return raw;
  let left = MOST_READ;
  const nodes: Node[] = [];
  const protos = new Map(raw.protos);
  const initializers = new Map(raw.initializers);
  for (const copy of copies) {
    const [reader] = uses.of(copy.name);
    if ((reader?.operator !== "MatMul" && reader?.operator !== "Gemm") || reader.index !== 1) continue;
    for (const weight of named.get(`${copy.type} ${copy.shape.join(" ")}`) ?? []) {
      left -= 2 * copy.count;
      if (left < 0) return finished();
      if (!isTransposed(copy, weight)) continue;
      const node: Node = {
        name: `${copy.name}/Transpose`,
        operator: "Transpose",
        domain: "",
        inputs: [weight.name],
        outputs: [copy.name],
        attributes: { perm: [1, 0] },
        origin: { node: reader.node.name },
      };
      nodes.push(node);
      protos.set(node, raw.protos.get(reader.node)!);
      initializers.delete(copy.name);
      break;
    }
  }
  return finished();

  function finished(): RawGraph {
    return nodes.length === 0 ? raw : { ...raw, initializers, protos, nodes: [...nodes, ...raw.nodes] };
  }
}

/** Whether a matrix is another one the other way round; tensors that are all alike are fresh ones, and prove nothing. */
function isTransposed(a: FileTensor, b: FileTensor): boolean {
  const [x, y] = [a.read()?.data, b.read()?.data];
  if (x === undefined || y === undefined) return false;
  const [rows = 0, columns = 0] = a.shape;
  let isAlike = true;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const entry = x[i * columns + j]!;
      if (entry !== y[j * rows + i]!) return false;
      if (entry !== x[0]!) isAlike = false;
    }
  }
  return !isAlike;
}

/** @file Entries of parameters that nothing reads since whatever reads them multiplies them by zero: masked weights, pruned ones. */
import { type Graph, type Node, numbersAttribute, type Parameter } from "../../graph/graph";
import { numberingOf } from "../../graph/numbering";
import { elementCount, isFloating, type Shape, strides, type Tensor } from "../../graph/tensor";

/** Entries of one parameter. */
export interface Entries {
  readonly parameter: Parameter;
  /** Flat positions, in order. */
  readonly flat: Int32Array;
}

/** Entries of the largest parameter that is looked at. */
const MOST_ENTRIES = 4_194_304;

/** The entries of trained parameters that all readers multiply by a constant that is zero there; parameters without any are absent. */
export function maskedEntries(graph: Graph): Entries[] {
  const numbering = numberingOf(graph);
  const outputs = new Set(graph.outputs);
  const readersOf = (value: string): readonly Node[] =>
    Array.from(numbering.readers(numbering.of(value)), (k) => graph.nodes[k]!);
  const seen = new Set<Parameter>();
  const out: Entries[] = [];
  for (const node of graph.nodes) {
    const parameter = maskingOf(graph, node)?.parameter;
    if (parameter === undefined || seen.has(parameter)) continue;
    seen.add(parameter);
    if (outputs.has(parameter.name)) continue;
    const zeros = new Uint8Array(elementCount(parameter.shape)).fill(1);
    const isMasked = readersOf(parameter.name).every((reader) => {
      if (!isTranspose(reader)) return keepZeros(zeros, graph, reader, undefined);
      const turned = reader.outputs[0]!;
      return !outputs.has(turned) && readersOf(turned).every((n) => keepZeros(zeros, graph, n, reader));
    });
    if (!isMasked) continue;
    const flat: number[] = [];
    for (let k = zeros.indexOf(1); k >= 0; k = zeros.indexOf(1, k + 1)) flat.push(k);
    if (flat.length > 0) out.push({ parameter, flat: Int32Array.from(flat) });
  }
  return out;
}

function isTranspose(node: Node): boolean {
  return node.operator === "Transpose" && node.domain === "";
}

/** A product of a trained parameter, transposed or not, and a constant that is zero somewhere. */
interface Masking {
  readonly parameter: Parameter;
  /** The transpose that comes before. */
  readonly by: Node | undefined;
  readonly mask: Tensor;
}

function maskingOf(graph: Graph, { operator, domain, inputs }: Node): Masking | undefined {
  if (operator !== "Mul" || domain !== "" || inputs.length !== 2) return undefined;
  const [constant, own] = graph.constants.has(inputs[1]!) ? [inputs[1]!, inputs[0]!] : [inputs[0]!, inputs[1]!];
  const mask = graph.constants.get(constant);
  if (mask === undefined) return undefined;
  const numbering = numberingOf(graph);
  const at = numbering.writer(numbering.of(own));
  const by = at < 0 ? undefined : graph.nodes[at]!;
  if (by !== undefined && !isTranspose(by)) return undefined;
  const parameter = graph.parameters.get(by?.inputs[0] ?? own);
  if (!parameter?.trainable || !isFloating(parameter.type) || elementCount(parameter.shape) > MOST_ENTRIES) return undefined;
  return mask.data.includes(0) ? { parameter, by, mask } : undefined;
}

/** Leaves of the zeros those that a reader has too; false where it is no product with a mask of at most the parameter's size. */
function keepZeros(zeros: Uint8Array, graph: Graph, node: Node, by: Node | undefined): boolean {
  const masking = maskingOf(graph, node);
  if (masking === undefined || masking.by !== by) return false;
  const { shape } = masking.parameter;
  const rank = shape.length;
  const perm = (by && numbersAttribute(by, "perm")) ?? shape.map((_, k) => (by ? rank - 1 - k : k));
  const to = graph.types.get(node.outputs[0]!)?.shape;
  if (to?.join() !== perm.map((p) => shape[p]!).join()) return false;
  const steps = strides(shape);
  broadcast(masking.mask, to).forEach((m, i) => {
    if (m === 0) return;
    let rest = i;
    let at = 0;
    for (let k = rank - 1; k >= 0; k--) {
      at += (rest % to[k]!) * steps[perm[k]!]!;
      rest = Math.floor(rest / to[k]!);
    }
    zeros[at] = 0;
  });
  return zeros.includes(1);
}

/** The entries of a tensor repeated to a shape. */
function broadcast({ shape, data }: Tensor, to: Shape): Float64Array {
  if (shape.join() === to.join()) return data;
  const missing = to.length - shape.length;
  const steps = strides(shape);
  const out = new Float64Array(elementCount(to));
  for (let i = 0; i < out.length; i++) {
    let rest = i;
    let at = 0;
    for (let k = to.length - 1; k >= missing; k--) {
      if (shape[k - missing] !== 1) at += (rest % to[k]!) * steps[k - missing]!;
      rest = Math.floor(rest / to[k]!);
    }
    out[i] = data[at]!;
  }
  return out;
}
